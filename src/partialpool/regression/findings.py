"""Notices on the posterior of a linear mixed model."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from partialpool.accuracy import accuracy_notice
from partialpool.advice import FEW_GROUPS
from partialpool.data.cross_products import Block
from partialpool.display import number
from partialpool.findings import LIKELIHOOD_RATIO, dropped, findings
from partialpool.models.mixed import sd_name
from partialpool.notices import Notice
from partialpool.posterior import Distribution, Estimated, MixedPosterior

ROUGH = 0.05
"""Standard errors by which an approximate integral may move estimates unmentioned."""
MANY_GROUPS = 20
"""With fewer groups, spreads taken as known make intervals too short to say nothing."""


@findings.register
def findings_mixed(post: MixedPosterior) -> Iterator[Notice]:
    """Yield the notices of a posterior, the most important first."""
    yield from accuracy_notice(post)
    yield from dropped(post)
    for factor in dict.fromkeys(b.factor for b in post.statistics.blocks):
        blocks = [b for b in post.statistics.blocks if b.factor == factor]
        yield from _few_groups(post, blocks)
        yield from _near_zero(post, blocks)
        yield from single_rows(blocks[0], post.statistics.sigma_known)
    yield from _no_finite_sd(post)


@findings.register
def findings_estimated(post: Estimated) -> Iterator[Notice]:
    """Yield the notices of estimates, the most important first."""
    yield from accuracy_notice(post)
    yield from dropped(post)
    yield from _approximate(post)
    if post.estimate.boundary:
        yield Notice(
            "estimate_on_boundary",
            "warning",
            "A standard deviation is estimated as zero or a correlation as plus or minus one, "
            "although the data hold no proof of that; intervals take it as a fact. The posterior "
            '(method="posterior") does not.',
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
    sizes = {b.factor: len(b.labels) for b in post.statistics.blocks}
    few = [f"{size} of {factor}" for factor, size in sizes.items() if size < MANY_GROUPS]
    if few:
        yield Notice(
            "few_groups",
            "warning",
            f"There are few groups ({', '.join(few)}): their spreads are taken as known and are "
            "not, so that intervals of groups are too short.",
        )


def _approximate(post: Estimated) -> Iterator[Notice]:
    """Say where the integral over groups of counts is too rough, and by how much."""
    found = post.estimate
    if post.quadrature is None or found.moved < ROUGH:
        return
    rule = (
        "Laplace's approximation"
        if post.quadrature == 1
        else f"The quadrature rule with {post.quadrature} nodes"
    )
    much = "more than a standard error"
    if found.moved < 1.0:
        much = f"up to about {found.moved:.1g} standard errors"
    yield Notice(
        "laplace_error" if post.quadrature == 1 else "quadrature_error",
        "warning",
        f"{rule} moves estimates by {much} here, as a rule with {found.finer} nodes says: use "
        f"quadrature={found.finer} (--quadrature {found.finer}), or the posterior.",
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


def _near_zero(post: MixedPosterior, blocks: list[Block]) -> Iterator[Notice]:
    near = []
    for name in (sd_name(b.factor, e) for b in blocks for e in b.effects):
        tau = post.taus[name]
        if likelihood_share_at_zero(post, name, tau) > LIKELIHOOD_RATIO:
            upper = number(float(tau.quantile(0.95)), float(tau.quantile(0.5)))
            near.append(f"{name} (95% below {upper})")
    if near:
        yield Notice(
            "tau_near_zero",
            "info",
            f"The data cannot tell these spreads between groups of {blocks[0].factor} from 0: "
            f"{', '.join(near)}. The groups may be alike in them; all intervals take this into "
            "account.",
        )


def likelihood_share_at_zero(post: MixedPosterior, name: str, tau: Distribution) -> float:
    """Marginal likelihood of the smallest sds over its largest value; the prior divided out."""
    x = np.asarray(tau.quantile(np.array([0.002, *np.linspace(0.02, 0.98, 49)])))
    prior = post.priors.scale(name)
    reference = next(
        float(t.reference[t.effects.index(e)])
        for t in post.model.terms
        for e in t.effects
        if sd_name(t.factor, e) == name
    )
    scale = 1.0 if post.sigma is None else float(post.sigma.median)
    with np.errstate(divide="ignore"):
        log_likelihood = np.log(tau.density(x)) - prior.log_density(x, reference * scale)
    return float(np.exp(log_likelihood[0] - log_likelihood.max()))


def single_rows(block: Block, sigma_known: bool) -> Iterator[Notice]:
    """Say how many groups have one row."""
    single, size = int((block.n == 1).sum()), len(block.n)
    if single and not sigma_known and single < size:
        verb = "has" if single == 1 else "have"
        yield Notice(
            "single_row_groups",
            "info",
            f"{single:,} of {size:,} groups of {block.factor} {verb} one row: the spread within "
            "groups is learned from the others, and these are shrunk the most.",
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
