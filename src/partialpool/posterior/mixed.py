"""The posterior of a linear mixed model."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy

from partialpool._normal import INTERVAL_ENDS, NORMAL_WIDTH
from partialpool._table import Table
from partialpool._typing import Bools, Floats, Ints
from partialpool.design.new_rows import NEW, NONE, NewRows
from partialpool.errors import ArgumentError
from partialpool.integrate import Lattice, Sample, WeightedNodes
from partialpool.kernels import student
from partialpool.kernels.nested_factors import Functional
from partialpool.models import MixedModel, Priors
from partialpool.models.mixed import sd_name
from partialpool.models.mixed_propriety import Orders
from partialpool.models.prior_menu import rounded_unit
from partialpool.models.scaled_prior import with_errors_scaled
from partialpool.posterior import effects
from partialpool.posterior.argument_checks import (
    DETERMINISTIC,
    SAMPLED_ENDS,
    checked_coefficients,
    checked_draws,
    group_positions,
)
from partialpool.posterior.assembled import Chosen
from partialpool.posterior.distributions import Distribution, IntervalKind, Mixture
from partialpool.posterior.engine import (
    CONTRAST_DRAWS,
    FullEngine,
    Scale,
    Term,
    checked_scale,
    terms_of,
)
from partialpool.posterior.groups import Sampled
from partialpool.posterior.joint_rows import Effects, Sums
from partialpool.posterior.linear import Nodes, Rows, functional, held, located, mixture
from partialpool.posterior.mapped import Selected
from partialpool.posterior.mixed_draws import MixedDraws, draw_mixed, new_effects
from partialpool.posterior.ranks import SEED, rank_table, ranked_draws
from partialpool.posterior.readout import (
    AGREE_IF_FINE,
    ENDS_AGREE,
    ReadOut,
    is_slow,
    read_out,
    sampled,
)
from partialpool.posterior.variance_parameters import (
    inverse_chi,
    of_dimension,
    of_nodes,
    times_sigma,
)
from partialpool.records import Clusters
from partialpool.records.cross_products import DISPERSION, CrossProducts
from partialpool.records.population import population_weights

if TYPE_CHECKING:
    from partialpool.posterior.checks import Finding
    from partialpool.posterior.group_check import GroupCheck
    from partialpool.posterior.left_out import LeftOutGroups

LIGHTEST_LEFT_OUT, LEFT_OUT_OF_ERROR = 1e-5, 1e-3
"""Share of the weight that the lightest nodes left out of tables may have; where the integral is
more exact, this share of its error. Ten times as much moves ends by 1e-3 sds."""
COARSER_DIMENSIONS = 5
"""Dimensions from which on a lattice as fine as in fewer costs too much."""
CELLS_AT_ONCE = 2**18
"""Groups times nodes that are worked on at once (2 MiB)."""
CELLS_HELD = 2**23
"""Elements of the groups' effects given beta that are computed once and kept (64 MiB)."""
READING_SHARE = 0.3
"""Share of the estimated error that reading from fewer nodes may add where reading all takes
long."""
GROWTH_TAKEN_AT = np.array([1e3, 1e5])
"""Multiples of an sd at which scales of rows tell whether they grow with it."""


def _within(at: slice, some: slice) -> slice:
    """Where some of the elements of a slice are."""
    start, stop, step = some.indices(at.stop - at.start)
    return slice(at.start + start, at.start + stop, step)


@dataclass(frozen=True, eq=False, repr=False)
class MixedPosterior(FullEngine):
    """The joint posterior of coefficients, groups' effects, sds, correlations and sigma.

        y = X beta + sum_t Z_t b_t + e,   e_i ~ N(0, sigma^2 / w_i),   b_t,l ~ N(0, Sigma_t)

    Parameters
    ----------
    statistics : CrossProducts
        The data, reduced.
    model : MixedModel
        Likelihood and priors.
    orders : Orders
        Which moments exist.
    weighted : WeightedNodes
        Nodes and weights over the hyperparameters.
    accuracy : float, optional
        The error asked for (posterior sds); see `target`.
    """

    statistics: CrossProducts
    model: MixedModel
    orders: Orders
    weighted: WeightedNodes
    accuracy: float | None = None

    # the hyperparameters ------------------------------------------------------------------

    @cached_property
    def sigma(self) -> Distribution | None:
        """Standard deviation of one row (units of y); None if standard errors are given."""
        if self.statistics.sigma_known:
            return None
        if self.model.has_sigma:
            return of_dimension(self.weighted, 0, self.orders.sigma)
        nodes = self.nodes
        return inverse_chi(nodes.scale, nodes.weight, nodes.df)

    @property
    def phi(self) -> Floats:
        """The hyperparameters at the nodes, (K, d)."""
        return self.weighted.points

    @cached_property
    def taus(self) -> dict[str, Distribution]:
        """Every sd between groups, by name; for a slope in units of y over units of x."""
        taus = {}
        orders = iter(self.orders.sd)
        for term in self.model.terms:
            for k, effect in enumerate(term.effects):
                taus[sd_name(term.factor, effect)] = self._tau(term.sds.start + k, next(orders))
        return taus

    def _tau(self, dimension: int, order: float) -> Distribution:
        if self.model.df is None:
            return self._of_phi(dimension, order)
        return times_sigma(
            self.weighted, dimension, self.weighted.carried[:, 0], self.model.df, order
        )

    def _of_phi(self, dimension: int, order: float) -> Distribution:
        """A dimension of phi; moments of an order below this exist."""
        return of_dimension(self.weighted, dimension, order)

    @property
    def _nodes_of_phi(self) -> tuple[Floats, Floats]:
        """Nodes of phi, (K, d), and their weights, for what is no dimension of it."""
        return self.nodes.points, self.nodes.weight

    def tau(self, factor: str, effect: str = "Intercept") -> Distribution:
        """Standard deviation between the groups of a factor."""
        return self.taus[sd_name(factor, effect)]

    @cached_property
    def rhos(self) -> dict[str, Distribution]:
        """Every correlation between effects, by name such as ``rho[county, Intercept, floor]``."""
        rhos: dict[str, Distribution] = {}
        points, weight = self._nodes_of_phi
        factors = self.model.factors(points)
        for term, factor in zip(self.model.terms, factors, strict=True):
            if term.partial is None:
                continue
            for i in range(len(term.effects)):
                for k in range(i):
                    name = f"rho[{term.factor}, {term.effects[k]}, {term.effects[i]}]"
                    if k == 0:  # with the first effect: a dimension of phi itself
                        at = term.partial.start + i * (i - 1) // 2
                        rhos[name] = self._of_phi(at, math.inf)
                        continue
                    size = np.sqrt((factor**2).sum(axis=2, keepdims=True))
                    unit = factor / np.maximum(size, 1e-300)
                    value = (unit[:, i] * unit[:, k]).sum(axis=1)
                    rhos[name] = of_nodes(value, weight, -1.0, 1.0)
        return rhos

    def icc(self, factor: str) -> Distribution:
        """Share of the variance of one row, all predictors at zero, that is the factor's."""
        squares = [
            (term.factor, self.phi[:, term.sds.start] ** 2)
            for term in self.model.terms
            if term.effects[0] == "Intercept"
        ]
        of_factor = [square for name, square in squares if name == factor]
        if not of_factor:
            raise ArgumentError(f'no intercept varies by "{factor}": its share has no meaning')
        total = sum(square for _, square in squares) + self._row_variances
        return of_nodes(of_factor[0] / total, self.weighted.weight, 0.0, 1.0)

    @property
    def _row_variances(self) -> float | Floats:
        """Variance of a row of typical weight at every node, (K,), or at all."""
        return np.asarray(self.typical_weight**-1 * self.model.sigma(self.phi) ** 2)

    @property
    def typical_weight(self) -> float:
        """Mean weight of a row: one for plain rows, 1 / se^2 for known standard errors."""
        block = self.statistics.blocks[0]
        return float(block.weight.sum()) / float(block.n.sum())

    @property
    def variance_of_row(self) -> float:
        """Variance within groups of a row of typical weight, sigma at its median."""
        # known, or estimated as one number
        at_nodes = np.ravel(self.model.sigma(self.phi))
        if len(at_nodes) == 1 or self.sigma is None:
            return float(at_nodes[0]) ** 2 / self.typical_weight
        return float(self.sigma.median) ** 2 / self.typical_weight

    def drawn_variance_of_row(self, drawn: MixedDraws) -> Floats:
        """Draws of it, (S,)."""
        return np.asarray(drawn.sigma**2 / self.typical_weight)

    # coefficients -------------------------------------------------------------------------

    @cached_property
    def coefficients(self) -> dict[str, Distribution]:
        """Every coefficient, by name."""
        nodes, to_named = self.nodes, self.model.system.named
        return {
            name: self._of_beta(nodes, to_named[0][k], float(to_named[1][k]), order)
            for k, (name, order) in enumerate(
                zip(self.statistics.coefficients, self.orders.coefficients, strict=True)
            )
        }

    def _of_beta(self, nodes: Nodes, x: Floats, shift: float, order: float) -> Mixture:
        loc, scale = nodes.of_beta(x[None])
        return Mixture((), lambda _: (loc, scale), nodes.weight, nodes.df, shift, order)

    def named(self) -> dict[str, Distribution]:
        """Every parameter but the groups', by its name in tables."""
        last = {} if self.sigma is None else {"sigma": self.sigma}
        if self.dispersion is not None:
            last = {DISPERSION: self.dispersion}
        return {**self.coefficients, **self.taus, **self.rhos, **last}

    # groups -------------------------------------------------------------------------------

    def effect(self, block: int) -> Distribution:
        """Deviations b of a term's groups; shape (L q,), the q effects of a group together."""
        return self._groups(block, False)

    def group(self, block: int) -> Distribution:
        """Coefficients of a term's groups, population value and deviation; shape (L q,).

        For an intercept the population value includes the predictors that are constant within
        every group of the factor; all others are at zero. Of nested groups the deviations of the
        groups in which they lie are included.
        """
        return self._groups(block, True)

    def one_effect(self, block: int, effect: int, *, whole: bool = True) -> Mixture:
        """One effect of every group of a term, shape (L,): `group`, or `effect` if not `whole`."""
        q = len(self.model.terms[block].effects)
        return self._some(block, whole, slice(effect, None, q))

    def new_effect(self, block: int, effect: int) -> Mixture:
        """The effect of a group that is not in the data, with its population value; shape (1,).

        All other predictors are at zero. Of nested groups, the outer group is not in the data
        either.
        """
        rows = effects.new_group_row(self.model, block, effect)
        return mixture(self.model, self.nodes, rows, self._order(rows))

    def combined(self, block: int, effect: int, index: Ints, weights: Floats) -> Distribution:
        """Distribution of ``sum_k w_k v[index_k]``, v the values of an effect as of `one_effect`.

        Given beta and the hyperparameters the groups of the only factor are independent, so that
        locations and variances add; of several factors it is read from independent draws.
        """
        if len(self.model.system.levels) > 1:
            return self.combined_draws(block, effect, index, weights)
        q = len(self.model.terms[block].effects)
        rows = effects.group_rows(self.model, block, whole=True).part(index * q + effect)
        given_beta = functional(self.model, self.nodes, rows)
        one = Rows(
            weights @ rows.constant[:, None],
            weights @ rows.x[None],
            tuple(np.full(1, NONE) for _ in rows.index),
            tuple(z[:1] for z in rows.z),
            np.zeros(1),
        )
        sums = (given_beta.constant @ weights, np.einsum("r,krp->kp", weights, given_beta.x))
        variance = given_beta.variance @ weights**2
        total = Functional(sums[0][:, None], sums[1][:, None], variance[:, None])
        order = np.min(np.atleast_1d(self._order(rows)))
        return Selected(held(self.nodes, one, total, float(order)), index=0)

    def combined_draws(
        self,
        block: int,
        effect: int,
        index: Ints,
        weights: Floats,
        scale: Callable[[Floats], Floats] = np.asarray,
    ) -> Distribution:
        """The same of values on a scale, from draws with a fixed seed."""
        rng, parts = np.random.default_rng(SEED), []
        for _ in range(0, CONTRAST_DRAWS, CONTRAST_DRAWS // 10):
            drawn = self.draws(CONTRAST_DRAWS // 10, rng)
            parts.append(scale(self.drawn_effect(drawn, block, effect)[:, index]) @ weights)
        return Sampled(np.sort(np.concatenate(parts)))

    def drawn_effect(self, drawn: MixedDraws, block: int, effect: int) -> Floats:
        """Draws of an effect of every group of a term, as of `one_effect`; (S, L)."""
        s = self.statistics
        value = drawn.effects[block][:, :, effect].copy()
        value += drawn.coefficients @ population_weights(s, block)[:, effect].T
        name = s.blocks[block].effects[effect]
        for outer, place in effects.enclosing(s, block).items():
            if name in s.blocks[outer].effects:
                at = s.blocks[outer].effects.index(name)
                value += drawn.effects[outer][:, place, at]
        return np.asarray(value)

    def _groups(self, block: int, whole: bool) -> Distribution:
        return self._some(block, whole, slice(None))

    def _some(self, block: int, whole: bool, some: slice) -> Mixture:
        """Some of the effects of a term's groups, as of `effect` or `group`."""
        rows = effects.group_rows(self.model, block, whole=whole).part(some)
        order, held_functional = self._order(rows), self._kept_functional
        if held_functional is None:
            return mixture(self.model, self._few, rows, order)
        if whole and block in self._nested:
            return held(
                self._few, rows, held_functional.part(_within(self._nested[block], some)), order
            )
        given_beta = held_functional.part(_within(self._slices[block], some))
        return held(self._few, rows, given_beta.moved(rows.x), order)

    def _order(self, rows: Rows) -> Floats | float:
        """Moments of each row below this exist, as far as there may be less than two."""
        df = self.nodes.df
        heavy = [i for i, order in enumerate(self.orders.phi) if 0.0 < order <= 2.0]
        if not heavy:
            return df
        out = np.full(len(rows.constant), df)
        more = self.model.prior_moments
        for i in heavy:
            alone = self._grows(rows, i, with_priors=False)
            out[alone] = np.minimum(out[alone], self.orders.phi[i])
            if math.isfinite(more):  # a row that the variance of a prior alone holds back
                beside = self._grows(rows, i, with_priors=True) & ~alone
                out[beside] = np.minimum(out[beside], self.orders.phi[i] + more)
        return out

    def _grows(self, rows: Rows, dimension: int, *, with_priors: bool) -> Bools:
        """Whether the scale of each row grows with a dimension of phi in its tail."""
        model, heaviest = self.model, int(np.argmax(self.weighted.weight))
        points = np.repeat(self.weighted.points[[heaviest]], 2, axis=0)
        points[:, dimension] *= GROWTH_TAKEN_AT
        if with_priors:
            points[:, model.prior_variances] *= GROWTH_TAKEN_AT[:, None] ** 2
        with np.errstate(all="ignore"):
            carried = model.evaluate(points)[1]
        far = Nodes.read(np.ones(2), points, carried, model.system.p, self.nodes.df)
        scale = located(far, rows, functional(model, far, rows))[1]
        return np.asarray(scale[1] > 10.0 * scale[0])

    def pooling(self, block: int) -> Floats:
        """Posterior mean of the weight on the pooled value, shape (L, q): 1 is complete pooling.

        The variance of an effect given the coefficients and the hyperparameters, over its
        variance between groups.
        """
        q = len(self.model.terms[block].effects)
        parts = [self._pooling(block, given_beta) for _, given_beta, _ in self._chunks(block, None)]
        return np.concatenate(parts).reshape(-1, q)

    def shrinkage(self, block: int, effect: int) -> Distribution:
        """Weight on the pooled value of one effect of every group, as of `pooling`; shape (L,)."""
        parts = [
            self._shares(block, given_beta)[:, :, effect]
            for _, given_beta, _ in self._chunks(block, None)
        ]
        share = np.minimum(np.concatenate(parts, axis=1), 1.0)
        return of_nodes(share, self._few.weight, 0.0, 1.0)

    def typical_shares(self, block: int) -> tuple[Floats, Floats]:
        """The shares of `pooling`, mean of all groups, at nodes, (K, q), and weights, (K,)."""
        groups = len(self.statistics.blocks[block].n)
        q = len(self.model.terms[block].effects)
        total = np.zeros((len(self._few.weight), q))
        for _, given_beta, _ in self._chunks(block, None):
            total += self._shares(block, given_beta).sum(axis=1)
        return total / groups, self._few.weight

    def _pooling(self, block: int, given_beta: Functional) -> Floats:
        share = self._shares(block, given_beta)
        return np.asarray(np.minimum(np.einsum("k,klq->lq", self._few.weight, share), 1.0))

    def _shares(self, block: int, given_beta: Functional) -> Floats:
        """Variance of each effect given all else over that between groups; (K, L, q)."""
        few = self._few
        size = np.square(self.model.factors(few.points)[block]).sum(axis=2)[:, None]  # (K, 1, q)
        variance = given_beta.variance.reshape(len(few.weight), -1, size.shape[2])
        return np.where(size > 0, variance / np.maximum(size, 1e-300), 1.0)

    def _chunks(self, block: int, most: int | None) -> Iterator[tuple[slice, Functional, Rows]]:
        """Some groups of a term at a time: which, their effects given beta, their coefficients.

        What is computed for a chunk is not computed again for its mean, sd and quantiles.
        """
        q = len(self.model.terms[block].effects)
        groups = len(self.statistics.blocks[block].n)
        total = q * (groups if most is None else min(most, groups))
        whole = effects.group_rows(self.model, block, whole=True)
        held_functional = self._kept_functional
        # with several factors each chunk eliminates all of their groups again
        alone = len(self.model.system.levels) == 1
        step = max(1, CELLS_AT_ONCE // len(self._few.weight)) * q if alone else total
        for i in range(0, total, step):
            at = slice(i, min(i + step, total))
            if held_functional is None:
                rows = effects.group_rows(self.model, block, whole=False).part(at)
                yield at, functional(self.model, self._few, rows), whole.part(at)
            else:
                first = self._slices[block].start
                yield (
                    at,
                    held_functional.part(slice(first + at.start, first + at.stop)),
                    whole.part(at),
                )

    def group_table(
        self,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        scale: Scale = "response",
        *,
        most: int | None = None,
    ) -> Table:
        """One row an effect of a group of every term; of the first `most` groups of each only.

        factor; group; term (the effect); n (rows); raw (the group's own value, not pooled; nan
        where the group's rows do not tell); effect (the deviation b);
        estimate, sd, lower, upper (of population value and deviation, and for nested groups
        those of the groups in which they lie); shrinkage. Effect and estimate are posterior
        means, or medians where there is no mean.
        """
        interval, response = (level, kind), checked_scale(scale) == "response"
        blocks = range(len(self.statistics.blocks))
        tables = [self._block_table(block, interval, most, response) for block in blocks]
        return Table({k: np.concatenate([t[k] for t in tables]) for k in tables[0]})

    def _block_table(
        self, block: int, interval: tuple[float, IntervalKind], most: int | None, response: bool
    ) -> dict[str, Any]:
        summaries = [
            self._summaries(block, *chunk, interval) for chunk in self._chunks(block, most)
        ]
        columns = [np.concatenate(each) for each in zip(*summaries, strict=True)]
        return self._labelled(block, most, self.raw(block), columns)

    def _labelled(
        self, block: int, most: int | None, raw: Floats, columns: list[Floats]
    ) -> dict[str, Any]:
        """Effect, estimate, sd, lower, upper and shrinkage of a term's groups, labelled."""
        b = self.statistics.blocks[block]
        q, groups = len(b.effects), len(b.labels[:most])
        kinds = {str(x.labels.dtype) for x in self.statistics.blocks}
        labels = b.labels[:most] if len(kinds) == 1 else b.labels[:most].astype(str)
        names = ("effect", "estimate", "sd", "lower", "upper", "shrinkage")
        return {
            "factor": np.full(groups * q, b.factor),
            "group": np.repeat(labels, q),
            "term": np.tile(np.array(b.effects), groups),
            "n": np.repeat(b.n[:most], q),
            "raw": raw[:most].ravel(),
            **dict(zip(names, columns, strict=True)),
        }

    def raw(self, block: int) -> Floats:
        """The groups' own values of a term's effects, not pooled, (L, q); nan where not known."""
        return effects.raw(self.model, block)

    def response_raw(self, block: int) -> Floats:
        """The same on the response scale: of measurements itself."""
        return self.raw(block)

    def to_response(self, effect: str) -> Callable[[Floats], Floats]:
        """From the link scale to the response scale: of measurements both are the same."""
        del effect
        return np.positive

    @property
    def outcome(self) -> str:
        """What linear predictors are of, in words."""
        return self.statistics.outcome

    def _summaries(
        self,
        block: int,
        at: slice,
        given_beta: Functional,
        rows: Rows,
        interval: tuple[float, IntervalKind],
    ) -> tuple[Floats, ...]:
        """Effect, estimate, sd, lower, upper and shrinkage of one chunk."""
        few = self._few
        both = self._with_outer(block, at, rows) or given_beta.moved(rows.x)
        whole = held(few, rows, both, self._order(rows))
        lower, upper = whole.interval(*interval)
        share = self._pooling(block, given_beta).ravel()
        deviation = self._deviation(block, at, given_beta)
        return deviation, whole.estimate, whole.sd, lower, upper, share

    def _deviation(self, block: int, at: slice, given_beta: Functional) -> Floats:
        """Posterior means of some groups' deviations, or medians where there are none."""
        few = self._few
        mean = few.weight @ (given_beta.constant + np.einsum("krp,kp->kr", given_beta.x, few.beta))
        if few.df > 1.0 and not any(0.0 < order <= 1.0 for order in self.orders.phi):
            return np.asarray(mean)
        rows = effects.group_rows(self.model, block, whole=False).part(at)
        return held(few, rows, given_beta, self._order(rows)).estimate

    def _with_outer(self, block: int, at: slice, rows: Rows) -> Functional | None:
        """Some groups given beta, with the groups in which they lie; None if in no others."""
        if block not in self._nested:
            return None
        held_functional, first = self._kept_functional, self._nested[block].start
        if held_functional is None:
            return functional(self.model, self._few, rows)
        return held_functional.part(slice(first + at.start, first + at.stop))

    # linear combinations --------------------------------------------------------------------

    def linear(
        self,
        x: Floats,
        groups: Mapping[int, tuple[Ints, Floats]] | None = None,
        *,
        noise: Floats | float | None = None,
    ) -> Distribution:
        """Distribution of ``x beta + sum_t z_t b_t[index_t]`` for many rows.

        Parameters
        ----------
        x : ndarray, shape (R, p)
            Predictors, in the columns as named (the intercept's is 1).
        groups : mapping, optional
            From the position of a term to the index of each row's group, shape (R,), and z,
            shape (R, q). Index -1 is a group not in the data, with the spread of the groups;
            -2 leaves the term out: the population.
        noise : ndarray, shape (R,), or float, optional
            Weight w of a new observation: adds an error of variance sigma^2 / w.

        Returns
        -------
        Distribution, shape (R,)
        """
        rows = effects.linear_rows(self.model, np.asarray(x, dtype=np.float64), groups or {}, noise)
        known = np.any([index >= 0 for index in rows.index], axis=0)
        if not known.any() or self._few is self.nodes:
            return mixture(self.model, self.nodes, rows, self._order(rows))
        parts: list[tuple[Distribution, Ints]] = []
        for of_known, nodes in ((True, self._few), (False, self.nodes)):
            at = np.flatnonzero(known == of_known)
            if len(at):  # rows of known groups are read as their groups are
                some = rows.part(at)
                parts.append((mixture(self.model, nodes, some, self._order(some)), at))
        return parts[0][0] if len(parts) == 1 else Chosen((len(known),), tuple(parts))

    def draws(self, size: int, rng: np.random.Generator) -> MixedDraws:
        """Draw independently from the joint posterior."""
        size = checked_draws(size, rng)
        return draw_mixed(self.model, self.weighted, int(size), rng)

    def ranks(
        self,
        block: int = 0,
        effect: int = 0,
        *,
        top: int = 1,
        level: float = 0.95,
        descending: bool = True,
    ) -> Table:
        """Ranks of a term's groups by their deviation, from independent draws with a fixed seed.

        The deviation of an intercept is what predictors and other factors leave to the group.
        """
        labels = self.statistics.blocks[block].labels
        size = max(ranked_draws(len(labels)) // 4, 1000)  # all effects are drawn
        rng, sign = np.random.default_rng(SEED), -1.0 if descending else 1.0

        def draw(size: int) -> Floats:
            return sign * self.draws(size, rng).effects[block][:, :, effect]

        return rank_table(draw, size, labels, top, level)

    def thinned(self, size: int) -> Self:
        """The same with groups read from a systematic sample of its nodes.

        Sampled with probabilities proportional to their weights in the order of the lattice, by
        which neighbours stand for each other.
        """
        nodes = self.weighted
        if len(nodes.weight) <= size:
            return self
        places = (np.arange(size) + 0.5) / size
        at = np.searchsorted(np.cumsum(nodes.weight), places * nodes.weight.sum())
        some = WeightedNodes(
            np.full(size, 1.0 / size),
            nodes.points[at],
            nodes.carried[at],
            np.zeros(size, dtype=np.intp),
            nodes.log_total,
            nodes.error,
            nodes.status,
        )
        return replace(self, weighted=some)

    # what every engine answers ---------------------------------------------------------------

    @property
    def terms(self) -> list[Term]:
        """Every effect of every term."""
        return terms_of(self.statistics)

    def values(self, term: Term, scale: Scale) -> Distribution:
        """Population value and deviation of every group."""
        return self.one_effect(term.block, term.effect)

    def deviations(self, term: Term) -> Distribution:
        """Deviation of every group."""
        return self.one_effect(term.block, term.effect, whole=False)

    def population_value(self, term: Term) -> float:
        """Mean of its coefficient; of a slope that varies without one the middle of deviations."""
        mean = self.coefficients[term.name].mean if term.name in self.coefficients else 0.0
        return float(self.to_response(term.name)(np.asarray(mean)))

    def predicted_groups(self, term: Term) -> Floats:
        """The mean of its coefficient and of those of predictors of groups."""
        beta = np.array([float(d.mean) for d in self.coefficients.values()])
        return np.asarray(population_weights(self.statistics, term.block)[:, term.effect] @ beta)

    def new_value(self, term: Term, scale: Scale) -> Distribution:
        """Value of a group that is not in the data."""
        return Selected(self.new_effect(term.block, term.effect), index=0)

    def contrast_of(
        self, term: Term, coefficients: Mapping[Any, float], scale: Scale
    ) -> Distribution:
        """Linear combination of the groups' values, by label."""
        weights = checked_coefficients(coefficients)
        places = {label: i for i, label in enumerate(term.labels.tolist())}
        index = group_positions(places, list(coefficients), term.factor)
        return self._combined_on(scale, term, index, weights)

    def _combined_on(self, scale: Scale, term: Term, index: Ints, weights: Floats) -> Distribution:
        return self.combined(term.block, term.effect, index, weights)

    def weight_on_pooled(self, term: Term) -> Distribution:
        """See `shrinkage`."""
        return self.shrinkage(term.block, term.effect)

    def share_between(self, factor: str) -> Distribution:
        """See `icc`."""
        return self.icc(factor)

    def ranks_of(self, term: Term, *, top: int, level: float, descending: bool) -> Table:
        """See `ranks`."""
        return self.ranks(term.block, term.effect, top=top, level=level, descending=descending)

    def of_new_rows(self, rows: NewRows, scale: Scale) -> Distribution:
        """The linear predictor of new rows, offsets added, on a scale."""
        return self.predictor_on(scale, self.linear(rows.x, rows.groups), rows.offset)

    def predictor_on(
        self, scale: Scale, predictor: Distribution, offset: Floats | float = 0.0
    ) -> Distribution:
        """Linear predictors with offsets, on a scale: of measurements both are the same."""
        if not np.any(offset):
            return predictor
        assert isinstance(predictor, Mixture)
        return predictor.moved(np.broadcast_to(offset, predictor.shape))

    def group_checks(self, *, every: bool = False) -> Iterator[GroupCheck]:
        """Hold each group against all the others; see `group_check.mixed_groups`."""
        from partialpool.posterior.group_check import mixed_groups

        return mixed_groups(self)

    def checks(self, rng: np.random.Generator) -> Iterator[Finding]:
        """Hold the sums against what the model expects; see `checks.mixed_checks`."""
        from partialpool.posterior.checks import mixed_checks

        return mixed_checks(self, rng)

    def drawn_roots(self, size: int, rng: np.random.Generator) -> list[list[Floats]]:
        """Draws of a root of the covariance of each term's effects, over sigma squared."""
        weight = self.weighted.weight
        at = rng.choice(len(weight), size, p=weight / weight.sum())
        factors = self.model.factors(self.phi[at])
        return [[f[i] for f in factors] for i in range(size)]

    @property
    def prior_units(self) -> dict[str, float]:
        """About the sd of the groups' own effects: of moments, and a typical error of these."""
        model, out = self.model, {}
        for term, ratios in zip(model.terms, model.likelihood.moment_ratios(), strict=True):
            sds = model.sigma_guess * np.hypot(ratios, term.reference)
            for effect, sd in zip(term.effects, sds.tolist(), strict=True):
                out[sd_name(term.factor, effect)] = rounded_unit(sd)
        return out

    def under(self, priors: Priors, computed: list[Any], power: float = 1.0) -> MixedPosterior:
        """The posterior under other priors, with the likelihood to a power."""
        from partialpool.posterior.integrated import mixed_posterior

        s = self.statistics if power == 1.0 else self.statistics.to_the_power(power)
        return mixed_posterior(s, with_errors_scaled(priors, math.sqrt(power)), self.accuracy)

    def without_each_group(self, clusters: Clusters | None = None) -> LeftOutGroups:
        """Leave out each group in turn; see `left_out_mixed.mixed_without`."""
        from partialpool.posterior.left_out_mixed import mixed_without

        return mixed_without(self, clusters)

    def log_marginal_likelihood(self) -> float:
        """Refused: it is not computed."""
        raise ArgumentError(
            "log_marginal_likelihood is computed for one factor without predictors only"
        )

    def drawn_values(self, drawn: MixedDraws, term: Term, scale: Scale) -> Floats:
        """Draws of every group's value, (S, J)."""
        return self.drawn_effect(drawn, term.block, term.effect)

    def drawn_parameters(self, drawn: MixedDraws) -> dict[str, Floats]:
        """Draws of every parameter, by name, (S,)."""
        columns = zip(self.statistics.coefficients, drawn.coefficients.T, strict=True)
        last = {} if self.sigma is None else {"sigma": drawn.sigma}
        if drawn.dispersion is not None:
            last = {DISPERSION: drawn.dispersion}
        return {**dict(columns), **drawn.tau, **drawn.rho, **last}

    @property
    def method(self) -> str:
        """How the integral over the hyperparameters was done."""
        return self.weighted.method

    @cached_property
    def error(self) -> float:
        """Bound (95%) on the error of any mean, sd or end of a 95% interval that is printed.

        Of parameters and groups, each in sds of its own; see `WeightedNodes` for where it is from.
        That of the groups is of a sample of them, and includes what reading them from fewer nodes
        changes.
        """
        if len(self.nodes.weight) == 1:
            return self.weighted.error
        nodes, matrix = self.nodes, self.model.system.named[0]
        order = np.array(self.orders.coefficients)
        errors = [
            self.weighted.error,
            self._bound(*nodes.of_beta(matrix), order),
            self._read_out.gap,
        ]
        if not is_slow(self.model):
            rows = sampled(self._sample, max(4, CELLS_AT_ONCE // len(nodes.weight)))
            scaled = located(nodes, rows, functional(self.model, nodes, rows))
            groups = self._bound(*scaled, np.broadcast_to(self._order(rows), scaled[0].shape[1]))
            errors.append(groups + self._read_out.gap)
        return max(errors)

    def _bound(self, loc: Floats, scale: Floats, order: Floats) -> float:
        """Largest error of what is printed of mixtures over all nodes; loc, scale (C, R)."""
        nodes, chosen, lattice = self.nodes, self._weighty, self.weighted
        scale = np.maximum(scale, 1e-100)
        ends = [
            student.mixture_quantile(p, loc, scale, nodes.weight, nodes.df) for p in INTERVAL_ENDS
        ]
        width = (ends[1] - ends[0]) / NORMAL_WIDTH
        errors = []
        for end in ends:
            z = (end - loc) / scale
            density = nodes.weight @ (student.pdf(z, nodes.df) / scale)
            errors.append(lattice.bound(student.cdf(z, nodes.df), chosen) / (density * width))
        order = np.minimum(order, nodes.df)
        if (order > 1.0).any():
            errors.append(np.where(order > 1.0, lattice.bound(loc, chosen) / width, 0.0))
        if (order > 2.0).any():
            inflation = 1.0 if math.isinf(nodes.df) else nodes.df / (nodes.df - 2.0)
            square = inflation * scale**2 + (loc - nodes.weight @ loc) ** 2
            relative = 0.5 * lattice.bound(square, chosen) / (nodes.weight @ square)
            errors.append(np.where(order > 2.0, relative, 0.0))
        return float(np.nan_to_num(np.max(errors), nan=math.inf))

    accuracy_helps = True

    @property
    def target(self) -> float:
        """Target of the error, in posterior sds: what was asked for, or the default."""
        if self.accuracy is not None:
            return self.accuracy
        fine = isinstance(self.weighted, Lattice) and len(self.model.axes) < COARSER_DIMENSIONS
        return DETERMINISTIC if fine else SAMPLED_ENDS

    def __repr__(self) -> str:
        s = self.statistics
        groups = ", ".join(f"{len(b.n):,} of {b.factor}" for b in s.blocks)
        return f"MixedPosterior({groups}; {len(self.weighted.weight):,} nodes)"

    # rows together ------------------------------------------------------------------------

    def drawn_effects(
        self, drawn: MixedDraws, new: Mapping[int, int], rng: np.random.Generator
    ) -> Effects:
        """Draws of coefficients and effects, as they are, and of new groups' effects."""
        more = {t: new_effects(drawn, self.statistics.blocks[t], k, rng) for t, k in new.items()}
        return Effects(drawn.coefficients, drawn.effects, more)

    def mean_effects(self, new: Mapping[int, int]) -> Effects:
        """Means of coefficients and effects."""
        beta = np.array([[float(d.mean) for d in self.coefficients.values()]])
        shapes = [b.zty.shape for b in self.statistics.blocks]
        means = tuple(
            np.asarray(self._effect_mean(t)).reshape(1, *shape) for t, shape in enumerate(shapes)
        )
        more = {t: np.zeros((1, k, shapes[t][1])) for t, k in new.items()}
        return Effects(beta.reshape(1, -1), means, more)

    def _effect_mean(self, block: int) -> Floats:
        return self.effect(block).mean

    def exact_sums(self, sums: Sums, noise: Floats) -> Distribution | None:
        """Sums over the groups of the only factor, which are independent given beta and phi."""
        if self.counts or len(self.model.system.levels) > 1:
            return None
        nodes = self._few if sums.known else self.nodes
        of_sum, pairs = self._pairs(sums)
        rows = effects.linear_rows(self.model, sums.x, {}, None)
        rows = replace(rows, constant=rows.constant + sums.constant, noise=noise)
        shape = len(nodes.weight), len(rows.constant)
        total = Functional(np.zeros(shape), np.zeros((*shape, sums.x.shape[1])), np.zeros(shape))
        order = np.asarray(self._order(rows))
        step = max(1, CELLS_HELD // (shape[0] * (self.model.system.p + 2)))
        for i in range(0, len(of_sum), step):
            part = slice(i, i + step)
            some = pairs.part(part)
            given_beta = functional(self.model, nodes, some)
            size = shape[1], len(some.constant)
            add = scipy.sparse.csr_array(
                (np.ones(size[1]), (of_sum[part], np.arange(size[1]))), size
            )
            total = Functional(
                total.constant + (add @ given_beta.constant.T).T,
                total.x + np.stack([add @ each for each in given_beta.x]),
                total.variance + (add @ given_beta.variance.T).T,
            )
            order = np.minimum(order, np.min(self._order(some)))
        return held(nodes, rows, total.moved(rows.x), order)

    def _pairs(self, sums: Sums) -> tuple[Ints, Rows]:
        """Which sum, and the part of it that is of one group, for every group of every sum."""
        keys, values = [], []
        for shift, weights in ((0, sums.known), (len(self.statistics.blocks[0].n), sums.new)):
            for t, each in weights.items():
                q = len(self.model.terms[t].effects)
                entries = each.tocoo()
                keys.append(np.stack([entries.row, shift + entries.col // q]))
                values.append((t, entries.col % q, entries.data))
        if not keys:
            nothing = np.zeros(0, dtype=np.intp)
            return nothing, effects.linear_rows(
                self.model, np.zeros((0, sums.x.shape[1])), {}, None
            )
        pair, at = np.unique(np.concatenate(keys, axis=1), axis=1, return_inverse=True)
        at = at.ravel()
        known = pair[1] < len(self.statistics.blocks[0].n)
        index = np.where(known, pair[1], NEW)
        z = {
            t: np.zeros((len(index), len(term.effects))) for t, term in enumerate(self.model.terms)
        }
        start = 0
        for t, effect, value in values:
            np.add.at(z[t], (at[start : start + len(value)], effect), value)
            start += len(value)
        groups = {t: (index, weights) for t, weights in z.items()}
        x = np.zeros((len(index), sums.x.shape[1]))
        return pair[0], effects.linear_rows(self.model, x, groups, None)

    # helpers ------------------------------------------------------------------------------

    @cached_property
    def nodes(self) -> Nodes:
        """All nodes that matter."""
        return self._listed(self._weighty)

    @cached_property
    def _weighty(self) -> Ints:
        """All nodes but the lightest, by weight and by what they add to variances."""
        weight = self.weighted.weight
        light = min(LIGHTEST_LEFT_OUT, LEFT_OUT_OF_ERROR * self.weighted.error)
        growing = effects.growing(self.model, self.weighted.points, self.weighted.carried[:, 0])
        exist = [order > 2.0 for order in (*self.orders.sd, self.orders.sigma)]
        share = weight[:, None] * growing[:, np.array(exist)]
        total = np.maximum(share.sum(axis=0), 1e-300)  # an sd may be given as zero
        worth = np.maximum(weight, (share / total).max(axis=1, initial=0.0))
        order = np.argsort(worth)
        gone = int(np.searchsorted(np.cumsum(worth[order]), light * worth.sum()))
        return np.sort(order[gone:])

    def _listed(self, at: Ints) -> Nodes:
        c = self.weighted
        df = math.inf if self.model.df is None else self.model.df
        weight = c.weight[at] / c.weight[at].sum()
        return Nodes.read(weight, c.points[at], c.carried[at], self.model.system.p, df)

    @cached_property
    def _sample(self) -> Rows:
        """Some rows of groups of every term."""
        blocks = range(len(self.statistics.blocks))
        rows = [sampled(effects.group_rows(self.model, block, whole=True)) for block in blocks]
        return Rows.joined(rows)

    @cached_property
    def _read_out(self) -> ReadOut:
        return read_out(
            self.model,
            self.nodes,
            self._slices[-1].stop,
            self._sample,
            agree=self._agree,
            random=isinstance(self.weighted, Sample),
        )

    @property
    def _agree(self) -> float:
        """Difference that reading groups from fewer nodes may make; the estimated error is more."""
        if isinstance(self.weighted, Sample) or is_slow(self.model):
            return max(ENDS_AGREE, READING_SHARE * self.weighted.error)
        return float(np.clip(0.5 * self.weighted.error, *(AGREE_IF_FINE, ENDS_AGREE)))

    @property
    def _few(self) -> Nodes:
        """Nodes from which groups' effects are read."""
        return self._read_out.nodes

    @cached_property
    def _slices(self) -> list[slice]:
        sizes = np.cumsum([0, *(b.zty.size for b in self.statistics.blocks)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(sizes)]

    @cached_property
    def _nested(self) -> dict[int, slice]:
        """Terms whose groups lie in those of others, and where `_kept_functional` has them."""
        s, nested = self.statistics, {}
        end = self._slices[-1].stop
        for block in range(len(s.blocks)):
            if effects.enclosing(s, block):
                nested[block] = slice(end, end + s.blocks[block].zty.size)
                end = nested[block].stop
        return nested

    @cached_property
    def _kept_functional(self) -> Functional | None:
        """All groups' effects given beta at the few nodes; None if that is too much to keep.

        Then, of nested groups, their coefficients with those of the groups in which they lie.
        """
        alone, p = self._slices[-1].stop, self.model.system.p
        total = max([alone, *(at.stop for at in self._nested.values())])
        if total * len(self._few.weight) * (p + 2) > CELLS_HELD:
            return None
        index, z = self.model.system.every_effect()
        rows = [Rows(np.zeros(alone), np.zeros((alone, p)), index, z, np.zeros(alone))]
        rows += [effects.group_rows(self.model, block, whole=True) for block in self._nested]
        return functional(self.model, self._few, Rows.joined(rows))
