"""What a model of counts says in words: headline, pooling, priors, notices, advice."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from partialpool import findings as said
from partialpool.accuracy import accuracy_notice
from partialpool.advice import FEW_GROUPS, TOO_FEW, Advice, advise, recommendation, recommended
from partialpool.data import CountStatistics
from partialpool.display import headline, pooling_line, pooling_words, prior_line
from partialpool.findings import findings
from partialpool.notices import Notice
from partialpool.posterior import CountsPosterior
from partialpool.posterior.distributions import IntervalKind


@headline.register
def _headline(post: CountsPosterior, formula: str) -> str:
    s = post.statistics
    dropped = f" ({s.n_dropped:,} more left out)" if s.n_dropped else ""
    over = f" in {s.size.sum():,.6g} {s.size_words}" if s.size_words != "rows" else ""
    return (
        f"{formula}: {s.family}, {s.y.sum():,.0f} events{over}, "
        f"{s.n_used:,} rows{dropped} in {s.n_groups:,} groups"
    )


@pooling_line.register
def _pooling_line(
    post: CountsPosterior, level: float = 0.95, kind: IntervalKind = "equal-tailed"
) -> str:
    return pooling_words("heterogeneity (I^2)", post.icc, post.shrinkage.mean, level, kind)


@prior_line.register
def _prior_line(post: CountsPosterior) -> str:
    scale = {"logit": "log-odds", "log": "log rate"}[post.model.link.name]
    meaning = "f^(-1/2)" if post.model.conjugate else f"sd of the {scale}"
    p = post.priors
    return f"priors: mu ~ {p.mu} ({scale}), tau ~ {p.tau} ({meaning})"


@findings.register
def _findings(post: CountsPosterior) -> Iterator[Notice]:
    yield from accuracy_notice(post)
    yield from said.dropped(post)
    yield from said.absent_groups(post)
    yield from said.withheld(post)
    yield from said.few_groups(post)
    yield from said.moments(post)
    yield from _unexposed(post.statistics)
    yield from _rows_vary(post.statistics)
    share = said.likelihood_share(
        post.nodes.line, post.nodes.marginal, post.priors.tau, post.model.typical_error
    )
    yield from said.tau_near_zero(post, share)
    yield from _at_ends(post)


def _unexposed(s: CountStatistics) -> Iterator[Notice]:
    none = int((s.size == 0).sum())
    if none:
        verb = "group has" if none == 1 else "groups have"
        yield Notice(
            "groups_without_size",
            "warning",
            f"{none:,} {verb} no {s.size_words} at all: what is shown of them is what is "
            "expected of a new group.",
        )


def _rows_vary(s: CountStatistics) -> Iterator[Notice]:
    """Pearson's statistic of the rows about their own group's mean.

    Of single trials it says nothing: whatever they are, it is their number.
    """
    mean = np.divide(s.y, s.size, out=np.zeros(s.n_groups), where=s.size > 0)
    spread = mean * (1.0 - mean) if s.proportion else mean
    single = s.size == s.n if s.proportion else np.zeros(s.n_groups, dtype=bool)
    used = (spread > 0) & (s.n > 1) & ~single
    df = int((s.n[used] - 1).sum())
    if df < 10:
        return
    chi2 = float(((s.square - s.y * mean)[used] / spread[used]).sum())
    if chi2 / df > max(1.2, 1.0 + 3.0 * math.sqrt(2.0 / df)):
        yield Notice(
            "rows_vary",
            "warning",
            f"Rows of the same group differ by more than {s.family} counts can: their variance is "
            f"{chi2 / df:.1f} times as large. Intervals of the groups are then too short; let the "
            "groups be smaller (such as group and period), each with a parameter of its own.",
        )


def _at_ends(post: CountsPosterior) -> Iterator[Notice]:
    s, inside = post.statistics, np.append(post.model.inside, True)
    ends = int((~inside[post.model.member]).sum())
    if ends:
        verb = "group has" if ends == 1 else "groups have"
        what = "no event, or events only" if s.proportion else "no event"
        yield Notice(
            "groups_at_ends",
            "info",
            f"{ends:,} of {s.n_groups:,} {verb} {what}: the raw value says 0% or 100% with "
            "certainty, the estimate learns from the other groups."
            if s.proportion
            else f"{ends:,} of {s.n_groups:,} {verb} {what}: the raw rate is 0, the estimate "
            "learns from the other groups.",
        )


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
    return recommended(heavy, light, float(post.icc.cdf(0.5)))


def _typical_pooling(post: CountsPosterior) -> tuple[float, float]:
    """Probability that the shrinkage of a typical group is above 0.9, and below 0.1."""
    return float(post.icc.cdf(0.1)), float(1.0 - post.icc.cdf(0.9))
