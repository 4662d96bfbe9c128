"""Each group's estimate against its own value: how far values of what size are drawn in."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.posterior import OneFactor
from partialpool.words import formatting

MOST_POINTS = 1000
"""Of more groups so many are drawn, evenly spread over their own values."""
CURVE_POINTS = 161
"""Values at which the curves are computed, one in three or four pixels of the width."""
NO, HERE, NORMAL = "no pooling", "this population", "normal population"


@parts.of_posterior
def estimate_by_value(
    post: OneFactor, *, level: float = 0.95, title: str | None = None, dark: bool = False
) -> Any:
    """Draw the posterior mean of each group against its own value.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior or PopulationPosterior
        What to draw.
    level : float
        Probability of the intervals.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        One point a group, with the interval of its value; dotted, where estimates are own values
        (no pooling). Of measurements also the posterior mean that a group of typical size would
        have, were its own value elsewhere: a straight line under a normal population, which is
        dashed where the population is another.
    """
    alt, colours, s = altair(), look(dark), post.statistics
    order = parts.spread_evenly(s.raw, MOST_POINTS)
    rows = parts.group_rows(post, order, level)
    curves = _curves(post)
    chart = alt.layer(*_layers(alt, post, rows, curves, colours))
    lines = [
        f"One point a group of {formatting.printable(s.factor)}, with its "
        f"{parts.percent(level)} interval"
    ]
    if any(c["what"] == HERE for c in curves):
        lines.append("Lines: what a group of typical size is drawn to")
    lines += parts.sampled(len(order), s.n_groups, "their own values")
    what = f"Estimates of {parts.outcome_name(s)} against the groups' own values"
    chart = chart.properties(width=parts.WIDTH, height=380)
    return parts.finished(chart, title or what, lines, dark)


def _curves(post: OneFactor) -> list[dict[str, Any]]:
    """One dict a place of each curve: raw, estimate, what."""
    raw = post.statistics.raw[np.isfinite(post.statistics.raw)]
    x = np.linspace(raw.min(), raw.max(), CURVE_POINTS)
    curves = {NO: x}
    here = post.estimates_at(x)
    if here is not None:
        normal = post.with_normal_population()
        other = None if normal is post else normal.estimates_at(x)
        curves |= ({} if other is None else {NORMAL: other}) | {HERE: here}
    return [
        {"raw": a, "estimate": b, "what": what}
        for what, y in curves.items()
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]


def _layers(
    alt: Any,
    post: OneFactor,
    rows: list[dict[str, Any]],
    curves: list[dict[str, Any]],
    colours: Look,
) -> list[Any]:
    s = post.statistics
    kinds = [k for k in (HERE, NORMAL, NO) if any(c["what"] == k for c in curves)]
    of_kind = {HERE: colours.pooled, NORMAL: colours.mean, NO: colours.line}
    dash_of = {HERE: [1, 0], NORMAL: [6, 4], NO: [2, 3]}
    colour = alt.Scale(domain=kinds, range=[of_kind[k] for k in kinds])
    dashes = alt.Scale(domain=kinds, range=[dash_of[k] for k in kinds])
    name, small = parts.outcome_name(s), parts.is_small(s.raw)
    x = parts.outcome_axis(alt, "raw:Q", f"own value ({name})", small)
    y = parts.outcome_axis(alt, "estimate:Q", f"estimate ({name})", small, "y")
    lines = alt.Chart(alt.Data(values=curves)).mark_line(strokeWidth=1.8)
    lines = lines.encode(
        x=x,
        y=y,
        color=alt.Color("what:N", scale=colour),
        strokeDash=alt.StrokeDash("what:N", scale=dashes),
    )
    base = alt.Chart(alt.Data(values=rows))
    few = len(rows) <= 100
    ends = base.mark_rule(color=colours.pooled, opacity=0.45 if few else 0.15, strokeWidth=1.2)
    ends = ends.encode(x=x, y=parts.outcome_axis(alt, "lower:Q", f"estimate ({name})", small, "y"),
                       y2="upper:Q")  # fmt: skip
    dots = base.mark_point(
        color=colours.pooled, filled=True, size=70 if few else 22, opacity=1, stroke=colours.paper,
        strokeWidth=0.8 if few else 0,
    ).encode(x=x, y=y, tooltip=parts.tooltip(alt, s.factor, parts.counted(s)))  # fmt: skip
    return [lines, ends, dots]
