"""What the page holds of the bundled data sets, against the library and published figures."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest

import partialpool as pp
from partialpool.app.classics import classics
from partialpool.datasets import catalogue

KINDS = {"measurements", "known_se", "binomial", "poisson", "regression"}


@pytest.fixture(scope="module")
def every():
    return classics()


def test_every_data_set_is_there_and_json_holds_it(every):
    assert list(every) == [d.name for d in catalogue]
    text = json.dumps(every, allow_nan=False, separators=(",", ":"))
    assert len(gzip.compress(text.encode())) < 120_000  # of the 500 KB that the page may weigh
    for found in every.values():
        assert found["kind"] in KINDS
        assert found["sentences"]
        assert all(found[k] for k in ("title", "story", "citation", "field", "formula", "outcome"))


@pytest.mark.parametrize("dataset", catalogue, ids=lambda d: d.name)
def test_groups_are_those_of_the_fit(every, dataset):
    found = every[dataset.name]
    fit = pp.fit(dataset.formula, dataset.load(), family=dataset.family)
    table = fit.groups()
    for name, column in (("own", "raw"), ("estimate",) * 2, ("lower",) * 2, ("upper",) * 2):
        shown = [np.nan if row[name] is None else row[name] for row in found["groups"]]
        np.testing.assert_allclose(shown, table[column], rtol=1e-5, atol=1e-12)
    assert [row["name"] for row in found["groups"]] == [str(g) for g in table["group"]]
    assert len(found["parameters"]) == len(fit.parameters()["mean"])


def test_eight_schools_with_tau_held(every):
    found, fit = every["eight_schools"], pp.fit(
        "effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools()
    )  # fmt: skip
    held, y = found["held"], np.array([g["own"] for g in found["groups"]])
    se = np.array([g["se"] for g in found["groups"]])
    np.testing.assert_array_equal(se, pp.datasets.eight_schools()["se"])
    # tau = 0 pools completely: the precision-weighted mean, 7.7 with standard error 4.1
    mean, error = (y / se**2).sum() / (1 / se**2).sum(), (1 / se**2).sum() ** -0.5
    np.testing.assert_allclose(held["estimate"][0], mean, rtol=1e-5)
    np.testing.assert_allclose(held["lower"][0], mean - 1.959964 * error, rtol=1e-4)
    # each estimate with tau held is the weighted mean of own value and grand mean
    tau = np.array(held["tau"])[:, None]
    weight = tau**2 / (tau**2 + se**2)
    grand = (y / (tau**2 + se**2)).sum(axis=1) / (1 / (tau**2 + se**2)).sum(axis=1)
    np.testing.assert_allclose(held["grand"], grand, rtol=1e-5)
    np.testing.assert_allclose(held["weight"], weight, rtol=1e-5)
    np.testing.assert_allclose(
        held["estimate"], weight * y + (1 - weight) * grand[:, None], rtol=1e-5, atol=1e-5 * 28
    )
    assert found["tau"]["median"] == pytest.approx(float(fit.posterior["tau"].median), rel=1e-5)
    area = np.trapezoid(found["tau"]["density"], found["tau"]["grid"])
    inside = float(fit.posterior["tau"].cdf(found["tau"]["grid"][-1]))
    assert area == pytest.approx(inside, abs=2e-4)


@pytest.mark.parametrize("name", ["eight_schools", "baseball", "dyestuff", "surgical"])
def test_lines_between_values_of_tau_are_near(every, name):
    held = every[name]["held"]
    dataset = next(d for d in catalogue if d.name == name)
    post = pp.fit(dataset.formula, dataset.load())._engine
    tau, values = np.array(held["tau"]), np.array(held["lower"])
    width = np.ptp([held["lower"], held["upper"]])
    for i in range(0, len(tau) - 1, 5):
        middle = (tau[i] + tau[i + 1]) / 2
        exact = post.given_tau(float(middle)).theta.interval(0.95)[0]
        share = (middle - tau[i]) / (tau[i + 1] - tau[i])
        line = (1 - share) * values[i] + share * values[i + 1]
        assert np.abs(line - exact).max() < 0.001 * width


def test_truth_stands_beside_its_group(every):
    table = pp.datasets.mailing()
    later = table["remaining_answered"] / table["remaining_mailed"]
    known = dict(zip(table["segment"].tolist(), later.tolist(), strict=True))
    for group in every["mailing"]["groups"]:
        assert group["truth"] == pytest.approx(known[group["name"]], rel=1e-5)
    assert any("mean squared error" in s for s in every["mailing"]["sentences"])


def test_growth_lines_of_the_rats(every):
    found, table = every["rats"], pp.datasets.rats()
    assert found["predictor"] == "day"
    assert len(found["lines"]) == 30
    for line in found["lines"]:
        day, weight = np.array(line["points"]).T
        slope, start = np.polyfit(day, weight, 1)  # its own line is least squares of its own rows
        np.testing.assert_allclose(line["own"], [start, slope], rtol=1e-5)
        assert (table["rat"] == int(line["name"])).sum() == len(day) == 5
    # Gelfand et al. (1990); as the Rats example of BUGS tells them: weight at birth 106.6 (3.7)
    # grams, growth 6.185 (0.11) a day, sigma 6.1
    assert found["grandLine"] == pytest.approx([106.6, 6.185], rel=1e-3)
    sigma = next(p for p in found["parameters"] if p["name"] == "sigma")
    assert sigma["mean"] == pytest.approx(6.1, abs=0.05)


def test_three_poolings_of_houses_in_counties(every):
    """Only the hierarchical model has both counties and their uranium."""
    found = every["radon"]
    rows = {row["name"]: row for row in found["coefficients"]}
    uranium = rows["log(uranium)"]
    assert uranium["fixed"] is None
    assert 'cannot estimate "log(uranium)"' in found["approaches"]
    # rows taken as independent are too sure of what all houses of a county share
    assert uranium["complete_se"] < uranium["hierarchical_sd"] < uranium["complete_robust_se"] * 1.1
    # Gelman and Hill (2007), section 12.6: 0.72 (0.09) for uranium, -0.67 (0.07) for the floor,
    # on log(radon) where ours is log(radon + 0.1)
    assert uranium["hierarchical"] == pytest.approx(0.72, abs=0.03)
    assert uranium["hierarchical_sd"] == pytest.approx(0.09, abs=0.005)
    assert rows["floor"]["hierarchical"] == pytest.approx(-0.67, abs=0.04)
    table = pp.datasets.radon()
    x = np.column_stack([np.ones(len(table["floor"])), table["floor"], np.log(table["uranium"])])
    complete, *_ = np.linalg.lstsq(x, table["log_radon"], rcond=None)
    np.testing.assert_allclose([r["complete"] for r in found["coefficients"]], complete, rtol=1e-5)
    # a county of few houses is drawn to the line of its uranium more than one of many
    counties = {g["name"]: g for g in found["groups"]}
    assert counties["ST LOUIS"]["shrinkage"] < 0.3 < 0.9 < max(
        g["shrinkage"] for g in counties.values()
    )  # fmt: skip
