"""What a fit answers, in sentences and curves: who is highest and how sure, how groups differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool.app.file_groups import SEED, GroupTable, draws_of, percent
from partialpool.fitted import Fit
from partialpool.posterior.distributions import Distribution
from partialpool.words import formatting

DENSITY_POINTS = 160
"""Points of a density: it is drawn some 700 pixels wide."""
AXIS_TAIL = 0.995
"""Probability below the upper end of an axis (and of its complement below the lower)."""
WIDEST_AXIS = 3.0
"""An axis ends at most so many times farther from the median than the 90% interval: a heavy tail
would leave no room for the rest."""
LONGEST_NAME = 60
"""Characters of a name inside a sentence or beside an axis, where longer ones break the line on a
phone."""
MOST_CURVES = 4
"""Standard deviations whose density is drawn; the table of parameters has all."""


def is_counts(fit: Fit) -> bool:
    """Whether the outcome counts events."""
    return fit.statistics.counts


def shortened(name: str) -> str:
    """A name as a sentence has room for it."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1].rstrip() + "\u2026"


Ends = tuple[float, float, float]
"""Median, and the ends of the 95% interval."""


def summaries(parameters: Table) -> dict[str, Ends]:
    """Median and interval of each parameter, as their table has them."""
    return {row["name"]: (row["median"], row["lower"], row["upper"]) for row in parameters.rows()}


def sentences(fit: Fit, table: GroupTable, known: Mapping[str, Ends]) -> list[str]:
    """The answer: the highest group and how sure that is, how groups differ, how much they pool."""
    return [*_highest(fit, table), _differ(fit, table, known), _pulled(fit, table)]


def _highest(fit: Fit, table: GroupTable) -> tuple[str, str]:
    """Which group is highest, and how probable it is that it really is.

    The probability is that of the ranks, where these are known, else it is read from fewer draws
    with a fixed seed; "about" stands before one whose error is above a hundredth.
    """
    values = table.table["estimate"]
    top = int(np.nanargmax(values))
    if table.ranks:
        best, error = float(table.ranks["best"][top]), 0.0
    else:
        best, error = _is_highest(fit, table, top)
    sure = percent(best) if error <= 0.01 else f"about {percent(best)}"
    name, cells = shortened(table.names[top]), dict(zip(table.table, table.cells[top], strict=True))
    what = "highest" if table.term == "Intercept" else f"highest in its effect of {table.term}"
    number = f"{cells['estimate']} (95% interval {cells['lower']} to {cells['upper']})"
    return (
        f"{name} is {what}: {number}.",
        f"The probability that it really is the highest of the {len(values):,} groups is {sure}.",
    )


def _is_highest(fit: Fit, table: GroupTable, top: int) -> tuple[float, float]:
    """Probability that a group is the highest, and the error of it."""
    draws = draws_of(len(table.names))
    drawn = fit.draws(draws, np.random.default_rng(SEED))
    values = drawn.groups(table.factor, term=table.term, scale="link")
    best = float((values.argmax(axis=1) == top).mean())
    return best, math.sqrt(max(best * (1 - best), 1 / draws) / draws)


def _differ(fit: Fit, table: GroupTable, known: Mapping[str, Ends]) -> str:
    said = interval_words(*known[tau_name(fit, table)])
    if not is_counts(fit) or table.term != "Intercept":
        return f"Between groups the standard deviation, tau, is {said}."
    scale = "log-odds" if fit.statistics.proportion else "log rate"
    words = f"On the scale of the {scale}, groups differ with a standard deviation, tau, of {said}."
    if _has_predictors(fit):
        return words
    new = fit.posterior.new_group(table.factor)
    ends = [float(v) for v in new.quantile(np.array([1 / 6, 5 / 6]))]
    between = " and ".join(formatting.number(v, (ends[1] - ends[0]) / 2) for v in ends)
    return f"{words} Two of three groups lie between {between}."


def tau_name(fit: Fit, table: GroupTable) -> str:
    """The parameter that says how groups differ in what a table shows."""
    slope = f"tau[{table.factor}, {table.term}]"
    return slope if slope in fit.posterior.names else f"tau[{table.factor}]"


def _pulled(fit: Fit, table: GroupTable) -> str:
    far_out = "" if fit._engine.linear_shrinkage else " and those far out least"
    share = table.table["shrinkage"]
    low, high = percent(float(share.min())), percent(float(share.max()))
    if low == high:
        return f"Each group is pulled {low} of the way toward the average."
    return (
        f"Groups are pulled toward the average by {low} to {high} of the way, those with the least "
        f"data most{far_out}."
    )


def _has_predictors(fit: Fit) -> bool:
    return not fit.statistics.one_factor and any(
        name not in ("Intercept", "sigma") and not name.startswith(("tau[", "rho["))
        for name in fit.posterior.names
    )


def curves(fit: Fit, known: Mapping[str, Ends]) -> list[dict[str, Any]]:
    """The posterior of each tau: its density on a grid, and its summaries."""
    names = [n for n in fit.posterior.names if n.startswith("tau[")][:MOST_CURVES]
    return [{"name": name, **density(fit.posterior[name], known[name], low=0.0)} for name in names]


def density(
    of: Distribution, known: Ends | None = None, *, low: float | None = None
) -> dict[str, Any]:
    """A density on a grid, with median and 95% interval."""
    ends = of.quantile(np.array([1 - AXIS_TAIL, 0.05, 0.5, 0.95, AXIS_TAIL]))
    start, end = (
        float(np.clip(far, middle - WIDEST_AXIS * reach, middle + WIDEST_AXIS * reach))
        for far, middle, reach in (
            (ends[0], ends[2], ends[2] - ends[1]),
            (ends[4], ends[2], ends[3] - ends[2]),
        )
    )
    start = start if low is None else low
    grid = np.linspace(start, max(end, start + 1e-300), DENSITY_POINTS)
    height = np.asarray(of.density(grid), dtype=np.float64)
    height[0] = height[1] if not math.isfinite(height[0]) else height[0]
    median, lower, upper = known or (float(of.median), *map(float, of.interval()))
    return {
        "grid": rounded(grid),
        "density": rounded(height),
        "median": formatting.plain_number(median),
        "lower": formatting.plain_number(lower),
        "upper": formatting.plain_number(upper),
        "words": interval_words(median, lower, upper),
    }


def interval_words(middle: float, lower: float, upper: float) -> str:
    """A number with its 95% interval."""
    spread = (upper - lower) / 4
    m, low, high = (formatting.number(v, spread) for v in (middle, lower, upper))
    return f"{m} (95% interval {low} to {high})"


def rounded(values: Any) -> list[float | None]:
    """Numbers with seven digits, more than a picture can show; None where there is none."""
    known = np.asarray(values, dtype=np.float64).tolist()
    return [float(f"{v:.7g}") if math.isfinite(v) else None for v in known]


def contrast(fit: Fit, table: GroupTable, first: int, second: int) -> dict[str, Any]:
    """The difference of two groups: its posterior, and how probable it is that it is positive."""
    labels = table.labels
    of = fit.posterior.contrast(
        {labels[first]: 1.0, labels[second]: -1.0}, table.factor, term=table.term
    )
    above = float(of.probability(above=0.0))
    a, b = shortened(table.names[first]), shortened(table.names[second])
    high, low, sure = (a, b, above) if above >= 0.5 else (b, a, 1.0 - above)
    shape = density(of)
    return {
        **shape,
        "above": above,
        "sentence": f"{high} is above {low} with probability {percent(sure)}. {a} minus {b}: "
        f"{shape['words']}.",
    }


def prediction(row: Mapping[str, float], *, observation: bool) -> dict[str, Any]:
    """A prediction in numbers and words."""
    estimate, lower, upper = (float(row[k]) for k in ("estimate", "lower", "upper"))
    words = interval_words(estimate, lower, upper)
    what = "A single new row is expected at" if observation else "The expected value is"
    return {
        "estimate": formatting.plain_number(estimate),
        "lower": formatting.plain_number(lower),
        "upper": formatting.plain_number(upper),
        "sentence": f"{what} {words}.",
    }
