"""Groups' intercepts against a predictor of the groups, with the regression line."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.charts import parts
from partialpool.charts.style import Look, altair, look
from partialpool.charts.terms import Effect, effect, outcome_title
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.posterior import MixedPosterior
from partialpool.posterior.engine import Scale, checked_scale
from partialpool.records.cross_products import Block
from partialpool.words import formatting

MOST_GROUPS = 400
"""Of more groups so many, evenly spread over their values, are drawn: more intervals hide the
line."""
CURVE_POINTS = 40
"""Points of the line and its band, which bend slowly; each is a prediction of the population."""


@parts.of_posterior
def by_predictor(
    post: MixedPosterior,
    predictor: str | None = None,
    factor: str | None = None,
    *,
    level: float = 0.95,
    scale: Scale = "response",
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw each group's intercept with its interval against a predictor that groups have.

    Parameters
    ----------
    post : MixedPosterior
        What to draw.
    predictor : str, optional
        A coefficient that is constant within every group; the first one.
    factor : str, optional
        Grouping factor; the first one whose intercept varies.
    level : float
        Probability of intervals and band.
    scale : {"response", "link"}
        Of counts: probabilities or rates, or log-odds or log rates. Of measurements both are the
        same.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Diamonds and intervals: groups, partially pooled; open circles: their own values; line
        and band: the population, other predictors of groups at their means, predictors of rows
        at zero; y in units of the outcome, of counts in those of `scale`.
    """
    alt, s = altair(), post.statistics
    checked_scale(scale)
    chosen = effect(post, factor, "Intercept", scale)
    at = _position(post, chosen, predictor)
    order = parts.spread_evenly(chosen.estimate, MOST_GROUPS)
    values = chosen.block.x_mean + s.shift  # (L, p)
    rows = chosen.rows(order, level, x=values[order, at])
    curve = _curve(post, chosen, values, at, level, scale)
    name = formatting.printable(s.coefficients[at])
    x = alt.X("x:Q", title=name, scale=alt.Scale(zero=False, nice=True))
    y = alt.Y(
        "estimate:Q",
        title=outcome_title(post, scale),
        scale=alt.Scale(zero=False, nice=True),
        axis=parts.value_axis(alt, parts.is_small([r["estimate"] for r in rows])),
    )
    chart = alt.layer(*_layers(alt, rows, curve, x, y, look(dark))).properties(
        width=parts.WIDTH, height=380
    )
    lines = [
        f"Intervals and band hold {parts.percent(level)}; the line is the population's, other "
        "predictors of groups at their means and predictors of rows at zero"
    ]
    lines += parts.sampled(len(rows), len(chosen.estimate), "the range of estimates")
    names = formatting.printable(s.outcome), formatting.printable(chosen.block.factor)
    return parts.finished(chart, title or f"{names[0]} by {names[1]} against {name}", lines, dark)


def _layers(
    alt: Any,
    rows: list[dict[str, Any]],
    curve: list[dict[str, Any]],
    x: Any,
    y: Any,
    colours: Look,
) -> list[Any]:
    shown = ("x", "raw", "estimate", "lower", "upper")
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=x, tooltip=["group:N", *(alt.Tooltip(f"{k}:Q", format=",.4~g") for k in shown)]
    )
    line = alt.Chart(alt.Data(values=curve))
    marks = parts.two_marks(alt, colours)
    small = len(rows) > 60
    return [
        line.mark_area(color=colours.mean, opacity=0.22).encode(x=x, y="lower:Q", y2="upper:Q"),
        line.mark_line(color=colours.mean, strokeWidth=1.6).encode(x=x, y="estimate:Q"),
        base.mark_rule(color=colours.pooled, strokeWidth=1.3, opacity=0.5).encode(
            y="lower:Q", y2="upper:Q"
        ),
        base.transform_calculate(what=f"'{parts.OWN}'")
        .transform_filter("isValid(datum.raw)")
        .mark_point(strokeWidth=1, size=14 if small else 30, opacity=0.8)
        .encode(y="raw:Q", **marks),
        base.transform_calculate(what=f"'{parts.POOLED}'")
        .mark_point(strokeWidth=0, size=34 if small else 80, opacity=1)
        .encode(y=y, **marks),
    ]


def has_predictor(post: MixedPosterior) -> bool:
    """Whether a predictor is constant within every group of some factor."""
    return any(_predictors(post, block) for block in post.statistics.blocks)


def _predictors(post: MixedPosterior, block: Block) -> list[str]:
    names = zip(post.statistics.coefficients, block.constant, strict=True)
    return [str(name) for name, constant in names if constant and name != "Intercept"]


def measured_predictor(post: MixedPosterior) -> str | None:
    """The first predictor of the groups of the first factor that takes more than two values."""
    s, block = post.statistics, post.statistics.blocks[0]
    if block.effects[0] != "Intercept":
        return None
    for at, name in enumerate(s.coefficients):
        if block.constant[at] and len(np.unique(block.x_mean[:, at].round(12))) > 2:
            return str(name)
    return None


def _position(post: MixedPosterior, chosen: Effect, predictor: str | None) -> int:
    names = _predictors(post, chosen.block)
    if not names:
        raise ArgumentError(
            f"no predictor is constant within every {chosen.block.factor}: this chart needs one "
            "that groups have, such as the uranium of a county"
        )
    if predictor is not None and predictor not in names:
        hint = did_you_mean(predictor, names)
        raise ArgumentError(
            f'"{predictor}" is no predictor of {chosen.block.factor}; {hint}there is '
            f"{', '.join(names)}"
        )
    return post.statistics.coefficients.index(predictor or names[0])


def _curve(
    post: MixedPosterior, chosen: Effect, values: Floats, at: int, level: float, scale: Scale
) -> list[dict[str, Any]]:
    """The population's line over the range of the predictor, with its interval."""
    grid = np.linspace(values[:, at].min(), values[:, at].max(), CURVE_POINTS)
    x = np.tile(np.where(chosen.block.constant, values.mean(axis=0), 0.0), (CURVE_POINTS, 1))
    x[:, at] = grid
    line = post.predictor_on(scale, post.linear(x))
    lower, upper = line.interval(level)
    columns = zip(grid.tolist(), line.mean.tolist(), lower.tolist(), upper.tolist(), strict=True)
    return [dict(zip(("x", "estimate", "lower", "upper"), v, strict=True)) for v in columns]
