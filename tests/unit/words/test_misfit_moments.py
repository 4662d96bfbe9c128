"""The excess of variance and of zeros in sds: their variances from the distributions themselves."""

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from partialpool.posterior.count_misfit import excess_zeros, fitted_means, overdispersion


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
