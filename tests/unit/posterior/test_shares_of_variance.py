"""Shares of variance between groups, from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

import partialpool as pp
from count_models import COUNT_MODELS, PROPORTIONS

COUNTS = {
    "binomial": ("y | trials(n) ~ 1 + (1 | g)", lambda m: m * (1 - m)),
    "beta": ("y | trials(n) ~ 1 + (1 | g)", lambda m: 1.0),
    "poisson": ("y | exposure(n) ~ 1 + (1 | g)", lambda m: m),
    "gamma": ("y | exposure(n) ~ 1 + (1 | g)", lambda m: m),
}


@pytest.mark.parametrize("family", COUNTS)
def test_i2_of_counts_is_that_of_a_group_of_the_harmonic_mean_size(family):
    formula, information = COUNTS[family]
    size = np.array([4.0, 12.0, 50.0, 9.0, 8.0])
    data = {"g": list("abcde"), "y": [1, 4, 10, 3, 7], "n": size}
    post = pp.fit(formula, data, **COUNT_MODELS[family])._engine
    middle = float(post.mu.median)
    m = 1 / (1 + math.exp(-middle)) if family in PROPORTIONS else math.exp(middle)
    typical = 5 / (1 / 4 + 1 / 12 + 1 / 50 + 1 / 9 + 1 / 8) * information(m)

    def share(tau):
        return typical * tau**2 / (1 + typical * tau**2)

    np.testing.assert_allclose(post.icc.median, share(float(post.tau.median)), rtol=1e-9)
    np.testing.assert_allclose(
        post.icc.quantile([0.025, 0.975]), share(post.tau.quantile([0.025, 0.975])), rtol=1e-9
    )
    at, weight = post.nodes.outer, post.nodes.marginal
    mean = weight @ share(at)
    np.testing.assert_allclose(post.icc.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(post.icc.sd**2, weight @ (share(at) - mean) ** 2, rtol=1e-9)


def test_groups_without_exposure_have_no_part_in_the_typical_size():
    data = {"g": list("abcd"), "y": [3, 9, 4, 0], "n": [5.0, 8.0, 20.0, 0.0]}
    post = pp.fit("y | exposure(n) ~ 1 + (1 | g)", data)._engine
    information = 3 / (1 / 5 + 1 / 8 + 1 / 20) * math.exp(float(post.mu.median))
    kept = information * float(post.tau.median) ** 2
    np.testing.assert_allclose(post.icc.median, kept / (1 + kept), rtol=1e-9)


def test_i2_with_known_errors_rests_on_the_typical_variance_of_higgins_and_thompson():
    se = np.array([15, 10, 16, 11, 9, 11, 10, 18.0])
    post = pp.fit_groups(mean=[28, 8, -3, 7, -1, 1, 18, 12], se=se)._engine
    w = 1 / se**2
    typical = 7 * w.sum() / (w.sum() ** 2 - (w**2).sum())
    tau = post.tau.quantile([0.1, 0.5, 0.9])
    np.testing.assert_allclose(
        post.icc.quantile([0.1, 0.5, 0.9]), tau**2 / (tau**2 + typical), rtol=1e-8
    )
    at, weight = post.grid.points[:, 0], post.grid.weight.ravel()
    np.testing.assert_allclose(post.icc.mean, weight @ (at**2 / (at**2 + typical)), rtol=1e-9)


def test_the_icc_of_weighted_rows_is_that_of_a_row_of_mean_weight():
    rng = np.random.default_rng(3)
    group = np.arange(40) % 8
    data = {"g": group, "w": rng.uniform(1, 5, 40), "y": rng.normal(size=40) + group}
    post = pp.fit("y | weights(w) ~ 1 + (1 | g)", data)._engine
    ratio = post.tau_over_sigma.quantile([0.1, 0.5, 0.9])
    own = ratio**2 * data["w"].mean()
    np.testing.assert_allclose(post.icc.quantile([0.1, 0.5, 0.9]), own / (own + 1), rtol=1e-8)


def counts_with_a_predictor(family):
    rng = np.random.default_rng(1)
    data = {"g": np.repeat(np.arange(8), 6), "x": rng.normal(size=48)}
    data["y"] = rng.binomial(1, 0.3, 48) if family == "binomial" else rng.poisson(2, 48)
    prior = "tau ~ half_normal(1)"
    return data, pp.fit("y ~ x + (1 | g)", data, **COUNT_MODELS[family], prior=prior)._engine


def test_a_binary_row_has_the_variance_of_the_logistic_distribution():
    _, post = counts_with_a_predictor("binomial")
    assert post.row_variance == pytest.approx(3.289868133696453, rel=1e-14)
    tau2, weight = post.weighted.points.phi[:, 0] ** 2, post.weighted.weight
    expected = weight @ (tau2 / (tau2 + math.pi**2 / 3))
    np.testing.assert_allclose(post.icc("g").mean, expected, rtol=1e-9)


def test_a_row_of_counts_has_the_variance_of_a_lognormal_one_of_the_mean_count():
    data, post = counts_with_a_predictor("poisson")
    own = math.log(1 + 1 / data["y"].mean())
    assert post.row_variance == pytest.approx(own, rel=1e-14)
    tau2, weight = post.weighted.points.phi[:, 0] ** 2, post.weighted.weight
    np.testing.assert_allclose(post.icc("g").mean, weight @ (tau2 / (tau2 + own)), rtol=1e-9)


def test_the_icc_of_a_mixed_model_with_weights_is_that_of_a_row_of_mean_weight():
    rng = np.random.default_rng(3)
    data = {"g": np.arange(40) % 8, "w": rng.uniform(1, 5, 40), "x": rng.normal(size=40)}
    data["y"] = rng.normal(size=40) + data["g"]
    formula = "y | weights(w) ~ x + (1 | g)"
    post = pp.fit(formula, data, prior="tau ~ half_normal(3)")._engine
    tau2 = post.weighted.points[:, post.model.terms[0].sds.start] ** 2
    row = post.model.sigma(post.weighted.points) ** 2 / data["w"].mean()
    expected = post.weighted.weight @ (tau2 / (tau2 + row))
    np.testing.assert_allclose(post.icc("g").mean, expected, rtol=1e-9)
