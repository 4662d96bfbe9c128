"""The simulator: from its settings to what is on the page. Pure functions; no session."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from partialpool.app import exercises, tables
from partialpool.app.payload import Sender, table
from partialpool.app.state import Simulation
from partialpool.charts.drawing import Drawing
from partialpool.charts.risk import error_drawing
from partialpool.charts.save import to_svg
from partialpool.charts.tau import tau_drawing
from partialpool.data import Table
from partialpool.report import html_page
from partialpool.report import table as report_table
from partialpool.simulate import Draw, Risks, draw, risks
from partialpool.simulate.picture import shrinkage_drawing
from partialpool.words import formatting

QUICK, THOROUGH = 100, 2000
"""Worlds over which errors are averaged: at first, and when the controls rest."""
LEAST_TAU = 0.1
"""What the method of moments makes of a negative estimate, as in the classic simulator."""
TAU = "What the data say of tau"
LABELS = {"no_pooling": "no pooling", "complete_pooling": "complete pooling"}


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What takes longer than a frame: the risks, and the picture of tau.

    Parameters
    ----------
    state : Simulation
        The settings it belongs to.
    risks : Risks
        Over `risks.replicates` worlds.
    tau : dict
        The posterior of tau in this draw with the truth, in light (False) and dark (True).
    """

    state: Simulation
    risks: Risks
    tau: dict[bool, Drawing]


@lru_cache(maxsize=64)
def drawn(state: Simulation) -> Draw:
    """Draw the world of these settings."""
    return draw(
        state.world, seed=state.seed, sigma_known=state.sigma_known, estimators=state.estimators
    )


def averaged(state: Simulation, replicates: int) -> Risks:
    """Average over replicates."""
    return risks(
        state.world,
        estimators=state.estimators,
        replicates=replicates,
        seed=state.seed,
        sigma_known=state.sigma_known,
    )


def expected(state: Simulation, replicates: int) -> Expected:
    """Average over replicates, and draw tau; a part of a second, for a process of its own."""
    found, world = averaged(state, replicates), drawn(state)
    return Expected(state, found, {dark: _tau(state, world, dark) for dark in (False, True)})


def _tau(state: Simulation, world: Draw, dark: bool) -> Drawing:
    return tau_drawing(world.posterior, at={"truth": state.tau}, title=TAU, dark=dark)


def chart(state: Simulation, world: Draw, place: str, last: Expected | None) -> Any:
    """The altair.Chart at a place of the page, in light."""
    if place == "errors":
        known = last if last is not None and last.state == state else None
        return _errors(state, world, known, False).chart()
    if place == "tau":
        return _tau(state, world, False).chart()
    return shrinkage_drawing(world, state.estimator).chart()


def live(state: Simulation, last: Expected | None, sender: Sender, dark: bool) -> dict[str, Any]:
    """What follows every move of a control."""
    world = drawn(state)
    stale = last is None or last.state != state
    return {
        "charts": {
            "shrinkage": sender.drawing(
                "shrinkage", shrinkage_drawing(world, state.estimator, dark=dark)
            ),
            "errors": sender.drawing("errors", _errors(state, world, last, dark)),
        },
        "stale": ["errors", "tau"] if stale else [],
        "text": {
            **_here(state, world),
            **_claim(state, world, None if stale else last),
            **_weights(state, world),
            "python": state.python,
            "command": state.command,
        },
        "tables": {"groups": _groups(state, world)},
        "query": state.query,
    }


def build_frames() -> None:
    """Build the frames of the first picture, so that the first who comes does not wait."""
    for dark in (False, True):
        live(Simulation(), None, Sender(), dark)


def settled(found: Expected, sender: Sender, dark: bool) -> dict[str, Any]:
    """What follows when the averages are there."""
    state = found.state
    world = drawn(state)
    rows = {str(r["estimator"]): r for r in found.risks.table.rows()}
    return {
        "charts": {
            "errors": sender.drawing("errors", _errors(state, world, found, dark)),
            "tau": sender.drawing("tau", found.tau[dark]),
        },
        "stale": [],
        "text": {**_over_worlds(state, found.risks, rows), **_claim(state, world, found)},
        "meters": {
            "coverage_naive": _coverage(rows["moments"]),
            "coverage_posterior": _coverage(rows["posterior"]),
        },
        "tables": {
            "errors": _risk_table(found.risks),
            **tables.of_drawings({"tau": found.tau[dark]}),
        },
    }


def label(state: Simulation, name: str) -> str:
    """What an estimator is called on the page."""
    return "partial pooling" if name == state.estimator else LABELS[name]


def _errors(state: Simulation, world: Draw, last: Expected | None, dark: bool) -> Drawing:
    shown = (*LABELS, state.estimator)
    here = {label(state, k): world.errors[k] for k in shown}
    if last is None or last.state.estimator != state.estimator:
        over = {k: (v, 0.0) for k, v in here.items()}
        return error_drawing(over, title="Error in this draw", dark=dark)
    rows = {str(r["estimator"]): r for r in last.risks.table.rows()}
    over = {label(state, k): (rows[k]["mse"], rows[k]["mse_error"]) for k in shown}
    title = f"Error expected over {last.risks.replicates:,} worlds, and in this draw"
    return error_drawing(over, here=here, title=title, dark=dark)


def _here(state: Simulation, world: Draw) -> dict[str, str]:
    errors = world.errors
    mine, no, complete = errors[state.estimator], errors["no_pooling"], errors["complete_pooling"]
    closer = world.closer(state.estimator)
    found = world.estimates[state.estimator]
    covered = "" if found.lower is None else (
        f" Its intervals hold the truth of {world.covered(state.estimator)} of {state.groups}."
    )  # fmt: skip
    return {
        "here": f"In this draw the mean squared error of partial pooling is {mine:.3g}: "
        f"{formatting.change(mine, no)} no pooling ({no:.3g}) and "
        f"{formatting.change(mine, complete)} "
        f"complete pooling ({complete:.3g}).",
        "wins": f"It brings {closer} of {state.groups} groups closer to their truth than their "
        f"own means do.{covered}",
    }


def _over_worlds(state: Simulation, found: Risks, rows: dict[str, Any]) -> dict[str, str]:
    mine = rows[state.estimator]
    mse, error = mine["mse"], mine["mse_error"]
    no, complete = rows["no_pooling"]["mse"], rows["complete_pooling"]["mse"]
    return {
        "expected": f"Over {found.replicates:,} such worlds its expected error is "
        f"{formatting.number(mse, error)} ± {error:.2g}: "
        f"{formatting.change(mse, no)} no pooling and "
        f"{formatting.change(mse, complete)} complete pooling. It beats no "
        f"pooling in {mine['beats_no']:.0%} of them, complete pooling in "
        f"{mine['beats_complete']:.0%}, and is the best of the three in {mine['best']:.0%}."
    }


def _claim(state: Simulation, world: Draw, last: Expected | None) -> dict[str, str]:
    exercise = exercises.current(state)
    if exercise is None:
        return {"claim": "", "verdict": ""}
    averaged = None if last is None else last.risks
    return {
        "claim": f"{exercise.title}. {exercise.claim}",
        "verdict": exercises.verdict(exercise, world, averaged),
    }


def _weights(state: Simulation, world: Draw) -> dict[str, str]:
    """The numbers of the weight formula; those of a group are in the picture's rows."""
    found = world.estimates[state.estimator]
    how = {
        "posterior": "tau and sigma at the posterior median; the picture averages the weight over "
        "the posterior",
        "moments": "tau by the method of moments, never less than 0.1",
        "reml": "tau by REML",
    }[state.estimator]
    if state.estimator != "posterior" and found.tau <= LEAST_TAU:
        how += ": here the means differ no more than noise alone would make them, and it finds none"
    return {"tau_used": f"{found.tau:.3g}", "sigma_used": f"{found.sigma:.3g}", "weight_how": how}


def _coverage(row: dict[str, float]) -> dict[str, Any]:
    percent, error = 100 * row["coverage"], 100 * row["coverage_error"]
    return {"value": row["coverage"], "text": f"{percent:.1f}% ± {error:.1f}"}


def _groups(state: Simulation, world: Draw) -> dict[str, Any]:
    found, s = world.estimates[state.estimator], world.statistics
    columns = {"raw": s.raw, "estimate": found.estimate}
    if found.lower is not None and found.upper is not None:
        columns |= {"lower": found.lower, "upper": found.upper}
    shown = Table(group=s.labels, n=world.table()["n"], truth=world.truth, **columns)
    spread = formatting.scale_of(found.estimate - world.truth) or state.sigma
    found_here = table(shown, formatting.estimate_cells(shown, spread), "Groups of this draw")
    wins = world.wins(state.estimator).tolist()
    rows = [
        [*row, "pooled" if won else "own"]
        for row, won in zip(found_here["rows"], wins, strict=True)
    ]
    return found_here | {"head": [*found_here["head"], "nearer"], "rows": rows}


def _risk_table(found: Risks) -> dict[str, Any]:
    keep = ("estimator", "mse", "mse_error", "best", "beats_no", "coverage", "width")
    shown = Table({k: found.table[k] for k in keep})
    caption = f"Over {found.replicates:,} worlds: mean squared error with its Monte Carlo error, "
    caption += "share of worlds won, coverage and width of 95% intervals"
    return table(shown, formatting.score_cells(shown), caption)


def snapshot(state: Simulation, world: Draw, last: Expected | None) -> str:
    """A draw as one HTML page that needs nothing else."""
    groups = _groups(state, world)
    here = _here(state, world)
    lines = [here["here"], here["wins"]]
    if last is not None and last.state == state:
        rows = {str(r["estimator"]): r for r in last.risks.table.rows()}
        lines += _over_worlds(state, last.risks, rows).values()
    pictures = [to_svg(chart(state, world, p, last)) for p in ("shrinkage", "errors", "tau")]
    return html_page(
        "A world whose truth is known",
        [*lines, state.command],
        pictures,
        report_table(groups["head"], groups["rows"], groups["caption"]),
    )
