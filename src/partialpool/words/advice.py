"""Does the grouping matter? For every model, in numbers and words."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.models.mixed import sd_name
from partialpool.posterior import (
    CountsPosterior,
    Estimated,
    HeteroscedasticPosterior,
    MixedPosterior,
    OneWayPosterior,
    PopulationPosterior,
)
from partialpool.words.near_zero import near_zero
from partialpool.words.variance import VarianceExplained, variance_explained

FEW_GROUPS = 5
"""With fewer groups the posterior of tau rests on its prior: under a flat one it has no sd with
four, and no mean with three."""
LIKELY = 0.75
"""A statement about shrinkage is made if its posterior probability is above this."""
TOO_FEW = "There are too few groups to say how much to pool: that rests on the prior of tau."


@dataclass(frozen=True, slots=True)
class Advice:
    """How much the grouping matters.

    Parameters
    ----------
    icc, icc_lower, icc_upper : float
        Posterior mean and 95% interval of the share of variance between groups (ICC; I^2 where
        standard errors are given, and for counts).
    design_effect, effective_rows : float
        ``1 + (sum n^2 / N - 1) ICC``, and N divided by it; nan where standard errors are given.
    nearly_complete, nearly_none : float
        Posterior probability that a typical group's shrinkage is above 0.9, below 0.1.
    likelihood_ratio, p : float
        Restricted likelihood ratio of tau = 0 and its p-value under the mixture null; nan for
        weighted rows.
    pooled_se, robust_se : float
        Standard error of the mean of all rows if the groups are ignored, and cluster-robust
        (CR2); nan where standard errors are given or rows weighted. Of counts: of the overall
        proportion or rate, and the design effect and effective rows (trials, exposure) from
        these.
    text : str
        A recommendation in words.
    """

    icc: float
    icc_lower: float
    icc_upper: float
    design_effect: float
    effective_rows: float
    nearly_complete: float
    nearly_none: float
    likelihood_ratio: float
    p: float
    pooled_se: float
    robust_se: float
    text: str

    def _rows(self) -> list[tuple[str, str]]:
        """Each number with its name; empty where there is none."""
        interval = f"{self.icc:.2f} (95% {self.icc_lower:.2f} to {self.icc_upper:.2f})"
        rows = [
            ("share of variance between groups", "" if math.isnan(self.icc) else interval),
            ("design effect, effective rows", _pair(self.design_effect, self.effective_rows)),
            ("P(a typical group is pooled > 90%)", f"{self.nearly_complete:.2f}"),
            ("P(a typical group is pooled < 10%)", f"{self.nearly_none:.2f}"),
            ("likelihood ratio of tau = 0, p", _pair(self.likelihood_ratio, self.p)),
            ("se of the pooled mean, naive and robust", _pair(self.pooled_se, self.robust_se)),
        ]
        return rows

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self._rows())
        lines = [f"{name:<{width}}  {value}" for name, value in self._rows() if value]
        return "\n".join([*lines, "", self.text])

    def _repr_html_(self) -> str:
        rows = [row for row in self._rows() if row[1]]
        table = html_table(["quantity", "value"], rows, "How much the grouping matters")
        return output(table, paragraph(self.text))


def _pair(first: float, second: float) -> str:
    return "" if math.isnan(first) else f"{first:.3g}, {second:.3g}"


@singledispatch
def advise(post: Any) -> Any:
    """Say how much the grouping matters, in numbers and words."""
    raise TypeError(f"advise of a {type(post).__name__}")


@advise.register(OneWayPosterior)
@advise.register(HeteroscedasticPosterior)
def _advise_one_way(post: OneWayPosterior | HeteroscedasticPosterior) -> Advice:
    from partialpool import classical

    s = post.statistics
    icc_lower, icc_upper = (float(v) for v in post.icc.interval())
    icc = float(post.icc.mean)
    heavy, light = typical_pooling(post)
    effect = rows = pooled = robust = math.nan
    test = classical.LikelihoodRatio(math.nan, math.nan)
    if s.sigma_known:
        test = classical.likelihood_ratio(mean=s.mean, se=1.0 / np.sqrt(s.weight))
    else:
        effect = 1.0 + (float((s.n.astype(float) ** 2).sum()) / s.n_used - 1.0) * icc
        rows = s.n_used / effect
        if np.array_equal(s.weight, s.n) and s.ss.sum() > 0:
            test = classical.likelihood_ratio(mean=s.mean, n=s.n, ss=s.ss)
            errors = classical.cluster_robust(mean=s.mean, n=s.n, ss=s.ss)
            pooled, robust = errors.naive_se, errors.cr2_se
    text = recommendation(post)
    if robust > 1.2 * pooled:
        text += (
            f" Standard errors that ignore the groups would be {robust / pooled:.1f} times "
            "too small for the overall mean."
        )
    return Advice(
        icc, icc_lower, icc_upper, effect, rows, heavy, light, test.statistic, test.p, pooled,
        robust, text,
    )  # fmt: skip


def typical_pooling(
    post: OneWayPosterior | HeteroscedasticPosterior,
) -> tuple[float, float]:
    """Probability that the shrinkage of a typical group is above 0.9, and below 0.1."""
    typical = post.model.typical_ratio  # shrinkage is 1 / (1 + (r / typical)^2)
    below = float(post.tau_over_sigma.cdf(typical / 3.0))
    above = float(1.0 - post.tau_over_sigma.cdf(typical * 3.0))
    return below, above


@singledispatch
def recommendation(post: Any) -> str:
    """One sentence on which pooling fits the data."""
    raise TypeError(f"recommendation of a {type(post).__name__}")


@recommendation.register(OneWayPosterior)
@recommendation.register(HeteroscedasticPosterior)
def _recommendation_one_way(post: OneWayPosterior | HeteroscedasticPosterior) -> str:
    if post.statistics.n_groups < FEW_GROUPS:
        return TOO_FEW
    heavy, light = typical_pooling(post)
    below_half = float(post.tau_over_sigma.cdf(post.model.typical_ratio))
    return recommended(heavy, light, below_half, may_be_alike=any(near_zero(post).values()))


def recommended(heavy: float, light: float, below_half: float, *, may_be_alike: bool) -> str:
    """The sentence for what is probable of a typical group.

    Parameters
    ----------
    heavy, light : float
        Probability that its shrinkage is above 0.9, and below 0.1.
    below_half : float
        Probability that groups differ by less than the noise of their own means.
    may_be_alike : bool
        Whether the data cannot tell tau from 0.
    """
    if heavy > LIKELY:
        return (
            "The groups are nearly alike: one pooled mean would do almost as well, and partial "
            "pooling shows how sure that is."
        )
    if light > LIKELY:
        return (
            "The groups differ by far more than their noise: each stands nearly by itself, and "
            "partial pooling matters for the smallest only."
        )
    if heavy > 0.25 or may_be_alike:
        return (
            "The groups may be nearly alike or moderately different; partial pooling weighs both, "
            "where a test would have to choose."
        )
    if below_half > LIKELY:
        return (
            "The groups differ by less than the noise of their own means: partial pooling draws "
            "them most of the way together."
        )
    return (
        "The groups probably differ, and their own means are noisy: partial pooling is worth "
        "having over both separate and pooled estimates."
    )


@advise.register
def _advise_population(post: PopulationPosterior) -> Advice:
    """As of a normal population, as far as this one has a variance."""
    icc = lower = upper = math.nan
    with suppress(ArgumentError):
        icc, (lower, upper) = float(post.icc.mean), (float(v) for v in post.icc.interval())
    ratio = _ratio_to_noise(post)
    weight = post.lattice.weight
    heavy, light = float(weight @ (ratio < 1 / 3)), float(weight @ (ratio > 3.0))
    nan = math.nan
    return Advice(
        icc, lower, upper, nan, nan, heavy, light, nan, nan, nan, nan, recommendation(post)
    )


def _ratio_to_noise(post: PopulationPosterior) -> Floats:
    """Tau over the standard error of a typical group, at each node."""
    tau, _, sigma = post.model.split(post.lattice.points)
    return np.asarray(tau / (post.model.typical_ratio * sigma))


@recommendation.register
def _recommendation_population(post: PopulationPosterior) -> str:
    outlying = post.p_outlying
    groups = post.statistics.n_groups
    if groups < FEW_GROUPS:
        return TOO_FEW
    if outlying is not None:
        sure, expected = int((outlying > SURE).sum()), float(outlying.sum())
        if post.population.has_atom:
            middle = post.population.middle
            differ = "differ from the others" if middle is None else f"differ from {middle:g}"
            return (
                f"About {expected:.1f} of {groups:,} groups {differ}; of {sure:,} the probability "
                f"is above {SURE:g}."
            )
        return (
            f"About {expected:.1f} of {groups:,} groups are of the wider part; of {sure:,} the "
            f"probability is above {SURE:g}."
        )
    ratio, weight = _ratio_to_noise(post), post.lattice.weight
    heavy, light = float(weight @ (ratio < 1 / 3)), float(weight @ (ratio > 3.0))
    below_half = float(weight @ (ratio < 1.0))
    return recommended(heavy, light, below_half, may_be_alike=any(near_zero(post).values()))


SURE = 0.9
"""Probability from which a group is counted as one of the wider part."""


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

    def _repr_html_(self) -> str:
        return output(self.variance.as_html(), paragraph(self.text))


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
    near = near_zero(post)
    said: dict[str, list[str]] = {}
    for t in places:
        effects = post.statistics.blocks[t].effects
        share, weight = post.typical_shares(t)
        heavy, light = weight @ (share > 0.9), weight @ (share < 0.1)
        for k, effect in enumerate(effects):
            what = "levels" if effect == "Intercept" else f"slopes of {effect}"
            how = _how_far(float(heavy[k]), float(light[k]), near[sd_name(factor, effect)])
            said.setdefault(how, []).append(what)
    return f"By {factor}, {'; '.join(f'{_listed(what)} {how}' for how, what in said.items())}."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _how_far(heavy: float, light: float, may_be_alike: bool) -> str:
    """The words for what is probable of the typical shrinkage; see `recommended`."""
    if heavy > LIKELY:
        return "hardly differ beyond their noise"
    if light > LIKELY:
        return "differ by far more than their noise"
    if heavy > 0.25 or may_be_alike:
        return "may be nearly alike or moderately different"
    return "probably differ, though the groups' own values are noisy"


@advise.register
def _advise(post: CountsPosterior) -> Advice:
    s = post.statistics
    icc = post.icc
    lower, upper = (float(v) for v in icc.interval())
    heavy, light = _typical_pooling(post)
    size, events = float(s.size.sum()), float(s.y.sum())
    mean = events / size
    naive = math.sqrt((mean * (1.0 - mean) if s.proportion else mean) / size)
    spread = float(((s.y - mean * s.size) ** 2).sum()) * s.n_groups / (s.n_groups - 1.0)
    robust = math.sqrt(spread) / size
    effect = (robust / naive) ** 2 if naive > 0 else math.nan
    text = recommendation(post)
    if naive > 0 and robust > 1.2 * naive:
        text += (
            f" Standard errors that ignore the groups would be {robust / naive:.1f} times "
            "too small for the overall mean."
        )
    return Advice(
        float(icc.mean), lower, upper, effect, size / effect if effect > 0 else math.nan, heavy,
        light, math.nan, math.nan, naive, robust, text,
    )  # fmt: skip


@recommendation.register
def _recommendation(post: CountsPosterior) -> str:
    if post.statistics.n_groups < FEW_GROUPS:
        return TOO_FEW
    heavy, light = _typical_pooling(post)
    below_half = float(post.icc.cdf(0.5))
    return recommended(heavy, light, below_half, may_be_alike=any(near_zero(post).values()))


def _typical_pooling(post: CountsPosterior) -> tuple[float, float]:
    """Probability that the shrinkage of a typical group is above 0.9, and below 0.1."""
    return float(post.icc.cdf(0.1)), float(1.0 - post.icc.cdf(0.9))
