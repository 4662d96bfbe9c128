"""Moments of rows of counts against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from partialpool.kernels.row_moments import inflation, row_moments

SIZE, MEAN = np.array([5.0, 20.0, 300.0]), np.array([0.1, 0.55, 0.7])


def distribution(dispersion, *, proportion):
    if proportion and dispersion:
        f = dispersion**-2.0
        return stats.betabinom(SIZE.astype(int), f * MEAN, f * (1.0 - MEAN))
    if proportion:
        return stats.binom(SIZE.astype(int), MEAN)
    if dispersion:
        k = dispersion**-2.0
        return stats.nbinom(k, k / (k + SIZE * MEAN))
    return stats.poisson(SIZE * MEAN)


@pytest.mark.parametrize("proportion", [True, False])
@pytest.mark.parametrize("dispersion", [None, 0.6, 1.7])
def test_moments_and_the_probability_of_no_event(dispersion, proportion):
    of = distribution(dispersion, proportion=proportion)
    _, variance, skewness, excess = of.stats("mvsk")
    found = row_moments(SIZE, MEAN, dispersion, proportion=proportion)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-12)
    np.testing.assert_allclose(found.third, skewness / np.sqrt(variance), rtol=1e-10)
    np.testing.assert_allclose(found.fourth, excess, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.zero, of.pmf(0), rtol=1e-9)
    plain = distribution(None, proportion=proportion).var()
    wider = inflation(SIZE, MEAN, dispersion, proportion=proportion)
    np.testing.assert_allclose(wider * plain, variance, rtol=1e-12)
