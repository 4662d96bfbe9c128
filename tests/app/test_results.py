"""What is shown of a fit is what the library computes."""

import json
import shlex

import numpy as np
import pytest

import partialpool as pp
from partialpool.app import results, work
from partialpool.app.payload import Sender
from partialpool.cli.main import cli
from partialpool.posterior import OneWayPosterior

NAMES = [d.name for d in pp.datasets.catalogue]
ONE_WAY = [n for n in NAMES if isinstance(work.classic(n).fit._engine, OneWayPosterior)]


def groups_of(payload):
    return payload["charts"]["shrinkage"]["data"]["groups"]


@pytest.fixture(scope="module")
def baseball():
    return next(work.classic(n) for n in ONE_WAY if work.classic(n).truth is not None)


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_can_be_shown_and_scrubbed(name):
    found = work.classic(name)
    sender = Sender()
    json.dumps(results.shown(found, sender, False), allow_nan=False)
    for tau in (None, 0.0, 1e100):
        payload = results.held(found, tau, sender, False)
        json.dumps(payload, allow_nan=False)
        assert "nan" not in payload["text"]["held"]


def test_the_dark_has_frames_of_its_own():
    found, sender = work.classic("eight_schools"), Sender()
    charts = [results.held(found, 2.0, sender, dark)["charts"] for dark in (False, True)]
    for name in charts[0]:
        assert charts[0][name]["frame"] != charts[1][name]["frame"]
        assert "spec" in charts[1][name]


@pytest.mark.parametrize("name", ONE_WAY)
def test_the_picture_holds_the_posterior(name):
    found = work.classic(name)
    post = found.fit._engine
    free = groups_of(results.held(found, None, Sender(), False))
    tau = found.end / 5
    held = groups_of(results.held(found, tau, Sender(), False))
    at = {str(label): i for i, label in enumerate(found.fit.statistics.labels.tolist())}
    order = [at[str(g)] for g in free["group"]]
    raw = found.fit.statistics.raw[order]
    assert free["raw"] == pytest.approx(raw.tolist(), rel=1e-6)
    assert free["estimate"] == pytest.approx(post.theta.mean[order].tolist(), rel=1e-6)
    given = post.given_tau(tau).theta.mean
    order = [at[str(g)] for g in held["group"]]
    assert held["estimate"] == pytest.approx(given[order].tolist(), rel=1e-6)


def test_tau_at_zero_pools_completely_and_large_tau_hardly():
    found = work.classic("eight_schools")
    none = groups_of(results.held(found, 0.0, Sender(), False))
    assert np.ptp(none["estimate"]) == pytest.approx(0.0, abs=1e-6)
    far = groups_of(results.held(found, 1e100, Sender(), False))
    assert np.ptp(far["estimate"]) > 0.4 * np.ptp(far["raw"])


def test_what_became_known_later_is_scored(baseball):
    post, truth = baseball.fit._engine, baseball.truth
    text = results.held(baseball, None, Sender(), False)["text"]["errors_here"]
    for estimate in (post.theta.mean, post.statistics.raw):
        assert f"{np.mean((estimate - truth) ** 2):.3g}" in text
    assert results.held(work.classic("eight_schools"), None, Sender(), False)["text"][
        "errors_here"
    ] == ""  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_table_holds_the_groups(name):
    found = work.classic(name)
    payload = results.shown(found, Sender(), False)
    table = payload["tables"]["groups"]
    n = found.fit._engine.group_table().n_rows
    assert len(table["rows"]) == min(n, results.SHOWN_GROUPS)
    assert all(len(row) == len(table["head"]) for row in table["rows"])
    assert payload["oneWay"] is (name in ONE_WAY)
    shown = [place for place, chart in payload["charts"].items() if chart is not None]
    if name in ONE_WAY:
        end = results.held(found, None, Sender(), False)["range"]["held_tau"]["max"]
        assert end == pytest.approx(found.end, rel=1e-6)
        assert shown == []
    else:
        assert set(payload["charts"]) == set(results.PLACES)
        assert shown[0] == "shrinkage"
        assert all("spec" in payload["charts"][place] for place in shown)
        assert found.end == 0


def test_models_with_slopes_show_their_lines():
    titles = [
        chart["title"]
        for chart in results.shown(work.classic("sleepstudy"), Sender(), False)["charts"].values()
        if chart is not None
    ]
    assert titles[0] == "reaction by days in each subject"
    assert "What predicts reaction" in titles
    radon = results.shown(work.classic("radon"), Sender(), False)["charts"]
    assert radon["shrinkage"]["title"] == "log_radon by county against log(uranium)"


@pytest.mark.parametrize("name", ["eight_schools", "batting", "sleepstudy"])
def test_every_chart_of_the_page_can_be_saved(name):
    found = work.classic(name)
    charts = results.shown(found, Sender(), False)["charts"]
    charts |= results.held(found, None, Sender(), False).get("charts", {})
    for place, shown in charts.items():
        if shown is not None:
            title = " ".join(results.chart(found, place, None).to_dict()["title"]["text"])
            assert title == shown["title"]


@pytest.mark.parametrize("name", ["eight_schools", "dyestuff", "batting"])
def test_the_weight_is_what_the_formula_gives(name):
    found = work.classic(name)
    post = found.fit._engine
    for tau in (None, found.end / 3):
        held = results.held(found, tau, Sender(), False)
        charts = held.get("charts") or results.shown(found, Sender(), False)["charts"]
        rows = charts["shrinkage"]["data"]["groups"]
        if name == "batting":
            assert "at_used" not in rows
            assert held["text"]["tau_used"] == ""
            continue
        used = float(post.tau.median) if tau is None else tau
        noise = 1.0 if post.sigma is None else float(post.sigma.median) ** 2
        precision = np.array(rows["size"]) / noise
        assert rows["at_used"] == pytest.approx(precision / (precision + 1 / used**2), rel=1e-5)
        assert held["text"]["tau_used"] == f"{used:.3g}"


def test_charts_of_tau_are_tables_too():
    found = work.classic("eight_schools")
    tables = results.shown(found, Sender(), False)["tables"]
    post = found.fit._engine
    marks = dict(tables["trace_marks"]["rows"])
    assert marks["REML"] == "0"
    assert float(marks["posterior median"]) == pytest.approx(post.tau.median, rel=0.02)
    traces = {row[0]: row[1:] for row in tables["trace"]["rows"]}
    assert set(traces) == set("ABCDEFGH")
    far = post.given_tau(found.end).theta.mean
    for i, label in enumerate(post.statistics.labels.tolist()):
        assert float(traces[label][-1]) == pytest.approx(far[i], abs=0.5)
    assert results.shown(work.classic("radon"), Sender(), False)["tables"]["trace"] is None


@pytest.mark.parametrize("name", NAMES)
def test_the_python_and_the_command_fit_the_same(name, capsys):
    found = work.classic(name)
    text = results.shown(found, Sender(), False)["text"]
    names = {}
    lines = text["python"].splitlines()
    exec("\n".join(line for line in lines if line.startswith(("import", "fit = "))), names)
    mine = found.fit.to_dict()
    assert names["fit"].to_dict() == mine
    program, *arguments = shlex.split(text["command"])
    assert program == "partialpool"
    cli.main([*arguments, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["parameters"] == mine["parameters"]
