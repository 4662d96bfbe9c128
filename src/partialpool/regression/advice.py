"""Does the grouping matter in a linear mixed model? Numbers, and a recommendation."""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.advice import FEW_GROUPS, LIKELY, advise, recommendation
from partialpool.posterior import Estimated, MixedPosterior
from partialpool.regression.variance import VarianceExplained, variance_explained


@dataclass(frozen=True, slots=True, eq=False)
class MixedAdvice:
    """How much the grouping matters.

    Parameters
    ----------
    variance : VarianceExplained
        Shares of variance at every level.
    text : str
        A recommendation in words.
    """

    variance: VarianceExplained
    text: str

    def __repr__(self) -> str:
        return f"{self.variance!r}\n\n{self.text}"


@advise.register
def _advise_mixed(post: MixedPosterior) -> MixedAdvice:
    return MixedAdvice(variance_explained(post), recommendation(post))


@recommendation.register
def _recommendation_mixed(post: MixedPosterior | Estimated) -> str:
    """One sentence for each factor."""
    return " ".join(
        _of_factor(post, factor)
        for factor in dict.fromkeys(b.factor for b in post.statistics.blocks)
    )


def _of_factor(post: MixedPosterior | Estimated, factor: str) -> str:
    """What the typical shrinkage of a factor's effects says."""
    places = [t for t, b in enumerate(post.statistics.blocks) if b.factor == factor]
    if len(post.statistics.blocks[places[0]].labels) < FEW_GROUPS:
        return f"There are too few groups of {factor} to say how much they differ."
    told: dict[str, list[str]] = {}
    for t in places:
        shares = post.pooling(t).mean(axis=0)
        for effect, share in zip(post.statistics.blocks[t].effects, shares, strict=True):
            what = "levels" if effect == "Intercept" else f"slopes of {effect}"
            told.setdefault(_how_far(float(share)), []).append(what)
    return f"By {factor}, {'; '.join(f'{_listed(what)} {how}' for how, what in told.items())}."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _how_far(share: float) -> str:
    if share > LIKELY:
        return "hardly differ beyond their noise"
    if share < 1.0 - LIKELY:
        return "differ by far more than their noise"
    return "probably differ, though the groups' own values are noisy"
