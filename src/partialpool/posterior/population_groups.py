"""Groups from a population that is not normal: what is read of them, of measurements."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._normal import ENDS_AND_MEDIAN, LOG_2PI
from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW
from partialpool.integrate import Axis, Lattice
from partialpool.kernels.normal_mixtures import log_marginals
from partialpool.models.population_model import PopulationModel
from partialpool.posterior.assembled import Chosen
from partialpool.posterior.distributions import Distribution, Mixture
from partialpool.posterior.engine import Scale
from partialpool.posterior.many_groups import (
    Interpolated,
    KnotsOfGroups,
    many_groups,
    sample_of_groups,
)
from partialpool.posterior.mapped import Mapped
from partialpool.posterior.node_mixture import CELLS_AT_ONCE, NodeComponents, NodeMixture
from partialpool.posterior.one_way_parameters import typical_weight
from partialpool.posterior.population_draws import PopulationDraws, drawn_of_means
from partialpool.posterior.population_nodes import (
    PopulationNodes,
    condensed_nodes,
    population_nodes,
)
from partialpool.posterior.variance_parameters import KERNEL_WIDTH
from partialpool.records import CountStatistics, GroupStatistics

MANY_CELLS = 2e6
"""Groups times components from which groups are read from fewer nodes, checked."""
CONDENSED_SIZES, CONDENSED_AGREE = (50, 100, 200, 400, 800, 1600), 5e-3
"""Nodes that are tried, and how closely ends of intervals must agree with all nodes, in sds: 200
groups of a normal population under a contaminated one need 400 to 1,600 of up to 100,000."""
CELLS_OF_CONDENSING, READINGS = 900.0, 4
"""Condensing to 800 nodes takes, for each node that there was, as long as reading so many groups'
components (575 to 1,250 were measured), and other sizes as the power 2.5 of their ratio. A fit is
read about so many times: for its table, ranks, checks and report."""
UNIT = Axis(0.0, 1.0)  # shares of shrinkage


@dataclass(frozen=True, eq=False)
class GroupReadout(ABC):
    """What is read of groups from the nodes over phi and mu.

    Parameters
    ----------
    statistics : GroupStatistics or CountStatistics
    model : PopulationModel
    lattice : Lattice
    """

    statistics: GroupStatistics | CountStatistics
    model: PopulationModel
    lattice: Lattice

    @cached_property
    def nodes(self) -> PopulationNodes:
        """Nodes over phi and mu that have some weight."""
        return population_nodes(self.model, self.lattice, finer=self.model.link is not None)

    @property
    @abstractmethod
    def error(self) -> float:
        """Error of groups beside that of parameters, in posterior sds."""

    @abstractmethod
    def values(self, scale: Scale) -> Distribution:
        """Every group's parameter; shape (J,)."""

    @abstractmethod
    def deviations(self) -> Distribution:
        """Every group's parameter less mu; shape (J,)."""

    @abstractmethod
    def of_rows(self, index: Ints, scale: Scale, noise: Floats | None) -> Distribution:
        """Of the group of each row, -1 for a new one, -2 for the population's middle; (R,)."""

    @abstractmethod
    def one(self, index: int, scale: Scale) -> Distribution:
        """Of one group, a new one (-1), or the middle (-2); shape ()."""

    def estimates_at(self, values: Floats) -> Floats | None:
        """Posterior means of a group of typical size at other own values; None of counts."""
        del values
        return None

    @abstractmethod
    def outlying(self) -> Floats:
        """Probability that each group is of the last component; (J,)."""

    @abstractmethod
    def shrinkage(self) -> Distribution:
        """Every group's weight on the pooled value, the mean over components; (J,)."""

    @abstractmethod
    def typical_information(self) -> Floats:
        """Information of a typical row or group about its value, at nodes of phi; (G,)."""

    @abstractmethod
    def draw(self, mu: Floats, points: Floats, at: Ints, rng: np.random.Generator) -> Floats:
        """Draw theta of groups given mu (less the center) and phi, (S, d); (S, B)."""

    @abstractmethod
    def log_likelihood(self, drawn: PopulationDraws) -> Floats:
        """Log density of each group's rows given all but its own theta; (S, J)."""


def share_at_nodes(
    weight: Floats,
    rows: Callable[[slice], Floats],
    moments: Floats,
) -> Mapped:
    """Distributions of shares between 0 and 1 that are known at nodes, smoothed.

    Parameters
    ----------
    weight : ndarray, shape (N,)
    rows : callable
        Maps a slice of groups to their shares at the nodes, (N, B).
    moments : ndarray, shape (2, J)
        Means and sds.
    """

    def on_logit(part: slice) -> tuple[Floats, Floats]:
        u = UNIT.coordinate(np.clip(rows(part), 1e-12, 1.0 - 1e-12))
        middle = weight @ u
        sd = np.maximum(np.sqrt(weight @ (u - middle) ** 2), 1e-9)
        loc = middle + (u - middle) * math.sqrt(1.0 - KERNEL_WIDTH**2)
        return loc, np.broadcast_to(KERNEL_WIDTH * sd, loc.shape)

    size = (moments.shape[1],)
    inner = Mixture(size, on_logit, weight, math.inf, 0.0, math.inf)
    return Mapped(inner, UNIT, (moments[0], moments[1]), size)


def mean_and_sd(weight: Floats, values: Floats) -> Floats:
    """Of values at nodes, (N, B) to (2, B)."""
    mean = weight @ values
    return np.stack([mean, np.sqrt(weight @ (values - mean) ** 2)])


@dataclass(frozen=True, eq=False)
class MeasuredGroups(GroupReadout):
    """Groups whose means are normal given theta."""

    statistics: GroupStatistics

    @cached_property
    def y(self) -> Floats:
        """Group means less the model's center."""
        return self.statistics.mean - (self.model.center - self.statistics.center)

    def estimates_at(self, values: Floats) -> Floats:
        """Posterior means of a group of typical size, were its own value one of these; (V,)."""
        nodes, center = self.nodes, self.model.center
        weight = np.full(len(values), np.median(self.statistics.weight))
        of = nodes.components(values - center, weight, np.arange(len(values)))
        share = np.exp(of.log_share)
        share /= share.sum(axis=-1, keepdims=True)
        return np.asarray(nodes.weight @ (share * of.loc).sum(axis=-1) + center)

    @property
    def error(self) -> float:
        return self._for_groups[1] + self._knots[1]

    def values(self, scale: Scale) -> Distribution:
        knots = self._knots[0]
        if knots is None:
            return self._mixture(self.y, self.statistics.weight)
        at_knots = self._mixture(*knots.at)
        return Interpolated(self._mixture(knots.y, knots.weight), at_knots, knots)

    @cached_property
    def _knots(self) -> tuple[KnotsOfGroups | None, float]:
        """Knots from which tables of very many groups are interpolated, and their error."""
        return many_groups(self.y, self.statistics.weight, self._for_groups[0].cells, self._mixture)

    @cached_property
    def _for_groups(self) -> tuple[PopulationNodes, float]:
        """All nodes; with many groups, fewer of which the ends of intervals are the same."""
        full, weight = self.nodes, self.statistics.weight
        if len(weight) * full.cells <= MANY_CELLS:
            return full, 0.0
        some = sample_of_groups(self.y, weight)
        if len(some) == len(weight):  # to check fewer nodes all groups would be read from all
            return full, 0.0
        parts = self.y[some], weight[some]
        exact = self._mixture(*parts, full)
        ends, sd = exact.quantile(ENDS_AND_MEDIAN), exact.sd
        phi = self.model.coordinates(self.lattice.points)
        for size in CONDENSED_SIZES:
            cells = CELLS_OF_CONDENSING * (size / 800) ** 2.5 * len(full.weight)
            if size >= len(full.weight) or cells > READINGS * len(weight) * full.cells:
                break
            few = condensed_nodes(full, phi, size)
            error = float(
                (np.abs(self._mixture(*parts, few).quantile(ENDS_AND_MEDIAN) - ends) / sd).max()
            )
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

    def deviations(self) -> Distribution:
        n, y, weight = self._for_groups[0], self.y, self.statistics.weight

        def rows(part: slice) -> NodeComponents:
            return n.deviations(y[part], weight[part])

        moments = min(self.model.moments.mu, self.model.moments.theta)
        return NodeMixture((len(y),), rows, n.weight, n.size, 0.0, moments)

    def of_rows(self, index: Ints, scale: Scale, noise: Floats | None) -> Distribution:
        # by themselves, as moments of known groups exist where those of new ones may not
        apart = (np.flatnonzero(index >= 0), np.flatnonzero(index < 0))
        parts: list[tuple[Distribution, Ints]] = []
        for at in apart:
            if len(at):
                some = None if noise is None else noise[at]
                parts.append((self._of_index(index[at], (len(at),), some), at))
        return parts[0][0] if len(parts) == 1 else Chosen((len(index),), tuple(parts))

    def one(self, index: int, scale: Scale) -> NodeMixture:
        return self._of_index(np.full(1, index), (), None)

    def _of_index(self, index: Ints, shape: tuple[int, ...], noise: Floats | None) -> NodeMixture:
        n, y, weight = self.nodes, self.y, self.statistics.weight
        moments = self.model.moments
        order = moments.theta
        if (index < 0).any():
            order = min(order, moments.mu)
        if (index == NEW).any():
            order = min(order, moments.tau, self.model.population.moments)

        def rows(part: slice) -> NodeComponents:
            at = index[part]
            added = None if noise is None else noise[part]
            return n.components(y[at], weight[at], at, added)

        return NodeMixture(shape, rows, n.weight, n.size, self.model.center, order)

    def outlying(self) -> Floats:
        return np.asarray(self._by_group(self._for_groups[0].share_of_last)[0])

    def shrinkage(self) -> Distribution:
        n, y, weight = self._for_groups[0], self.y, self.statistics.weight
        moments = self._by_group(lambda *of: mean_and_sd(n.weight, n.pooled(*of)))
        return share_at_nodes(n.weight, lambda part: n.pooled(y[part], weight[part]), moments)

    def _by_group(self, function: Callable[[Floats, Floats], Floats]) -> Floats:
        """Shares between 0 and 1 of means and weights, (B,) each to (m, B), for all groups."""
        knots = self._knots[0]
        if knots is not None:
            return np.clip(knots.values(self._in_blocks(function, *knots.at)), 0.0, 1.0)
        return self._in_blocks(function, self.y, self.statistics.weight)

    def _in_blocks(
        self, function: Callable[[Floats, Floats], Floats], y: Floats, weight: Floats
    ) -> Floats:
        step = max(1, CELLS_AT_ONCE // self._for_groups[0].cells)
        parts = [slice(i, i + step) for i in range(0, len(y), step)]
        return np.concatenate([np.atleast_2d(function(y[p], weight[p])) for p in parts], axis=1)

    def typical_information(self) -> Floats:
        s = self.statistics
        _, _, sigma = self.model.split(self.lattice.points)
        return np.asarray(typical_weight(s.weight, s.n, s.sigma_known) / sigma**2)

    def draw(self, mu: Floats, points: Floats, at: Ints, rng: np.random.Generator) -> Floats:
        _, _, sigma = self.model.split(points)
        weight = self.statistics.weight[at]
        return drawn_of_means(self.y[at], weight, mu, sigma, self.model.populations(points), rng)

    def log_likelihood(self, drawn: PopulationDraws) -> Floats:
        s = self.statistics
        sigma = np.ones(len(drawn.mu)) if drawn.sigma is None else drawn.sigma
        error = sigma[:, None] ** 2 / s.weight
        mu = (drawn.mu - self.model.center)[:, None]
        out = log_marginals(self.y, error, mu, drawn.populations(self.model))[:, 0]
        squares = -0.5 * s.ss / sigma[:, None] ** 2
        each = squares - (s.n - 1.0) * np.log(sigma)[:, None] - 0.5 * np.log(s.weight)
        return np.asarray(out + each - 0.5 * s.n * LOG_2PI + 0.5 * s.log_weight)
