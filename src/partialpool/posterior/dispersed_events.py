"""Events to come of rows that vary more than Poisson or binomial ones.

    negative binomial: variance m + (d m)^2;   beta-binomial: p ~ Beta(f m, f (1 - m)), f = 1 / d^2

Distribution functions are averaged over quantiles of each probability or rate and of d.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.kernels.rising_factorial import log_rising
from partialpool.kernels.row_likelihood import LEAST_DISPERSION
from partialpool.posterior.distributions import Distribution

DISPERSIONS = 5
"""Quantiles of the dispersion over which events are averaged: with a mean of 0.9 and an sd of 0.25
they leave the distribution function of events off by at most .0014, with three by .003."""
MOST_TRIALS = 1000
"""Trials up to which probabilities of all numbers of events are added up. Beyond, the share of
events is taken as beta distributed with the same mean and variance: the distribution function is
then off by less than 1e-3, among small counts of probabilities of a few in a hundred by .02."""
TABLE_CELLS = 2**20
"""Probabilities that are computed at once (8 MiB)."""
BEYOND_LARGEST = 1e-12
"""Probability beyond the largest number of events that is looked at."""


def dispersion_nodes(dispersion: Distribution) -> tuple[Floats, Floats]:
    """Few values of a dispersion, and their shares."""
    node, share = np.polynomial.legendre.leggauss(DISPERSIONS)
    values = np.asarray(dispersion.quantile(0.5 + 0.5 * node))
    # Gauss and Legendre over probabilities: quantiles as nodes
    return np.maximum(values, LEAST_DISPERSION), 0.5 * share


def negative_binomial_cdf(count: Floats, mean: Floats, dispersions: Floats) -> Floats:
    """P(events <= count) at every dispersion, (D, M, R); count (R,) and mean (M, R)."""
    k = dispersions[:, None, None] ** -2.0
    # P(Y <= y) of a negative binomial is a regularised incomplete beta
    below = special.betainc(k, np.maximum(count, 0.0) + 1.0, k / (k + mean))
    return np.where(count < 0, 0.0, below)


def largest_count(mean: Floats, dispersions: Floats) -> Floats:
    """A number of events that is hardly ever passed, of the largest of these means, (R,)."""
    k = float(dispersions.max()) ** -2.0
    most = mean * float(special.gammaincinv(k, 1.0 - BEYOND_LARGEST)) / k
    return np.asarray(np.ceil(most + 8.0 * np.sqrt(most) + 40.0))


def beta_binomial_ends(
    size: Floats,
    rates: Floats,
    shares: Floats,
    dispersions: tuple[Floats, Floats],
    probabilities: tuple[float, float],
) -> tuple[Floats, Floats]:
    """Smallest numbers of events whose distribution function reaches each probability, (R,) each.

    Parameters
    ----------
    size : ndarray, shape (R,)
        Trials.
    rates, shares : ndarray, shape (M, R) and (M,)
        Probabilities of an event, and the share of each.
    dispersions : tuple of ndarray, shape (D,)
        Values and their shares.
    probabilities : tuple of float
    """
    out = np.zeros((2, len(size)))
    # rows of about equal numbers of trials share a table, and none is padded to the largest
    order = np.argsort(size, kind="stable")
    each = max(1, len(dispersions[0]) * len(rates))
    begin = 0
    while begin < len(order):
        wide = int(min(size[order[begin]], MOST_TRIALS)) + 1
        end = begin + max(1, TABLE_CELLS // (each * wide * 2))
        at = order[begin:end]
        if size[at[0]] <= MOST_TRIALS:
            at = at[size[at] <= min(MOST_TRIALS, 2 * wide)]
        below = _cumulative(size[at], rates[:, at], shares, dispersions)
        grid = np.arange(below.shape[1]) * np.maximum(size[at] / MOST_TRIALS, 1.0)[:, None]
        for k, p in enumerate(probabilities):
            # a probability that is reached but for rounding is reached
            place = np.minimum((below < p - 1e-12).sum(axis=1), below.shape[1] - 1)
            out[k, at] = np.rint(grid[np.arange(len(at)), place])
        begin += len(at)
    return out[0], out[1]


def _cumulative(
    size: Floats, rates: Floats, shares: Floats, dispersions: tuple[Floats, Floats]
) -> Floats:
    """Distribution function of events at 0, 1, ..., (R, K); of many trials at even steps."""
    total = dispersions[0][:, None, None, None] ** -2.0
    p = np.clip(rates, 1e-12, 1.0 - 1e-12)[None, :, :, None]
    n = size[:, None]
    weight = dispersions[1][:, None] * shares
    if size.max() > MOST_TRIALS:
        grid = np.arange(MOST_TRIALS + 1) * np.maximum(n / MOST_TRIALS, 1.0)
        matched = n * (total + 1.0) / (total + n) - 1.0  # the f of a beta of the same variance
        x = np.clip((grid + 0.5) / n, 0.0, 1.0)
        below = special.betainc(matched * p, matched * (1.0 - p), x)
        return np.asarray(np.einsum("dm,dmrk->rk", weight, below))
    k = np.arange(int(size.max(initial=0.0)) + 1.0)
    others = np.maximum(n - k, 0.0)
    log_ways = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(others + 1)
    log_p = log_rising(total * p, k) + log_rising(total * (1.0 - p), others) - log_rising(total, n)
    each = np.where(k <= n, np.exp(log_p + log_ways), 0.0)
    return np.asarray(np.cumsum(np.einsum("dm,dmrk->rk", weight, each), axis=1))


def spread_of_events(
    size: Floats, mean: Floats, sd: Floats, dispersion: Distribution, *, proportion: bool
) -> Floats:
    """Sd of events, (R,), of probabilities or rates with these means and sds."""
    values, share = dispersion_nodes(dispersion)
    square = mean**2 + sd**2
    with np.errstate(invalid="ignore"):
        if proportion:
            extra = float(share @ (values**2 / (1.0 + values**2)))
            # E p (1 - p) = E p - E p^2; extra = E 1 / (f + 1), the correlation of two trials of a
            # row
            within = size * (mean - square) * (1.0 + np.maximum(size - 1.0, 0.0) * extra)
        else:
            # Poisson, and gamma with coefficient of variation phi
            within = size * mean + float(share @ values**2) * size**2 * square
        return np.asarray(np.sqrt(np.maximum(within, 0.0) + (size * sd) ** 2))


def varied(
    values: Floats, dispersion: Floats, rng: np.random.Generator, *, proportion: bool
) -> Floats:
    """Probabilities or rates of rows by themselves, (S, R), at draws of the dispersion, (S,)."""
    f = np.maximum(dispersion, LEAST_DISPERSION)[:, None] ** -2.0
    if not proportion:
        return np.asarray(values * rng.gamma(np.broadcast_to(f, values.shape), 1.0 / f))
    least = math.sqrt(np.finfo(float).tiny)
    a, b = np.maximum(values * f, least), np.maximum((1.0 - values) * f, least)
    return np.asarray(rng.beta(a, b))
