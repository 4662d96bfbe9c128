"""The fast likelihood against a twin that writes out the whole covariance matrix of the rows."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import partialpool as pp
from partialpool.kernels.oneway import profile, size_classes

SIZES = st.lists(st.integers(1, 4), min_size=2, max_size=5).filter(lambda n: sum(n) > len(n))
SCALE = st.floats(0.05, 20)
SEED = st.integers(0, 2**32 - 1)


def rows(sizes, seed):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    return group, rng.normal(3, 2, len(sizes))[group] + rng.normal(size=len(group)), rng


def covariance(group, sigma, tau, weight):
    return np.diag(sigma**2 / weight) + tau**2 * (group[:, None] == group)


def log_likelihood_flat_mu(y, cov):
    """log of the integral of N(y; mu, cov) over mu."""
    one = np.ones(len(y))
    precision = one @ np.linalg.solve(cov, one)
    mu = one @ np.linalg.solve(cov, y) / precision
    top = stats.multivariate_normal.logpdf(y, mu * one, cov)
    return top + 0.5 * math.log(2 * math.pi / precision)


def log_density(fit, phi):
    """Log density of phi with all its constants."""
    model = fit._engine.model
    return model.log_density(np.array([phi]))[0] + model.log_constant


@given(sizes=SIZES, seed=SEED, sigma=SCALE, tau=SCALE)
def test_log_density_equals_dense_normal_with_a_normal_prior_of_mu(sizes, seed, sigma, tau):
    group, y, rng = rows(sizes, seed)
    weight = rng.uniform(0.1, 10, len(y))
    prior = pp.priors(mu=pp.Normal(1, 2), tau=pp.HalfNormal(3), sigma=pp.HalfNormal(4))
    fit = pp.fit("y | weights(w) ~ 1 + (1 | g)", {"y": y, "g": group, "w": weight}, prior=prior)
    cov = covariance(group, sigma, tau, weight) + 4.0
    expected = (
        stats.multivariate_normal.logpdf(y, np.ones(len(y)), cov)
        + stats.halfnorm.logpdf(tau, scale=3)
        + stats.halfnorm.logpdf(sigma, scale=4)
    )
    got = log_density(fit, [sigma, tau])
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-8)


@given(sizes=SIZES, seed=SEED, sigma=SCALE, tau=SCALE)
def test_log_density_equals_dense_normal_with_a_flat_prior_of_mu(sizes, seed, sigma, tau):
    group, y, _ = rows(sizes, seed)
    prior = pp.priors(tau=pp.HalfNormal(3), sigma=pp.HalfNormal(4))
    fit = pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": group}, prior=prior)
    expected = (
        log_likelihood_flat_mu(y, covariance(group, sigma, tau, np.ones(len(y))))
        + stats.halfnorm.logpdf(tau, scale=3)
        + stats.halfnorm.logpdf(sigma, scale=4)
    )
    got = log_density(fit, [sigma, tau])
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-8)


@given(seed=SEED, ratio=SCALE)
def test_log_density_of_the_ratio_equals_the_dense_one_integrated_over_sigma(seed, ratio):
    group, y, _ = rows([3, 1, 4, 2], seed)
    fit = pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": group})
    log_sigma = np.linspace(-4, 8, 601)
    values = [
        log_likelihood_flat_mu(y, covariance(group, s, ratio * s, np.ones(len(y)))) + math.log(s)
        for s in np.exp(log_sigma)  # p(sigma) = 1/sigma, d tau = sigma d r, d sigma = sigma d u
    ]
    expected = math.log(np.trapezoid(np.exp(values), log_sigma))
    got = log_density(fit, [ratio])
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-8)


@given(seed=SEED, lam=st.floats(1e-6, 1e6))
def test_profile_equals_sums_over_groups(seed, lam):
    rng = np.random.default_rng(seed)
    weight = rng.choice([1.0, 2.0, 7.5, 1e6], 12)
    mean = rng.normal(size=12)
    p = profile(size_classes(weight, mean), np.array([lam]))
    w = 1 / (1 / weight + lam)
    mu = np.average(mean, weights=w)
    expected = [np.log(weight / w).sum(), w.sum(), mu, w @ (mean - mu) ** 2]
    got = [p.log_det[0], p.precision[0], p.mu[0], p.between[0]]
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_marginal_likelihood_equals_a_double_integral():
    group, y, _ = rows([3, 2, 4], 1)
    prior = pp.priors(mu=pp.Normal(1, 2), tau=pp.HalfNormal(3), sigma=pp.HalfNormal(4))
    fit = pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": group}, prior=prior)
    u = np.linspace(-14, 4, 91)
    s = np.linspace(-3, 4, 41)
    one = np.ones(len(y))
    f = [
        [
            math.exp(
                stats.multivariate_normal.logpdf(y, one, covariance(group, a, b, one) + 4.0)
                + stats.halfnorm.logpdf(b, scale=3)
                + stats.halfnorm.logpdf(a, scale=4)
            )
            * a
            * b
            for b in np.exp(u)
        ]
        for a in np.exp(s)
    ]
    expected = math.log(np.trapezoid(np.trapezoid(f, u, axis=1), s))
    np.testing.assert_allclose(fit._engine.log_marginal_likelihood(), expected, atol=1e-5)
