"""What the engines of one factor without predictors answer alike."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NewRows
from partialpool.errors import ArgumentError, PriorError
from partialpool.models.population_text import AnyPopulation
from partialpool.models.prior_menu import rounded_unit
from partialpool.posterior.argument_checks import checked_coefficients, group_positions
from partialpool.posterior.distributions import Distribution, IntervalKind
from partialpool.posterior.engine import (
    CONTRAST_DRAWS,
    INTERCEPT,
    FullEngine,
    Scale,
    Term,
    checked_scale,
)
from partialpool.posterior.groups import Sampled
from partialpool.posterior.joint_rows import Effects
from partialpool.posterior.ranks import SEED, rank_table, ranked_draws


class OneFactorEngine(FullEngine):
    """Computes the posterior of one factor without predictors.

    Its parameters are "Intercept", mu, and "tau[factor]", and of measurements "sigma".
    """

    one_factor = True

    def check_comparable(self, estimators: Sequence[str]) -> None:
        """Estimators of one factor can all stand beside the posterior."""

    @property
    def group_population(self) -> AnyPopulation:
        """Normal, unless the model says otherwise."""
        population: AnyPopulation = getattr(self.model, "population", "normal")
        return population

    @property
    def terms(self) -> list[Term]:
        """The one effect."""
        return [Term(0, 0, self.statistics.factor, INTERCEPT, self.statistics.labels)]

    def group_index(self, labels: list[Any]) -> Ints:
        """Positions of groups by label.

        Raises
        ------
        ArgumentError
            If a label is not in the data.
        """
        return group_positions(self._positions, labels, self.statistics.factor)

    @cached_property
    def _positions(self) -> dict[Any, int]:
        return {label: i for i, label in enumerate(self.statistics.labels.tolist())}

    def ranks(self, *, top: int = 1, level: float = 0.95, descending: bool = True) -> Table:
        """Ranks of the groups from independent draws with a fixed seed; see `Posterior.ranks`.

        Probabilities are good to about 0.003.
        """
        groups = self.statistics.n_groups
        rng, sign = np.random.default_rng(SEED), -1.0 if descending else 1.0

        def draw(size: int) -> Floats:
            return np.asarray(sign * self.draws(size, rng).theta)

        return rank_table(draw, ranked_draws(groups), self.statistics.labels, top, level)

    proper_priors: ClassVar[str]
    """Priors of mu and tau under which the marginal likelihood is defined."""

    @property
    @abstractmethod
    def mu(self) -> Distribution:
        """Middle of the population, of counts on the link scale."""

    @property
    def middle(self) -> Distribution:
        """Mu as groups are: of counts a probability or rate."""
        return self.mu

    @property
    @abstractmethod
    def tau(self) -> Distribution:
        """Spread between groups."""

    @property
    @abstractmethod
    def sigma(self) -> Distribution | None:
        """Standard deviation within groups; None where it is known, or there is none."""

    @property
    @abstractmethod
    def theta(self) -> Distribution:
        """Every group's parameter, of counts on the link scale; shape (J,)."""

    @property
    def value(self) -> Distribution:
        """Every group's parameter: of counts its probability or rate."""
        return self.theta

    @property
    @abstractmethod
    def new_group(self) -> Distribution:
        """Value of a group that is not in the data."""

    @abstractmethod
    def some_groups(self, groups: Ints, scale: Scale = "response") -> Distribution:
        """Values, or theta, of some groups, by position."""

    def some_intervals(self, term: Term, groups: Ints, level: float) -> Floats:
        """Of these groups only."""
        return self.some_groups(groups).interval(level)

    @property
    @abstractmethod
    def shrinkage(self) -> Distribution:
        """Every group's weight on the pooled value."""

    def shrinkage_of(self, weight: Floats) -> Distribution:
        """Weight on the pooled value of groups of these weights, of counts of these sizes.

        Of groups with noise of their own, were it the usual one.

        Raises
        ------
        ArgumentError
            If shrinkage goes with a group's value too; see `linear_shrinkage`.
        """
        del weight
        raise ArgumentError(
            "shrinkage goes with size alone only where the population is normal, and this one is "
            f"{self.group_population}: draw estimate_by_value instead"
        )

    def given_tau(self, tau: float) -> Self:
        """What would be said if tau were known; see `OneWayPosterior.given_tau`."""
        del tau
        raise ArgumentError(
            "tau can be held for measurements of one sigma, not for counts or groups that differ "
            "in noise"
        )

    def weight_at(self, tau: float) -> Floats | None:
        """Weight on each group's own value if tau were known; None where `given_tau` refuses."""
        del tau
        return None

    def with_normal_population(self) -> OneFactorEngine:
        """The fit of the same measurements with a normal population."""
        return self

    def estimates_at(self, values: Floats) -> Floats | None:
        """Posterior means of a group of typical size, were its own value one of these; (V,).

        None of counts and of groups that differ in noise.
        """
        del values
        return None

    def population_components(self, drawn: Any) -> tuple[Floats, Floats]:
        """Shares and variances of the normals that the population is a mixture of, (S, C)."""
        return np.ones((len(drawn.tau), 1)), drawn.tau[:, None] ** 2

    @property
    @abstractmethod
    def icc(self) -> Distribution:
        """Share of the variance that lies between groups."""

    @property
    @abstractmethod
    def log_evidence(self) -> float:
        """Logarithm of the integral over the nodes."""

    @property
    def prior_units(self) -> dict[str, float]:
        """The sd of the groups' own estimates: tau and their errors together.

        Of counts one: on the log scale a factor of e, of conjugate families a coefficient of
        variation.
        """
        spread = 1.0 if self.counts else rounded_unit(float(self.statistics.mean.std(ddof=1)))
        return {f"tau[{self.statistics.factor}]": spread}

    def named(self) -> dict[str, Distribution]:
        """Every parameter but the groups', by its name in tables; of counts on the link scale."""
        named = {"Intercept": self.mu, f"tau[{self.statistics.factor}]": self.tau}
        return named if self.sigma is None else {**named, "sigma": self.sigma}

    def values(self, term: Term, scale: Scale) -> Distribution:
        """Every group's value, or theta."""
        return self.value if scale == "response" else self.theta

    def new_value(self, term: Term, scale: Scale) -> Distribution:
        """Value of a group that is not in the data; of measurements both scales are the same."""
        return self.new_group

    def population_value(self, term: Term) -> float:
        """Mean of mu, of counts the median of the population.

        The mean of a population of rates is that of an exponential, and that of five groups can be
        1e117 where their rates are 20 to 50.
        """
        del term
        return float(self.middle.median if self.counts else self.middle.estimate)

    def predicted_groups(self, term: Term) -> Floats:
        """Mu of every group."""
        return np.full(len(term.labels), float(self.mu.estimate))

    def contrast(self, coefficients: Mapping[Any, float]) -> Distribution:
        """Distribution of ``sum_j c_j theta_j``, by label; of counts of probabilities or rates."""
        return self.contrast_of(self.terms[0], coefficients, "response")

    def drawn_groups(self, groups: Ints, size: int, rng: np.random.Generator) -> Floats:
        """Draws of theta of some groups, by position, (S, K)."""
        return np.asarray(self.draws(size, rng).theta[:, groups])

    def contrast_of(
        self, term: Term, coefficients: Mapping[Any, float], scale: Scale
    ) -> Distribution:
        """Linear combination of the groups' values, from independent draws with a fixed seed.

        Raises
        ------
        ArgumentError
            If a group is not in the data, or coefficients are not finite or all 0.
        """
        groups = self.group_index(list(coefficients))
        a = checked_coefficients(coefficients)
        theta = self.drawn_groups(groups, CONTRAST_DRAWS, np.random.default_rng(SEED))
        return Sampled(np.sort(self.on_scale(theta, scale) @ a))

    def of_new_rows(self, rows: NewRows, scale: Scale) -> Distribution:
        """Theta of the group of each row; of measurements both scales are the same."""
        return self.linear(rows.x, rows.groups)

    def on_scale(self, theta: Floats, scale: Scale) -> Floats:
        """Values of theta: of counts on the response scale probabilities or rates."""
        return theta if scale == "link" or self.link is None else self.link.natural(theta)

    def group_table(
        self, level: float = 0.95, kind: IntervalKind = "equal-tailed", scale: Scale = "response"
    ) -> Table:
        """One row a group; see `Fit.groups`. Of measurements both scales are the same."""
        s, scale = self.statistics, checked_scale(scale)
        of, raw = self.values(self.terms[0], scale), s.raw
        if self.link is not None and scale == "link":
            raw = self.link.linked(raw)
        lower, upper = of.interval(level, kind)
        columns = {
            "group": s.labels,
            "n": s.n,
            **(s.counted if self.counts else {}),
            "raw": raw,
            "estimate": of.mean,
            "sd": of.sd,
            "lower": lower,
            "upper": upper,
            "shrinkage": self.shrinkage.mean,
        }
        return Table(columns | self.more_of_groups(level, kind))

    def more_of_groups(self, level: float, kind: IntervalKind) -> dict[str, Floats]:
        """Further columns of `group_table`, or others in place of those there are."""
        return {}

    def drawn_values(self, drawn: Any, term: Term, scale: Scale) -> Floats:
        """Draws of every group's value, or theta, (S, J)."""
        return self.on_scale(drawn.theta, scale)

    def weight_on_pooled(self, term: Term) -> Distribution:
        """Every group's weight on the pooled value; shape (J,)."""
        return self.shrinkage

    def share_between(self, factor: str) -> Distribution:
        """Share of the variance of a row, or of a typical group's value, between groups."""
        return self.icc

    @property
    def improper_priors(self) -> list[str]:
        """Parameters whose prior is improper."""
        return self.priors.improper(self.sigma is None)

    def log_marginal_likelihood(self) -> float:
        """Logarithm of p(y), all parameters integrated out.

        Raises
        ------
        PriorError
            If a prior is improper: p(y) is then defined up to a constant only.
        """
        improper = self.improper_priors
        if improper:
            raise PriorError(
                f"the marginal likelihood needs proper priors; those of {' and '.join(improper)} "
                f"are improper: give them priors such as {self.proper_priors}"
            )
        return self.log_evidence

    def ranks_of(self, term: Term, *, top: int, level: float, descending: bool) -> Table:
        """See `ranks`."""
        return self.ranks(top=top, level=level, descending=descending)

    def new_deviations(self, drawn: Any, groups: int, rng: np.random.Generator) -> Floats:
        """Draws of theta - mu of groups that are not in the data, (S, groups); link scale.

        From a normal population, unless the engine says otherwise.
        """
        return np.asarray(drawn.tau[:, None] * rng.standard_normal((len(drawn.tau), groups)))

    def drawn_effects(
        self, drawn: Any, new: Mapping[int, int], rng: np.random.Generator
    ) -> Effects:
        """The intercept, mu, and the groups' deviations from it."""
        mu = drawn.mu[:, None]
        more = {t: self.new_deviations(drawn, k, rng)[:, :, None] for t, k in new.items()}
        return Effects(mu, ((drawn.theta - mu)[:, :, None],), more)

    def mean_effects(self, new: Mapping[int, int]) -> Effects:
        """Means of mu and of the deviations."""
        mu, term = np.asarray(self.mu.mean).reshape(1, 1), self.terms[0]
        deviation = np.asarray(self.values(term, "link").mean) - mu
        more = {}
        if new:  # of beta and gamma populations not zero on the link scale
            of_new = np.asarray(self.new_value(term, "link").mean) - mu
            more = {t: np.full((1, k, 1), of_new.item()) for t, k in new.items()}
        return Effects(mu, (deviation[:, :, None],), more)

    def drawn_parameters(self, drawn: Any) -> dict[str, Floats]:
        """Draws of every parameter, by name, (S,)."""
        values = (drawn.mu, drawn.tau, drawn.sigma)
        return dict(zip(self.named(), values, strict=False))
