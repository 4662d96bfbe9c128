"""tau from estimates with known standard errors: the estimators of meta-analysis.

    y_j ~ N(theta_j, v_j),  theta_j ~ N(mu, tau^2),  v_j = se_j^2,  W_j = 1 / (v_j + tau^2)

Each returns tau and the mean it implies. All but `sidik_jonkman` and `boundary_avoiding` can
return exactly 0 although the groups differ, and none carries the uncertainty of tau; for the full
posterior see `partialpool.fit_groups`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.classical.roots import Function, highest, root_of_falling
from partialpool.errors import ArgumentError

CELLS_AT_ONCE = 2**20
"""Elements of the (values of tau, groups) arrays worked on at once, 8 MiB each."""


@dataclass(frozen=True, slots=True, eq=False)
class BetweenSpread:
    """An estimate of tau.

    Parameters
    ----------
    tau : float
        Between-group sd (units of y); with predictors, of what they leave unexplained.
    tau2_se : float
        Standard error of tau^2 (units of y squared), from the estimator's asymptotic variance;
        nan where none is published.
    coefficients, coefficients_se : ndarray, shape (p,)
        Intercept, then predictors, weighted by ``1 / (se^2 + tau^2)``, and their standard errors
        given tau.
    log_likelihood : float
        At the estimate, restricted for `reml`; nan for estimators that use none.
    """

    tau: float
    tau2_se: float
    coefficients: Floats
    coefficients_se: Floats
    log_likelihood: float = math.nan

    @property
    def mu(self) -> float:
        """The intercept: without predictors, the mean."""
        return float(self.coefficients[0])

    @property
    def mu_se(self) -> float:
        """Standard error of the intercept given tau."""
        return float(self.coefficients_se[0])


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Estimates y, their variances v, and a design x (J, p) whose first column is 1."""

    y: Floats
    v: Floats
    x: Floats

    @classmethod
    def of(cls, mean: Any, se: Any, predictors: Any, what: str) -> Problem:
        """Check the arguments of an estimator."""
        y, s = checks.groups(mean=mean, se=se)
        checks.positive(se=s)
        x = np.ones((len(y), 1))
        if predictors is not None:
            columns = np.asarray(predictors, dtype=np.float64)
            columns = columns[:, None] if columns.ndim == 1 else columns
            if columns.ndim != 2 or len(columns) != len(y) or not np.isfinite(columns).all():
                raise ArgumentError(
                    f"predictors must be finite, one row a group; they have shape {columns.shape} "
                    f"and there are {len(y)} groups"
                )
            x = np.hstack([x, columns])
            if np.linalg.matrix_rank(x) < x.shape[1]:
                raise ArgumentError("the predictors are collinear, among themselves or with 1")
        least = x.shape[1] + 1
        checks.at_least(least, len(y), what, "a spread needs more groups than coefficients")
        return cls(y, s**2, x)

    @property
    def df(self) -> int:
        """Groups less coefficients."""
        groups, coefficients = self.x.shape
        return int(groups - coefficients)

    def gram(self, a: Floats) -> Floats:
        """X' diag(a) X; a has shape (..., J), the result (..., p, p)."""
        return np.asarray(np.einsum("ji,...j,jk->...ik", self.x, a, self.x))

    def relative(self, b: Floats, a: Floats) -> Floats:
        """(X' diag(a) X)^-1 X' diag(b) X; shapes as in `gram`."""
        return np.asarray(np.linalg.solve(self.gram(a), self.gram(b)))

    def residual(self, w: Floats) -> Floats:
        """Y - X beta with beta weighted by w; w and the result have shape (..., J)."""
        right = np.einsum("ji,...j->...i", self.x, w * self.y)
        # stacked: one system for each tau^2
        beta = np.linalg.solve(self.gram(w), right[..., None])[..., 0]
        return np.asarray(self.y - np.einsum("ji,...i->...j", self.x, beta))

    def q(self, tau2: float) -> float:
        """``sum W (y - X beta)^2`` at tau^2; falls in tau^2."""
        w = 1.0 / (self.v + tau2)
        return float(w @ self.residual(w) ** 2)

    def trace(self, a: Floats) -> float:
        """Trace of the matrix of the quadratic form ``sum a (y - X beta_a)^2``."""
        # tr A - tr((X'AX)^-1 X'A^2X)
        return float(a.sum() - np.trace(self.relative(a**2, a)))

    def finish(
        self, tau2: float, tau2_se: float, log_likelihood: float = math.nan
    ) -> BetweenSpread:
        """Add the coefficients that follow from tau^2."""
        w = 1.0 / (self.v + tau2)
        covariance = np.linalg.inv(self.gram(w))
        beta = covariance @ (self.x.T @ (w * self.y))
        errors = np.sqrt(np.diag(covariance))
        return BetweenSpread(math.sqrt(tau2), tau2_se, beta, errors, log_likelihood)

    def variance_of_form(self, tau2: float, a: Floats) -> float:
        """Variance of ``sum a (y - X beta_a)^2``: 2 tr(M S M S)."""
        s = self.v + tau2
        once, twice = self.relative(a**3 * s**2, a), self.relative(a**2 * s, a)
        # with M = A - A X (X'AX)^-1 X'A and S diagonal the trace has these three parts: nothing is
        # J x J
        return float(2 * (a**2 @ s**2) - 4 * np.trace(once) + 2 * np.trace(twice @ twice))


def dersimonian_laird(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau by the moment of Cochran's Q, truncated at 0.

        tau^2 = max(0, (Q - (J - 1)) / (sum w - sum w^2 / sum w)),   w = 1 / v

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: DerSimonian and Laird (1986), doi:10.1016/0197-2456(86)90046-2.

    Examples
    --------
    >>> dersimonian_laird(mean=[28, 8, -3, 7], se=[15, 10, 16, 11]).tau
    0.0
    """
    p = Problem.of(mean, se, predictors, "the DerSimonian-Laird estimator")
    w = 1.0 / p.v
    scale = p.trace(w)
    tau2 = max(0.0, (p.q(0.0) - p.df) / scale)
    return p.finish(tau2, math.sqrt(p.variance_of_form(tau2, w)) / scale)


def hedges(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau by the variance of the estimates less their mean sampling variance.

        tau^2 = max(0, var(y) - average(v))

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: Hedges and Olkin (1985), Statistical Methods for Meta-Analysis, chapter 9.
    """
    p = Problem.of(mean, se, predictors, "the Hedges estimator")
    ones = np.ones(len(p.y))
    # tr(M diag(v)): what sampling alone adds to the residual sum of squares
    sampling = p.v.sum() - np.trace(p.relative(p.v, ones))
    tau2 = max(0.0, float((p.residual(ones) ** 2).sum() - sampling) / p.df)
    return p.finish(tau2, math.sqrt(p.variance_of_form(tau2, ones)) / p.df)


def hunter_schmidt(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau by ``max(0, (Q - J) / sum w)``.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: Hunter and Schmidt (2004), Methods of Meta-Analysis; in this form Viechtbauer (2005),
    doi:10.3102/10769986030003261.
    """
    p = Problem.of(mean, se, predictors, "the Hunter-Schmidt estimator")
    w = 1.0 / p.v
    tau2 = max(0.0, (p.q(0.0) - len(p.y)) / float(w.sum()))
    return p.finish(tau2, math.sqrt(p.variance_of_form(tau2, w)) / float(w.sum()))


def paule_mandel(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau so that ``sum W (y - mu)^2`` equals J - 1; the empirical-Bayes estimator.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: Paule and Mandel (1982), doi:10.6028/jres.087.022; Morris (1983),
    doi:10.1080/01621459.1983.10477920.
    """
    p = Problem.of(mean, se, predictors, "the Paule-Mandel estimator")
    tau2 = root_of_falling(lambda t: p.q(t) - p.df, float(p.v.mean()))
    w = 1.0 / (p.v + tau2)
    return p.finish(tau2, math.sqrt(2.0 * len(p.y) ** 2 / p.df) / float(w.sum()))


def sidik_jonkman(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau in two steps from the crude variance of the estimates; never 0.

        t0 = sum (y - ybar)^2 / J,   tau^2 = sum q (y - m)^2 / (J - 1),   q = t0 / (v + t0)

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: Sidik and Jonkman (2005), doi:10.1111/j.1467-9876.2005.00489.x.
    """
    p = Problem.of(mean, se, predictors, "the Sidik-Jonkman estimator")
    crude = float(np.var(p.y))
    if crude == 0.0:
        return p.finish(0.0, math.nan)
    q = crude / (p.v + crude)
    tau2 = float(q @ p.residual(q) ** 2) / p.df
    return p.finish(tau2, math.sqrt(p.variance_of_form(tau2, q)) / p.df)


def log_likelihood(p: Problem, restricted: bool) -> tuple[Function, Function]:
    """Return the (restricted) log likelihood of tau^2, beta profiled out, and its slope.

    Harville's restricted likelihood, with the determinant of X'X as a constant.
    """
    constant = -0.5 * (p.df if restricted else len(p.y)) * LOG_2PI
    if restricted:
        # makes values comparable between units of predictors; metafor counts it too
        constant += 0.5 * float(np.linalg.slogdet(p.x.T @ p.x)[1])

    def value(tau2: Floats) -> Floats:
        step = max(1, CELLS_AT_ONCE // len(p.y))
        return np.concatenate([block(tau2[i : i + step]) for i in range(0, len(tau2), step)])

    def block(tau2: Floats) -> Floats:
        w = 1.0 / (p.v + tau2[:, None])  # (T, J)
        out = constant + 0.5 * (np.log(w) - w * p.residual(w) ** 2).sum(axis=1)
        return np.asarray(out - 0.5 * np.linalg.slogdet(p.gram(w))[1] if restricted else out)

    def slope(tau2: Floats) -> Floats:
        w = 1.0 / (p.v + tau2[:, None])
        out = 0.5 * (w**2 * p.residual(w) ** 2 - w).sum(axis=1)
        if restricted:
            out = out + 0.5 * np.trace(p.relative(w**2, w), axis1=1, axis2=2)
        return np.asarray(out)

    return value, slope


def _fisher(p: Problem, tau2: float, restricted: bool) -> float:
    """Standard error of tau^2 from the expected information."""
    w = 1.0 / (p.v + tau2)
    information = (w**2).sum()
    if restricted:
        once, twice = p.relative(w**3, w), p.relative(w**2, w)
        # tr(P P) with P = W - W X (X'WX)^-1 X'W
        information += -2 * np.trace(once) + np.trace(twice @ twice)
    return math.sqrt(2.0 / float(information))


def ml(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau by maximum likelihood, mu profiled out.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: Hardy and Thompson (1996),
    doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A.
    """
    return _likelihood_estimate(mean, se, predictors, restricted=False)


def reml(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau by restricted maximum likelihood.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: Harville (1977), doi:10.1080/01621459.1977.10480998.
    """
    return _likelihood_estimate(mean, se, predictors, restricted=True)


def _likelihood_estimate(mean: Any, se: Any, predictors: Any, *, restricted: bool) -> BetweenSpread:
    p = Problem.of(mean, se, predictors, "a likelihood estimate")
    value, slope = log_likelihood(p, restricted)
    tau2 = highest(value, slope, float(p.v.mean() + np.var(p.y)))
    at = float(value(np.array([tau2]))[0])
    return p.finish(tau2, _fisher(p, tau2, restricted), at)


def boundary_avoiding(*, mean: Any, se: Any, predictors: Any = None) -> BetweenSpread:
    """Estimate tau by the mode of the restricted likelihood times tau: never 0.

    The factor is the limit of a gamma(2, rate) prior as its rate goes to 0.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors (meta-regression); an intercept is added.

    Notes
    -----
    Source: Chung, Rabe-Hesketh, Dorie, Gelman and Liu (2013), doi:10.1007/s11336-013-9328-2.
    """
    p = Problem.of(mean, se, predictors, "the boundary-avoiding estimator")
    value, slope = log_likelihood(p, True)

    def penalised(tau2: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            # log tau
            return value(tau2) + 0.5 * np.log(tau2)

    def penalised_slope(tau2: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return slope(tau2) + 0.5 / tau2

    tau2 = highest(penalised, penalised_slope, float(p.v.mean() + np.var(p.y)))
    return p.finish(tau2, _fisher(p, tau2, True), float(value(np.array([tau2]))[0]))
