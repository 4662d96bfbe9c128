"""Worlds to try with one click, each with a claim that is checked on what is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from partialpool.app.state import Simulation
from partialpool.simulate import Draw, Risks

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Exercise:
    """A state of the simulator with a claim about it.

    Parameters
    ----------
    name, title : str
        In the page, and on the button.
    state : Simulation
        The settings.
    claim : str
        What is to be seen.
    expected : callable
        Whether the claim holds over many worlds.
    here : callable
        Whether this draw agrees with it.
    """

    name: str
    title: str
    state: Simulation
    claim: str
    expected: Callable[[dict[str, Row]], bool]
    here: Callable[[Draw], bool]


def verdict(exercise: Exercise, drawn: Draw, risks: Risks | None) -> str:
    """Say whether the claim holds in expectation, and whether this draw agrees."""
    agrees = exercise.here(drawn)
    draw = "This draw agrees." if agrees else "This draw happens to say otherwise: try others."
    if risks is None:
        return draw
    rows = {str(r["estimator"]): r for r in risks.table.rows()}
    holds = exercise.expected(rows)
    often = "holds" if holds else "does not hold"
    return f"Over {risks.replicates:,} worlds it {often}. {draw}"


def current(state: Simulation) -> Exercise | None:
    """Return the exercise whose settings these are, whatever the draw."""
    for exercise in EXERCISES:
        if replace(state, seed=1) == exercise.state:
            return exercise
    return None


def _partial(rows: dict[str, Row]) -> Row:
    return rows["posterior"]


def _lowest(rows: dict[str, Row]) -> bool:
    others = (rows[k]["mse"] for k in ("no_pooling", "complete_pooling"))
    return _partial(rows)["mse"] < min(others)


def _lowest_here(drawn: Draw) -> bool:
    errors = drawn.errors
    return errors["posterior"] <= min(errors.values())


def _weight(drawn: Draw) -> float:
    weight = drawn.estimates["posterior"].weight
    assert weight is not None
    return float(weight.mean())


def _close(rows: dict[str, Row], other: str) -> bool:
    """Whether partial pooling's risk is within a quarter of another's."""
    mse = _partial(rows)["mse"]
    return abs(mse - rows[other]["mse"]) < 0.25 * rows[other]["mse"]


def _smallest_is_drawn_most(drawn: Draw) -> bool:
    weight = drawn.estimates["posterior"].weight
    assert weight is not None
    return bool(weight[np.argmin(drawn.world.n)] == weight.min() < weight.max())


def _outlier_is_pulled_away(drawn: Draw) -> bool:
    """Whether the outlying group's own mean is nearer to its truth than the pooled one."""
    gaps = (
        abs(drawn.estimates[k].estimate[0] - drawn.truth[0]) for k in ("no_pooling", "posterior")
    )
    own, pooled = gaps
    return bool(own < pooled)


EQUAL = Simulation(imbalance=0.0)
EXERCISES = (
    Exercise(
        "few_rows", "Few rows (n = 5)", replace(EQUAL, n=5),
        "With five rows a group own means are noisy: partial pooling has a lower error than both "
        "extremes, and keeps only about half of each group's own mean.",
        _lowest, lambda d: _lowest_here(d) and 0.25 < _weight(d) < 0.85,
    ),
    Exercise(
        "many_rows", "Many rows (n = 100)", replace(EQUAL, n=100),
        "With a hundred rows a group speaks for itself: partial pooling hardly moves the means, "
        "and its error is close to that of no pooling.",
        lambda rows: _close(rows, "no_pooling"), lambda d: _weight(d) > 0.9,
    ),
    Exercise(
        "alike", "Groups alike (tau = 1)", replace(EQUAL, tau=1.0),
        "Where groups hardly differ partial pooling finds that out and comes close to complete "
        "pooling: far better than the raw means.",
        lambda rows: _partial(rows)["mse"] < 0.5 * rows["no_pooling"]["mse"],
        lambda d: d.errors["posterior"] < d.errors["no_pooling"] and _weight(d) < 0.6,
    ),
    Exercise(
        "different", "Groups differ (tau = 15)", replace(EQUAL, tau=15.0),
        "Where groups differ widely partial pooling leaves them nearly alone; complete pooling "
        "is hopeless.",
        lambda rows: _close(rows, "no_pooling")
        and rows["complete_pooling"]["mse"] > 5 * _partial(rows)["mse"],
        lambda d: _weight(d) > 0.9,
    ),
    Exercise(
        "unequal", "Unequal sizes", Simulation(imbalance=1.0, n=10),
        "Small groups are drawn most: each group's weight on its own mean rises with its rows.",
        _lowest, _smallest_is_drawn_most,
    ),
    Exercise(
        "four_groups", "Four groups", replace(EQUAL, groups=4, n=10),
        "With four groups tau is hardly known. The posterior's 95% intervals allow for that and "
        "cover; those of plug-in estimates do not (choose the method of moments to see it).",
        lambda rows: _partial(rows)["coverage"] > 0.93,
        lambda d: d.covered("posterior") == 4,
    ),
    Exercise(
        "outlier", "An outlying group", Simulation(imbalance=0.0, tau=4.0, population="outlier"),
        "One group lies five tau above the rest. The normal model does not expect it: that group "
        "is pulled down, and its own mean is often nearer to the truth; the others still gain.",
        _lowest, _outlier_is_pulled_away,
    ),
)  # fmt: skip
"""The four classic exercises, and three more."""
