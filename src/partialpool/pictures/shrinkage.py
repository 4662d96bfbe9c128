"""From each group's own estimate to its partially pooled one."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool.data import Table
from partialpool.pictures.style import MEAN, POOLED, RAW, altair, styled
from partialpool.posterior import Posterior

MOST_GROUPS = 60
"""With more groups a sample, evenly spread over the raw estimates, is drawn."""


def shrinkage(post: Posterior, *, level: float = 0.95, title: str | None = None) -> Any:
    """Draw raw and partially pooled estimates with intervals, and the population mean.

    Parameters
    ----------
    post : Posterior
        What to draw.
    level : float
        Probability of the intervals.
    title : str, optional
        In place of the standard title.

    Returns
    -------
    altair.Chart
        Groups by raw estimate from high to low: open circle raw (area by rows, where groups
        differ in rows), filled diamond partially pooled with its interval, an arrow between,
        a dashed line at the population mean.
    """
    alt = altair()
    table = _table(post, level)
    rows = [_with_arrow(r) for r in table.rows()]
    names = {"factor": post.statistics.factor, "outcome": post.statistics.outcome}
    y = alt.Y(
        "group:N",
        sort=[r["group"] for r in rows],
        title=names["factor"],
        axis=alt.Axis(ticks=False, domain=False, labelPadding=8),
    )
    base = alt.Chart(alt.Data(values=rows)).encode(y=y)
    x = alt.X("estimate:Q", title=names["outcome"], scale=alt.Scale(zero=False, nice=True))
    colour = alt.Color(
        "what:N",
        scale=alt.Scale(domain=["own estimate", "partially pooled"], range=[RAW, POOLED]),
    )
    shape = alt.Shape(
        "what:N",
        scale=alt.Scale(domain=["own estimate", "partially pooled"], range=["circle", "diamond"]),
    )
    interval = base.mark_rule(color=POOLED, opacity=0.35, strokeWidth=5).encode(
        x=alt.X("lower:Q", title=names["outcome"]), x2="upper:Q"
    )
    arrow = base.mark_rule(color="#555", strokeWidth=1.2).encode(x="raw:Q", x2="estimate:Q")
    heads = [
        base.transform_filter(f"datum.direction == '{way}'")
        .mark_point(color="#555", filled=True, size=45, opacity=1, shape=f"triangle-{way}")
        .encode(x="head:Q")
        for way in ("left", "right")
    ]
    unequal = len(set(post.statistics.n.tolist())) > 1
    area = (
        alt.Size("n:Q", legend=None, scale=alt.Scale(range=[40, 260])) if unequal else alt.value(90)
    )
    raw = base.transform_calculate(what="'own estimate'").mark_point(
        strokeWidth=2, fill="white", opacity=1
    ).encode(x="raw:Q", color=colour, shape=shape, size=area)  # fmt: skip
    pooled = base.transform_calculate(what="'partially pooled'").mark_point(
        filled=True, size=110, opacity=1
    ).encode(x=x, color=colour, shape=shape)  # fmt: skip
    mean = (
        alt.Chart(alt.Data(values=[{"mu": float(post.mu.median)}]))
        .mark_rule(color=MEAN, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x="mu:Q")
    )
    chart = alt.layer(mean, interval, arrow, *heads, raw, pooled).properties(
        width=560, height=alt.Step(26), title=_title(post, level, title, len(rows))
    )
    return styled(chart)


def _table(post: Posterior, level: float) -> Table:
    s = post.statistics
    order = np.argsort(-s.raw, kind="stable")
    if len(order) > MOST_GROUPS:
        order = order[np.linspace(0, len(order) - 1, MOST_GROUPS).astype(np.int64)]
    lower, upper = post.theta.interval(level)
    labels = np.array([str(v) for v in s.labels[order].tolist()], dtype=object)
    return Table(
        group=labels,
        n=s.n[order],
        raw=s.raw[order],
        estimate=post.theta.mean[order],
        lower=lower[order],
        upper=upper[order],
    )


def _with_arrow(row: dict[str, Any]) -> dict[str, Any]:
    """Where the arrow's head stands and which way it points."""
    gap = row["estimate"] - row["raw"]
    row["head"] = row["raw"] + 0.55 * gap
    row["direction"] = "right" if gap > 0 else "left"
    return row


def _title(post: Posterior, level: float, title: str | None, shown: int) -> dict[str, Any]:
    s = post.statistics
    low, high = post.shrinkage.mean.min(), post.shrinkage.mean.max()
    share = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
    lines = [
        f"Each {s.factor} is drawn {share} of the way to the population mean (dashed); "
        f"bars are {level:.0%} intervals",
    ]
    if shown < s.n_groups:
        lines.append(f"{shown} of {s.n_groups:,} groups, evenly spread over their own estimates")
    return {"text": title or f"Partial pooling of {s.outcome} by {s.factor}", "subtitle": lines}
