"""cdf, density, quantile, interval, moments and draws of one quantity tell one story."""

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

import partialpool as pp

Y = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
SE = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
P = np.array([0.001, 0.025, 0.3, 0.5, 0.8, 0.975, 0.999])


@functools.cache
def post(name):
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(6), [2, 5, 1, 3, 4, 2])
    rows = {"y": rng.normal(0, 2, 6)[group] + rng.normal(size=len(group)), "g": group}
    priors = {
        "uniform": pp.priors(tau=pp.Uniform(5, 6)),
        "conflict": pp.priors(tau=pp.HalfNormal(0.01), mu=pp.Normal(100, 1e-3)),
        "t": pp.priors(tau=pp.HalfCauchy(1), mu=pp.StudentT(3, 0, 1)),
        "both": pp.priors(tau=pp.HalfNormal(5)),
    }
    if name in ("ratio", "both"):
        return pp.fit("y ~ 1 + (1 | g)", rows, prior=priors.get(name))._engine
    return pp.fit_groups(mean=Y, se=SE, prior=priors.get(name))._engine


CASES = [(k, q) for k in ("known", "uniform", "t", "conflict") for q in ("mu", "tau", "new_group")]
CASES += [
    (k, q) for k in ("ratio", "both") for q in ("mu", "tau", "sigma", "icc", "new_group", "theta")
]
SCALARS = [(k, q) for k, q in CASES if q != "theta"]


@pytest.mark.parametrize(("case", "quantity"), CASES)
@given(p=st.floats(1e-4, 1 - 1e-4))
def test_cdf_undoes_quantile(case, quantity, p):
    d = getattr(post(case), quantity)
    x = d.quantile(p)
    if quantity == "theta":
        np.testing.assert_allclose(np.diagonal(d.cdf(x)), p, atol=1e-8)
    else:
        np.testing.assert_allclose(d.cdf(float(x)), p, atol=1e-8)


@pytest.mark.parametrize(("case", "quantity"), SCALARS)
def test_density_is_the_slope_of_the_cdf(case, quantity):
    d = getattr(post(case), quantity)
    x = d.quantile(np.linspace(0.05, 0.95, 7))
    h = 1e-4 * float(d.quantile(0.75) - d.quantile(0.25))
    slope = (d.cdf(x + h) - d.cdf(x - h)) / (2 * h)
    np.testing.assert_allclose(d.density(x), slope, rtol=1e-5)


@pytest.mark.parametrize(("case", "quantity"), SCALARS)
def test_moments_are_those_of_the_quantiles(case, quantity):
    d = getattr(post(case), quantity)
    p, w = np.polynomial.legendre.leggauss(400)
    x = d.quantile(0.5 + 0.5 * p)
    mean = w @ x / 2
    np.testing.assert_allclose(d.mean, mean, atol=2e-3 * float(d.sd))
    np.testing.assert_allclose(d.sd, np.sqrt(w @ (x - mean) ** 2 / 2), rtol=2e-2)


@pytest.mark.parametrize(("case", "quantity"), SCALARS)
def test_density_integrates_to_one(case, quantity):
    d = getattr(post(case), quantity)
    ends = d.quantile(np.array([1e-9, 0.01, 0.25, 0.5, 0.75, 0.99, 1 - 1e-7]))
    total = sum(integrate.fixed_quad(d.density, a, b, n=60)[0] for a, b in itertools.pairwise(ends))
    np.testing.assert_allclose(total, 1, atol=1e-4)


@pytest.mark.parametrize(("case", "quantity"), CASES)
def test_quantiles_rise_and_lie_inside_the_support(case, quantity):
    d = getattr(post(case), quantity)
    q = d.quantile(np.concatenate([[0], P, [1]]))
    assert (np.diff(q, axis=0) > 0).all()


@pytest.mark.parametrize(("case", "quantity"), SCALARS)
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_highest_density_interval_is_the_shortest(case, quantity, level):
    d = getattr(post(case), quantity)
    low, high = d.interval(level, "highest-density")
    tails = np.linspace(0, 1 - level, 101)[1:-1]
    widths = d.quantile(tails + level) - d.quantile(tails)
    np.testing.assert_allclose(d.cdf(float(high)) - d.cdf(float(low)), level, atol=1e-7)
    assert high - low <= widths.min() * (1 + 1e-6)


@pytest.mark.parametrize("case", ["known", "t", "ratio", "both"])
def test_draws_follow_the_distributions(case):
    p = post(case)
    draws = p.draws(2000, np.random.default_rng(8))
    first, second = p.statistics.labels[:2].tolist()
    pairs = [
        (draws.mu, p.mu),
        (draws.tau, p.tau),
        (draws.theta[:, 0] - draws.theta[:, 1], p.contrast({first: 1, second: -1})),
        (draws.theta[:, 0] - draws.mu, p.contrast({first: 1}, mu=-1)),
    ]
    if draws.sigma is not None:
        pairs += [
            (draws.sigma, p.sigma),
            (draws.tau**2 / (draws.tau**2 + draws.sigma**2), p.icc),
        ]
    for values, d in pairs:
        assert stats.kstest(d.cdf(np.sort(values)), "uniform").pvalue > 1e-3


def test_expected_rank_is_one_plus_the_chances_of_being_beaten():
    p = post("both")
    labels = p.statistics.labels.tolist()
    for j, mine in enumerate(labels):
        beaten = [
            float(p.contrast({other: 1, mine: -1}).probability(above=0.0))
            for other in labels
            if other != mine
        ]
        np.testing.assert_allclose(p.expected_rank()[j], 1 + sum(beaten), atol=1e-9)
