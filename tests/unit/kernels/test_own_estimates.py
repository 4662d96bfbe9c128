"""Groups' own effects from their counts alone, against a general optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

from partialpool.kernels.families import LOG, LOGIT
from partialpool.kernels.own_levels import own_estimates, own_levels

RNG = np.random.default_rng(5)


def data(link, groups, each, q):
    index = np.repeat(np.arange(groups), each)
    z = np.column_stack([np.ones(len(index)), RNG.normal(size=(len(index), q - 1))])
    base = RNG.normal(size=len(index))
    effects = np.array([-1.0, *[0.5] * (q - 1)]) + RNG.normal(size=(groups, q))
    eta = base + np.einsum("iq,iq->i", z, effects[index])
    size = RNG.integers(5, 40, len(index)).astype(float)
    mean = link.natural(eta)
    y = RNG.binomial(size.astype(int), mean) if link is LOGIT else RNG.poisson(size * mean)
    return y.astype(float), size, base, z, index


def by_optimiser(link, y, size, base, z):
    def negative(a):
        eta = base + z @ a
        return -(y * eta - size * link.cumulant(eta)).sum()

    def slope(a):
        return -z.T @ (y - size * link.natural(base + z @ a))

    return optimize.minimize(negative, np.zeros(z.shape[1]), jac=slope, tol=1e-11).x


@pytest.mark.parametrize("link", [LOGIT, LOG], ids=["logit", "log"])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_against_a_general_optimiser(link, q):
    y, size, base, z, index = data(link, 12, 30, q)
    found = own_estimates(link, y, size, base, z, index, 12)
    for j in range(12):
        at = index == j
        wanted = by_optimiser(link, y[at], size[at], base[at], z[at])
        np.testing.assert_allclose(found[j], wanted, atol=2e-5)
        residual = z[at].T @ (y[at] - size[at] * link.natural(base[at] + z[at] @ found[j]))
        np.testing.assert_allclose(residual, 0.0, atol=1e-6)


def test_two_arms_of_many_trials():
    """2,468 of 20,000 where a = 0: the own proportion is 0.1234, whatever a = 1 says."""
    y, size = np.array([2468.0, 9000.0, 0.0, 50.0]), np.full(4, 20_000.0)
    z = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    found = own_estimates(LOGIT, y, size, np.zeros(4), z, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(special.expit(found[0, 0]), 0.1234, rtol=1e-10)
    np.testing.assert_allclose(special.expit(found[0].sum()), 0.45, rtol=1e-10)
    assert found[1].tolist() == [-np.inf, np.inf]


def test_estimates_that_do_not_exist():
    index = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    a = np.array([0, 1, 1, 1, 0, 0, 0, 1, 0, 1.0])
    y = np.array([3, 0, 2, 1, 2, 1, 2, 2, 1, 3.0])
    size = np.array([9, 9, 9, 9, 9, 9, 0, 9, 2, 3.0])
    z = np.column_stack([np.ones(10), a])
    found = own_estimates(LOGIT, y * (size > 0), size, np.zeros(10), z, index, 6)
    np.testing.assert_allclose(found[0, 0], special.logit(3 / 9))  # the arm without events:
    assert found[0, 1] == -np.inf
    assert np.isnan(found[1]).all()  # one arm only, a = 1: not told apart
    np.testing.assert_allclose(found[2, 0], special.logit(3 / 18))  # one arm only, a = 0
    assert np.isnan(found[2, 1])
    assert np.isnan(found[3]).all()  # no trials in an arm
    np.testing.assert_allclose(found[4, 0], 0.0, atol=1e-9)
    assert found[4, 1] == np.inf  # events only
    assert np.isnan(found[5]).all()  # a group without rows


@pytest.mark.parametrize("link", [LOGIT, LOG], ids=["logit", "log"])
def test_levels_are_those_of_a_single_intercept(link):
    y, size, base, _, index = data(link, 30, 4, 1)
    y[index == 3] = 0.0
    if link is LOGIT:
        y[index == 4] = size[index == 4]
    found = own_estimates(link, y, size, base, np.ones((len(y), 1)), index, 30)[:, 0]
    np.testing.assert_allclose(found, own_levels(link, y, size, base, index, 30), atol=1e-9)
    assert found[3] == -np.inf


def test_rare_events_and_steep_starts():
    """Log rates far from the start, and one event among a billion trials."""
    z, index = np.ones((3, 1)), np.arange(3)
    y, size = np.array([1.0, 5e8, 40.0]), np.array([1e9, 1e9, 1e-12])
    found = own_estimates(LOG, y, size, np.array([0.0, 0.0, 0.0]), z, index, 3)[:, 0]
    np.testing.assert_allclose(found, np.log(y / size), atol=1e-8)
    found = own_estimates(LOGIT, y[:2], size[:2], np.array([0.0, 30.0]), z[:2], index[:2], 2)
    np.testing.assert_allclose(found[0, 0], special.logit(1e-9), atol=1e-8)
    np.testing.assert_allclose(found[1, 0], -30.0, atol=1e-8)
