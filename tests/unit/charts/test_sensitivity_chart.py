"""The picture of `fit.sensitivity()`."""

import pytest

import partialpool as pp
from partialpool import charts
from partialpool.charts.sensitivity import of_result

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"


def panels(chart):
    return chart.to_dict()["hconcat"]


def rows_of(panel):
    return panel["layer"][1]["data"]["values"]


def test_parameters_and_the_groups_that_move_most():
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools(), prior="tau ~ half_normal(2)")
    chart = fit.plot.sensitivity()
    titles = [p["layer"][1]["encoding"]["x"]["title"] for p in panels(chart)]
    assert titles == ["Intercept", "tau[school]", "A", "G", "E"]
    spec = chart.to_dict()
    rows = rows_of(spec["hconcat"][1])
    result = fit.sensitivity()
    own = [r for r in result.table.rows() if r["name"] == "tau[school]"]
    assert [r["estimate"] for r in rows] == pytest.approx([r["mean"] for r in own])
    assert [r["what"] == "moves" for r in rows] == [r["moves"] for r in own]
    assert rows[0]["what"] == "fit"
    assert "What the answers owe to the prior" in str(spec["title"])


def test_slopes_have_five_panels_and_medians_stand_for_what_does_not_exist():
    (sleep,) = (d for d in pp.datasets.catalogue if d.name == "sleepstudy")
    chart = charts.sensitivity(pp.fit(sleep.formula, sleep.load()).posterior, dark=True)
    assert len(panels(chart)) == 5
    result = pp.fit_groups(mean=[1.0, 4, 2], se=[1.0, 1, 1]).sensitivity()
    spec = of_result(result, "Three groups").to_dict()
    tau = rows_of(spec["hconcat"][1])
    assert tau[0]["estimate"] == pytest.approx(result.table["median"][1])
