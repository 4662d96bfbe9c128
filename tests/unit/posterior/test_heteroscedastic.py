"""Groups that differ in noise: nodes, tables and draws against plain integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from tests.brute_force.heteroscedastic import integrated

from partialpool.models import priors
from partialpool.posterior.heteroscedastic import heteroscedastic_posterior
from partialpool.rows import from_summaries

N = np.array([1, 3, 6, 12])
MEAN = np.array([2.5, -1.0, 0.4, 0.9])
SD = np.array([0.0, 0.7, 2.4, 1.1])
PROPER = {
    "mu": "normal(0, 5)",
    "tau": "half_normal(2)",
    "sigma": "half_normal(3)",
    "sd_log_sigma": "half_normal(0.7)",
}
FROZEN = stats.norm(0, 5), stats.halfnorm(0, 2), stats.halfnorm(0, 3), stats.halfnorm(0, 0.7)


def _posterior(n=N, mean=MEAN, sd=SD, accuracy=0.003, **stated):
    statistics = from_summaries(n, mean, sd, None, factor="school")
    return heteroscedastic_posterior(statistics, priors(**(stated or PROPER)), accuracy)


@pytest.fixture(scope="module")
def post():
    return _posterior()


@pytest.fixture(scope="module")
def truth(post):
    table = post.group_table()
    ends = np.stack([table["lower"], table["upper"]], axis=1)
    noise_ends = np.stack([table["sigma_lower"], table["sigma_upper"]], axis=1)
    return integrated(N, MEAN, SD**2 * (N - 1), FROZEN, (6.5, 9.0, 8.0, 3.0), ends, noise_ends)


def test_parameters_are_those_of_plain_integration(post, truth):
    of = {"mu": post.mu, "tau": post.tau, "sigma": post.sigma, "omega": post.sd_log_sigma}
    for name, d in of.items():
        assert abs(float(d.mean) - truth.mean[name]) < 0.002 * truth.sd[name], name
        assert abs(float(d.sd) / truth.sd[name] - 1.0) < 0.003, name


def test_log_evidence_is_that_of_plain_integration(post, truth):
    assert math.isclose(post.log_marginal_likelihood(), truth.log_evidence, abs_tol=1e-3)


def test_groups_are_those_of_plain_integration(post, truth):
    table = post.group_table()
    assert np.abs((table["estimate"] - truth.theta) / truth.theta_sd).max() < 0.003
    assert np.abs(table["sd"] / truth.theta_sd - 1.0).max() < 0.003
    assert np.abs(truth.below - [0.025, 0.975]).max() < 8e-4


def test_noise_of_groups_is_that_of_plain_integration(post, truth):
    assert np.abs(truth.noise_below - [0.025, 0.975]).max() < 2.5e-3


def test_told_error_is_above_what_integration_says(truth):
    rough = _posterior(accuracy=0.2)
    table = rough.group_table()
    off = np.abs((table["estimate"] - truth.theta) / truth.theta_sd).max()
    of = {"mu": rough.mu, "tau": rough.tau, "sigma": rough.sigma, "omega": rough.sd_log_sigma}
    off = max(off, *(abs(float(d.mean) - truth.mean[k]) / truth.sd[k] for k, d in of.items()))
    assert off < rough.error < 0.2
