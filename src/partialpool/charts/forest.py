"""The forest plot: estimates with known standard errors, before and after pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from partialpool._typing import Ints
from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.charts.terms import effect
from partialpool.classical import no_pooling
from partialpool.errors import ArgumentError
from partialpool.posterior import Distribution, MixedPosterior, OneFactor
from partialpool.posterior.mapped import Selected
from partialpool.words import formatting
from partialpool.words.meta_analysis import (
    Studies,
    new_at_means,
    population_at_means,
    studies_of,
)
from partialpool.words.ratios import TableScale, is_exp

MOST_GROUPS = 40
"""Of more groups the highest and the lowest are drawn."""
ROW_HEIGHT = 36
"""px of a row: its name, its own values below in smaller type, and the numbers beside it."""
WIDE_INTERVAL = 5.0
"""Ratios whose intervals are wider than four times this are written without decimals."""
PLOT_WIDTH = 500
"""px of the intervals; with names and numbers beside them the chart fits a printed page."""


@parts.of_posterior
def forest(
    post: OneFactor | MixedPosterior,
    *,
    level: float = 0.95,
    groups: Sequence[object] | None = None,
    scale: TableScale = "response",
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw each group's own estimate and, beneath it, the partially pooled one.

    Parameters
    ----------
    post : OneWayPosterior or MixedPosterior
        A model of estimates with known standard errors, of one factor, with predictors of the
        groups or none.
    level : float
        Probability of all intervals.
    groups : sequence, optional
        Labels of the groups to draw, in their order; all if not given, and of more than 40 the
        20 with the highest and the 20 with the lowest estimates of their own.
    scale : {"response", "exp"}
        Estimates as they are, or exp of them on a logarithmic axis with a line at 1, no effect:
        odds ratios of log odds ratios.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Groups from the highest own estimate to the lowest: square (area by precision) with its
        own interval, circle with the posterior interval, and with predictors a tick at what these
        alone say; at the bottom the population mean (diamond), predictors at their means, and the
        prediction interval of a new group; numbers at the right (units of y).
        Intervals that leave the picture end in an arrow.

    Raises
    ------
    ArgumentError
        If the standard errors are not known, or there are other terms or predictors of rows.
    """
    alt, colours, s = altair(), look(dark), post.statistics
    studies = studies_of(s)
    if studies is None:
        raise ArgumentError(
            "a forest plot is drawn of estimates with known standard errors, of one factor with "
            "predictors of its groups or none; this model is another: draw "
            + ("caterpillar" if s.one_factor else "effects")
            + " instead"
        )
    exp = is_exp(scale)
    factor = post.terms[0].factor
    order, some = parts.shown_groups(studies.y, post.terms[0].labels, MOST_GROUPS, groups)
    rows = _rows(post, studies, order, level, factor)
    _write_numbers(rows, exp)
    names = [r["group"] for r in rows if r["what"] == parts.OWN]
    names += [" ", *(r["group"] for r in rows[-2:])]
    _clip(rows)
    outcome = formatting.printable(s.outcome)
    x = _axis(alt, rows, outcome, exp)
    if exp:
        _raise_to_exp(rows)
    chart = _chart(alt, rows, parts.group_axis(alt, names, factor), x, colours, exp)
    chart = chart.properties(width=PLOT_WIDTH, height=alt.Step(ROW_HEIGHT))
    lines = _caption(rows, some, level, exp)
    known = formatting.printable(factor)
    return parts.finished(
        chart, title or f"Estimates of {outcome} by {known}, and pooled", lines, dark
    )


def _caption(rows: list[dict[str, Any]], some: list[str], level: float, exp: bool) -> list[str]:
    cut = any(r["cut_left"] or r["cut_right"] for r in rows)
    bars = f"bars: {parts.percent(level)} intervals{' (arrows: they go on)' if cut else ''}"
    marks = (
        "Squares: own estimates (area: precision), circles: partially pooled, diamond: population "
        f"mean, dashed: a new group, {bars}"
    )
    if any(r["what"] == FITTED for r in rows):
        marks = (
            "Squares: own estimates, circles: partially pooled, ticks: predictors alone, dashed: a "
            f"new group, predictors at their means, {bars}"
        )
    return [*some, marks, *(["Line at 1: no effect"] if exp else [])]


FITTED = "by the predictors"


def _rows(
    post: OneFactor | MixedPosterior, studies: Studies, order: Ints, level: float, factor: str
) -> list[dict[str, Any]]:
    """One dict a mark: group, what, estimate, lower, upper, size."""
    separate = no_pooling(mean=studies.y[order], se=studies.se[order], level=level)
    groups, whole = _pooled(post, order, level)
    rows = []
    columns = (studies.y[order], separate.lower, separate.upper)
    values = zip(*(column.tolist() for column in columns), strict=True)
    for g, (raw, low, high) in zip(groups, values, strict=True):
        common = {"group": g["group"], "size": g["size"]}
        mine = {"estimate": raw, "lower": low, "upper": high}
        theirs = {k: g[k] for k in ("estimate", "lower", "upper")}
        rows.append({**common, **mine, "what": parts.OWN})
        rows.append({**common, **theirs, "what": parts.POOLED})
        if "fitted" in g:
            fitted = dict.fromkeys(("estimate", "lower", "upper"), g["fitted"])
            rows.append({**common, **fitted, "what": FITTED})
    taken = [g["group"] for g in groups]
    more = parts.distinct([*taken, "Population mean", f"A new {factor}"])[len(taken) :]
    for label, of, what in zip(more, whole, ("mu", "new"), strict=True):
        low, high = of.interval(level).tolist()
        end = {"estimate": float(parts.centre(of)), "lower": low, "upper": high}
        rows.append({"group": label, "size": 0.0, **end, "what": what})
    return rows


def _pooled(
    post: OneFactor | MixedPosterior, order: Ints, level: float
) -> tuple[list[dict[str, Any]], tuple[Distribution, Distribution]]:
    """Rows of the groups, and the population mean and a new group."""
    if not isinstance(post, MixedPosterior):
        return parts.group_rows(post, order, level), (post.mu, post.new_group)
    chosen = effect(post, None, None)
    columns = {"size": chosen.block.weight[order], "fitted": chosen.population[order]}
    population, new = population_at_means(post), new_at_means(post)
    assert population is not None  # of what `studies_of` takes
    assert new is not None
    return chosen.rows(order, level, **columns), (Selected(post.linear(population), index=0), new)


def _write_numbers(rows: list[dict[str, Any]], exp: bool) -> None:
    """The numbers at the right; of ratios mostly with two decimals."""
    numbered = [r for r in rows if r["what"] != FITTED]
    ends = np.array([[r[k] for k in ("estimate", "lower", "upper")] for r in numbered])
    ends = np.exp(ends) if exp else ends
    width = (ends[:, 2] - ends[:, 1]) / 4
    spread = np.full(len(numbered), np.median(width))
    if exp:  # two decimals are usual; more where all ratios are near 1, or one is near 0
        usual = np.minimum(np.minimum(spread, 0.5), np.minimum(10 * width, ends[:, 0]))
        spread = np.where(width > WIDE_INTERVAL, width, usual)
    for row, values, each in zip(numbered, ends.tolist(), spread.tolist(), strict=True):
        a, b, c = (parts.number(v, each) for v in values)
        row["label"] = f"{a}  [{b}, {c}]" if row["what"] != "new" else f"[{b}, {c}]"


def _axis(alt: Any, rows: list[dict[str, Any]], outcome: str, exp: bool) -> Any:
    """The axis of estimates: as they are, or of ratios on a logarithmic scale that holds 1."""
    if not exp:
        return parts.outcome_axis(
            alt, "from:Q", outcome, parts.is_small([r["estimate"] for r in rows])
        )
    return parts.ratio_axis(
        alt, "from:Q", outcome, min(r["from"] for r in rows), max(r["to"] for r in rows)
    )


def _raise_to_exp(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row |= {k: math.exp(row[k]) for k in ("estimate", "lower", "upper", "from", "to")}


def _clip(rows: list[dict[str, Any]]) -> None:
    """Cut intervals that would squeeze all others: beyond the others by three quarters."""
    seen = [r["estimate"] for r in rows if r["what"] == parts.OWN]
    seen += [r[k] for r in rows if r["what"] == parts.POOLED for k in ("lower", "upper")]
    low, high = min(seen), max(seen)
    reach = 0.75 * (high - low)
    low, high = low - reach, high + reach
    for row in rows:
        row["cut_left"], row["cut_right"] = row["lower"] < low, row["upper"] > high
        row["from"], row["to"] = max(row["lower"], low), min(row["upper"], high)


def _chart(alt: Any, rows: list[dict[str, Any]], y: Any, x: Any, colours: Look, exp: bool) -> Any:
    middle = parts.middle(rows[-2]["estimate"])
    largest = max(r["size"] for r in rows)
    area = alt.Size("size:Q", legend=None, scale=alt.Scale(domain=[0, largest], range=[16, 230]))
    shapes = [
        (parts.OWN, -8, colours.raw, "square", area),
        (parts.POOLED, 8, colours.pooled, "circle", alt.value(75)),
        ("mu", 0, colours.pooled, "diamond", alt.value(260)),
        ("new", 0, colours.pooled, "stroke", alt.value(0)),
    ]
    layers = [parts.no_effect_line(alt, colours)] if exp else []
    layers.append(parts.mean_line(alt, alt.Data(values=middle), colours))
    fitted = [r for r in rows if r["what"] == FITTED]
    if fitted:
        ticks = alt.Chart(alt.Data(values=fitted)).mark_tick(
            color=colours.mean, thickness=3, size=26, orient="vertical"
        )
        layers.append(ticks.encode(x="estimate:Q", y=y))
    for what, offset, colour, shape, size in shapes:
        mine = [r for r in rows if r["what"] == what]
        layers += _row_layers(alt, mine, x, y, offset, colour, shape, size)
    return alt.layer(*layers)


def _row_layers(
    alt: Any, rows: list[dict[str, Any]], x: Any, y: Any,
    offset: int, colour: str, shape: str, size: Any,
) -> list[Any]:  # fmt: skip
    """Interval, arrows where it is cut, mark, and the numbers at the right."""
    base = alt.Chart(alt.Data(values=rows)).encode(y=y)
    tips = ["group:N", *(alt.Tooltip(f"{k}:Q", format=",.4~g") for k in ("estimate",))]
    dash = [4, 3] if rows[0]["what"] == "new" else [1, 0]
    layers = [
        base.mark_rule(color=colour, strokeWidth=2, yOffset=offset, strokeDash=dash).encode(
            x=x, x2="to:Q"
        )
    ]
    for way, end in (("left", "from"), ("right", "to")):
        if cut := [r for r in rows if r[f"cut_{way}"]]:
            arrow = alt.Chart(alt.Data(values=cut)).mark_point(
                color=colour, filled=True, size=70, opacity=1, yOffset=offset,
                shape=f"triangle-{way}",
            )  # fmt: skip
            layers.append(arrow.encode(x=f"{end}:Q", y=y))
    if shape != "stroke":
        point = base.mark_point(color=colour, filled=True, opacity=1, shape=shape, yOffset=offset)
        layers.append(point.encode(x="estimate:Q", size=size, tooltip=tips))
    numbers = base.mark_text(align="left", baseline="middle", color=colour, yOffset=offset)
    layers.append(numbers.encode(x=alt.value(PLOT_WIDTH + 16), text="label:N"))
    return layers
