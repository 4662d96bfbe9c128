"""The posterior of a one-way model."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import scipy

from partialpool._table import Table
from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW
from partialpool.errors import ArgumentError, ImproperPosteriorError
from partialpool.integrate import Grid, integrate
from partialpool.kernels.oneway import kept, log_marginal, pooled, theta_given
from partialpool.kernels.ranks import expected_exceedances
from partialpool.models import OneWayModel, Priors, one_way_model
from partialpool.models.propriety import Moments, check_proper
from partialpool.posterior.argument_checks import (
    checked_coefficients,
    checked_draws,
)
from partialpool.posterior.components import (
    Components,
    component_given,
    components,
    condensed,
    trimmed,
)
from partialpool.posterior.distributions import Distribution, Mixture
from partialpool.posterior.draws import OneWayDraws, draw
from partialpool.posterior.engine import Scale, Term
from partialpool.posterior.joint_rows import Sums
from partialpool.posterior.mapped import share_of_variance
from partialpool.posterior.one_factor import OneFactorEngine
from partialpool.posterior.one_way_parameters import icc, ratio, sigma, tau
from partialpool.posterior.theta import CHECKED_TAIL, Theta, class_blocks
from partialpool.records import Clusters, GroupStatistics

if TYPE_CHECKING:
    from partialpool.posterior.checks import Finding
    from partialpool.posterior.group_check import GroupCheck
    from partialpool.posterior.left_out import LeftOutGroups

MANY_CELLS = 200_000
"""Groups times components from which quantiles are read from fewer components, checked."""
QUANTILES_AGREE = 1e-8
"""How closely they must agree with all components, in posterior sds: as
`integrate.trapezoid.TOLERANCE`."""
EXACT_RANKS = 2000
"""Groups up to which expected ranks, a sum over pairs, are not read from draws."""


def one_way_posterior(
    statistics: GroupStatistics,
    priors: Priors,
    accuracy: float | None = None,
    *,
    rows: float | None = None,
) -> OneWayPosterior:
    """Compute the exact posterior of a one-way normal model.

    Parameters
    ----------
    statistics : GroupStatistics
        The data, reduced.
    priors : Priors
        Priors of mu, tau and sigma.
    accuracy : float, optional
        Target of the error (posterior sds); the rule goes well beyond any that may be asked for.
    rows : float, optional
        As in `one_way_model`.

    Raises
    ------
    DataError
        If there is one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    model = one_way_model(statistics, priors, rows=rows)
    grid = integrate(model.log_density, model.axes, model.start, moments=model.moment_orders)
    return OneWayPosterior(statistics, model, grid, components(model, grid), accuracy)


@final
@dataclass(frozen=True, eq=False, repr=False)
class OneWayPosterior(OneFactorEngine):
    """The joint posterior of mu, tau, sigma and every group's theta.

        y_ij | theta_j ~ N(theta_j, sigma^2 / w_ij),   theta_j ~ N(mu, tau^2)

    Parameters
    ----------
    statistics : GroupStatistics
        The data, reduced; gives the order of the groups.
    model : OneWayModel
        Likelihood and priors.
    grid : Grid
        Nodes and weights over the hyperparameters.
    components : Components
        The mixture everything is read from.
    accuracy : float, optional
        The error asked for (posterior sds); see `target`.
    """

    statistics: GroupStatistics
    model: OneWayModel
    grid: Grid
    components: Components
    accuracy: float | None = None

    # scalars ------------------------------------------------------------------------------

    @cached_property
    def mu(self) -> Distribution:
        """Population mean (units of y)."""
        c = self.components
        return self._scalar(c.mu, c.mu_sd, self.model.moments.mu)

    @cached_property
    def tau(self) -> Distribution:
        """Standard deviation between groups (units of y)."""
        return tau(self.model, self.grid)

    @cached_property
    def sigma(self) -> Distribution | None:
        """Standard deviation within groups (units of y); None if standard errors are given."""
        return sigma(self.model, self.grid)

    @cached_property
    def icc(self) -> Distribution:
        """Share of the variance of one observation that lies between groups.

        ``tau^2 / (tau^2 + sigma^2)``; where standard errors are given, I^2: the same with the
        typical variance of Higgins and Thompson (2002), doi:10.1002/sim.1186, for sigma^2.
        """
        s = self.statistics
        return icc(self.model, self.grid, self.tau_over_sigma, s.weight, s.n)

    @cached_property
    def new_group(self) -> Distribution:
        """Theta of a group not in the data (units of y)."""
        c = self.components
        scale = np.hypot(c.mu_sd, c.sigma * np.sqrt(c.lam))
        moments = self.model.moments
        return self._scalar(c.mu, scale, min(moments.tau, moments.mu))

    @cached_property
    def tau_over_sigma(self) -> Distribution:
        """Distribution of tau / sigma; of tau itself where standard errors are given."""
        return ratio(self.model, self.grid)

    @property
    def predicts_without_one_group(self) -> bool:
        """Whether the posterior would be proper with any one group left out."""
        sizes = self.model.sizes
        smallest = sizes.n_rows - int(self.statistics.n.max())
        try:
            check_proper(
                replace(sizes, n_groups=sizes.n_groups - 1, n_rows=smallest), self.model.priors
            )
        except ImproperPosteriorError:
            return False
        return sizes.n_groups > 2

    # groups -------------------------------------------------------------------------------

    @cached_property
    def theta(self) -> Distribution:
        """Every group's parameter (units of y); shape (J,), in the order of the statistics."""
        few = self._for_quantiles
        return Theta.of(self, few, nearly_normal=self._nearly_normal(few))

    @cached_property
    def effect(self) -> Distribution:
        """Every group's deviation ``theta_j - mu`` (units of y); shape (J,)."""
        y, weight = self.centered_means, self.statistics.weight
        c = self.components

        lam, sigma, mu, mu_sd = c.columns

        def rows(part: slice) -> tuple[Floats, Floats]:
            k = kept(weight[part], lam)  # (C, B)
            variance = sigma**2 * lam / (1.0 + weight[part] * lam)
            return k * (y[part] - mu), np.sqrt(variance + (k * mu_sd) ** 2)

        return Mixture((len(y),), rows, c.weight, c.df, 0.0, self.model.moments.mu)

    @cached_property
    def shrinkage(self) -> Distribution:
        """Every group's weight on the pooled value, B_j: 0 no, 1 complete pooling; shape (J,)."""
        classes = self.model.classes
        return self._shared(self.statistics.weight, classes.weight, classes.member)

    def shrinkage_of(self, weight: Floats) -> Distribution:
        """Weight on the pooled value of groups of these weights."""
        return self._shared(weight, *np.unique(weight, return_inverse=True))

    def _shared(self, weight: Floats, distinct: Floats, at: Ints) -> Distribution:
        c = self.components
        mean, sd = np.empty(len(distinct)), np.empty(len(distinct))
        for part, p in class_blocks(distinct, len(c.weight)):
            b = pooled(p, c.lam)
            mean[part] = b @ c.weight
            sd[part] = np.sqrt((b - mean[part, None]) ** 2 @ c.weight)
        return share_of_variance(self.tau_over_sigma, weight, mean[at], sd[at], rising=False)

    def some_groups(self, groups: Ints, scale: Scale = "response") -> Distribution:
        """Theta of some groups, by position."""
        return Theta.of(self, self.components, groups)

    def estimates_at(self, values: Floats) -> Floats:
        """Posterior means of a group of typical size, were its own value one of these; (V,)."""
        c = self.components
        share = pooled(np.asarray(np.median(self.statistics.weight)), c.lam)
        own_share = 1.0 - float(c.weight @ share)
        return own_share * values + float(c.weight @ (share * (c.mu + self.model.center)))

    def group(self, label: Any) -> Distribution:
        """Distribution of one group's parameter (units of y), by label."""
        return self.contrast({label: 1.0})

    def contrast(self, coefficients: Mapping[Any, float], *, mu: float = 0.0) -> Distribution:
        """Distribution of ``sum_j c_j theta_j + c mu``.

        Parameters
        ----------
        coefficients : mapping
            From group label to coefficient, such as ``{"A": 1, "C": -1}``.
        mu : float
            Coefficient of the population mean.

        Raises
        ------
        ArgumentError
            If a group is not in the data, or coefficients are not finite or all 0.
        """
        a = checked_coefficients(coefficients, mu)
        at = self.group_index(list(coefficients))
        c = self.components
        weight, y = self.statistics.weight[at, None], self.centered_means[at, None]
        k = kept(weight, c.lam)  # (K, C)
        loc = a @ (k * (y - c.mu)) + (a.sum() + mu) * c.mu
        variance = a**2 @ (c.sigma**2 * c.lam / (1.0 + weight * c.lam))
        common = (a @ pooled(weight, c.lam) + mu) * c.mu_sd
        order = self.model.moments.theta if mu == 0 else self.model.moments.mu
        shift = self.model.center * (a.sum() + mu)
        return self._scalar(loc, np.sqrt(variance + common**2), order, float(shift))

    def contrast_of(
        self, term: Term, coefficients: Mapping[Any, float], scale: Scale
    ) -> Distribution:
        """See `contrast`: of measurements both scales are the same."""
        return self.contrast(coefficients)

    def expected_rank(self, *, descending: bool = True) -> Floats:
        """Posterior mean of each group's rank, 1 = highest; shape (J,).

        ``1 + sum_k P(theta_k > theta_j)``, in closed form given each node.
        Source: Laird and Louis (1989), doi:10.3102/10769986014001029.
        """
        c = self._for_quantiles
        y, weight = self.centered_means, self.statistics.weight
        out = np.ones(len(y))
        for i in range(len(c.weight)):
            k = kept(weight, c.lam[i])
            variance = c.sigma[i] ** 2 * c.lam[i] / (1.0 + weight * c.lam[i])
            out += c.weight[i] * expected_exceedances(
                k * (y - c.mu[i]), variance, k, c.mu_sd[i], c.df
            )
        return out if descending else len(y) + 1 - out

    def ranks(self, *, top: int = 1, level: float = 0.95, descending: bool = True) -> Table:
        """Ranks of the groups; expected ranks of up to 2,000 groups are exact."""
        table = super().ranks(top=top, level=level, descending=descending)
        if self.statistics.n_groups <= EXACT_RANKS:
            table["expected_rank"] = self.expected_rank(descending=descending)
        return table

    proper_priors = "normal(0, 10) and half_normal(5)"

    @property
    def log_evidence(self) -> float:
        """Logarithm of the integral over the nodes."""
        return self.grid.log_total + self.model.log_constant

    # what every engine answers ---------------------------------------------------------------

    def deviations(self, term: Term) -> Distribution:
        """Deviation of every group from mu."""
        return self.effect

    groups_reported_on = 2000

    def world(self) -> dict[str, Any]:
        """Sizes of the groups and medians of the parameters; refused of known standard errors."""
        if self.sigma is None:
            raise ArgumentError("a world is made of rows; this fit has known standard errors")
        medians = {k: float(v.median) for k, v in (("tau", self.tau), ("sigma", self.sigma))}
        return {"n": tuple(self.statistics.n.tolist()), "mu": float(self.mu.median), **medians}

    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others; see `group_check.one_way_groups`."""
        from partialpool.posterior.group_check import one_way_groups

        return one_way_groups(self, every=every)

    def checks(self, rng: np.random.Generator) -> Iterator[Finding]:
        """Hold the sums against what the model expects; see `checks.one_way_checks`."""
        from partialpool.posterior.checks import one_way_checks

        return one_way_checks(self, rng)

    def drawn_roots(self, size: int, rng: np.random.Generator) -> list[list[Floats]]:
        """Draws of a root of the covariance of each term's effects, over sigma squared."""
        c = self.components
        at = rng.choice(len(c.weight), size, p=c.weight / c.weight.sum())
        return [[np.full((1, 1), np.sqrt(lam))] for lam in c.lam[at].tolist()]

    def under(self, priors: Priors, computed: list[Any], power: float = 1.0) -> OneWayPosterior:
        """The posterior under other priors, with the likelihood to a power."""
        from partialpool.posterior.sensitivity import one_way_under

        return one_way_under(self, priors, computed, power)

    def without_each_group(self, clusters: Clusters | None = None) -> LeftOutGroups:
        """Leave out each group in turn; see `left_out.one_way_without`."""
        from partialpool.posterior.left_out import one_way_without

        return one_way_without(self)

    def group_log_likelihood(self, drawn: OneWayDraws) -> Floats:
        """Log density of each group's rows given mu, tau and sigma, theta_j integrated out."""
        s = self.statistics
        sigma = np.ones(len(drawn.mu)) if drawn.sigma is None else drawn.sigma
        lam = (drawn.tau / sigma) ** 2
        nodes = (v[:, None] for v in (lam, sigma, drawn.mu - self.model.center))
        log_density = log_marginal(self.centered_means, s.n, s.weight, s.ss, *nodes)
        return np.asarray(log_density + 0.5 * s.log_weight)

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]],
        *,
        noise: Floats | None = None,
    ) -> Distribution:
        """Distribution of theta of the group of each row; as of `MixedPosterior`.

        Parameters
        ----------
        x : ndarray, shape (R, 1)
            Ones.
        groups : mapping
            {0: (index, z)}: the group of each row, -1 for a new one, -2 for the population mean;
            z, shape (R, 1), ones.
        noise : ndarray, shape (R,), optional
            Weights w of new observations, whose variance sigma^2 / w is added.
        """
        index, _ = groups[0]
        y, weight = self.centered_means, self.statistics.weight
        c = self.components
        lam, sigma, mu, mu_sd = c.columns

        def rows(part: slice) -> tuple[Floats, Floats]:
            at = index[part]
            loc, scale = theta_given(y[at], weight[at], *c.columns)
            new = np.hypot(mu_sd, np.where(at == NEW, sigma * np.sqrt(lam), 0.0))
            loc, scale = np.where(at >= 0, loc, mu), np.where(at >= 0, scale, new)
            extra = 0.0 if noise is None else sigma / np.sqrt(noise[part])
            return loc, np.hypot(scale, extra)

        moments = self.model.moments
        order = moments.theta if (index >= 0).all() else moments.mu
        if (index == NEW).any():
            order = min(moments.tau, order)
        return Mixture((len(x),), rows, c.weight, c.df, self.model.center, order)

    def exact_sums(self, sums: Sums, noise: Floats) -> Distribution:
        """Sums ``c mu + sum_j a_j (theta_j - mu)``: given mu the groups are independent."""
        y, weight = self.centered_means[:, None], self.statistics.weight[:, None]
        c = self.components
        a = sums.known.get(0, scipy.sparse.csr_array((len(sums.x), len(y))))
        new = sums.new.get(0, scipy.sparse.csr_array((len(sums.x), 1)))
        k = kept(weight, c.lam)  # (J, C)
        on_mu = sums.x - a @ k
        within = (a**2) @ (c.lam / (1.0 + weight * c.lam))
        within += (new**2).sum(axis=1)[:, None] * c.lam + noise[:, None]
        loc = (on_mu * c.mu + a @ (k * y)).T
        scale = np.sqrt(c.sigma**2 * within + (on_mu * c.mu_sd) ** 2).T
        loc = loc + (sums.constant + sums.x[:, 0] * self.model.center)
        moments = self.model.moments
        known_only = np.allclose(sums.x[:, 0], a.sum(axis=1), rtol=1e-9, atol=1e-12) and not new.nnz
        order = moments.theta if known_only else moments.mu
        if new.nnz:
            order = min(moments.tau, order)

        def rows(part: slice) -> tuple[Floats, Floats]:
            return loc[:, part], scale[:, part]

        return Mixture((loc.shape[1],), rows, c.weight, c.df, 0.0, order)

    # the whole ----------------------------------------------------------------------------

    def draws(self, size: int, rng: np.random.Generator) -> OneWayDraws:
        """Draw independently from the joint posterior."""
        size = checked_draws(size, rng)
        return draw(self.model, self.grid, self.statistics, self.centered_means, size, rng)

    def weight_at(self, tau: float) -> Floats:
        """Weight on each group's own mean if tau were known; sigma at its posterior median.

            1 - B_j = (P_j / sigma^2) / (P_j / sigma^2 + 1 / tau^2)

        Parameters
        ----------
        tau : float
            0 or more (units of y).

        Returns
        -------
        ndarray, shape (J,)
            0 complete pooling, 1 no pooling.
        """
        sigma = 1.0 if self.sigma is None else float(self.sigma.median)
        return kept(self.statistics.weight, np.asarray((tau / sigma) ** 2))

    def given_tau(self, tau: float) -> Self:
        """Return what theta, mu, a new group, shrinkage and contrasts were if tau were known.

        Parameters
        ----------
        tau : float
            0 or more (units of y). Where sigma is not known tau / sigma is held at this value
            over the posterior median of sigma.

        Returns
        -------
        OneWayPosterior
            Its tau, sigma and icc are those of this posterior.

        Raises
        ------
        ArgumentError
            If tau is negative or not finite.
        """
        if not (math.isfinite(tau) and tau >= 0):
            raise ArgumentError(f"tau must be 0 or more and finite; received {tau!r}")
        sigma = 1.0 if self.sigma is None else float(self.sigma.median)
        components_given_tau = component_given(self.model, float(tau), sigma)
        moments = Moments(
            math.inf, components_given_tau.df, components_given_tau.df, components_given_tau.df
        )
        return replace(
            self, model=replace(self.model, moments=moments), components=components_given_tau
        )

    # what every kind of posterior has -------------------------------------------------------

    def without_light_nodes(self, negligible: float) -> Self:
        """The same without nodes whose weights sum to less than `negligible`."""
        return replace(self, components=trimmed(self.components, negligible))

    @property
    def method(self) -> str:
        """How the integral over the hyperparameters was done."""
        return "trapezoid rule in double-exponential coordinates"

    @property
    def error(self) -> float:
        """Estimated error of the summaries (see `Grid.error`)."""
        return self.grid.error

    def __repr__(self) -> str:
        s, d = self.statistics, ", ".join(self.model.dimensions)
        return f"Posterior({s.n_groups:,} groups, {len(self.components.weight):,} nodes over {d})"

    # helpers ------------------------------------------------------------------------------

    @cached_property
    def centered_means(self) -> Floats:
        """Group means less the model's center (units of y); shape (J,)."""
        return self.statistics.mean - (self.model.center - self.statistics.center)

    def _scalar(
        self, loc: Floats, scale: Floats, moments: float, shift: float | None = None
    ) -> Mixture:
        c = self.components

        def rows(_: slice) -> tuple[Floats, Floats]:
            return loc[:, None], scale[:, None]

        shift = self.model.center if shift is None else shift
        return Mixture((), rows, c.weight, c.df, shift, moments)

    @cached_property
    def _for_quantiles(self) -> Components:
        """All components; with very many groups, fewer that give the same quantiles."""
        full = self.components
        if len(full.weight) * self.statistics.n_groups <= MANY_CELLS:
            return full
        if len(self.grid.lines) > 1 or self.model.priors.mu.proper:
            return trimmed(full, 1e-10)
        sample = self._sample()
        exact = self._quantiles_of(full, sample)
        for size in (3, 5, 9, 17):
            few = condensed(self.model, full, size)
            gap = np.abs(self._quantiles_of(few, sample) - exact)
            if gap.max() <= QUANTILES_AGREE:
                return few
        return full

    def _nearly_normal(self, few: Components) -> bool:
        """Whether, with very many groups, moments alone give the same quantiles."""
        if few is self.components or len(few.weight) > 5 or few.df < 1e4:
            return False
        sample = self._sample()
        gap = self._quantiles_of(few, sample, nearly_normal=True) - self._quantiles_of(few, sample)
        return bool(np.abs(gap).max() <= QUANTILES_AGREE)

    def _sample(self) -> Ints:
        """Groups that span the range of weights and means: the extremes, and some between."""
        weight, y = self.statistics.weight, self.centered_means
        ends = [f(v) for v in (weight, y) for f in (np.argmin, np.argmax)]
        return np.unique([*ends, *np.linspace(0, len(y) - 1, 60).astype(np.intp)])

    def _quantiles_of(self, c: Components, groups: Ints, *, nearly_normal: bool = False) -> Floats:
        """Outer and inner quantiles of some groups, in units of their sds; shape (5, K)."""
        part = Theta.of(self, c, groups, nearly_normal=nearly_normal)
        return (
            part.quantile(np.array([CHECKED_TAIL, 0.025, 0.5, 0.975, 1.0 - CHECKED_TAIL])) / part.sd
        )
