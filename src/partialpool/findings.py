"""What the user should know about a posterior, as notices in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.accuracy import accuracy_notice
from partialpool.advice import FEW_GROUPS
from partialpool.data import structure
from partialpool.data.labels import shown
from partialpool.display import number
from partialpool.integrate import Line
from partialpool.models.priors import ScalePrior
from partialpool.notices import Notice
from partialpool.posterior import Posterior

FEW_REPLICATES = 10
LIKELIHOOD_RATIO = math.exp(-1.92)
"""A value of tau is in the 95% likelihood interval if its likelihood is above this share."""


@singledispatch
def findings(post: Any) -> Iterator[Notice]:
    """Yield the notices of a posterior, the most important first."""
    raise TypeError(f"findings of a {type(post).__name__}")


@findings.register
def _findings_one_way(post: Posterior) -> Iterator[Notice]:
    yield from accuracy_notice(post)
    yield from dropped(post)
    yield from absent_groups(post)
    yield from withheld(post)
    yield from few_groups(post)
    yield from moments(post)
    yield from _few_replicates(post)
    yield from tau_near_zero(post, _likelihood_share_at_zero(post))
    yield from _single_rows(post)


def dropped(post: Any) -> Iterator[Notice]:
    """A notice of rows with missing values."""
    s = post.statistics
    if s.n_dropped:
        verb = "rows was" if s.n_dropped == 1 else "rows were"
        yield Notice(
            "rows_dropped",
            "warning" if s.n_dropped > 0.05 * s.n_rows else "info",
            f"{s.n_dropped:,} of {s.n_rows:,} {verb} left out because a value was missing. "
            "If values are missing for a reason, the result is biased.",
        )


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
    yield from structure.withheld(*post.statistics.withheld)


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


def _few_replicates(post: Posterior) -> Iterator[Notice]:
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


def tau_near_zero(post: Any, share: float) -> Iterator[Notice]:
    """A notice where tau = 0 has this share, and it is a large one, of the highest likelihood."""
    if share > LIKELIHOOD_RATIO:
        upper = number(float(post.tau.quantile(0.95)), float(post.tau.quantile(0.5)))
        yield Notice(
            "tau_near_zero",
            "info",
            f"The data cannot tell the spread between groups from 0: tau is below {upper} with "
            f"probability 95% (interval [0, {upper}]). The groups may all be alike; the "
            "intervals of the groups take this into account.",
        )


def _likelihood_share_at_zero(post: Posterior) -> float:
    """Likelihood at the smallest tau on the grid over its largest value."""
    model, grid = post.model, post.grid
    reference = model.typical_ratio
    if model.dimensions == ("sigma", "tau"):
        reference *= float(grid.marginal(0) @ grid.lines[0].x)
    weight = grid.marginal(len(grid.lines) - 1)
    return likelihood_share(grid.lines[-1], weight, model.priors.tau, reference)


def likelihood_share(line: Line, weight: Floats, prior: ScalePrior, reference: float) -> float:
    """Likelihood at the smallest tau on a line over its largest value; the prior divided out."""
    with np.errstate(divide="ignore"):
        log_likelihood = np.log(weight) - line.log_slope
    log_likelihood -= prior.log_density(line.x, reference)
    seen = weight > 1e-12 * weight.max()
    inside = log_likelihood[seen]
    return float(np.exp(inside[0] - inside.max()))


def _single_rows(post: Posterior) -> Iterator[Notice]:
    s = post.statistics
    single = int((s.n == 1).sum())
    if single and not s.sigma_known and single < s.n_groups:
        verb = "groups has" if single == 1 else "groups have"
        yield Notice(
            "single_row_groups",
            "info",
            f"{single:,} of {s.n_groups:,} {verb} one row: the spread within groups is learned "
            "from the others, and these are shrunk the most.",
        )
