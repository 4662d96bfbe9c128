"""The posterior of a generalized linear mixed model of counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.classical.mixed import MixedEstimate
from partialpool.data import Table
from partialpool.data.count_rows import CountProducts
from partialpool.data.cross_products import Block
from partialpool.errors import ArgumentError
from partialpool.integrate import Accuracy
from partialpool.integrate.condense import condensed
from partialpool.kernels import small
from partialpool.kernels.own_levels import own_levels
from partialpool.models import Priors
from partialpool.models.generalized import GeneralizedModel, generalized_model
from partialpool.models.mixed_propriety import check_proper
from partialpool.models.one_sided import shortfall
from partialpool.posterior import effects
from partialpool.posterior.counts import Scale, checked_scale
from partialpool.posterior.distributions import Distribution, IntervalKind, Mixture
from partialpool.posterior.draws import check_draws
from partialpool.posterior.integrated import integrated, one_node, one_point
from partialpool.posterior.linear import Nodes, mixture
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.mixed_draws import MixedDraws, as_named
from partialpool.posterior.natural import Natural
from partialpool.posterior.skewed import Cumulants, mixed
from partialpool.posterior.spreads import of_nodes

FEW = {1: 18, 2: 24}
"""Nodes from which groups' effects are read, by dimension of phi; 40 in more than two."""
INNER = 0.1
"""An error of the integrals within, in posterior sds, that is too large to pass over."""
SMOOTH = 0.3
"""Width of the kernel by which draws of phi are smoothed, in its sds."""


@dataclass(frozen=True, eq=False, repr=False)
class GeneralizedPosterior(MixedPosterior):
    """The joint posterior of coefficients, groups' effects, sds and correlations.

        y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
        eta = offset + X beta + sum_t Z_t b_t,   b_t,l ~ N(0, Sigma_t)

    Everything is on the link scale (log-odds, log rates) unless it says natural.

    Parameters
    ----------
    statistics : CountProducts
        The distinct rows, with cross-products of working responses.
    model : GeneralizedModel
        Likelihood and priors.
    orders : Orders
        Which moments exist.
    cloud : Cloud
        Nodes and weights over the hyperparameters.
    """

    statistics: CountProducts
    model: GeneralizedModel

    def icc(self, factor: str) -> Distribution:
        """Share of the variance of one row, all predictors at zero, that is the factor's.

        On the link scale, a row's own variance is pi^2 / 3 for log-odds, that of one trial, and
        log(1 + 1 / mean count) for log rates. Source: Nakagawa, Johnson and Schielzeth (2017),
        doi:10.1098/rsif.2017.0213.
        """
        squares = [
            (term.factor, self.cloud.points[:, term.sds.start] ** 2)
            for term in self.model.terms
            if term.effects[0] == "Intercept"
        ]
        own = [square for name, square in squares if name == factor]
        if not own:
            raise ArgumentError(f'no intercept varies by "{factor}": its share has no meaning')
        total = sum(square for _, square in squares) + self.row_variance
        return of_nodes(own[0] / total, self.cloud.weight, 0.0, 1.0)

    @property
    def row_variance(self) -> float:
        """Variance of one trial, or of a row of the mean count, on the link scale."""
        s = self.statistics
        if s.proportion:
            return math.pi**2 / 3.0
        return math.log1p(s.n_used / max(float(s.rows.y.sum()), 1e-12))

    @cached_property
    def _few(self) -> Nodes:
        """Few nodes with the same moments, from which groups' effects are read."""
        nodes, model = self.nodes, self.model
        chosen, weight = condensed(
            effects.features(model, nodes.points),
            effects.growing(model, nodes.points, nodes.scale),
            nodes.weight,
            FEW.get(len(self.model.axes), 40),
        )
        return nodes.chosen(chosen, weight)

    @cached_property
    def coefficients(self) -> dict[str, Distribution]:
        """Every coefficient, by name; given the hyperparameters with its own skewness."""
        nodes, (matrix, shift) = self.nodes, self.model.system.named
        p = self.model.system.p
        third = self.cloud.carried[self._weighty][:, 1 + p + p * p :]
        loc, scale = nodes.of_beta(matrix)
        every = Cumulants.read(loc, scale, third)
        found: dict[str, Distribution] = {}
        for k, name in enumerate(self.statistics.coefficients):
            one, order = every.part(slice(k, k + 1)), self.orders.coefficients[k]
            how = nodes.weight, math.inf, float(shift[k]), order
            found[name] = mixed((), partial(_always, one), *how, skewed=True)
        return found

    def natural_group(self, block: int) -> Distribution:
        """Of each group probabilities or rates for its intercept, and ratios of odds or rates.

        With predictors that vary within groups at zero; shape (L q,), as of `group`.
        """
        found = self.group(block)
        assert isinstance(found, Mixture)
        return self._natural(found, self.statistics.blocks[block])

    def _natural(self, found: Mixture, block: Block) -> Distribution:
        first = block.effects[0] == "Intercept"
        return Natural(found, self.statistics.link, len(block.effects) if first else 0)

    def natural(self, found: Distribution, offset: Floats | float = 0.0) -> Distribution:
        """Linear predictors, as of `linear`, and offsets as probabilities or rates.

        Parameters
        ----------
        found : Distribution, shape (R,)
        offset : ndarray, shape (R,), or float
            Added to the linear predictors.
        """
        assert isinstance(found, Mixture)
        added = np.broadcast_to(np.asarray(offset, dtype=np.float64), found.shape)

        return Natural(found.moved(added), self.statistics.link, 1)

    def group_table(
        self,
        level: float = 0.95,
        kind: IntervalKind = "equal-tailed",
        most: int | None = None,
        scale: Scale = "natural",
    ) -> Table:
        """One row an effect of a group of every term, as of `MixedPosterior`.

        On the natural scale raw, estimate, sd, lower and upper of an intercept are probabilities
        or rates (means over the posterior, not transformed ones), and of a slope ratios of odds
        or rates; effect is on the link scale.
        """
        if checked_scale(scale) == "link":
            return super().group_table(level, kind, most)
        found = self._tables((level, kind), most, self._natural)
        natural = [self._natural_raw(t)[:most] for t in range(len(self.statistics.blocks))]
        return Table({**found, "raw": np.concatenate([r.ravel() for r in natural])})

    @cached_property
    def _medians(self) -> Floats:
        """Posterior medians of the coefficients, (p,)."""
        return np.array([float(d.median) for d in self.coefficients.values()])

    def _natural_raw(self, block: int) -> Floats:
        """The groups' own proportions or rates, (L, q), of intercepts only.

        As estimates are: with predictors that vary within groups, and offsets, at zero; their
        coefficients are at their posterior medians.
        """
        s, b = self.statistics, self.statistics.blocks[block]
        out = np.full(b.zty.shape, np.nan)
        if b.effects[0] != "Intercept":
            return out
        base = s.rows.offset + s.rows.x @ np.where(b.constant, 0.0, self._medians)
        if not base.any():
            out[:, 0] = s.raw[block]
            return out
        rows = s.rows
        level = own_levels(s.link, rows.y, rows.size, base, rows.group[block], len(b.n))
        with np.errstate(over="ignore"):
            out[:, 0] = s.link.natural(level)
        return out

    def raw(self, block: int) -> Floats:
        """Log-odds or log rates of the groups' own counts, for intercepts; nan where infinite."""
        found = self.statistics.link.linked(self._natural_raw(block))
        return np.where(np.isfinite(found), found, np.nan)

    @property
    def outcome(self) -> str:
        """What linear predictors are of, in words."""
        return f"{'log-odds' if self.statistics.proportion else 'log rate'} of {super().outcome}"

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
        rows = effects.linear_rows(self.model, np.asarray(x, dtype=np.float64), groups or {}, None)
        return mixture(self.model, self._few, rows, self._order(rows))

    def draws(self, size: int, rng: np.random.Generator) -> MixedDraws:
        """Draw independently from the joint posterior.

        A node of the hyperparameters is drawn, smoothed over with their variances kept; then
        coefficients and groups' effects from the normal with their moments at the node.

        Parameters
        ----------
        size : int
            Number of draws S.
        rng : numpy.random.Generator
            Source of randomness.
        """
        check_draws(size, rng)
        nodes, model = self._few, self.model
        which = rng.choice(len(nodes.weight), size=size, p=nodes.weight)
        root = small.root(nodes.covariance)[which]
        normal = rng.standard_normal((size, model.system.p))
        beta = nodes.beta[which] + np.einsum("sij,sj->si", root, normal)
        shifted = model.draw_at(nodes.points, which, beta, rng)
        points = _smoothed(model, nodes, which, rng)
        return as_named(model, points, beta, np.ones(size), shifted)

    @property
    def method(self) -> str:
        """How the integrals were done."""
        inner = self.model.inner
        return f"{super().method}; {inner.words}"

    @cached_property
    def error(self) -> float:
        """Estimated error of the summaries: of the integral over phi, and of those within."""
        return max(super().error, self.inner_error)

    @cached_property
    def inner_error(self) -> float:
        """Estimated error of the integrals over beta and the groups; see `ByGroup`."""
        return self.model.inner_error(self.cloud)

    @property
    def status(self) -> Accuracy:
        """Whether the error target was reached."""
        reached = self.cloud.status is Accuracy.REACHED and self.inner_error < INNER
        return Accuracy.REACHED if reached else Accuracy.NOT_REACHED

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what was cached."""
        return GeneralizedPosterior, (self.statistics, self.model, self.orders, self.cloud)


def generalized_posterior(statistics: CountProducts, priors: Priors) -> GeneralizedPosterior:
    """Compute the posterior of counts with predictors.

    Raises
    ------
    DataError
        If predictors are collinear, or a factor has one group only.
    ImproperPosteriorError
        If data and priors leave no proper posterior.
    """
    model = generalized_model(statistics, priors)
    orders = check_proper(model, shortfall(statistics))
    d = len(model.axes)
    cloud = integrated(model, orders, 1e-3 if d <= 3 else 5e-3 if d == 4 else None)
    return GeneralizedPosterior(statistics, model, orders, cloud)


def plug_in_counts(statistics: CountProducts, found: MixedEstimate) -> GeneralizedPosterior:
    """Everything given the spreads at their estimates, with coefficients at theirs: one node."""
    model = generalized_model(statistics, Priors())
    point = one_point(model, found.sds, found.correlations)[None]
    matrix, offset = model.system.named
    back = np.linalg.inv(matrix)
    beta = back @ (found.coefficients - offset)
    spread = back @ found.covariance @ back.T
    third = np.zeros(len(beta))
    carried = np.concatenate([np.ones(1), beta, spread.ravel(), third])[None]
    return GeneralizedPosterior(statistics, model, *one_node(model, point, carried))


def _smoothed(
    model: GeneralizedModel, nodes: Nodes, which: Ints, rng: np.random.Generator
) -> Floats:
    """Values of phi about nodes, with the means and variances of the nodes' coordinates."""
    columns = []
    for i, axis in enumerate(model.axes):
        u = axis.coordinate(nodes.points[:, i])
        center = nodes.weight @ u
        sd = math.sqrt(float(nodes.weight @ (u - center) ** 2))
        moved = center + (u[which] - center) * math.sqrt(1.0 - SMOOTH**2)
        columns.append(axis.value(moved + SMOOTH * sd * rng.standard_normal(len(which))))
    return np.stack(columns, axis=1)


def _always(found: Cumulants, _: slice) -> Cumulants:
    return found
