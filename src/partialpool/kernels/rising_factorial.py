"""Logarithms of rising factorials, log Gamma(x + k) - log Gamma(x), and their derivatives in x.

The asymptotic series of the log gamma function is taken at x + 8 and x + k + 8; the factors passed
over are put back. One difference costs a third of two calls of `scipy.special.gammaln`, a tenth of
two of `scipy.special.polygamma`, and keeps its digits where x is large beside k.
Source: Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 6.1.41, 6.3.18 and 6.4.11.
"""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats

SERIES_FROM = 8
"""From here on the terms of the series that are used leave errors below 1e-13."""
BERNOULLI = (1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0)
"""Bernoulli numbers B_2, B_4, ...: the coefficients of the series."""


def log_rising(x: Floats, k: Floats) -> Floats:
    """Log of x (x + 1) ... (x + k - 1) for x > 0 and k >= 0, broadcast against each other."""
    # Gamma(x + 8) = Gamma(x) x (x + 1) ... (x + 7): the series is then taken at 8 and beyond
    low, high = _passed(x), _passed(x + k)
    z = x + SERIES_FROM
    top = z + k
    return np.asarray(
        # Stirling's (top - 1/2) log(top) - (z - 1/2) log(z) - k, arranged so that nothing large
        # cancels
        (top - 0.5) * np.log(top / z)
        + k * (np.log(z) - 1.0)
        + _series(1.0 / top)
        - _series(1.0 / z)
        - np.log(high / low)
    )


def _passed(x: Floats) -> Floats:
    """Product of x, x + 1, ..., x + 7."""
    out = x * (x + 1.0)
    for i in range(2, SERIES_FROM):
        out = out * (x + i)
    return np.asarray(out)


def _series(w: Floats) -> Floats:
    """Sum of B_2j w^(2j - 1) / (2j (2j - 1))."""
    of_j = tuple(b / (2 * j * (2 * j - 1)) for j, b in enumerate(BERNOULLI, start=1))
    return np.asarray(w * _polynomial(w * w, of_j))


def rising_slopes(x: Floats, k: Floats, orders: int) -> list[Floats]:
    """The first derivatives of `log_rising` in x, up to three."""
    z = x + SERIES_FROM
    top = z + k
    # digamma(z) = log z - 1/(2z) - sum B_2j / (2j z^2j)
    out = [np.log(top / z) + _digamma_series(top) - _digamma_series(z)]
    powers = [np.zeros_like(top) for _ in range(orders)]
    for i in range(SERIES_FROM):
        # digamma(x) = digamma(x + 8) - sum 1 / (x + i), and its derivatives powers of the same
        low, high = 1.0 / (x + i), 1.0 / (x + k + i)
        a, b = low, high
        for power in powers:
            power += a - b
            # next power of both
            a, b = a * low, b * high
    out[0] = out[0] + powers[0]
    if orders > 1:
        out.append(_trigamma_series(top) - _trigamma_series(z) - powers[1])
    if orders > 2:
        out.append(_tetragamma_series(top) - _tetragamma_series(z) + 2.0 * powers[2])
    return [np.asarray(each) for each in out]


def _polynomial(square: Floats, coefficients: tuple[float, ...]) -> Floats:
    """Sum of coefficients times powers of the square, from the zeroth on."""
    total = np.zeros_like(square)
    for c in reversed(coefficients):
        total = c + square * total
    return total


def _digamma_series(z: Floats) -> Floats:
    w = 1.0 / z
    square = w * w
    of_j = tuple(b / (2 * j) for j, b in enumerate(BERNOULLI, start=1))
    return np.asarray(-0.5 * w - square * _polynomial(square, of_j))


def _trigamma_series(z: Floats) -> Floats:
    w = 1.0 / z
    square = w * w
    return np.asarray(w + 0.5 * square + w * square * _polynomial(square, BERNOULLI))


def _tetragamma_series(z: Floats) -> Floats:
    w = 1.0 / z
    square = w * w
    of_j = tuple((2 * j + 1) * b for j, b in enumerate(BERNOULLI, start=1))
    return np.asarray(-square - w * square - square * square * _polynomial(square, of_j))
