"""Notices of what a model of counts does not account for, as its rows show."""

from __future__ import annotations

from collections.abc import Iterator

from partialpool.notices import Notice
from partialpool.posterior import GeneralizedPosterior
from partialpool.posterior.count_misfit import excess_zeros, overdispersion


def misfit(post: GeneralizedPosterior) -> Iterator[Notice]:
    """Yield notices of overdispersion and of excess zeros."""
    s = post.statistics
    if any(len(b.n) >= len(s.rows.y) for b in s.blocks):
        return  # every row has an effect of its own, which takes up both
    family = s.family
    variance, zeros = overdispersion(post), excess_zeros(post)
    way = "give every row an effect of its own, + (1 | row), with a column that numbers the rows"
    if variance is not None and variance.is_clear:
        yield Notice(
            "overdispersion",
            "warning",
            f"Rows vary {variance.ratio:.1f} times as much about their fitted means as {family} "
            "counts can (Pearson's chi-square over its degrees of freedom). Intervals are then "
            f"too short: {way}, or add the predictors that are missing.",
        )
    if zeros is not None and zeros.is_clear:
        yield Notice(
            "excess_zeros",
            "warning",
            f"There are {zeros.ratio:.1f} times as many zeros as {family} counts with the fitted "
            "means have. If a row can be zero for a reason of its own, model that first (a 0/1 "
            f"outcome); else {way}.",
        )
