"""What a posterior says its data should look like, held against what they look like.

Every check is a statistic of the data, its distribution where the model holds, and a p-value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.design import Design
from partialpool.design.rows_again import RowsAgain
from partialpool.kernels.compared import (
    Compared,
    with_draws,
    with_gamma,
    with_largest,
    with_normal,
)
from partialpool.kernels.families import LOGIT
from partialpool.kernels.noise import noise_by_group, weighted_correlation
from partialpool.posterior import row_checks, score_checks
from partialpool.posterior.count_misfit import (
    excess_zeros,
    overdispersion,
    rows_of_groups_vary,
    zeros_of_groups,
)
from partialpool.posterior.counts import CountsPosterior
from partialpool.posterior.counts_draws import population
from partialpool.posterior.engine import INTERCEPT, FullEngine
from partialpool.posterior.generalized import GeneralizedPosterior
from partialpool.posterior.group_check import MOST_GROUPS, GroupCheck
from partialpool.posterior.heteroscedastic import HeteroscedasticPosterior
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.one_way import OneWayPosterior
from partialpool.posterior.population import PopulationPosterior
from partialpool.records import CountStatistics, GroupStatistics

CELLS = 2**21
"""Groups times draws: 16 MiB an array."""
DRAWS, FEWEST_DRAWS = 999, 99
"""Draws behind a p-value: the smallest is then 0.001, or 0.01 of very many groups."""

Reference = Literal["left out", "drawn", "exact", "predictive", "score", "residuals"]
"""Where the p-value is from: each group's prediction from the others; draws of a right model, its
parameters estimated anew; a distribution without parameters; draws of new data from the posterior;
a score test; residuals without pooling."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check: its name, what it is of, and the statistic beside what a right model gives it."""

    check: str
    of: str
    compared: Compared
    reference: Reference


def every_check(
    post: FullEngine,
    rng: np.random.Generator,
    design: Design | None = None,
    rows: RowsAgain | None = None,
) -> tuple[list[GroupCheck], list[Finding]]:
    """Check a posterior by what it knows of its data, and by their rows where these are given.

    Parameters
    ----------
    post : FullEngine
    rng : numpy.random.Generator
    design : Design, optional
    rows : RowsAgain, optional
        With the design by which they were read.

    Returns
    -------
    list of GroupCheck, list of Finding
    """
    groups = list(post.group_checks(every=True))
    findings = [finding for check in groups for finding in of_groups(check)]
    findings += post.checks(rng)
    if rows is None or design is None:
        return groups, findings
    of_rows = list(_of_rows(post, design, rows, rng))
    said = {(f.check, f.of) for f in of_rows}  # rows know more than sums
    return groups, [f for f in findings if (f.check, f.of) not in said] + of_rows


def of_groups(check: GroupCheck) -> Iterator[Finding]:
    """Findings about one effect of a factor's groups."""
    what = f"groups of {check.factor}"
    if check.term != "Intercept":
        what = f"slopes of {check.term} by {check.factor}"
    known = np.abs(check.z[np.isfinite(check.z)])
    if len(known):
        largest = with_largest(float(known.max()), len(check.z))
        yield Finding("farthest group", what, largest, "left out")
    if check.shape is not None:
        yield Finding("tails of groups", what, check.shape.tails, "drawn")
        yield Finding("skewness of groups", what, check.shape.skewness, "drawn")
    if check.by_size is not None:
        yield Finding("value by size", what, with_normal(check.by_size.z), "score")


def one_way_checks(post: OneWayPosterior, rng: np.random.Generator) -> Iterator[Finding]:
    """Check the noise of the groups, and the spread of new ones of their population."""
    s = post.statistics
    what = f"groups of {s.factor}"
    at, draws = _drawn_groups(s.n_groups, rng)
    yield from _noise(s, at, draws, rng)
    c = post.components  # new groups of their population, about a mean that makes no difference
    node = rng.choice(len(c.weight), draws, p=c.weight / c.weight.sum())
    sigma = c.sigma[node]
    if np.isfinite(c.df):
        sigma = sigma * np.sqrt(c.df / rng.chisquare(c.df, draws))
    means = rng.standard_normal((draws, len(at)))
    means *= sigma[:, None] * np.sqrt(c.lam[node][:, None] + 1.0 / s.weight[at])
    spread = with_draws(float(s.mean[at].std(ddof=1)), means.std(axis=1, ddof=1), both=True)
    yield Finding("spread of groups", what, spread, "predictive")


def _noise(s: GroupStatistics, at: Ints, draws: int, rng: np.random.Generator) -> Iterator[Finding]:
    """Whether groups differ in noise, and whether noise goes with their values."""
    mine = at[(s.n[at] > 1) & (s.ss[at] > 0)]
    if s.sigma_known or len(mine) < 2:
        return
    what = f"groups of {s.factor}"
    df = np.asarray(s.n[mine] - 1.0, dtype=np.float64)
    size, trend = noise_by_group(s.ss[mine], df, s.mean[mine], draws, rng)
    yield Finding("noise by group", what, size, "exact")
    if len(mine) > 2:
        yield Finding("noise by value", what, trend, "exact")


def heteroscedastic_checks(
    post: HeteroscedasticPosterior, rng: np.random.Generator
) -> Iterator[Finding]:
    """Check the spread of new groups of their population, in mean and in noise."""
    s, nodes = post.statistics, post.nodes
    what = f"groups of {s.factor}"
    at, draws = _drawn_groups(s.n_groups, rng)
    node = rng.choice(len(nodes.weight), draws, p=nodes.weight)
    _, tau, sigma, omega = nodes.phi[node].T[:, :, None]
    shape = draws, len(at)
    log_noise = np.log(sigma) + omega * rng.standard_normal(shape)
    sd = np.sqrt(tau**2 + np.exp(2.0 * log_noise) / s.weight[at])
    means = sd * rng.standard_normal(shape)
    spread = with_draws(float(s.mean[at].std(ddof=1)), means.std(axis=1, ddof=1), both=True)
    yield Finding("spread of groups", what, spread, "predictive")
    several = np.flatnonzero(s.n[at] > 1)
    if len(several) < 3:
        return
    df = s.n[at][several] - 1.0
    own = log_noise[:, several] + 0.5 * np.log(rng.chisquare(df, (draws, len(df))) / df)
    observed = 0.5 * np.log(s.ss[at][several] / df)
    sds = with_draws(float(observed.std(ddof=1)), own.std(axis=1, ddof=1), both=True)
    yield Finding("spread of noise", what, sds, "predictive")
    trend = weighted_correlation(own, means[:, several], df)
    of_data = weighted_correlation(observed[None], s.mean[at][several][None], df)
    yield Finding(
        "noise by value", what, with_draws(float(of_data[0]), trend, both=True), "predictive"
    )


def _rows_of_counts(s: CountStatistics) -> Iterator[Finding]:
    """Whether rows of a group vary more, or are zero more often, than their family says."""
    dispersion, rows_zero = rows_of_groups_vary(s), zeros_of_groups(s)
    if dispersion is not None:
        yield Finding("dispersion of rows", "rows", dispersion, "exact")
    if rows_zero is not None:
        of_zeros = with_gamma(rows_zero.observed, max(rows_zero.expected, 0.5), rows_zero.sd**2)
        yield Finding("zeros among rows", "rows", of_zeros, "exact")


def counts_checks(post: CountsPosterior, rng: np.random.Generator) -> Iterator[Finding]:
    """Check rows against their family, and the spread and zeros of new groups."""
    s = post.statistics
    what = f"groups of {s.factor}"
    yield from _rows_of_counts(s)
    at, draws = _drawn_groups(s.n_groups, rng)
    at = at[s.size[at] > 0]
    y = _new_events(post, s.size[at], draws, rng)
    raw = with_draws(float(s.raw[at].std()), (y / s.size[at]).std(axis=1), both=True)
    yield Finding("spread of groups", what, raw, "predictive")
    zeros, expected = float((s.y[at] == 0).sum()), (y == 0).sum(axis=1).astype(np.float64)
    if zeros or np.quantile(expected, 0.975) > 0.0:
        yield Finding("groups without an event", what, with_draws(zeros, expected), "predictive")


def population_checks(post: PopulationPosterior, rng: np.random.Generator) -> Iterator[Finding]:
    """Check the spread of new groups of their population; of counts their rows."""
    s = post.statistics
    if isinstance(s, CountStatistics):
        yield from _rows_of_counts(s)
        return
    what = f"groups of {s.factor}"
    at, size = _drawn_groups(s.n_groups, rng)
    yield from _noise(s, at, size, rng)
    drawn = post.draws(size, rng)
    means = post.new_deviations(drawn, len(at), rng)
    sigma = np.ones(size) if drawn.sigma is None else drawn.sigma
    means += sigma[:, None] * rng.standard_normal(means.shape) / np.sqrt(s.weight[at])
    spread = with_draws(float(s.mean[at].std(ddof=1)), means.std(axis=1, ddof=1), both=True)
    yield Finding("spread of groups", what, spread, "predictive")


def _of_rows(
    post: FullEngine, design: Design, rows: RowsAgain, rng: np.random.Generator
) -> Iterator[Finding]:
    """What the rows of any model tell."""
    rows = post.with_precision(rows)
    if rows.size is None:
        residuals = row_checks.of_measurements(rows, rng)
        yield from (Finding(check, "rows", of, "residuals") for check, of in residuals)
    elif isinstance(post.statistics, CountStatistics):
        dealt = row_checks.of_counts(rows, proportion=post.statistics.proportion, rng=rng)
        yield from (Finding(check, "rows", of, "exact") for check, of in dealt)
    if not post.has_score_tests:
        return
    factors = [e.factor.name if e.names[0] == INTERCEPT else "" for e in design.effects]
    scores = score_checks.of_rows(post, design.coefficients, factors, rows, rng)
    yield from (Finding(check, what, of, "score") for check, what, of in scores)


def _drawn_groups(groups: int, rng: np.random.Generator) -> tuple[Any, int]:
    """Positions of the groups that are drawn anew, and how often."""
    at = np.arange(groups)
    if groups > MOST_GROUPS:
        at = np.sort(rng.choice(groups, MOST_GROUPS, replace=False))
    return at, int(np.clip(CELLS // len(at), FEWEST_DRAWS, DRAWS))


def _new_events(
    post: CountsPosterior, size: Floats, draws: int, rng: np.random.Generator
) -> Floats:
    """Events of new groups of these sizes, (S, J)."""
    link = post.model.link
    tau, mu = (each[:, None] for each in population(post.nodes, draws, rng))
    shape = (draws, len(size))
    if not post.model.conjugate:
        value = link.natural(mu + tau * rng.standard_normal(shape))
    elif link is LOGIT:
        f, m = tau**-2.0, link.natural(mu)
        value = rng.beta(np.maximum(m * f, 1e-300), np.maximum((1.0 - m) * f, 1e-300), shape)
    else:
        f = tau**-2.0
        value = rng.gamma(f, link.natural(mu) / f, shape)
    if post.statistics.proportion:
        return rng.binomial(size.astype(np.int64), value).astype(np.float64)
    return rng.poisson(np.minimum(size * value, 1e15)).astype(np.float64)


def mixed_checks(post: MixedPosterior, rng: np.random.Generator) -> Iterator[Finding]:
    """Check the slopes between groups, as far as sums tell of them."""
    for check, what, compared in score_checks.of_group_means(post, rng):
        yield Finding(check, what, compared, "score")


def generalized_checks(post: GeneralizedPosterior, rng: np.random.Generator) -> Iterator[Finding]:
    """Check rows against their family, and predictors by score tests."""
    s = post.statistics
    if not any(len(b.n) >= len(s.rows.y) for b in s.blocks):  # else each row has its own effect
        variance, zeros = overdispersion(post), excess_zeros(post)
        if variance is not None:  # as a ratio, whose mean is 1
            sd = score_checks.fitted_sd(post, variance, rng) / variance.expected
            yield Finding(
                "dispersion of rows", "rows", with_gamma(variance.ratio, 1.0, sd**2), "residuals"
            )
        if zeros is not None:
            sd = score_checks.fitted_sd(post, zeros, rng)
            of_zeros = with_gamma(zeros.observed, max(zeros.expected, 0.5), sd**2)
            yield Finding("zeros among rows", "rows", of_zeros, "residuals")
    for check, what, compared in score_checks.of_count_rows(post, rng):
        yield Finding(check, what, compared, "score")
