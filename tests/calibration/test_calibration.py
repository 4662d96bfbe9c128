"""Calibration: parameters drawn from the prior fall uniformly in their own posteriors.

With the truth drawn from the prior, P(parameter <= truth | data) is uniform on (0, 1): the limit
of simulation-based calibration (Talts et al. 2018, arXiv:1804.06788) for infinitely many draws.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import partialpool as pp

REPLICATES = 1000
SMALLEST_P = 1e-3
"""Of each test of uniformity; seeds are fixed, so this decides once and for all."""

pytestmark = pytest.mark.slow


def assert_uniform(ranks, what):
    """Kolmogorov-Smirnov for location, and a chi-square on twenty bins for shape."""
    values = np.asarray(ranks)
    assert ((values >= 0) & (values <= 1)).all()
    assert stats.kstest(values, "uniform").pvalue > SMALLEST_P, what
    counts = np.histogram(values, bins=20, range=(0, 1))[0]
    assert stats.chisquare(counts).pvalue > SMALLEST_P, what


def ranks_of(post, mu, tau, theta, sigma=None):
    """Posterior probability of lying below the truth, by name of parameter."""
    found = {"mu": post.mu.cdf(mu), "tau": post.tau.cdf(tau)}
    at = post.theta.cdf
    found |= {"theta_first": at(theta[0])[0], "theta_last": at(theta[-1])[-1]}
    found["contrast"] = post.contrast({1: 1.0, len(theta): -1.0}).cdf(theta[0] - theta[-1])
    found["icc"] = None
    if sigma is not None:
        found["sigma"] = post.sigma.cdf(sigma)
        found["icc"] = post.icc.cdf(tau**2 / (tau**2 + sigma**2))
    return {k: float(v) for k, v in found.items() if v is not None}


def collect(simulate):
    rng = np.random.default_rng(20261122)
    rows = [simulate(rng) for _ in range(REPLICATES)]
    return {key: [row[key] for row in rows] for key in rows[0]}


def known_errors(rng):
    se = np.array([0.4, 0.7, 1.0, 1.5, 2.5])
    mu, tau = rng.normal(1, 2), abs(rng.normal(0, 1.2))
    theta = rng.normal(mu, tau, 5)
    prior = pp.priors(mu="normal(1, 2)", tau="half_normal(1.2)")
    fit = pp.fit_groups(mean=rng.normal(theta, se), se=se, prior=prior)
    return ranks_of(fit._engine, mu, tau, theta)


def known_errors_t_and_cauchy(rng):
    se = np.array([0.5, 1.0, 1.0, 3.0])
    mu, tau = 2 + 1.5 * rng.standard_t(4), 0.8 * abs(rng.standard_cauchy())
    theta = rng.normal(mu, tau, 4)
    prior = pp.priors(mu="student_t(4, 2, 1.5)", tau="half_cauchy(0.8)")
    fit = pp.fit_groups(mean=rng.normal(theta, se), se=se, prior=prior)
    return ranks_of(fit._engine, mu, tau, theta)


def summaries(rng, n, theta, sigma):
    mean = rng.normal(theta, sigma / np.sqrt(n))
    ss = sigma**2 * np.where(n > 1, rng.chisquare(np.maximum(n - 1, 1)), 0.0)
    return {"n": n, "mean": mean, "sd": np.sqrt(ss / np.maximum(n - 1, 1))}


def sigma_unknown_proper(rng):
    n = np.array([1, 2, 3, 6, 12])
    mu, tau, sigma = rng.normal(0, 3), rng.exponential(1.0), rng.lognormal(0.0, 0.5)
    theta = rng.normal(mu, tau, 5)
    prior = pp.priors(mu="normal(0, 3)", tau="exponential(1)", sigma="lognormal(0, 0.5)")
    fit = pp.fit_groups(**summaries(rng, n, theta, sigma), prior=prior)
    return ranks_of(fit._engine, mu, tau, theta, sigma)


def sigma_integrated_out(rng):
    """Flat mu and 1/sigma are right-Haar: calibrated at any fixed mu and sigma."""
    n, mu, sigma = np.array([1, 2, 4, 4, 9]), 3.0, 2.0
    s0 = sigma / np.sqrt(n.mean())
    u = rng.uniform()  # the shrinkage of a typical group
    tau = s0 * np.sqrt(1 / u - 1)
    theta = rng.normal(mu, tau, 5)
    prior = pp.priors(tau="uniform_shrinkage()")
    fit = pp.fit_groups(**summaries(rng, n, theta, sigma), prior=prior)
    return ranks_of(fit._engine, mu, tau, theta, sigma)


@pytest.mark.parametrize(
    "simulate",
    [known_errors, known_errors_t_and_cauchy, sigma_unknown_proper, sigma_integrated_out],
)
def test_truths_are_uniform_in_their_posteriors(simulate):
    for what, ranks in collect(simulate).items():
        assert_uniform(ranks, f"{simulate.__name__}: {what}")


def test_draws_rank_uniformly():
    """The same through draws: the truth's rank among 19 independent draws."""

    def simulate(rng):
        n = np.array([2, 3, 8, 20])
        mu, tau, sigma = rng.normal(0, 3), abs(rng.normal(0, 2)), abs(rng.normal(0, 1.5))
        theta = rng.normal(mu, tau, 4)
        prior = pp.priors(mu="normal(0, 3)", tau="half_normal(2)", sigma="half_normal(1.5)")
        fit = pp.fit_groups(**summaries(rng, n, theta, sigma), prior=prior)
        draws = fit._engine.draws(19, rng)
        spread = rng.uniform(size=4)  # within the gap between two draws
        truths = (mu, tau, sigma, theta[0])
        drawn = (draws.mu, draws.tau, draws.sigma, draws.theta[:, 0])
        ranks = [((d < t).sum() + s) / 20 for d, t, s in zip(drawn, truths, spread, strict=True)]
        return dict(zip(("mu", "tau", "sigma", "theta"), ranks, strict=True))

    for what, ranks in collect(simulate).items():
        assert_uniform(ranks, what)


@pytest.mark.parametrize(
    ("se", "tau", "published"),
    [
        (np.array([15, 10, 16, 11, 9, 11, 10, 18.0]), 5.0, 0.98),
        (np.full(12, 10 / np.sqrt(15)), 1.0, 0.98),
        (np.full(12, 10 / np.sqrt(5)), 5.0, 0.93),
        (np.full(12, 10 / np.sqrt(15)), 5.0, 0.94),
    ],
)
def test_intervals_cover_also_where_tau_is_near_zero(se, tau, published):
    """Frequency of covering theta_j at a fixed tau; plug-in intervals cover .47, .51, .83, .92."""
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(REPLICATES):
        theta = rng.normal(70, tau, len(se))
        lower, upper = pp.fit_groups(mean=rng.normal(theta, se), se=se)._engine.theta.interval()
        covered.append(((theta > lower) & (theta < upper)).mean())
    error = np.std(covered) / np.sqrt(REPLICATES)
    assert abs(np.mean(covered) - published) < 0.005 + 4 * error
