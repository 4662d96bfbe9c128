"""Moments of the events of rows of counts, and how probable no event is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.kernels.rising_factorial import log_rising


@dataclass(frozen=True, slots=True, eq=False)
class RowMoments:
    """Of every row, (N,).

    Parameters
    ----------
    variance : ndarray
    third : ndarray
        Third central moment over the squared variance.
    fourth : ndarray
        Fourth cumulant over the squared variance: the excess kurtosis.
    zero : ndarray
        Probability of no event.
    """

    variance: Floats
    third: Floats
    fourth: Floats
    zero: Floats

    def part(self, which: Bools) -> RowMoments:
        """Some rows."""
        return RowMoments(
            self.variance[which], self.third[which], self.fourth[which], self.zero[which]
        )


def row_moments(
    size: Floats, mean: Floats, dispersion: float | None, *, proportion: bool
) -> RowMoments:
    """Of rows that are Poisson or binomial, or with a dispersion negative or beta-binomial.

    Parameters
    ----------
    size, mean : ndarray, shape (N,)
        Trials or exposure, and the probability or rate of one.
    dispersion : float, optional
    proportion : bool
        Whether sizes are trials.

    Notes
    -----
    Source: Johnson, Kemp and Kotz (2005), Univariate Discrete Distributions, 5.4 and 6.9.
    """
    if proportion:
        if dispersion:
            return _beta_binomial(size, mean, dispersion**-2.0)
        variance = size * mean * (1.0 - mean)
        fourth = 1.0 / variance - 6.0 / size
        return RowMoments(
            variance, (1.0 - 2.0 * mean) / variance, fourth, np.exp(size * np.log1p(-mean))
        )
    events = size * mean
    square = (dispersion or 0.0) ** 2
    variance = events * (1.0 + events * square)
    zero = np.exp(-np.log1p(events * square) / square) if square else np.exp(-events)
    third = (1.0 + 2.0 * events * square) / variance
    return RowMoments(variance, third, 6.0 * square + 1.0 / variance, zero)


def _beta_binomial(n: Floats, mean: Floats, f: float) -> RowMoments:
    a, b = f * mean, f * (1.0 - mean)
    variance = n * mean * (1.0 - mean) * (f + n) / (f + 1.0)
    skewness = (f + 2.0 * n) * (b - a) / (f + 2.0) * np.sqrt((1.0 + f) / (n * a * b * (f + n)))
    product = a * b
    inside = f * (f - 1.0 + 6.0 * n) + 3.0 * product * (n - 2.0) + 6.0 * n**2
    inside -= 3.0 * product * n * (6.0 - n) / f + 18.0 * product * n**2 / f**2
    ratio = f**2 * (1.0 + f) / (n * product * (f + 2.0) * (f + 3.0) * (f + n))
    zero = np.exp(log_rising(b, n) - log_rising(np.full_like(b, f), n))
    return RowMoments(variance, skewness / np.sqrt(variance), ratio * inside - 3.0, zero)


def inflation(
    size: Floats, mean: Floats, dispersion: float | None, *, proportion: bool
) -> Floats | float:
    """Variance of rows over that of Poisson or binomial ones of the same mean."""
    if dispersion is None:
        return 1.0
    if proportion:
        return 1.0 + np.maximum(size - 1.0, 0.0) * dispersion**2 / (1.0 + dispersion**2)
    return 1.0 + size * mean * dispersion**2
