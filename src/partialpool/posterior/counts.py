"""The posterior of a one-way model of counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from scipy import special

from partialpool._table import Table
from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW, NONE, NewRows
from partialpool.errors import ArgumentError, ImproperPosteriorError, PriorError
from partialpool.integrate import Accuracy, Nested, integrate_nested
from partialpool.kernels.families import Link
from partialpool.models import CountsModel, Priors, counts_model
from partialpool.models.counts import empty_pair
from partialpool.models.counts_propriety import (
    CountMoments,
    check_proper,
    natural_moments,
)
from partialpool.models.population_text import CountPopulation
from partialpool.posterior.argument_checks import (
    checked_draws,
)
from partialpool.posterior.assembled import Chosen
from partialpool.posterior.counts_draws import draw, draw_new, population
from partialpool.posterior.distributions import Distribution, Mixture
from partialpool.posterior.draws import OneWayDraws
from partialpool.posterior.engine import Scale, Term, checked_scale
from partialpool.posterior.groups import OnLink
from partialpool.posterior.mapped import Mapped, Selected, share_of_variance
from partialpool.posterior.one_factor import OneFactorEngine
from partialpool.posterior.one_way_parameters import on_line
from partialpool.posterior.pairs import KERNEL_WIDTH, Densities, densities, spread_inverse
from partialpool.posterior.predicted_counts import expected_counts
from partialpool.posterior.response_scale import axis_of
from partialpool.records import Clusters, CountStatistics

if TYPE_CHECKING:
    from partialpool.posterior.checks import Finding
    from partialpool.posterior.group_check import GroupCheck
    from partialpool.posterior.left_out import LeftOutGroups

TAU_PINNED_FROM = 100
"""From this many groups inside their range on, tau is expected to be pinned down."""
HEAVY_TAIL = 320.0
"""Quarters of a 95% interval by which its end moves if a share of the probability beyond the grid
is left out, over that share, in a tail as heavy as of mu of few gamma rates (P(mu > m) falls as
m^(-1/2); 1 over the density at the end, 0.0125 / m, in units of m / 4; 80 for Cauchy's, 17 for a
normal one). The estimated error of `test_what_is_out_of_reach_is_said_and_said_soon` rests on
it."""

DRAWS_AND_PAIRS = 2**18
"""Draws times pairs whose likelihoods are integrated at once: arrays of tens of MiB."""


def counts_posterior(
    statistics: CountStatistics,
    priors: Priors,
    accuracy: float | None = None,
    *,
    population: CountPopulation = "normal",
) -> CountsPosterior:
    """Compute the exact posterior of a one-way model of counts.

    The population is normal, or the one that is conjugate to the family.

    Raises
    ------
    DataError
        If there is one group only, or nothing was exposed.
    PriorError
        If a prior does not apply.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    model = counts_model(statistics, priors, population)
    nodes = integrate_nested(
        model.log_joint,
        model.guess,
        model.axis,
        model.start,
        moments=model.moments.tau,
        pinned=model.sizes.inside >= TAU_PINNED_FROM,
    )
    if not math.isfinite(nodes.log_total):
        raise PriorError(
            "the priors leave no room for these data: under them the likelihood is too small to "
            "be computed anywhere; give tau or mu a wider prior"
        )
    return CountsPosterior(statistics, model, nodes, accuracy)


@final
@dataclass(frozen=True, eq=False, repr=False)
class CountsPosterior(OneFactorEngine):
    """The joint posterior of mu, tau and every group's probability or rate.

        y_j ~ Binomial(n_j, p_j) or Poisson(e_j rate_j),   link(p_j or rate_j) ~ N(mu, tau^2)

    or, in the conjugate populations, p_j beta and rate_j gamma distributed.

    Parameters
    ----------
    statistics : CountStatistics
        The data, reduced; gives the order of the groups.
    model : CountsModel
        Likelihood and priors.
    nodes : Nested
        Nodes and weights over (mu, tau).
    accuracy : float, optional
        The error asked for (posterior sds); see `target`.
    """

    counts = True
    statistics: CountStatistics
    model: CountsModel
    nodes: Nested
    accuracy: float | None = None

    # scalars ------------------------------------------------------------------------------

    @cached_property
    def mu(self) -> Distribution:
        """Population mean on the link scale (log-odds or log rate)."""
        few = self.nodes.cut(1e-15)
        weight = (few.weight @ spread_inverse(few.inner.shape[1])).ravel()
        sd = np.broadcast_to(
            (KERNEL_WIDTH * few.step * few.scale)[:, None], few.inner.shape
        ).ravel()
        loc = few.inner.ravel()

        def rows(_: slice) -> tuple[Floats, Floats]:
            return loc[:, None], sd[:, None]

        moments = self.model.moments.mu
        return Mixture((), rows, weight / weight.sum(), math.inf, 0.0, moments)

    @cached_property
    def tau(self) -> Distribution:
        """Spread between groups: sd on the link scale; in conjugate populations f^(-1/2)."""
        return on_line(self.nodes.line, self.nodes.marginal, self.model.moments.tau)

    @property
    def sigma(self) -> None:
        """Counts have no sigma: their spread follows from their mean."""
        return None

    @cached_property
    def middle(self) -> Distribution:
        """Mu on the natural scale: the probability or rate at the middle of the population."""
        few = self.nodes.cut(1e-15)
        value = self.model.link.natural(few.inner)
        mean = float((few.weight * value).sum())
        sd = math.sqrt(float((few.weight * (value - mean) ** 2).sum()))
        return Mapped(self.mu, axis_of(self.model.link), (mean, sd), ())

    @cached_property
    def new_theta(self) -> Distribution:
        """Link-scale parameter of a group not in the data."""
        return Selected(self._on_link(self._new, np.zeros(1, dtype=np.intp), empty=True), index=0)

    @cached_property
    def new_group(self) -> Distribution:
        """Probability or rate of a group not in the data."""
        new = self._on_natural(self._new, np.zeros(1, dtype=np.intp), empty=True)
        return Selected(new, index=0)

    # groups -------------------------------------------------------------------------------

    @cached_property
    def theta(self) -> Distribution:
        """Every group's parameter on the link scale; shape (J,)."""
        return self._on_link(self.densities, self.model.member)

    @cached_property
    def value(self) -> Distribution:
        """Every group's probability or rate; means and sds are those of the value itself."""
        return self._on_natural(self.densities, self.model.member)

    @cached_property
    def shrinkage(self) -> Distribution:
        """Every group's weight on the pooled value, B_j: 0 no, 1 complete pooling; shape (J,).

        See `CountsModel.pooling`. Means and sds are exact; other summaries hold the information
        of one trial at its value at the median of mu.
        """
        return self.shrinkage_of(self.statistics.size)

    def shrinkage_of(self, size: Floats) -> Mapped:
        """Weight on the pooled value of groups of these sizes; see `shrinkage`."""
        few = self.nodes.cut(1e-13)
        distinct, at = np.unique(size, return_inverse=True)
        mean_and_sd = np.empty((2, len(distinct)))
        weight = few.weight.ravel()
        step = max(1, 2**21 // weight.size)
        for i in range(0, len(distinct), step):
            part = slice(i, i + step)
            b = self.model.pooling(distinct[part, None, None], few.inner, few.outer[:, None])
            b = b.reshape(len(b), -1)
            mean_and_sd[0, part] = b @ weight
            mean_and_sd[1, part] = np.sqrt((b - mean_and_sd[0, part, None]) ** 2 @ weight)
        one = self.model.pooling(np.ones(1), np.asarray(self.mu.median), np.ones(1))
        factor = size * float(1.0 / one[0] - 1.0)
        return share_of_variance(
            self.tau, factor, mean_and_sd[0][at], mean_and_sd[1][at], rising=False
        )

    @cached_property
    def icc(self) -> Distribution:
        """I^2: share of the variance of a typical group's own value that lies between groups.

        One minus the shrinkage of a group of the harmonic mean size; mu held at its median.
        """
        size = self.statistics.size
        typical = float((size > 0).sum() / (1.0 / size[size > 0]).sum())
        one = float(self.model.pooling(np.ones(1), np.asarray(self.mu.median), np.ones(1))[0])
        factor = typical * (1.0 / one - 1.0)
        value = 1.0 - 1.0 / (1.0 + factor * self.nodes.outer**2)
        weight = self.nodes.marginal
        mean = float(value @ weight)
        sd = math.sqrt(float((value - mean) ** 2 @ weight))
        return share_of_variance(
            self.tau, np.asarray(factor), np.asarray(mean), np.asarray(sd), rising=True
        )

    def some_groups(self, groups: Ints, scale: Scale = "response") -> Distribution:
        """Probabilities or rates of some groups, by position; or log-odds or log rates."""
        read = self._on_natural if checked_scale(scale) == "response" else self._on_link
        return read(self.densities, self.model.member[groups])

    def fitted_predictor(
        self, offset: Floats, x: Floats, groups: Sequence[tuple[Ints, Floats]]
    ) -> Floats:
        """Linear predictor of rows: the mean of theta of their group, or its median; (N,)."""
        theta = self.theta
        middle = np.where(np.isfinite(theta.mean), theta.mean, theta.quantile(0.5))
        return np.asarray(middle[groups[0][0]])

    def of_rows(self, index: Ints, scale: Scale = "response") -> Distribution:
        """Of the group of each row, -1 for a new group, -2 for the population's middle; (R,)."""
        response = checked_scale(scale) == "response"
        new, middle = np.flatnonzero(index == NEW), np.flatnonzero(index == NONE)
        known = np.flatnonzero(index >= 0)
        parts: list[tuple[Distribution, Ints]] = []
        if len(known):
            parts.append((self.some_groups(index[known], scale), known))
        if len(new):
            parts.append((self.new_group if response else self.new_theta, new))
        if len(middle):
            parts.append((self.middle if response else self.mu, middle))
        return Chosen((len(index),), tuple(parts))

    def group(self, label: Any) -> Distribution:
        """Distribution of one group's probability or rate, by label."""
        return Selected(self.some_groups(self.group_index([label])), index=0)

    def expected_rank(self, *, descending: bool = True) -> Floats:
        """Posterior mean of each group's rank, 1 = highest; shape (J,)."""
        return np.asarray(self.ranks(descending=descending)["expected_rank"])

    def expected_counts(self, size: Any, *, level: float = 0.95) -> Table:
        """Events to expect of every group in new trials or exposure.

        Parameters
        ----------
        size : array_like, shape () or (J,)
            New trials or exposure, the same for all groups or one a group.
        level : float
            Probability of the prediction intervals.

        Returns
        -------
        Table
            group, size, mean, sd, lower, upper: of the number of events, the uncertainty of the
            group's probability or rate included.

        Raises
        ------
        ArgumentError
            If a size is negative, not finite, or a broken number of trials.
        """
        return expected_counts(self, size, level)

    proper_priors = "normal(0, 2) and half_normal(1)"

    @property
    def log_evidence(self) -> float:
        """Logarithm of the integral over the nodes."""
        return self.nodes.log_total + self.model.log_constant

    # what every engine answers ---------------------------------------------------------------

    def deviations(self, term: Term) -> Distribution:
        """Refused: the table of this model has no deviations."""
        raise ArgumentError(
            "a one-way model of counts is of values, not of deviations: use groups() or contrast()"
        )

    def above_average(self, term: Term) -> Floats:
        """Probability that a group lies above mu, (J,)."""
        from partialpool.posterior.above import counts_above_average

        return counts_above_average(self)

    def new_value(self, term: Term, scale: Scale) -> Distribution:
        """Probability or rate, or theta, of a group that is not in the data."""
        return self.new_group if scale == "response" else self.new_theta

    def drawn_groups(self, groups: Ints, size: int, rng: np.random.Generator) -> Floats:
        """Draws of theta of some groups, by position, (S, K)."""
        s = self.statistics
        few = replace(s, **{k: getattr(s, k)[groups] for k in ("labels", "n", "y", "size")})
        return draw(self.model, self.nodes, few, size, rng).theta

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]],
        *,
        noise: Floats | None = None,
    ) -> Distribution:
        """Theta of the group of each row: there is no noise on the link scale."""
        return self.of_rows(groups[0][0], "link")

    def of_new_rows(self, rows: NewRows, scale: Scale) -> Distribution:
        """See `of_rows`."""
        return self.of_rows(rows.groups[0][0], scale)

    groups_reported_on = 100

    def world(self) -> dict[str, Any]:
        """Sizes of the groups, medians of the parameters, family and population."""
        s = self.statistics
        return {
            "size": tuple(s.size.tolist()),
            "tau": float(self.tau.median),
            "mu": float(self.mu.median),
            "family": s.family,
            "population": self.model.population,
        }

    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others; see `group_check.counts_groups`."""
        from partialpool.posterior.group_check import counts_groups

        return counts_groups(self, every=every)

    def checks(self, rng: np.random.Generator) -> Iterator[Finding]:
        """Hold the sums against what the model expects; see `checks.counts_checks`."""
        from partialpool.posterior.checks import counts_checks

        return counts_checks(self, rng)

    def drawn_roots(self, size: int, rng: np.random.Generator) -> list[list[Floats]]:
        """Draws of a root of the covariance of each term's effects, over sigma squared."""
        if not self.model.conjugate:
            taus = population(self.nodes, size, rng)[0].tolist()
            return [[np.full((1, 1), tau)] for tau in taus]
        low, high = self.new_theta.quantile(special.ndtr([-1.0, 1.0])).tolist()
        return [[np.full((1, 1), 0.5 * (high - low))]]

    def under(self, priors: Priors, computed: list[Any], power: float = 1.0) -> CountsPosterior:
        """The posterior under other priors, with the likelihood to a power."""
        from partialpool.posterior.sensitivity import counts_under

        return counts_under(self, priors, computed, power)

    def without_each_group(self, clusters: Clusters | None = None) -> LeftOutGroups:
        """Leave out each group in turn; see `left_out.counts_without`."""
        from partialpool.posterior.left_out import counts_without

        return counts_without(self)

    def group_log_likelihood(self, drawn: OneWayDraws) -> Floats:
        """Log density of each group's counts given mu and tau, its own value integrated out."""
        pairs, s = self.model.pairs, self.statistics
        out = np.zeros((len(drawn.mu), len(pairs) + 1))  # the last of groups without data
        step = max(1, DRAWS_AND_PAIRS // len(pairs))
        for i in range(0, len(out), step):
            part = slice(i, i + step)
            log_l = self.model.log_marginals(pairs, drawn.mu[part, None], drawn.tau[part])
            out[part, :-1] = log_l[:, :, 0].T + pairs.best
        return np.asarray(out[:, self.model.member] + s.log_constants)

    @property
    def link(self) -> Link:
        """Logit or log."""
        return self.model.link

    def new_deviations(self, drawn: OneWayDraws, groups: int, rng: np.random.Generator) -> Floats:
        """Draws of theta - mu of groups that are not in the data: as of groups without trials."""
        theta = draw_new(self.model, drawn.mu[:, None], drawn.tau[:, None], groups, rng)
        return theta - drawn.mu[:, None]

    # the whole ----------------------------------------------------------------------------

    def draws(self, size: int, rng: np.random.Generator) -> OneWayDraws:
        """Draw independently from the joint posterior; all on the link scale, sigma is None."""
        size = checked_draws(size, rng)
        return draw(self.model, self.nodes, self.statistics, size, rng)

    @property
    def predicts_without_one_group(self) -> bool:
        """Whether the posterior would be proper with any one group left out."""
        try:
            self.moments_without(inside=True)
        except ImproperPosteriorError:
            return False
        return self.model.sizes.groups > 2

    def moments_without(self, *, inside: bool) -> CountMoments:
        """Which moments would exist without a group inside its range, or without one at its end.

        Raises
        ------
        ImproperPosteriorError
            If the others leave no proper posterior.
        """
        sizes, s = self.model.sizes, self.statistics
        y, miss = s.y.sum() - s.y.max(), (s.size - s.y).sum() - (s.size - s.y).max()
        without = replace(
            sizes,
            groups=sizes.groups - 1,
            inside=max(sizes.inside - inside, 0),
            any_event=bool(y > 0),
            any_failure=not s.proportion or bool(miss > 0),
        )
        return check_proper(without, self.model.priors)

    # what every kind of posterior has -------------------------------------------------------

    def without_light_nodes(self, negligible: float) -> Self:
        """The same without nodes whose weights sum to less than `negligible`."""
        return replace(self, nodes=self.nodes.cut(negligible))

    @property
    def method(self) -> str:
        """How the integrals were done."""
        inner = "closed form" if self.model.conjugate else "trapezoid rule"
        return f"{inner} for each group, trapezoid rule over mu and tau"

    @cached_property
    def error(self) -> float:
        """Estimated error of the summaries: of the integral over mu and tau, and over groups."""
        reached = self.nodes.status is Accuracy.REACHED
        return self.nodes.error if reached else HEAVY_TAIL * self.nodes.error

    def __repr__(self) -> str:
        s, size = self.statistics, self.nodes.weight.size
        return f"CountsPosterior({s.n_groups:,} groups, {size:,} nodes over mu, tau)"

    # helpers ------------------------------------------------------------------------------

    @cached_property
    def densities(self) -> list[Densities]:
        """Densities of theta of every pair; that of groups without data is the last."""
        blocks = densities(self.model, self.nodes, self.model.pairs)
        if (self.statistics.size == 0).any():
            start = len(self.model.pairs)
            blocks += [replace(d, part=slice(start, start + 1)) for d in self._new]
        return blocks

    @cached_property
    def _new(self) -> list[Densities]:
        return densities(self.model, self.nodes, empty_pair(self.model.link))

    def _on_link(self, blocks: list[Densities], member: Ints, *, empty: bool = False) -> OnLink:
        last = 0 if empty else len(self.model.pairs)
        mean, sd = np.full((2, last + 1), math.nan)
        order = np.full(last + 1, self.model.moments.theta)
        if not empty:
            order[:last][self.model.inside] = math.inf
        for d in blocks:
            mean[d.part], sd[d.part] = d.moments(d.theta)
        mean[order <= 1], sd[order <= 2] = math.nan, math.inf
        return OnLink(blocks, member, mean[member], sd[member])

    def _on_natural(self, blocks: list[Densities], member: Ints, *, empty: bool = False) -> Mapped:
        last = 0 if empty else len(self.model.pairs)
        mean, sd = np.full((2, last + 1), math.nan)
        for d in blocks:
            mean[d.part], sd[d.part] = d.moments(self.model.link.natural(d.theta))
        order = natural_moments(self.model.sizes, self.model.priors)
        if order <= 1:
            mean[last] = math.inf
        if order <= 2:
            sd[last] = math.inf
        link = self._on_link(blocks, member, empty=empty)
        moments = mean[member], sd[member]
        return Mapped(link, axis_of(self.model.link), moments, link.shape)
