"""What the charts of a mixed model hold, read from their specs."""

import json

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool import charts
from partialpool.errors import ArgumentError


@pytest.fixture(scope="module")
def sleep():
    table = pp.datasets.sleepstudy()
    return pp.fit("reaction ~ days + (days | subject)", table)._engine


@pytest.fixture(scope="module")
def radon():
    table = pp.datasets.radon()
    return pp.fit("log_radon ~ floor + log(uranium) + (1 | county)", table)._engine


@pytest.fixture(scope="module")
def school():
    formula = "math ~ school_ses + sector + relative_ses + (relative_ses | school)"
    return pp.fit(formula, pp.datasets.high_school())._engine


def rows_of(spec, key):
    """All rows of all data of a chart that hold a key."""
    if isinstance(spec, list):
        return [row for part in spec for row in rows_of(part, key)]
    if not isinstance(spec, dict):
        return []
    own = [v for v in spec.get("values", []) if isinstance(v, dict) and key in v]
    return own + [row for part in spec.values() for row in rows_of(part, key)]


def once(rows):
    """Rows of layers that share their data."""
    return [json.loads(text) for text in dict.fromkeys(map(json.dumps, rows))]


CHARTS = (
    charts.coefficients,
    charts.effects,
    charts.group_lines,
    charts.intercept_by_slope,
)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("draw", CHARTS)
def test_specs_are_valid_and_finite(draw, dark, sleep, school):
    for post in (sleep, school):
        spec = draw(post, dark=dark).to_dict()
        json.dumps(spec, allow_nan=False)
        assert spec["config"]["background"] == ("#16191D" if dark else "#FFFFFF")
        assert spec["description"].startswith(spec["title"]["text"][0])


def test_coefficients(school, radon):
    rows = once(rows_of(charts.coefficients(school).to_dict(), "coefficient"))
    assert [r["coefficient"] for r in rows] == list(school.statistics.coefficients[1:])
    assert all(r["lower"] < r["low"] < r["mean"] < r["high"] < r["upper"] for r in rows)
    narrow = rows_of(charts.coefficients(radon, level=0.6).to_dict(), "coefficient")[0]
    ends = radon.coefficients["floor"].interval(0.6)
    np.testing.assert_allclose([narrow["lower"], narrow["upper"]], ends)


def test_effects_are_those_of_the_table(sleep):
    table = sleep.group_table()
    for name in ("Intercept", "days"):
        rows = once(rows_of(charts.effects(sleep, "subject", name).to_dict(), "estimate"))
        estimates = [r["estimate"] for r in rows]
        assert estimates == sorted(estimates, reverse=True)
        found = {r["group"]: (r["estimate"], r["lower"], r["raw"]) for r in rows}
        for i in np.flatnonzero(table["term"] == name):
            expected = [table[k][i] for k in ("estimate", "lower", "raw")]
            np.testing.assert_allclose(found[str(table["group"][i])], expected, rtol=1e-9)


def test_many_groups_are_sampled(school):
    spec = charts.effects(school).to_dict()
    assert len(once(rows_of(spec, "estimate"))) == 60
    assert "30 highest and 30 lowest of 160" in " ".join(spec["title"]["subtitle"])
    assert "24 of 160 groups" in " ".join(charts.group_lines(school).to_dict()["title"]["subtitle"])


def test_group_lines_are_the_three_poolings(sleep):
    spec = charts.group_lines(sleep).to_dict()
    lines = rows_of(spec, "kind")
    assert len(lines) == 18 * 3 * 2
    complete = [r for r in lines if r["kind"] == "complete pooling"]
    data = pp.datasets.sleepstudy()
    slope, intercept = np.polyfit(data["days"], data["reaction"], 1)
    for row in complete:
        assert row["y"] == pytest.approx(intercept + slope * row["x"])
    first = [r for r in lines if r["kind"] == "no pooling"][:2]
    own = (first[1]["y"] - first[0]["y"]) / (first[1]["x"] - first[0]["x"])
    assert own == pytest.approx(21.7647, abs=1e-3)  # subject 308, the steepest
    circles = [r for r in rows_of(spec, "y") if "kind" not in r]
    assert len(circles) == 18
    assert "Circles" in spec["title"]["subtitle"][0]


def test_circles_are_left_out_beside_other_predictors_of_rows():
    data = pp.datasets.sleepstudy()
    data["night"] = np.sin(data["days"] * 2.0)
    post = pp.fit("reaction ~ days + night + (days | subject)", data)._engine
    spec = charts.group_lines(post).to_dict()
    assert not [r for r in rows_of(spec, "y") if "kind" not in r]
    assert "at zero" in spec["title"]["subtitle"][0]


def test_intercept_by_slope(sleep):
    spec = charts.intercept_by_slope(sleep).to_dict()
    rows = once(rows_of(spec, "group"))
    assert len(rows) == 18
    table = sleep.group_table()
    centre = table["estimate"][table["term"] == "days"].mean()
    pooled, own = (sum(abs(r[k] - centre) for r in rows) for k in ("y", "own_y"))
    assert pooled < own
    assert len(rows_of(spec, "order")) == 2 * 73


def test_by_predictor(radon, school):
    spec = charts.by_predictor(radon).to_dict()
    json.dumps(spec, allow_nan=False)
    groups = once(rows_of(spec, "group"))
    assert len(groups) == 85
    data = pp.datasets.radon()
    at = data["county"].tolist().index("ANOKA")
    anoka = next(r for r in groups if r["group"] == "ANOKA")
    assert anoka["x"] == pytest.approx(np.log(data["uranium"][at]))
    line = [r for r in once(rows_of(spec, "lower")) if "group" not in r]
    slope = (line[-1]["estimate"] - line[0]["estimate"]) / (line[-1]["x"] - line[0]["x"])
    assert slope == pytest.approx(float(radon.coefficients["log(uranium)"].mean), rel=1e-3)
    named = charts.by_predictor(school, "school_ses").to_dict()
    assert "against school_ses" in named["title"]["text"][0]


@pytest.mark.parametrize(
    ("draw", "arguments", "words"),
    [
        (charts.effects, ("county",), 'no factor "county"'),
        (charts.effects, ("subject", "day"), 'did you mean "days"'),
        (charts.by_predictor, (), "no predictor is constant within every subject"),
    ],
)
def test_what_is_not_there_to_draw(draw, arguments, words, sleep):
    with pytest.raises(ArgumentError, match=words):
        draw(sleep, *arguments)


def test_charts_that_do_not_fit(radon, school):
    with pytest.raises(ArgumentError, match="an intercept and a slope"):
        charts.intercept_by_slope(radon)
    with pytest.raises(ArgumentError, match='did you mean "school_ses"'):
        charts.by_predictor(school, "schoolses")


def test_the_fit_draws_them(sleep):
    fit = pp.fit("reaction ~ days + (days | subject)", pp.datasets.sleepstudy())
    for name in ("coefficients", "effects", "group_lines", "intercept_by_slope"):
        chart = getattr(fit.plot, name)()
        assert chart.to_dict()["title"] == getattr(charts, name)(sleep).to_dict()["title"]
    with pytest.raises(ArgumentError, match="no predictor"):
        fit.plot.by_predictor()
    with pytest.raises(ArgumentError, match="those of this fit are coefficients, effects"):
        fit.plot.shrinkage()
    one = pp.fit_groups(mean=[1, 2, 4], se=[1, 1, 2])
    with pytest.raises(ArgumentError, match="those of this fit are shrinkage, caterpillar"):
        one.plot.coefficients()


@pytest.fixture(scope="module")
def visits():
    """Visits of sites with a predictor of the sites and one of rows, whose slope varies."""
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(14), 25)
    x, u, b = rng.normal(size=len(g)), rng.normal(size=14), rng.normal(size=(2, 14))
    eta = -0.5 + 0.8 * u[g] + 0.5 * b[0, g] + x * (1.0 + 0.6 * b[1, g])
    y = rng.binomial(1, 1.0 / (1.0 + np.exp(-eta)))
    return pp.fit("y ~ u + x + (x | g)", {"y": y, "x": x, "u": u[g], "g": g}, family="binomial")


def test_counts_by_a_predictor_are_on_the_scale_of_their_table(visits):
    spec = visits.plot.by_predictor("u").to_dict()
    drawn = {r["group"]: r for r in rows_of(spec, "group")}
    table = pd.DataFrame(visits.groups(term="Intercept"))
    for label, *numbers in table[["group", "estimate", "lower", "upper"]].itertuples(index=False):
        row = drawn[str(label)]
        np.testing.assert_allclose([row[k] for k in ("estimate", "lower", "upper")], numbers)
    curve = [r for r in rows_of(spec, "estimate") if "group" not in r]
    new = visits.predict({"u": [curve[0]["x"]], "x": [0.0]}, target="population")
    np.testing.assert_allclose(curve[0]["estimate"], np.asarray(new["estimate"])[0], rtol=1e-4)
    assert "probability of y" in str(spec)
    link = visits.plot.by_predictor("u", scale="link").to_dict()
    assert min(r["lower"] for r in rows_of(link, "lower")) < 0.0


def test_lines_of_counts_are_curves_of_probabilities(visits):
    def ends(scale):
        spec = visits.plot.group_lines(scale=scale).to_dict()
        rows = [r for r in rows_of(spec, "kind") if r["kind"] == "partial pooling"]
        by_group = np.array([r["y"] for r in rows]).reshape(14, -1)
        return by_group[:, [0, -1]], by_group.shape[1]

    response, points = ends("response")
    link, two = ends("link")
    assert (points, two) == (21, 2)
    np.testing.assert_allclose(response, 1.0 / (1.0 + np.exp(-link)), rtol=1e-9)
    with pytest.raises(ArgumentError, match="scale"):
        visits.plot.group_lines(scale="odds")
