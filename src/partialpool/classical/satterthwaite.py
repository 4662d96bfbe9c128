"""Degrees of freedom of coefficients whose standard errors rest on estimated spreads."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate.maximise import Peak
from partialpool.kernels.fixed_effects import Solved
from partialpool.kernels.normal_equations import System

DIFFERENCE = 0.004
"""Distance of differences, in the coordinates of the likelihood. At a fourth of it ends of
intervals move by 2e-5 of their quarter, at four times by 3e-4 (benchmarks/constants.py)."""


class Pieces(Protocol):
    """What is asked of a likelihood; see `classical.mixed.Criterion`."""

    @property
    def system(self) -> System: ...
    @property
    def sigma_known(self) -> bool: ...
    @property
    def freedom(self) -> int: ...
    def pieces(self, s: Floats) -> tuple[Floats, Solved]: ...


def degrees_of_freedom(criterion: Pieces, peak: Peak, sigma: float) -> Floats:
    """Satterthwaite's degrees of freedom of every coefficient, shape (p,).

    ``2 V^2 / Var(V)`` for the estimated variance V of a coefficient, Var(V) by the delta method
    from the curvature of the deviance in the spreads; infinite where V hangs on none of them.
    Source: Satterthwaite (1946), doi:10.2307/3002019; Kuznetsova et al. (2017),
    doi:10.18637/jss.v082.i13, for mixed models.
    """
    d = len(peak.at)
    one = DIFFERENCE * np.eye(d)
    i, k = np.triu_indices(d, 1)
    pairs = [sign * (one[i] + one[k]) for sign in (1.0, -1.0)]
    moves = np.concatenate([np.zeros((1, d)), one, -one, *pairs])
    log_det, solved = criterion.pieces(peak.at + moves)
    deviance = log_det + solved.rest / sigma**2  # sigma held
    hessian = np.zeros((d + 1, d + 1))
    up, down = deviance[1 : d + 1], deviance[d + 1 : 2 * d + 1]
    hessian[np.arange(d), np.arange(d)] = (up + down - 2.0 * deviance[0]) / DIFFERENCE**2
    both, neither = np.split(deviance[2 * d + 1 :], 2)
    mixed = both + neither - up[i] - up[k] - down[i] - down[k] + 2.0 * deviance[0]
    hessian[i, k] = hessian[k, i] = 0.5 * mixed / DIFFERENCE**2
    matrix, _ = criterion.system.named
    variance = sigma**2 * np.einsum("ki,gij,kj->gk", matrix, solved.covariance, matrix)
    slope = np.zeros((d + 1, len(matrix)))
    slope[:d] = (variance[1 : d + 1] - variance[d + 1 : 2 * d + 1]) / (2.0 * DIFFERENCE)
    size = d
    if not criterion.sigma_known:  # the last parameter is log sigma
        rest = solved.rest / sigma**2
        # deviance = ... + rest exp(-2 log sigma): derivatives of the last term are exact
        hessian[d, d] = 4.0 * rest[0]
        hessian[d, :d] = hessian[:d, d] = -(rest[1 : d + 1] - rest[d + 1 : 2 * d + 1]) / DIFFERENCE
        # V is in proportion to sigma^2
        slope[d] = 2.0 * variance[0]
        size = d + 1
    # the deviance is -2 log L: the inverse of half its second derivatives is the covariance
    spread = 2.0 * _inverse_where_curved(hessian[:size, :size])
    of_variance = np.einsum("ik,ij,jk->k", slope[:size], spread, slope[:size])
    with np.errstate(divide="ignore"):
        return np.asarray(2.0 * variance[0] ** 2 / of_variance)


def _inverse_where_curved(hessian: Floats) -> Floats:
    values, axes = np.linalg.eigh(hessian)
    curved = values > 1e-8 * max(float(values.max(initial=0.0)), 1e-300)
    inverse = np.where(curved, 1.0 / np.where(curved, values, 1.0), 0.0)
    return np.asarray((axes * inverse) @ axes.T)
