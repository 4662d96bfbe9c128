"""The forest plot: estimates with known standard errors, before and after pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.classical import no_pooling
from partialpool.errors import ArgumentError
from partialpool.posterior import OneFactor, OneWayPosterior
from partialpool.words import formatting

MOST_GROUPS = 40
"""Of more groups the highest and the lowest are drawn."""
STEP = 36
WIDTH = 500


@parts.of_posterior
def forest(
    post: OneFactor,
    *,
    level: float = 0.95,
    groups: Sequence[object] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw each group's own estimate and, beneath it, the partially pooled one.

    Parameters
    ----------
    post : OneWayPosterior
        A model of estimates with known standard errors.
    level : float
        Probability of all intervals.
    groups : sequence, optional
        Labels of the groups to draw, in their order; all if not given, and of more than 40 the
        20 with the highest and the 20 with the lowest estimates of their own.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Groups from the highest own estimate to the lowest: square (area by precision) with its
        own interval, circle with the posterior interval; at the bottom the population mean
        (diamond) and the prediction interval of a new group; numbers at the right (units of y).
        Intervals that leave the picture end in an arrow.

    Raises
    ------
    ArgumentError
        If the standard errors are not known.
    """
    alt, colours, s = altair(), look(dark), post.statistics
    if not isinstance(post, OneWayPosterior) or not s.sigma_known:
        raise ArgumentError(
            "a forest plot is drawn of estimates with known standard errors; this model has rows "
            "or counts: draw caterpillar instead"
        )
    order, some = parts.shown_groups(s.raw, s.labels, MOST_GROUPS, groups)
    rows = _rows(post, order, level)
    names = [r["group"] for r in rows if r["what"] == parts.OWN]
    names += [" ", *(r["group"] for r in rows[-2:])]
    _clip(rows)
    chart = _chart(alt, rows, names, post, colours).properties(width=WIDTH, height=alt.Step(STEP))
    lines = [
        *some,
        "Squares: own estimates (area: precision), circles: partially pooled, bars: "
        f"{parts.percent(level)} intervals, diamond: population mean, dashed bar: a new group",
    ]
    if any(r["cut_left"] or r["cut_right"] for r in rows):
        lines.insert(len(some), "Arrows: the interval goes on")
    known = formatting.printable(s.outcome), formatting.printable(s.factor)
    return parts.finished(
        chart, title or f"Estimates of {known[0]} by {known[1]}, and pooled", lines, dark
    )


def _rows(post: OneWayPosterior, order: Any, level: float) -> list[dict[str, Any]]:
    """One dict a mark: group, what, estimate, lower, upper, size, offset, label."""
    s = post.statistics
    own = no_pooling(mean=s.raw[order], se=s.weight[order] ** -0.5, level=level)
    groups = parts.group_rows(post, order, level)
    rows = []
    for g, low, high in zip(groups, own.lower.tolist(), own.upper.tolist(), strict=True):
        common = {"group": g["group"], "size": g["size"]}
        mine = {"estimate": g["raw"], "lower": low, "upper": high}
        theirs = {k: g[k] for k in ("estimate", "lower", "upper")}
        rows.append({**common, **mine, "what": parts.OWN})
        rows.append({**common, **theirs, "what": parts.POOLED})
    taken = [g["group"] for g in groups]
    labels = parts.distinct([*taken, "Population mean", f"A new {s.factor}"])[len(taken) :]
    whole = zip(labels, (post.mu, post.new_group), ("mu", "new"), strict=True)
    for label, of, what in whole:
        low, high = of.interval(level).tolist()
        end = {"estimate": float(parts.centre(of)), "lower": low, "upper": high}
        rows.append({"group": label, "size": 0.0, **end, "what": what})
    spread = float(np.median([r["upper"] - r["lower"] for r in rows])) / 4
    for row in rows:
        a, b, c = (parts.number(row[k], spread) for k in ("estimate", "lower", "upper"))
        row["label"] = f"{a}  [{b}, {c}]" if row["what"] != "new" else f"[{b}, {c}]"
    return rows


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


def _chart(
    alt: Any, rows: list[dict[str, Any]], names: list[str], post: OneWayPosterior, colours: Look
) -> Any:
    middle = parts.middle(float(parts.centre(post.mu)))
    x = parts.outcome(alt, "from:Q", post)
    y = parts.group_axis(alt, names, post.statistics.factor)
    largest = max(r["size"] for r in rows)
    area = alt.Size("size:Q", legend=None, scale=alt.Scale(domain=[0, largest], range=[16, 230]))
    shapes = [
        (parts.OWN, -8, colours.raw, "square", area),
        (parts.POOLED, 8, colours.pooled, "circle", alt.value(75)),
        ("mu", 0, colours.pooled, "diamond", alt.value(260)),
        ("new", 0, colours.pooled, "stroke", alt.value(0)),
    ]
    layers = [parts.mean_line(alt, alt.Data(values=middle), colours)]
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
    layers.append(numbers.encode(x=alt.value(WIDTH + 16), text="label:N"))
    return layers
