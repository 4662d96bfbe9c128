"""The posterior of groups that differ in noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np

from partialpool._normal import INTERVAL_ENDS, LOG_2PI
from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW, NONE, NewRows
from partialpool.errors import ArgumentError, ImproperPosteriorError
from partialpool.integrate import Axis, Lattice, find_modes, integrate_lattice
from partialpool.kernels.heteroscedastic import (
    GroupSums,
    given_phi,
    log_marginals,
    nodes_needed,
    noise_nodes,
)
from partialpool.kernels.oneway import pooled
from partialpool.models import Priors
from partialpool.models.heteroscedastic import HeteroscedasticModel, heteroscedastic_model
from partialpool.models.propriety import Sizes, check_proper
from partialpool.posterior.argument_checks import DETERMINISTIC, checked_coefficients, checked_draws
from partialpool.posterior.assembled import Chosen
from partialpool.posterior.distributions import Distribution, IntervalKind, Mixture
from partialpool.posterior.draws import OneWayDraws
from partialpool.posterior.engine import CONTRAST_DRAWS, Scale, Term
from partialpool.posterior.groups import Sampled
from partialpool.posterior.heteroscedastic_nodes import (
    PhiNodes,
    components_of_groups,
    draw_groups,
    draw_phi,
    few_of_lattice,
    largest_gap,
    noise_of_groups,
    summaries,
)
from partialpool.posterior.mapped import Mapped, share_of_variance
from partialpool.posterior.node_mixture import CELLS_AT_ONCE, NodeComponents, NodeMixture
from partialpool.posterior.one_factor import OneFactorEngine
from partialpool.posterior.one_way_parameters import moments_of
from partialpool.posterior.ranks import SEED
from partialpool.posterior.variance_parameters import (
    KERNEL_WIDTH,
    of_dimension,
    of_nodes,
    smoothed,
)
from partialpool.records import Clusters, GroupStatistics

if TYPE_CHECKING:
    from partialpool.design.rows_again import RowsAgain
    from partialpool.posterior.checks import Finding
    from partialpool.posterior.group_check import GroupCheck
    from partialpool.posterior.left_out import LeftOutGroups

MOST_EVALUATIONS = 20_000
"""Points of (tau, sigma, omega) to compute the density at, at most: five groups with flat priors
take 4,000 for the usual target."""
FEW_NODES = (4, 20, 56, 165, 364)
"""Nodes over tau, sigma and sd_log_sigma from which groups are read, about: the first that agree
with all of them well enough. Polynomials up to degree 1, 3, 5, 8 and 11 have the same means."""
AGREE_SHARE = 0.3
"""Share of the target by which reading from few nodes may move what is printed of a group."""
READ_NODES = 20
"""Nodes from which they are read where shifts under other priors are: of 30 groups of 12 rows right
to 0.002 sds, of 8 of which one has two rows to 0.012, 56 take twice the time
(`test_sensitivity_of_noise_is_that_of_new_nodes`)."""
SAMPLED_GROUPS = 6
"""Groups by which this, and the error of groups, is estimated."""
OF_NODES_OVER_NOISE = 3e-4
"""Error of what is printed that is left by the rules over mu and log sigma_j; see their tests."""


def heteroscedastic_posterior(
    statistics: GroupStatistics,
    priors: Priors,
    accuracy: float | None = None,
    *,
    power: float = 1.0,
) -> HeteroscedasticPosterior:
    """Compute the posterior of a one-way normal model whose groups differ in noise.

    Parameters
    ----------
    statistics : GroupStatistics
        The data, reduced.
    priors : Priors
        Priors of mu, tau, sigma and sd_log_sigma.
    accuracy : float, optional
        Target of the error (posterior sds).
    power : float
        Of the likelihood.

    Raises
    ------
    DataError
        If there is one group, no group tells its noise, or all rows of a group are equal.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    model = heteroscedastic_model(statistics, priors, power=power)
    moments = (model.moments.tau, model.moments.sigma, math.inf)
    lattice = integrate_lattice(
        model.evaluate,
        model.axes,
        find_modes(model.evaluate, model.axes, model.starts),
        moments=[m if m > 2.0 or k == 0 else 0.0 for k, m in enumerate(moments)],
        tolerance=DETERMINISTIC if accuracy is None else accuracy,
        budget=MOST_EVALUATIONS,
    )
    return HeteroscedasticPosterior(statistics, model, lattice, accuracy)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HeteroscedasticDraws(OneWayDraws):
    """The same of groups that differ in noise; sigma is the median of theirs.

    Parameters
    ----------
    sd_log_sigma : ndarray, shape (S,)
    noise : ndarray, shape (S, J)
        Each group's own sigma_j.
    """

    sigma: Floats
    sd_log_sigma: Floats
    noise: Floats

    def __repr__(self) -> str:
        return f"HeteroscedasticDraws({len(self.mu):,} draws; {len(self.groups):,} groups)"


@final
@dataclass(frozen=True, eq=False, repr=False)
class HeteroscedasticPosterior(OneFactorEngine):
    """The joint posterior of mu, tau, sigma, sd_log_sigma and every group's theta and sigma_j.

        y_ij ~ N(theta_j, sigma_j^2 / w_ij),   theta_j ~ N(mu, tau^2),
        log sigma_j ~ N(log sigma, sd_log_sigma^2)

    Parameters
    ----------
    statistics : GroupStatistics
        The data, reduced; gives the order of the groups.
    model : HeteroscedasticModel
        Likelihood and priors.
    lattice : Lattice
        Nodes and weights over tau, sigma and sd_log_sigma.
    accuracy : float, optional
        The error asked for (posterior sds); see `target`.
    read_from : int, optional
        Nodes from which groups are read, about; if None the fewest that agree with all.
    """

    statistics: GroupStatistics
    model: HeteroscedasticModel
    lattice: Lattice
    accuracy: float | None = None
    read_from: int | None = None

    # parameters -----------------------------------------------------------------------------

    @cached_property
    def mu(self) -> Distribution:
        """Population mean (units of y)."""
        nodes = self.nodes
        return self._of_nodes(nodes.phi[:, 0], nodes.mu_sd, self.model.moments.mu)

    @cached_property
    def tau(self) -> Distribution:
        """Standard deviation between groups (units of y)."""
        return of_dimension(self.lattice, 0, self.model.moments.tau)

    @cached_property
    def sigma(self) -> Distribution:
        """Median of the groups' own standard deviations within them (units of y)."""
        return of_dimension(self.lattice, 1, self.model.moments.sigma)

    @cached_property
    def sd_log_sigma(self) -> Distribution:
        """Standard deviation of log sigma_j between groups."""
        return of_dimension(self.lattice, 2, math.inf)

    def named(self) -> dict[str, Distribution]:
        """Every parameter but the groups', by its name in tables."""
        return {**super().named(), f"sd_log_sigma[{self.statistics.factor}]": self.sd_log_sigma}

    @cached_property
    def icc(self) -> Distribution:
        """Share of the variance between groups, of a row in a group of the usual noise.

        ``tau^2 / (tau^2 + sigma^2)``, sigma the median of the groups' own; of rows with weights
        that of a row of mean weight.
        """
        g, (tau, sigma, _) = self.model.groups, self.lattice.points.T
        row = sigma**2 * float(g.n.sum() / g.weight.sum())
        return of_nodes(tau**2 / (tau**2 + row), self.lattice.weight, 0.0, 1.0)

    @cached_property
    def tau_over_sigma(self) -> Distribution:
        """Distribution of tau / sigma, sigma the median of the groups' own."""
        points, weight = self.lattice.points, self.lattice.weight
        ratio = points[:, 0] / points[:, 1]
        moments = moments_of(ratio, weight, self.model.moments.tau)
        return smoothed(np.log(ratio), weight, Axis(), KERNEL_WIDTH, moments)

    @cached_property
    def new_group(self) -> Distribution:
        """Theta of a group not in the data (units of y)."""
        nodes, moments = self.nodes, self.model.moments
        spread = np.hypot(nodes.phi[:, 1], nodes.mu_sd)
        return self._of_nodes(nodes.phi[:, 0], spread, min(moments.tau, moments.mu))

    # groups ---------------------------------------------------------------------------------

    @cached_property
    def theta(self) -> NodeMixture:
        """Every group's parameter (units of y); shape (J,), in the order of the statistics."""
        return self._groups(np.arange(self.statistics.n_groups))

    @cached_property
    def noise(self) -> Distribution:
        """Every group's own standard deviation sigma_j (units of y); shape (J,).

        Mean and sd do not exist of groups of one or two rows under the default prior.
        """
        of_log = noise_of_groups(self.model.groups, self._few)
        of, order = of_log.densities[0], self._moments_of_noise
        mean, sd = of.moments(np.exp(of.theta))
        moments = np.where(order > 1.0, mean, math.nan), np.where(order > 2.0, sd, math.inf)
        return Mapped(of_log, Axis(), moments, of_log.shape)

    @property
    def _moments_of_noise(self) -> Floats:
        """Moments of each sigma_j below this exist, (J,).

        Its likelihood falls like ``sigma_j^-(n - 1)``, beside the tail of its prior.
        """
        return np.asarray(self.model.groups.n - 1.0 + self._moments_of_new_noise)

    @property
    def _moments_of_new_noise(self) -> float:
        """Moments below this exist of the sigma of a group that is not in the data.

        With sd_log_sigma half-normal of scale s its density falls like ``sigma^(-1 / s)``: as that
        of the median sigma of one group.
        """
        groups = float((self.model.groups.ss > 0.0).sum())
        return self.model.moments.sigma / math.sqrt(groups)

    @cached_property
    def shrinkage(self) -> Distribution:
        """Every group's weight on the pooled value, B_j: 0 no, 1 complete pooling; shape (J,).

        B_j = (sigma_j^2 / W_j) / (sigma_j^2 / W_j + tau^2)
        """
        groups, nodes = self.model.groups, self._few

        def rows(part: slice) -> NodeComponents:
            given = given_phi(groups.part(part), nodes.phi)
            odds = np.log(given.noise) - 2.0 * np.log(nodes.phi[:, 1])[:, None, None]
            # the variance about a node of an even grid that is drawn from uniformly
            width = (2.0 * given.step[:, :, None]) ** 2 / 12.0
            return NodeComponents(given.log_share, odds, width)

        of_logit = NodeMixture((len(groups.n),), rows, nodes.weight, self._over_noise)

        return Mapped(of_logit, Axis(0.0, 1.0), self._shrinkage_moments, of_logit.shape)

    def _shrinkage_moments(self) -> tuple[Floats, Floats]:
        """Posterior mean and sd of each group's weight on the pooled value, (J,) each."""
        groups, nodes = self.model.groups, self._few
        mean, square = np.empty((2, len(groups.n)))
        step = max(1, CELLS_AT_ONCE // (len(nodes.weight) * self._over_noise))
        for i in range(0, len(mean), step):
            part = slice(i, i + step)
            given = given_phi(groups.part(part), nodes.phi)
            share = np.exp(given.log_share) * nodes.weight[:, None, None]
            pooled = 1.0 - given.weight
            mean[part] = (share * pooled).sum(axis=(0, 2))
            square[part] = (share * (pooled - mean[part, None]) ** 2).sum(axis=(0, 2))
        return mean, np.sqrt(square)

    def _groups(
        self, index: Ints, noise: Floats | None = None, *, deviation: bool = False
    ) -> NodeMixture:
        """Theta of the group of each row, or its deviation, or with a new row's noise."""
        nodes, groups, s = self._few, self.model.groups, self.model.moments
        order = s.tau + float(groups.n.min()) - 1.0
        if noise is not None:
            order = min(order, float(self._moments_of_noise[index].min(initial=math.inf)))

        def rows(part: slice) -> NodeComponents:
            at = index[part]
            weight = None if noise is None else noise[part]
            return components_of_groups(groups.part(at), nodes, weight, deviation=deviation)

        shift = 0.0 if deviation else self.model.center
        return NodeMixture((len(index),), rows, nodes.weight, self._over_noise, shift, order)

    def contrast_of(
        self, term: Term, coefficients: Mapping[Any, float], scale: Scale
    ) -> Distribution:
        """Linear combination of the groups' values, from draws about the model's center."""
        at = self.group_index(list(coefficients))
        a = checked_coefficients(coefficients)
        at = self.group_index(list(coefficients))
        rng = np.random.default_rng(SEED)
        phi = draw_phi(self.model, self.lattice, CONTRAST_DRAWS, rng)
        theta, _ = draw_groups(self.model.groups.part(at), phi, rng)
        return Sampled(np.sort(theta @ a + a.sum() * self.model.center))

    # rows -----------------------------------------------------------------------------------

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]],
        *,
        noise: Floats | None = None,
    ) -> Distribution:
        """Distribution of theta of the group of each row; as of `OneWayPosterior`.

        With `noise` of a new row: its group's own sigma; of a new group a new sigma; and of the
        population the median sigma.
        """
        index, _ = groups[0]
        parts: list[tuple[Distribution, Ints]] = []
        for kind in (NEW, NONE):
            at = np.flatnonzero(index == kind)
            if len(at):
                parts.append((self._not_in_data(kind, None if noise is None else noise[at]), at))
        # of groups of one or two rows a new row has no sd
        heavy = self._moments_of_noise[np.maximum(index, 0)] <= 2.0
        for some in (~heavy, heavy) if noise is not None else (heavy | True,):
            at = np.flatnonzero((index >= 0) & some)
            if len(at):
                parts.append((self._groups(index[at], None if noise is None else noise[at]), at))
        if len(parts) == 1 and parts[0][0].shape:
            return parts[0][0]
        return Chosen((len(index),), tuple(parts))

    def _not_in_data(self, kind: int, noise: Floats | None) -> Distribution:
        """A new group, or the population; with the noise of rows of these weights, (R,)."""
        if noise is None:
            return self.new_group if kind == NEW else self.mu
        nodes, moments = self._few, self.model.moments
        mu, tau, sigma, _ = nodes.phi.T[:, :, None, None]
        variance = nodes.mu_sd[:, None, None] ** 2 + (tau**2 if kind == NEW else 0.0)
        if kind == NEW:  # its noise has no data
            none = np.zeros(1)
            of_new = noise_nodes(none + 1.0, none, np.log(nodes.phi[:, 2]), nodes.phi[:, 3])
            log_share = of_new.log_density + np.log(of_new.step)[:, :, None]
            x = of_new.x
        else:
            log_share, x = np.zeros((len(nodes.weight), 1, 1)), np.log(sigma)

        def rows(part: slice) -> NodeComponents:
            total = variance + np.exp(2.0 * x) / noise[part, None]
            return NodeComponents(log_share, np.broadcast_to(mu, total.shape), total)

        order = min(moments.mu, self._moments_of_new if kind == NEW else moments.sigma)
        size, shift = log_share.shape[2], self.model.center
        return NodeMixture((len(noise),), rows, nodes.weight, size, shift, order)

    @property
    def _moments_of_new(self) -> float:
        """Moments below this exist of a row of a group that is not in the data."""
        return min(self.model.moments.tau, self._moments_of_new_noise)

    # what every engine answers ----------------------------------------------------------------

    proper_priors = "normal(0, 10), half_normal(5) and half_normal(5)"

    @property
    def log_evidence(self) -> float:
        """Logarithm of the integral over the nodes."""
        return self.lattice.log_total + self.model.log_constant

    def deviations(self, term: Term) -> Distribution:
        """Deviation of every group from mu."""
        return self._groups(np.arange(self.statistics.n_groups), deviation=True)

    def drawn_parameters(self, drawn: HeteroscedasticDraws) -> dict[str, Floats]:
        """Draws of every parameter, by name, (S,)."""
        values = (drawn.mu, drawn.tau, drawn.sigma, drawn.sd_log_sigma)
        return dict(zip(self.named(), values, strict=True))

    groups_reported_on = 2000
    refits_for_priors = True

    def check_comparable(self, estimators: Sequence[str]) -> None:
        """Refused: other estimators have one sigma."""
        raise ArgumentError(
            "compare() sets one sigma for all groups beside others: fit without "
            '"; sigma ~ ..." for that, and pp.compare_models(a, b) says which of the two fits '
            "predicts groups better"
        )

    def world(self) -> dict[str, Any]:
        """Refused: worlds have one sigma."""
        raise ArgumentError(
            "a world has one factor, one sigma and no predictors; this fit has a sigma of each "
            "group"
        )

    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others; see `group_check.heteroscedastic_groups`."""
        from partialpool.posterior.group_check import heteroscedastic_groups

        return heteroscedastic_groups(self, every=every)

    def checks(self, rng: np.random.Generator) -> Iterator[Finding]:
        """Hold the sums against what the model expects; see `checks.heteroscedastic_checks`."""
        from partialpool.posterior.checks import heteroscedastic_checks

        return heteroscedastic_checks(self, rng)

    def drawn_roots(self, size: int, rng: np.random.Generator) -> list[list[Floats]]:
        """Draws of a root of the covariance of each term's effects, over sigma squared."""
        weight, (tau, sigma, _) = self.lattice.weight, self.lattice.points.T
        at = rng.choice(len(weight), size, p=weight / weight.sum())
        return [[np.full((1, 1), ratio)] for ratio in (tau / sigma)[at].tolist()]

    def with_precision(self, rows: RowsAgain) -> RowsAgain:
        """Rows of noisy groups count for less."""
        precision = float(self.sigma.median) ** 2 / self.noise.median**2
        return replace(rows, weight=rows.weight * precision[rows.groups[0][0]])

    def under(
        self, priors: Priors, computed: list[Any], power: float = 1.0
    ) -> HeteroscedasticPosterior:
        """The posterior under other priors, with the likelihood to a power."""
        from partialpool.posterior.sensitivity import heteroscedastic_under

        return heteroscedastic_under(self, priors, power)

    def thinned(self, size: int) -> Self:
        """The same with groups read from so many nodes, where that takes less time."""
        return replace(self, read_from=min(size, READ_NODES))

    def without_each_group(self, clusters: Clusters | None = None) -> LeftOutGroups:
        """Leave out each group in turn; see `heteroscedastic_left_out.heteroscedastic_without`."""
        from partialpool.posterior.heteroscedastic_left_out import heteroscedastic_without

        return heteroscedastic_without(self)

    def group_log_likelihood(self, drawn: HeteroscedasticDraws) -> Floats:
        """Log density of each group's rows given all but theta_j and sigma_j, (S, J)."""
        parameters = (drawn.mu - self.model.center, drawn.tau, drawn.sigma, drawn.sd_log_sigma)
        each = log_marginals(self.model.groups, np.column_stack(parameters))
        return np.asarray(each + self.log_constants)

    @property
    def log_constants(self) -> Floats:
        """What `kernels.heteroscedastic.log_marginals` leaves out of log p(y_j), (J,)."""
        s, g = self.statistics, self.model.groups
        return np.asarray(0.5 * (s.log_weight - np.log(g.weight) - (g.n - 1.0) * LOG_2PI))

    one_sigma = False
    accuracy_helps = True

    def drawn_noise(
        self, drawn: HeteroscedasticDraws, rows: NewRows, rng: np.random.Generator
    ) -> Floats:
        """Draws of the sd of a new observation of each row's group, (S, R).

        Rows of the same new group share one that is drawn for it; of the population it is sigma.
        """
        index, new = rows.groups[0][0], rows.new[0]
        size = len(drawn.mu)
        of_new = rng.standard_normal((size, int(new.max(initial=-1)) + 1))
        of_new = drawn.sigma[:, None] * np.exp(drawn.sd_log_sigma[:, None] * of_new)
        out = np.repeat(drawn.sigma[:, None], len(index), axis=1)
        out[:, index >= 0] = drawn.noise[:, index[index >= 0]]
        out[:, new >= 0] = of_new[:, new[new >= 0]]
        return out

    def shrinkage_of(self, weight: Floats) -> Distribution:
        """Weight on the pooled value of groups of these weights, were their noise the usual one."""
        (tau, sigma, _), nodes = self.lattice.points.T, self.lattice.weight
        b = pooled(weight[:, None], (tau / sigma) ** 2)
        mean = b @ nodes
        sd = np.sqrt((b - mean[:, None]) ** 2 @ nodes)
        return share_of_variance(self.tau_over_sigma, weight, mean, sd, rising=False)

    def some_groups(self, groups: Ints, scale: Scale = "response") -> Distribution:
        """Theta of some groups, by position."""
        return self._groups(groups)

    def draws(self, size: int, rng: np.random.Generator) -> HeteroscedasticDraws:
        """Draw independently from the joint posterior."""
        size = checked_draws(size, rng)
        phi = draw_phi(self.model, self.lattice, size, rng)
        theta, noise = draw_groups(self.model.groups, phi, rng)
        mu, tau, sigma, omega = phi.T
        return HeteroscedasticDraws(
            mu + self.model.center, tau, sigma, theta + self.model.center,
            self.statistics.labels, omega, noise,
        )  # fmt: skip

    @property
    def predicts_without_one_group(self) -> bool:
        """Whether the posterior would be proper with any one group left out."""
        s = self.statistics
        try:
            check_proper(Sizes(s.n_groups - 1, s.n_used, True, sigma_known=True), self.model.priors)
        except ImproperPosteriorError:
            return False
        return s.n_groups > 2 and int((s.n > 1).sum()) > 1

    # what every kind of posterior has -----------------------------------------------------------

    @property
    def method(self) -> str:
        """How the integrals were done."""
        return (
            "trapezoid rule over each group's own sigma and over mu, and on two shifted grids over "
            "tau, sigma and sd_log_sigma"
        )

    def more_of_groups(self, level: float, kind: IntervalKind) -> dict[str, Floats]:
        """Posterior median of the group's own standard deviation, and its interval.

        Groups without a mean are shown by their median.
        """
        lower, upper = self.noise.interval(level, kind)
        sigma = {"sigma": self.noise.median, "sigma_lower": lower, "sigma_upper": upper}
        return {"estimate": self.theta.estimate, **sigma}

    @cached_property
    def error(self) -> float:
        """Bound on the error of what is printed of parameters, and of a sample of groups.

        Of groups it is the difference between the two grids of the lattice, and what reading from
        fewer nodes changes.
        """
        return max(self.lattice.error, self._of_groups) + OF_NODES_OVER_NOISE

    def __repr__(self) -> str:
        s, size = self.statistics, len(self.lattice.weight)
        return f"HeteroscedasticPosterior({s.n_groups:,} groups, {size:,} nodes)"

    # helpers ------------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> PhiNodes:
        """All nodes over mu, tau, sigma and sd_log_sigma that matter."""
        return self._nodes(np.arange(len(self.lattice.weight)), self.lattice.weight)

    def _nodes(self, which: Ints, share: Floats) -> PhiNodes:
        return PhiNodes.of(self.model, self.lattice, which, share)

    @property
    def _few(self) -> PhiNodes:
        """Nodes from which groups are read."""
        return self._read_out[0]

    @property
    def _of_groups(self) -> float:
        return self._read_out[1]

    @cached_property
    def _read_out(self) -> tuple[PhiNodes, float]:
        """Nodes from which groups are read, and the error of groups."""
        lattice, groups = self.lattice, self.model.groups.part(self._sample)
        if self.read_from is not None:
            return self._nodes(*few_of_lattice(lattice, self.read_from)), 0.0
        few = self._nodes(*few_of_lattice(lattice, FEW_NODES[1]))
        ends = self._theta(groups, few).quantile(INTERVAL_ENDS)
        grids = [np.flatnonzero(lattice.replicate == k) for k in (0, 1)]
        mass = [float(lattice.weight[grid].sum()) for grid in grids]
        first, second = (
            summaries(groups, self._nodes(grid, lattice.weight[grid] / total), ends)
            for grid, total in zip(grids, mass, strict=True)
        )
        both = mass[0] * first + mass[1] * second
        error = lattice.of_grid * largest_gap(first, second, both)
        for size in FEW_NODES:
            few = self._nodes(*few_of_lattice(lattice, size))
            gap = largest_gap(summaries(groups, few, ends), both, both)
            if gap < AGREE_SHARE * self.target:
                return few, error + gap
        return self.nodes, error

    @cached_property
    def _sample(self) -> Ints:
        """Groups that span what there is: of rows, of means and of noise."""
        g = self.model.groups
        size = len(g.n)
        orders = (np.argsort(v, kind="stable") for v in (g.n, g.mean, g.ss / g.n))
        each = SAMPLED_GROUPS // 3
        places = np.linspace(0, size - 1, min(each, size)).astype(np.intp)
        return np.unique(np.concatenate([order[places] for order in orders]))

    def _theta(self, groups: GroupSums, nodes: PhiNodes) -> NodeMixture:
        """Theta of some groups (less the model's center)."""

        def rows(part: slice) -> NodeComponents:
            return components_of_groups(groups.part(part), nodes)

        return NodeMixture((len(groups.n),), rows, nodes.weight, self._over_noise)

    @property
    def _over_noise(self) -> int:
        """Nodes over each log sigma_j, at most."""
        return int(nodes_needed(self.lattice.points[:, 2]).max())

    def _of_nodes(self, loc: Floats, scale: Floats, order: float) -> Mixture:
        def rows(_: slice) -> tuple[Floats, Floats]:
            return loc[:, None], scale[:, None]

        return Mixture((), rows, self.nodes.weight, math.inf, self.model.center, order)
