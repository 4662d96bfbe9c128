"""Distributions with a given mean, variance and skewness that is not far from zero."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import special

from partialpool._typing import Floats

MOST_SKEWNESS = 0.8
"""A pair of normals has no more skewness than this."""
SLIGHT_SKEWNESS = 1e-3
"""Skewness below which exponentials are as of a normal."""
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
    """Logarithm of E exp(X), X with these moments.

    With negative skewness X is c + k log G, G of a gamma distribution: the logarithm of a rate of
    which little is known has a long tail to the left, and none to the right. If X is very wide k
    is not more than 1, as for the rate itself when its prior says nothing. With positive skewness
    X is of a pair of normals.

    Source: Prentice (1974), doi:10.1093/biomet/61.3.539, for the distribution.
    """
    skewed, sd, shape = _shapes()
    log_a = np.interp(skew, skewed, shape)
    a, k = np.exp(log_a), scale * np.exp(-np.interp(log_a, shape, sd))
    wide = (scale > WIDE_LOGARITHM) & (skew < -CLEAR_SKEWNESS) & (k > 1.0)
    a = np.where(wide, np.exp(np.interp(-np.log(scale), -sd, shape)), a)
    k = np.where(wide, 1.0, k)
    left = loc - k * special.digamma(a) + special.gammaln(a + k) - special.gammaln(a)
    apart, first, second = pair(np.maximum(skew, 0.0))
    up, down = (
        loc + scale * (sign * apart + 0.5 * scale * sd**2)
        for sign, sd in ((1.0, first), (-1.0, second))
    )
    right = np.logaddexp(up, down) - np.log(2.0)
    return np.asarray(np.where(skew < -SLIGHT_SKEWNESS, left, right))


@cache
def _shapes() -> tuple[Floats, Floats, Floats]:
    """Skewness of log G, log sd of log G and the logarithm of the shape of G, rising."""
    shape = np.linspace(np.log(1e-3), np.log(2e6), 2000)
    a = np.exp(shape)
    variance = special.polygamma(1, a)
    return special.polygamma(2, a) / variance**1.5, 0.5 * np.log(variance), shape
