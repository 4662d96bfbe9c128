"""Independent draws from the joint posterior: continuous in every parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.integrate import Grid, Line, sinc
from partialpool.models import OneWayModel
from partialpool.records import GroupStatistics

INTERPOLATED = 16
"""Places between two nodes at which a distribution function is computed; it is straight between
them. Draws of tau of eight schools and of dyestuff are then off by 4e-4 sd at most, with 8 by 2e-3,
with 2 by 0.03."""
DRAWS_AT_ONCE = 500
"""Draws of sigma for which the density of tau is computed at once: times some hundred nodes a few
MiB an array."""
CELLS_IN_CACHE = 2**15
"""Draws times groups worked on at once, 256 KiB an array: what the cache of a core holds."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class OneWayDraws:
    """Independent draws from a posterior.

    Parameters
    ----------
    mu, tau : ndarray, shape (S,)
        Population mean and between-group sd (units of y).
    sigma : ndarray, shape (S,), or None
        Within-group sd; None if standard errors are given.
    theta : ndarray, shape (S, J)
        Group parameters.
    groups : ndarray, shape (J,)
        Group labels.
    """

    mu: Floats
    tau: Floats
    sigma: Floats | None
    theta: Floats
    groups: AnyArray

    def __repr__(self) -> str:
        return (
            f"OneWayDraws({len(self.mu):,} draws of mu, tau, sigma and {len(self.groups):,} groups)"
        )


def draw(
    model: OneWayModel,
    grid: Grid,
    statistics: GroupStatistics,
    y: Floats,
    size: int,
    rng: np.random.Generator,
) -> OneWayDraws:
    """Draw phi from its continuous marginal, then mu, then every theta; y is centered."""
    points = _hyperparameters(model, grid, size, rng)
    conditional = model.conditional(points)
    factor = np.ones(size)
    if not math.isinf(conditional.df):
        # one factor for sigma, mu and theta of a draw: given sigma they are normal
        factor = np.sqrt(conditional.df / rng.chisquare(conditional.df, size))
    sigma = conditional.sigma * factor
    share = np.exp(conditional.log_share)  # (S, M)
    # component of mu's prior
    which = (np.cumsum(share, axis=1) < rng.random(size)[:, None]).sum(axis=1)
    which = np.minimum(which, share.shape[1] - 1)
    rows = np.arange(size)
    mu_sd = conditional.mu_sd[rows, which] * factor
    mu = conditional.mu[rows, which] + mu_sd * rng.standard_normal(size)
    theta = rng.standard_normal((size, len(y)))
    step = max(1, CELLS_IN_CACHE // len(y))
    for i in range(0, size, step):
        part = slice(i, i + step)
        lam = conditional.lam[part, None]
        variance = lam / (1.0 + statistics.weight * lam)  # of theta given mu, over sigma^2
        pull = y - mu[part, None]
        pull *= statistics.weight
        pull *= variance
        pull += (mu + model.center)[part, None]
        np.sqrt(variance, out=variance)
        variance *= sigma[part, None]
        theta[part] *= variance
        theta[part] += pull
    return OneWayDraws(
        mu=mu + model.center,
        tau=np.sqrt(conditional.lam) * sigma,
        sigma=None if model.sizes.sigma_known else sigma,
        theta=theta,
        groups=statistics.labels,
    )


def _hyperparameters(model: OneWayModel, grid: Grid, size: int, rng: np.random.Generator) -> Floats:
    """Draw phi, shape (S, d)."""
    if len(grid.lines) == 1:
        return invert(grid.lines[0], grid.weight[None, :], rng.random(size))[:, None]
    first, second = grid.lines
    sigma = invert(first, grid.marginal(0)[None, :], rng.random(size))
    tau = np.empty(size)
    for i in range(0, size, DRAWS_AT_ONCE):
        part = slice(i, i + DRAWS_AT_ONCE)
        here = sigma[part]
        points = np.stack([np.repeat(here, len(second.t)), np.tile(second.x, len(here))], axis=1)
        log_f = model.log_density(points).reshape(len(here), -1) + second.log_slope
        weight = np.exp(log_f - log_f.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        tau[part] = invert(second, weight, rng.random(len(here)))
    return np.stack([sigma, tau], axis=1)


def invert(line: Line, weight: Floats, p: Floats) -> Floats:
    """Values at which the distribution on a line reaches p; weight (1 or S, G), p (S,)."""
    fine = (
        np.arange(-INTERPOLATED, INTERPOLATED * len(line.t) + 1) / INTERPOLATED
    )  # in steps, from one step outside
    below = sinc.integrated(fine, weight.T).T  # (1 or S, F)
    # the series may fall by rounding in the tails
    below = np.maximum.accumulate(below, axis=1)
    if len(below) == 1:
        at = np.interp(p, below[0], fine)
    else:
        right = np.clip((below < p[:, None]).sum(axis=1), 1, len(fine) - 1)
        rows = np.arange(len(p))
        low, high = below[rows, right - 1], below[rows, right]
        part = (p - low) / np.where(high > low, high - low, 1.0)
        at = fine[right - 1] + np.clip(part, 0.0, 1.0) / INTERPOLATED
    t = line.t[0] + line.step * at
    return line.axis.value(line.center + line.scale * np.sinh(t))
