"""One effect of every group of a mixed model, in the order of their estimates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partialpool.charts import parts
from partialpool.charts.style import altair, look
from partialpool.charts.terms import Effect, effect, outcome_title
from partialpool.posterior import MixedPosterior
from partialpool.words import formatting

MOST_GROUPS = 60
"""Of more groups the highest and the lowest are drawn: with more rows a picture is taller than a
screen, and names are too small to read where it is made to fit."""


@parts.of_posterior
def effects(
    post: MixedPosterior,
    factor: str | None = None,
    name: str | None = None,
    *,
    level: float = 0.95,
    groups: Sequence[object] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw an effect of every group with its interval, sorted by the posterior mean.

    Parameters
    ----------
    post : MixedPosterior
        What to draw.
    factor, name : str, optional
        Grouping factor and effect, such as ``"county", "floor"``; the first of the formula.
    level : float
        Probability of the intervals.
    groups : sequence, optional
        Labels of the groups to draw, in their order; all if not given, and of more than 60 the
        30 highest and the 30 lowest.
    title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Filled diamond partially pooled with its interval, small open circle the group's own
        value. Intercepts include the predictors of groups, slopes the population's slope (units of
        the outcome over units of the predictor). Counts on the scale of their table:
        probabilities or rates, and ratios of odds or rates for slopes.
    """
    alt, colours = altair(), look(dark)
    chosen = effect(post, factor, name, "response")
    order, some = parts.shown_groups(chosen.estimate, chosen.block.labels, MOST_GROUPS, groups)
    rows = chosen.rows(order, level)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=parts.group_axis(alt, [r["group"] for r in rows], chosen.block.factor)
    )
    largest = max(abs(r[k]) for r in rows for k in ("lower", "upper"))
    what, words = _named(post, chosen)
    x = alt.X(
        "lower:Q",
        title=words,
        scale=alt.Scale(zero=False, nice=True),
        axis=parts.value_axis(alt, parts.is_small(largest)),
    )
    chart = alt.layer(*parts.interval_layers(alt, base, x, colours)).properties(
        width=parts.WIDTH, height=parts.row_height(alt, len(rows))
    )
    lines = [*some, f"Posterior means with {parts.percent(level)} intervals"]
    kind = "Levels" if chosen.name == "Intercept" else f"Slopes of {chosen.name}"
    return parts.finished(
        chart, title or f"{kind} of {what} by {chosen.block.factor}, in their order", lines, dark
    )


def _named(post: MixedPosterior, chosen: Effect) -> tuple[str, str]:
    """The outcome, and what the axis is of."""
    slope = formatting.printable(chosen.name)
    what = formatting.printable(post.statistics.outcome)
    if slope == "Intercept":
        return what, outcome_title(post, "response")
    if not post.counts:
        return what, f"slope of {slope} ({what} per unit)"
    return what, f"ratio of {'odds' if post.statistics.proportion else 'rates'} per unit of {slope}"
