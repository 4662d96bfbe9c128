"""The groups in the order of their ranks, with how sure each rank is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partialpool._table import Table
from partialpool.charts import parts
from partialpool.charts.style import altair, look, styled
from partialpool.errors import ArgumentError
from partialpool.posterior import MixedPosterior, OneFactor
from partialpool.posterior.engine import Term
from partialpool.words import formatting

MOST_GROUPS = 60
"""Of more groups those that rank first and last are drawn."""


@parts.of_posterior
def ranks(
    post: OneFactor | MixedPosterior,
    factor: str | None = None,
    term: str | None = None,
    *,
    top: int = 1,
    level: float = 0.95,
    descending: bool = True,
    groups: Sequence[object] | None = None,
    title: str | None = None,
    dark: bool = False,
) -> Any:
    """Draw the expected rank of every group with its interval.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior or MixedPosterior
        What to draw.
    factor, term : str, optional
        With predictors, slopes or several factors: whose groups, and by which effect.
    top : int
        Filled marks are of groups that are among the first so many more likely than not.
    level : float
        Probability of the rank intervals.
    descending : bool
        Whether rank 1 is the highest.
    groups : sequence, optional
        Labels of the groups to draw, in their order; all if not given, and of more than 60 the
        30 that rank first and the 30 that rank last.
    title : str, optional
        In place of the standard title.
    dark : bool
        Colours for dark surroundings.

    Returns
    -------
    altair.Chart
        One row a group: expected rank (circle) and interval of the rank.
    """
    chosen = _term(post, factor, term)
    table = post.ranks_of(chosen, top=top, level=level, descending=descending)
    return of_table(table, chosen.factor, chosen.name, top, level, groups, title, dark=dark)


def of_table(
    table: Table,
    factor: str,
    term: str,
    top: int,
    level: float,
    groups: Sequence[object] | None = None,
    title: str | None = None,
    *,
    dark: bool = False,
) -> Any:
    """The chart of a table of ranks that is at hand; see `ranks`."""
    alt, colours = altair(), look(dark)
    order, some = parts.shown_groups(-table["expected_rank"], table["group"], MOST_GROUPS, groups)
    names = parts.distinct(table["group"][order].tolist())
    columns = {"group": names} | {
        k: table[k][order].tolist() for k in ("expected_rank", "lower", "upper", "best", "top")
    }
    rows = [dict(zip(columns, v, strict=True)) for v in zip(*columns.values(), strict=True)]
    last = len(table["group"])
    every = max(1, round(last / 8))
    ticks = [1, *range(max(every, 2), last + 1, every)]
    axis = alt.Axis(values=ticks, format=",d")
    x = alt.X(
        "lower:Q",
        title=f"rank among {last:,} groups (1 = first)",
        scale=alt.Scale(domain=[1, last], nice=False, zero=False, padding=10),
        axis=axis,
    )
    tips = [
        alt.Tooltip("group:N", title=formatting.printable(factor)),
        alt.Tooltip("expected_rank:Q", title="expected rank", format=".2f"),
        alt.Tooltip("lower:Q", title="interval from"),
        alt.Tooltip("upper:Q", title="to"),
        alt.Tooltip("best:Q", title="P(first)", format=".3f"),
        alt.Tooltip("top:Q", title=f"P(among the first {top})", format=".3f"),
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=parts.group_axis(alt, names, factor), tooltip=tips
    )
    chart = alt.layer(
        base.mark_rule(color=colours.pooled, strokeWidth=2).encode(x=x, x2="upper:Q"),
        base.transform_filter("datum.top <= 0.5")
        .mark_point(filled=True, size=70, opacity=1, color=colours.paper, stroke=colours.pooled,
                    strokeWidth=1.6)
        .encode(x="expected_rank:Q"),
        base.transform_filter("datum.top > 0.5")
        .mark_point(filled=True, size=80, opacity=1, color=colours.pooled)
        .encode(x="expected_rank:Q"),
    ).properties(width=parts.WIDTH, height=parts.row_height(alt, len(rows)))  # fmt: skip
    lines = [*some, f"Expected ranks with {parts.percent(level)} intervals"]
    if (table["top"][order] > 0.5).any():
        first = "first" if top == 1 else f"among the first {top}"
        lines.append(f"Filled: {first} more likely than not")
    of = "" if term == "Intercept" else f" by the slope of {formatting.printable(term)}"
    words = parts.head(title or f"Ranks of {formatting.printable(factor)}{of}", lines)
    return styled(parts.described(chart, words), dark)


def _term(post: OneFactor | MixedPosterior, factor: str | None, name: str | None) -> Term:
    """The effect by factor and name: the first of the formula where they are not given."""
    for term in post.terms:
        if factor in (None, term.factor) and name in (None, term.name):
            return term
    known = ", ".join(f"{term.name} by {term.factor}" for term in post.terms)
    raise ArgumentError(f'no "{name or "Intercept"}" varies by "{factor}"; what varies is {known}')
