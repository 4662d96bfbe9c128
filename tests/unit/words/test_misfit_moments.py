"""The excess of variance and of zeros in sds: their variances from the distributions themselves."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.posterior.count_misfit import (
    excess_zeros,
    fitted_means,
    overdispersion,
    rows_of_groups_vary,
    zeros_of_groups,
)
from partialpool.rows import read_counts


@pytest.fixture(scope="module", params=["binomial", "poisson"])
def fitted(request):
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(6), 8)
    x, u = rng.normal(size=48), rng.normal(0, 0.5, 6)
    size = rng.integers(2, 12, 48)
    eta = -0.5 + 0.3 * x + u[g]
    if request.param == "binomial":
        data = {"y": rng.binomial(size, 1 / (1 + np.exp(-eta))), "n": size, "x": x, "g": g}
        engine = pp.fit("y | trials(n) ~ x + (1 | g)", data)._engine
    else:
        data = {"y": rng.poisson(size * np.exp(eta)), "n": size, "x": x, "g": g}
        engine = pp.fit("y | exposure(n) ~ x + (1 | g)", data)._engine
    rows, mean = engine.statistics.rows, fitted_means(engine)
    assert (rows.count == 1).all()
    every = [
        stats.binom(int(n), p) if request.param == "binomial" else stats.poisson(n * p)
        for n, p in zip(rows.size, mean, strict=True)
    ]
    return engine, rows.y, every


def taken_away(engine, every, covariance):
    """Variance of a sum over rows that goes where their events' score for (1, eta) is set to 0."""
    eta = np.log(fitted_means(engine))
    if engine.statistics.proportion:
        eta -= np.log1p(-fitted_means(engine))
    design = np.column_stack([np.ones_like(eta), eta])
    score = design.T @ covariance
    information = (design.T * [d.var() for d in every]) @ design
    return score @ np.linalg.solve(information, score)


def test_the_variance_of_a_squared_residual_is_that_of_its_distribution(fitted):
    engine, y, every = fitted
    found = overdispersion(engine)
    square = sum((v - d.mean()) ** 2 / d.var() for v, d in zip(y, every, strict=True))
    k = np.arange(200)
    variance, covariance = 0.0, []
    for d in every:
        z2 = (k - d.mean()) ** 2 / d.var()
        variance += d.pmf(k) @ z2**2 - (d.pmf(k) @ z2) ** 2
        covariance.append(d.pmf(k) @ (z2 * (k - d.mean())))
    variance -= taken_away(engine, every, covariance)
    df = square / found.ratio
    assert 30 < df < 48
    np.testing.assert_allclose(found.sds, (square - df) / np.sqrt(variance), rtol=1e-6)


def test_the_variance_of_the_number_of_zeros_is_that_of_its_distribution(fitted):
    engine, y, every = fitted
    none = np.array([d.pmf(0) for d in every])
    found, zeros = excess_zeros(engine), (y == 0).sum()
    np.testing.assert_allclose(found.ratio, zeros / none.sum(), rtol=1e-9)
    variance = (none * (1 - none)).sum() + 0.25  # for a number that is whole
    variance -= taken_away(engine, every, -none * [d.mean() for d in every])
    expected = (zeros - none.sum()) / np.sqrt(variance)
    np.testing.assert_allclose(found.sds, expected, rtol=1e-8)


def multinomial(events, shares):
    """Every way in which events fall on rows, and its probability."""
    ways = [w for w in product(range(events + 1), repeat=len(shares)) if sum(w) == events]
    return np.array(ways), stats.multinomial(events, shares).pmf(ways)


def group_sums(y, size, exposed, second):
    """The record of two groups of rows, of which the second is always the same."""
    data = {
        "y": np.concatenate([y, second]),
        "e": np.concatenate([size, np.ones(len(second))]),
        "g": ["a"] * len(y) + ["b"] * len(second),
    }
    formula = "y | exposure(e) ~ 1 + (1 | g)" if exposed else "y ~ 1 + (1 | g)"
    return read_counts(read_roles(parse(formula), "poisson"), data).statistics


@pytest.mark.parametrize("size", [[1.0, 1.0, 1.0], [0.5, 2.0, 4.0]])
def test_rows_of_a_group_vary_as_a_multinomial(size):
    """Mean and variance of the chi-square of 3 rows with 5 events, by going through every way."""
    size = np.array(size)
    ways, p = multinomial(5, size / size.sum())
    expected = 5 * size / size.sum()
    square = ((ways - expected) ** 2 / expected).sum(axis=1)
    mean = p @ square
    assert mean == pytest.approx(2.0)
    variance = p @ (square - mean) ** 2
    others = np.array([1, 2, 0, 3, 1, 2, 0, 1, 4, 2, 1, 1])
    level = others.mean()
    rest = ((others - level) ** 2 / level).sum()
    rest_variance = 2 * 11 * (1 - 1 / others.sum())
    for way, each in zip(ways[::4], square[::4], strict=True):
        excess = rows_of_groups_vary(group_sums(way, size, size.std() > 0, others))
        total = variance + rest_variance
        twin = stats.gamma(13.0**2 / total, scale=total / 13.0)  # its mean and variance
        assert excess.observed == pytest.approx((each + rest) / 13.0)
        assert excess.p == pytest.approx(twin.sf(each + rest), rel=1e-9)


def test_zeros_of_a_group_are_those_of_a_multinomial():
    ways, p = multinomial(5, np.full(4, 0.25))
    zeros = (ways == 0).sum(axis=1)
    variance = p @ (zeros - p @ zeros) ** 2
    others = np.array([1, 2, 0, 3, 1, 2, 0, 1, 4, 2, 1, 1])
    n, events = len(others), others.sum()
    mean = n * (1 - 1 / n) ** events
    pairs = n * (n - 1) * (1 - 2 / n) ** events
    for way, each in zip(ways[::7], zeros[::7], strict=True):
        excess = zeros_of_groups(group_sums(way, np.ones(4), False, others))
        expected = p @ zeros + mean
        assert excess.ratio == pytest.approx((each + 2) / expected, rel=1e-9)
        sd = np.sqrt(variance + mean + pairs - mean**2 + 0.25)
        assert excess.sds == pytest.approx((each + 2 - expected) / sd, rel=1e-9)


def test_zeros_are_not_judged_where_exposures_differ():
    record = group_sums([0, 1, 4], np.array([0.5, 2.0, 4.0]), True, np.arange(12) % 3)
    assert zeros_of_groups(record) is None
    assert record.zeros.tolist() == [1.0, 4.0]
    np.testing.assert_allclose(record.reciprocal, [2.75, 12.0])
