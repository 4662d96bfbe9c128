"""Noise by group and dispersion of rows: against SciPy, simulation, and enumeration."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from partialpool.kernels.noise import _of_two_margins, dispersion_of_rows, noise_by_group

RNG = np.random.default_rng(8)


def test_size_of_differences_is_bartletts_without_its_correction():
    n = np.array([8, 12, 9, 20])
    rows = [RNG.normal(scale=s, size=k) for s, k in zip((1.0, 1.5, 2.0, 1.0), n, strict=True)]
    ss, mean = (np.array([f(r) for r in rows]) for f in (lambda r: r.var() * len(r), np.mean))
    df = n - 1.0
    size, trend = noise_by_group(ss, df, mean, 4999, np.random.default_rng(1))
    correction = 1 + ((1 / df).sum() - 1 / df.sum()) / (3 * (len(n) - 1))
    twin = stats.bartlett(*rows)
    assert size.observed * 3 / correction == pytest.approx(twin.statistic, rel=1e-12)
    assert size.p == pytest.approx(twin.pvalue, abs=0.02)
    log_s2 = np.log(ss / df)
    covariance = np.cov(log_s2, mean, aweights=df)
    twin = covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])
    assert trend.observed == pytest.approx(twin, rel=1e-12)


def test_p_values_of_equally_noisy_groups_are_uniform():
    df, p = np.full(12, 2.0), []
    for _ in range(300):
        ss = RNG.chisquare(df)
        p.append([c.p for c in noise_by_group(ss, df, RNG.normal(size=12), 199, RNG)])
    for each in np.transpose(p):
        assert stats.kstest(each, "uniform").pvalue > 0.001


def test_moments_of_chi_square_of_proportions_by_enumeration():
    """Four rows of three trials, five events: every way to deal them has its probability."""
    ways = [y for y in itertools.product(range(4), repeat=4) if sum(y) == 5]
    weight = np.array([math.prod(math.comb(3, k) for k in y) for y in ways], dtype=float)
    p = 5 / 12
    chi2 = np.array([sum((k - 3 * p) ** 2 for k in y) / (3 * p * (1 - p)) for y in ways])
    mean = np.average(chi2, weights=weight)
    found = _of_two_margins(np.array([4.0]), np.array([5.0]), np.array([12.0]))
    assert found[0][0] == pytest.approx(mean, rel=1e-12)
    assert found[1][0] == pytest.approx(np.average((chi2 - mean) ** 2, weights=weight), rel=1e-12)


def test_moments_of_chi_square_of_rates_by_enumeration():
    """Three rows of one exposure, four events."""
    ways = [y for y in itertools.product(range(5), repeat=3) if sum(y) == 4]
    weight = np.array([math.factorial(4) / math.prod(map(math.factorial, y)) for y in ways])
    chi2 = np.array([sum((k - 4 / 3) ** 2 for k in y) / (4 / 3) for y in ways])
    mean = np.average(chi2, weights=weight)
    variance = np.average((chi2 - mean) ** 2, weights=weight)
    found = dispersion_of_rows(np.array([6.0]), np.array([3.0]), np.array([4.0]))
    assert mean == pytest.approx(2.0)
    twin = stats.gamma(4 / variance, scale=variance / 2)  # mean 2 and this variance
    assert found.observed == pytest.approx(3.0)
    assert found.p == pytest.approx(twin.sf(6.0), rel=1e-10)


def test_moments_of_chi_square_of_unequal_exposures_by_enumeration():
    """Three rows of exposures 1, 2 and 3, four events."""
    share = np.array([1.0, 2.0, 3.0]) / 6.0
    ways = np.array([y for y in itertools.product(range(5), repeat=3) if sum(y) == 4])
    weight = [math.factorial(4) * np.prod(share**y / [*map(math.factorial, y)]) for y in ways]
    chi2 = ((ways - 4 * share) ** 2 / (4 * share)).sum(axis=1)
    mean = np.average(chi2, weights=weight)
    variance = np.average((chi2 - mean) ** 2, weights=weight)
    three = np.array([3.0])
    of = dispersion_of_rows(
        2 * three, three, np.array([4.0]), shares=np.sum(1 / share, keepdims=True)
    )
    assert mean == pytest.approx(2.0)
    assert of.p == pytest.approx(stats.gamma(4 / variance, scale=variance / 2).sf(6.0), rel=1e-10)


def test_rows_that_can_tell_nothing():
    one = np.ones(3)
    assert dispersion_of_rows(one, one, 5 * one) is None  # a row a group
    assert dispersion_of_rows(one, 4 * one, 2 * one, trials=4 * one) is None  # single trials
    assert dispersion_of_rows(one, 4 * one, 0 * one) is None  # no event
