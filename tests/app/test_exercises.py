"""Every exercise's claim is true over many worlds, and checked on what is shown."""

import math
from dataclasses import replace

import numpy as np
import pytest

from partialpool.app import simulator
from partialpool.app.exercises import EXERCISES, current, verdict
from partialpool.app.state import Simulation
from partialpool.simulate import Risks

NAMES = [e.name for e in EXERCISES]


def by_name(name):
    return next(e for e in EXERCISES if e.name == name)


@pytest.mark.parametrize("exercise", EXERCISES, ids=NAMES)
def test_the_claim_holds_in_expectation(exercise):
    found = simulator.expected(exercise.state, 80).risks
    rows = {r["estimator"]: r for r in found.table.rows()}
    assert exercise.expected(rows)
    assert "does not hold" not in verdict(exercise, simulator.drawn(exercise.state), found)


@pytest.mark.parametrize("exercise", EXERCISES, ids=NAMES)
def test_some_draws_agree_with_the_claim(exercise):
    draws = [simulator.drawn(replace(exercise.state, seed=seed)) for seed in range(1, 9)]
    agree = [exercise.here(d) for d in draws]
    assert any(agree)
    for drawn, here in zip(draws, agree, strict=True):
        assert ("agrees" in verdict(exercise, drawn, None)) is here


def test_a_contradicting_draw_and_a_false_claim_are_said():
    exercise = by_name("few_rows")
    found = simulator.expected(exercise.state, 20).risks
    table = type(found.table)(found.table)
    table["mse"] = np.where(found.table["estimator"] == "posterior", math.inf, table["mse"])
    draws = (simulator.drawn(replace(exercise.state, seed=seed)) for seed in range(1, 50))
    against = next(d for d in draws if not exercise.here(d))
    said = verdict(exercise, against, Risks(found.world, 20, table))
    assert "does not hold" in said
    assert "agrees" not in said


def test_the_classic_exercises_are_there():
    shown = {(e.state.n, e.state.tau) for e in EXERCISES if e.state.imbalance == 0}
    assert {(5, 5.0), (100, 5.0), (15, 1.0), (15, 15.0)} <= shown


@pytest.mark.parametrize("exercise", EXERCISES, ids=NAMES)
def test_an_exercise_is_known_by_its_settings_whatever_the_draw(exercise):
    assert current(replace(exercise.state, seed=99)) is exercise
    assert current(replace(exercise.state, sigma=exercise.state.sigma + 1)) is None


def test_exercises_can_be_told_apart():
    assert len({e.state for e in EXERCISES}) == len(EXERCISES) == len(set(NAMES))
    for exercise in EXERCISES:
        assert exercise.state == Simulation.read(vars_of(exercise.state))  # the controls allow it


def vars_of(state):
    return {name: getattr(state, name) for name in state.__slots__}
