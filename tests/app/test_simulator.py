"""What the simulator shows is what the library computes for the same seed."""

import itertools
import json
import re

import pytest

import partialpool as pp
from partialpool.app import simulator
from partialpool.app.controls import SIMULATOR, Choice, Number
from partialpool.app.payload import Sender
from partialpool.app.state import Simulation
from partialpool.words import formatting

NUMBER = r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
STATES = [
    Simulation(),
    Simulation(seed=7, estimator="moments", sigma_known=True, tau=1.0, imbalance=0.0),
    Simulation(seed=12, estimator="reml", population="outlier", groups=5, n=4),
]
IDS = ["default", "classic", "reml"]


def library(state):
    """The same draw by the public functions."""
    sizes = state.world.n
    world = pp.simulate.World(sizes, state.tau, state.sigma, population=state.population)
    return pp.simulate.draw(
        world, seed=state.seed, sigma_known=state.sigma_known, estimators=state.estimators
    )


def live(state, dark=False):
    return simulator.live(state, None, Sender(), dark)


@pytest.mark.parametrize("state", STATES, ids=IDS)
def test_the_picture_holds_the_draw(state):
    drawn, shown = library(state), live(state)["charts"]["shrinkage"]["data"]["groups"]
    at = [int(g) - 1 for g in shown["group"]]
    assert sorted(at) == list(range(state.groups))
    estimate = drawn.estimates[state.estimator]
    for name, values in (
        ("truth", drawn.truth),
        ("raw", drawn.statistics.raw),
        ("estimate", estimate.estimate),
        ("weight", estimate.weight),
    ):
        assert shown[name] == pytest.approx(values[at].tolist(), rel=1e-6)
    assert shown["n"] == [drawn.world.n[i] for i in at]


@pytest.mark.parametrize("state", STATES, ids=IDS)
def test_the_table_holds_the_draw(state):
    drawn, found = library(state), live(state)["tables"]["groups"]
    assert len(found["rows"]) == state.groups
    columns = dict(zip(found["head"], zip(*found["rows"], strict=True), strict=True))
    assert list(map(int, columns["n"])) == list(drawn.world.n)
    estimate = drawn.estimates[state.estimator].estimate
    for name, values in (("truth", drawn.truth), ("estimate", estimate)):
        for cell, value in zip(columns[name], values, strict=True):
            digits = len(cell.partition(".")[2])
            assert float(cell.replace("\N{MINUS SIGN}", "-")) == pytest.approx(
                value, abs=0.51 * 10**-digits
            )


@pytest.mark.parametrize("state", STATES, ids=IDS)
def test_the_words_hold_the_draw(state):
    drawn, text = library(state), live(state)["text"]
    found = [float(v) for v in re.findall(rf"(?:is|pooling \() ?{NUMBER}", text["here"])]
    errors = [drawn.errors[k] for k in (state.estimator, "no_pooling", "complete_pooling")]
    assert found == pytest.approx(errors, rel=5e-3)
    assert f"{drawn.closer(state.estimator)} of {state.groups}" in text["wins"]
    assert f"{drawn.covered(state.estimator)} of {state.groups}" in text["wins"] or (
        state.estimator == "reml"
    )
    used = drawn.estimates[state.estimator]
    assert float(text["tau_used"]) == pytest.approx(used.tau, rel=5e-3)
    assert float(text["sigma_used"]) == pytest.approx(used.sigma, rel=5e-3)


@pytest.mark.parametrize("state", STATES, ids=IDS)
def test_the_averages_are_those_of_the_library(state):
    found = simulator.expected(state, 40)
    rows = pp.simulate.risks(
        state.world,
        estimators=state.estimators,
        replicates=40,
        seed=state.seed,
        sigma_known=state.sigma_known,
    ).table
    mine = {r["estimator"]: r for r in rows.rows()}
    shown = simulator.settled(found, Sender(), dark=False)
    mse, error = re.search(rf"error is {NUMBER} ± {NUMBER}", shown["text"]["expected"]).groups()
    assert float(mse) == pytest.approx(mine[state.estimator]["mse"], rel=5e-3)
    assert float(error) == pytest.approx(mine[state.estimator]["mse_error"], rel=0.06)
    assert f"{mine[state.estimator]['best']:.0%}" in shown["text"]["expected"]
    assert shown["meters"]["coverage_posterior"]["value"] == mine["posterior"]["coverage"]
    assert shown["meters"]["coverage_naive"]["value"] == mine["moments"]["coverage"]
    names = [row[0] for row in shown["tables"]["errors"]["rows"]]
    assert len(names) == len(state.estimators)


def test_wording_follows_the_sign():
    """The classic prints "-108.1% lower" where partial pooling loses."""
    seen = set()
    for seed in range(1, 25):
        state = Simulation(seed=seed, groups=4, n=3, imbalance=0.0)
        drawn, said = library(state), live(state)["text"]["here"]
        assert "-" not in re.sub(r"e-\d", "", said).replace("\N{MINUS SIGN}", "-")
        worse = drawn.errors["posterior"] > drawn.errors["no_pooling"]
        start, end = said.index("pooling is"), said.index("no pooling")
        part = said[start:end]
        change = formatting.change(drawn.errors["posterior"], drawn.errors["no_pooling"])
        assert change in part
        seen.add(worse)
    assert seen == {True, False}


def test_moving_tau_deforms_the_same_world():
    def truths(tau):
        return library(Simulation(tau=tau)).truth - 70.0

    assert truths(10.0) == pytest.approx(2.0 * truths(5.0))
    few, many = (library(Simulation(groups=g)).truth for g in (12, 20))
    assert many[:12].tolist() == few.tolist()


def corners():
    """The ends of every slider, crossed with what else can be chosen in turn."""
    ends = [(c.low, c.high) for c in SIMULATOR if isinstance(c, Number) and c.name != "seed"]
    names = [c.name for c in SIMULATOR if isinstance(c, Number) and c.name != "seed"]
    choices = [c for c in SIMULATOR if isinstance(c, Choice)]
    for i, values in enumerate(itertools.product(*ends)):
        options = {c.name: c.options[(i // 2**k) % len(c.options)][0]
                   for k, c in enumerate(choices)}  # fmt: skip
        yield dict(zip(names, values, strict=True)) | options | {"sigma_known": i % 3 == 0}


@pytest.mark.parametrize("values", list(corners()), ids=lambda v: "-".join(map(str, v.values())))
def test_the_ends_of_the_sliders_can_be_shown(values):
    state = Simulation.read(values)
    payload = live(state)
    json.dumps(payload, allow_nan=False)
    assert "nan" not in json.dumps(payload["text"]).lower()
    assert len(payload["tables"]["groups"]["rows"]) == state.groups


def test_the_averages_of_a_hard_corner():
    state = Simulation.read({"groups": 3, "n": 2, "imbalance": 1, "tau": 0, "sigma": 30})
    payload = simulator.settled(simulator.expected(state, 20), Sender(), True)
    json.dumps(payload, allow_nan=False)


def test_what_is_old_is_marked():
    state = Simulation()
    found = simulator.expected(state, 10)
    assert simulator.live(state, found, Sender(), False)["stale"] == []
    moved = simulator.live(Simulation(tau=6.0), found, Sender(), False)
    assert set(moved["stale"]) == {"errors", "tau"}
    assert simulator.settled(found, Sender(), False)["stale"] == []


def test_the_query_of_a_payload_is_its_state():
    state = Simulation(tau=6.5, seed=4)
    assert live(state)["query"] == "tau=6.5&seed=4"


def test_the_table_says_who_won_each_group():
    state = Simulation(groups=9, estimator="moments")
    world = simulator.drawn(state)
    table = simulator.live(state, None, Sender(), False)["tables"]["groups"]
    assert table["head"][-1] == "nearer"
    won = [row[-1] == "pooled" for row in table["rows"]]
    assert sum(won) == world.closer("moments")
    for row, mine in zip(table["rows"], won, strict=True):
        cells = dict(zip(table["head"], row, strict=True))
        truth, own, pooled = (float(cells[k]) for k in ("truth", "raw", "estimate"))
        assert (
            (abs(pooled - truth) <= abs(own - truth) + 0.2)
            if mine
            else (abs(own - truth) <= abs(pooled - truth) + 0.2)
        )
