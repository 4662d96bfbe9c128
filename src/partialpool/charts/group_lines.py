"""Each group's line by no, complete and partial pooling: small multiples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.charts.terms import Effect, natural_values, outcome_title, with_slope
from partialpool.classical.pooled_regression import pooled_regression
from partialpool.posterior import MixedPosterior
from partialpool.posterior.engine import Scale, checked_scale
from partialpool.records.population import population_weights
from partialpool.words import formatting

MOST_GROUPS = 24
"""Of more groups so many, evenly spread over their slopes, have a panel: four rows of them."""
COLUMNS = 6
"""Panels in a row, each wide enough for three ticks."""
CURVE_POINTS = 21
"""Points of a curve; a line has two."""
KINDS = ("no pooling", "complete pooling", "partial pooling")


@parts.of_posterior
def group_lines(
    post: MixedPosterior,
    factor: str | None = None,
    slope: str | None = None,
    *,
    scale: Scale = "response",
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw the lines of each group: its own, that of all rows, and the partially pooled one.

    Parameters
    ----------
    post : MixedPosterior
        What to draw.
    factor, slope : str, optional
        Grouping factor and slope; the first term with both an intercept and a slope.
    scale : {"response", "link"}
        Of counts: probabilities or rates, on which lines are curves, or log-odds or log rates. Of
        measurements both are the same.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        One panel a group, at most 24, in the order of the pooled slopes; lines over the middle
        95% of the predictor (its mean and two sds), other predictors of rows at zero; where there
        are none, a circle at the group's mean.
    """
    alt, colours = altair(), look(dark)
    first, second = with_slope(post, factor, slope)
    order = parts.spread_evenly(second.estimate, MOST_GROUPS)
    x, natural = _range(second), natural_values(post, checked_scale(scale))
    means = _means(post, second, scale)
    points = x if natural is None else np.linspace(x[0], x[1], CURVE_POINTS)
    lines = _lines(post, first, second, order, points, natural)
    axis = alt.Scale(zero=False, nice=True)
    ticks = {"values": [0, 1]} if x.tolist() == [0.0, 1.0] else {"tickCount": 4}
    named = formatting.printable(second.name), outcome_title(post, scale)
    panels = []
    for i, name in enumerate(parts.distinct(first.block.labels[order].tolist())):
        lowest, leftmost = i + COLUMNS >= len(order), i % COLUMNS == 0
        x_title, y_title = named[0] if lowest else None, named[1] if leftmost else None
        axes = {
            "x": alt.X("x:Q", title=x_title, scale=axis, axis=alt.Axis(**ticks)),
            "y": alt.Y("y:Q", title=y_title, scale=axis, axis=alt.Axis(tickCount=5)),
        }
        panels.append(_panel(alt, name, lines[i], means[order[i]], axes, colours))
    chart = alt.concat(*panels, columns=COLUMNS, spacing=12).resolve_scale(
        x="shared", y="shared", color="shared", strokeDash="shared"
    )
    caption = [_caption(means)]
    caption += parts.sampled(len(order), len(first.estimate), "the range of slopes")
    names, what = map(formatting.printable, (first.block.factor, post.statistics.outcome))
    return parts.finished(chart, title or f"{what} by {named[0]} in each {names}", caption, dark)


def _caption(means: Floats) -> str:
    if np.isfinite(means[:, 1]).any():
        return "Circles: the groups' means"
    return "Predictors of rows that are not drawn, if there are any, are at zero"


def _range(slope: Effect) -> Floats:
    """Ends of the predictor's middle 95%; of one that is 0 or 1, these."""
    block, k = slope.block, slope.place
    total = float(block.weight.sum())
    mean = float(block.ztz[:, 0, k].sum()) / total
    variance = max(float(block.ztz[:, k, k].sum()) / total - mean**2, 0.0)
    mean += float(block.shift[k])
    if 0.0 < mean < 1.0 and abs(variance - mean * (1.0 - mean)) < 1e-9:
        return np.array([0.0, 1.0])  # only a predictor of zeros and ones varies so much about it
    return np.asarray(mean + np.array([-2.0, 2.0]) * np.sqrt(variance))


def _means(post: MixedPosterior, slope: Effect, scale: Scale) -> Floats:
    """Mean of predictor and outcome in each group, (L, 2); nan beside other predictors of rows.

    Of counts the share of events, or the rate; none on the link scale, on which a group without
    an event has none.
    """
    s = post.statistics
    x, y = s.slope_means(slope.term, slope.place)
    varying = [n for n, c in zip(s.coefficients, slope.block.constant, strict=True) if not c]
    if varying not in ([], [slope.name]) or (post.counts and scale == "link"):
        y = np.full(len(x), np.nan)
    return np.stack([x, y], axis=1)


def _lines(
    post: MixedPosterior,
    first: Effect,
    second: Effect,
    order: Ints,
    x: Floats,
    natural: Callable[[Floats], Floats] | None,
) -> list[list[dict[str, Any]]]:
    """Points of the three lines of each group."""
    s = post.statistics
    weights = population_weights(s, first.term)
    pooled = weights @ pooled_regression(s, None).estimate
    level, slope = pooled[:, first.place], pooled[:, second.place]
    lines = []
    for i in order.tolist():
        pairs = (
            (first.raw[i], second.raw[i]),
            (level[i], slope[i]),
            (first.estimate[i], second.estimate[i]),
        )
        drawn = []
        for kind, (a, b) in zip(KINDS, pairs, strict=True):
            if np.isfinite([a, b]).all():
                y = a + b * x if natural is None else natural(a + b * x)
                points = zip(x.tolist(), y.tolist(), strict=True)
                drawn += [{"kind": kind, "x": u, "y": v} for u, v in points]
        lines.append(drawn)
    return lines


def _panel(
    alt: Any,
    name: str,
    lines: list[dict[str, Any]],
    mean: Floats,
    axes: dict[str, Any],
    colours: Look,
) -> Any:
    strokes = [colours.raw, colours.mean, colours.pooled]
    chart = (
        alt.Chart(alt.Data(values=lines), title=alt.TitleParams(name, fontSize=12, anchor="middle"))
        .mark_line(strokeWidth=2)
        .encode(
            **axes,
            color=alt.Color("kind:N", scale=alt.Scale(domain=list(KINDS), range=strokes)),
            strokeDash=alt.StrokeDash(
                "kind:N", scale=alt.Scale(domain=list(KINDS), range=[[2, 2], [6, 4], [1, 0]])
            ),
        )
    )
    if np.isfinite(mean).all():
        values = [{"x": float(mean[0]), "y": float(mean[1])}]
        circle = alt.Chart(alt.Data(values=values)).mark_point(
            color=colours.raw, strokeWidth=1.5, size=40, opacity=1
        )
        chart = alt.layer(chart, circle.encode(x="x:Q", y="y:Q"))
    return chart.properties(width=118, height=104)
