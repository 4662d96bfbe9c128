"""The lines of a printed fit, for every model: what was fitted, priors, how far it pools."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._table import Table
from partialpool.errors import ArgumentError
from partialpool.models import Priors
from partialpool.notices import Notice
from partialpool.posterior import (
    CountsPosterior,
    Estimated,
    GeneralizedPosterior,
    HeteroscedasticPosterior,
    MixedPosterior,
    OneFactor,
    OneWayPosterior,
    PopulationPosterior,
)
from partialpool.posterior.distributions import IntervalKind
from partialpool.records import CrossProducts
from partialpool.records.cross_products import DISPERSION
from partialpool.words.formatting import (
    PRINTED_GROUPS,
    WIDTH,
    aligned,
    group_cells,
    notice_lines,
    number,
    parameter_cells,
    telling_columns,
)
from partialpool.words.meta_analysis import new_at_means
from partialpool.words.population_shape import population_words


def headline(post: Any, formula: str) -> str:
    """What was fitted, in one line."""
    s, counted = post.statistics, ""
    if s.counts:
        over = f" in {s.total_size:,.6g} {s.size_words}" if s.size_words != "rows" else ""
        counted = f"{s.family}, {s.events:,.0f} events{over}, "
    what = "estimates with known standard errors" if s.errors_known else "rows"
    dropped = f" ({s.n_dropped:,} more left out)" if s.n_dropped else ""
    groups = f" in {s.n_groups:,} groups" if s.one_factor else f"; {_groups_by_factor(s)}"
    population = post.group_population
    of = "" if post.linear_shrinkage else f" from {population_words(population)}"
    return f"{formula}: {counted}{s.n_used:,} {what}{dropped}{groups}{of}"


def _groups_by_factor(s: CrossProducts) -> str:
    return ", ".join(f"{size:,} groups of {factor}" for factor, size in s.group_counts.items())


@singledispatch
def pooling_line(post: Any, level: float = 0.95, kind: IntervalKind = "equal-tailed") -> str:
    """How much is shared between groups, in one or two sentences."""
    raise TypeError(f"pooling_line of a {type(post).__name__}")


@pooling_line.register(OneWayPosterior)
@pooling_line.register(CountsPosterior)
@pooling_line.register(HeteroscedasticPosterior)
def _pooling_line_one_factor(
    post: OneFactor, level: float = 0.95, kind: IntervalKind = "equal-tailed"
) -> str:
    low, high = _range_of_shrinkage(post)
    spread = low if low == high else f"{low} to {high}"
    return (
        f"{_share_between(post, level, kind)}. Groups are drawn toward the mean by a share of "
        f"{spread} (0 no pooling, 1 complete)."
    )


@pooling_line.register
def _pooling_line_population(
    post: PopulationPosterior, level: float = 0.95, kind: IntervalKind = "equal-tailed"
) -> str:
    """Groups that lie far out are drawn in by less than others: shrinkage is not linear."""
    low, high = _range_of_shrinkage(post)
    drawn = (
        f"Groups are drawn toward the middle by a share of {low} to {high} (0 no pooling, 1 "
        "complete), those far out by less than others of their size."
    )
    try:
        return f"{_share_between(post, level, kind)}. {drawn}"
    except ArgumentError:  # a population without variance has no share of it
        return drawn


def _range_of_shrinkage(post: OneFactor) -> tuple[str, str]:
    share = post.shrinkage.mean
    return f"{share.min():.2f}", f"{share.max():.2f}"


def _share_between(post: OneFactor, level: float, kind: IntervalKind) -> str:
    """Share of variance between groups, with its interval."""
    s, icc = post.statistics, post.icc
    what = "Intraclass correlation (ICC)"
    if s.counts or s.errors_known:
        what = "Heterogeneity (I^2)"
    lower, upper = icc.interval(level, kind)
    return f"{what} {float(icc.mean):.2f}, {100 * level:g}% interval {lower:.2f} to {upper:.2f}"


@singledispatch
def prior_line(post: Any) -> str:
    """The priors used, in one line."""
    raise TypeError(f"prior_line of a {type(post).__name__}")


def _listed_priors(named: Iterable[tuple[str, object]]) -> str:
    return "priors: " + ", ".join(f"{name} ~ {prior}" for name, prior in named)


@prior_line.register
def _prior_line_one_way(post: OneWayPosterior) -> str:
    p = post.model.priors
    named = {"mu": p.mu, "tau": p.tau} | ({} if post.statistics.sigma_known else {"sigma": p.sigma})
    return _listed_priors(named.items())


@prior_line.register
def _prior_line_heteroscedastic(post: HeteroscedasticPosterior) -> str:
    p, name = post.priors, f"sd_log_sigma[{post.statistics.factor}]"
    named = {"mu": p.mu, "tau": p.tau, "sigma": p.sigma, name: p.sd_log_sigma}
    return _listed_priors(named.items())


def new_group_line(
    post: Any, level: float = 0.95, kind: IntervalKind = "equal-tailed", *, exp: bool = False
) -> str:
    """With known standard errors: the prediction interval of a new group; else nothing."""
    s = post.statistics
    if not s.errors_known or isinstance(post, Estimated):
        return ""
    new = post.new_group if s.one_factor else new_at_means(post)
    if new is None:
        return ""
    others = not s.one_factor and len(s.coefficients) > 1
    at = " (predictors at their means over groups)" if others else ""
    ends = new.interval(level, kind)
    if exp:
        ends = np.exp(ends)
    spread = float(ends[1] - ends[0]) / 4
    low, high = (number(float(end), spread) for end in ends)
    what = f"a new {post.terms[0].factor}{at}"
    return f"{100 * level:g}% prediction interval of the effect in {what}: {low} to {high}."


def without_numbers(formula: str, post: Any, why: str) -> str:
    """The printed Fit whose numbers cannot be relied on: what was fitted, and why none is shown."""
    lines = [headline(post, formula), *textwrap.wrap(prior_line(post), WIDTH), ""]
    lines += textwrap.wrap(f"{why[:1].upper()}{why[1:]}.", WIDTH, initial_indent="! ")
    return "\n".join(lines)


def printed(
    formula: str,
    post: Any,
    notices: Sequence[Notice],
    parameters: Table,
    groups: Table,
    advice: str,
) -> str:
    """The printed Fit: parameters, pooling, the first groups, and notices."""
    shown = Table({k: v[:PRINTED_GROUPS] for k, v in groups.items()})
    lines = [headline(post, formula), *textwrap.wrap(prior_line(post), WIDTH), ""]
    lines += aligned(["", *list(parameters)[1:]], parameter_cells(parameters))
    lines += ["", *textwrap.wrap(f"{pooling_line(post)} {advice}", WIDTH)]
    lines += [*textwrap.wrap(new_group_line(post), WIDTH), ""]
    lines += aligned(list(shown), group_cells(shown))
    if groups.n_rows > PRINTED_GROUPS:
        lines.append(f"... {groups.n_rows - PRINTED_GROUPS:,} more groups: fit.groups()")
    if notices:
        lines += ["", *notice_lines(notices)]
    return "\n".join(lines)


def as_html(
    formula: str,
    post: Any,
    notices: Sequence[Notice],
    parameters: Table,
    groups: Table,
    advice: str,
) -> str:
    """What a notebook shows of a Fit: all that `printed` says."""
    shown = Table({k: v[:PRINTED_GROUPS] for k, v in groups.items()})
    left = groups.n_rows - shown.n_rows
    size = f"The first {shown.n_rows} of {groups.n_rows:,}" if left else f"{groups.n_rows:,}"
    what = "effects of groups" if "term" in groups else "groups"
    head, rows, texts = telling_columns(shown)
    return output(
        paragraph(headline(post, formula), "formula"),
        paragraph(prior_line(post)),
        html_table(["parameter", *list(parameters)[1:]], parameter_cells(parameters), "Parameters"),
        paragraph(f"{pooling_line(post)} {advice}"),
        html_table(head, rows, f"{size} {what}", texts),
        paragraph(f"... {left:,} more: fit.groups()", "more") if left else "",
        *(notice.as_html() for notice in notices),
    )


def html_without_numbers(formula: str, post: Any, why: str) -> str:
    """What a notebook shows of a Fit whose numbers cannot be relied on."""
    return output(
        paragraph(headline(post, formula), "formula"),
        paragraph(prior_line(post)),
        paragraph(f"{why[:1].upper()}{why[1:]}.", "warning"),
    )


@pooling_line.register
def pooling_line_mixed(
    post: MixedPosterior, level: float = 0.95, kind: IntervalKind = "equal-tailed"
) -> str:
    """How much of the variance lies between groups, and how much is shared between them."""
    s = post.statistics
    factors = dict.fromkeys(b.factor for b in s.blocks if b.effects[0] == "Intercept")
    parts = []
    for factor in factors:
        share = post.icc(factor)
        lower, upper = share.interval(level, kind)
        parts.append(f"{factor} {float(share.mean):.2f} ({lower:.2f} to {upper:.2f})")
    lines = []
    if parts:
        at_zero = ", other effects at zero" if len(s.coefficients) > 1 else ""
        lines.append(
            f"Share of the variance of one row between groups{at_zero}, with {100 * level:g}% "
            f"intervals: {', '.join(parts)}."
        )
    return " ".join([*lines, pooled_shares(post)])


@pooling_line.register
def pooling_line_estimated(post: Estimated, *_interval: object) -> str:
    """How much is shared between groups, given the estimated spreads."""
    return pooled_shares(post)


def pooled_shares(post: MixedPosterior | Estimated) -> str:
    """By what share the effects of each term are drawn to the population."""
    told = []
    for t, block in enumerate(post.statistics.blocks):
        shares = post.pooling(t)
        for k, effect in enumerate(block.effects):
            low, high = f"{shares[:, k].min():.2f}", f"{shares[:, k].max():.2f}"
            name = block.factor if effect == "Intercept" else f"{block.factor}, {effect}"
            told.append(f"{name} {low}" + (f" to {high}" if high != low else ""))
    return f"Drawn toward the population by (0 no pooling, 1 complete): {'; '.join(told)}."


@prior_line.register
def prior_line_mixed(post: MixedPosterior) -> str:
    """The priors used, in one line."""
    return _listed_priors(_priors(post.priors, post.statistics))


@prior_line.register
def prior_line_estimated(post: Estimated) -> str:
    """How the estimates were found, in one line."""
    name = "REML" if post.estimate.restricted else f"ML{post.approximation}"
    return (
        f"{name}: log likelihood {post.log_likelihood:.4f}; no priors, and the estimated spreads "
        "are taken as known; mean is the estimate, sd its standard error"
    )


def _priors(p: Priors, s: CrossProducts) -> list[tuple[str, object]]:
    listed: list[tuple[str, object]] = []
    if "Intercept" in s.coefficients:
        listed.append(("Intercept", p.mu))
    if len(s.coefficients) > ("Intercept" in s.coefficients):
        listed.append(("other coefficients", p.beta))
    listed.append(("tau", p.tau))
    if any(b.correlated and len(b.effects) > 1 for b in s.blocks):
        listed.append(("rho", p.rho))
    if not s.sigma_known:
        listed.append(("sigma", p.sigma))
    if s.dispersed is not None:
        listed.append((DISPERSION, p.dispersion))
    return [*listed, *(pair for pair in p.named if pair[0] != DISPERSION)]


@prior_line.register
def _prior_line_generalized(post: GeneralizedPosterior) -> str:
    scale = "log-odds" if post.statistics.proportion else "log rates"
    return f"{prior_line_mixed(post)} (of {scale})"


@prior_line.register
def _prior_line_population(post: PopulationPosterior) -> str:
    p, population = post.priors, post.population
    named: dict[str, object] = {} if population.middle is not None else {"mu": p.mu}
    named |= {"tau": p.tau, **population.hyperpriors}
    named |= {} if post.sigma is None else {"sigma": p.sigma}
    scale = "" if post.link is None else f" (of {SCALES[post.link.name]})"
    return _listed_priors(named.items()) + scale


SCALES = {"logit": "log-odds", "log": "log rate"}


@prior_line.register
def _prior_line(post: CountsPosterior) -> str:
    scale = SCALES[post.model.link.name]
    meaning = "f^(-1/2)" if post.model.conjugate else f"sd of the {scale}"
    p = post.priors
    return f"priors: mu ~ {p.mu} ({scale}), tau ~ {p.tau} ({meaning})"
