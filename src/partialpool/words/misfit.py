"""What is said where rows of counts vary more, or are zero more often, than their model has it."""

from __future__ import annotations

from collections.abc import Iterator

from partialpool.notices import Notice
from partialpool.posterior import GeneralizedPosterior, MixedPosterior
from partialpool.posterior.count_misfit import (
    NOTABLE_RATIO,
    Excess,
    excess_zeros,
    overdispersion,
    rows_of_groups_vary,
    zeros_of_groups,
)
from partialpool.records.counts import CountStatistics
from partialpool.words.families import WIDER, family_words

MISFIT_LEVEL = 0.01
"""The same tail as that of `count_misfit.NOTABLE_SDS`."""
EFFECT_OF_ROWS = "give every row an effect of its own, + (1 | row)"


def misfit(post: MixedPosterior) -> Iterator[Notice]:
    """Yield notices of overdispersion and of excess zeros, of counts."""
    if not isinstance(post, GeneralizedPosterior):
        return
    s = post.statistics
    if any(len(b.n) >= len(s.rows.y) for b in s.blocks):
        return  # every row has an effect of its own, which takes up both
    variance = overdispersion(post)
    if variance is not None and variance.is_clear:
        yield Notice(
            "overdispersion",
            "warning",
            f"Rows vary {variance.ratio:.1f} times as much about their fitted means as "
            f"{family_words(s.family)} counts can (Pearson's chi-square over its degrees of "
            f"freedom). Intervals are then too short: {_way(s.family)}, or add the predictors "
            "that are missing.",
        )
    yield from _zeros(excess_zeros(post), s.family)


def _way(family: str) -> str:
    """How to let rows vary more."""
    if family not in WIDER:
        return EFFECT_OF_ROWS
    return f'let rows vary more by family="{WIDER[family]}", or {EFFECT_OF_ROWS}'


def misfit_of_one_factor(s: CountStatistics) -> Iterator[Notice]:
    """The same of rows of one factor, of which the sums by group are known."""
    family = "binomial" if s.proportion else "poisson"  # of rows, whatever the groups' is
    variance = rows_of_groups_vary(s)
    if variance is not None and variance.observed > NOTABLE_RATIO and variance.p < MISFIT_LEVEL:
        yield Notice(
            "rows_vary",
            "warning",
            f"Rows of the same group differ by more than {family} counts can: their variance is "
            f"{variance.observed:.1f} times as large. Intervals of the groups are then too short; "
            f'let rows vary more by family="{WIDER[family]}", or the groups be smaller (such as '
            "group and period), each with a parameter of its own.",
        )
    yield from _zeros(zeros_of_groups(s), family)


def _else(family: str) -> str:
    return f"; else {_way(family)}" if family in WIDER else "; zero inflation is not fitted here"


def _zeros(zeros: Excess | None, family: str) -> Iterator[Notice]:
    if zeros is not None and zeros.is_clear:
        yield Notice(
            "excess_zeros",
            "warning",
            f"There are {zeros.ratio:.1f} times as many zeros as {family_words(family)} counts "
            "with the fitted means have. If a row can be zero for a reason of its own, model that "
            f"first (a 0/1 outcome){_else(family)}.",
        )
