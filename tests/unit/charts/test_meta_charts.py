"""Forests of ratios and with predictors, and funnels, read from their specs."""

import numpy as np
import pytest
from test_charts import caption, rows_of

import partialpool as pp
from partialpool import charts


@pytest.fixture(scope="module")
def trials():
    return pp.fit("log_rr | se(log_rr_se) ~ 1 + (1 | trial)", pp.datasets.bcg())


@pytest.fixture(scope="module")
def by_latitude():
    return pp.fit("log_rr | se(log_rr_se) ~ latitude + (1 | trial)", pp.datasets.bcg())


def test_a_forest_of_ratios_has_a_logarithmic_axis_that_holds_one(trials):
    plain, spec = (charts.forest(trials.posterior, scale=s).to_dict() for s in ("response", "exp"))
    ratios = {r["group"]: r for r in rows_of(spec) if r.get("what") == "partially pooled"}
    logs = {r["group"]: r for r in rows_of(plain) if r.get("what") == "partially pooled"}
    for name in ("estimate", "from", "to"):
        assert ratios["Aronson 1948"][name] == pytest.approx(np.exp(logs["Aronson 1948"][name]))
    axis = spec["layer"][2]["encoding"]["x"]
    assert axis["scale"]["type"] == "log"
    assert axis["scale"]["domain"][0] < 1 < axis["scale"]["domain"][1]
    assert {"ratio": 1.0} in rows_of(spec)
    assert {"ratio": 1.0} not in rows_of(plain)
    assert "Line at 1: no effect." in caption(spec)
    assert ratios["Stein & Aronson 1953"]["label"] == "0.46  [0.39, 0.54]"


def test_a_forest_with_predictors_has_what_these_alone_say(by_latitude):
    rows = rows_of(by_latitude.plot.forest().to_dict())
    ticks = {r["group"]: r["estimate"] for r in rows if r.get("what") == "by the predictors"}
    beta = by_latitude.parameters()["mean"]
    assert ticks["TPT Madras 1980"] == pytest.approx(beta[0] + 13 * beta[1])
    mean = next(r for r in rows if r.get("what") == "mu")
    latitudes = pp.datasets.bcg()["latitude"]
    expected = by_latitude.predict({"latitude": [latitudes.mean()]}, target="population")
    assert mean["estimate"] == pytest.approx(expected["estimate"][0])
    assert mean["lower"] == pytest.approx(expected["lower"][0])
    own = {r["group"]: r["estimate"] for r in rows if r.get("what") == "own estimate"}
    assert own["Stein & Aronson 1953"] == pytest.approx(-0.786116, abs=1e-6)


def test_forests_and_funnels_of_other_models_are_refused():
    rats = pp.fit("weight ~ day + (day | rat)", pp.datasets.rats())
    with pytest.raises(pp.ArgumentError, match="this model is another: draw effects instead"):
        rats.plot.forest()
    with pytest.raises(pp.ArgumentError, match="a funnel is drawn of estimates with known"):
        rats.plot.funnel()
    dyes = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())
    with pytest.raises(pp.ArgumentError, match="in units of the outcome"):
        dyes.plot.funnel(scale="exp")


@pytest.mark.parametrize("scale", ["response", "exp"])
def test_a_funnel_of_studies(trials, scale):
    rows = rows_of(trials.plot.funnel(scale=scale).to_dict())
    to_axis = np.exp if scale == "exp" else np.asarray
    points = {r["group"]: r for r in rows if "group" in r}
    assert len(points) == 13
    assert points["Aronson 1948"]["effect"] == pytest.approx(to_axis(-0.8893113339))
    assert points["Aronson 1948"]["se"] == pytest.approx(0.5706003549)
    edges = [r for r in rows if r.get("band") == "1" and r["se"] > 0]
    (edge,) = edges
    assert edge["effect"] == pytest.approx(to_axis(1.6448536270 * edge["se"]))
    assert edge["to"] == pytest.approx(to_axis(1.9599639845 * edge["se"]))
    (line,) = (r["mu"] for r in rows if "mu" in r)
    assert line == pytest.approx(to_axis(float(trials.posterior["mu"].mean)))


def test_a_funnel_with_predictors_is_of_what_they_leave(by_latitude):
    rows = rows_of(by_latitude.plot.funnel(dark=True).to_dict())
    points = {r["group"]: r["effect"] for r in rows if "group" in r}
    beta = by_latitude.parameters()["mean"]
    assert points["TPT Madras 1980"] == pytest.approx(0.01195233 - beta[0] - 13 * beta[1])


def test_a_funnel_of_a_league_table_of_proportions():
    fit = pp.fit("deaths | trials(operations) ~ 1 + (1 | hospital)", pp.datasets.surgical_deaths())
    spec = fit.plot.funnel().to_dict()
    rows = rows_of(spec)
    beyond = {r["group"]: r["beyond"] for r in rows if "group" in r}
    # of 208 deaths in 2,814 operations P(R >= 31 of 215) = .0003; E and K have tails of .023, .015
    assert {g: k for g, k in beyond.items() if k} == {"H": 2, "E": 1, "K": 1}
    assert "of 12 groups" in caption(spec)
    (line,) = (r["mu"] for r in rows if "mu" in r)
    assert line == pytest.approx(208 / 2814)


def test_a_funnel_of_a_league_table_of_means():
    fit = pp.fit("math ~ 1 + (1 | school)", pp.datasets.high_school())
    rows = rows_of(fit.plot.funnel().to_dict())
    assert sum("beyond" in r for r in rows) == 160
    limits = [r for r in rows if r.get("limits") == "95% limits"]
    within = pp.classical.fixed_effects(
        mean=fit.statistics.raw, n=fit.statistics.n, ss=fit.statistics.ss
    ).sigma
    first = max(limits[:200], key=lambda r: r["size"])
    target = float(np.mean(pp.datasets.high_school()["math"]))
    assert first["value"] == pytest.approx(target - 1.959963985 * within / first["size"] ** 0.5)


def test_a_funnel_of_rates_with_exposure_and_a_group_without_any():
    data = {"site": ["A", "B", "C", "D"], "count": [3, 40, 7, 0], "hours": [10.0, 20, 30, 0]}
    fit = pp.fit("count | exposure(hours) ~ 1 + (1 | site)", data)
    rows = rows_of(fit.plot.funnel().to_dict())
    beyond = {r["group"]: r["beyond"] for r in rows if "group" in r}
    assert beyond == {"A": 0, "B": 2, "C": 2}  # P(R <= 3) = .034 of a Poisson of 8.33
