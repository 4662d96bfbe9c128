"""What a notebook shows: escaped tables that name their columns, and charts as pictures."""

import pickle
from html.parser import HTMLParser

import altair
import numpy as np
import pytest

import partialpool as pp
from partialpool.charts.save import named_apart

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"


class Read(HTMLParser):
    """Cells of the tables of a page, its captions and paragraphs, and all its tags."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.rows, self.said = [], [], {"caption": [], "p": []}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag == "wbr":  # within a name
            return
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")
        self.at = tag
        if tag in self.said:
            self.said[tag].append("")

    def handle_data(self, data):
        if self.at in ("th", "td"):
            self.rows[-1][-1] += data
        if self.at in self.said:
            self.said[self.at][-1] += data


@pytest.fixture(scope="module")
def schools():
    return pp.fit(SCHOOLS, pp.datasets.eight_schools())


@pytest.fixture(scope="module")
def radon():
    return pp.fit("log_radon ~ floor + (floor | county)", pp.datasets.radon())


def test_a_fit(schools):
    page = Read(schools._repr_html_())
    assert page.said["caption"] == ["Parameters", "8 groups"]
    assert page.rows[0] == ["parameter", "mean", "sd", "lower", "median", "upper"]
    assert page.rows[2] == ["tau[school]", "6.6", "5.7", "0.2", "5.2", "20.8"]
    assert page.rows[4] == ["A", "1", "28.0", "11.4", "8.3", "-2.1", "31.6", "0.83"]
    assert page.said["p"][0].startswith(SCHOOLS)
    assert page.said["p"][-1] == f"Note: {schools.notices[0].text}"


def test_rows_and_columns_are_named(schools):
    heads = [a for tag, a in Read(schools._repr_html_()).tags if tag == "th"]
    assert [a["scope"] for a in heads].count("col") == 6 + 8
    assert [a["scope"] for a in heads].count("row") == 2 + 8


def test_what_is_left_out_is_said(radon):
    page = Read(radon._repr_html_())
    assert page.said["caption"][1] == "The first 10 of 170 effects of groups"
    assert "... 160 more: fit.groups()" in page.said["p"]
    rows = Read(pp.datasets.radon()._repr_html_())
    assert rows.said == {"caption": ["919 rows"], "p": ["... 899 more rows"]}
    assert len(rows.rows) == 1 + 20


def test_warnings_are_told_from_notes(radon):
    said = Read(radon._repr_html_()).said["p"]
    assert [p.split(":")[0] for p in said if p.startswith(("Note", "Warning"))] == [
        "Warning" if n.level == "warning" else "Note" for n in radon.notices
    ]


def test_comparison_and_advice(schools, radon):
    page = Read(schools.compare()._repr_html_())
    assert page.said["caption"] == ["Estimates of each group", "How well each predicts"]
    assert page.rows[1] == ["A", "1", "28", "7.686", "11.40"]
    assert page.rows[-1] == ["partial_pooling", "5.239", "-3.918", "11.01", "-"]
    page = Read(schools.advise()._repr_html_())
    assert page.rows[1] == ["share of variance between groups", "0.24 (95% 0.00 to 0.76)"]
    assert all(len(row[1]) for row in page.rows)
    mixed = radon.compare()
    page = Read(mixed._repr_html_())
    assert [row[0] for row in page.rows] == ["name", "Intercept", "floor"]
    assert page.said["p"] == [mixed.text]
    advice = radon.advise()
    page = Read(advice._repr_html_())
    assert [row[0] for row in page.rows] == ["level", "rows", "county", "county, floor"]
    assert page.said["p"] == [f"{advice.variance.text}.", advice.text]


def test_posterior_and_distributions(schools):
    post = schools.posterior
    assert Read(post._repr_html_()).rows[2] == [
        "tau[school]", "6.575", "5.650", "0.243", "5.239", "20.75"
    ]  # fmt: skip
    groups = Read(post.groups()._repr_html_())
    assert groups.said["caption"] == ["8 groups of school"]
    assert groups.rows[0][0] == "school"
    assert groups.rows[1] == ["A", "11.40", "8.341", "-2.11", "10.24", "31.62"]
    tau = Read(post["tau"]._repr_html_())
    assert tau.rows == [["mean", "sd", "lower", "median", "upper"], groups_of(post["tau"])]
    several = Read(post.linear({"school": ["A", "B"]})._repr_html_())
    assert [row[0] for row in several.rows] == ["place", "0", "1"]


def groups_of(one):
    lower, upper = one.interval()
    return [f"{one.mean:.3f}", f"{one.sd:.3f}", f"{lower:.4f}", f"{one.median:.3f}", f"{upper:.2f}"]


def test_no_label_can_act():
    evil = ["<script>alert(1)</script>", "a & b", "\u202eevil", "x" * 60, '"><img src=x>']
    y = np.random.default_rng(0).normal(size=30)
    fit = pp.fit("y ~ 1 + (1 | g)", {"g": evil * 6, "y": y})
    for shown in (fit, fit.groups(), fit.compare(), fit.posterior.groups(), fit.rank()):
        page = Read(shown._repr_html_())
        allowed = {"div", "style", "p", "table", "caption", "thead", "tbody", "tr", "th", "td"}
        assert {tag for tag, _ in page.tags} <= allowed
        assert "\\u202eevil" in [row[0] for row in page.rows]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ([1.5, 2.25, 10.0], ["1.50", "2.25", "10.00"]),
        ([1.0, 2.0], ["1", "2"]),
        ([1 / 3, 200 / 3], ["0.33", "66.67"]),
        ([np.nan, np.inf, 0.5], ["-", "inf", "0.5"]),
        ([np.nan, np.nan], ["-", "-"]),
        ([0.0, 0.0], ["0", "0"]),
        ([1.23456e-7, 0.0], ["1.235e-07", "0"]),
        ([1.5e12, 1.0], ["1.5e+12", "1"]),
        ([12345, -3], ["12,345", "-3"]),
        ([True, False], ["True", "False"]),
        (["a", None], ["a", "None"]),
    ],
)
def test_cells_of_a_column(column, cells):
    values = np.array(column, dtype=object if None in column else None)
    assert [row[0] for row in Read(pp.Table(x=values)._repr_html_()).rows[1:]] == cells


def test_an_empty_table():
    page = Read(pp.Table(x=np.array([]))._repr_html_())
    assert page.said["caption"] == ["0 rows"]
    assert Read(pp.Table()._repr_html_()).said["caption"] == ["0 rows"]


def test_a_chart_is_a_picture_without_a_network(schools):
    chart = schools.plot.shrinkage()
    assert isinstance(chart, altair.LayerChart)
    shown = chart._repr_mimebundle_()
    assert list(shown) == ["image/svg+xml", "text/plain"]
    assert shown["image/svg+xml"].startswith(
        '<svg role="img" aria-label="Partial pooling of effect'
    )
    for address in ("href", "<script", "<image", "@import"):
        assert address not in shown["image/svg+xml"].replace("xmlns:xlink", "")
    longer = chart.properties(height=500)
    assert "image/svg+xml" in longer._repr_mimebundle_()
    read = pickle.loads(pickle.dumps(chart))
    assert read._repr_mimebundle_() == shown
    assert read.to_dict() == chart.to_dict()


def test_a_renderer_that_the_user_chose_is_used(schools):
    chart = schools.plot.tau()
    with altair.renderers.enable("json"):
        assert "application/json" in chart._repr_mimebundle_()[0]
    assert "image/svg+xml" in chart._repr_mimebundle_()


def test_charts_show_as_altair_shows_them_where_no_picture_can_be_drawn(schools, monkeypatch):
    monkeypatch.setattr("partialpool.charts.display.find_spec", lambda name: None)
    shown = str(schools.plot.tau()._repr_mimebundle_())
    assert "vega-lite" in shown
    assert "image/svg+xml" not in shown


def test_names_within_a_picture_are_its_own():
    svg = '<svg><clipPath id="clip0"/><g clip-path="url(#clip0)"/></svg>'
    assert named_apart(svg, "c1-") == svg.replace("clip0", "c1-clip0")


def test_the_charts_of_a_fit_are_listed(schools, radon):
    of_one_factor = {
        "caterpillar", "estimate_by_value", "estimates_by_tau", "population", "shrinkage",
        "shrinkage_by_size", "tau",
    }  # fmt: skip
    of_mixed = {"coefficients", "effects", "group_lines", "intercept_by_slope"}
    assert {*dir(schools.plot)} - {*dir(radon.plot)} == of_one_factor | {"forest", "funnel"}
    assert {*dir(radon.plot)} - {*dir(schools.plot)} == of_mixed
    rows = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())
    assert {*dir(schools.plot)} - {*dir(rows.plot)} == {"forest"}
    listed = repr(radon.plot).splitlines()
    assert [line.split()[0] for line in listed] == dir(radon.plot)
    assert "coefficients        Coefficients with their intervals." in listed


def test_every_chart_that_is_listed_is_drawn():
    g, x = np.repeat(list("ABCDEF"), 4), np.tile([0.0, 1.0, 2.0, 3.0], 6)
    y = np.array([3, 5, 1, 2, 4, 6, 7, 2, 0, 1, 2, 9, 3, 4, 4, 5, 8, 9, 6, 5, 2, 2, 1, 3])
    data = {"g": g, "x": x, "y": y}
    fits = [
        pp.fit("y ~ 1 + (1 | g)", data, family="poisson"),
        pp.fit("y ~ x + (1 | g)", data, family="negative_binomial"),
        pp.fit("y ~ x + (1 | g)", data),
        pp.fit("y ~ 1 + (1 | g); sigma ~ 1 + (1 | g)", data),
    ]
    for fit in fits:
        for name in set(dir(fit.plot)) - {"sensitivity"}:  # of every fit, and takes long
            getattr(fit.plot, name)()
    assert "by_predictor" not in dir(fits[1].plot)


def test_answers_about_the_model(schools, radon):
    page = Read(schools.check()._repr_html_())
    assert page.rows[0] == schools.check().cells()[0]
    assert page.rows[1:] == schools.check().cells()[1]
    assert "hold" in page.said["p"][-1] or "against the model" in page.said["p"][-1]
    moved = schools.sensitivity()
    page = Read(moved._repr_html_())
    assert page.rows[: 1 + len(moved.cells())] == [moved.header, *moved.cells()]
    assert page.said["p"] == [schools.formula, moved.text]
    without = schools.influence()
    page = Read(without._repr_html_())
    assert page.rows == [without.header, *without.cells()]
    compared = pp.compare_models(schools, schools)
    assert Read(compared._repr_html_()).rows == [compared.header, *compared.cells()]
    beside = pp.table(schools, radon)
    page = Read(beside._repr_html_())
    assert page.rows == [["parameter", *beside.names], *beside.rows]
    assert page.said["p"] == [beside.note]
    cells = {"county": ["AITKIN", "ANOKA"], "floor": [0, 0]}
    average = radon.average(cells, by="county")
    page = Read(average._repr_html_())
    assert page.said["caption"] == ["Average of predictions over 2 cells"]
    assert [row[0] for row in page.rows] == ["county", "AITKIN", "ANOKA"]
