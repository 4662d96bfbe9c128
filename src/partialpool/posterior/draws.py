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
FEWEST_NODES = 125
"""A line of tau with more than twice as many nodes is thinned before draws: most have a hundred."""
THINNED_ERROR = 1e-6
"""Of the probability of tau given sigma, by which thinned nodes may be off: far below what is
interpolated between them."""
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
    first, second = grid.lines[0], _thinned(grid.lines[1], grid.weight)
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


def _thinned(line: Line, weight: Floats) -> Line:
    """Every second, fourth, ... node of the last dimension while sums over these stay the same.

    Moments that hardly exist need nodes far out so close together that the density of tau, at
    all of them for every draw of sigma, would take minutes.
    """
    total, every = weight.sum(axis=1), 1
    while len(line.t) > 2 * FEWEST_NODES * every:
        every *= 2
        sums = np.stack([every * weight[:, i::every].sum(axis=1) for i in range(every)])
        if np.abs(sums - total).sum(axis=1).max() > THINNED_ERROR:
            every //= 2
            break
    step = every * line.step
    return Line(
        line.axis, line.center, line.scale, step, -(-line.first // every), line.last // every
    )


def invert(line: Line, weight: Floats, p: Floats) -> Floats:
    """Values at which the distribution on a line reaches p; weight (1 or S, G), p (S,)."""
    if len(weight) == 1:
        places = np.arange(-INTERPOLATED, INTERPOLATED * len(line.t) + 1)
        fine = places / INTERPOLATED  # in steps, from one step outside
        # the series may fall by rounding in the tails
        at = np.interp(p, np.maximum.accumulate(sinc.integrated(fine, weight[0])), fine)
    else:
        at = _between_nodes(weight, p)
    t = line.t[0] + line.step * at
    return line.axis.value(line.center + line.scale * np.sinh(t))


def _between_nodes(weight: Floats, p: Floats) -> Floats:
    """Positions, in steps, at which each row's distribution reaches p; weight (S, G), p (S,).

    Found between two nodes first, and only there at the places between: all places of all rows
    would cost some 16 times as much, and with a thousand nodes seconds for every 500 rows.
    """
    nodes = np.arange(weight.shape[1])
    at_node = sinc.integrated(np.arange(-1.0, len(nodes) + 1.0), weight.T).T
    at_node = np.maximum.accumulate(at_node, axis=1)
    left = np.clip((at_node < p[:, None]).sum(axis=1), 1, len(nodes) + 1) - 2
    # distances are multiples of 1 / INTERPOLATED: the integral is computed once for each
    farthest = INTERPOLATED * (len(nodes) + 1)
    table = sinc.cumulative(np.arange(-farthest, farthest + 1) / INTERPOLATED)
    distance = INTERPOLATED * (left[:, None] - nodes) + farthest
    below = np.empty((INTERPOLATED + 1, len(p)))
    for place in range(INTERPOLATED + 1):
        np.einsum("sg,sg->s", table[distance + place], weight, out=below[place])
    below = np.maximum.accumulate(np.maximum(below, at_node[np.arange(len(p)), left + 1]), axis=0)
    right = np.clip((below < p).sum(axis=0), 1, INTERPOLATED)
    low, high = np.take_along_axis(below, np.stack([right - 1, right]), axis=0)
    part = np.clip((p - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    return np.asarray(left + (right - 1 + part) / INTERPOLATED)
