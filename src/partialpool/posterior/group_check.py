"""Each group held against all the others, for every model: are they of one population."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.integrate import Nested
from partialpool.kernels.count_tails import conjugate_tails, normal_tails
from partialpool.kernels.predictive import leave_one_group_out
from partialpool.kernels.row_moments import inflation
from partialpool.models.population_check import (
    Shape,
    SizeSlope,
    effect_z,
    from_tails,
    left_out_z,
    outlying,
    second_component,
    shape,
    sidak,
    size_slope,
    told_by_data,
)
from partialpool.models.population_text import AnyPopulation
from partialpool.posterior import effects
from partialpool.posterior.components import every_component
from partialpool.posterior.count_misfit import fitted_predictors, median_dispersion
from partialpool.posterior.counts import CountsPosterior
from partialpool.posterior.engine import INTERCEPT, Term
from partialpool.posterior.generalized import GeneralizedPosterior
from partialpool.posterior.heteroscedastic import HeteroscedasticPosterior
from partialpool.posterior.heteroscedastic_left_out import left_out_means
from partialpool.posterior.linear import Rows, functional, located
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.one_way import OneWayPosterior
from partialpool.posterior.population import PopulationPosterior
from partialpool.posterior.population_without import left_out_cdf
from partialpool.records import GroupStatistics

LEVEL, LEVEL_OF_MANY, MANY_GROUPS = 0.03, 0.05 / 3, 100
"""Of each of the three statistics, for up to and beyond that many groups: of few groups the three
go together. A normal population of 8 or 30 groups is rejected in 3 to 6% of 400 worlds each, one of
30 groups with three at 5 times the sd in 69%, with three 6 sds away in 90%
(tests/calibration/population_checks.json)."""
NAMING_LEVEL = 0.01
"""The same before single groups are named: in 1,000 right worlds each of measurements, with a
predictor, and with known errors some were in 1.3, 1.3 and 1.5% (tests/calibration/notices.json)."""
LIKELY_OUTLIER = 0.9
"""Groups are named whose probability of being of the wider part is above this: in
1,000 right worlds of measurements 13 had a group named (tests/calibration/notices.json)."""
MOST_EXACT = 2000
"""With more groups exact z are computed of the `CANDIDATES` that are farthest by a quick one."""
MOST_GROUPS = 20_000
"""Groups of which each is held against the others where all are wanted, and that checks
draw anew (of more, so many at random); they take 2.5 s."""
MOST_PAIRS = 500
"""Distinct pairs of events and size of groups that are then all held against the others: each takes
seven milliseconds."""
CANDIDATES = 200
"""Groups of many whose z are computed exactly: of 3,000 with very different known errors and
Student's t effects the 190 farthest were all among them."""
NEAR_SDS = 2.0
"""Groups of counts whose quick z is below this are not computed exactly for a notice: to be beyond
Sidak's limit they would have to be 1.2 sds farther than it says."""
SAMPLED_NODES = 200
"""Nodes of counts by which groups that are near are held against the others: z of five bundled data
sets are within 0.03 of those from all nodes."""
NEGLIGIBLE = 1e-6
"""Share of the weight below which nodes of counts are left out of a tail."""
MOST_TAILS, TAIL_NODES = 50, 64
"""Groups that seem far whose events are looked at, the farthest first, and nodes of tau."""
CELLS_AT_ONCE = 2**20
"""Groups times nodes worked on at once (8 MiB an array)."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupCheck:
    """One effect of every group of a factor against what the other groups say of it.

    Parameters
    ----------
    factor, term : str
    labels : ndarray, shape (J,)
    z : ndarray, shape (J,)
        Phi^-1 of the probability integral transform of each group's own value under its
        leave-one-group-out predictive; nan where the group says nothing, or was not looked at.
    pit : ndarray, shape (J,)
        Probability integral transform: Phi(z), and of counts the middle of the two tails, each of
        which has the value itself; uniform where the model holds.
    p : float
        Of the largest |z| among all groups (Sidak).
    shape : Shape or None
        Third and fourth moments of the population; None where groups are too few, and of counts.
    second : ndarray, shape (J,)
        Probability of being of the wider part of a contaminated population; nan where it was not
        computed, as the normal one was not clearly rejected.
    by_size : SizeSlope or None
        How own values change with the size of the groups; None where sizes are alike.
    population : str or Population
        What groups were taken to come from.
    has_choice : bool
        Whether the same model can be fitted with another population.
    """

    factor: str
    term: str
    labels: AnyArray
    z: Floats
    pit: Floats
    p: float
    shape: Shape | None
    second: Floats
    by_size: SizeSlope | None
    population: AnyPopulation = "normal"
    has_choice: bool = False

    @property
    def smallest_p(self) -> float:
        """The smallest p-value of the statistics."""
        moments = [] if self.shape is None else [self.shape.heavy_tails, self.shape.skewed]
        return min([self.p, *moments])

    @property
    def rejected(self) -> bool:
        """Whether the population is rejected."""
        return self.smallest_p <= (LEVEL if len(self.z) <= MANY_GROUPS else LEVEL_OF_MANY)

    @property
    def outlying(self) -> Bools:
        """Groups that do not belong to the population of the others, (J,)."""
        if self.smallest_p > NAMING_LEVEL:
            return np.zeros(len(self.z), dtype=bool)
        far = outlying(self.z, len(self.z), NAMING_LEVEL)
        return np.asarray(far | (np.nan_to_num(self.second) > LIKELY_OUTLIER))


def one_way_groups(post: OneWayPosterior, *, every: bool) -> Iterator[GroupCheck]:
    """Check each group of measurements, from the sums without it."""
    s = post.statistics
    if not post.predicts_without_one_group:
        return
    sigma = 1.0 if post.sigma is None else float(post.sigma.median)
    tau = float(post.tau.median)
    own = sigma**2 / s.weight
    y = post.centered_means
    quick = (y - float(post.mu.median) + post.model.center) / np.sqrt(own + tau**2)
    which = _to_compute(quick, every and s.n_groups <= MOST_GROUPS)
    c = every_component(post.model, post.grid)
    z = np.full(s.n_groups, np.nan)
    step = max(1, CELLS_AT_ONCE // len(c.weight))
    for i in range(0, len(which), step):
        at = which[i : i + step]
        n = s.n[at].astype(np.float64)
        of = leave_one_group_out(y[at], n, s.weight[at], s.ss[at], *c.columns, c.df)
        z[at] = left_out_z(y[at], c.weight, of)
    by_size = None
    if not s.sigma_known:
        by_size = size_slope(y, own + tau**2, s.n.astype(np.float64))
    check = _check(s.factor, "Intercept", s.labels, z, (y, own), by_size)
    yield replace(check, has_choice=True)


def population_groups(post: PopulationPosterior, *, every: bool) -> Iterator[GroupCheck]:
    """Check each group of measurements against a population that is not normal."""
    s = post.statistics
    if not (isinstance(s, GroupStatistics) and post.predicts_without_one_group):
        return
    own = (1.0 if post.sigma is None else float(post.sigma.median)) ** 2 / s.weight
    away = s.raw - float(post.mu.median)
    quick = away / np.sqrt(own + float(post.tau.median) ** 2)
    which = _to_compute(quick, every)
    if not every:  # a population with longer tails than the normal one makes none farther
        which = which[np.abs(quick[which]) > NEAR_SDS]
    z = np.full(s.n_groups, np.nan)
    z[which] = special.ndtri(np.clip(left_out_cdf(post, which), 1e-300, 1.0 - 1e-16))
    check = _check(s.factor, "Intercept", s.labels, z, None, None)
    yield replace(check, population=post.population)


def heteroscedastic_groups(post: HeteroscedasticPosterior, *, every: bool) -> Iterator[GroupCheck]:
    """Check each mean against what the others, and the group's own noise, say of it."""
    s = post.statistics
    if not post.predicts_without_one_group:
        return
    which = np.arange(s.n_groups)
    if not every and s.n_groups > MOST_EXACT:
        own = post.noise.median**2 / post.model.groups.weight
        quick = (s.raw - float(post.mu.median)) / np.sqrt(own + float(post.tau.median) ** 2)
        which = _to_compute(quick, every)
    z = np.full(s.n_groups, np.nan)
    z[which] = left_out_means(post.model.groups.part(which), post.nodes)
    yield _check(s.factor, "Intercept", s.labels, z, None, None)


def counts_groups(post: CountsPosterior, *, every: bool) -> Iterator[GroupCheck]:
    """Check the events of each group; groups of equal data once."""
    model, s = post.model, post.statistics
    if not post.predicts_without_one_group:
        return
    pairs = model.pairs
    mu, tau = float(post.mu.median), float(post.tau.median)
    quick = (pairs.center - mu) / np.hypot(pairs.sd, tau)
    far = np.flatnonzero(np.abs(quick) > NEAR_SDS)
    far = far[np.argsort(-np.abs(quick[far]))[:CANDIDATES]]
    below, above = np.full((2, len(pairs) + 1), np.nan)
    if every and len(pairs) <= MOST_PAIRS:
        few = _sampled(post.nodes)
        for k in np.setdiff1d(np.arange(len(pairs)), far).tolist():
            below[k], above[k] = _left_out_count(post, k, few)
    for k in np.sort(far).tolist():
        below[k], above[k] = _left_out_count(post, k, post.nodes)
    # twice the smaller tail, the value itself in both, is on the safe side of a discrete PIT
    z = np.where(np.isnan(below), np.nan, from_tails(*np.minimum([below, above], 0.5)))
    pit = 0.5 * (below + 1.0 - above)
    of = model.member
    by_size = _size_of_counts(post)
    check = _check(s.factor, "Intercept", s.labels, z[of], None, by_size, pit[of])
    yield replace(check, population=post.group_population, has_choice=True)


@dataclass(frozen=True, slots=True, eq=False)
class _NodesOfCounts:
    """Nodes of (mu, tau) by themselves: mu (T, M), tau (T,) and weights (T, M)."""

    inner: Floats
    outer: Floats
    weight: Floats


def _sampled(nodes: Nested) -> _NodesOfCounts:
    """A systematic sample of the nodes, by weight and in their order."""
    below = np.cumsum(nodes.weight.ravel())
    place = (np.arange(SAMPLED_NODES) + 0.5) / SAMPLED_NODES * below[-1]
    line, at = np.divmod(np.searchsorted(below, place), nodes.weight.shape[1])
    mu = nodes.inner[line, at][:, None]
    return _NodesOfCounts(mu, nodes.outer[line], np.full(mu.shape, 1.0 / SAMPLED_NODES))


def _left_out_count(
    post: CountsPosterior, k: int, nodes: Nested | _NodesOfCounts
) -> tuple[float, float]:
    """Tails of the groups of one pair of events and size, each with the value itself.

    Nodes are reweighted by ``1 / p(group | node)``.
    """
    model = post.model
    log_l = model.log_marginals(model.pairs.at(slice(k, k + 1)), nodes.inner, nodes.outer)[0]
    weight = nodes.weight
    least = float(log_l.min(where=weight > 0, initial=math.inf))
    # 1 / p in units of the largest, so that nothing overflows where a node hardly allows the group
    share = weight * np.exp(np.where(weight > 0, least - log_l, -math.inf))
    share /= share.sum()
    line, place = np.nonzero(share > NEGLIGIBLE * share.max())
    at = nodes.inner[line, place], nodes.outer[line]
    tails = conjugate_tails if model.conjugate else normal_tails
    y, size = float(model.pairs.y[k]), float(model.pairs.size[k])
    below, above = tails(y, size, *at, model.link)
    used = share[line, place] / share[line, place].sum()
    return float(used @ below), float(used @ above)


def _size_of_counts(post: CountsPosterior) -> SizeSlope | None:
    """Own proportions or rates by size: their means do not depend on it, whatever the family."""
    s = post.statistics
    there = s.size > 0
    raw, size = s.raw[there], s.size[there]
    new = post.new_group
    between = float(new.sd) ** 2
    mean = float(new.mean)
    if not math.isfinite(between) or between <= 0.0:
        return None
    within = max(mean * (1.0 - mean) - between, 1e-12) if s.proportion else max(mean, 1e-12)
    return size_slope(raw, within / size + between, size)


def mixed_groups(post: MixedPosterior) -> Iterator[GroupCheck]:
    """Check every effect of each group of a linear mixed model."""
    for term in _checked_effects(post):
        of = _conditional(post, term)
        z, own = _effects(of)
        yield _check(term.factor, term.name, term.labels, z, own, _sizes(post, term, of, own))


def generalized_groups(post: GeneralizedPosterior) -> Iterator[GroupCheck]:
    """Check every effect of each group of counts with predictors."""
    for term in _checked_effects(post):
        of = _conditional_of_counts(post, term)
        z, own = _effects(of)
        if term.name == INTERCEPT:
            z = _at_most_that_of_counts(post, term.block, of, z)
        yield _check(term.factor, term.name, term.labels, z, None, _sizes(post, term, of, own))


def _checked_effects(post: MixedPosterior) -> Iterator[Term]:
    """Effects of factors with groups enough to be held against each other."""
    return (term for term in post.terms if len(term.labels) >= 5)


def _sizes(
    post: MixedPosterior, term: Term, of: _Conditional, own: tuple[Floats, Floats] | None
) -> SizeSlope | None:
    """How own values of an intercept change with the size of the groups."""
    if term.name != INTERCEPT or own is None or post.statistics.sigma_known:
        return None
    y, variance = own
    n = post.statistics.blocks[term.block].n.astype(np.float64)
    return size_slope(y, variance + of.typical, n)


@dataclass(frozen=True, slots=True, eq=False)
class _Conditional:
    """Moments of one effect of every group at nodes; see `effect_z`."""

    mean: Floats
    variance: Floats
    between: Floats
    scale: Floats
    weight: Floats
    df: float

    @property
    def typical(self) -> float:
        """Variance between groups, its mean over the nodes."""
        return float(self.weight @ (self.between[:, 0] * self.scale**2))


def _deviations(post: MixedPosterior, term: Term) -> Rows:
    """Rows of the deviations of an effect of every group."""
    q = len(post.model.terms[term.block].effects)
    return effects.group_rows(post.model, term.block, whole=False).part(slice(term.effect, None, q))


def _variance_between(post: MixedPosterior, term: Term, phi: Floats) -> Floats:
    """Variance of an effect between groups at each node, (K,)."""
    factor = post.model.factors(phi)[term.block]
    return np.asarray(np.square(factor).sum(axis=2)[:, term.effect])


def _conditional_of_counts(post: GeneralizedPosterior, term: Term) -> _Conditional:
    rows = _deviations(post, term)
    of = post.weighted.for_rows(rows)
    between = _variance_between(post, term, of.points.phi)
    mean, variance, _ = of.at_points(rows)
    weight = of.weight
    if not (rows.index[0] >= 0).any():  # drawn at the points, not integrated out
        middle = weight @ mean
        variance = (weight @ (mean - middle) ** 2 + weight @ variance)[None]
        mean, between, weight = middle[None], weight @ between[:, None], np.ones(1)
    return _Conditional(mean, variance, between[:, None], np.ones(len(weight)), weight, math.inf)


def _conditional(post: MixedPosterior, term: Term) -> _Conditional:
    rows, nodes = _deviations(post, term), post.nodes
    if len(rows.constant) > MOST_EXACT:  # one group of so many moves no hyperparameter
        nodes = nodes.chosen(np.array([np.argmax(nodes.weight)]), np.ones(1))
    elif len(rows.constant) * len(nodes.weight) * (post.model.system.p + 2) > CELLS_AT_ONCE:
        nodes = post._few  # those from which tables are read
    loc, sd = located(nodes, rows, functional(post.model, nodes, rows))
    between = _variance_between(post, term, nodes.points)
    variance = (sd / nodes.scale[:, None]) ** 2
    return _Conditional(loc, variance, between[:, None], nodes.scale, nodes.weight, nodes.df)


def _at_most_that_of_counts(
    post: GeneralizedPosterior, block: int, of: _Conditional, z: Floats
) -> Floats:
    """Z of groups that seem far, from the tails of their events where these are nearer.

    The effect of a group of few events is anything but normal: one with 6 events where 1 is
    expected is 5 sds away and not rare. Held against their sum at the nodes of tau, reweighted by
    1 / p(events), what coefficients and other factors say of its rows at their medians.
    """
    z, rows, link = z.copy(), post.statistics.rows, post.statistics.link
    far = np.flatnonzero(outlying(z, len(z), NAMING_LEVEL))
    far = far[np.argsort(-np.abs(z[far]))[:MOST_TAILS]]
    if not len(far):
        return z
    natural = link.natural(fitted_predictors(post, without=block))
    proportion = post.statistics.proportion
    mean = rows.size * natural
    each = mean * (1.0 - natural) if proportion else mean
    wider = inflation(
        rows.size / rows.count, natural, median_dispersion(post), proportion=proportion
    )
    sums = np.stack(
        [
            np.bincount(rows.group[block], v, len(z))
            for v in (rows.y, rows.size, mean, each, each * wider)
        ]
    )
    # with a dispersion: as many events as of Poisson or binomial rows would say as much
    events, size, expected = sums[:3] * (sums[3] / np.maximum(sums[4], 1e-300))
    tau, weight = _quantiles(np.sqrt(of.between[:, 0]), of.weight)
    for j in far.tolist():
        if proportion:
            middle = np.full(len(tau), float(np.log(expected[j] / (size[j] - expected[j]))))
            trials = max(np.rint(size[j]), 1.0)  # no whole number where there is a dispersion
            below, above = normal_tails(min(np.rint(events[j]), trials), trials, middle, tau, link)
        else:
            below, above = normal_tails(events[j], expected[j], np.zeros(len(tau)), tau, link)
        # both tails hold the events themselves
        share = weight / np.maximum(below + above - 1.0, 1e-15)
        share /= share.sum()
        exact = from_tails(np.minimum(share @ below, 0.5), np.minimum(share @ above, 0.5))
        z[j] = np.sign(z[j]) * min(abs(z[j]), abs(float(exact)))
    return z


def _quantiles(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Few nodes of a distribution, denser in its tails than equal shares, and their weights."""
    order = np.argsort(values)
    ends = special.ndtr(np.linspace(-4.0, 4.0, TAIL_NODES + 1))
    middles, share = 0.5 * (ends[1:] + ends[:-1]), np.diff(ends)
    reached = np.cumsum(weight[order]) / weight.sum()
    which = np.minimum(np.searchsorted(reached, middles), len(values) - 1)
    return values[order][which], share / share.sum()


def _effects(of: _Conditional) -> tuple[Floats, tuple[Floats, Floats] | None]:
    """Z of every group, and the groups' own values with their sampling variances."""
    z = effect_z(of.mean, of.variance, of.between, of.scale, of.weight, of.df)
    share = told_by_data(of.variance, of.between)
    used = share > 1e-6
    safe = np.where(used, share, 1.0)
    w = of.weight[:, None] * used
    total = w.sum(axis=0)
    if (total < 0.5).any():
        return z, None
    own = (w * of.mean / safe).sum(axis=0) / total
    sampling = (of.scale**2)[:, None] * of.variance / safe
    return z, (own, (w * sampling).sum(axis=0) / total)


def _check(
    factor: str,
    term: str,
    labels: AnyArray,
    z: Floats,
    own: tuple[Floats, Floats] | None,
    by_size: SizeSlope | None,
    pit: Floats | None = None,
) -> GroupCheck:
    """Put the three statistics together; the wider part is looked for only after a rejection."""
    pit = special.ndtr(z) if pit is None else pit
    largest = float(np.nanmax(np.abs(z), initial=0.0))
    p = float(sidak(np.array([largest]), len(z))[0])
    moments = None if own is None else shape(*own)
    second = np.full(len(z), np.nan)
    check = GroupCheck(factor, term, labels, z, pit, p, moments, second, by_size)
    if own is None or len(z) > MOST_EXACT or check.smallest_p > NAMING_LEVEL:
        return check
    return GroupCheck(factor, term, labels, z, pit, p, moments, second_component(*own), by_size)


def _to_compute(quick: Floats, every: bool) -> Ints:
    """Groups whose z is computed exactly: all, or the farthest of very many."""
    if every or len(quick) <= MOST_EXACT:
        return np.arange(len(quick))
    return np.sort(np.argsort(-np.abs(quick))[:CANDIDATES])
