"""A session: what a browser sends, and what it gets."""

import asyncio
import json

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool.app import jobs, make_app, simulator
from partialpool.app.controls import SIMULATOR
from partialpool.app.state import Simulation
from partialpool.errors import ArgumentError

JUNK = [
    "text", "", None, True, -1, 1e308, -1e308, 10**300, [], [[1]], {}, {"a": 1}, [{"a": 1}],
    "\0", "<script>", "٣", "nan",
]  # fmt: skip
CONTROLS = [c.name for c in SIMULATOR]
OTHERS = ["source", "dataset", "held", "held_tau", "dark", "shape", "group", "outcome", "se",
          "count", "sd", "second", "second_is", "predictors", "conjugate", "chart",
          "formula", "priors", "go", "cancel", "upload"]  # fmt: skip


@pytest.fixture
def scores(tmp_path):
    noise = np.random.default_rng(5).normal(size=24)
    data = pd.DataFrame({"school": list("ABCD") * 6, "score": [1, 2, 4, 9] * 6 + noise})
    path = tmp_path / "scores.csv"
    data.to_csv(path, index=False)
    return path


def errors_of(state, name):
    return f"{simulator.drawn(state).errors[name]:.3g}"


def test_it_starts_with_the_default_world(browser):
    live = browser.until("live")
    assert live["query"] == ""
    assert errors_of(Simulation(), "posterior") in live["text"]["here"]
    assert browser.sees("result") is None
    assert browser.sees("upload_state") is None


def test_a_control_moves_the_picture_at_once_and_the_averages_follow(browser):
    browser.until("settled")
    live = browser.send(tau=8.5, estimator="moments").sees("live")
    state = Simulation(tau=8.5, estimator="moments")
    assert errors_of(state, "moments") in live["text"]["here"]
    assert live["query"] == state.query
    thorough = f"{simulator.THOROUGH} "
    settled = browser.until("settled", lambda v: thorough in v["text"]["expected"])
    risks = simulator.expected(state, simulator.THOROUGH).risks
    mse = next(r["mse"] for r in risks.table.rows() if r["estimator"] == "moments")
    assert f"{mse:.3g} ±" in settled["text"]["expected"]


def test_averages_once_taken_are_there_at_once(browser):
    thorough = f"{simulator.THOROUGH} "
    browser.until("settled", lambda v: thorough in v["text"]["expected"])
    browser.send(tau=9).until("settled", lambda v: thorough in v["text"]["expected"])
    browser.send(tau=5)
    assert thorough in browser.sees("settled")["text"]["expected"]
    assert browser.sees("live")["stale"] == []


def test_classic_data_are_shown_and_scrubbed(browser):
    found = pp.fit(*reversed_arguments("eight_schools"))
    shown = browser.send(source="classic", dataset="eight_schools").until("result")
    assert len(shown["tables"]["groups"]["rows"]) == 8
    assert browser.until("about")["text"]["story"]
    assert browser.sees("live") is None
    held = browser.send(held=True, held_tau=3.0).sees("scrub")
    assert held["query"] == "source=classic&dataset=eight_schools&held_tau=3"
    groups = held["charts"]["shrinkage"]["data"]["groups"]
    given = dict(zip(found.statistics.labels.tolist(), found._engine.given_tau(3.0).theta.mean,
                     strict=True))  # fmt: skip
    assert dict(zip(groups["group"], groups["estimate"], strict=True)) == pytest.approx(given, 1e-6)


def reversed_arguments(name):
    data = next(d for d in pp.datasets.catalogue if d.name == name)
    return data.formula, data.load()


def test_a_file_is_looked_into_and_fitted(start, scores):
    browser = start(scores).send(source="file")
    state = browser.until("upload_state", lambda v: v["columns"])
    assert {c["name"]: c["kind"] for c in state["columns"]} == {"school": "text", "score": "number"}
    browser.send(shape="rows", group="school", outcome="score", go=1)
    shown = browser.until("result")
    expected = pp.fit("score ~ 1 + (1 | school)", str(scores))._engine
    groups = browser.sees("scrub")["charts"]["shrinkage"]["data"]["groups"]
    assert sorted(groups["estimate"]) == pytest.approx(sorted(expected.theta.mean), rel=1e-6)
    assert "scores.csv" in shown["text"]["python"]
    assert not browser.sees("fit_state")["busy"]
    assert browser.sees("fit_state")["text"]["asked"] == "score ~ 1 + (1 | school)"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"group": "", "outcome": "score"}, "group"),
        ({"group": "school", "outcome": "school"}, "school"),
        ({"shape": "formula", "formula": "score ~"}, "formula"),
        ({"shape": "formula", "formula": "y ~ 1 + (1 | school)"}, "y"),
        ({"group": "school", "outcome": "score", "priors": "tau ~ gauss(1)"}, "gauss"),
    ],
)
def test_a_mistake_in_the_fields_ends_in_a_sentence(start, scores, fields, named):
    browser = start(scores).send(source="file", **fields, go=1)
    state = browser.until("fit_state", lambda v: v["text"]["fit_message"])
    assert named in state["text"]["fit_message"]
    assert browser.sees("result") is None
    browser.send(shape="rows", group="school", outcome="score", priors="", go=2)
    assert browser.until("result")
    assert browser.sees("fit_state")["text"]["fit_message"] == ""


def test_a_bad_file_ends_in_a_sentence(start, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_bytes(bytes(range(256)) * 20)
    browser = start(bad).send(source="file")
    state = browser.until("upload_state", lambda v: "bad.csv" in v["text"]["file_message"]
                          and "Looking" not in v["text"]["file_message"])  # fmt: skip
    assert state["columns"] == []
    assert str(tmp_path) not in state["text"]["file_message"]


def test_without_a_file_nothing_can_be_fitted(browser):
    browser.send(source="file", group="a", outcome="b", go=1)
    assert browser.until("upload_state")["columns"] == []
    assert browser.sees("result") is None


def test_there_must_be_the_file_that_was_given(tmp_path):
    with pytest.raises(ArgumentError, match="no file"):
        make_app(str(tmp_path / "none.csv"))


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_junk_in_every_control_of_the_simulator(browser, junk):
    browser.send(**dict.fromkeys(CONTROLS, junk))
    live = browser.sees("live")
    state = Simulation.read(dict.fromkeys(CONTROLS, junk))
    assert errors_of(state, state.estimator) in live["text"]["here"]
    json.dumps(live, allow_nan=False)
    assert browser.ok


@pytest.mark.parametrize("source", ["classic", "file"])
def test_junk_in_everything_else(start, scores, source):
    browser = start(scores)
    for junk in JUNK:
        browser.send(**dict.fromkeys(OTHERS, junk) | {"source": source})
        browser.send(**dict.fromkeys(OTHERS, junk), unknown=junk)
        assert browser.ok, junk
    fine = {"held": False, "held_tau": 0, "dataset": "eight_schools", "upload": None}
    assert browser.send(**fine, source="classic").until("result")


def test_a_browser_cannot_name_a_file_of_the_server(browser, scores):
    forged = {"name": "x.csv", "size": 1, "type": "text/csv", "datapath": str(scores)}
    for sent in ([forged], forged, [[forged]], {"0": forged}):
        state = browser.send(source="file", upload=sent, go=1).until("upload_state")
        assert state["columns"] == []
        assert "Looking" not in state["text"]["file_message"]


def test_a_worker_that_dies_ends_no_session(start, monkeypatch):
    async def dies(self, function, *arguments):
        raise jobs.JobFailed("the computation was stopped; try again")

    whole = jobs.Workers.run
    monkeypatch.setattr(jobs.Workers, "run", dies)
    browser = start().send(tau=6)
    for i in range(60):
        browser.send(tick=i)
    assert browser.ok
    monkeypatch.setattr(jobs.Workers, "run", whole)
    assert browser.send(tau=7).until("settled")


def test_two_browsers_do_not_see_each_other(start):
    first, second = start(), start()
    first.send(tau=2)
    assert first.until("live", lambda seen: seen["query"] == "tau=2")
    assert second.sees("live")["query"] == ""


def test_in_other_processes_the_numbers_are_the_same(monkeypatch):
    """The same session with real workers."""
    made = []

    class Remembered(jobs.Workers):
        def __init__(self):
            super().__init__()
            made.append(self)

    state = Simulation(groups=4)

    async def run():
        return await Remembered().run(simulator.expected, state, 20)

    found = asyncio.run(run())
    made[0].close()
    assert repr(found.risks.table) == repr(simulator.expected(state, 20).risks.table)
