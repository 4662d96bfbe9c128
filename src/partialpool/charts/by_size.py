"""How much a group is pooled, by how much data it has."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.charts import parts
from partialpool.charts.places import log_ticks
from partialpool.charts.style import Look, altair, look
from partialpool.posterior import OneFactor
from partialpool.records import CountStatistics, GroupStatistics
from partialpool.words import formatting

MOST_POINTS = 2000
"""With more distinct sizes a sample, evenly spread over them, is drawn."""
CURVE_POINTS = 160
"""Points of the curve, one in three or four pixels of the width: corners are not seen."""


@parts.of_posterior
def shrinkage_by_size(
    post: OneFactor, *, level: float = 0.95, title: str | None = None, dark: bool = False
) -> Any:
    """Draw shrinkage against rows per group, or against the standard error.

    Parameters
    ----------
    post : OneWayPosterior
        What to draw.
    level : float
        Probability of the band.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Posterior mean of the weight on the pooled value (0 no pooling, 1 complete pooling) of
        a group of any size, with its interval as a band; one point a size that occurs, area by
        the number of groups. Rows are on a log axis; standard errors (units of y) on a linear
        one unless they span more than a factor of 20.
    """
    alt, colours, s = altair(), look(dark), post.statistics
    curve = _curve(post, level)
    points, sizes = _points(post)
    x = _axis(alt, s, curve)
    chart = alt.layer(*_layers(alt, points, curve, x, post, colours)).properties(
        width=parts.WIDTH, height=320
    )
    lines = [
        f"Line and band: mean and {parts.percent(level)} interval of the share by which a group "
        "of that size is drawn to the population mean"
        + ("" if post.one_sigma else ", were its noise the usual one"),
    ]
    if max(p["groups"] for p in points) > 1:
        lines.append("Area: groups of that size")
    if len(points) < sizes:
        lines.append(f"{len(points):,} of {sizes:,} distinct sizes, evenly spread over them")
    return parts.finished(chart, title or f"Pooling by {_size_name(s)}", lines, dark)


def _x(s: GroupStatistics | CountStatistics, weight: Floats) -> Floats:
    return np.asarray(weight**-0.5 if s.sigma_known else weight)


def _points(post: OneFactor) -> tuple[list[dict[str, Any]], int]:
    """One dict a distinct size: x, shrinkage, groups, name; and how many sizes there are."""
    s = post.statistics
    weight, first, count = np.unique(s.weight, return_index=True, return_counts=True)
    if not post.one_sigma:  # groups of one size are not pooled alike
        first = np.argsort(s.weight, kind="stable")
        weight, count = s.weight[first], np.ones(s.n_groups, dtype=np.intp)
    there = weight > 0
    weight, first, count = weight[there], first[there], count[there]
    keep = parts.spread_evenly(weight, MOST_POINTS)
    share = post.shrinkage.mean[first]
    rows = []
    for i in keep.tolist():
        name = formatting.printable(s.labels[first[i]])
        rows.append({
            "x": float(_x(s, weight[i : i + 1])[0]),
            "shrinkage": float(share[i]),
            "groups": int(count[i]),
            "name": name if count[i] == 1 else f"{name} and {count[i] - 1:,} more",
        })  # fmt: skip
    return rows, len(weight)


def _curve(post: OneFactor, level: float) -> list[dict[str, float]]:
    """Posterior mean and interval of the shrinkage of a group of any weight."""
    weight = post.statistics.weight
    weight = weight[weight > 0]
    reach = 1.3 if parts.sizes_differ(post.statistics) else 5.0
    grid = np.geomspace(weight.min() / reach, weight.max() * reach, CURVE_POINTS)
    curve = post.shrinkage_of(grid)
    columns = (_x(post.statistics, grid), curve.mean, *curve.interval(level))
    names = ("x", "shrinkage", "lower", "upper")
    return [
        dict(zip(names, v, strict=True)) for v in zip(*map(np.ndarray.tolist, columns), strict=True)
    ]


def _axis(alt: Any, s: GroupStatistics | CountStatistics, curve: list[dict[str, float]]) -> Any:
    low, high = sorted((curve[0]["x"], curve[-1]["x"]))
    log = not s.sigma_known or high / low > 20
    scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False, zero=False)
    title = _size_name(s) + (" (log scale)" if log else "")
    ticks = {"values": log_ticks(low, high)} if log else {"tickCount": 6}
    axis = alt.Axis(format=",.6~g", **ticks)
    return alt.X("x:Q", title=title, scale=scale, axis=axis)


def _size_name(s: GroupStatistics | CountStatistics) -> str:
    if s.sigma_known:
        return f"standard error of {formatting.printable(s.outcome)}"
    return f"{s.size_words} per {formatting.printable(s.factor)}"


def _layers(
    alt: Any, points: list[dict[str, Any]], curve: list[dict[str, float]], x: Any,
    post: OneFactor, colours: Look,
) -> list[Any]:  # fmt: skip
    ends = "datum.value == 0 ? '0 no pooling' : datum.value == 1 ? '1 complete' : datum.label"
    scale = alt.Scale(domain=[0, 1])
    axis = alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], labelExpr=ends)
    y = alt.Y("shrinkage:Q", title="shrinkage", scale=scale, axis=axis)
    base = alt.Chart(alt.Data(values=curve)).encode(x=x)
    most = max(p["groups"] for p in points)
    area = alt.Size("groups:Q", legend=None, scale=alt.Scale(domain=[0, most], range=[25, 260]))
    dots = alt.Chart(alt.Data(values=points)).mark_point(
        color=colours.pooled,
        filled=True,
        opacity=0.85,
        stroke=colours.paper,
        strokeWidth=0.8 if len(points) <= 60 else 0,
    )
    tips = [
        alt.Tooltip("name:N", title=formatting.printable(post.statistics.factor)),
        alt.Tooltip("x:Q", title="size", format=",.4~g"),
        alt.Tooltip("shrinkage:Q", format=".3f"),
        alt.Tooltip("groups:Q", format=",d"),
    ]
    return [
        base.mark_area(color=colours.pooled, opacity=0.16).encode(
            y=alt.Y("lower:Q", title="shrinkage", scale=scale, axis=axis), y2="upper:Q"
        ),
        base.mark_line(color=colours.pooled, strokeWidth=1.6).encode(y=y),
        dots.encode(
            x=x,
            y=y,
            tooltip=tips,
            size=area if most > 1 else alt.value(80 if len(points) <= 60 else 25),
        ),
    ]
