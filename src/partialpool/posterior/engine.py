"""What every engine answers, by one name; `Posterior` asks, whatever the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.labels import as_labels
from partialpool.design.new_rows import NewRows
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.integrate import Accuracy
from partialpool.kernels.families import Link
from partialpool.models import Priors
from partialpool.models.population_text import AnyPopulation
from partialpool.posterior.argument_checks import DETERMINISTIC, reached
from partialpool.posterior.distributions import Distribution, IntervalKind
from partialpool.posterior.joint_rows import Effects, Sums
from partialpool.records import Clusters, CrossProducts

if TYPE_CHECKING:  # questions that not every call asks: each engine imports what answers them
    from partialpool.design.rows_again import RowsAgain
    from partialpool.posterior.checks import Finding
    from partialpool.posterior.group_check import GroupCheck
    from partialpool.posterior.left_out import LeftOutGroups

INTERCEPT = "Intercept"
Scale = Literal["response", "link"]
CONTRAST_DRAWS = 40_000
"""Draws from which contrasts are read where they are not exact: means are then right to a
two-hundredth of an sd, ends of intervals to .015."""
SCALES: tuple[Scale, ...] = ("response", "link")


def checked_scale(scale: str) -> Scale:
    """Return the scale.

    Raises
    ------
    ArgumentError
        If it is another word.
    """
    for known in SCALES:
        if scale == known:
            return known
    old = '; "natural" is called "response" now' if scale == "natural" else ""
    raise ArgumentError(
        f'scale is "response" (probabilities or rates) or "link", not {scale!r}{old}'
    )


@dataclass(frozen=True, slots=True)
class Term:
    """An effect of a factor's groups: its place, the factor, its name, and the groups' labels."""

    block: int
    effect: int
    factor: str
    name: str
    labels: AnyArray


def terms_of(statistics: CrossProducts) -> list[Term]:
    """Every effect of every term of a model with predictors or several factors."""
    return [
        Term(t, k, block.factor, name, block.labels)
        for t, block in enumerate(statistics.blocks)
        for k, name in enumerate(block.effects)
    ]


class Engine(ABC):
    """Computes the posterior, or estimates, of a kind of model."""

    accuracy: float | None
    accuracy_helps: ClassVar[bool] = False
    """Whether asking for more accuracy is advised; elsewhere the standard rule is fine already."""
    linear_shrinkage: ClassVar[bool] = True
    """Whether groups of one size are shrunk by the same share, however extreme they are."""
    estimates_only: ClassVar[bool] = False
    """Whether there are estimates of the standard deviations, and no posterior of them."""
    one_factor: ClassVar[bool] = False
    """Whether it is of one factor without predictors."""
    groups_reported_on: ClassVar[int] = 0
    """Groups up to which a report says what its answer rests on, which then takes half a second."""
    refits_for_priors: ClassVar[bool] = False
    """Whether each other prior takes a fit of its own."""

    @property
    def group_population(self) -> AnyPopulation:
        """The population that groups come from."""
        return "normal"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what was cached: every engine is a dataclass."""
        made_of: Any = self
        return type(self), tuple(getattr(self, field.name) for field in fields(made_of))

    @property
    def spreads(self) -> dict[str, float]:
        """Estimates of parameters that have no distribution, by name."""
        return {}

    @property
    @abstractmethod
    def fitted_by(self) -> dict[str, Any]:
        """Method, and priors or nodes of quadrature, by which more data are fitted alike."""

    @property
    @abstractmethod
    def terms(self) -> list[Term]:
        """Every effect of every factor's groups."""

    @abstractmethod
    def named(self) -> dict[str, Distribution]:
        """Every parameter but the groups' that has a distribution, by its name in tables.

        Of counts on the link scale.
        """

    @property
    @abstractmethod
    def error(self) -> float:
        """Error of what is printed; see `Posterior.error`."""

    @property
    def error_of_moments(self) -> float | None:
        """Error of means and sds, where it is known beside that of ends and can be relied on."""
        return None

    @property
    def target(self) -> float:
        """Target of the error, in posterior sds: what was asked for, or the default."""
        return DETERMINISTIC if self.accuracy is None else self.accuracy

    @property
    def status(self) -> Accuracy:
        """Whether the error is within its target."""
        return reached(self.error, self.target)

    @property
    def share(self) -> float:
        """Effective share of the points of importance sampling; 1 where there is no sampling."""
        return 1.0

    @abstractmethod
    def full(self, what: str) -> FullEngine:
        """The posterior; an error that `what` needs one if there are estimates only."""

    def left_out_factor(self, factor: str | None = None) -> str:
        """The factor whose groups are left out: the one that is asked for, or the first.

        Raises
        ------
        ArgumentError
            If there are estimates only, the fit has no such factor, or groups of it cannot be left
            out.
        """
        terms = self.full("leaving groups out").terms
        factors = list(dict.fromkeys(term.factor for term in terms))
        if factor is not None and factor not in factors:
            raise ArgumentError(
                f'no factor "{factor}" in this fit; {did_you_mean(factor, factors)}'
                f"it has {', '.join(factors)}"
            )
        return factor or factors[0]

    @abstractmethod
    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others, by every effect of every factor.

        Parameters
        ----------
        every : bool
            Whether z is wanted of every group, and not only where it may lie far from the others.
        """

    def check_comparable(self, estimators: Sequence[str]) -> None:
        """Refuse to set no, complete and partial pooling side by side; see `Fit.compare`."""
        if estimators:
            raise ArgumentError(
                f"estimators such as {estimators[0]} are for one factor without predictors; "
                'here compare() takes none: fit with method="reml" or "ml" (--method) for those'
            )

    def world(self) -> dict[str, Any]:
        """Sizes of the groups and medians of the parameters, as `Fit.world` has them."""
        raise ArgumentError(
            "a world has one factor, one sigma and no predictors; this fit has more"
        )

    @abstractmethod
    def parameter_table(self, level: float = 0.95, kind: IntervalKind = "equal-tailed") -> Table:
        """One row a parameter; see `Fit.parameters`."""

    def profile(self, level: float = 0.95) -> Table:
        """Profile-likelihood intervals; see `Fit.profile`."""
        del level
        raise ArgumentError(
            'profile intervals are of fits with method="reml" or "ml" (--method reml or ml); '
            "a posterior has intervals of every parameter: parameters(level=...)"
        )

    @property
    def log_likelihood(self) -> float:
        """Highest log likelihood of a fit by (restricted) maximum likelihood."""
        raise ArgumentError(
            'log_likelihood is of fits with method="reml" or "ml"; a posterior averages over '
            "all values of the parameters"
        )


class FullEngine(Engine):
    """Computes a posterior: all but estimates."""

    statistics: Any
    model: Any
    counts: ClassVar[bool] = False
    """Whether rows are numbers of events."""

    @property
    def dispersion(self) -> Distribution | None:
        """Of counts whose rows vary more than Poisson or binomial ones; None of all others."""
        return None

    @property
    def given(self) -> Self:
        """What knows the groups: the posterior itself."""
        return self

    def full(self, what: str) -> Self:
        """The posterior itself."""
        return self

    @property
    def fitted_by(self) -> dict[str, Any]:
        """The priors."""
        return {"method": "posterior", "prior": self.priors}

    @abstractmethod
    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]],
        *,
        noise: Floats | None = None,
    ) -> Distribution:
        """Linear predictor of rows in the design's columns; with noise where weights are given."""

    @property
    def priors(self) -> Priors:
        """The priors used."""
        priors: Priors = self.model.priors
        return priors

    @abstractmethod
    def values(self, term: Term, scale: Scale) -> Distribution:
        """Every group's population value and deviation together; shape (J,)."""

    def some_intervals(self, term: Term, groups: Ints, level: float) -> Floats:
        """Ends of the intervals of some groups, by position, on the response scale; (2, K)."""
        return self.values(term, "response").interval(level)[:, groups]

    def without_light_nodes(self, negligible: float) -> Self:
        """The same without nodes whose weights sum to less than `negligible`."""
        del negligible
        return self

    def thinned(self, size: int) -> Self:
        """The same with groups read from so many nodes, where that takes less time."""
        del size
        return self

    @abstractmethod
    def deviations(self, term: Term) -> Distribution:
        """Every group's deviation from the population; shape (J,)."""

    def above_average(self, term: Term) -> Floats:
        """Probability that a group lies above the middle of its population, (J,)."""
        return self.deviations(term).probability(above=0.0)

    @abstractmethod
    def new_value(self, term: Term, scale: Scale) -> Distribution:
        """The value of a group that is not in the data, predictors at zero."""

    @abstractmethod
    def population_value(self, term: Term) -> float:
        """One number for the population's value of an effect, on the response scale."""

    @abstractmethod
    def predicted_groups(self, term: Term) -> Floats:
        """What the population alone says of each group, on the link scale; (J,)."""

    @abstractmethod
    def contrast_of(
        self, term: Term, coefficients: Mapping[Any, float], scale: Scale
    ) -> Distribution:
        """Linear combination of the groups' values, by label."""

    @abstractmethod
    def weight_on_pooled(self, term: Term) -> Distribution:
        """Every group's weight on the pooled value; shape (J,)."""

    @abstractmethod
    def share_between(self, factor: str) -> Distribution:
        """Share of the variance of a row that lies between a factor's groups."""

    @abstractmethod
    def ranks_of(self, term: Term, *, top: int, level: float, descending: bool) -> Table:
        """Ranks of the groups; see `Posterior.ranks`."""

    @abstractmethod
    def of_new_rows(self, rows: NewRows, scale: Scale) -> Distribution:
        """The linear predictor of new rows, offsets added, on a scale."""

    one_sigma: ClassVar[bool] = True
    """Whether measurements of all groups have the same noise."""

    def with_precision(self, rows: RowsAgain) -> RowsAgain:
        """Rows of the fit, with the weight that each has in this model."""
        return rows

    @abstractmethod
    def checks(self, rng: np.random.Generator) -> Iterator[Finding]:
        """Hold the statistics against what the model expects of them, beside `group_checks`."""

    has_score_tests: ClassVar[bool] = True
    """Whether further columns are tested by scores, which take groups as normal."""

    def drawn_roots(self, size: int, rng: np.random.Generator) -> list[list[Floats]]:
        """Draws of a root of the covariance of each term's effects, over sigma squared."""
        raise ArgumentError(
            f"score tests take groups as normal; those of this model are {self.group_population}"
        )

    def drawn_noise(self, drawn: Any, rows: NewRows, rng: np.random.Generator) -> Floats:
        """Draws of the sd of a new observation of weight one of each row, (S, 1 or R)."""
        del rows, rng
        return np.ones((1, 1)) if drawn.sigma is None else np.asarray(drawn.sigma)[:, None]

    @property
    def link(self) -> Link | None:
        """Link of counts; measurements have none."""
        return None

    @abstractmethod
    def drawn_effects(
        self, drawn: Any, new: Mapping[int, int], rng: np.random.Generator
    ) -> Effects:
        """Draws as coefficients and effects; `new` counts groups not in the data, by term."""

    @abstractmethod
    def mean_effects(self, new: Mapping[int, int]) -> Effects:
        """Exact posterior means of coefficients and effects, as one draw."""

    def exact_sums(self, sums: Sums, noise: Floats) -> Distribution | None:
        """Distribution of sums of linear predictors, (G,); None where it is read from draws.

        To each an independent error is added, of variance `noise` times sigma^2.
        """
        del sums, noise
        return None

    @abstractmethod
    def without_each_group(self, clusters: Clusters | None = None) -> LeftOutGroups:
        """Leave out each group of `left_out_factor` in turn.

        Parameters
        ----------
        clusters : Clusters, optional
            Of linear mixed models: sums within groups.

        Raises
        ------
        ArgumentError
            If groups cannot be taken out of the sums, or the others leave no proper posterior.
        """

    @property
    @abstractmethod
    def prior_units(self) -> dict[str, float]:
        """Scale of the priors that are tried of each sd between groups, by its name."""

    scaled_by_powers: ClassVar[tuple[Literal["prior", "likelihood"], ...]] = ("prior", "likelihood")
    """What is taken to a power to see how much the answers owe to it."""

    @abstractmethod
    def under(self, priors: Priors, computed: list[Any], power: float = 1.0) -> FullEngine:
        """The posterior under other priors, with the likelihood to a power.

        Priors that are relative to standard errors stay relative to those that there are.

        Parameters
        ----------
        priors : Priors
        computed : list
            Posteriors of these data whose nodes may serve, this one first; others are added.
        power : float
        """

    @abstractmethod
    def log_marginal_likelihood(self) -> float:
        """Logarithm of p(y), all parameters integrated out."""

    @abstractmethod
    def draws(self, size: int, rng: np.random.Generator) -> Any:
        """Draw independently from the joint posterior.

        Parameters
        ----------
        size : int
            Number of draws S.
        rng : numpy.random.Generator
            Source of randomness.
        """

    @abstractmethod
    def drawn_values(self, drawn: Any, term: Term, scale: Scale) -> Floats:
        """Draws of every group's value, (S, J)."""

    @abstractmethod
    def drawn_parameters(self, drawn: Any) -> dict[str, Floats]:
        """Draws of every parameter, by name, (S,)."""

    def parameter_table(self, level: float = 0.95, kind: IntervalKind = "equal-tailed") -> Table:
        """One row a parameter; see `Fit.parameters`."""
        named = self.named()
        ends = [d.interval(level, kind) for d in named.values()]
        return Table(
            name=as_labels(named),
            mean=np.array([float(d.mean) for d in named.values()]),
            sd=np.array([float(d.sd) for d in named.values()]),
            lower=np.array([float(e[0]) for e in ends]),
            median=np.array([float(d.median) for d in named.values()]),
            upper=np.array([float(e[1]) for e in ends]),
        )

    def group_log_likelihood(self, drawn: Any) -> Floats:
        """Log density of each group's data given draws of all but its own value, (S, J)."""
        del drawn
        raise ArgumentError(
            "the log likelihood of a group, its effects integrated out, is computed for one factor "
            "without predictors only"
        )
