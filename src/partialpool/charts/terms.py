"""Which term and effect of a mixed model a chart is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.charts import parts
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.posterior import Distribution, MixedPosterior
from partialpool.posterior.engine import Scale
from partialpool.records.cross_products import Block
from partialpool.words import formatting


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """One effect of one term, and its groups.

    Parameters
    ----------
    term : int
        Position of the term.
    place : int
        Position of the effect in the term.
    block : Block
        The term.
    raw, estimate, population : ndarray, shape (L,)
        Own values of the groups (nan where their rows do not tell), posterior means, and what the
        population alone says of each group.
    of : Distribution, shape (L,)
        The effect of every group.
    """

    term: int
    place: int
    block: Block
    raw: Floats
    estimate: Floats
    population: Floats
    of: Distribution

    @property
    def name(self) -> str:
        """The effect."""
        return self.block.effects[self.place]

    def interval(self, groups: Ints, level: float) -> Floats:
        """Ends of the intervals of some groups; shape (2, G)."""
        return np.asarray(self.of.interval(level)[:, groups])

    def rows(self, order: Ints, level: float, **more: Floats) -> list[dict[str, Any]]:
        """One dict a group: group, n, raw, estimate, lower, upper, and more columns."""
        lower, upper = self.interval(order, level)
        columns = {
            "group": parts.distinct(self.block.labels[order].tolist()),
            "n": self.block.n[order].tolist(),
            "raw": [None if np.isnan(v) else v for v in self.raw[order].tolist()],
            "estimate": self.estimate[order].tolist(),
            "lower": lower.tolist(),
            "upper": upper.tolist(),
            **{name: values.tolist() for name, values in more.items()},
        }
        return [dict(zip(columns, v, strict=True)) for v in zip(*columns.values(), strict=True)]


def effect(
    post: MixedPosterior, factor: str | None, name: str | None, scale: Scale = "link"
) -> Effect:
    """Find an effect by factor and name; the first one where they are not given.

    On the response scale effects of counts are probabilities or rates, slopes ratios of odds or
    rates.

    Raises
    ------
    ArgumentError
        If there is no such factor or effect.
    """
    blocks = post.statistics.blocks
    factors = list(dict.fromkeys(b.factor for b in blocks))
    if factor is not None and factor not in factors:
        hint = did_you_mean(factor, factors)
        raise ArgumentError(f'there is no factor "{factor}"; {hint}there is {", ".join(factors)}')
    terms = [t for t in post.terms if factor in (None, t.factor)]
    names = [t.name for t in terms]
    if name is not None and name not in names:
        hint = did_you_mean(name, names)
        raise ArgumentError(
            f'"{name}" does not vary by {factor or "any factor"}; {hint}what varies is '
            f"{', '.join(dict.fromkeys(names))}"
        )
    term = next(t for t in terms if name in (None, t.name))
    of, raw, population = (
        post.values(term, scale),
        post.raw(term.block),
        post.predicted_groups(term),
    )
    if scale == "response":
        raw, population = post.response_raw(term.block), post.to_response(term.name)(population)
    block, own = blocks[term.block], raw[:, term.effect]
    return Effect(term.block, term.effect, block, own, parts.centre(of), population, of)


def natural_values(post: MixedPosterior, scale: Scale) -> Callable[[Floats], Floats] | None:
    """From the link scale to that of a chart; None where both are the same."""
    return post.link.natural if post.link is not None and scale == "response" else None


def outcome_title(post: MixedPosterior, scale: Scale) -> str:
    """What an axis of levels of the outcome is of."""
    what = formatting.printable(post.statistics.outcome)
    if not post.counts:
        return what
    if scale == "link":
        return formatting.printable(post.outcome)
    return f"{'probability' if post.statistics.proportion else 'rate'} of {what}"


def has_slope(post: MixedPosterior) -> bool:
    """Whether a term has both an intercept and a slope."""
    return any(_both(b) for b in post.statistics.blocks)


def _both(block: Block) -> bool:
    return block.effects[0] == "Intercept" and len(block.effects) > 1


def with_slope(
    post: MixedPosterior, factor: str | None, slope: str | None
) -> tuple[Effect, Effect]:
    """An intercept and a slope of one term.

    Raises
    ------
    ArgumentError
        If no term has both.
    """
    blocks = post.statistics.blocks
    fitting = [b for b in blocks if factor in (None, b.factor) and _both(b)]
    if not fitting:
        raise ArgumentError(
            "this chart needs a term with an intercept and a slope that vary, such as (x | group)"
        )
    block = fitting[0]
    chosen = effect(post, block.factor, slope or block.effects[1])
    return effect(post, block.factor, "Intercept"), chosen
