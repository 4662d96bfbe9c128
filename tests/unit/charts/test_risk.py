"""Errors of estimators as bars and as lines."""

import math

import pytest

from partialpool import charts
from partialpool.charts.style import LIGHT, estimator_looks
from partialpool.errors import ArgumentError

ERRORS = {
    "no pooling": (6.61, 0.02),
    "complete pooling": (25.3, math.nan),
    "partial pooling": (5.22, 0.02),
}


def risks(scale):
    return [
        {"tau": t, "estimator": name, "risk": scale * risk, "error": 0.02 * risk}
        for t in (3, 1, 2)
        for name, risk in (("no pooling", 6.0), ("partial pooling", 2.0 * t))
    ]


def test_bars_hold_values_whiskers_and_labels():
    spec = charts.error_bars(ERRORS).to_dict()
    rows = {r["group"]: r for r in spec["datasets"]["bars"]}
    assert list(rows) == list(ERRORS)
    assert rows["no pooling"]["upper"] == pytest.approx(6.65)
    assert rows["no pooling"]["label"] == "6.610 ± 0.020"
    assert rows["complete pooling"]["label"] == "25.3"
    assert rows["complete pooling"]["error"] == 0
    assert "Monte Carlo" in spec["title"]["subtitle"][0]


@pytest.mark.parametrize("bad", [{}, {"a": (math.nan, 0)}, {"a": (-1, 0)}, {"a": (math.inf, 0)}])
def test_bars_refuse(bad):
    with pytest.raises(ArgumentError):
        charts.error_bars(bad)


def test_all_zero_errors_draw():
    charts.error_bars({"a": (0.0, 0.0)}, dark=True).to_dict()


def y_axes(spec):
    return [layer["encoding"]["y"] for layer in spec["layer"]]


def test_risk_is_linear_from_zero_unless_very_unequal():
    spec = charts.risk_by_tau(risks(1.0)).to_dict()
    assert all(y["scale"].get("type") is None and y["scale"]["zero"] for y in y_axes(spec))
    uneven = [*risks(1.0), {"tau": 3, "estimator": "complete pooling", "risk": 900, "error": 1}]
    spec = charts.risk_by_tau(uneven).to_dict()
    assert all(y["scale"]["type"] == "log" for y in y_axes(spec))
    assert y_axes(spec)[0]["title"].endswith("(log scale)")


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [{"tau": 1, "estimator": "a", "risk": 1}],
        [{"tau": 1, "estimator": "a", "risk": math.nan, "error": 0}],
    ],
)
def test_risk_refuses(bad):
    with pytest.raises(ArgumentError):
        charts.risk_by_tau(bad)


def test_estimators_are_told_apart_by_colour_shape_and_dash():
    names = ["James-Stein", "no pooling", "complete", "partial pooling", "partial (REML)", "x", "y"]
    colours, shapes, dashes = estimator_looks(names, LIGHT)
    assert len(set(colours)) == len(set(shapes)) == len(set(map(str, dashes))) == 7
    assert colours[1:4] == [LIGHT.raw, LIGHT.mean, LIGHT.pooled]


def test_bars_mark_one_draw():
    drawn = charts.error_bars(ERRORS, here={"no pooling": 9.0, "another": 1.0}).to_dict()
    assert drawn["datasets"]["here"] == [{"group": "no pooling", "value": 9.0}]
    assert "diamonds: this draw" in " ".join(drawn["title"]["subtitle"])
