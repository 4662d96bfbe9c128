"""Pairs of normals and exponentials of skewed quantities, from their moments and integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

from partialpool.kernels.skewed import log_mean_exp, pair


@pytest.mark.parametrize("skew", [-0.8, -0.3, -0.02, 0.01, 0.1, 0.45, 0.8])
def test_a_pair_has_the_first_four_moments_of_the_gamma_distribution(skew):
    mean, first, second = (float(v) for v in pair(np.array(skew)))
    moment = {1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0}
    for m, s in ((mean, first), (-mean, second)):
        moment[1] += 0.5 * m
        moment[2] += 0.5 * (m**2 + s**2)
        moment[3] += 0.5 * (m**3 + 3 * m * s**2)
        moment[4] += 0.5 * (m**4 + 6 * m**2 * s**2 + 3 * s**4)
    assert moment[1] == pytest.approx(0, abs=1e-15)
    assert moment[2] == pytest.approx(1, rel=1e-13)
    assert moment[3] == pytest.approx(skew, rel=1e-12)
    assert moment[4] == pytest.approx(3 + 1.5 * skew**2, rel=1e-6)


def test_pairs_beyond_the_most_skewed_are_that_one():
    np.testing.assert_array_equal(pair(np.array([0.8, -3.0])), pair(np.array([7.0, -0.8])))


def test_without_skewness_the_mean_of_an_exponential_is_the_lognormal_one():
    found, square = log_mean_exp(np.array([0.3, -2.0]), np.array([0.7, 1.5]), np.zeros(2))
    np.testing.assert_allclose(found, [0.3 + 0.245, -2 + 1.125], atol=1e-6)
    np.testing.assert_allclose(square, [0.6 + 0.98, -4 + 4.5], atol=5e-6)


@pytest.mark.parametrize("shape", [0.5, 2.0, 30.0])
@pytest.mark.parametrize("k", [0.5, 0.9])
def test_a_logarithm_of_a_gamma_variable_has_its_own_mean(shape, k):
    """X = k log G: E exp(X) = E G^k."""
    sd = math.sqrt(special.polygamma(1, shape))
    skew = special.polygamma(2, shape) / sd**3
    loc = k * special.digamma(shape)

    def density(g):
        return g**k * g ** (shape - 1) * math.exp(-g) / math.gamma(shape)

    exact = integrate.quad(density, 0, 1)[0] + integrate.quad(density, 1, 200, limit=200)[0]
    found, square = log_mean_exp(np.array(loc), np.array(k * sd), np.array(skew))
    assert found == pytest.approx(math.log(exact), abs=2e-5)
    exact = special.gammaln(shape + 2 * k) - special.gammaln(shape)
    if k == 0.5 or shape > 0.5:  # else twice it is wide
        assert square == pytest.approx(exact, abs=2e-5)


def test_a_very_wide_logarithm_is_that_of_a_rate_itself():
    """Sd above 3: G of the shape that has this sd, not a power of it."""
    shape = 0.2
    sd = math.sqrt(special.polygamma(1, shape))
    assert sd > 3
    found, square = log_mean_exp(np.array(0.0), np.array(sd), np.array(-1.0))
    assert found == pytest.approx(math.log(shape) - special.digamma(shape), abs=1e-4)
    assert square > 2 * found


def test_positive_skewness_is_that_of_a_pair():
    mean, first, second = (float(v) for v in pair(np.array(0.5)))
    loc, scale = 0.4, 0.6
    both = [
        math.exp(loc + scale * m + 0.5 * (scale * s) ** 2)
        for m, s in ((mean, first), (-mean, second))
    ]
    found, square = log_mean_exp(np.array(loc), np.array(scale), np.array(0.5))
    assert found == pytest.approx(math.log(sum(both) / 2), rel=1e-13)
    both = [
        math.exp(2 * (loc + scale * m) + 2 * (scale * s) ** 2)
        for m, s in ((mean, first), (-mean, second))
    ]
    assert square == pytest.approx(math.log(sum(both) / 2), rel=1e-13)
