"""The posterior of a generalized linear mixed model of counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.errors import ArgumentError
from partialpool.integrate import Accuracy
from partialpool.kernels.families import Link
from partialpool.kernels.own_levels import own_estimates, own_levels
from partialpool.models import Priors
from partialpool.models.mixed_propriety import Orders, check_proper
from partialpool.posterior import effects
from partialpool.posterior.argument_checks import SAMPLED_ENDS, SAMPLED_MOMENTS, checked_draws
from partialpool.posterior.distributions import Distribution, IntervalKind, Mixture
from partialpool.posterior.engine import INTERCEPT, Scale, Term
from partialpool.posterior.integrated import one_point
from partialpool.posterior.linear import Rows
from partialpool.posterior.mapped import Selected
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.mixed_draws import MixedDraws, as_named
from partialpool.posterior.response_scale import on_response_scale
from partialpool.posterior.skewed import Cumulants, computed, held
from partialpool.posterior.variance_parameters import of_nodes
from partialpool.records import Clusters
from partialpool.records.count_products import CountProducts
from partialpool.records.population import population_weights

if TYPE_CHECKING:  # the sampler is imported by the fits that draw points: other models need none
    from partialpool.classical.mixed import MixedEstimate
    from partialpool.models.count_sampler import CountSampler
    from partialpool.models.generalized import GeneralizedModel
    from partialpool.posterior.checks import Finding
    from partialpool.posterior.count_readout import Readout
    from partialpool.posterior.group_check import GroupCheck
    from partialpool.posterior.left_out import LeftOutGroups

FEWEST_POINTS, FIRST_POINTS, FIRST_WORK = 128, 256, 2**24
"""Points of each of the eight randomisations to begin with, at least and at most, and about how
many evaluations of a row at a node they may take: 2,048 points of cbpp take 0.03 s and leave its
interval ends off by .03 sd, estimated as .13; 1,024 give .23, and are drawn in vain."""
ERROR_ROOT = 1.5
"""Errors fall about with this root of the number of points: between 1, of a lattice rule, and 2."""
MOST_POINTS, MOST_IF_ASKED = 2**15, 2**19
"""Points in all, at most: by default, and where an accuracy is asked for."""
STALLED_SHARE, MOST_STALLS = 0.9, 2
"""No more points are drawn once they have so often left more than this share of what was missing:
what is estimated from eight randomisations is itself off by a quarter, and may seem to stall
once."""
USUAL_WORK, MOST_WORK = 4e8, 4e9
"""Evaluations of a row at a node that drawing points may take, counting fifty multiplications as
one: some 6 s by default, a minute where an accuracy is asked for. Counted and not timed, so that
the same call gives the same digits on a busy machine."""
LEAST_SHARE, HEAVIEST_WEIGHT = 0.1, 0.03
"""An effective share of the points below, or one weight above, from which on the estimated errors
are not to be relied on: so found on data whose posterior has a second mode or a heavy tail."""
SAMPLED_ROWS = 50
"""Groups of a factor, evenly spread, from which the error of all is estimated."""
CELLS_AT_ONCE = 2**20
"""Points times groups that are worked on at once (8 MiB)."""


@dataclass(frozen=True, eq=False, repr=False)
class GeneralizedPosterior(MixedPosterior):
    """The joint posterior of coefficients, groups' effects, sds and correlations.

        y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
        eta = offset + X beta + sum_t Z_t b_t,   b_t,l ~ N(0, Sigma_t)

    or beta-binomial or negative binomial with a dispersion (`kernels.row_likelihood`). Everything
    is on the link scale (log-odds, log rates) unless it says natural. Tables, draws and ranks are
    all read from the same weighted points.

    Parameters
    ----------
    statistics : CountProducts
        The distinct rows, with cross-products of working responses.
    model : GeneralizedModel
        Likelihood and priors.
    orders : Orders
        Which moments exist.
    weighted : Readout
        The weighted points.
    accuracy : float, optional
        Target for the estimated error.
    """

    counts = True
    scaled_by_powers = ("prior",)
    statistics: CountProducts
    model: GeneralizedModel
    weighted: Readout  # type: ignore[assignment]
    accuracy: float | None = None

    # the hyperparameters --------------------------------------------------------------------

    @property
    def sigma(self) -> None:
        """Counts have no residual standard deviation."""
        return None

    @property
    def dispersion(self) -> Distribution | None:
        """Dispersion of rows that vary more than Poisson or binomial ones; None without one."""
        if not self.model.dispersed:
            return None
        return self.weighted.dimension(self.model.dispersion_at, math.inf)

    @property
    def phi(self) -> Floats:
        """The hyperparameters at the points, (K, d)."""
        return self.weighted.points.phi

    def _of_phi(self, dimension: int, order: float) -> Distribution:
        return self.weighted.dimension(dimension, order)

    @property
    def _nodes_of_phi(self) -> tuple[Floats, Floats]:
        return self.phi, self.weighted.weight

    @property
    def row_variance(self) -> float:
        """Variance of one trial, or of a row of the mean count, on the link scale."""
        return float((self.weighted.weight * self._row_variances).sum())

    @property
    def variance_of_row(self) -> float:
        """Variance of a row of typical size on the link scale."""
        return self.row_variance / (float(self.statistics.rows.size.mean()) or 1.0)

    def drawn_variance_of_row(self, drawn: MixedDraws) -> Floats:
        """The variance of one trial, or of a row of the mean count, for every draw; (S,)."""
        return np.full(len(drawn.coefficients), self.row_variance)

    @property
    def _row_variances(self) -> float | Floats:
        """Variance of a row on the link scale at every point, (G,), or at all.

        It is pi^2 / 3 for log-odds, that of one trial, and log(1 + 1 / mean count) for log rates,
        with a dispersion d log(1 + 1 / mean count + d^2).
        Source: Nakagawa, Johnson and Schielzeth (2017), doi:10.1098/rsif.2017.0213.
        """
        s = self.statistics
        if s.proportion:
            return math.pi**2 / 3.0
        inverse_mean = s.n_used / max(float(s.rows.y.sum()), 1e-12)
        dispersion = self.model.dispersion(self.phi)
        if dispersion is None:
            return math.log1p(inverse_mean)
        return np.log1p(inverse_mean + dispersion**2)

    # coefficients, groups and their combinations ----------------------------------------------

    @cached_property
    def coefficients(self) -> dict[str, Distribution]:
        """Every coefficient, by name."""
        of, w = self.weighted.components(self._coefficient_rows), self.weighted.weight
        names = zip(self.statistics.coefficients, self.orders.coefficients, strict=True)
        return {
            name: held((), of.part(slice(k, k + 1)), w, order)
            for k, (name, order) in enumerate(names)
        }

    @property
    def _coefficient_rows(self) -> Rows:
        return effects.linear_rows(self.model, np.eye(len(self.statistics.coefficients)), {}, None)

    def _rows_mixture(self, rows: Rows, of: Readout | None = None) -> Mixture:
        of = self.weighted.for_rows(rows) if of is None else of
        size, order = len(rows.constant), self._order(rows)
        if size * len(of.weight) <= CELLS_AT_ONCE:
            return held((size,), of.components(rows), of.weight, order)

        def compute(at: slice) -> Cumulants:
            return of.components(rows.part(at))

        return computed((size,), compute, of.weight, order)

    def _groups(self, block: int, whole: bool) -> Distribution:
        if whole and (mixture := self._group_mixtures[block]) is not None:
            return mixture
        return self._rows_mixture(effects.group_rows(self.model, block, whole=whole))

    def one_effect(self, block: int, effect: int, *, whole: bool = True) -> Mixture:
        """One effect of every group of a term, shape (L,); on the link scale."""
        rows = effects.group_rows(self.model, block, whole=whole)
        some = rows.part(slice(effect, None, len(self.model.terms[block].effects)))
        return self._rows_mixture(some, self.weighted.for_rows(rows))

    def new_effect(self, block: int, effect: int) -> Mixture:
        """The effect of a group that is not in the data, as of `MixedPosterior`; link scale."""
        return self._rows_mixture(effects.new_group_row(self.model, block, effect))

    def combined(self, block: int, effect: int, index: Ints, weights: Floats) -> Distribution:
        """Distribution of a combination of groups on the link scale, from draws."""
        return self.combined_draws(block, effect, index, weights)

    def to_response(self, effect: str) -> Callable[[Floats], Floats]:
        """From the link scale to probabilities or rates, of slopes to ratios of odds or rates."""
        return self.statistics.link.natural if effect == "Intercept" else np.exp

    def shrinkage(self, block: int, effect: int) -> Distribution:
        """Weight on the pooled value of one effect of every group, as of `pooling`; shape (L,)."""
        q = len(self.model.terms[block].effects)
        rows = effects.group_rows(self.model, block, whole=False).part(slice(effect, None, q))
        of = self.weighted.for_rows(rows)
        size = np.square(self.model.factors(of.points.phi)[block]).sum(axis=2)
        share, weight = of.shares(rows, size[:, effect : effect + 1])
        return of_nodes(share, weight, 0.0, 1.0)

    def typical_shares(self, block: int) -> tuple[Floats, Floats]:
        """The shares of `pooling`, mean of all groups, at points, (K, q), and weights, (K,)."""
        return self._pooled(block)[1:]

    def _pooled(self, block: int) -> tuple[Floats, Floats, Floats]:
        """Shares of pooling: of each group, (L, q), and of all at points, with their weights."""
        if block not in self._pooled_blocks:
            q = len(self.model.terms[block].effects)
            rows = effects.group_rows(self.model, block, whole=False)
            of = self.weighted.for_rows(rows)
            size = np.square(self.model.factors(of.points.phi)[block]).sum(axis=2)
            between = np.tile(size, (1, len(rows.constant) // q))
            mean, typical, weights = np.zeros(len(rows.constant)), [], []
            for share, weight in of.share_parts(rows, between):
                mean += weight @ share
                typical.append(share.reshape(len(share), -1, q).mean(axis=1))
                weights.append(weight)
            pooled = mean.reshape(-1, q), np.concatenate(typical), np.concatenate(weights)
            self._pooled_blocks[block] = pooled
        return self._pooled_blocks[block]

    @cached_property
    def _pooled_blocks(self) -> dict[int, tuple[Floats, Floats, Floats]]:
        return {}

    @cached_property
    def _group_mixtures(self) -> list[Mixture | None]:
        """Of every term the values of its groups; None where they are too many to be held."""
        out: list[Mixture | None] = []
        for block in range(len(self.statistics.blocks)):
            rows = effects.group_rows(self.model, block, whole=True)
            of, size = self.weighted.for_rows(rows), len(rows.constant)
            few = size * len(of.weight) <= CELLS_AT_ONCE
            out.append(self._rows_mixture(rows) if few else None)
        return out

    def _order(self, rows: Rows) -> float:
        """Moments of the rows that exist, as far as there may be two or less."""
        order = math.inf
        sample = rows.part(slice(None, None, max(1, len(rows.constant) // 64)))
        with np.errstate(all="ignore"):
            for i, each in enumerate(self.orders.phi):
                if 0.0 < each <= 2.0 and self.weighted.grows(sample, i):
                    order = min(order, each)
        return order

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]] | None = None,
        *,
        noise: Floats | float | None = None,
    ) -> Distribution:
        """Distribution of linear predictors, as of `MixedPosterior`; there is no noise to add."""
        if noise is not None:
            raise ArgumentError(
                "counts are predicted by their probability or rate; observation=True is for "
                "measurements"
            )
        x = np.asarray(x, dtype=np.float64)
        return self._rows_mixture(effects.linear_rows(self.model, x, groups or {}, None))

    def pooling(self, block: int) -> Floats:
        """Posterior mean of the weight on the pooled value, shape (L, q): 1 is complete pooling.

        The variance of an effect given the coefficients and the hyperparameters, over its
        variance between groups.
        """
        return self._pooled(block)[0]

    # what every engine answers ---------------------------------------------------------------

    def values(self, term: Term, scale: Scale) -> Distribution:
        """Of every group a probability or rate (of a slope a ratio), or the linear predictor."""
        return self._scaled(self.one_effect(term.block, term.effect), term, scale)

    def new_value(self, term: Term, scale: Scale) -> Distribution:
        """Value of a group that is not in the data."""
        new = self.new_effect(term.block, term.effect)
        return Selected(self._scaled(new, term, scale), index=0)

    def _scaled(self, of: Mixture, term: Term, scale: Scale) -> Distribution:
        if scale == "link":
            return of
        return self.on_response(of, probability=term.name == INTERCEPT)

    def _combined_on(self, scale: Scale, term: Term, index: Ints, weights: Floats) -> Distribution:
        which = term.block, term.effect, index, weights
        if scale == "link":
            return self.combined(*which)
        return self.combined_draws(*which, self.to_response(term.name))

    def predictor_on(
        self, scale: Scale, predictor: Distribution, offset: Floats | float = 0.0
    ) -> Distribution:
        """Linear predictors with offsets, or the probabilities or rates they stand for."""
        if scale == "link":
            return super().predictor_on(scale, predictor, offset)
        return self.natural(predictor, offset)

    def left_out_factor(self, factor: str | None = None) -> str:
        """The factor with most groups: given a point only these are integrated out."""
        super().left_out_factor(factor)
        largest = self.statistics.blocks[self.model.system.levels[0].terms[0]].factor
        if factor not in (None, largest):
            raise ArgumentError(
                f'of counts with several factors the groups of "{largest}", the one with most of '
                f'them, can be left out, not those of "{factor}"'
            )
        return largest

    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others; see `group_check.generalized_groups`."""
        from partialpool.posterior.group_check import generalized_groups

        return generalized_groups(self)

    def checks(self, rng: np.random.Generator) -> Iterator[Finding]:
        """Hold the sums against what the model expects; see `checks.generalized_checks`."""
        from partialpool.posterior.checks import generalized_checks

        return generalized_checks(self, rng)

    @property
    def prior_units(self) -> dict[str, float]:
        """One: on the log scale a factor of e."""
        return dict.fromkeys(self.taus, 1.0)

    def under(
        self, priors: Priors, computed: list[Any], power: float = 1.0
    ) -> GeneralizedPosterior:
        """The posterior under other priors, with the likelihood to a power."""
        return generalized_posterior(self.statistics, priors, self.accuracy)

    def without_each_group(self, clusters: Clusters | None = None) -> LeftOutGroups:
        """Leave out each group in turn; see `left_out_mixed.generalized_without`."""
        from partialpool.posterior.left_out_mixed import generalized_without

        return generalized_without(self)

    def drawn_values(self, drawn: MixedDraws, term: Term, scale: Scale) -> Floats:
        """Draws of every group's value, (S, J)."""
        effects = super().drawn_values(drawn, term, scale)
        return effects if scale == "link" else self.to_response(term.name)(effects)

    # tables ---------------------------------------------------------------------------------

    def on_response(self, on_link: Mixture, *, probability: bool) -> Distribution:
        """Link-scale values as probabilities or rates, or as ratios of odds or rates."""
        return on_response_scale(on_link, self.statistics.link, 1 if probability else 0)

    def natural(self, predictor: Distribution, offset: Floats | float = 0.0) -> Distribution:
        """Linear predictors, as of `linear`, and offsets as probabilities or rates.

        Parameters
        ----------
        predictor : Distribution, shape (R,)
        offset : ndarray, shape (R,), or float
            Added to the linear predictors.
        """
        assert isinstance(predictor, Mixture)
        added = np.broadcast_to(np.asarray(offset, dtype=np.float64), predictor.shape)

        return on_response_scale(predictor.moved(added), self.statistics.link, 1)

    def _block_table(
        self, block: int, interval: tuple[float, IntervalKind], most: int | None, response: bool
    ) -> dict[str, Any]:
        """On the response scale all but effect are of probabilities or rates, and ratios of slopes.

        Means are those over the posterior, not transformed ones.
        """
        b = self.statistics.blocks[block]
        q, groups = len(b.effects), len(b.labels[:most])
        whole = effects.group_rows(self.model, block, whole=True)
        alone = effects.group_rows(self.model, block, whole=False)
        every = self._group_mixtures[block] if groups == len(b.labels) else None
        if every is not None:
            columns_of_parts = [self._summaries_of(block, whole, alone, every, interval, response)]
        else:
            order = self._order(whole)
            step = max(1, CELLS_AT_ONCE // len(self.weighted.weight)) * q
            columns_of_parts = []
            of = self.weighted.for_rows(whole)
            for i in range(0, groups * q, step):
                at = slice(i, min(i + step, groups * q))
                rows = whole.part(at)
                some = held((len(rows.constant),), of.components(rows), of.weight, order)
                columns_of_parts.append(
                    self._summaries_of(block, rows, alone.part(at), some, interval, response)
                )
        columns = [np.concatenate(each) for each in zip(*columns_of_parts, strict=True)]
        columns.append(self.pooling(block)[:most].ravel())
        raw = self.response_raw(block) if response else self.raw(block)
        return self._labelled(block, most, raw, columns)

    def _summaries_of(
        self,
        block: int,
        whole: Rows,
        alone: Rows,
        mixture: Mixture,
        interval: tuple[float, IntervalKind],
        natural: bool,
    ) -> tuple[Floats, ...]:
        """Effect, estimate, sd, lower and upper of some groups."""
        deviation = self.weighted.complete(whole).means_and_sds(alone)[0]
        shown: Distribution = mixture
        if natural:
            names = self.statistics.blocks[block].effects
            first = len(names) if names[0] == INTERCEPT else 0
            shown = on_response_scale(mixture, self.statistics.link, first)
        lower, upper = shown.interval(*interval)
        estimate = shown.mean
        if not np.isfinite(estimate).all():
            estimate = np.where(np.isfinite(estimate), estimate, shown.quantile(0.5))
        return deviation, estimate, shown.sd, lower, upper

    @cached_property
    def coefficient_medians(self) -> Floats:
        """Posterior medians of the coefficients, (p,)."""
        return np.array([float(d.median) for d in self.coefficients.values()])

    def response_raw(self, block: int) -> Floats:
        """The groups' own proportions or rates, and ratios of odds or rates for slopes; (L, q)."""
        s, b = self.statistics, self.statistics.blocks[block]
        own_effects = self._own_effects(block)
        with np.errstate(over="ignore"):
            out = np.exp(own_effects)
            if b.effects[0] != "Intercept":
                return out
            out[:, 0] = s.link.natural(own_effects[:, 0])
        if len(b.effects) == 1 and not self._beside(block).any():
            out[:, 0] = s.raw[block]
        return out

    def raw(self, block: int) -> Floats:
        """The groups' own effects on the link scale, not pooled; nan where infinite; (L, q)."""
        own_effects = self._own_effects(block)
        return np.where(np.isfinite(own_effects), own_effects, np.nan)

    def _own_effects(self, block: int) -> Floats:
        """Effects by maximum likelihood of each group's own rows, beside what else is known."""
        s, b = self.statistics, self.statistics.blocks[block]
        y, size, groups = s.rows.y, s.rows.size, len(b.n)
        z, index, base = s.rows.z[block], s.rows.group[block], self._beside(block)
        if b.effects == ("Intercept",):
            return own_levels(s.link, y, size, base, index, groups)[:, None]
        return own_estimates(s.link, y, size, base, z, index, groups)

    def fitted_predictor(
        self,
        offset: Floats,
        x: Floats,
        groups: Sequence[tuple[Ints, Floats]],
        without: int | None = None,
    ) -> Floats:
        """Linear predictor of rows, but for the effects of the term `without`; (N,).

        Coefficients are at their medians, effects at their means.
        """
        eta = offset + x @ self.coefficient_medians
        for t, ((index, z), mean) in enumerate(zip(groups, self.effect_means, strict=True)):
            if t != without:
                eta = eta + (z * mean.reshape(-1, z.shape[1])[index]).sum(axis=1)
        return np.asarray(eta)

    @cached_property
    def effect_means(self) -> list[Floats]:
        """Posterior means of every term's effects, (L q,) each."""
        rows = [
            effects.group_rows(self.model, t, whole=False) for t in range(len(self.model.terms))
        ]
        return [self.weighted.complete(each).means_and_sds(each)[0] for each in rows]

    def _beside(self, block: int) -> Floats:
        """Linear predictor of the rows, less what a group's own effects stand for; (N,).

        Coefficients that the population value of the effects does not hold are at their medians;
        effects of factors that are neither within this one nor around it at their means.
        """
        s, b = self.statistics, self.statistics.blocks[block]
        within = (population_weights(s, block) != 0.0).any(axis=(0, 1)) | b.constant
        out = s.rows.offset + s.rows.x @ np.where(within, 0.0, self.coefficient_medians)
        around = effects.enclosing(s, block)
        for t, other in enumerate(s.blocks):
            if t == block or t in around or block in effects.enclosing(s, t):
                continue
            mean = self.effect_means[t].reshape(len(other.n), -1)
            out = out + (s.rows.z[t] * mean[s.rows.group[t]]).sum(axis=1)
        return np.asarray(out)

    @property
    def outcome(self) -> str:
        """What linear predictors are of, in words."""
        return f"{'log-odds' if self.statistics.proportion else 'log rate'} of {super().outcome}"

    @property
    def link(self) -> Link:
        """Logit or log."""
        return self.statistics.link

    def _effect_mean(self, block: int) -> Floats:
        return self.effect_means[block]

    # draws ----------------------------------------------------------------------------------

    def draws(self, size: int, rng: np.random.Generator) -> MixedDraws:
        """Draw independently from the joint posterior.

        A point is drawn by its weight; its coordinates and residuals are drawn together a little
        about their means and moved by as much at random, which keeps means and variances; then
        the groups of the first factor from their moments.
        """
        size = checked_draws(size, rng)
        phi, b, groups = self.weighted.draw(size, rng)
        model, joint = self.model, self.model.rows
        ends = np.cumsum([n * q for n, q in joint.blocks])
        parts = np.split(b, ends, axis=1)
        levels = [groups]
        for part, (n, q) in zip(parts[:-1], joint.blocks, strict=True):
            levels.append(part.reshape(size, n, q))
        named = as_named(model, phi, parts[-1], np.ones(size), levels)
        return replace(named, dispersion=model.dispersion(phi))

    # how it was done, and how well ------------------------------------------------------------

    @property
    def method(self) -> str:
        """How the integrals were done."""
        rule = self.weighted.sampler.rule.nodes
        nodes = f"{rule[0]}" if rule[0] == rule[-1] else f"{rule[0]} to {rule[-1]}"
        return (
            f"importance sampling with {len(self.weighted.weight):,} points in 8 randomisations; "
            f"Gauss-Hermite quadrature with {nodes} nodes an effect over the groups of "
            f"{self.statistics.blocks[self.model.system.levels[0].terms[0]].factor}"
        )

    @property
    def target(self) -> float:
        """Error that was to be reached, in posterior sds."""
        return SAMPLED_ENDS if self.accuracy is None else self.accuracy

    @cached_property
    def errors(self) -> tuple[float, float]:
        """Largest errors of means and sds, and of interval ends, of parameters and groups.

        In posterior sds of each, as 95% bounds, from eight independent randomisations; with what
        a finer rule over the groups would change.
        """
        pairs = [self.weighted.hyperparameter_errors(self.orders.sd)]
        exists = np.array(self.orders.coefficients)
        if len(exists):
            pairs.append(self.weighted.errors_of(self._coefficient_rows, exists))
        for block in range(len(self.statistics.blocks)):
            rows = effects.group_rows(self.model, block, whole=True)
            some = slice(None, None, max(1, len(rows.constant) // SAMPLED_ROWS))
            order = np.full(len(rows.constant[some]), self._order(rows))
            pairs.append(self.weighted.complete(rows).errors_of(rows.part(some), order))
        moments, ends = (max(each) for each in zip(*pairs, strict=True))
        inner = self.weighted.rule_error
        return moments + inner, ends + inner

    @property
    def error_of_moments(self) -> float | None:
        """Error of means and sds, where weights are even enough for it to be relied on."""
        return self.errors[0] if self.reliable else None

    def thinned(self, size: int) -> Self:
        """Itself: groups are read from points that are few already."""
        return self

    @cached_property
    def error(self) -> float:
        """Largest error of a mean, sd or interval end of parameters and groups; see `errors`."""
        return max(self.errors)

    @property
    def share(self) -> float:
        """Effective share of the points: how even their weights are."""
        return 1.0 / float((self.weighted.weight**2).sum()) / len(self.weighted.weight)

    @property
    def reliable(self) -> bool:
        """Whether weights are even enough for the estimated errors to be relied on."""
        few = len(self.weighted.weight) <= 1
        return few or (self.share >= LEAST_SHARE and self.weighted.weight.max() <= HEAVIEST_WEIGHT)

    @property
    def missing(self) -> float:
        """About how many times as many points are needed for the target; 1 where it is reached."""
        targets = (SAMPLED_MOMENTS, SAMPLED_ENDS) if self.accuracy is None else (self.accuracy,) * 2
        over = max(e / t for e, t in zip(self.errors, targets, strict=True))
        if over <= 1.0:
            return 1.0 if self.reliable else 4.0
        return float(over**ERROR_ROOT) if math.isfinite(over) else 16.0

    @property
    def status(self) -> Accuracy:
        """Whether the error target was reached."""
        return Accuracy.REACHED if self.missing <= 1.0 else Accuracy.NOT_REACHED

    def __repr__(self) -> str:
        groups = ", ".join(f"{len(b.n):,} of {b.factor}" for b in self.statistics.blocks)
        return f"GeneralizedPosterior({groups}; {len(self.weighted.weight):,} points)"


def generalized_posterior(
    statistics: CountProducts, priors: Priors, accuracy: float | None = None
) -> GeneralizedPosterior:
    """Compute the posterior of counts with predictors.

    Parameters
    ----------
    statistics : CountProducts
    priors : Priors
    accuracy : float, optional
        Target for the estimated error, in posterior sds.

    Raises
    ------
    DataError
        If predictors are collinear, or a factor has one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    from partialpool.models.count_sampler import make_sampler
    from partialpool.models.generalized import generalized_model
    from partialpool.models.separation import shortfall
    from partialpool.posterior.count_readout import Readout

    model = generalized_model(statistics, priors)
    orders = check_proper(model, shortfall(statistics))
    with np.errstate(all="ignore"):  # far from the mode numbers overflow: there is no density
        sampler = make_sampler(model)
        size, before, each = _first_size(sampler), math.inf, _work(sampler)
        most = USUAL_WORK if accuracy is None else MOST_WORK
        allowed = MOST_POINTS if accuracy is None else MOST_IF_ASKED
        points, stalled = None, 0
        while True:
            points = sampler.draw(size, points)
            readout = Readout(model, sampler, points)
            post = GeneralizedPosterior(statistics, model, orders, readout, accuracy)
            more = post.missing
            left = min(most / (8 * size * each), allowed / (8 * size))
            # what is estimated may be what more points do not lessen
            stalled += more > STALLED_SHARE * before
            if more <= 1.0 or left < 2.0 or stalled == MOST_STALLS:
                break
            before = more
            size *= 2 ** int(np.clip(math.ceil(math.log2(min(more, left))), 1, 4))
    return post


def _work(sampler: CountSampler) -> float:
    """What a point costs, in evaluations of a row at a node."""
    rows, d = sampler.site.rows.grouped, sampler.site.rows.d
    # of epil a point's 1.3 million products took as long as some 22,000 evaluations elsewhere
    return len(rows.y) * sampler.rule.product(rows.q) + 0.02 * d**2 * (len(rows.starts) + d)


def _first_size(sampler: CountSampler) -> int:
    """Points of each randomisation to begin with: a power of two."""
    work = _work(sampler)
    usual = 2 ** int(math.log2(max(FIRST_WORK / work, 1.0)))
    return int(np.clip(usual, FEWEST_POINTS, FIRST_POINTS))


def plug_in_counts(statistics: CountProducts, estimate: MixedEstimate) -> GeneralizedPosterior:
    """Everything given the standard deviations and correlations at their estimates."""
    from partialpool.models.count_sampler import fixed_sampler
    from partialpool.models.generalized import generalized_model
    from partialpool.posterior.count_readout import Readout

    model = generalized_model(statistics, Priors())
    point = one_point(model, estimate.sds, estimate.correlations)
    if estimate.dispersion is not None:
        point = np.append(point, estimate.dispersion)
    many = (math.inf,) * len(point)
    orders = Orders(many, many, math.inf, (math.inf,) * len(statistics.coefficients))
    with np.errstate(all="ignore"):
        sampler = fixed_sampler(model, point)
        points = sampler.draw(_first_size(sampler))
    return GeneralizedPosterior(statistics, model, orders, Readout(model, sampler, points))
