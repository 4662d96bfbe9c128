"""Cases that once gave wrong numbers: heavy tails, far-apart modes, huge and tiny scales."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp
from partialpool.integrate import Accuracy

SCHOOLS = {
    "mean": np.array([28, 8, -3, 7, -1, 1, 18, 12.0]),
    "se": np.array([15, 10, 16, 11, 9, 11, 10, 18.0]),
}
PROBABILITIES = np.array([0.001, 0.025, 0.25, 0.5, 0.75, 0.975, 0.999])


def posterior(prior=None, **data):
    return pp.fit_groups(**data, prior=prior)._engine


@pytest.mark.parametrize(
    "post",
    [
        posterior(mean=[3, -4.0, 1], se=[1, 2.0, 1]),
        posterior(mean=[3, -4.0], se=[1, 2.0], prior=pp.priors(tau=pp.HalfT(0.3, 1))),
        posterior(n=[1, 20000, 20000], mean=[1, 2, 4.0], sd=[0, 1, 1.0]),
    ],
    ids=["three groups", "half-t with df 0.3", "three groups of rows"],
)
@pytest.mark.parametrize("name", ["mu", "new_group", "tau"])
def test_quantiles_where_the_variance_is_infinite(post, name):
    quantity = getattr(post, name)
    np.testing.assert_allclose(
        quantity.cdf(quantity.quantile(PROBABILITIES)), PROBABILITIES, rtol=1e-6
    )


def test_wide_tails_against_an_integral_on_a_grid():
    """The 97.5% points of mu and of a new group, three groups, flat priors."""
    post = posterior(mean=[3, -4.0, 1], se=[1, 2.0, 1])
    np.testing.assert_allclose(post.mu.quantile(0.975), 33.34, atol=0.01)
    np.testing.assert_allclose(post.new_group.quantile(0.975), 66.65, atol=0.01)


def test_sd_where_groups_are_far_apart():
    """With tau far above the standard errors, each group keeps its own."""
    far = posterior(mean=np.array([1, -2, 3, 0, 0.5, 4]) * 1e8, se=np.ones(6))
    np.testing.assert_allclose(far.theta.sd, 1.0, rtol=1e-9)
    assert (far.shrinkage.mean > 0).all()
    mixed = posterior(mean=[3, -4.0, 1, 5, 100], se=[1e-6, 1e6, 1, 1e-3, 30])
    np.testing.assert_allclose(mixed.theta.sd[0], 1e-6, rtol=1e-9)


def test_student_t_prior_far_from_the_data_gives_way():
    post = posterior(
        mean=SCHOOLS["mean"] + 1000,
        se=SCHOOLS["se"],
        prior=pp.priors(tau=pp.HalfNormal(5), mu=pp.StudentT(30, 0, 1)),
    )
    np.testing.assert_allclose([post.mu.mean, post.mu.sd], [1007.20, 4.36], atol=0.01)


@pytest.mark.parametrize("gap", [0.0, 10.0, 1e3, 1e6])
def test_student_t_prior_equals_its_density(gap):
    """log p(y) against a sum over mu, tau held near 0."""
    prior = pp.priors(tau=pp.HalfNormal(1e-6), mu=pp.StudentT(4, 0, 1))
    y, se = np.array([-1, 0.5, 2.0]) + gap, np.ones(3)
    mu = y.mean() + np.linspace(-8, 8, 4001)
    log_t = np.log(0.375) - 2.5 * np.log1p(mu**2 / 4)
    log_y = -0.5 * ((y[:, None] - mu) ** 2).sum(axis=0) - 1.5 * np.log(2 * np.pi)
    expected = np.log(np.trapezoid(np.exp(log_y + log_t - log_t.max()), mu)) + log_t.max()
    got = posterior(mean=y, se=se, prior=prior).log_marginal_likelihood()
    np.testing.assert_allclose(got, expected, atol=1e-8)


def test_two_narrow_modes_of_tau_are_both_found():
    """A prior of mu far off: either mu is far from it, or tau is large; on a grid of 400,000."""
    y = np.random.default_rng(3).normal(100, 1, 1000)
    prior = pp.priors(tau=pp.HalfCauchy(1), mu=pp.Normal(0, 1.04975))
    post = posterior(mean=y, se=[0.3] * 1000, prior=prior)
    log_tau = np.linspace(np.log(0.05), np.log(2000), 400_001)
    tau2, size = np.exp(2 * log_tau), len(y)
    spread = 0.09 + tau2
    squares = ((y - y.mean()) ** 2).sum()
    log_p = -0.5 * (size - 1) * np.log(spread) - 0.5 * squares / spread
    total = spread / size + 1.04975**2
    log_p += -0.5 * np.log(total) - 0.5 * y.mean() ** 2 / total - np.log1p(tau2) + log_tau
    p = np.exp(log_p - log_p.max())
    expected = p[log_tau > np.log(10)].sum() / p.sum()
    assert 0.05 < expected < 0.95
    np.testing.assert_allclose(post.tau.probability(above=10), expected, rtol=1e-6)


def test_two_degrees_of_freedom():
    fit = pp.fit_groups(n=[2, 1, 1], mean=[1, 2, 4.0], sd=[1.0, 0, 0])
    assert np.isfinite(fit._engine.theta.mean).all()
    assert np.isinf(fit._engine.theta.sd).all()
    assert "inf" in repr(fit)
    assert fit.to_dict()["groups"][0]["sd"] is None


def test_moments_that_do_not_exist():
    few = posterior(n=[2, 1], mean=[1, 2.0], sd=[1.0, 0], prior=pp.priors(tau=pp.HalfNormal(1)))
    assert np.isinf(few.new_group.sd)
    heavy = posterior(mean=[1, 2.0], se=[1, 1.0], prior=pp.priors(mu=pp.StudentT(0.5, 0, 1)))
    assert np.isinf(heavy.mu.sd)
    assert np.isfinite(heavy.mu.mean)


def test_no_replicates_and_a_flat_sigma():
    """r = tau / sigma then has density 1 / (1 + r^2)."""
    post = posterior(
        n=[1] * 6, mean=[1, 2, 4, -3, 0, 1.0], sd=[0.0] * 6, prior=pp.priors(sigma=pp.Flat())
    )
    assert post.status is Accuracy.REACHED
    np.testing.assert_allclose(post.icc.median, 0.5, rtol=1e-7)


@pytest.mark.parametrize("unit", [1e-90, 1e90])
def test_units_far_from_one(unit):
    post = posterior(mean=SCHOOLS["mean"] * unit, se=SCHOOLS["se"] * unit)
    np.testing.assert_allclose(post.mu.mean / unit, 7.932375018, rtol=1e-9)
    np.testing.assert_allclose(post.tau.median / unit, 5.238514722, rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-140, 1e140])
def test_units_that_cannot_be_squared_are_refused(unit):
    rng = np.random.default_rng(0)
    rows = {"y": unit * rng.normal(size=30), "g": np.repeat(np.arange(6), 5)}
    with pytest.raises(pp.DataError, match=r"1e100|1e-100"):
        pp.fit("y ~ 1 + (1 | g)", rows)


def test_a_prior_that_pins_tau():
    post = posterior(**SCHOOLS, prior=pp.priors(tau=pp.LogNormal(3, 1e-6)))
    got = post.tau.cdf(post.tau.quantile(PROBABILITIES))
    np.testing.assert_allclose(got, PROBABILITIES, rtol=1e-6)


def test_icc_near_zero_keeps_its_digits():
    rng = np.random.default_rng(0)
    rows = {"y": rng.normal(size=20), "g": np.repeat(np.arange(5), [3, 4, 5, 2, 6])}
    post = pp.fit("y ~ 1 + (1 | g)", rows, prior=pp.priors(tau=pp.HalfNormal(1e-6)))._engine
    got = post.icc.cdf(post.icc.quantile(PROBABILITIES))
    np.testing.assert_allclose(got, PROBABILITIES, rtol=1e-6)


@pytest.mark.parametrize("prior", [{}, {"tau": "half_normal(1)"}])
def test_a_trillion_rows(prior):
    post = posterior(n=[1e12] * 5, mean=[1, 2, 3, 4, 5.0], sd=[1.0] * 5, prior=pp.priors(**prior))
    assert post.status is Accuracy.REACHED
    np.testing.assert_allclose(post.sigma.sd, 1 / np.sqrt(1e13), rtol=1e-6)
    np.testing.assert_allclose(post.theta.mean, [1, 2, 3, 4, 5], rtol=1e-9)


def test_tiny_spread_on_a_large_offset_in_summaries():
    post = posterior(n=[10] * 5, mean=1e9 + np.arange(5.0), sd=[1e-6] * 5)
    np.testing.assert_allclose(post.sigma.median, 1e-6, rtol=0.05)


def test_a_rate_without_moments_has_a_median_and_no_sd():
    """exp of what tau[species] leaves free; the sum over points said an sd of 9e4."""
    formula = "count | exposure(surveys) ~ mined + (1 | species) + (1 | site)"
    fit = pp.fit(formula, pp.datasets.salamanders())
    sites = fit.posterior.groups("site")
    assert np.isinf(sites.sd).all()
    np.testing.assert_allclose(sites.estimate, np.exp(link_median(fit, "site")), rtol=1e-6)
    species = fit.posterior.groups("species")
    assert (species.sd < 0.3 * species.estimate).all()
    assert "prediction interval" not in repr(fit)  # which is of effects with standard errors


def link_median(fit, factor):
    return fit.posterior.groups(factor, scale="link").median
