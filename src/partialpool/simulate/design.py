"""How many groups, and how many rows in each: the same engine, asked backwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.simulate.estimators import full_posterior, observed
from partialpool.simulate.world import World, worlds

Goal = Literal["rmse", "width", "coverage", "rank_correlation"]
GOALS: tuple[Goal, ...] = ("rmse", "width", "coverage", "rank_correlation")


def design(
    *,
    tau: float,
    sigma: float,
    groups: Sequence[int] = (5, 8, 12, 20, 30, 50),
    n: Sequence[int] = (2, 5, 10, 20, 50),
    goal: Goal = "rmse",
    target: float | None = None,
    replicates: int = 200,
    seed: int = 1,
) -> Table:
    """Simulate designs and say which reach a goal.

    Parameters
    ----------
    tau, sigma : float
        What is expected of the spread between and within groups (units of y).
    groups, n : sequence of int
        Numbers of groups, and of rows a group, to try in all combinations.
    goal : {"rmse", "width", "coverage", "rank_correlation"}
        Root mean squared error of group estimates, width of their 95% intervals (units of y),
        coverage of these, or rank correlation between estimates and truth.
    target : float, optional
        Value to reach: at most for rmse and width, at least for the others.
    replicates, seed : int
        Of each design.

    Returns
    -------
    Table
        groups, n, rows (in all), the four measures of the full posterior with sigma unknown, the
        Monte Carlo error of the goal, and, if a target is given, whether it is reached; fewest
        rows first.

    Raises
    ------
    ArgumentError
        If a number is out of range.
    """
    if goal not in GOALS:
        raise ArgumentError(f"goal is one of {', '.join(GOALS)}; received {goal!r}")
    if not groups or not n or min(groups) < 3 or min(n) < 2:
        raise ArgumentError("designs need 3 groups and 2 rows a group, or more")
    tried = sorted(((j, k) for j in groups for k in n), key=lambda d: (d[0] * d[1], d[0]))
    rows = [_measure(World.of(j, k, tau, sigma=sigma), goal, replicates, seed) for j, k in tried]
    table = Table(
        groups=np.array([j for j, _ in tried]),
        n=np.array([k for _, k in tried]),
        rows=np.array([j * k for j, k in tried]),
        **{key: np.array([row[key] for row in rows]) for key in rows[0]},
    )
    if target is not None:
        value = table[goal]
        table["reached"] = value <= target if goal in ("rmse", "width") else value >= target
    return table


def _measure(world: World, goal: Goal, replicates: int, seed: int) -> dict[str, float]:
    drawn = worlds(world, replicates=replicates, seed=seed)
    e = full_posterior(observed(drawn, sigma_known=False, level=0.95))
    assert e.lower is not None
    assert e.upper is not None
    each = {
        "rmse": ((e.estimate - drawn.theta) ** 2).mean(axis=1),
        "width": (e.upper - e.lower).mean(axis=1),
        "coverage": ((e.lower <= drawn.theta) & (drawn.theta <= e.upper)).mean(axis=1),
        "rank_correlation": _rank_correlation(e.estimate, drawn.theta),
    }
    row = {k: float(v.mean()) for k, v in each.items()}
    error = float(each[goal].std(ddof=1) / np.sqrt(replicates)) if replicates > 1 else np.nan
    if goal == "rmse":
        error /= 2.0 * np.sqrt(row["rmse"])  # of the root, by the delta method
    row["rmse"] = float(np.sqrt(row["rmse"]))
    row["error"] = error
    return row


def _rank_correlation(first: Floats, second: Floats) -> Floats:
    """Spearman's correlation of each replicate."""
    a, b = (x.argsort(axis=1).argsort(axis=1).astype(np.float64) for x in (first, second))
    a -= a.mean(axis=1, keepdims=True)
    b -= b.mean(axis=1, keepdims=True)
    return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))
