"""Calibration of counts: parameters drawn from the prior fall uniformly in their posteriors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import partialpool as pp
from count_models import COUNT_MODELS, PROPORTIONS

REPLICATES = 60
SMALLEST_P = 1e-3

pytestmark = pytest.mark.slow

SETTINGS = {
    "few trials": ("binomial", [1, 2, 3, 5, 8], -0.5, 1.0),
    "rare events": ("binomial", [30, 60, 100, 300], -4.0, 0.7),
    "large spread": ("binomial", [2, 4, 4, 10, 10, 20], 0.0, 2.5),
    "beta, few groups": ("beta", [3, 6, 20], -1.0, 0.5),
    "rates": ("poisson", [0.5, 1, 2, 4, 8], 0.0, 0.8),
    "gamma rates": ("gamma", [0.5, 1, 2, 10], 0.5, 0.6),
}


def draw_world(rng, family, size, middle, spread):
    mu, tau = rng.normal(middle, 0.7), abs(rng.normal(0, spread))
    if family == "beta":
        f, m = tau**-2, special.expit(mu)
        value = rng.beta(m * f, (1 - m) * f, len(size))
    elif family == "gamma":
        value = rng.gamma(tau**-2, np.exp(mu) * tau**2, len(size))
    else:
        theta = rng.normal(mu, tau, len(size))
        value = special.expit(theta) if family == "binomial" else np.exp(theta)
    y = rng.binomial(size, value) if family in PROPORTIONS else rng.poisson(size * value)
    return mu, tau, value, y


@pytest.mark.parametrize("setting", SETTINGS)
def test_ranks_are_uniform(setting):
    family, size, middle, spread = SETTINGS[setting]
    size = np.array(size)
    rng = np.random.default_rng(20261122)
    prior = [f"mu ~ normal({middle}, 0.7)", f"tau ~ half_normal({spread})"]
    formula = "y | {}(n) ~ 1 + (1 | g)".format("trials" if family in PROPORTIONS else "exposure")
    rows = []
    for _ in range(REPLICATES):
        mu, tau, value, y = draw_world(rng, family, size, middle, spread)
        data = {"y": y, "n": size, "g": np.arange(len(size))}
        post = pp.fit(formula, data, **COUNT_MODELS[family], prior=prior)._engine
        ends = [post.group(j).cdf(value[j]) for j in (0, len(size) - 1)]
        rows.append([float(v) for v in (post.mu.cdf(mu), post.tau.cdf(tau), *ends)])
    for name, ranks in zip(("mu", "tau", "first", "last"), np.array(rows).T, strict=True):
        assert stats.kstest(ranks, "uniform").pvalue > SMALLEST_P, name
        counts = np.histogram(ranks, bins=10, range=(0, 1))[0]
        assert stats.chisquare(counts).pvalue > SMALLEST_P, name
