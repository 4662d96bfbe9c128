"""The settings of the simulator, and the same settings in the address, Python and the command."""

import io
import json
import shlex
import sys
from contextlib import redirect_stdout
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partialpool.app import simulator
from partialpool.app.controls import SIMULATOR, Choice, Number
from partialpool.app.state import Simulation
from partialpool.cli import main


def allowed(control):
    match control:
        case Number():
            steps = round((control.high - control.low) / control.step)
            return st.integers(0, steps).map(
                lambda i: float(f"{control.low + i * control.step:.10g}")
            )
        case Choice():
            return st.sampled_from([v for v, _ in control.options])
    return st.booleans()


STATES = st.fixed_dictionaries({c.name: allowed(c) for c in SIMULATOR}).map(Simulation.read)
UNUSUAL = Simulation(
    groups=5, n=7, imbalance=0.35, tau=2.3, sigma=4.5, population="two_clusters",
    estimator="reml", sigma_known=True, seed=31,
)  # fmt: skip


def test_the_defaults_are_those_of_the_controls():
    assert Simulation.read({}) == Simulation()
    assert Simulation().query == ""


@settings(max_examples=40, deadline=None)
@given(STATES)
def test_the_address_holds_the_state(state):
    assert Simulation.read(dict(parse_qsl(state.query))) == state


@settings(max_examples=40, deadline=None)
@given(STATES)
def test_every_state_makes_a_world(state):
    world = state.world
    assert len(world.n) == state.groups
    assert min(world.n) >= 1
    assert sum(world.n) > len(world.n)  # something is left to tell sigma from
    assert (world.tau, world.sigma, world.population) == (state.tau, state.sigma, state.population)


@pytest.mark.parametrize("state", [Simulation(), UNUSUAL], ids=["default", "unusual"])
def test_the_python_text_draws_the_same_world(state):
    lines = state.python.splitlines()
    assert lines[-1].startswith("pp.simulate.risks(")
    names = {}
    exec("\n".join(lines[:-1]), names)  # the text that users are told to run
    drawn = simulator.drawn(state)
    np.testing.assert_array_equal(names["drawn"].truth, drawn.truth)
    assert names["drawn"].errors == drawn.errors


def test_the_python_text_averages_over_the_same_worlds():
    lines = UNUSUAL.python.replace("replicates=2000", "replicates=40").splitlines()
    names = {}
    exec("\n".join([*lines[:-1], f"risks = {lines[-1]}"]), names)
    expected = simulator.expected(UNUSUAL, 40).risks
    assert repr(names["risks"].table) == repr(expected.table)


@pytest.mark.parametrize("state", [Simulation(), UNUSUAL], ids=["default", "unusual"])
def test_the_command_draws_the_same_world(state, monkeypatch):
    program, *arguments = shlex.split(state.command)
    assert program == "partialpool"
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    printed = io.StringIO()
    with redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        main([*arguments, "--replicates", "40", "--json"])
    assert ended.value.code == 0
    found = json.loads(printed.getvalue())
    drawn = simulator.drawn(state)
    assert [r["truth"] for r in found["world"]] == drawn.truth.tolist()
    mine = drawn.estimates[state.estimator].estimate
    assert [r[state.estimator] for r in found["world"]] == pytest.approx(mine.tolist(), rel=1e-9)
    risks = {r["estimator"]: r["mse"] for r in found["risks"]}
    for row in simulator.expected(state, 40).risks.table.rows():
        assert risks[row["estimator"]] == pytest.approx(row["mse"], rel=1e-9)
