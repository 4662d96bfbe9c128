"""The posterior of a one-way model whose groups come from a population that is not normal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.data import GroupStatistics, Table
from partialpool.data.new_rows import NEW, NewRows
from partialpool.errors import ArgumentError
from partialpool.integrate import Axis, Lattice
from partialpool.kernels.normal_mixtures import log_marginals
from partialpool.models import Priors
from partialpool.models.population_model import PopulationModel, population_model
from partialpool.models.populations import Population
from partialpool.posterior.argument_checks import checked_draws
from partialpool.posterior.distributions import Distribution, IntervalKind, Mapped, Mixture
from partialpool.posterior.engine import OneFactorEngine, Scale, Term
from partialpool.posterior.groups import Sampled
from partialpool.posterior.many_groups import (
    CHECKED,
    Interpolated,
    KnotsOfGroups,
    many_groups,
    sample_of_groups,
)
from partialpool.posterior.node_mixture import CELLS_AT_ONCE, NodeComponents, NodeMixture
from partialpool.posterior.one_way_parameters import on_line, typical_weight
from partialpool.posterior.population_draws import PopulationDraws, draw
from partialpool.posterior.population_integral import integrated
from partialpool.posterior.population_nodes import (
    PopulationNodes,
    condensed_nodes,
    population_nodes,
)
from partialpool.posterior.ranks import SEED
from partialpool.posterior.variance_parameters import KERNEL_WIDTH, of_nodes

MANY_CELLS = 2e6
"""Groups times components from which groups are read from fewer nodes, checked."""
CONDENSED_SIZES, CONDENSED_AGREE = (50, 100, 200), 5e-3
"""Nodes that are tried, and how closely ends of intervals must agree with all nodes, in sds."""
OF_DIMENSIONS = {3: 2.0, 4: 2.0}
"""Error over the one that the lattice tells, by its dimension: at most 0.3 in one and two, 1.6 in
three and four (a ratio of two normal parts)."""
CONTRAST_DRAWS = 40_000
"""Draws from which contrasts are read; their error is a two-hundredth of an sd."""

UNIT = Axis(0.0, 1.0)


def population_posterior(
    statistics: GroupStatistics,
    priors: Priors,
    population: Population,
    accuracy: float | None = None,
) -> PopulationPosterior:
    """Compute the posterior of a one-way model whose population is not normal.

    Parameters
    ----------
    statistics : GroupStatistics
        The data, reduced.
    priors : Priors
        Priors of mu, tau and sigma; `models.population_model.default_priors` gives the defaults.
    population : Population
        `Student`, `Contaminated` or `PointNormal`.
    accuracy : float, optional
        Target for the error of all that is printed, in posterior sds.

    Raises
    ------
    DataError
        If there is one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    model = population_model(statistics, priors, population)
    model, lattice, of_knots = integrated(model, accuracy)
    return PopulationPosterior(statistics, model, lattice, accuracy, of_knots)


@final
@dataclass(frozen=True, eq=False, repr=False)
class PopulationPosterior(OneFactorEngine):
    """The joint posterior of mu, tau, what the population learns, sigma and every group's theta.

        y_ij | theta_j ~ N(theta_j, sigma^2 / w_ij),   theta_j ~ a mixture of normals about mu

    Parameters
    ----------
    statistics : GroupStatistics
        The data, reduced; gives the order of the groups.
    model : PopulationModel
        Likelihood and priors.
    lattice : Lattice
        Nodes and weights over (tau, what the population learns, sigma), each with a grid of mu.
    accuracy : float, optional
        The error asked for (posterior sds); see `target`.
    of_knots : float
        Error of parameters where knots stand for groups, in posterior sds.
    """

    statistics: GroupStatistics
    model: PopulationModel
    lattice: Lattice
    accuracy: float | None = None
    of_knots: float = 0.0

    @property
    def population(self) -> Population:
        """What the groups come from."""
        return self.model.population

    # scalars ------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> PopulationNodes:
        """Nodes over phi and mu from which groups are read."""
        return population_nodes(self.model, self.lattice)

    @cached_property
    def mu(self) -> Distribution:
        """Middle of the population (units of y); one value where it is stated."""
        n = self.nodes
        loc, variance = n.mu_smooth[:, None, None], n.kernel_of_mu[:, None, None]

        def rows(_: slice) -> NodeComponents:
            return NodeComponents(np.zeros_like(loc), loc, variance)

        return NodeMixture((), rows, n.weight, 1, self.model.center, self.model.moments.mu)

    @cached_property
    def tau(self) -> Distribution:
        """Scale of the population (units of y); see `Population`."""
        return self._of_dimension(0)

    @cached_property
    def sigma(self) -> Distribution | None:
        """Standard deviation within groups (units of y); None if standard errors are given."""
        return None if self.model.sigma is None else self._of_dimension(-1)

    def _of_dimension(self, at: int) -> Distribution:
        at = at % len(self.model.axes)
        line, order = self.lattice.lines[at], self.model.moment_orders[at]
        return on_line(line, self.lattice.marginal(at), order)

    def named(self) -> dict[str, Distribution]:
        """Every parameter but the groups', by its name in tables."""
        factor = self.statistics.factor
        named = {} if self.model.middle is not None else {"Intercept": self.mu}
        named[f"tau[{factor}]"] = self.tau
        for i, name in enumerate(self.population.parameter_names(factor), 1):
            named[name] = self._of_dimension(i)
        return named if self.sigma is None else {**named, "sigma": self.sigma}

    @cached_property
    def icc(self) -> Distribution:
        """Share of the variance of one observation that lies between groups; I^2 of estimates.

        With the variance of the population, which a Student t population has from 2 degrees of
        freedom on.

        Raises
        ------
        ArgumentError
            If the population has no variance.
        """
        tau, shape, sigma = self.model.split(self.lattice.points)
        between = tau**2 * self.population.variance_over_tau(shape)
        if not np.isfinite(between).all():
            df = "a learned df" if shape.size else f"df = {getattr(self.population, 'df', 0):g}"
            raise ArgumentError(
                "Student's t with 2 degrees of freedom or fewer has no variance, so that there is "
                f"no share of it between groups (icc); the population here has {df}, and its "
                "scale is tau: give a df above 2"
            )
        s = self.statistics
        within = sigma**2 / typical_weight(s.weight, s.n, s.sigma_known)
        share = between / (between + within)
        return of_nodes(share, self.lattice.weight, 0.0, 1.0)

    @cached_property
    def new_group(self) -> Distribution:
        """Theta of a group not in the data (units of y)."""
        return self._of_index(np.full(1, NEW), ())

    # groups -------------------------------------------------------------------------------

    @cached_property
    def theta(self) -> Distribution:
        """Every group's parameter (units of y); shape (J,), in the order of the statistics."""
        knots = self._knots[0]
        if knots is None:
            return self._mixture(self.centered_means, self.statistics.weight)
        at_knots = self._mixture(knots.grid.y, knots.grid.weight)
        return Interpolated(self._mixture(knots.y, knots.weight), at_knots, knots)

    @cached_property
    def _knots(self) -> tuple[KnotsOfGroups | None, float]:
        """Knots from which tables of very many groups are interpolated, and their error."""
        nodes = self._for_groups[0]
        return many_groups(self.centered_means, self.statistics.weight, nodes.cells, self._mixture)

    @cached_property
    def _for_groups(self) -> tuple[PopulationNodes, float]:
        """All nodes; with many groups, fewer of which the ends of intervals are the same."""
        full, s = self.nodes, self.statistics
        if s.n_groups * full.cells <= MANY_CELLS:
            return full, 0.0
        some = sample_of_groups(self.centered_means, s.weight)
        parts = self.centered_means[some], s.weight[some]
        exact = self._mixture(*parts, full)
        ends, sd = exact.quantile(CHECKED), exact.sd
        for size in CONDENSED_SIZES:
            if size >= len(full.weight):
                break
            few = condensed_nodes(full, self.model.coordinates(self.lattice.points), size)
            error = float((np.abs(self._mixture(*parts, few).quantile(CHECKED) - ends) / sd).max())
            if error <= CONDENSED_AGREE:
                return few, error
        return full, 0.0

    def _mixture(
        self, y: Floats, weight: Floats, nodes: PopulationNodes | None = None
    ) -> NodeMixture:
        """Theta of groups with these means (less the center) and weights."""
        n = self._for_groups[0] if nodes is None else nodes
        known = np.zeros(len(y), dtype=np.intp)

        def rows(part: slice) -> NodeComponents:
            return n.components(y[part], weight[part], known[part])

        order = self.model.moments.theta
        return NodeMixture((len(y),), rows, n.weight, n.size, self.model.center, order)

    @cached_property
    def effect(self) -> Distribution:
        """Every group's deviation ``theta_j - mu`` (units of y); shape (J,)."""
        n, y, weight = self._for_groups[0], self.centered_means, self.statistics.weight

        def rows(part: slice) -> NodeComponents:
            return n.deviations(y[part], weight[part])

        moments = min(self.model.moments.mu, self.model.moments.theta)
        return NodeMixture((len(y),), rows, n.weight, n.size, 0.0, moments)

    def _of_index(
        self, index: Ints, shape: tuple[int, ...] | None = None, noise: Floats | None = None
    ) -> NodeMixture:
        """Theta of groups by position, of a new group (-1) or of the middle (-2)."""
        n, y, weight = self.nodes, self.centered_means, self.statistics.weight
        moments = self.model.moments
        order = moments.theta
        if (index < 0).any():
            order = min(order, moments.mu)
        if (index == NEW).any():
            order = min(order, moments.tau, self.population.moments)

        def rows(part: slice) -> NodeComponents:
            at = index[part]
            added = None if noise is None else noise[part]
            return n.components(y[at], weight[at], at, added)

        shape = (len(index),) if shape is None else shape
        return NodeMixture(shape, rows, n.weight, n.size, self.model.center, order)

    @cached_property
    def p_outlying(self) -> Floats | None:
        """Probability that a group is of the last component, (J,); None where it says nothing.

        The wider part of a contaminated population, or not at the middle of a point-normal one.
        """
        if not self.population.tells_outliers:
            return None
        return np.asarray(self._by_group(self._for_groups[0].share_of_last)[0])

    @cached_property
    def shrinkage(self) -> Distribution:
        """Every group's weight on the pooled value: the mean over components; shape (J,)."""
        n, y, weight = self._for_groups[0], self.centered_means, self.statistics.weight
        axis, width = UNIT, KERNEL_WIDTH

        def rows(part: slice) -> tuple[Floats, Floats]:
            b = np.clip(n.pooled(y[part], weight[part]), 1e-12, 1.0 - 1e-12)
            u = axis.coordinate(b)
            middle = n.weight @ u
            sd = np.maximum(np.sqrt(n.weight @ (u - middle) ** 2), 1e-9)
            loc = middle + (u - middle) * math.sqrt(1.0 - width**2)
            return loc, np.broadcast_to(width * sd, loc.shape)

        inner = Mixture((len(y),), rows, n.weight, math.inf, 0.0, math.inf)
        moments = self._by_group(lambda *of: _mean_and_sd(n.weight, n.pooled(*of)))
        return Mapped(inner, axis, (moments[0], moments[1]), (len(y),))

    def _by_group(self, function: Callable[[Floats, Floats], Floats]) -> Floats:
        """Shares between 0 and 1 of means and weights, (B,) each to (m, B), for all groups."""
        knots, s = self._knots[0], self.statistics
        if knots is not None:
            return np.clip(knots.values(self._in_blocks(function, *knots.at)), 0.0, 1.0)
        return self._in_blocks(function, self.centered_means, s.weight)

    def _in_blocks(
        self, function: Callable[[Floats, Floats], Floats], y: Floats, weight: Floats
    ) -> Floats:
        step = max(1, CELLS_AT_ONCE // self._for_groups[0].cells)
        parts = [slice(i, i + step) for i in range(0, len(y), step)]
        return np.concatenate([np.atleast_2d(function(y[p], weight[p])) for p in parts], axis=1)

    def group(self, label: Any) -> Distribution:
        """Distribution of one group's parameter (units of y), by label."""
        return self._of_index(self.group_index([label]), ())

    def contrast(self, coefficients: Mapping[Any, float], *, mu: float = 0.0) -> Distribution:
        """Distribution of ``sum_j c_j theta_j + c mu``.

        Of one group exact; otherwise from independent draws with a fixed seed.

        Parameters
        ----------
        coefficients : mapping
            From group label to coefficient, such as ``{"A": 1, "C": -1}``.
        mu : float
            Coefficient of the population's middle.

        Raises
        ------
        ArgumentError
            If a group is not in the data, or a coefficient is not finite.
        """
        at = self.group_index(list(coefficients))
        a = np.array([float(v) for v in coefficients.values()])
        if not a.any() and mu == 0:
            raise ArgumentError("a contrast needs a coefficient that is not 0")
        if not np.isfinite([*a, mu]).all():
            raise ArgumentError(f"coefficients must be finite; received {dict(coefficients)}")
        if len(a) == 1 and a[0] == 1.0 and mu == 0:
            return self._of_index(at, ())
        drawn = draw(self, CONTRAST_DRAWS, np.random.default_rng(SEED), at)
        return Sampled(np.sort(drawn.theta @ a + mu * drawn.mu))

    proper_priors = "normal(0, 10) and half_normal(5)"

    @property
    def improper_priors(self) -> list[str]:
        """Parameters whose prior is improper."""
        improper = super().improper_priors
        return improper if self.model.middle is None else [p for p in improper if p != "mu"]

    @property
    def log_evidence(self) -> float:
        """Logarithm of the integral over the nodes."""
        return self.lattice.log_total + self.model.log_constant

    # what every engine answers ---------------------------------------------------------------

    def values(self, term: Term, scale: Scale) -> Distribution:
        """Theta of every group."""
        return self.theta

    def deviations(self, term: Term) -> Distribution:
        """Deviation of every group from mu."""
        return self.effect

    def new_value(self, term: Term, scale: Scale) -> Distribution:
        """Theta of a group that is not in the data."""
        return self.new_group

    def contrast_of(
        self, term: Term, coefficients: Mapping[Any, float], scale: Scale
    ) -> Distribution:
        """See `contrast`."""
        return self.contrast(coefficients)

    def of_new_rows(self, rows: NewRows, scale: Scale) -> Distribution:
        """Theta of the group of each row."""
        return self.linear(rows.x, rows.groups)

    def drawn_values(self, drawn: PopulationDraws, term: Term, scale: Scale) -> Floats:
        """Draws of theta."""
        return drawn.theta

    def drawn_parameters(self, drawn: PopulationDraws) -> dict[str, Floats]:
        """Draws of every parameter, by name, (S,)."""
        values = [] if self.model.middle is not None else [drawn.mu]
        values += [drawn.tau, *drawn.shape.T]
        if drawn.sigma is not None:
            values.append(drawn.sigma)
        return dict(zip(self.named(), values, strict=True))

    def group_log_likelihood(self, drawn: PopulationDraws) -> Floats:
        """Log density of each group's rows given all but its own theta, (S, J)."""
        s = self.statistics
        sigma = np.ones(len(drawn.mu)) if drawn.sigma is None else drawn.sigma
        of = drawn.populations(self.model)
        error = sigma[:, None] ** 2 / s.weight
        mu = (drawn.mu - self.model.center)[:, None]
        out = log_marginals(self.centered_means, error, mu, of)[:, 0]
        squares = -0.5 * s.ss / sigma[:, None] ** 2
        each = squares - (s.n - 1.0) * np.log(sigma)[:, None] - 0.5 * np.log(s.weight)
        return np.asarray(out + each - 0.5 * s.n * math.log(2.0 * math.pi) + 0.5 * s.log_weight)

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]],
        *,
        noise: Floats | None = None,
    ) -> Distribution:
        """Distribution of theta of the group of each row; as of `OneWayPosterior`."""
        return self._of_index(groups[0][0], noise=noise)

    def new_deviations(
        self, drawn: PopulationDraws, groups: int, rng: np.random.Generator
    ) -> Floats:
        """Draws of theta - mu of groups that are not in the data."""
        return drawn.new_deviations(self.model, groups, rng)

    # the whole ----------------------------------------------------------------------------

    def draws(self, size: int, rng: np.random.Generator) -> PopulationDraws:
        """Draw independently from the joint posterior.

        Parameters
        ----------
        size : int
            Number of draws S.
        rng : numpy.random.Generator
            Source of randomness.
        """
        return draw(self, checked_draws(size, rng), rng)

    @property
    def predicts_without_one_group(self) -> bool:
        """Whether the posterior would be proper with any one group left out."""
        return self.statistics.n_groups > 3 or (
            self.statistics.n_groups == 3 and self.model.priors.tau.proper
        )

    @property
    def method(self) -> str:
        """How the integrals were done."""
        return f"{self.lattice.method}, trapezoid rule over mu at each"

    def group_table(
        self, level: float = 0.95, kind: IntervalKind = "equal-tailed", scale: Scale = "response"
    ) -> Table:
        """One row a group; see `Fit.groups`. Both scales are the same."""
        lower, upper = self.theta.interval(level, kind)
        outlying = self.p_outlying
        more = {} if outlying is None else {"p_outlying": outlying}
        return Table(
            group=self.statistics.labels,
            n=self.statistics.n,
            raw=self.statistics.raw,
            estimate=self.theta.mean,
            sd=self.theta.sd,
            lower=lower,
            upper=upper,
            shrinkage=self.shrinkage.mean,
            **more,
        )

    @property
    def error(self) -> float:
        """Bound on the error of means, sds and ends, in posterior sds."""
        of_phi = self.lattice.error * OF_DIMENSIONS.get(len(self.model.axes), 1.0)
        return of_phi + max(self.of_knots, self._for_groups[1] + self._knots[1])

    def __repr__(self) -> str:
        s, d = self.statistics, ", ".join(self.model.dimensions)
        return f"Posterior({s.n_groups:,} groups, {len(self.nodes.weight):,} nodes over mu, {d})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what was cached."""
        return PopulationPosterior, (
            self.statistics,
            self.model,
            self.lattice,
            self.accuracy,
            self.of_knots,
        )

    @cached_property
    def centered_means(self) -> Floats:
        """Group means less the model's center (units of y); shape (J,)."""
        return self.statistics.mean - (self.model.center - self.statistics.center)


def _mean_and_sd(weight: Floats, values: Floats) -> Floats:
    """Of values at nodes, (N, B) to (2, B)."""
    mean = weight @ values
    return np.stack([mean, np.sqrt(weight @ (values - mean) ** 2)])
