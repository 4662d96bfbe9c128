"""What the user should know about a posterior, as notices in plain words, for every model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from partialpool.design.labels import shown
from partialpool.formula.families import WITHOUT_DISPERSION
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
from partialpool.records import CountStatistics, design_notices
from partialpool.records.cross_products import Block
from partialpool.words.accuracy import accuracy_notice
from partialpool.words.advice import FEW_GROUPS
from partialpool.words.crossing import labels_may_start_anew
from partialpool.words.formatting import number
from partialpool.words.misfit import misfit, misfit_of_one_factor
from partialpool.words.near_zero import near_zero
from partialpool.words.noise import noise_by_group_notice, noise_notices
from partialpool.words.population import population_notices
from partialpool.words.population_shape import rests_on_prior

FEW_REPLICATES = 10
"""With fewer degrees of freedom within groups the standard error of log sigma is above 1 /
sqrt(20), 22%: sigma, and with it tau, rests on the priors."""


@singledispatch
def notices_of(post: Any) -> Iterator[Notice]:
    """Yield the notices of a posterior, the most important first."""
    raise TypeError(f"notices_of of a {type(post).__name__}")


@notices_of.register
def _notices_one_way(post: OneWayPosterior) -> Iterator[Notice]:
    yield from _one_factor(post)
    yield from _few_replicates(post)
    yield from _zero_or_one(post)
    yield from population_notices(post)
    yield from noise_by_group_notice(post)
    yield from tau_near_zero(post)
    yield from _single_rows(post.statistics)


@notices_of.register
def _notices_population(post: PopulationPosterior) -> Iterator[Notice]:
    s = post.statistics
    yield from _one_factor(post)
    if isinstance(s, CountStatistics):
        first, last = (*_unexposed(s), *misfit_of_one_factor(s)), _at_ends(s)
    else:
        first, last = tuple(_zero_or_one(post)), _single_rows(s)
    yield from first
    yield from population_notices(post)
    yield from rests_on_prior(post)
    yield from tau_near_zero(post)
    yield from last


@notices_of.register
def _notices_heteroscedastic(post: HeteroscedasticPosterior) -> Iterator[Notice]:
    yield from _one_factor(post)
    yield from _zero_or_one(post)
    yield from population_notices(post)
    yield from tau_near_zero(post)
    yield from noise_notices(post)


def _one_factor(post: OneFactor) -> Iterator[Notice]:
    """What is said of measurements and of counts of one factor alike."""
    yield from accuracy_notice(post)
    yield from dropped(post)
    yield from absent_groups(post)
    s = post.statistics
    yield from design_notices.of_labels(s.factor, s.labels)
    yield from design_notices.summary_rows(s.factor, s.labels, s.n)
    yield from withheld(post)
    yield from few_groups(post)
    yield from moments(post)


def dropped(post: Any) -> Iterator[Notice]:
    """A notice of rows with missing values."""
    s = post.statistics
    yield from design_notices.dropped(s.n_dropped, s.n_rows)


def absent_groups(post: Any) -> Iterator[Notice]:
    """A notice of groups without a complete row."""
    absent = post.statistics.absent
    if len(absent):
        what = "1 group has" if len(absent) == 1 else f"{len(absent):,} groups have"
        yield Notice(
            "groups_dropped",
            "warning",
            f"{what} no complete row and no estimate: {shown(absent.tolist())}.",
        )


def withheld(post: Any) -> Iterator[Notice]:
    """A warning if statistics were saved without their small groups."""
    yield from design_notices.withheld(*post.statistics.withheld)


def few_groups(post: Any) -> Iterator[Notice]:
    """A warning where there are few groups."""
    s, prior = post.statistics, post.model.priors.tau
    advice = " Give it one from what is known, such as half_normal(scale)."
    advice = "" if prior.proper else advice
    if s.n_groups < FEW_GROUPS:
        yield Notice(
            "few_groups",
            "warning",
            f"There are only {s.n_groups} groups: the data say little about their spread tau, "
            f"and the result depends on its prior, tau ~ {prior}.{advice}",
        )


def moments(post: Any) -> Iterator[Notice]:
    """A notice of moments of tau that do not exist."""
    if post.model.moments.tau <= 2:
        what = "mean and sd" if post.model.moments.tau <= 1 else "sd"
        yield Notice(
            "no_finite_sd",
            "warning",
            f"With {post.statistics.n_groups} groups and these priors the posterior of tau has "
            f"no finite {what} (shown as infinite or empty). Read the median and the interval, "
            "or give tau a proper prior.",
        )


def _few_replicates(post: OneWayPosterior) -> Iterator[Notice]:
    sizes = post.model.sizes
    extra = sizes.n_rows - sizes.n_groups
    if not sizes.sigma_known and extra < FEW_REPLICATES:
        yield Notice(
            "few_replicates",
            "warning",
            f"{sizes.n_rows:,} rows in {sizes.n_groups:,} groups leave only {extra} degrees of "
            "freedom to tell the spread within groups (sigma) from the spread between them "
            "(tau); both rest on the priors.",
        )


def tau_near_zero(post: Any) -> Iterator[Notice]:
    """A notice of the standard deviations between groups that the data cannot tell from 0."""
    named = post.named()
    near = []
    for name in (name for name, is_near in near_zero(post).items() if is_near):
        tau = named[name]
        near.append((name, number(float(tau.quantile(0.95)), float(tau.quantile(0.5)))))
    if not near:
        return
    if len(near) == 1:
        ((name, upper),) = near
        what = (
            f"The data cannot tell {name}, the spread between groups, from 0: it is below {upper} "
            f"with probability 95% (interval [0, {upper}]). The groups may all be alike in it"
        )
    else:
        listed = ", ".join(f"{name} (95% below {upper})" for name, upper in near)
        what = (
            f"The data cannot tell these spreads between groups from 0: {listed}. The groups may "
            "be alike in them"
        )
    yield Notice("tau_near_zero", "info", f"{what}; all intervals take this into account.")


def _zero_or_one(post: Any) -> Iterator[Notice]:
    """Say that measurements are 0 or 1 only: then the sum of y (1 - y) over the rows is zero."""
    moments = post.statistics.plain_moments()
    if moments is None:
        return
    rows, total, squares = moments
    whole = abs(total - round(total)) < 1e-6 and 1 <= round(total) <= rows - 1
    if whole and abs(squares - total) < 1e-9 * total:
        yield Notice(
            "zero_or_one",
            "warning",
            f"{post.statistics.outcome} is 0 or 1 in every row, and was fitted as a measurement: "
            'family="binomial" (--family binomial) fits probabilities.',
        )


def _single_rows(s: Any, term: int = 0, groups: str = "groups") -> Iterator[Notice]:
    """Say how many groups of a term have one row."""
    n = s.rows_by_group(term)
    single = int((n == 1).sum())
    if single and not s.sigma_known and single < len(n):
        yield Notice(
            "single_row_groups",
            "info",
            f"{single:,} of {len(n):,} {groups} {'has' if single == 1 else 'have'} one row: the "
            "spread within groups is learned from the others, and these are shrunk the most.",
        )


ROUGH_MOVE = 0.05
"""Standard errors by which an approximate integral may move estimates unmentioned."""
MANY_GROUPS = 20
"""With fewer groups, spreads taken as known make intervals too short to say nothing."""


@notices_of.register
def _notices_mixed(post: MixedPosterior) -> Iterator[Notice]:
    """Yield the notices of a posterior, the most important first."""
    yield from accuracy_notice(post)
    yield from dropped(post)
    s = post.statistics
    for factor in s.group_counts:
        terms = [t for t, block in enumerate(s.blocks) if block.factor == factor]
        yield from _few_groups(post, [s.blocks[t] for t in terms])
        yield from _single_rows(s, terms[0], f"groups of {factor}")
    yield from labels_may_start_anew(post)
    yield from population_notices(post)
    yield from tau_near_zero(post)
    yield from misfit(post)
    yield from _zero_or_one(post)
    yield from _no_finite_sd(post)


@notices_of.register
def _notices_estimated(post: Estimated) -> Iterator[Notice]:
    """Yield the notices of estimates, the most important first."""
    yield from accuracy_notice(post)
    yield from dropped(post)
    yield from _approximate(post)
    yield from labels_may_start_anew(post)
    yield from population_notices(post)
    yield from _zero_or_one(post)
    yield from misfit(post.given)
    if post.estimate.boundary:
        yield Notice(
            "estimate_on_boundary",
            "warning",
            "A standard deviation is estimated as zero or a correlation as plus or minus one, "
            "although the data hold no proof of that; intervals take it as a fact. The posterior "
            '(method="posterior") does not.',
        )
    if post.estimate.dispersion == 0.0:
        family = WITHOUT_DISPERSION[str(post.statistics.dispersed)]
        yield Notice(
            "dispersion_is_zero",
            "info",
            "The dispersion is estimated as 0: rows vary no more than counts of "
            f'family="{family}", and standard errors take that as a fact.',
        )
    if post.estimate.unclear:
        blocks = post.statistics.blocks
        names = [sd_name(blocks[t].factor, blocks[t].effects[k]) for t, k in post.estimate.unclear]
        yield Notice(
            "spreads_not_identified",
            "warning",
            f"The likelihood is level in {' and '.join(names)}: the data cannot tell "
            f"{'them apart' if len(names) > 1 else 'it'}, and the "
            f"{'values' if len(names) > 1 else 'value'} shown could as well be others. Leave out "
            "what is redundant in the formula.",
        )
    sizes = post.statistics.group_counts.items()
    few = [f"{size} of {factor}" for factor, size in sizes if size < MANY_GROUPS]
    if few:
        yield Notice(
            "few_groups",
            "warning",
            f"There are few groups ({', '.join(few)}): their spreads are taken as known and are "
            "not, so that intervals of groups are too short.",
        )


def _approximate(post: Estimated) -> Iterator[Notice]:
    """Say where the integral over groups of counts is too rough, and by how much."""
    estimate = post.estimate
    if post.quadrature is None or estimate.moved < ROUGH_MOVE:
        return
    rule = (
        "Laplace's approximation"
        if post.quadrature == 1
        else f"The quadrature rule with {post.quadrature} nodes"
    )
    much = "more than a standard error"
    if estimate.moved < 1.0:
        much = f"up to about {estimate.moved:.1g} standard errors"
    yield Notice(
        "laplace_error" if post.quadrature == 1 else "quadrature_error",
        "warning",
        f"{rule} moves estimates by {much} here, as a rule with {estimate.finer} nodes says: use "
        f"quadrature={estimate.finer} (--quadrature {estimate.finer}), or the posterior.",
    )


def _few_groups(post: MixedPosterior, blocks: list[Block]) -> Iterator[Notice]:
    size, factor = len(blocks[0].labels), blocks[0].factor
    if size >= FEW_GROUPS:
        return
    names = [sd_name(factor, e) for b in blocks for e in b.effects]
    priors = ", ".join(f"{n} ~ {post.priors.scale(n)}" for n in names)
    proper = all(post.priors.scale(n).proper for n in names)
    advice = "" if proper else " Give it one from what is known, such as half_normal(scale)."
    yield Notice(
        "few_groups",
        "warning",
        f"There are only {size} groups of {factor}: the data say little about their spread, and "
        f"the result depends on its prior, {priors}.{advice}",
    )


def _no_finite_sd(post: MixedPosterior) -> Iterator[Notice]:
    names = [name for name, d in post.named().items() if not math.isfinite(float(d.sd))]
    if names:
        yield Notice(
            "no_finite_sd",
            "warning",
            f"With so few groups and these priors the posterior of {', '.join(names)} has no "
            "finite sd (shown as infinite or empty). Read the median and the interval, or give "
            "tau a proper prior. Estimates of groups without a finite mean are medians.",
        )


@notices_of.register
def _notices_counts(post: CountsPosterior) -> Iterator[Notice]:
    yield from _one_factor(post)
    yield from _unexposed(post.statistics)
    yield from misfit_of_one_factor(post.statistics)
    yield from population_notices(post)
    yield from tau_near_zero(post)
    yield from _at_ends(post.statistics)


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


def _at_ends(s: CountStatistics) -> Iterator[Notice]:
    all_events = (s.y == s.size) & s.proportion
    ends = int((((s.y == 0) | all_events) & (s.size > 0)).sum())
    if ends:
        verb = "group has" if ends == 1 else "groups have"
        what = "no event: the raw rate is 0"
        if s.proportion:
            what = "no event, or events only: the raw value says 0% or 100% with certainty"
        yield Notice(
            "groups_at_ends",
            "info",
            f"{ends:,} of {s.n_groups:,} {verb} {what}, the estimate learns from the other groups.",
        )
