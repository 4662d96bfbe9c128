"""The one-way posterior against numbers made by other software (see truth/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp

HERE = Path(__file__).parent
EXACT = json.loads((HERE / "truth" / "one_way_exact.json").read_text())


def truth(name):
    return json.loads((HERE / "truth" / f"{name}.json").read_text())["parameters"]


def eight_schools(**prior):
    formula = "effect | se(se) ~ 1 + (1 | school)"
    return pp.fit(formula, pp.datasets.eight_schools(), prior=pp.priors(**prior))._engine


@pytest.mark.parametrize(
    ("entry", "prior"),
    [
        ("eight_schools_flat", {}),
        ("eight_schools_posteriordb", {"mu": "normal(0, 5)", "tau": "half_cauchy(5)"}),
    ],
)
def test_eight_schools(entry, prior):
    post, expected = eight_schools(**prior), EXACT[entry]
    for got, key in ((post.mu, "mu"), (post.tau, "tau")):
        np.testing.assert_allclose([got.mean, got.sd], expected[key], rtol=1e-9)
    np.testing.assert_allclose(post.theta.mean, expected["theta"]["mean"], rtol=1e-9)
    np.testing.assert_allclose(post.theta.sd, expected["theta"]["sd"], rtol=1e-9)
    # the median there was interpolated between nodes
    np.testing.assert_allclose(post.tau.median, expected["tau_median"], rtol=1e-6)
    ahead = post.contrast({"A": 1, "C": -1}).probability(above=0)
    np.testing.assert_allclose(ahead, expected["p_A_gt_C"], rtol=1e-9)


def test_eight_schools_to_every_published_digit():
    post = eight_schools()
    assert f"{post.mu.mean:.5f} {post.mu.sd:.5f}" == "7.93238 5.17839"
    assert f"{post.tau.mean:.5f} {post.tau.sd:.5f}" == "6.57548 5.65038"
    quantiles = post.tau.quantile(np.array([0.025, 0.25, 0.5, 0.75, 0.95, 0.975]))
    shown = [0.2427, 2.4672, 5.2385, 9.1249, 17.176, 20.7525]
    np.testing.assert_allclose(quantiles, shown, atol=5.1e-5, rtol=3e-5)
    ranks = [3.49, 4.49, 5.01, 4.58, 5.45, 5.07, 3.57, 4.34]
    np.testing.assert_allclose(post.expected_rank(), ranks, atol=0.00501)
    assert f"{post.contrast({'A': 1, 'C': -1}).probability(above=0):.5f}" == "0.68053"


def test_log_marginal_likelihood_of_eight_schools():
    """Against a plain sum over a fine grid of tau and mu."""
    prior = {"mu": "normal(0, 5)", "tau": "half_cauchy(5)"}
    y = np.array([28, 8, -3, 7, -1, 1, 18, 12.0])
    se = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
    x = (np.arange(4000) + 0.5) / 4000
    tau = 5 * np.tan(np.pi / 2 * x)  # equal prior mass a node
    covariance = tau[:, None, None] ** 2 * np.eye(8) + np.diag(se**2) + 25 * np.ones((8, 8))
    solved = np.linalg.solve(covariance, np.broadcast_to(y[:, None], (4000, 8, 1)))[..., 0]
    log_likelihood = -0.5 * (8 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + solved @ y)
    expected = np.log(np.mean(np.exp(log_likelihood)))
    np.testing.assert_allclose(
        eight_schools(**prior).log_marginal_likelihood(), expected, atol=1e-6
    )


@pytest.mark.parametrize(
    ("entry", "formula", "data"),
    [
        ("Dyestuff", "yield ~ 1 + (1 | batch)", pp.datasets.dyestuff()),
        ("Rail", "travel ~ 1 + (1 | Rail)", HERE / "data" / "rail.csv"),
        ("Exam_intercept", "normexam ~ 1 + (1 | school)", HERE / "data" / "exam.csv"),
    ],
)
def test_rows_with_sigma_unknown(entry, formula, data):
    post, expected = pp.fit(formula, data)._engine, EXACT[entry]
    labels = [str(x) for x in post.statistics.labels]
    order = [labels.index(level) for level in expected["levels"]]
    mu = [expected["b"]["mean"][0], expected["b"]["sd"][0]]
    np.testing.assert_allclose([post.mu.mean, post.mu.sd], mu, rtol=1e-9)
    for got, key in ((post.tau, "tau"), (post.sigma, "sigma")):
        np.testing.assert_allclose([got.mean, got.sd], expected[key], rtol=1e-9)
    scale = max(expected["a"]["sd"])
    effect = post.effect
    np.testing.assert_allclose(effect.mean[order], expected["a"]["mean"], atol=1e-9 * scale)
    np.testing.assert_allclose(effect.sd[order], expected["a"]["sd"], rtol=1e-9)


def assert_same(got, expected, tolerance):
    """Mean and quantiles in posterior sds, sd relative."""
    sd = expected["sd"]
    assert abs(float(got.mean) - expected["mean"]) < tolerance * sd
    assert abs(float(got.sd) / sd - 1) < tolerance
    for key, value in expected.items():
        if key.startswith("q"):
            p = float(f"0.{key[1:]}")
            assert abs(float(got.quantile(p)) - value) < tolerance * sd, key


def assert_same_groups(post, expected, keys, tolerance):
    for label, key in zip(post.statistics.labels, keys, strict=True):
        assert_same(post.contrast({label: 1}), expected[key], tolerance)


def test_eight_schools_quantiles():
    post = eight_schools(mu="normal(0, 5)", tau="half_cauchy(5)")
    expected = truth("eight_schools-eight_schools")
    assert_same_groups(post, expected, [f"theta[{j}]" for j in range(1, 9)], 2e-5)
    assert_same(post.mu, expected["mu"], 2e-5)
    assert_same(post.tau, expected["tau"], 2e-5)


def test_bugs_dyes():
    prior = {
        "mu": "normal(0, 1e5)",
        "tau": "inverse_gamma_sq(.001, .001)",
        "sigma": "inverse_gamma_sq(.001, .001)",
    }
    post = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff(), prior=prior)._engine
    expected = truth("bugs_dyes")
    assert_same_groups(post, expected, [f"mu[{j}]" for j in range(1, 7)], 1e-5)
    assert_same(post.mu, expected["theta"], 1e-5)
    assert_same(post.sigma, expected["sigma.with"], 1e-5)
    assert_same(post.tau, expected["sigma.btw"], 1e-5)


def test_radon_partially_pooled():
    prior = ["mu ~ normal(0, 10)", "tau ~ half_normal(1)", "sigma ~ half_normal(1)"]
    post = pp.fit("log_radon ~ 1 + (1 | county)", pp.datasets.radon(), prior=prior)._engine
    expected = truth("radon_mn-radon_partially_pooled")
    assert_same_groups(post, expected, [f"alpha[{j}]" for j in range(1, 86)], 5e-6)
    assert_same(post.mu, expected["mu_alpha"], 5e-6)
    assert_same(post.tau, expected["sigma_alpha"], 5e-6)
    assert_same(post.sigma, expected["sigma_y"], 5e-6)


def test_efron_morris_shrinkage_agrees_with_the_published_size():
    """Efron and Morris (1975) shrink the arcsines by 0.209; the posterior mean is close."""
    post = pp.fit("arcsine | se(se) ~ 1 + (1 | player)", pp.datasets.baseball())._engine
    kept = 1 - post.shrinkage.mean
    np.testing.assert_allclose(kept, kept[0])  # all have 45 at bats
    assert 0.15 < kept[0] < 0.30
