"""One effect of every group of a mixed model, in the order of their estimates."""

from __future__ import annotations

from typing import Any

from partialpool.charts import parts
from partialpool.charts.style import altair, look
from partialpool.charts.terms import effect
from partialpool.posterior import MixedPosterior
from partialpool.words import formatting

MOST_LABELLED = 60


@parts.of_posterior
def effects(
    post: MixedPosterior,
    factor: str | None = None,
    name: str | None = None,
    *,
    level: float = 0.95,
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
    level, title, dark
        As of every chart; see `partialpool.charts`.

    Returns
    -------
    altair.Chart
        Filled diamond partially pooled with its interval, small open circle the group's own
        value; at most 60 groups. Intercepts include the predictors of groups, slopes the
        population's slope (units of the outcome over units of the predictor).
    """
    alt, colours = altair(), look(dark)
    chosen = effect(post, factor, name)
    order = parts.spread_evenly(chosen.estimate, MOST_LABELLED)
    rows = chosen.rows(post, order, level)
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=parts.group_axis(alt, [r["group"] for r in rows], chosen.block.factor)
    )
    largest = max(abs(r[k]) for r in rows for k in ("lower", "upper"))
    what = formatting.printable(post.outcome)
    words = what if chosen.name == "Intercept" else f"slope of {chosen.name} ({what} per unit)"
    x = alt.X(
        "lower:Q",
        title=words,
        scale=alt.Scale(zero=False, nice=True),
        axis=parts.value_axis(alt, parts.is_small(largest)),
    )
    chart = alt.layer(*parts.interval_layers(alt, base, x, colours)).properties(
        width=parts.WIDTH, height=parts.row_height(alt, len(rows))
    )
    lines = [f"Posterior means with {parts.percent(level)} intervals"]
    lines += parts.sampled(len(rows), len(chosen.estimate), "the range of ranks")
    kind = "Levels" if chosen.name == "Intercept" else f"Slopes of {chosen.name}"
    return parts.finished(
        chart, title or f"{kind} of {what} by {chosen.block.factor}, in their order", lines, dark
    )
