"""Counts with predictors through the public face: fit, tables, prediction, bad input."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import special

import partialpool as pp

BINOMIAL = "y | trials(n) ~ x + (1 | g)"


def data(family="binomial", seed=0, groups=6):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), 4)
    x, n = np.round(rng.normal(size=len(g)), 1), rng.integers(3, 9, len(g))
    eta = -0.4 + 0.8 * x + rng.normal(0, 0.7, groups)[g]
    y = rng.binomial(n, special.expit(eta)) if family == "binomial" else rng.poisson(np.exp(eta))
    return {"y": y, "n": n, "x": x, "g": np.array([f"g{i}" for i in g])}


@pytest.fixture(scope="module")
def fit():
    return pp.fit(BINOMIAL, data())


def test_priors_and_rules_that_do_not_apply_are_refused():
    with pytest.raises(pp.PriorError, match=r"sd_log_sigma ~ half_normal\(0.5\)"):
        pp.fit(BINOMIAL, data(), prior=pp.priors(sd_log_sigma=pp.HalfNormal(0.5)))
    with pytest.raises(pp.ArgumentError, match="quadrature=0"):
        pp.fit_statistics(pp.statistics(BINOMIAL, data()), method="ml", quadrature=0)


def test_groups_are_probabilities_between_raw_and_population(fit):
    table = fit.groups()
    assert ((table["lower"] > 0) & (table["upper"] < 1)).all()
    y, n, x, g = (data()[k] for k in ("y", "n", "x", "g"))
    slope = float(fit._engine.coefficients["x"].median)
    for label, raw in zip(np.unique(g), table["raw"], strict=True):  # at x = 0, as the estimate is
        mine = g == label
        expected = n[mine] @ special.expit(special.logit(raw) + slope * x[mine])
        assert expected == pytest.approx(y[mine].sum())
    link = fit.groups(scale="link")
    np.testing.assert_array_equal(link["effect"], table["effect"])
    # the mean of a probability is not the probability of a mean
    assert np.abs(special.expit(link["estimate"]) - table["estimate"]).max() > 1e-3
    np.testing.assert_allclose(special.expit(link["lower"]), table["lower"], rtol=1e-6)


def test_means_on_the_natural_scale_are_those_of_draws(fit):
    draws = fit._engine.draws(40_000, np.random.default_rng(0))
    theta = draws.coefficients[:, :1] + draws.effects[0][:, :, 0]
    np.testing.assert_allclose(fit.groups()["estimate"], special.expit(theta).mean(0), atol=3e-3)
    np.testing.assert_allclose(fit.groups()["sd"], special.expit(theta).std(0), rtol=0.08)


def test_slopes_are_ratios_of_odds():
    rng = np.random.default_rng(3)
    d = data(groups=12) | {"n": np.full(48, 30)}
    d["y"] = rng.binomial(30, special.expit(-0.3 + 0.5 * d["x"]))
    found = pp.fit("y | trials(n) ~ x + (x | g)", d, prior="tau ~ half_normal(0.5)")
    table = found.groups()
    slopes = table["term"] == "x"
    assert (table["estimate"][slopes] > 1.0).all()
    link = found.groups(scale="link")["estimate"][slopes]
    assert (table["estimate"][slopes] > np.exp(link)).all()  # Jensen


def test_predictions_for_rows_known_new_and_of_the_population(fit):
    new = {"x": [0.0, 0.0, 1.0], "g": ["g0", "elsewhere", "g0"], "n": [1, 1, 1]}
    found = fit.predict(new, unseen="new_group")
    assert ((found["estimate"] > 0) & (found["estimate"] < 1)).all()
    assert found["estimate"][0] == pytest.approx(fit.groups()["estimate"][0], abs=2e-3)
    assert found["sd"][1] > found["sd"][0]
    assert found["estimate"][2] > found["estimate"][0]


def test_rates_are_predicted_per_unit_of_exposure():
    d = data("poisson")
    minutes = pp.fit("y | exposure(n) ~ x + (1 | g)", d)
    hours = pp.fit("y | exposure(n) ~ x + (1 | g)", {**d, "n": d["n"] / 60})
    new = {"x": [0.5], "g": ["g1"]}
    a, b = minutes.predict(new), hours.predict(new)
    for name in ("estimate", "sd", "lower", "upper"):
        assert b[name][0] == pytest.approx(60 * a[name][0], rel=1e-4)
    with pytest.raises(pp.ColumnError, match='column "n"'):
        minutes.predict(new, observation=True)
    events = [
        f.predict({**new, "n": [n]}, observation=True) for f, n in ((minutes, 60), (hours, 1))
    ]
    for name in ("estimate", "sd", "lower", "upper"):
        assert events[0][name][0] == pytest.approx(events[1][name][0], rel=1e-4)
    assert events[0]["estimate"][0] == pytest.approx(b["estimate"][0])


def test_offsets_are_taken_off_raw_rates():
    d = data("poisson") | {"o": np.linspace(-1, 1, 24)}
    fit = pp.fit("y ~ x + offset(o) + (1 | g)", d, family="poisson")
    base = np.exp(d["o"] + d["x"] * float(fit._engine.coefficients["x"].median))
    table = fit.groups()
    own = [d["y"][d["g"] == g].sum() / base[d["g"] == g].sum() for g in table["group"]]
    np.testing.assert_allclose(table["raw"], own)


def test_pickled_fits_say_the_same(fit):
    again = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(again.groups()["estimate"], fit.groups()["estimate"])
    assert repr(again) == repr(fit)


@pytest.mark.parametrize("method", ["posterior", "ml"])
def test_results_keep_their_places_with_missing_values(method):
    d = data()
    y = [None if i == 3 else int(v) for i, v in enumerate(d["y"])]
    some = pp.fit(BINOMIAL, {**d, "y": y}, method=method)
    keep = np.arange(24) != 3
    without = pp.fit(BINOMIAL, {k: v[keep] for k, v in d.items()}, method=method)
    assert some.statistics.n_dropped == 1
    np.testing.assert_allclose(some.groups()["estimate"], without.groups()["estimate"], rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y": np.full(24, 9)}, "at most the number of trials"),
        ({"y": np.full(24, -1)}, "whole number of events"),
        ({"y": np.full(24, 0.5)}, "whole number of events"),
        ({"y": ["one"] * 24}, "must hold numbers"),
        ({"g": ["only"] * 24}, "one group only"),
    ],
)
def test_bad_rows_get_a_sentence(changes, words):
    with pytest.raises(pp.DataError, match=words):
        pp.fit(BINOMIAL, {**data(), **changes})


@pytest.mark.parametrize("y", [np.zeros(24, int), data()["n"], (data()["x"] > 0) * data()["n"]])
def test_separation_needs_priors(y):
    d = {**data(), "y": y}
    with pytest.raises(pp.ImproperPosteriorError, match="put no limit on"):
        pp.fit(BINOMIAL, d)
    prior = ["beta ~ normal(0, 2.5)", "Intercept ~ normal(0, 5)", "tau ~ half_normal(1)"]
    found = pp.fit(BINOMIAL, d, prior=prior)
    assert np.isfinite(found.parameters()["mean"]).all()
    assert np.isfinite(found.groups()["estimate"]).all()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"method": "reml"}, "is for measurements"),
        ({"quadrature": 5}, 'quadrature is for method="ml"'),
        ({"method": "ml", "quadrature": 0}, "from 1"),
        ({"method": "ml", "prior": "tau ~ half_normal(1)"}, "takes no priors"),
    ],
)
def test_methods(how, words):
    with pytest.raises(pp.PartialPoolError, match=words):
        pp.fit(BINOMIAL, data(), **how)


def test_counts_of_single_rows_with_a_row_effect():
    """Overdispersion beside the groups: every row an effect of its own."""
    rng = np.random.default_rng(5)
    d = data("poisson", groups=12)
    d["row"] = np.arange(48)
    d["y"] = rng.poisson(np.exp(1.0 + rng.normal(0, 0.8, 48)))
    found = pp.fit("y ~ x + (1 | g) + (1 | row)", d, family="poisson")
    named = dict(zip(found.parameters()["name"], found.parameters()["median"], strict=True))
    assert 0.5 < named["tau[row]"] < 1.3
    assert found.posterior.error < 0.25  # 48 effects beside 12: about the usual target of 0.15


def test_large_counts_are_right():
    """Log-odds of ten million trials: as regression of what was measured."""
    rng = np.random.default_rng(1)
    d = data(groups=12)
    n = np.full(48, 10_000_000)
    effects = np.repeat(rng.normal(0, 0.1, 12), 4)
    y = rng.binomial(n, special.expit(-3 + 0.1 * d["x"] + effects))
    counts = pp.fit(BINOMIAL, {**d, "y": y, "n": n})
    p = y / n
    log_odds = {**d, "l": special.logit(p), "s": (n * p * (1 - p)) ** -0.5}
    measured = pp.fit("l | se(s) ~ x + (1 | g)", log_odds)
    for name in ("mean", "sd"):
        a, b = counts.parameters()[name], measured.parameters()[name]
        np.testing.assert_allclose(a, b, rtol=5e-3)


@pytest.mark.parametrize(
    ("formula", "load"),
    [
        ("incidence | trials(size) ~ C(period) + (1 | herd)", pp.datasets.cbpp),
        ("reaction ~ days + (days | subject)", pp.datasets.sleepstudy),
    ],
)
def test_ranks_of_groups_with_predictors(formula, load):
    post = pp.fit(formula, load())._engine
    size, q = len(post.statistics.blocks[0].labels), len(post.statistics.blocks[0].effects)
    for effect in range(q):
        table = post.ranks(effect=effect, top=3)
        assert table["expected_rank"].sum() == pytest.approx(size * (size + 1) / 2)
        assert table["top"].sum() == pytest.approx(3.0)
        assert (table["best"] <= table["top"]).all()
        highest = np.argmax(post.effect(0).mean[effect::q])
        assert table["expected_rank"].argmin() == highest
    down, up = post.ranks(), post.ranks(descending=False)
    np.testing.assert_allclose(down["expected_rank"] + up["expected_rank"], size + 1)
