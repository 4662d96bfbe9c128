"""All groups in the order of their estimates."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.posterior import OneFactor
from partialpool.words import formatting

MOST_LABELLED = 60
"""With more groups the chart is compact: groups along the x axis, without names."""
MOST_DRAWN = 400
"""With more groups a sample, evenly spread over the estimates, is drawn."""


@parts.of_posterior
def caterpillar(
    post: OneFactor, *, level: float = 0.95, title: str | None = None, dark: bool = False
) -> Any:
    """Draw every group's posterior mean and interval, sorted by the posterior mean.

    Parameters
    ----------
    post : OneWayPosterior
        What to draw.
    level, title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Filled diamond partially pooled with its interval, small open circle raw, a dashed line
        at the population mean (units of y). Up to 60 groups are rows with names; more are
        drawn by rank along the x axis, at most 400 of them.
    """
    alt, colours, s = altair(), look(dark), post.statistics
    named = s.n_groups <= MOST_LABELLED
    centre = np.where(np.isfinite(s.raw), parts.centre(parts.groups_of(post)), np.nan)
    order = parts.known(centre, MOST_LABELLED if named else MOST_DRAWN)
    rows = parts.group_rows(post, order, level)
    chart = (_by_name if named else _by_rank)(alt, rows, post, colours)
    lines = [f"Posterior means with {parts.percent(level)} intervals; dashed: population mean"]
    lines += parts.sampled(len(rows), s.n_groups, "the range of ranks")
    names = formatting.printable(s.outcome), formatting.printable(s.factor)
    return parts.finished(
        chart, title or f"Estimates of {names[0]} by {names[1]}, in their order", lines, dark
    )


def _by_name(alt: Any, rows: list[dict[str, Any]], post: OneFactor, colours: Look) -> Any:
    s = post.statistics
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=parts.group_axis(alt, [r["group"] for r in rows], s.factor),
        tooltip=parts.tooltip(alt, s.factor, parts.counted(s)),
    )
    x = parts.outcome(alt, "lower:Q", post)
    layers = [
        parts.mean_line(alt, _middle(alt, post), colours),
        *parts.interval_layers(alt, base, x, colours),
    ]
    return alt.layer(*layers).properties(width=parts.WIDTH, height=parts.row_height(alt, len(rows)))


def _by_rank(alt: Any, rows: list[dict[str, Any]], post: OneFactor, colours: Look) -> Any:
    s = post.statistics
    last, between = s.n_groups, max(len(rows) - 1, 1)
    for i, row in enumerate(rows):
        row["rank"] = 1 + round(i * (last - 1) / between)
    x = alt.X(
        "rank:Q",
        title=f"rank of the estimate among {last:,} groups (1 = highest)",
        scale=alt.Scale(domain=[0.5, last + 0.5], nice=False, zero=False),
        axis=alt.Axis(tickMinStep=1, format=",d", tickCount=8, labelFlush=False),
    )
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=x, tooltip=parts.tooltip(alt, s.factor, parts.counted(s))
    )
    y = parts.outcome(alt, "lower:Q", post, "y", offset=6)
    layers = [
        *parts.interval_layers(alt, base, y, colours, across="y", compact=True),
        parts.mean_line(alt, _middle(alt, post), colours, "y"),
    ]
    return alt.layer(*layers).properties(width=680, height=360)


def _middle(alt: Any, post: OneFactor) -> Any:
    return alt.Data(values=parts.middle(post.population_value(post.terms[0])))
