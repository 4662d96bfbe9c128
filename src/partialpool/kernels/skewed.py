"""Distributions with a given mean, variance and skewness that is not far from zero."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

from partialpool._typing import Floats

MOST_SKEWNESS = 0.8
"""A pair of normals has no more skewness than this: from 1.09 on the narrower of the two has no
width left."""
SLIGHT_SKEWNESS = 1e-3
"""Skewness below which exponentials are as of a normal: the two differ by a sixth of it times the
cube of the sd."""
LEAST_SKEWNESS = -1.999995
"""That of the logarithm of a gamma variable of shape 0.001, the smallest in the table."""
STIRLING_FROM = 10.0
"""Shape from which Stirling's series is right to 1e-7; its next term is 1 / (1260 a^5)."""
WIDE_LOGARITHM, CLEAR_SKEWNESS = 3.0, 0.25
"""Sd and skewness from which on a logarithm is that of a rate of which next to nothing is known."""


def pair(skew: Floats) -> tuple[Floats, Floats, Floats]:
    """Two normals of weight a half each that together have mean 0, variance 1 and this skewness.

    With skewness g their means are a apart from the middle, and their variances differ by
    2 g / (3 a); a is chosen for kurtosis 3 + 1.5 g^2, that of the gamma distribution.

    Returns
    -------
    tuple of ndarray, shape as skew
        Mean of the first (the other's is its negative), sd of the first, sd of the second.
    """
    g = np.maximum(np.minimum(np.abs(skew), MOST_SKEWNESS), 1e-9)
    root, apart = _apart()
    a = np.interp(np.cbrt(g), root, apart)
    half, difference = 1.0 - a**2, g / (3.0 * a)
    return np.sign(skew) * a, np.sqrt(half + difference), np.sqrt(half - difference)


@cache
def _apart() -> tuple[Floats, Floats]:
    """Cube roots of skewness, and a of `pair` there: nearly proportional, so that few will do."""
    root = np.linspace(np.cbrt(1e-9), np.cbrt(MOST_SKEWNESS), 2048)
    g = root**3
    a = (g**2 / 6.0) ** (1.0 / 6.0)
    for _ in range(20):  # -2 a^4 + g^2 / (3 a^2) = 1.5 g^2
        value = g**2 / (3.0 * a**2) - 2.0 * a**4 - 1.5 * g**2
        a -= value / (-2.0 * g**2 / (3.0 * a**3) - 8.0 * a**3)
    return root, a


@np.errstate(over="ignore", invalid="ignore")  # such means are infinite
def log_mean_exp(loc: Floats, scale: Floats, skew: Floats) -> Floats:
    """Logarithms of E exp(X) and of E exp(2 X), X with these moments; shape (2, ...).

    With negative skewness X is c + k log G, G of a gamma distribution: the logarithm of a rate of
    which little is known has a long tail to the left, and none to the right. If X is very wide k
    is not more than 1, as for the rate itself when its prior says nothing. With positive skewness
    X is of a pair of normals.

    Source: Prentice (1974), doi:10.1093/biomet/61.3.539, for the distribution.
    """
    out = np.empty((2, *skew.shape))
    # a pair of normals has a normal tail on both sides; to the left of a logarithm it is that of a
    # gamma
    left = skew < -SLIGHT_SKEWNESS
    for side, form in ((left, _of_gamma), (~left, _of_pair)):
        out[:, side] = form(loc[side], scale[side], skew[side])
    return out


def _of_gamma(loc: Floats, scale: Floats, skew: Floats) -> Floats:
    """As `log_mean_exp`, of c + k log G; skewness below 0."""
    log_sd, log_a = _shapes_at(skew)
    a = np.exp(log_a)
    out = np.empty((2, *skew.shape))
    for i, power in enumerate((1.0, 2.0)):
        # X = c + k log G has this sd
        k = power * scale * np.exp(-log_sd)
        out[i] = power * loc + _log_mean_power(a, k)
        wide = (power * scale > WIDE_LOGARITHM) & (skew < -CLEAR_SKEWNESS) & (k > 1.0)
        if wide.any():  # k is 1: E G is the shape
            _, sd, shape = _shapes()
            # -sd rises, as np.interp needs: log sd of log G falls with the shape
            log_b = np.interp(-np.log(power * scale[wide]), -sd, shape)
            # with k = 1 E exp(X) = exp(E X - digamma(b)) b
            out[i, wide] = power * loc[wide] - special.digamma(np.exp(log_b)) + log_b
    return out


def _log_mean_power(a: Floats, k: Floats) -> Floats:
    """Logarithm of E (G / exp(E log G))^k, G of a gamma distribution of shape a.

    ``log Gamma(a + k) - log Gamma(a) - k digamma(a)``, by Stirling's series for all but the small
    shapes: a third of the time, and without the cancellation of large ones.
    """
    b = a + k
    out = (b - 0.5) * np.log1p(k / a) - k + k * (0.5 + (1.0 - 0.1 / a**2) / (12.0 * a)) / a
    # k (log a - digamma(a)) is the last term of the line above
    out += (1.0 / b - 1.0 / a) / 12.0 - (1.0 / b**3 - 1.0 / a**3) / 360.0
    few = a < STIRLING_FROM
    if few.any():
        x, n = a[few], k[few]
        out[few] = special.gammaln(x + n) - special.gammaln(x) - n * special.digamma(x)
    return np.asarray(out)


def _of_pair(loc: Floats, scale: Floats, skew: Floats) -> Floats:
    """As `log_mean_exp`, of a pair of normals; skewness 0 or more."""
    apart, first, second = pair(np.maximum(skew, 0.0))
    out = np.empty((2, *skew.shape))
    for i, power in enumerate((1.0, 2.0)):
        wide = power * scale
        up, down = (
            power * loc + wide * (sign * apart + 0.5 * wide * sd**2)
            for sign, sd in ((1.0, first), (-1.0, second))
        )
        out[i] = np.logaddexp(up, down) - np.log(2.0)
    return out


@cache
def _shapes() -> tuple[Floats, Floats, Floats]:
    """Skewness of log G, log sd of log G and the logarithm of the shape of G, rising."""
    shape = np.linspace(np.log(1e-3), np.log(2e6), 20_000)
    a = np.exp(shape)
    variance = special.polygamma(1, a)
    return special.polygamma(2, a) / variance**1.5, 0.5 * np.log(variance), shape


def _shapes_at(skew: Floats) -> tuple[Floats, Floats]:
    """Log sd of log G, and the logarithm of the shape of G, at these skewnesses below 0.

    Read from a table even in the logit of -skew / 2, where its places need no search: a tenth of
    the time of np.interp over 1e7 values.
    """
    start, step, columns = _even_shapes()
    at = (_logit_of(np.maximum(skew, LEAST_SKEWNESS)) - start) / step
    # so that the whole part is a place of the table, also at its end
    at = np.clip(at, 0.0, columns.shape[1] - 1.000001)
    before = at.astype(np.intp)
    part = at - before
    lower, rise = columns[:2, before], columns[2:, before]
    log_sd, log_a = lower + part * rise
    return log_sd, log_a


def _logit_of(skew: Floats) -> Floats:
    """Logit of -skew / 2: the skewness of log G goes from -2 to 0 as its shape grows."""
    return np.asarray(np.log(-skew / (2.0 + skew)))


@cache
def _even_shapes() -> tuple[float, float, Floats]:
    """Where the table of `_shapes_at` begins, its step, and its values and their differences."""
    skew, log_sd, shape = _shapes()
    logit = _logit_of(skew)  # falls from the smallest shape to the largest
    even, step = np.linspace(logit[-1], logit[0], 4096, retstep=True)
    values = np.stack([np.interp(even, logit[::-1], v[::-1]) for v in (log_sd, shape)])
    rises = np.diff(values, append=values[:, -1:])
    return float(even[0]), float(step), np.concatenate([values, rises])
