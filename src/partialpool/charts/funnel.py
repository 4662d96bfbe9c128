"""Funnel plots: effects against their standard errors, and groups against their size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.charts import parts
from partialpool.charts.places import log_ticks
from partialpool.charts.style import Look, altair, look
from partialpool.classical.control_limits import Outcome, control_limits, tail_probability
from partialpool.errors import ArgumentError
from partialpool.posterior import MixedPosterior, OneFactor
from partialpool.records import CountStatistics, GroupStatistics
from partialpool.words import formatting
from partialpool.words.meta_analysis import Studies, studies_of
from partialpool.words.ratios import TableScale, is_exp

CONTOURS = (0.1, 0.05, 0.01)
"""Two-sided p-values at which significance is drawn (Peters et al. 2008)."""
LIMITS = (0.95, 0.998)
"""Probabilities of the control limits: two and three standard deviations (Spiegelhalter 2005)."""
BANDS = ["p .05 to .1", "p .01 to .05"]
CURVE_POINTS = 200
"""Sizes at which control limits are computed, one in three pixels of the width."""
MOST_NAMED = 12
"""Of groups beyond the outer limits so many are named: more names would cover each other."""
MOST_GROUPS = 2000
"""Of more groups so many are drawn, as many points as a browser draws without a pause."""
HEIGHT = 380
"""px: two thirds of the width, so that the sides of the funnel slope as in printed ones."""
WIDE_RANGE = 20
"""Sizes that span more than this factor are drawn on a logarithmic axis."""


@parts.of_posterior
def funnel(
    post: OneFactor | MixedPosterior,
    *,
    scale: TableScale = "response",
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw a funnel plot: of estimates by their standard errors, of other groups by their size.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior or MixedPosterior
        Estimates with known standard errors (and predictors of the groups); or one factor without
        predictors: a league table.
    scale : {"response", "exp"}
        Of estimates: as they are, or exp of them on a logarithmic axis.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Estimates against standard errors, the most precise on top: dashed the pooled estimate,
        shaded where an estimate differs from no effect with p between .1, .05 and .01; with
        predictors what these leave unexplained. Of a league table: groups' own values against
        rows, trials or exposure, with the value of all together and the limits between which 95%
        and 99.8% of groups lie if they differ by chance alone.

    Raises
    ------
    ArgumentError
        If the model has other terms or predictors.

    Notes
    -----
    Source: Peters et al. (2008), doi:10.1016/j.jclinepi.2007.11.010; Spiegelhalter (2005),
    doi:10.1002/sim.1970.
    """
    alt, colours = altair(), look(dark)
    studies = studies_of(post.statistics)
    if studies is not None:
        return _of_studies(alt, post, studies, is_exp(scale), title, colours, dark)
    if isinstance(post, MixedPosterior):
        raise ArgumentError(
            "a funnel is drawn of estimates with known standard errors, of one factor with "
            "predictors of its groups or none, or of the groups of one factor without predictors; "
            "this model is another"
        )
    if is_exp(scale):
        raise ArgumentError(
            "the funnel of groups by size is in units of the outcome: leave scale out"
        )
    return _of_groups(alt, post, title, colours, dark)


# estimates by standard error ----------------------------------------------------------------------


def _of_studies(
    alt: Any, post: OneFactor | MixedPosterior, studies: Studies, exp: bool, title: str | None,
    colours: Look, dark: bool,
) -> Any:  # fmt: skip
    outcome = formatting.printable(post.statistics.outcome)
    labels, fitted, middle, name = post.terms[0].labels, np.zeros(len(studies.y)), 0.0, outcome
    if not post.statistics.one_factor:
        fitted, name = post.predicted_groups(post.terms[0]), f"{outcome}, less what predictors say"
        dashed, apart = "fit of the predictors", "that"
    else:
        middle = post.population_value(post.terms[0])
        dashed, apart = "pooled estimate", "no effect"
    values = studies.y - fitted
    axis = _effect_axis(alt, values, middle, name, exp)
    to_axis = math.exp if exp else float
    rows = [
        {"group": g, "effect": to_axis(v), "se": e}
        for g, v, e in zip(
            parts.distinct(labels.tolist()), values.tolist(), studies.se.tolist(), strict=True
        )
    ]
    deepest = 1.08 * float(studies.se.max())
    y = alt.Y(
        "se:Q", title=f"standard error of {outcome}",
        scale=alt.Scale(domain=[deepest, 0.0], nice=False), axis=alt.Axis(tickCount=6),
    )  # fmt: skip
    points = alt.Chart(alt.Data(values=rows)).mark_point(
        color=colours.pooled,
        filled=True,
        opacity=0.9,
        size=70,
        stroke=colours.paper,
        strokeWidth=0.8,
    )
    tips = ["group:N", *(alt.Tooltip(f"{k}:Q", format=",.4~g") for k in ("effect", "se"))]
    chart = alt.layer(
        _contours(alt, deepest, exp, axis, y, colours),
        parts.mean_line(alt, alt.Data(values=parts.middle(to_axis(middle))), colours),
        points.encode(x=axis, y=y, tooltip=tips),
    ).properties(width=parts.WIDTH, height=HEIGHT)
    lines = [
        f"Dashed: {dashed}; shaded: where an estimate alone differs from {apart} with p between "
        ".1, .05 and .01",
    ]
    head = title or f"Funnel of {outcome} by standard error"
    return parts.finished(chart, head, lines, dark)


def _effect_axis(alt: Any, values: Floats, middle: float, name: str, exp: bool) -> Any:
    low, high = (float(f([values.min(), values.max(), middle, 0.0])) for f in (min, max))
    margin = 0.08 * (high - low)
    if exp:
        return parts.ratio_axis(alt, "effect:Q", name, low - margin, high + margin)
    domain = alt.Scale(domain=[low - margin, high + margin], nice=True)
    return alt.X("effect:Q", title=name, scale=domain)


def _contours(alt: Any, deepest: float, exp: bool, x: Any, y: Any, colours: Look) -> Any:
    """Where an estimate differs from no effect, by p; edges are straight lines from the top."""
    edges = [float(special.ndtri(1 - p / 2)) for p in CONTOURS]
    to_axis = math.exp if exp else float
    rows = [
        {"band": f"{side * band}", "p": names, "se": se, "effect": to_axis(side * inner * se),
         "to": to_axis(side * outer * se)}
        for band, (inner, outer, names) in enumerate(zip(edges, edges[1:], BANDS, strict=False), 1)
        for side in (-1, 1)
        for se in (0.0, deepest)
    ]  # fmt: skip
    shade = alt.Fill(
        "p:N",
        scale=alt.Scale(domain=BANDS, range=[colours.mean, colours.line]),
        legend=alt.Legend(symbolType="square"),
    )
    depth = alt.Opacity("p:N", scale=alt.Scale(domain=BANDS, range=[0.55, 0.22]), legend=None)
    area = alt.Chart(alt.Data(values=rows)).mark_area(clip=True, orient="horizontal", line=False)
    return area.encode(x=x, x2="to:Q", y=y, detail="band:N", fill=shade, opacity=depth)


# groups by size -----------------------------------------------------------------------------------


def _of_groups(alt: Any, post: OneFactor, title: str | None, colours: Look, dark: bool) -> Any:
    s = post.statistics
    outcome, target, sigma = _as_all_others(s)
    keep = parts.known(s.raw, MOST_GROUPS)
    keep = keep[s.weight[keep] > 0]
    rows = _placed(s, keep, outcome, target, sigma)
    largest, least = max(r["size"] for r in rows), min(r["size"] for r in rows)
    grid = _grid(least, largest, whole=outcome == "proportion")
    curves = [
        {"size": n, "limits": f"{parts.percent(level)} limits", "value": v, "line": f"{level}{end}"}
        for level in LIMITS
        for end, ends in zip(
            "lu", control_limits(outcome, target=target, size=grid, level=level, sigma=sigma),
            strict=True,
        )
        for n, v in zip(grid.tolist(), ends.tolist(), strict=True)
    ]  # fmt: skip
    x = _size_axis(alt, s, grid)
    y = parts.outcome(alt, "value:Q", post, "y")
    chart = alt.layer(*_league_layers(alt, rows, curves, target, x, y, colours)).properties(
        width=parts.WIDTH, height=HEIGHT
    )
    factor = formatting.printable(s.factor)
    beyond = [sum(r["beyond"] >= k for r in rows) for k in (1, 2)]
    expected = [(1 - level) * len(rows) for level in LIMITS]
    lines = [
        f"Dashed: all together; beyond the limits of 95% and 99.8% lie {beyond[0]} and {beyond[1]} "
        f"of {len(rows):,} groups, by chance alone {expected[0]:.2g} and {expected[1]:.2g} would",
        *parts.sampled(len(rows), s.n_groups, "the range of values"),
    ]
    head = title or f"Funnel of {parts.outcome_name(s)} by {factor}"
    return parts.finished(chart, head, lines, dark)


def _as_all_others(s: GroupStatistics | CountStatistics) -> tuple[Outcome, float, float]:
    """What groups are of, the value of all together, and the sd of a row."""
    if isinstance(s, CountStatistics):
        return "proportion" if s.proportion else "rate", s.pooled_value, 1.0
    return "mean", s.pooled_value, s.sd_within


WHERE = ("within 95%", "beyond 95%", "beyond 99.8%")


def _placed(
    s: GroupStatistics | CountStatistics, keep: Ints, outcome: Outcome, target: float, sigma: float
) -> list[dict[str, Any]]:
    """One dict a group: its value, its size, and how many limits it lies beyond."""
    size, value = s.weight[keep], s.raw[keep]
    p = tail_probability(outcome, target=target, size=size, value=value, sigma=sigma)
    beyond = np.sum([p < (1 - level) / 2 for level in LIMITS], axis=0)
    columns: dict[str, list[Any]] = {
        "group": parts.distinct(s.labels[keep].tolist()),
        "size": size.tolist(),
        "value": value.tolist(),
        "beyond": beyond.tolist(),
        "where": [WHERE[k] for k in beyond.tolist()],
    }
    return [dict(zip(columns, v, strict=True)) for v in zip(*columns.values(), strict=True)]


def _grid(least: float, largest: float, *, whole: bool) -> Floats:
    """Sizes at which limits are drawn; of trials whole numbers."""
    grid = np.geomspace(
        max(0.7 * least, 1.0 if whole else 0.0) or least, 1.15 * largest, CURVE_POINTS
    )
    return np.unique(np.rint(grid)) if whole else grid


def _size_axis(alt: Any, s: Any, grid: Floats) -> Any:
    low, high = float(grid[0]), float(grid[-1])
    log = high / low > WIDE_RANGE
    name = f"{s.size_words} of each {formatting.printable(s.factor)}"
    scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False, zero=False)
    ticks = {"values": log_ticks(low, high)} if log else {"tickCount": 6}
    title = f"{name}, logarithmic axis" if log else name
    return alt.X("size:Q", title=title, scale=scale, axis=alt.Axis(format=",.6~g", **ticks))


def _league_layers(
    alt: Any, rows: list[dict[str, Any]], curves: list[dict[str, Any]], target: float,
    x: Any, y: Any, colours: Look,
) -> list[Any]:  # fmt: skip
    words = [f"{parts.percent(level)} limits" for level in LIMITS]
    dash = alt.StrokeDash("limits:N", scale=alt.Scale(domain=words, range=[[4, 3], [1, 0]]))
    limits = alt.Chart(alt.Data(values=curves)).mark_line(color=colours.line, strokeWidth=1.4)
    colour = alt.Color(
        "where:N",
        scale=alt.Scale(domain=list(WHERE), range=[colours.mean, colours.pooled, colours.raw]),
    )
    points = alt.Chart(alt.Data(values=rows)).mark_point(
        filled=True, opacity=0.9, size=64 if len(rows) <= 200 else 24
    )
    tips = ["group:N", *(alt.Tooltip(f"{k}:Q", format=",.4~g") for k in ("value", "size"))]
    layers = [
        limits.encode(x=x, y=y, detail="line:N", strokeDash=dash),
        parts.mean_line(alt, alt.Data(values=parts.middle(target)), colours, "y"),
        points.encode(x=x, y=y, color=colour, tooltip=tips),
    ]
    named = [r for r in rows if r["beyond"] == len(LIMITS)]
    if 0 < len(named) <= MOST_NAMED:
        text = alt.Chart(alt.Data(values=named)).mark_text(
            align="left", dx=7, dy=-5, color=colours.ink, fontSize=11
        )
        layers.append(text.encode(x=x, y=y, text="group:N"))
    return layers
