"""The error of what is printed: the accuracy asked for, one notice of it, and when it is refused.

Errors are given in posterior standard deviations of the quantity that is printed (of maximum
likelihood, in standard errors): the largest of any mean, sd or interval end.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from partialpool.errors import ArgumentError, NotReachedError
from partialpool.integrate import Accuracy
from partialpool.models.mixed import sd_name
from partialpool.notices import Notice
from partialpool.posterior import (
    CountsPosterior,
    Estimated,
    HeteroscedasticPosterior,
    MixedPosterior,
    OneFactor,
    OneWayPosterior,
    PopulationPosterior,
)
from partialpool.posterior.argument_checks import COARSEST, DETERMINISTIC, SAMPLED_MOMENTS
from partialpool.records.cross_products import Block
from partialpool.words.population_shape import with_numbers

FINEST = 1e-10
"""The least that may be asked for: doubles carry no more. The most is `COARSEST`."""
FAR_PREDICTOR = 10.0
"""Standard deviations from zero beyond which a predictor is far: the intercepts that vary are then
so correlated with its slopes (0.995) that a lattice over them is mostly empty."""


def checked_accuracy(accuracy: float | None) -> float | None:
    """Return the accuracy asked for.

    Raises
    ------
    ArgumentError
        If it is not a number from 1e-10 to 0.5.
    """
    if accuracy is None:
        return None
    number = isinstance(accuracy, numbers.Real) and not isinstance(accuracy, bool | np.bool_)
    if not number or not FINEST <= accuracy <= COARSEST:
        raise ArgumentError(
            "accuracy is the largest error of what is printed, in posterior standard deviations: "
            f"a number from {FINEST:g} to {COARSEST:g}, such as 0.01; received {accuracy!r}"
        )
    return float(accuracy)


def require_reliable(post: Any) -> None:
    """Raise an error where the numbers of a posterior are too far off to be shown.

    Raises
    ------
    NotReachedError
        If the estimated error is above 0.5, or not a number.
    """
    if post.error <= COARSEST:
        return
    told = f"{_told(post)}, and above {COARSEST:g} no number is shown"
    steps = [step for step in (remedy(post), _more(post)) if step]
    raise NotReachedError(f"{told}; {', or '.join(steps)}" if steps else told)


def accuracy_notice(post: Any) -> Iterator[Notice]:
    """Say that the error is above its target, and what may help; nothing where it is not."""
    if post.error <= post.target and post.status is Accuracy.REACHED:
        return
    told = _told(post)
    if post.error > post.target:
        told += f"; the target is {post.target:g}"
    elif post.error_of_moments is not None:
        told = (
            f"the largest error of a mean or sd of this fit is about {post.error_of_moments:.3g} "
            f"posterior standard deviations; the target is {min(post.target, SAMPLED_MOMENTS):g}"
        )
    else:  # the integration itself does not vouch for its error
        told += ", but too few points carry the weight for that to be relied on"
    steps = [step for step in (remedy(post), _more(post)) if step]
    advice = f" To lower it, {', or '.join(steps)}." if steps else ""
    code = "not_a_maximum" if isinstance(post, Estimated) else "accuracy_not_reached"
    yield Notice(code, "warning", f"{told[0].upper()}{told[1:]}.{advice}")


def _told(post: Any) -> str:
    unit = "standard errors" if isinstance(post, Estimated) else "posterior standard deviations"
    size = f"about {post.error:.3g} {unit}" if math.isfinite(post.error) else "beyond measure"
    if isinstance(post, Estimated):
        return f"the search for the maximum of the likelihood ended at a distance of {size}"
    return f"the largest error of a mean, sd or interval end of this fit is {size}"


def _more(post: Any) -> str:
    """Ask for more accuracy, where the default, or not much more than it, was asked for."""
    if not post.accuracy_helps or post.target < DETERMINISTIC:
        return ""
    finer = f"--accuracy {0.5 * post.target:g} (accuracy= in Python)"
    return f"ask for more accuracy, which takes longer: {finer}"


@singledispatch
def remedy(post: Any) -> str:
    """What to change in a model so that it becomes easier to integrate, as an instruction."""
    raise TypeError(f"remedy of a {type(post).__name__}")


@remedy.register(OneWayPosterior)
@remedy.register(CountsPosterior)
@remedy.register(HeteroscedasticPosterior)
def _remedy_one_way(post: OneFactor) -> str:
    s = post.statistics
    if post.priors.tau.proper:
        return ""
    scale = 1.0 if s.counts else float(np.std(s.raw))  # of counts on the link scale
    return _proper("tau", s.n_groups, scale)


@remedy.register
def _remedy_population(post: PopulationPosterior) -> str:
    """A number in place of what is learned: ratio and share go together where few groups tell."""
    population = post.population
    if population.learned:
        known = with_numbers(population)
        return f'learn less of the population: --population "{known}" (population= in Python)'
    return _remedy_one_way(post)


@remedy.register
def _remedy_mixed(post: MixedPosterior) -> str:
    """The predictor to center, the sd to give a prior, or the term to simplify, in this order."""
    blocks = post.statistics.blocks
    far = [name for block in blocks for name in _far_from_zero(block)]
    if far:
        centered = " and ".join(f"center({name})" for name in far)
        return f"write {centered} (zero is far from the data; the slopes stay what they are)"
    flat = [
        (len(block.n), sd_name(block.factor, effect), _typical_sd(post, block, k))
        for block in blocks
        for k, effect in enumerate(block.effects)
        if not post.priors.scale(sd_name(block.factor, effect)).proper
    ]
    if flat:
        size, name, scale = min(flat, key=lambda of: of[0])
        return _proper(name, size, scale)
    return _simpler(blocks)


@remedy.register
def _remedy_estimated(post: Estimated) -> str:
    return _simpler(post.statistics.blocks)


def _proper(name: str, groups: int, scale: float) -> str:
    """Advise a half-normal prior of this scale, rounded to one digit."""
    rounded = f"{float(f'{scale:.1g}'):g}" if scale > 0 and math.isfinite(scale) else "1"
    return (
        f"give {name}, of {groups:,} groups, a proper prior: "
        f'--prior "{name} ~ half_normal({rounded})" (prior= in Python)'
    )


def _typical_sd(post: MixedPosterior, block: Block, effect: int) -> float:
    """The sd of the outcome (of counts: one, on the link scale) over the size of an effect."""
    s = post.statistics
    weight = float(block.weight.sum())
    size = math.sqrt(float(block.ztz[:, effect, effect].sum()) / weight)
    outcome = 1.0 if s.counts else math.sqrt(s.yty / weight)
    return outcome / size if size > 0 else math.nan


def _simpler(blocks: Sequence[Block]) -> str:
    """Advise to make the largest term independent, or to leave out that of the fewest groups."""
    correlated = [block for block in blocks if block.correlated and len(block.effects) > 1]
    if correlated:
        widest = max(correlated, key=lambda block: len(block.effects))
        return f"let the effects of {widest.factor} be independent (|| in place of |)"
    if len(blocks) > 1:
        fewest = min(blocks, key=lambda block: len(block.n))
        return f"leave out the term of {fewest.factor}, which has the fewest groups"
    return ""


def _far_from_zero(block: Block) -> list[str]:
    """Slopes whose predictors lie so far from zero that intercepts are hard to integrate over."""
    if not block.correlated:
        return []
    sd = np.sqrt(np.einsum("lkk->k", block.ztz) / block.weight.sum())
    far = np.abs(block.shift) > FAR_PREDICTOR * sd
    return [name for name, is_far in zip(block.effects, far, strict=True) if is_far]
