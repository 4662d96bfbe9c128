"""Predictions of counts: probabilities, rates and events of known and new groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import partialpool as pp
from partialpool.posterior.predicted_counts import events_end, rates_between

BATTING = "hits | trials(at_bats) ~ 1 + (1 | player)"


@pytest.fixture(scope="module")
def batting():
    return pp.fit(BATTING, pp.datasets.batting())


def test_known_groups_new_groups_and_the_population(batting):
    post = batting._engine
    rows = {"player": ["Munson", "Nobody", "Clemente", "Munson"]}
    found = batting.predict(rows, unseen="new_group", level=0.9)
    at = post.group_index(["Munson", "Clemente"])
    np.testing.assert_allclose(found["estimate"][[0, 2]], post.value.mean[at])
    np.testing.assert_allclose(found["upper"][[0, 2]], post.value.quantile(0.95)[at], rtol=1e-6)
    assert found["estimate"][1] == pytest.approx(float(post.new_group.mean))
    assert found["lower"][1] == pytest.approx(float(post.new_group.quantile(0.05)))
    assert found["estimate"][3] == found["estimate"][0]
    middle = batting.predict(rows, target="population")
    np.testing.assert_allclose(middle["sd"], float(post.middle.sd))
    short = batting.predict(rows, unseen="population", kind="highest-density")
    assert short["upper"][0] - short["lower"][0] < 0.15


def test_events_are_those_of_expected_counts(batting):
    """Read from quantiles of each probability here, from its whole density there."""
    post = batting._engine
    size = np.arange(18) * 30.0
    rows = {"player": post.statistics.labels.tolist(), "at_bats": size}
    found = batting.predict(rows, observation=True, level=0.8)
    expected = post.expected_counts(size, level=0.8)
    np.testing.assert_allclose(found["estimate"], expected["mean"], rtol=1e-12)
    np.testing.assert_allclose(found["sd"], expected["sd"], rtol=1e-12)
    for name in ("lower", "upper"):
        assert np.abs(found[name] - expected[name]).max() <= 1
        assert (found[name] == expected[name]).mean() > 0.8


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_events_of_models_with_predictors_against_draws(family):
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(12), 3), np.tile([-1.0, 0.0, 1.0], 12)
    eta = rng.normal(-0.5, 0.6, 12)[g] + 0.5 * x
    n = np.full(36, 15)
    if family == "binomial":
        y, outcome = rng.binomial(n, special.expit(eta)), "y | trials(n)"
    else:
        y, outcome = rng.poisson(n * np.exp(eta)), "y | exposure(n)"
    fit = pp.fit(f"{outcome} ~ x + (1 | g)", {"y": y, "n": n, "x": x, "g": g})
    found = fit.predict({"g": [2], "x": [0.5], "n": [40]}, observation=True, level=0.9)
    drawn = fit._engine.draws(40_000, rng)
    theta = drawn.coefficients @ [1.0, 0.5] + drawn.effects[0][:, 2, 0]
    if family == "binomial":
        events = rng.binomial(40, special.expit(theta))
    else:
        events = rng.poisson(40 * np.exp(theta))
    assert found["estimate"][0] == pytest.approx(events.mean(), rel=0.01)
    assert found["sd"][0] == pytest.approx(events.std(), rel=0.03)
    ends = np.quantile(events, [0.05, 0.95])
    assert np.abs([found["lower"][0], found["upper"][0]] - ends).max() <= 1


def test_what_cannot_be_predicted_is_said(batting):
    with pytest.raises(pp.DataError, match='unseen="new_group"'):
        batting.predict({"player": ["Nobody"]})
    with pytest.raises(pp.ColumnError, match="at_bats"):
        batting.predict({"player": ["Munson"]}, observation=True)
    with pytest.raises(pp.DataError, match=r"whole number of trials.*row 1"):
        batting.predict({"player": ["Munson"], "at_bats": [2.5]}, observation=True)
    rows = {"player": ["Munson"], "at_bats": [2]}
    with pytest.raises(pp.ArgumentError, match="equal tails"):
        batting.predict(rows, observation=True, kind="highest-density")


def test_tables_show_events_and_what_they_are_among(batting):
    table = batting.groups()
    assert table["events"].sum() == 215
    assert table["trials"].tolist() == [45] * 18
    peregrine = pp.fit("pairs ~ 1 + (1 | year)", pp.datasets.peregrine(), family="poisson")
    assert "trials" not in peregrine.groups()
    assert "exposure" not in peregrine.groups()
    hours = {"y": [1, 4, 3], "h": [0.5, 3.25, 2.0], "g": ["a", "b", "c"]}
    assert pp.fit("y | exposure(h) ~ 1 + (1 | g)", hours).groups()["exposure"][1] == 3.25


@pytest.mark.parametrize(
    ("formula", "population", "worst"),
    [
        ("y | exposure(n) ~ 1 + (1 | g)", "normal", 1e-4),
        ("k | trials(n) ~ 1 + (1 | g)", "beta", 1e-3),
        ("y | exposure(n) ~ x + (1 | g)", "normal", 0.02),
    ],
)
def test_rates_between_quantiles(formula, population, worst):
    """Cubics between 17 quantiles against each quantile, in posterior sds of the link."""
    rng = np.random.default_rng(2)
    n = rng.integers(1, 200, 40).astype(float)
    y = rng.poisson(n * np.exp(rng.normal(-1.0, 1.0, 40)))
    data = {"g": np.arange(40), "y": y, "k": np.minimum(y, n), "n": n, "x": rng.normal(size=40)}
    post = pp.fit(formula, data, population=population)
    value, link = post.posterior.groups("g").of, post._engine.link
    p = 0.5 + 0.5 * np.polynomial.legendre.leggauss(64)[0]
    exact, low, high = (link.linked(value.quantile(at)) for at in (p, 0.025, 0.975))
    gap = link.linked(rates_between(value, p, link)) - exact
    assert np.abs(gap / ((high - low) / 3.92)).max() < worst


@pytest.mark.parametrize("proportion", [True, False])
def test_events_end_where_every_count_is_tried(proportion):
    """Against the distribution function at 0, 1, 2, ...: small, large and no sizes."""
    size = np.array([0.0, 1.0, 3.0, 40.0, 700.0])
    rates = special.expit(np.linspace(-4.0, 2.0, 5) + np.linspace(-1.0, 1.0, 64)[:, None])
    share = np.full(64, 1.0 / 64)
    for p in (0.025, 0.5, 0.975):
        ends = events_end(size, rates, share, proportion, p)
        for end, n, rate in zip(ends, size, rates.T, strict=True):
            k = np.arange(2000)[:, None]
            of = stats.binom(n, rate) if proportion else stats.poisson(n * rate)
            assert end == np.argmax(of.cdf(k) @ share >= p)
