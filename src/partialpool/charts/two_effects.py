"""Intercept by slope: where each group's own line is drawn to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.charts.terms import Effect, with_slope
from partialpool.models.mixed import sd_name
from partialpool.posterior import MixedPosterior
from partialpool.words import formatting

MOST_GROUPS = 200
"""Of more groups so many, evenly spread over their slopes, are drawn with their shift."""
ELLIPSE_SHARES = (0.5, 0.9)
"""Shares of the population of groups inside the ellipses: half, and all but one in ten."""
ELLIPSE_POINTS = 73
"""Points of an ellipse, 5 degrees apart: its sides leave the curve by 0.1% of the radius."""


@parts.of_posterior
def intercept_by_slope(
    post: MixedPosterior,
    factor: str | None = None,
    slope: str | None = None,
    *,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw each group's own intercept and slope, and an arrow to the partially pooled ones.

    Parameters
    ----------
    post : MixedPosterior
        What to draw.
    factor, slope : str, optional
        Grouping factor and slope; the first term with both an intercept and a slope.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Open circles own, filled diamonds pooled; ellipses hold 50% and 90% of the population of
        groups at the posterior medians of its sds and mean of its correlation; at most 200
        groups. Where groups have predictors, deviations from what these say.
    """
    alt, colours = altair(), look(dark)
    first, second = with_slope(post, factor, slope)
    order = parts.spread_evenly(second.estimate, MOST_GROUPS)
    origin = _origin(first, second)
    rows = _rows(first, second, origin, order)
    about = " (less that of groups with the same predictors)" if origin.any() else ""
    x = _axis(alt, alt.X, "x:Q", f"intercept{about}", rows, "x")
    y = _axis(alt, alt.Y, "y:Q", f"slope of {second.name}{about}", rows, "y")
    center = np.array([e.population.mean() for e in (first, second)]) - origin.mean(axis=1)
    layers = [*_ellipses(alt, center, _covariance(post, first, second), x, y, colours)]
    layers += _groups(alt, rows, x, y, colours)
    chart = alt.layer(*layers).properties(width=parts.WIDTH, height=420)
    lines = [
        "Ellipses hold 50% and 90% of the population of groups; groups are drawn toward them, "
        "and along them"
    ]
    lines += parts.sampled(len(order), len(first.estimate), "the range of slopes")
    names = formatting.printable(post.outcome), formatting.printable(first.block.factor)
    return parts.finished(
        chart, title or f"Lines of {names[0]} by {names[1]}: own and pooled", lines, dark
    )


def _origin(first: Effect, second: Effect) -> Floats:
    """What is taken off both effects, (2, L): the population's values where groups differ in it."""
    population = np.stack([first.population, second.population])
    differ = np.ptp(population, axis=1) > 1e-9 * np.abs(population).max(axis=1)
    return population if differ.any() else np.zeros_like(population)


def _rows(first: Effect, second: Effect, origin: Floats, order: Any) -> list[dict[str, Any]]:
    pooled = np.stack([first.estimate, second.estimate]) - origin
    own = np.stack([first.raw, second.raw]) - origin
    rows = []
    names = parts.distinct(first.block.labels[order].tolist())
    for name, i in zip(names, order.tolist(), strict=True):
        row = {"group": name, "x": float(pooled[0, i]), "y": float(pooled[1, i])}
        if np.isfinite(own[:, i]).all():
            row |= {"own_x": float(own[0, i]), "own_y": float(own[1, i])}
        rows.append(row)
    return rows


def _axis(
    alt: Any, make: Any, field: str, title: str, rows: list[dict[str, Any]], channel: str
) -> Any:
    largest = max(abs(r[channel]) for r in rows)
    return make(
        field,
        title=title,
        scale=alt.Scale(zero=False, nice=True),
        axis=parts.value_axis(alt, parts.is_small(largest)),
    )


def _covariance(post: MixedPosterior, first: Effect, second: Effect) -> Floats:
    """Covariance of the population at medians of the sds and the mean of the correlation."""
    factor = first.block.factor
    sds = [float(post.taus[sd_name(factor, e.name)].median) for e in (first, second)]
    rho = post.rhos.get(f"rho[{factor}, {first.name}, {second.name}]")
    product = 0.0 if rho is None else float(rho.mean) * sds[0] * sds[1]
    return np.array([[sds[0] ** 2, product], [product, sds[1] ** 2]])


def _ellipses(
    alt: Any, center: Floats, covariance: Floats, x: Any, y: Any, colours: Look
) -> Iterator[Any]:
    root = np.linalg.cholesky(covariance + 1e-12 * np.diag(np.diag(covariance)) + 1e-300)
    angle = np.linspace(0.0, 2.0 * np.pi, ELLIPSE_POINTS)
    for share in ELLIPSE_SHARES:
        radius = np.sqrt(-2.0 * np.log1p(-share))
        points = center[:, None] + radius * root @ np.stack([np.cos(angle), np.sin(angle)])
        values = [
            {"x": a, "y": b, "order": i} for i, (a, b) in enumerate(points.T.tolist())
        ]  # fmt: skip
        yield (
            alt.Chart(alt.Data(values=values))
            .mark_line(color=colours.mean, strokeWidth=1.3, strokeDash=[5, 4])
            .encode(x=x, y=y, order="order:Q")
        )


def _groups(alt: Any, rows: list[dict[str, Any]], x: Any, y: Any, colours: Look) -> list[Any]:
    tooltip = ["group:N", *(alt.Tooltip(f"{k}:Q", format=",.4~g") for k in ("x", "y"))]
    base = alt.Chart(alt.Data(values=rows)).encode(tooltip=tooltip)
    own = base.transform_filter("isValid(datum.own_x)")
    small = len(rows) > 60
    marks = parts.two_marks(alt, colours)
    layers = [
        own.mark_rule(color=colours.faint, strokeWidth=1, opacity=0.6).encode(
            x="own_x:Q", y="own_y:Q", x2="x:Q", y2="y:Q"
        ),
        own.transform_calculate(what=f"'{parts.OWN}'")
        .mark_point(strokeWidth=1.5, size=16 if small else 40, opacity=1)
        .encode(x="own_x:Q", y="own_y:Q", **marks),
        base.transform_calculate(what=f"'{parts.POOLED}'")
        .mark_point(strokeWidth=0, size=30 if small else 70, opacity=1)
        .encode(x=x, y=y, **marks),
    ]
    if len(rows) <= 30:
        layers.append(
            base.mark_text(dy=-10, fontSize=10.5, color=colours.faint).encode(
                x=x, y=y, text="group:N"
            )
        )
    return layers
