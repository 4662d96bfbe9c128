"""Every check beside what the model expects, and every group beside what the others predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from partialpool._table import Table
from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.words import formatting
from partialpool.words.checks import LEVEL, Check

FARTHEST = 3.0
"""Observed values are drawn up to so many half-widths of the 95% interval from the median."""
MOST_GROUPS = 1000
"""Of more groups so many are drawn, evenly spread in their order."""


def check(checks: Check[Any], *, title: str | None = None, dark: bool = False) -> Any:
    """Draw each check's statistic within its 95% interval, and the groups' z in their order.

    Parameters
    ----------
    checks : Check
        As of ``fit.check()``, or ``fit.check(data)``.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.VConcatChart
        Above, one row a check: the observed value (mark) where the interval that holds 95% if the
        model is right reaches from -1 to 1; triangles are of p-values of at most .01. Below,
        the z of the groups, each held against the others, against normal quantiles, with the band
        in which each lies with probability 95% (units of standard deviations).
    """
    alt, colours = altair(), look(dark)
    panels = [p for p in (_statistics(alt, checks, colours), _groups(alt, checks, colours)) if p]
    chart = alt.vconcat(*panels, spacing=34) if panels else alt.Chart(alt.Data(values=[]))
    if not panels:
        chart = chart.mark_point()
    wrong = sum(f.compared.p <= LEVEL for f in checks.findings)
    lines = [
        f"{wrong} of {len(checks.findings)} statistics speak against the model "
        f"(triangles: p <= {LEVEL})",
        "Grey: where 95% lie if the model holds",
    ]
    return parts.finished(chart, title or "Do the data look as the model expects?", lines, dark)


def _statistics(alt: Any, checks: Check[Any], colours: Look) -> Any:
    """The statistics of all checks, each in half-widths of its interval."""
    rows = []
    for finding, cells in zip(checks.findings, checks.cells()[1], strict=True):
        of = finding.compared
        half = of.upper - of.expected if of.observed >= of.expected else of.expected - of.lower
        place = (of.observed - of.expected) / half if half > 0 else 0.0
        of_what = finding.of.removeprefix("groups of ").removeprefix("rows by ")
        name = finding.check if finding.of == "rows" else f"{finding.check}: {of_what}"
        rows.append({
            "name": formatting.printable(name), "at": float(np.clip(place, -FARTHEST, FARTHEST)),
            "observed": cells[2], "interval": cells[4], "p": cells[5],
            "wrong": "speaks against" if of.p <= LEVEL else "holds", "low": -1.0, "high": 1.0,
        })  # fmt: skip
    if not rows:
        return None
    x = alt.X(
        "low:Q",
        title=f"half-widths of the interval from what is expected ({FARTHEST:g}: or more)",
        scale=alt.Scale(domain=[-FARTHEST, FARTHEST], nice=False, padding=8),
        axis=alt.Axis(values=[-3, -2, -1, 0, 1, 2, 3], format="d"),
    )
    y = alt.Y(
        "name:N", title=None, sort=None,
        axis=alt.Axis(labelLimit=330, ticks=False, domain=False),
    )  # fmt: skip
    tips = [alt.Tooltip(f"{k}:N") for k in ("name", "observed", "interval", "p")]
    base = alt.Chart(alt.Data(values=rows)).encode(y=y, tooltip=tips)
    shape = alt.Shape(
        "wrong:N", legend=None,
        scale=alt.Scale(domain=["holds", "speaks against"], range=["circle", "triangle-up"]),
    )  # fmt: skip
    colour = alt.Color(
        "wrong:N", legend=None,
        scale=alt.Scale(domain=["holds", "speaks against"], range=[colours.pooled, colours.raw]),
    )  # fmt: skip
    bars = base.mark_rule(color=colours.line, strokeWidth=7, opacity=0.35)
    marks = base.mark_point(filled=True, size=85, opacity=1)
    layered = alt.layer(
        bars.encode(x=x, x2="high:Q"), marks.encode(x="at:Q", shape=shape, color=colour)
    )
    return layered.properties(width=330, height=alt.Step(22))


def _groups(alt: Any, checks: Check[Any], colours: Look) -> Any:
    """The z of every group against normal quantiles, one panel an effect."""
    table = checks.group_table()
    kinds = dict.fromkeys(zip(table["factor"].tolist(), table["term"].tolist(), strict=True))
    panels = [_ordered(alt, table, *kind, colours) for kind in kinds]
    shown = [p for p in panels if p is not None]
    rows = [alt.hconcat(*shown[i : i + 2], spacing=24) for i in range(0, len(shown), 2)]
    return alt.vconcat(*rows) if rows else None


def _ordered(alt: Any, table: Table, factor: str, term: str, colours: Look) -> Any:
    mine = (table["factor"] == factor) & (table["term"] == term) & np.isfinite(table["z"])
    z = special.ndtri(np.clip(table["pit"][mine], 1e-12, 1.0 - 1e-12))
    far, labels = table["outlying"][mine], table["group"][mine]
    size = len(z)
    if size < 2:
        return None
    order = np.argsort(z, kind="stable")
    rank = np.arange(1, size + 1)
    some = np.unique(np.linspace(0, size - 1, min(size, MOST_GROUPS)).astype(np.intp))
    low, high = (
        special.ndtri(special.betaincinv(rank, size + 1 - rank, p)) for p in (0.025, 0.975)
    )
    x = special.ndtri((rank - 0.375) / (size + 0.25))
    names = [formatting.printable(labels[i]) for i in order[some].tolist()]
    columns = z[order], x, low, high, far[order]
    rows = [
        {"group": name, "z": a, "x": b, "low": c, "high": d, "far": e}
        for name, (a, b, c, d, e) in zip(
            names, zip(*(v[some].tolist() for v in columns), strict=True), strict=True
        )
    ]
    what = factor if term == "Intercept" else f"{term} by {factor}"
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("x:Q", title="normal quantile", axis=alt.Axis(tickCount=5))
    )
    y = alt.Y(
        "low:Q", title=f"z of {formatting.printable(what)}", axis=alt.Axis(tickCount=5),
        scale=alt.Scale(zero=False),
    )  # fmt: skip
    tips = [alt.Tooltip("group:N"), alt.Tooltip("z:Q", format=".2f")]
    marks = base.mark_point(filled=True, size=40, opacity=0.9).encode(
        y="z:Q",
        tooltip=tips,
        color=alt.condition("datum.far", alt.value(colours.raw), alt.value(colours.pooled)),
        shape=alt.condition("datum.far", alt.value("triangle-up"), alt.value("circle")),
    )
    layers = [
        base.mark_area(color=colours.line, opacity=0.25).encode(y=y, y2="high:Q"),
        base.mark_line(color=colours.mean, strokeDash=[5, 4], strokeWidth=1.2).encode(y="x:Q"),
        marks,
    ]
    if far.any():
        named = base.transform_filter("datum.far").mark_text(align="right", dx=-8)
        layers.append(named.encode(y="z:Q", text="group:N"))
    return alt.layer(*layers).properties(width=270, height=210)
