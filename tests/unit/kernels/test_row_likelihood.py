"""Likelihoods of negative and beta-binomial rows against scipy's, and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from partialpool.kernels.row_likelihood import DispersedRows, along_dispersion

ETA = np.array([-3.0, -0.4, 0.0, 0.7, 2.5, 1.0])
Y = np.array([0.0, 3.0, 1.0, 8.0, 40.0, 0.0])
EXPOSURE = np.array([2.0, 1.0, 0.5, 3.0, 4.0, 0.0])
TRIALS = np.array([4.0, 9.0, 1.0, 8.0, 60.0, 3.0])
NONE = np.zeros(6)


def negative_binomial(d, eta=ETA):
    k, mean = d**-2.0, EXPOSURE * np.exp(eta)
    return stats.nbinom.logpmf(Y, k, k / (k + mean))


def beta_binomial(d, eta=ETA):
    f, p = d**-2.0, special.expit(eta)
    return stats.betabinom.logpmf(np.minimum(Y, TRIALS), TRIALS, f * p, f * (1.0 - p))


def rows(family, times=1.0):
    count = np.full(6, times)
    if family == "negative_binomial":
        return DispersedRows(family, Y * times, EXPOSURE * times, count)
    return DispersedRows(family, np.minimum(Y, TRIALS) * times, TRIALS * times, count)


def constants(family):
    """What no parameter changes: size^y / y!, or the binomial coefficient."""
    if family == "negative_binomial":
        return special.xlogy(Y, EXPOSURE) - special.gammaln(Y + 1.0)
    return np.log(special.comb(TRIALS, np.minimum(Y, TRIALS)))


DENSITIES = {"negative_binomial": negative_binomial, "beta_binomial": beta_binomial}


@pytest.mark.parametrize("family", list(DENSITIES))
@pytest.mark.parametrize("d", [0.05, 0.4, 1.3, 4.0])
def test_log_likelihood(family, d):
    value = rows(family).with_dispersion(d, NONE).value(ETA) + constants(family)
    np.testing.assert_allclose(value, DENSITIES[family](d), atol=2e-10)


@pytest.mark.parametrize("family", list(DENSITIES))
def test_of_several_dispersions_at_once(family):
    d = np.array([0.2, 0.9, 2.0])
    wide = rows(family).with_dispersion(d, NONE)
    eta = ETA[:, None] + np.array([0.0, 0.3, -0.2])
    for b, each in enumerate(d):
        alone = rows(family).with_dispersion(float(each), NONE)
        np.testing.assert_allclose(wide.value(eta)[:, b], alone.value(eta[:, b]), atol=1e-12)
        for one, many in zip(alone.slopes(eta[:, b]), wide.slopes(eta), strict=True):
            np.testing.assert_allclose(many[:, b], one, atol=1e-12)


@pytest.mark.parametrize("family", list(DENSITIES))
def test_derivatives(family):
    of, h = rows(family).with_dispersion(0.7, NONE), 1e-4
    slope, curvature, third = of.curvatures(ETA)
    above, below = of.value(ETA + h), of.value(ETA - h)
    np.testing.assert_allclose(slope, (above - below) / (2 * h), atol=1e-6)
    up, down = of.curvatures(ETA + h), of.curvatures(ETA - h)
    np.testing.assert_allclose(curvature, -(up[0] - down[0]) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(third, (up[1] - down[1]) / (2 * h), atol=1e-6)
    np.testing.assert_allclose(of.slopes(ETA)[0], slope, atol=1e-12)
    assert (of.slopes(ETA)[1] >= 0.0).all()


def test_a_beta_binomial_row_need_not_be_concave():
    """None of 1,000 where nearly all are expected: the log likelihood curves upward there."""
    row = DispersedRows("beta_binomial", np.zeros(1), np.array([1000.0]), np.ones(1))
    _, curvature, _ = row.with_dispersion(0.05, np.zeros(1)).curvatures(np.array([3.5]))
    assert curvature[0] < 0.0


@pytest.mark.parametrize("family", list(DENSITIES))
def test_derivative_in_the_log_dispersion(family):
    along = along_dispersion(rows(family), 0.6, NONE)
    exact = along.derivative(lambda of: of.value(ETA))
    density, h = DENSITIES[family], 1e-5
    numeric = (density(0.6 * np.exp(h)) - density(0.6 * np.exp(-h))) / (2 * h)
    np.testing.assert_allclose(exact, numeric, atol=1e-7)


@pytest.mark.parametrize("family", list(DENSITIES))
def test_equal_rows_count_as_often_as_they_are_there(family):
    once, thrice = (
        rows(family).with_dispersion(0.5, NONE),
        rows(family, 3.0).with_dispersion(0.5, NONE),
    )
    np.testing.assert_allclose(thrice.value(ETA), 3.0 * once.value(ETA), atol=1e-10)
    for one, three in zip(once.curvatures(ETA), thrice.curvatures(ETA), strict=True):
        np.testing.assert_allclose(three, 3.0 * one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", list(DENSITIES))
def test_without_a_dispersion_rows_are_poisson_or_binomial(family):
    value = rows(family).with_dispersion(0.0, NONE).value(ETA)
    if family == "negative_binomial":
        plain = Y * ETA - EXPOSURE * np.exp(ETA)
    else:
        plain = np.minimum(Y, TRIALS) * ETA - TRIALS * np.logaddexp(0.0, ETA)
    np.testing.assert_allclose(value, plain, atol=1e-4)
