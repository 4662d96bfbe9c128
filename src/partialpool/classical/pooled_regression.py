"""Regression by complete pooling, with cluster-robust errors, and by fixed effects."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.records import Clusters, CrossProducts
from partialpool.records.cross_products import Block
from partialpool.records.redundancy import ROUNDING, independent


@dataclass(frozen=True, slots=True, eq=False)
class Pooled:
    """Complete pooling: weighted least squares, the groups ignored.

    Parameters
    ----------
    estimate, naive_se, robust_se : ndarray, shape (p,)
        Coefficients as named; errors that take rows as independent, and cluster-robust (CR2)
        errors; nan where these are not known.
    sigma : float
        Standard deviation of one row (units of y).
    """

    estimate: Floats
    naive_se: Floats
    robust_se: Floats
    sigma: float


@dataclass(frozen=True, slots=True, eq=False)
class FixedEffects:
    """Fixed effects: a free intercept for each group of one factor.

    Parameters
    ----------
    factor : str
        The factor whose groups have intercepts of their own.
    estimate, se : ndarray, shape (p,)
        Coefficients; nan for the intercept and where the groups take the predictor up.
    sigma : float
        Standard deviation of one row (units of y).
    intercepts : int
        How many coefficients the groups cost more than one intercept does.
    df : int
        Rows less all coefficients.
    lost : tuple of str
        Predictors that cannot be estimated beside the intercepts.
    """

    factor: str
    estimate: Floats
    se: Floats
    sigma: float
    intercepts: int
    df: int
    lost: tuple[str, ...]


def pooled_regression(s: CrossProducts, clusters: Clusters | None) -> Pooled:
    """Pool all rows.

        beta = (X'WX)^-1 X'Wy,   Var = M (sum_g X_g' A_g e_g e_g' A_g' X_g) M,   M = (X'WX)^-1

    with A_g = (I - X_g M X_g')^(-1/2), which makes the errors right if rows are independent.
    Source: Bell and McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky and Tipton
    (2018), doi:10.1080/07350015.2016.1247004.

    Parameters
    ----------
    s : CrossProducts
        The data, reduced.
    clusters : Clusters, optional
        Cross-products within clusters; without them robust errors are nan.
    """
    p = len(s.coefficients)
    root = np.linalg.inv(np.linalg.cholesky(s.xtx)).T  # M = root root'
    beta = root @ (root.T @ s.xty)
    df = s.n_used - p
    rest = max(s.yty - float(beta @ s.xty), 0.0)
    sigma = 1.0 if s.sigma_known else math.sqrt(rest / df) if df > 0 else math.nan
    naive = sigma**2 * root @ root.T
    robust = np.full((p, p), np.nan) if clusters is None else _robust(root, beta, clusters)
    named, shift = _named(s)
    return Pooled(
        named @ beta + shift, _se(named @ naive @ named.T), _se(named @ robust @ named.T), sigma
    )


def _robust(root: Floats, beta: Floats, clusters: Clusters) -> Floats:
    """Sum over clusters of M X' A e e' A X M; eigenvalues of I - H that vanish are left out."""
    leverage = root.T @ clusters.xtx @ root  # (L, p, p), similar to H_g
    value, vector = np.linalg.eigh(leverage)
    free = 1.0 - value
    scale = np.where(free > 1e-10, 1.0 / np.sqrt(np.maximum(free, 1e-10)), 0.0)
    score = (clusters.xty - clusters.xtx @ beta) @ root
    along = np.einsum("lij,li->lj", vector, score) * scale
    adjusted = np.einsum("lij,lj->li", vector, along)
    return np.asarray(root @ (adjusted.T @ adjusted) @ root.T)


def _named(s: CrossProducts) -> tuple[Floats, Floats]:
    """From coefficients of shifted columns to those as named: matrix and constant."""
    p = len(s.coefficients)
    matrix, constant = np.eye(p), np.zeros(p)
    if s.coefficients[:1] == ("Intercept",):
        matrix[0, 1:] -= s.shift[1:]
        constant[0] = s.center
    return matrix, constant


def _se(covariance: Floats) -> Floats:
    return np.sqrt(np.maximum(np.diag(covariance), 0.0))


def fixed_effects_regression(s: CrossProducts) -> FixedEffects | None:
    """Give every group of the factor with most groups an intercept of its own.

    The intercepts are taken out by the within transformation:
    ``sum_g (X_g - xbar_g)'W_g (X_g - xbar_g)``. None if no term has an intercept.
    """
    terms = [b for b in s.blocks if b.effects[:1] == ("Intercept",)]
    if not terms:
        return None
    block = max(terms, key=lambda b: len(b.labels))
    assert block.within is not None  # it has an intercept
    xtx, xty, yty = block.within[:-1, :-1], block.within[:-1, -1], float(block.within[-1, -1])
    used = estimable(s, block)
    at = np.flatnonzero(used)
    inner = xtx[np.ix_(at, at)]
    beta = np.full(len(used), np.nan)
    se = beta.copy()
    beta[at] = np.linalg.solve(inner, xty[at])
    groups = len(block.labels)
    df = s.n_used - groups - len(at)
    rest = max(yty - float(beta[at] @ xty[at]), 0.0)
    sigma = 1.0 if s.sigma_known else math.sqrt(rest / df) if df > 0 else math.nan
    se[at] = sigma * _se(np.asarray(np.linalg.inv(inner), dtype=np.float64))
    names = [n for n in s.coefficients if n != "Intercept"]
    lost = tuple(n for n in names if not used[s.coefficients.index(n)])
    extra = groups - ("Intercept" in s.coefficients)
    return FixedEffects(block.factor, beta, se, sigma, extra, df, lost)


def estimable(s: CrossProducts, block: Block) -> Bools:
    """Predictors that vary within groups, and are no combination of others there; shape (p,)."""
    assert block.within is not None  # it has an intercept
    xtx = block.within[:-1, :-1]
    varies = np.flatnonzero(~block.constant)
    floor = ROUNDING * np.diag(s.xtx)[varies]
    independent_columns = independent(xtx[np.ix_(varies, varies)], floor)
    used = np.zeros(len(block.constant), dtype=bool)
    used[varies[independent_columns]] = True
    return used
