"""Which term and effect of a mixed model a chart is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.charts import parts
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.posterior import Distribution, GeneralizedPosterior, MixedPosterior
from partialpool.posterior.engine import Scale
from partialpool.records.cross_products import Block
from partialpool.records.population import population_weights
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
    of : Distribution, shape (L q,)
        All effects of every group of the term.
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
        ends = np.asarray(self.of.interval(level)).reshape(2, *self.block.zty.shape)
        return np.asarray(ends[:, groups, self.place])

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


def effect(post: MixedPosterior, factor: str | None, name: str | None) -> Effect:
    """Find an effect by factor and name; the first one where they are not given.

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
    terms = [t for t, b in enumerate(blocks) if factor in (None, b.factor)]
    names = [e for t in terms for e in blocks[t].effects]
    if name is not None and name not in names:
        hint = did_you_mean(name, names)
        raise ArgumentError(
            f'"{name}" does not vary by {factor or "any factor"}; {hint}what varies is '
            f"{', '.join(dict.fromkeys(names))}"
        )
    term = next(t for t in terms if name is None or name in blocks[t].effects)
    place = 0 if name is None else blocks[term].effects.index(name)
    shape = blocks[term].zty.shape
    of = post.group(term)
    estimate = np.asarray(of.mean).reshape(shape)[:, place]
    beta = np.array([float(d.mean) for d in post.coefficients.values()])
    population = population_weights(post.statistics, term)[:, place] @ beta
    return Effect(term, place, blocks[term], post.raw(term)[:, place], estimate, population, of)


def on_response(post: GeneralizedPosterior, chosen: Effect) -> Effect:
    """The same as probabilities or rates, of slopes as ratios of odds or rates."""
    of, at = post.natural_group(chosen.term), chosen.place
    shape = chosen.block.zty.shape
    estimate = np.asarray(of.mean).reshape(shape)[:, at]
    if not np.isfinite(estimate).all():
        estimate = np.asarray(of.median).reshape(shape)[:, at]
    raw = post.response_raw(chosen.term)[:, at]
    population = post.to_response(chosen.name)(chosen.population)
    return replace(chosen, raw=raw, estimate=estimate, population=population, of=of)


def natural_values(post: MixedPosterior, scale: Scale) -> Callable[[Floats], Floats] | None:
    """From the link scale to that of a chart; None where both are the same."""
    if isinstance(post, GeneralizedPosterior) and scale == "response":
        return post.statistics.link.natural
    return None


def outcome_title(post: MixedPosterior, scale: Scale) -> str:
    """What an axis of levels of the outcome is of."""
    what = formatting.printable(post.statistics.outcome)
    if not isinstance(post, GeneralizedPosterior):
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
