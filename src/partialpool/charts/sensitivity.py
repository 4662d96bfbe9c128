"""The answers under other priors, and under powers of prior and likelihood."""

from __future__ import annotations

import math
from typing import Any

from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.posterior import MixedPosterior, OneFactor
from partialpool.words import formatting
from partialpool.words.sensitivity import MUCH, Sensitivity
from partialpool.words.sensitivity import sensitivity as sensitivity_of

MOST_PARAMETERS, PANELS = 3, 5
"""Panels of parameters, those that move most in the order of the table, and in all; the others are
of the groups that move most. Five and the settings' names fit a page."""
PANEL_WIDTH = 150
"""px of a panel, with three ticks."""
SHORTENED_FROM = 1e4
"""Larger numbers at the axis are written with k, M, ...; smaller ones would be with m."""


@parts.of_posterior
def sensitivity(
    post: OneFactor | MixedPosterior, *, title: str | None = None, dark: bool = False
) -> Any:
    """Draw parameters and groups under each prior of the menu and under each power.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior or MixedPosterior
        What to draw.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        A panel a quantity, five in all: up to three parameters and the groups that move most (units
        of y; parameters of counts on the link scale); rows are settings, the fit at the top; points
        at means (medians where these do not exist) with 95% intervals, dashed line at the fit's;
        diamonds where the shift is above half a posterior sd of the fit.
    """
    return of_result(sensitivity_of(post, ""), title, dark=dark)


def of_result(result: Sensitivity, title: str | None = None, *, dark: bool = False) -> Any:
    """Draw what `Fit.sensitivity` returned; see `sensitivity`."""
    alt, colours = altair(), look(dark)
    panels = _panels(result)
    names = list(dict.fromkeys(row["setting"] for row in panels[0][1]))
    drawn = [
        _panel(alt, name, rows, names, colours, first=i == 0)
        for i, (name, rows) in enumerate(panels)
    ]
    chart = alt.hconcat(*drawn, spacing=14)
    lines = [
        "Means with 95% intervals under each prior of tau and each power; dashed: the fit",
        f"Diamonds: moved by more than {MUCH:g} posterior sds of the fit",
    ]
    return parts.finished(chart, title or "What the answers owe to the prior", lines, dark)


def _panels(result: Sensitivity) -> list[tuple[str, list[dict[str, Any]]]]:
    """Name and rows of each panel."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for row in result.table.rows():
        by_name.setdefault(formatting.printable(row["name"]), []).append(_row(row))
    moved = {name: max(abs(r["shift"] or 0.0) for r in rows) for name, rows in by_name.items()}
    most = sorted(by_name, key=lambda name: -moved[name])[:MOST_PARAMETERS]
    panels = [(name, rows) for name, rows in by_name.items() if name in most]
    of_groups: dict[str, list[dict[str, Any]]] = {}
    for row in result.groups.rows():
        term = f", {row['term']}" if "term" in row else ""
        of_groups.setdefault(f"{formatting.printable(row['group'])}{term}", []).append(_row(row))
    return [*panels, *list(of_groups.items())[: PANELS - len(panels)]]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """One mark; numbers that do not exist are left out."""
    middle = row["mean"] if math.isfinite(row["mean"]) else row.get("median", math.nan)
    numbers = {"estimate": middle, **{k: row[k] for k in ("lower", "upper", "shift")}}
    what = "moves" if row["moves"] else "fit" if row["kind"] == "fit" else "stays"
    known = {k: v if math.isfinite(v) else None for k, v in numbers.items()}
    return {"setting": formatting.printable(row["setting"]), "what": what, **known}


def _panel(
    alt: Any, name: str, rows: list[dict[str, Any]], names: list[str], colours: Look, *, first: bool
) -> Any:
    axis = None
    if first:
        axis = alt.Axis(ticks=False, domain=False, labelPadding=8, labelLimit=320, title=None)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("setting:N", scale=alt.Scale(domain=names), axis=axis),
        tooltip=[
            "setting:N",
            *(alt.Tooltip(f"{k}:Q", format=",.4~g") for k in ("estimate", "lower", "upper")),
            alt.Tooltip("shift:Q", format="+.2f"),
        ],
    )
    large = max(abs(row["estimate"] or 0.0) for row in rows) >= SHORTENED_FROM
    ticks = alt.Axis(tickCount=4, format="~s" if large else "~g")
    x = alt.X("lower:Q", title=name, scale=alt.Scale(zero=False), axis=ticks)
    kinds = ["fit", "stays", "moves"]
    shape = alt.Shape(
        "what:N",
        legend=None,
        scale=alt.Scale(domain=kinds, range=["circle", "circle", "diamond"]),
    )
    fill = alt.Fill(
        "what:N",
        legend=None,
        scale=alt.Scale(domain=kinds, range=[colours.pooled, colours.pooled, colours.raw]),
    )
    line = parts.mean_line(alt, alt.Data(values=_fit_line(rows)), colours)
    return alt.layer(
        line,
        base.mark_rule(color=colours.pooled, strokeWidth=2).encode(x=x, x2="upper:Q"),
        base.mark_point(size=80, opacity=1, strokeWidth=0).encode(
            x="estimate:Q", shape=shape, fill=fill
        ),
    ).properties(width=PANEL_WIDTH, height=alt.Step(24))


def _fit_line(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where the fit lies; nothing where its mean does not exist."""
    value = rows[0]["estimate"]
    return [] if value is None else [{"mu": value, "what": "the fit"}]
