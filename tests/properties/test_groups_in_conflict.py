"""Counts of groups that a prior holds together although their events say that they differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import partialpool as pp

Y = np.array([1950, 2773, 806, 2220, 7337, 5157, 4775, 3204])
N = np.array([4246, 5426, 1979, 3653, 15352, 10371, 10707, 6822])
DATA = {"y": Y, "n": N, "g": np.arange(8)}
BINOMIAL, POISSON = "y | trials(n) ~ 1 + (1 | g)", "y | exposure(n) ~ 1 + (1 | g)"


@pytest.mark.parametrize(
    ("formula", "population"),
    [(BINOMIAL, "normal"), (BINOMIAL, "beta"), (POISSON, "normal"), (POISSON, "gamma")],
)
@pytest.mark.parametrize("tau", [1e-7, 1e-6, 1e-5])
def test_groups_that_cannot_differ_have_the_rate_of_all_events(formula, population, tau):
    """Under a flat mu a common p is Beta(Y, N - Y), a common rate Gamma(Y, N). The interval of the
    fourth group began above its draws: its data pull mu by four sds, and what rounding left of a
    sum of kernels there was multiplied by e^29."""
    fit = pp.fit(formula, DATA, population=population, prior=f"tau ~ half_normal({tau})")
    y, n = float(Y.sum()), float(N.sum())
    of_all = stats.beta(y, n - y) if formula == BINOMIAL else stats.gamma(y, scale=1.0 / n)
    groups = fit.groups()
    sd = of_all.std()
    np.testing.assert_allclose(groups["estimate"], of_all.mean(), atol=0.004 * sd)
    np.testing.assert_allclose(groups["sd"], sd, rtol=0.004)
    np.testing.assert_allclose(groups["lower"], of_all.ppf(0.025), atol=0.01 * sd)
    np.testing.assert_allclose(groups["upper"], of_all.ppf(0.975), atol=0.01 * sd)
    assert (np.array([d.defect for d in fit.posterior._engine.densities]) < 1e-7).all()


@pytest.mark.parametrize("tau", [5e-4, 4e-3])
def test_groups_that_hardly_differ(tau):
    """Sums over mu and theta, of which tau is known to a thousandth."""
    prior = f"tau ~ uniform({tau * 0.9995}, {tau * 1.0005})"
    groups = pp.fit(BINOMIAL, DATA, prior=prior).groups()
    mu = special.logit(Y.sum() / N.sum()) + np.linspace(-0.08, 0.08, 2001)
    theta = mu[:, None] + tau * np.linspace(-9, 9, 181)
    log_p, log_q = special.log_expit(theta), special.log_expit(-theta)
    of_theta = stats.norm.pdf(np.linspace(-9, 9, 181))
    log_l, mean = np.empty((8, 2001)), np.empty((8, 2001))
    for j in range(8):
        log_f = Y[j] * log_p + (N[j] - Y[j]) * log_q
        f = np.exp(log_f - log_f.max(axis=1, keepdims=True)) * of_theta
        log_l[j] = np.log(f.sum(axis=1)) + log_f.max(axis=1)
        mean[j] = (f * special.expit(theta)).sum(axis=1) / f.sum(axis=1)
    weight = np.exp(log_l.sum(axis=0) - log_l.sum(axis=0).max())
    np.testing.assert_allclose(groups["estimate"], mean @ weight / weight.sum(), rtol=1e-6)


def test_one_group_of_a_million_that_contradicts_fifty():
    """Its likelihood falls by e^80000 to where the others have mu: products that are numbers, of
    factors that are none."""
    n = np.array([100] * 50 + [10**6])
    data = {"y": np.array([30] * 50 + [700_000]), "n": n, "g": np.arange(51)}
    fit = pp.fit(BINOMIAL, data, prior="tau ~ half_normal(1e-3)")
    drawn = fit.posterior.draws(20_000, np.random.default_rng(1)).groups()
    groups = fit.groups()
    z = (drawn.mean(axis=0) - groups["estimate"]) / groups["sd"]
    np.testing.assert_allclose(z, 0.0, atol=0.04)
    np.testing.assert_allclose((drawn < groups["upper"]).mean(axis=0), 0.975, atol=0.005)
    assert max(d.defect for d in fit.posterior._engine.densities) < 1e-8
