"""The one face of every posterior: what can be asked, and how, does not depend on the model.

Behind it stand the engines of this room: `OneWayPosterior` and `CountsPosterior` of one factor
without predictors, `HeteroscedasticPosterior` where its groups differ in noise and
`PopulationPosterior` where they come from another population, `MixedPosterior` and
`GeneralizedPosterior` of everything else, and `Estimated` of maximum likelihood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._table import Table
from partialpool._typing import AnyArray, Floats
from partialpool.design.new_rows import NewRows, Target, Unseen
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.integrate import Accuracy
from partialpool.models import Priors
from partialpool.posterior.argument_checks import COARSEST, group_positions
from partialpool.posterior.counts import CountsPosterior
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.draws import OneWayDraws
from partialpool.posterior.engine import INTERCEPT, FullEngine, Scale, Term, checked_scale
from partialpool.posterior.estimated import Estimated
from partialpool.posterior.heteroscedastic import HeteroscedasticDraws, HeteroscedasticPosterior
from partialpool.posterior.mapped import Selected
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.mixed_draws import MixedDraws
from partialpool.posterior.one_way import OneWayPosterior
from partialpool.posterior.population import PopulationPosterior
from partialpool.posterior.population_draws import PopulationDraws

OneFactor = OneWayPosterior | HeteroscedasticPosterior | CountsPosterior | PopulationPosterior
"""Of one factor, of measurements or of counts."""
Engine = OneFactor | MixedPosterior | Estimated
"""What computes a posterior, or estimates, of a kind of model."""

RENAMED = {
    "mu": 'post["Intercept"]',
    "tau": 'post["tau[factor]"], or post["tau"] where there is one',
    "sigma": 'post["sigma"]',
    "theta": "post.groups()",
    "value": "post.groups()",
    "probability": "post.groups()",
    "rate": "post.groups()",
    "effect": "post.groups() and post.effects()",
    "population": 'post["Intercept"] (link scale)',
    "new_theta": 'post.new_group(scale="link")',
    "tau_over_sigma": "post.icc()",
    "coefficients": 'post["x"], by the name of the coefficient',
    "taus": 'post["tau[factor]"]',
    "rhos": 'post["rho[factor, Intercept, x]"]',
    "named": "post.names and post[name]",
    "pooling": "post.shrinkage()",
    "natural_group": "post.groups()",
    "natural": 'post.linear(rows, scale="response")',
    "group_table": "fit.groups()",
    "expected_rank": "post.ranks()",
    "expected_counts": "fit.predict(rows, observation=True)",
    "given": "post.groups()",
    "profile": "fit.profile()",
    "parameter_table": "fit.parameters()",
}
"""Names of version 0.1, whose meaning depended on the model, and what says the same now."""


@dataclass(frozen=True, eq=False, repr=False)
class GroupValues(Selected):
    """One quantity a group, shape (J,); `labels` says of which, and ``values["A"]`` is one.

    Parameters
    ----------
    of : Distribution, shape (J,)
    labels : ndarray, shape (J,)
    factor : str
    """

    labels: AnyArray
    factor: str

    def __getitem__(self, label: Any) -> Distribution:
        """Return the distribution of one group, by its label."""
        at = {one: i for i, one in enumerate(self.labels.tolist())}
        position = int(group_positions(at, [label], self.factor)[0])
        return Selected(self.of, index=position)

    def __len__(self) -> int:
        return len(self.labels)

    def _repr_html_(self) -> str:
        groups = Table({self.factor: self.labels, **self._summary()})
        caption = f"{len(self):,} groups of {self.factor}"
        return output(groups.as_html(caption))


@dataclass(frozen=True, eq=False, repr=False)
class Posterior:
    """The joint posterior of every parameter of a model; of estimates, what is known of them.

    Every question has one name and one meaning, whatever the model: a predictor more in the
    formula does not change the script behind it.

    Examples
    --------
    >>> import partialpool as pp
    >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    >>> post = fit.posterior
    >>> round(float(post["tau[school]"].median), 2)
    5.24
    >>> round(float(post.group("A").mean), 3)
    11.4
    >>> round(float(post.contrast({"A": 1, "C": -1}).probability(above=0)), 3)
    0.681
    """

    _engine: Engine
    _read: Callable[[Any, Target, Unseen], NewRows]

    # parameters -------------------------------------------------------------------------------

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that have a distribution, as in ``fit.parameters()``."""
        return tuple(self._named)

    def __getitem__(self, name: str) -> Distribution:
        """Return the distribution of a parameter by the name that ``fit.parameters()`` prints.

        Where one standard deviation varies between groups, "tau" is another name of it, and "mu"
        one of the intercept. Parameters of counts are on the link scale.

        Raises
        ------
        ArgumentError
            If there is no such parameter, or only an estimate of it.
        """
        known = self._named
        distribution = known.get(_full_name(name, known))
        if distribution is not None:
            return distribution
        if name in self._engine.spreads or (name == "tau" and self._engine.estimates_only):
            raise ArgumentError(
                f'"{name}" has an estimate and no distribution; profile intervals are given by '
                'fit.profile(), a distribution by method="posterior"'
            )
        raise _no_parameter(name, known)

    # groups -----------------------------------------------------------------------------------

    def groups(
        self, factor: str | None = None, *, term: str | None = None, scale: Scale = "response"
    ) -> GroupValues:
        """Every group's parameter, theta_j: what ``fit.groups()`` summarises.

        Parameters
        ----------
        factor : str, optional
            The grouping column; may be left out where there is one.
        term : str, optional
            The effect: "Intercept", or a slope by its name. May be left out where the factor has
            an intercept or one effect only.
        scale : {"response", "link"}
            Of counts probabilities or rates (and ratios of odds or rates for slopes), or log-odds
            or log rates. Of measurements both are the same.

        Returns
        -------
        GroupValues, shape (J,)
            Population value and deviation together (units of the outcome).

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.groups().mean.round(1)
        array([11.4,  7.9,  6.1,  7.6,  5.1,  6.1, 10.7,  8.5])
        """
        at = self._term(factor, term)
        values = self._values.values(at, checked_scale(scale))
        return GroupValues(values, at.labels, at.factor)

    def effects(self, factor: str | None = None, *, term: str | None = None) -> GroupValues:
        """Every group's deviation from the population, b_j; of counts on the link scale.

        Raises
        ------
        ArgumentError
            Of one-way models of counts, whose table has no deviations.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.effects()["A"]
        Distribution(mean 3.46789, sd 7.511, 95% -7.83949 to 23.0327)
        """
        at = self._term(factor, term)
        return GroupValues(self._values.deviations(at), at.labels, at.factor)

    def group(
        self,
        label: Any,
        factor: str | None = None,
        *,
        term: str | None = None,
        scale: Scale = "response",
    ) -> Distribution:
        """One group's parameter, by its label; arguments as of `groups`.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.group("A")
        Distribution(mean 11.4003, sd 8.341, 95% -2.10502 to 31.6234)
        """
        return self.groups(factor, term=term, scale=scale)[label]

    def new_group(
        self, factor: str | None = None, *, term: str | None = None, scale: Scale = "response"
    ) -> Distribution:
        """The parameter of a group that is not in the data; arguments as of `groups`.

        Predictors are at zero; ``fit.predict(rows, target="new_group")`` takes them from rows.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.new_group()
        Distribution(mean 7.93238, sd 10.1, 95% -12.4128 to 28.8603)
        """
        return self._values.new_value(self._term(factor, term), checked_scale(scale))

    def contrast(
        self,
        coefficients: Mapping[Any, float],
        factor: str | None = None,
        *,
        term: str | None = None,
        scale: Scale = "response",
    ) -> Distribution:
        """Distribution of ``sum_j c_j theta_j``, the groups' parameters known jointly.

        Exact of measurements with one factor; else read from 40,000 independent draws with a fixed
        seed, which moves ends by about 0.015 sds and probabilities by 0.003.

        Parameters
        ----------
        coefficients : mapping
            From group label to coefficient, such as ``{"A": 1, "C": -1}``.
        factor, term, scale
            As of `groups`.

        Raises
        ------
        ArgumentError
            If a group is not in the data, or coefficients are not finite numbers or all 0.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> float(post.contrast({"A": 1, "C": -1}).probability(above=0).round(3))
        0.681
        """
        at = self._term(factor, term)
        return self._values.contrast_of(at, coefficients, checked_scale(scale))

    def shrinkage(self, factor: str | None = None, *, term: str | None = None) -> GroupValues:
        """Every group's weight on the pooled value, B_j: 0 no pooling, 1 complete pooling.

            B_j = 1 - (n_j / sigma^2) / (n_j / sigma^2 + 1 / tau^2)

        and with predictors and several factors the variance of the effect given all else, over
        its variance between groups.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.shrinkage().mean.round(2)
        array([0.83, 0.72, 0.84, 0.75, 0.69, 0.75, 0.72, 0.86])
        """
        at = self._term(factor, term)
        return GroupValues(self._values.weight_on_pooled(at), at.labels, at.factor)

    def icc(self, factor: str | None = None) -> Distribution:
        """Share of the variance of one row that lies between the groups of a factor.

        ``tau^2 / (tau^2 + sigma^2)``; with known standard errors and one-way counts, I^2. With
        slopes, all predictors at zero. Source: Nakagawa, Johnson and Schielzeth (2017),
        doi:10.1098/rsif.2017.0213.

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.icc()
        Distribution(mean 0.23554, sd 0.2231, 95% 0.000432865 to 0.75998)
        """
        return self._engine.full("icc()").share_between(self._factor(factor))

    def ranks(
        self,
        factor: str | None = None,
        *,
        term: str | None = None,
        top: int = 1,
        level: float = 0.95,
        descending: bool = True,
    ) -> Table:
        """Ranks of the groups with their uncertainty; see `Fit.rank`, which gives a frame.

        With predictors, slopes or several factors groups are ranked by their deviation.

        Returns
        -------
        Table
            group, expected_rank, lower, median, upper (of the rank), best (probability of rank
            1), top (probability of a rank up to `top`).

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.ranks(top=3)["top"].round(2)
        array([0.57, 0.37, 0.29, 0.35, 0.21, 0.27, 0.55, 0.4 ])
        """
        at, engine = self._term(factor, term), self._engine.full("ranks()")
        return engine.ranks_of(at, top=top, level=level, descending=descending)

    # rows, draws and the whole ------------------------------------------------------------------

    def linear(
        self,
        rows: Any,
        *,
        target: Target = "group",
        unseen: Unseen = "error",
        scale: Scale = "link",
    ) -> Distribution:
        """Distribution of the linear predictor of new rows; `Fit.predict` summarises it.

        Parameters
        ----------
        rows : frame, mapping, path or relation
            N new rows.
        target, unseen
            As of `Fit.predict`.
        scale : {"link", "response"}
            Of counts log-odds or log rates, or probabilities or rates.

        Returns
        -------
        Distribution, shape (N,)

        Examples
        --------
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.linear({"school": ["A", "B"]}).mean.round(1)
        array([11.4,  7.9])
        """
        read = self._read(rows, target, unseen).repeated()
        return self._values.of_new_rows(read, checked_scale(scale))

    def draws(self, size: int, rng: np.random.Generator) -> Draws:
        """Draw independently from the joint posterior.

        Parameters
        ----------
        size : int
            Number of draws S.
        rng : numpy.random.Generator
            Source of randomness.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> post = fit.posterior
        >>> post.draws(1000, np.random.default_rng(1))
        Draws(1,000 of Intercept, tau[school] and every group)
        """
        engine = self._engine.full("draws()")
        return Draws(self, engine.draws(size, rng))

    @property
    def log_marginal_likelihood(self) -> float:
        """Logarithm of p(y), all parameters integrated out; of one factor without predictors.

        Raises
        ------
        PriorError
            If a prior is improper: p(y) is then defined up to a constant only.
        ArgumentError
            Of other models, for which it is not computed.
        """
        return self._engine.full("log_marginal_likelihood").log_marginal_likelihood()

    @property
    def log_likelihood(self) -> float:
        """Highest log likelihood of a fit by (restricted) maximum likelihood.

        Raises
        ------
        ArgumentError
            Of a posterior, which has none.
        """
        return self._engine.log_likelihood

    @property
    def error(self) -> float:
        """Bound (95%) on the error of any mean, sd or end of a 95% interval that is printed.

        Of parameters and groups, in sds of each; of estimates how far they may be from the
        maximum, in standard errors.
        """
        return self._engine.error

    @property
    def target(self) -> float:
        """Error that was to be reached."""
        return self._engine.target

    @property
    def status(self) -> Accuracy:
        """Whether it was reached."""
        return self._engine.status

    @property
    def method(self) -> str:
        """How the posterior was computed, in words."""
        return self._engine.method

    @property
    def effective_share(self) -> float:
        """Effective share of the points of importance sampling; 1 where there is no sampling."""
        return self._engine.share

    @property
    def priors(self) -> Priors:
        """The priors used."""
        return self._engine.full("a prior").priors

    def __getattr__(self, name: str) -> Any:
        """Say what replaces a name of version 0.1."""
        if name in RENAMED:
            raise AttributeError(f"post.{name} is {RENAMED[name]} since version 0.2")
        raise AttributeError(f"a posterior has no attribute {name!r}")

    def __repr__(self) -> str:
        factors = list(dict.fromkeys((t.factor, len(t.labels)) for t in self._terms))
        groups = ", ".join(f"{size:,} of {factor}" for factor, size in factors)
        kind = "Estimates" if self._engine.estimates_only else "Posterior"
        return f"{kind}({groups}; {self.method})"

    def _repr_html_(self) -> str:
        about = paragraph(repr(self))
        if not self.error <= COARSEST:
            why = "Its error is so large that no number is shown; fit.notices says what may help."
            return output(about, paragraph(why, "warning"))
        return output(about, self._engine.parameter_table().as_html("Parameters"))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what was cached."""
        return Posterior, (self._engine, self._read)

    # helpers ------------------------------------------------------------------------------------

    @property
    def _values(self) -> FullEngine:
        """The engine that knows the groups; of estimates, given these."""
        return self._engine.given

    @cached_property
    def _named(self) -> dict[str, Distribution]:
        return self._engine.named()

    @cached_property
    def _terms(self) -> list[Term]:
        return self._engine.terms

    def _factor(self, factor: str | None) -> str:
        factors = list(dict.fromkeys(term.factor for term in self._terms))
        if factor is None and len(factors) == 1:
            return factors[0]
        if factor in factors:
            return str(factor)
        said = "say which" if factor is None else did_you_mean(str(factor), factors).rstrip()
        received = "" if factor is None else f'no factor "{factor}": '
        listed = ", ".join(f'"{each}"' for each in factors)
        raise ArgumentError(f"{received}groups are by {listed}; {said}".rstrip("; "))

    def _term(self, factor: str | None, name: str | None) -> Term:
        chosen = self._factor(factor)
        terms = [term for term in self._terms if term.factor == chosen]
        names = [term.name for term in terms]
        if name is None:
            name = INTERCEPT if INTERCEPT in names else names[0] if len(names) == 1 else None
        for term in terms:
            if term.name == name:
                return term
        listed = ", ".join(f'"{each}"' for each in names)
        asked = "say which with term=" if name is None else f'"{name}" does not'
        raise ArgumentError(f'what varies by "{chosen}" is {listed}; {asked}')


def _full_name(name: str, known: Mapping[str, Any]) -> str:
    """The parameter that "tau" or "mu" stands for where there is one such; other names as given."""
    sds = [each for each in known if each.startswith("tau[")]
    if name == "tau" and name not in known and len(sds) == 1:
        return sds[0]
    return INTERCEPT if name == "mu" and name not in known else name


def _no_parameter(name: str, known: Mapping[str, Any]) -> ArgumentError:
    """The error for a parameter that the model does not have."""
    return ArgumentError(
        f'there is no parameter "{name}"; {did_you_mean(name, known)}the parameters are '
        + ", ".join(known)
    )


@dataclass(frozen=True, eq=False, repr=False)
class Draws:
    """Independent draws from a joint posterior, S of them; one face for every model.

    ``draws["tau[school]"]`` has shape (S,), ``draws.groups("school")`` (S, J).

    Parameters
    ----------
    posterior : Posterior
    drawn : OneWayDraws, HeteroscedasticDraws, PopulationDraws or MixedDraws
        What the engine drew.
    """

    posterior: Posterior
    drawn: OneWayDraws | HeteroscedasticDraws | PopulationDraws | MixedDraws

    def __len__(self) -> int:
        return len(next(iter(self._named.values())))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self._named)

    def __getitem__(self, name: str) -> Floats:
        """Return the draws of a parameter, by its name; shape (S,)."""
        values = self._named.get(_full_name(name, self._named))
        if values is None:
            raise _no_parameter(name, self._named)
        return values

    def groups(
        self, factor: str | None = None, *, term: str | None = None, scale: Scale = "response"
    ) -> Floats:
        """Return draws of every group's parameter, (S, J); arguments as of `Posterior.groups`.

        Examples
        --------
        >>> import numpy as np
        >>> import partialpool as pp
        >>> fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
        >>> draws = fit.posterior.draws(1000, np.random.default_rng(1))
        >>> draws.groups().shape
        (1000, 8)
        """
        at = self.posterior._term(factor, term)
        return self.posterior._values.drawn_values(self.drawn, at, checked_scale(scale))

    @cached_property
    def _named(self) -> dict[str, Floats]:
        return self.posterior._values.drawn_parameters(self.drawn)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what was cached."""
        return Draws, (self.posterior, self.drawn)

    def __repr__(self) -> str:
        return f"Draws({len(self):,} of {', '.join(self.names)} and every group)"
