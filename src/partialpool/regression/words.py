"""The lines of a printed linear mixed model."""

from __future__ import annotations

from partialpool.data import CountProducts, CrossProducts
from partialpool.display import headline, pooling_line, prior_line
from partialpool.models import Priors
from partialpool.posterior import Estimated, MixedPosterior
from partialpool.posterior.distributions import IntervalKind


@headline.register
def headline_mixed(post: MixedPosterior | Estimated, formula: str) -> str:
    """What was fitted, in one line."""
    s = post.statistics
    if isinstance(s, CountProducts):
        return _headline_counts(s, formula)
    what = "estimates with known standard errors" if s.sigma_known else "rows"
    dropped = f" ({s.n_dropped:,} more left out)" if s.n_dropped else ""
    sizes = {b.factor: len(b.labels) for b in s.blocks}
    groups = ", ".join(f"{size:,} groups of {factor}" for factor, size in sizes.items())
    return f"{formula}: {s.n_used:,} {what}{dropped}; {groups}"


def _headline_counts(s: CountProducts, formula: str) -> str:
    dropped = f" ({s.n_dropped:,} more left out)" if s.n_dropped else ""
    over = f" in {s.rows.size.sum():,.6g} {s.size_words}" if s.size_words != "rows" else ""
    sizes = {b.factor: len(b.labels) for b in s.blocks}
    groups = ", ".join(f"{size:,} groups of {factor}" for factor, size in sizes.items())
    return (
        f"{formula}: {s.family}, {s.rows.y.sum():,.0f} events{over}, "
        f"{s.n_used:,} rows{dropped}; {groups}"
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
    return "priors: " + ", ".join(f"{k} ~ {v}" for k, v in _priors(post.priors, post.statistics))


@prior_line.register
def prior_line_estimated(post: Estimated) -> str:
    """How the estimates were found, in one line."""
    name = "REML" if post.estimate.restricted else f"ML{post.approximation}"
    return (
        f"{name}: log likelihood {post.log_likelihood:.4f}; no priors, and the estimated spreads "
        "are taken as known; mean is the estimate, sd its standard error"
    )


def _priors(p: Priors, s: CrossProducts) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    if "Intercept" in s.coefficients:
        found.append(("Intercept", p.mu))
    if len(s.coefficients) > ("Intercept" in s.coefficients):
        found.append(("other coefficients", p.beta))
    found.append(("tau", p.tau))
    if any(b.correlated and len(b.effects) > 1 for b in s.blocks):
        found.append(("rho", p.rho))
    if not s.sigma_known:
        found.append(("sigma", p.sigma))
    return [*found, *p.named]
