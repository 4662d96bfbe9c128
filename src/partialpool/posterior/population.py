"""The posterior of a one-way model whose groups come from a population that is not normal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW, NONE, NewRows
from partialpool.errors import ArgumentError
from partialpool.integrate import Lattice
from partialpool.kernels.families import Link
from partialpool.models import Priors
from partialpool.models.population_model import PopulationModel, population_model
from partialpool.models.populations import Population
from partialpool.posterior.argument_checks import checked_draws
from partialpool.posterior.counts import counts_posterior
from partialpool.posterior.distributions import Distribution, IntervalKind
from partialpool.posterior.engine import Scale, Term, checked_scale
from partialpool.posterior.node_mixture import NodeComponents, NodeMixture
from partialpool.posterior.one_factor import OneFactorEngine
from partialpool.posterior.one_way import one_way_posterior
from partialpool.posterior.one_way_parameters import on_line
from partialpool.posterior.population_draws import PopulationDraws, draw_population
from partialpool.posterior.population_groups import GroupReadout, MeasuredGroups
from partialpool.posterior.population_integral import integrated
from partialpool.posterior.population_nodes import PopulationNodes
from partialpool.posterior.variance_parameters import of_nodes
from partialpool.records import Clusters, CountStatistics, GroupStatistics

if TYPE_CHECKING:
    from partialpool.posterior.checks import Finding
    from partialpool.posterior.group_check import GroupCheck
    from partialpool.posterior.left_out import LeftOutGroups

OF_KERNELS = 8e-3
"""Error of the ends of mu's interval by the kernels that stand for nodes of mu, in sds: 0.008 at
most with seven priors of eight schools and of six groups of rows, usually 0.002; of groups a
third."""
OF_DIMENSIONS = {3: 2.0, 4: 2.0}
"""Error over the one that the lattice tells, by its dimension: at most 0.3 in one and two, 1.6 in
three and four (a ratio of two normal parts)."""


def population_posterior(
    statistics: GroupStatistics | CountStatistics,
    priors: Priors,
    population: Population,
    accuracy: float | None = None,
) -> PopulationPosterior:
    """Compute the posterior of a one-way model whose population is not normal.

    Parameters
    ----------
    statistics : GroupStatistics or CountStatistics
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
    statistics : GroupStatistics or CountStatistics
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

    statistics: GroupStatistics | CountStatistics
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
    def _groups(self) -> GroupReadout:
        """What is read of groups."""
        s = self.statistics
        if isinstance(s, CountStatistics):
            from partialpool.posterior.population_counts import CountedGroups

            return CountedGroups(s, self.model, self.lattice)
        return MeasuredGroups(s, self.model, self.lattice)

    @property
    def counts(self) -> bool:  # type: ignore[override]
        """Whether rows are numbers of events."""
        return isinstance(self.statistics, CountStatistics)

    @property
    def link(self) -> Link | None:
        """Logit or log; None of measurements."""
        return self.model.link

    @property
    def nodes(self) -> PopulationNodes:
        """Nodes over phi and mu from which groups are read."""
        return self._groups.nodes

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
        tau, shape, _ = self.model.split(self.lattice.points)
        between = tau**2 * self.population.variance_over_tau(shape)
        if not np.isfinite(between).all():
            df = "a learned df" if shape.size else f"df = {getattr(self.population, 'df', 0):g}"
            raise ArgumentError(
                "Student's t with 2 degrees of freedom or fewer has no variance, so that there is "
                f"no share of it between groups (icc); the population here has {df}, and its "
                "scale is tau: give a df above 2"
            )
        share = 1.0 - 1.0 / (1.0 + between * self._groups.typical_information())
        return of_nodes(share, self.lattice.weight, 0.0, 1.0)

    @cached_property
    def new_group(self) -> Distribution:
        """Value of a group not in the data (units of y; probability or rate)."""
        return self._groups.one(NEW, "response")

    @cached_property
    def middle(self) -> Distribution:
        """Mu as groups are (units of y; probability or rate)."""
        return self._groups.one(NONE, "response")

    # groups -------------------------------------------------------------------------------

    @cached_property
    def theta(self) -> Distribution:
        """Every group's parameter (units of y; link scale), in the order of the statistics."""
        return self._groups.values("link")

    @cached_property
    def value(self) -> Distribution:
        """Every group's parameter (units of y; probability or rate)."""
        return self._groups.values("response") if self.counts else self.theta

    @cached_property
    def effect(self) -> Distribution:
        """Every group's deviation ``theta_j - mu`` (units of y); shape (J,)."""
        return self._groups.deviations()

    @cached_property
    def p_outlying(self) -> Floats | None:
        """Probability that a group is of the last component, (J,); None where it says nothing.

        The wider part of a contaminated population, or not at the middle of a point-normal one.
        """
        return self._groups.outlying() if self.population.tells_outliers else None

    @cached_property
    def shrinkage(self) -> Distribution:
        """Every group's weight on the pooled value: the mean over components; shape (J,)."""
        return self._groups.shrinkage()

    linear_shrinkage = False

    def with_normal_population(self) -> OneFactorEngine:
        """The fit of the same data with a normal population."""
        s = self.statistics
        if isinstance(s, CountStatistics):
            return counts_posterior(s, self.priors, accuracy=self.accuracy)
        return one_way_posterior(s, self.priors, self.accuracy)

    def estimates_at(self, values: Floats) -> Floats | None:
        """Posterior means of a group of typical size, were its own value one of these; (V,)."""
        return self._groups.estimates_at(values)

    def population_components(self, drawn: Any) -> tuple[Floats, Floats]:
        """Shares and variances of the normals that the population is a mixture of, (S, C)."""
        of = drawn.populations(self.model)
        return np.exp(of.log_share), of.variance

    def some_groups(self, groups: Ints, scale: Scale = "response") -> Distribution:
        """Values, or theta, of some groups, by position."""
        return self._groups.of_rows(groups, checked_scale(scale), None)

    def group(self, label: Any) -> Distribution:
        """Distribution of one group's value, by label."""
        return self._groups.one(int(self.group_index([label])[0]), "response")

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

    def deviations(self, term: Term) -> Distribution:
        """Deviation of every group from mu."""
        return self.effect

    def above_average(self, term: Term) -> Floats:
        """Probability that a group lies above mu, (J,); of counts from draws."""
        from partialpool.posterior.above import drawn_above_average

        return drawn_above_average(self) if self.counts else super().above_average(term)

    def new_value(self, term: Term, scale: Scale) -> Distribution:
        """Value, or theta, of a group that is not in the data."""
        return self._groups.one(NEW, scale)

    def drawn_groups(self, groups: Ints, size: int, rng: np.random.Generator) -> Floats:
        """Draws of theta of some groups, by position, (S, K)."""
        return self._draws(size, rng, groups).theta

    def contrast_of(
        self, term: Term, coefficients: Mapping[Any, float], scale: Scale
    ) -> Distribution:
        """Linear combination of the groups' values; of one group exact, otherwise from draws."""
        if list(coefficients.values()) == [1.0]:
            return self._groups.one(int(self.group_index(list(coefficients))[0]), scale)
        return super().contrast_of(term, coefficients, scale)

    def of_new_rows(self, rows: NewRows, scale: Scale) -> Distribution:
        """Value, or theta, of the group of each row."""
        return self._groups.of_rows(rows.groups[0][0], scale, None)

    def drawn_parameters(self, drawn: PopulationDraws) -> dict[str, Floats]:
        """Draws of every parameter, by name, (S,)."""
        values = [] if self.model.middle is not None else [drawn.mu]
        values += [drawn.tau, *drawn.shape.T]
        if drawn.sigma is not None:
            values.append(drawn.sigma)
        return dict(zip(self.named(), values, strict=True))

    groups_reported_on = 100

    def check_comparable(self, estimators: Sequence[str]) -> None:
        """Refused: other estimators are of normal populations."""
        raise ArgumentError(
            "compare() sets no, complete and partial pooling under a normal population side by "
            f"side; this population is {self.population}: leave population out, or score "
            "populations against each other by pp.compare_models(a, b)"
        )

    def world(self) -> dict[str, Any]:
        """Refused: worlds have populations of their own."""
        raise ArgumentError(
            f"worlds are of normal populations, or of counts; this one is {self.population}: "
            "fit with a normal one, or give the world's own population, such as "
            'pp.simulate.World.of(30, 10, tau=5, population="heavy_tailed")'
        )

    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others; see `group_check.population_groups`."""
        from partialpool.posterior.group_check import population_groups

        return population_groups(self, every=every)

    def checks(self, rng: np.random.Generator) -> Iterator[Finding]:
        """Hold the sums against what the model expects; see `checks.population_checks`."""
        from partialpool.posterior.checks import population_checks

        return population_checks(self, rng)

    has_score_tests = False
    scaled_by_powers = ()  # a power would be of what the population learns as well

    def under(self, priors: Priors, computed: list[Any], power: float = 1.0) -> PopulationPosterior:
        """The posterior under other priors, with the likelihood to a power."""
        return population_posterior(self.statistics, priors, self.population, self.accuracy)

    def without_each_group(self, clusters: Clusters | None = None) -> LeftOutGroups:
        """Leave out each group in turn; see `population_without.population_without`."""
        from partialpool.posterior.population_without import population_without

        return population_without(self)

    def group_log_likelihood(self, drawn: PopulationDraws) -> Floats:
        """Log density of each group's rows given all but its own theta, (S, J)."""
        return self._groups.log_likelihood(drawn)

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]],
        *,
        noise: Floats | None = None,
    ) -> Distribution:
        """Distribution of theta of the group of each row; as of `OneWayPosterior`."""
        return self._groups.of_rows(groups[0][0], "link", noise)

    def new_deviations(
        self, drawn: PopulationDraws, groups: int, rng: np.random.Generator
    ) -> Floats:
        """Draws of theta - mu of groups that are not in the data."""
        return drawn.new_deviations(self.model, groups, rng)

    # the whole ----------------------------------------------------------------------------

    def draws(self, size: int, rng: np.random.Generator) -> PopulationDraws:
        """Draw independently from the joint posterior."""
        every = np.arange(self.statistics.n_groups)
        return self._draws(checked_draws(size, rng), rng, every)

    def _draws(self, size: int, rng: np.random.Generator, at: Ints) -> PopulationDraws:
        """Draws with some of the groups."""
        model = self.model
        points, mu = draw_population(self.lattice, size, rng)
        tau, shape, sigma = model.split(points)
        theta = self._groups.draw(mu, points, at, rng) + model.center
        drawn_sigma = None if model.sigma is None else sigma
        labels = self.statistics.labels[at]
        return PopulationDraws(mu + model.center, tau, drawn_sigma, theta, labels, shape)

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

    def more_of_groups(self, level: float, kind: IntervalKind) -> dict[str, Floats]:
        """Probability of being of the last component, where that says something."""
        return {} if self.p_outlying is None else {"p_outlying": self.p_outlying}

    @property
    def error(self) -> float:
        """Bound on the error of means, sds and ends, in posterior sds."""
        of_phi = self.lattice.error * OF_DIMENSIONS.get(len(self.model.axes), 1.0)
        least = OF_KERNELS if self.model.middle is None else 0.0
        return float(max(of_phi, least) + max(self.of_knots, self._groups.error))

    def __repr__(self) -> str:
        s, d = self.statistics, ", ".join(self.model.dimensions)
        return f"Posterior({s.n_groups:,} groups, {len(self.nodes.weight):,} nodes over mu, {d})"

    @cached_property
    def centered_means(self) -> Floats:
        """Group means less the model's center (units of y); shape (J,). Of measurements only."""
        assert isinstance(self._groups, MeasuredGroups)
        return self._groups.y
