"""Other priors and powers: reweighted nodes against fits, powers against quadrature by hand."""

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from partialpool.models.priors import (
    DuMouchel,
    Exponential,
    HalfNormal,
    HalfT,
    Normal,
    StudentT,
)
from partialpool.models.scaled_prior import ScaledPrior, scaled_priors
from partialpool.posterior import counts_posterior, one_way_posterior
from partialpool.posterior.sensitivity import settings

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"
Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SE = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
DEATHS = {"y": [1, 18, 8, 46, 8, 13], "n": [47, 148, 119, 810, 211, 196], "g": list("abcdef")}


def by_name(fit):
    return {s.name: s.engine for s in settings(fit._engine)}


def moments(engine):
    named = list(engine.named().values())
    values = [x for d in named for x in (float(d.mean), float(d.sd), *d.interval(0.95).tolist())]
    return np.array(values)


@pytest.mark.parametrize("prior", ["tau ~ half_normal(5)", "tau ~ flat()"])
def test_reweighted_eight_schools_are_fits(prior):
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools(), prior=prior)
    posterior = by_name(fit)
    own = {"tau ~ half_normal(5)": "tau ~ half_normal(5)", "tau ~ flat()": "tau ~ flat()"}[prior]
    names = ["half_cauchy(10)", "half_t(4, 10)", "half_normal(10)", "exponential(0.1)",
             "uniform_shrinkage()", "dumouchel()"]  # fmt: skip
    for text in {*(f"tau ~ {n}" for n in names), "tau ~ flat()"} - {own}:
        other = pp.fit(SCHOOLS, pp.datasets.eight_schools(), prior=text)
        assert moments(posterior[text]) == pytest.approx(moments(other._engine), rel=1e-6, abs=1e-6)
        theta = posterior[text].theta.mean, posterior[text].theta.sd
        assert theta[0] == pytest.approx(other._engine.theta.mean, abs=1e-7)
        assert theta[1] == pytest.approx(other._engine.theta.sd, rel=1e-7)


@pytest.mark.parametrize("population", ["student", "contaminated", "point_normal"])
def test_other_populations_are_fitted_under_the_priors_of_tau(population):
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools(), population=population)
    other = pp.fit(
        SCHOOLS, pp.datasets.eight_schools(), population=population, prior="tau ~ exponential(0.1)"
    )
    every = list(settings(fit._engine))
    assert {s.kind for s in every} == {"fit", "prior"}
    without = [s.name for s in every if s.engine is None]
    assert without == (["tau ~ flat()"] if population == "point_normal" else [])
    engine = by_name(fit)["tau ~ exponential(0.1)"]
    assert moments(engine) == pytest.approx(moments(other._engine), rel=1e-9)
    assert str(fit.sensitivity()).count("to the power") == 0


def test_reweighted_rows_are_fits():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(7), 6)
    data = {"g": g, "y": rng.normal(size=42) + 2 * rng.normal(size=7)[g]}
    formula = "y ~ 1 + (1 | g)"
    posterior = by_name(pp.fit(formula, data))
    names = [n for n, e in posterior.items() if n.startswith("tau ~ ")]
    assert len(names) == 7
    for text in names:
        other = pp.fit(formula, data, prior=text)._engine
        assert moments(posterior[text]) == pytest.approx(moments(other), rel=1e-5, abs=1e-6)
        assert posterior[text].theta.sd == pytest.approx(other.theta.sd, rel=1e-6)


def test_reweighted_counts_are_fits():
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", DEATHS)
    posterior = by_name(fit)
    for text in ("tau ~ half_normal(1)", "tau ~ dumouchel()"):
        other = counts_posterior(fit.statistics, pp.priors([text]))
        assert moments(posterior[text]) == pytest.approx(moments(other), rel=1e-5)
        assert posterior[text].value.mean == pytest.approx(other.value.mean, rel=1e-6)


# powers against quadrature --------------------------------------------------------------------


def schools_by_quadrature(power_of_likelihood=1.0, log_prior=np.zeros_like):
    """Mean of tau, and mean and sd of theta_A, mu flat, on a lattice over tau."""
    tau = np.exp(np.linspace(-12, 8, 8001))
    v = SE**2 / power_of_likelihood + tau[:, None] ** 2
    w = 1 / v
    mu = (w @ Y) / w.sum(axis=1)
    log_p = 0.5 * (np.log(w).sum(axis=1) - np.log(w.sum(axis=1)))
    log_p -= 0.5 * (w * (Y - mu[:, None]) ** 2).sum(axis=1)
    log_p += log_prior(tau) + np.log(tau)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    b = SE[0] ** 2 / power_of_likelihood * w[:, 0]
    mean = (1 - b) * Y[0] + b * mu
    variance = (1 - b) * SE[0] ** 2 / power_of_likelihood + b**2 / w.sum(axis=1)
    first = p @ mean
    return p @ tau, first, np.sqrt(p @ (variance + mean**2) - first**2)


@pytest.mark.parametrize("power", [0.8, 1.25])
def test_powers_of_the_likelihood_of_eight_schools(power):
    posterior = by_name(pp.fit_groups(mean=Y, se=SE))[f"likelihood to the power {power:g}"]
    answers = (
        float(posterior.tau.mean),
        float(posterior.theta.mean[0]),
        float(posterior.theta.sd[0]),
    )
    assert answers == pytest.approx(schools_by_quadrature(power), rel=1e-4)


@pytest.mark.parametrize("power", [0.8, 1.25])
def test_powers_of_the_prior_of_eight_schools(power):
    fit = pp.fit_groups(mean=Y, se=SE, prior="tau ~ half_normal(4)")
    posterior = by_name(fit)[f"prior to the power {power:g}"]
    answers = (
        float(posterior.tau.mean),
        float(posterior.theta.mean[0]),
        float(posterior.theta.sd[0]),
    )
    expected = schools_by_quadrature(log_prior=lambda t: -power * t**2 / 32)
    assert answers == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("prior", ["tau ~ uniform_shrinkage()", "tau ~ dumouchel()"])
def test_relative_priors_are_not_moved_by_a_power_of_the_likelihood(prior):
    posterior = by_name(pp.fit_groups(mean=Y, se=SE, prior=prior))["likelihood to the power 1.25"]
    s0 = np.sqrt(len(SE) / (SE**-2.0).sum())
    log_prior = {
        "tau ~ uniform_shrinkage()": lambda t: np.log(t) - 2 * np.log(s0**2 + t**2),
        "tau ~ dumouchel()": lambda t: -2 * np.log(s0 + t),
    }[prior]
    expected = schools_by_quadrature(1.25, log_prior)
    assert float(posterior.tau.mean) == pytest.approx(expected[0], rel=1e-4)


def test_powers_of_the_likelihood_of_rows():
    """p(y)^a of every row, groups integrated by hand: on a lattice over (log sigma, log tau)."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(5), [3, 4, 2, 6, 3])
    y = rng.normal(size=5)[g] + rng.normal(size=len(g))
    prior = ["tau ~ half_normal(2)", "sigma ~ half_normal(1)"]
    posterior = by_name(pp.fit("y ~ 1 + (1 | g)", {"g": g, "y": y}, prior=prior))
    posterior = posterior["likelihood to the power 0.8"]
    sigma = np.exp(np.linspace(-1.5, 1.6, 160))[:, None]
    tau = np.exp(np.linspace(-10, 3, 400))[None]
    n, mean = np.bincount(g), np.bincount(g, y) / np.bincount(g)
    ss = ((y - mean[g]) ** 2).sum()
    a = 0.8
    # prod_i N(y_i; theta_j, sigma^2)^a = sigma^(-a n_j) exp(-a (ss_j + n_j (mean_j - theta_j)^2)
    # / (2 sigma^2)), and the integral over theta_j ~ N(mu, tau^2) of its last part is normal
    log_p = -a * len(y) * np.log(sigma) - 0.5 * a * ss / sigma**2 + np.log(sigma) + np.log(tau)
    log_p = log_p - tau**2 / 8 - sigma**2 / 2
    v = [sigma**2 / (a * k) + tau**2 for k in n]
    w = [1 / x for x in v]
    mu = sum(x * m for x, m in zip(w, mean, strict=True)) / sum(w)
    for x, k, m in zip(v, n, mean, strict=True):
        log_p = log_p + 0.5 * np.log(sigma**2 / k) - 0.5 * np.log(x) - 0.5 * (m - mu) ** 2 / x
    log_p = log_p - 0.5 * np.log(sum(w))
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    assert float(posterior.tau.mean) == pytest.approx((p * tau).sum(), rel=1e-4)
    assert float(posterior.sigma.mean) == pytest.approx((p * sigma).sum(), rel=1e-4)
    assert float(posterior.mu.mean) == pytest.approx((p * mu).sum(), abs=1e-4)


def test_powers_of_the_likelihood_of_counts():
    """Binomial^a, theta integrated by a dense rule, on a lattice over (mu, log tau)."""
    prior = ["mu ~ normal(-2.5, 1)", "tau ~ half_normal(1)"]
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", DEATHS, prior=prior)
    posterior = by_name(fit)["likelihood to the power 1.25"]
    mu, tau = np.linspace(-4.5, -0.8, 75)[:, None], np.exp(np.linspace(-7, 1.4, 85))[None]
    log_p = stats.norm.logpdf(mu, -2.5, 1) - tau**2 / 2 + np.log(tau)
    z = np.linspace(-8, 8, 161)
    weight = np.exp(-0.5 * z**2)
    theta = mu[..., None] + tau[..., None] * z
    log_q, log_miss = -np.logaddexp(0, -theta), -np.logaddexp(0, theta)
    first = np.zeros(theta.shape)
    for k, (y, n) in enumerate(zip(DEATHS["y"], DEATHS["n"], strict=True)):
        value = 1.25 * (y * log_q + (n - y) * log_miss)
        top = value.max(axis=-1, keepdims=True)
        each = np.exp(value - top) * weight
        log_p = log_p + np.log(each.sum(axis=-1)) + top[..., 0]
        if k == 0:
            first = (each * np.exp(log_q)).sum(axis=-1) / each.sum(axis=-1)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    assert float(posterior.mu.mean) == pytest.approx((p * mu).sum(), abs=2e-3)
    assert float(posterior.tau.mean) == pytest.approx((p * tau).sum(), rel=5e-3)
    assert posterior.value.mean[0] == pytest.approx((p * first).sum(), rel=5e-3)


def test_powers_of_the_likelihood_with_a_predictor_are_those_of_one_factor():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(9), 4)
    data = {"g": g, "y": rng.normal(size=36) + rng.normal(size=9)[g], "x": rng.normal(size=36)}
    one = by_name(pp.fit("y ~ 1 + (1 | g)", data))
    two = by_name(pp.fit("y ~ x + (1 | g)", data, prior="x ~ normal(0, 1e-7)"))
    for power in ("0.8", "1.25"):
        name = f"likelihood to the power {power}"
        a, b = one[name].named(), two[name].named()
        for parameter in a:
            assert float(b[parameter].mean) == pytest.approx(float(a[parameter].mean), abs=0.01)
            assert float(b[parameter].sd) == pytest.approx(float(a[parameter].sd), rel=0.02)


# powers of priors -----------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [HalfT(3, 2), Exponential(0.5), HalfNormal(3), DuMouchel()])
def test_a_scaled_prior_is_a_power_with_its_own_behaviour_at_both_ends(prior):
    scaled = ScaledPrior(prior, 0.8)
    x = np.array([0.1, 1.0, 7.0])
    assert scaled.log_density(x, 2.0) == pytest.approx(0.8 * prior.log_density(x, 2.0))
    assert scaled.tail == 0.8 * prior.tail
    assert scaled.zero == 0.8 * prior.zero
    assert ScaledPrior(prior, 1.0, 0.5).log_density(x, 4.0) == pytest.approx(
        prior.log_density(x, 2.0)
    )


@pytest.mark.parametrize("power", [0.8, 1.25])
def test_powers_of_priors_of_the_mean_are_of_their_own_kind(power):
    x = np.linspace(-5, 9, 29)
    normal = scaled_priors(pp.priors(mu=Normal(1, 2)), power).mu
    shape = stats.norm.logpdf(x, 1, normal.sd) - power * stats.norm.logpdf(x, 1, 2)
    assert np.ptp(shape) < 1e-12
    t = scaled_priors(pp.priors(mu=StudentT(3, 1, 2)), power).mu
    shape = stats.t.logpdf(x, t.df, 1, t.scale) - power * stats.t.logpdf(x, 3, 1, 2)
    assert np.ptp(shape) < 1e-12


def test_a_prior_too_heavy_for_a_power_is_told():
    fit = pp.fit_groups(mean=Y, se=SE, prior=["mu ~ student_t(0.5, 0, 5)"])
    refused = {s.name: s.refused for s in settings(fit._engine) if s.engine is None}
    assert list(refused) == ["prior to the power 0.8"]
    assert "df >= 0.5" in refused["prior to the power 0.8"]


def test_two_groups_have_no_posterior_under_a_flat_prior():
    fit = pp.fit_groups(mean=[1.0, 4], se=[1.0, 1], prior="tau ~ half_normal(2)")
    assert fit.sensitivity().refused.keys() == {"tau ~ flat()"}
    assert "Under tau ~ flat() there is no posterior." in fit.sensitivity().text


def test_a_narrow_prior_is_left_for_new_nodes():
    """Nodes laid under a narrow prior do not reach where a flat one puts tau."""
    posterior = by_name(pp.fit_groups(mean=Y, se=SE, prior="tau ~ half_normal(0.1)"))[
        "tau ~ flat()"
    ]
    fitted = one_way_posterior(pp.fit_groups(mean=Y, se=SE).statistics, pp.priors())
    assert float(posterior.tau.mean) == pytest.approx(float(fitted.tau.mean), rel=1e-6)
