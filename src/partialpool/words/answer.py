"""The question that a fit answers, and the answer in a few sentences, for every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool.words.formatting import number, printable, scale_of

NAMED_AT_EITHER_END = 3
"""So many groups are named at either end."""
LONGEST_LIST = 60
"""Characters of a list of predictors in a question; of more it says how many there are."""


def question(statistics: Any) -> str:
    """The question in words, such as "How does score differ between groups of school?"."""
    s = statistics
    outcome = printable(s.outcome)
    if s.counts:
        outcome = f"the {'probability' if s.proportion else 'rate'} of {outcome}"
    by = _listed(map(printable, s.group_counts))
    if s.one_factor:
        return f"How does {outcome} differ by {by}?"
    names = [printable(c) for c in s.coefficients if c != "Intercept"]
    predictors = _listed([name for name in names if ":" not in name])
    if len(predictors) > LONGEST_LIST:
        predictors = f"{len(names)} predictors"
    varying = dict.fromkeys(e for b in s.blocks for e in b.effects if e != "Intercept")
    slopes = [printable(effect) for effect in varying if effect in s.coefficients]
    if slopes:
        on = _listed(slopes)
        return f"How do {outcome} and its dependence on {on} differ by {by}?"
    if not names:
        return f"How does {outcome} differ by {by}?"
    return f"How does {outcome} differ by {by}, predictors {predictors}?"


def _listed(names: Any) -> str:
    every = list(names)
    return " and ".join([", ".join(every[:-1]), every[-1]] if every[1:] else every)


def ends_of(table: Table, factor: str, level: float) -> list[str]:
    """Which groups are highest and lowest, with their intervals; one effect of one factor."""
    centre = table["estimate"]
    order = np.argsort(-centre, kind="stable")
    spread = scale_of(table.get("sd", (table["upper"] - table["lower"]) / 4))
    shown = min(NAMED_AT_EITHER_END, len(order) // 2) or len(order)

    def said(places: Sequence[int]) -> str:
        return "; ".join(
            f"{printable(table['group'][i])} {number(centre[i], spread)} "
            f"({number(table['lower'][i], spread)} to {number(table['upper'][i], spread)})"
            for i in places
        )

    return [
        f"Highest of {len(order):,} groups of {printable(factor)}, with {100 * level:g}% "
        f"intervals: {said(order[:shown].tolist())}.",
        f"Lowest: {said(order[::-1][:shown].tolist())}.",
    ]


def sure_of(table: Table, level: float) -> str:
    """How many groups lie above and below the average for sure; from `p_above` and `standing`."""
    count = {word: int((table["standing"] == word).sum()) for word in np.unique(table["standing"])}
    high, low = count.get("above", 0), count.get("below", 0)
    sure = 0.5 + 0.5 * level
    if not high and not low:
        return (
            f"Of no group is it sure (probability {100 * sure:g}% or more) on which side of the "
            "average of the population it lies."
        )
    rest = table.n_rows - high - low
    return (
        f"With probability {100 * sure:g}% or more {_groups(high)} above the average of the "
        f"population and {_groups(low)} below it; of the other {rest:,} it is not sure."
    )


def _groups(count: int) -> str:
    return f"{count:,} {'group lies' if count == 1 else 'groups lie'}"


def first_of(ranks: Table, *, by_deviation: bool) -> str:
    """Which group is most likely the first, and how sure that is."""
    best = int(np.argmax(ranks["best"]))
    again = int((ranks["lower"] == 1).sum())
    name, p = printable(ranks["group"][best]), float(ranks["best"][best])
    others = f"; {again:,} groups may" if again > 1 else ""
    by = " by its deviation, what predictors and other factors leave to it," if by_deviation else ""
    return f"{name} ranks first{by} with probability {p:.2f}{others}."
