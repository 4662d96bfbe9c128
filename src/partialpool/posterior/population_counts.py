"""Groups of counts from a population that is not normal.

Given a node the population is a mixture of normals, and the density of theta of a pair of events
and size is

    p(theta | data) ~ lik(theta) sum_n w_n / L_n sum_k share_nk N(theta; mu_n, v_nk)

with L_n the pair's likelihood at node n, on a mesh on which it is resolved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW, NONE
from partialpool.errors import ArgumentError
from partialpool.kernels.counts import Pairs, bands, exp_or_zero, shared_mesh
from partialpool.kernels.families import LOGIT
from partialpool.kernels.gauss_hermite import hermite
from partialpool.kernels.normal_mixtures import NormalMixtures
from partialpool.kernels.shares import drawn_component, log_sum
from partialpool.models.population_model import Counted, component_marginals
from partialpool.posterior.assembled import Chosen
from partialpool.posterior.atoms import WithAtom
from partialpool.posterior.counts_draws import draw_of_normal
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.engine import Scale
from partialpool.posterior.groups import OnLink
from partialpool.posterior.mapped import Mapped, Selected
from partialpool.posterior.node_mixture import NodeComponents, NodeMixture
from partialpool.posterior.pairs import FINER_STEPS, Densities
from partialpool.posterior.population_draws import PopulationDraws
from partialpool.posterior.population_groups import GroupReadout, mean_and_sd, share_at_nodes
from partialpool.posterior.population_nodes import FINER_GRID
from partialpool.posterior.response_scale import axis_of
from partialpool.records import CountStatistics

CELLS_AT_ONCE = 2**21
"""Elements of (pairs, nodes, components) arrays worked on at once (16 MiB)."""
NODES_OF_MEANS = 61
"""Gauss-Hermite nodes for the mean of a probability over a normal of any width: right to 2e-3."""
ATOM_WIDTH = 0.02
"""Width of a component over that of the sharpest likelihood of a group below which it counts as an
atom, where the middle is known: groups of it are that close to the middle."""
NEGLIGIBLE_KERNEL = 1e-9
"""Kernels of less weight, in every pair, add nothing to densities."""


@dataclass(frozen=True, eq=False)
class CountedGroups(GroupReadout):
    """Groups with binomial or Poisson events; all on the link scale but for values."""

    statistics: CountStatistics

    @property
    def of_pairs(self) -> Counted:
        """Distinct pairs, and which of them each group is."""
        groups = self.model.groups
        assert isinstance(groups, Counted)
        return groups

    @property
    def error(self) -> float:
        return max((d.defect for d in self._densities), default=0.0)

    # given the nodes ------------------------------------------------------------------------

    @cached_property
    def _shares(self) -> Floats:
        """Probability of each component given the node, by pair; (C, K, N)."""
        n = self.nodes
        parts = self._marginals(n.mu, n.variance)
        return np.exp(parts - log_sum(np.moveaxis(parts, 0, -1)))

    def _marginals(self, mu: Floats, variance: Floats) -> Floats:
        """Log likelihood of each pair at each node by component, with its share; (C, K, N)."""
        n, pairs = self.nodes, self.of_pairs.pairs
        of = NormalMixtures(n.log_share, variance)
        out = np.empty((n.size, len(pairs), len(mu)))
        step = max(1, CELLS_AT_ONCE // n.cells)
        for i in range(0, len(pairs), step):
            some = slice(i, i + step)
            out[:, some] = component_marginals(pairs.at(some), mu[:, None], of)[..., 0]
        return out

    @cached_property
    def _coefficients(self) -> Floats:
        """Of the normal kernels whose sum, times the likelihood, is the density; (K, N, C).

        Components have the shares that they have at the node; the kernels of mu widen each.
        """
        n = self.nodes
        of_kernels = self._marginals(n.mu_near, self._variance)
        with np.errstate(over="ignore", invalid="ignore"):
            each = self._shares * np.exp(n.log_share.T[:, None] - of_kernels) * n.weight
        each = np.where((self._variance > 0.0).T[:, None], np.nan_to_num(each), 0.0)
        return np.ascontiguousarray(np.moveaxis(each, 0, -1))

    @cached_property
    def _variance(self) -> Floats:
        """Variances of the components with the kernels of mu, (N, C); 0 where there is an atom.

        Components that are far narrower than the likelihood of any group count as at the middle.
        """
        n = self.nodes
        variance = n.variance + n.kernel[:, None]
        if self.model.middle is None:
            return variance
        most = float(self.of_pairs.pairs.information[-1])
        return np.where(variance * max(most, 1.0) < ATOM_WIDTH**2, 0.0, variance)

    def outlying(self) -> Floats:
        of_pairs = self._shares[-1] @ self.nodes.weight
        without = float(np.exp(self.nodes.log_share[:, -1]) @ self.nodes.weight)
        return np.asarray(np.append(of_pairs, without)[self.of_pairs.member])

    def shrinkage(self) -> Distribution:
        n, of = self.nodes, self.of_pairs
        each = of.pairs.link.slope(n.mu)[:, None] * n.variance  # (N, C)
        share = np.append(self._shares, np.exp(n.log_share).T[:, None], axis=1)
        size = np.append(of.pairs.size, 0.0)
        pooled = np.stack(
            [(share[:, k] / (1.0 + s * each.T)).sum(axis=0) for k, s in enumerate(size)], axis=1
        )
        moments = mean_and_sd(n.weight, pooled)[:, of.member]
        return share_at_nodes(n.weight, lambda part: pooled[:, of.member[part]], moments)

    def typical_information(self) -> Floats:
        size = self.statistics.size
        typical = float((size > 0).sum() / (1.0 / size[size > 0]).sum())
        middle = float(self.one(NONE, "link").median)
        slope = float(self.of_pairs.pairs.link.slope(np.array([middle]))[0])
        return np.full(len(self.lattice.weight), typical * slope)

    # densities ------------------------------------------------------------------------------

    @cached_property
    def _densities(self) -> list[Densities]:
        """Densities of theta of every pair, without the atom; of groups without data the last."""
        pairs, out = self.of_pairs.pairs, []
        for part in bands(pairs.information):
            step = max(1, CELLS_AT_ONCE // self.nodes.cells)
            for i in range(part.start, part.stop, step):
                some = slice(i, min(i + step, part.stop))
                out.append(self._of_band(pairs.at(some), some))
        return out

    def _of_band(self, pairs: Pairs, part: slice) -> Densities:
        n = self.nodes
        sd = np.sqrt(self._variance)  # (N, C)
        coefficient = self._coefficients[part].reshape(len(pairs), -1)
        loc, scale = np.broadcast_to(n.mu_near[:, None], sd.shape).ravel(), sd.ravel()
        relative = coefficient / np.maximum(coefficient.sum(axis=1, keepdims=True), 1e-300)
        used = (relative > NEGLIGIBLE_KERNEL).any(axis=0)
        mesh = shared_mesh(pairs, *self._reach, FINER_STEPS)
        theta = mesh.theta(mesh.x)
        prior = np.zeros((len(pairs), len(theta)))
        index = np.flatnonzero(used)
        step = max(1, CELLS_AT_ONCE // len(theta))
        for i in range(0, len(index), step):
            at = index[i : i + step]
            z = -0.5 * ((theta - loc[at, None]) / scale[at, None]) ** 2
            kernel = exp_or_zero(z) / (scale[at, None] * math.sqrt(2.0 * math.pi))
            prior += coefficient[:, at] @ kernel
        link = pairs.link
        mass = exp_or_zero(pairs.log_likelihood(link.first(theta), link.second(theta)))
        mass *= mesh.slope(mesh.x) * prior
        total = mass.sum(axis=1)
        expected = 1.0 - self._atoms[part]
        defect = float(np.abs(total - expected).max())
        return Densities(part, mesh, mass / total[:, None], np.atleast_2d(theta), defect)

    @cached_property
    def _reach(self) -> tuple[Floats, Floats, Floats, tuple[float, float]]:
        """What a mesh must cover: mu and widths by node of phi, and where mu mostly lies."""
        n = self.nodes
        outer, first = np.unique(n.outer, return_index=True)
        last = np.append(first[1:], len(n.outer)) - 1
        middle = (first + last) // 2
        mu = np.stack([n.mu[first], n.mu[middle], n.mu[last]], axis=1)
        tau, _, _ = self.model.split(self.lattice.points[outer])
        narrow = ATOM_WIDTH / math.sqrt(max(float(self.of_pairs.pairs.information[-1]), 1.0))
        # kernels of the finer grid overlap: their sum is as smooth as that of the usual one
        width = np.maximum(np.hypot(tau, FINER_GRID * np.sqrt(n.kernel[middle])), narrow)
        reach = np.sqrt(n.variance[first].max(axis=1) + n.kernel[middle])
        # where mu lies if tau is not large, and the sums over a line are narrow
        tau_of_nodes = self.model.split(self.lattice.points[n.outer])[0]
        by_tau = np.argsort(tau_of_nodes)
        half = by_tau[: 1 + int(np.searchsorted(np.cumsum(n.weight[by_tau]), 0.5))]
        order = half[np.argsort(n.mu[half])]
        below = np.cumsum(n.weight[order])
        low, high = np.searchsorted(below, np.array([1e-4, 1.0 - 1e-4]) * below[-1])
        bulk = float(n.mu[order[low]]), float(n.mu[order[min(high, len(order) - 1)]])
        return mu, width, reach, bulk

    @cached_property
    def _atoms(self) -> Floats:
        """Probability that theta of a pair is at the middle; (K,)."""
        n = self.nodes
        at = (self._variance == 0.0).T  # (C, N)
        return np.asarray((self._shares * at[:, None]).sum(axis=0) @ n.weight)

    # distributions --------------------------------------------------------------------------

    def values(self, scale: Scale) -> Distribution:
        return self._some(np.arange(self.statistics.n_groups), scale)

    def _some(self, index: Ints, scale: Scale) -> Distribution:
        """Values of some groups; those without data are new groups."""
        of = self.of_pairs
        member = of.member[index]
        empty = np.flatnonzero(member == len(of.pairs))
        known = np.flatnonzero(member < len(of.pairs))
        if not len(empty):
            return self._known(member, scale)
        parts = [(self.one(NEW, scale), empty)]
        if len(known):
            parts.append((self._known(member[known], scale), known))
        return Chosen((len(index),), tuple(parts))

    def _known(self, member: Ints, scale: Scale) -> Distribution:
        link, weight = self.of_pairs.pairs.link, self._atoms
        mean, sd = np.empty((2, len(weight)))
        for d in self._densities:
            mean[d.part], sd[d.part] = d.moments(d.theta)
        order = np.where(self.of_pairs.pairs.inside, math.inf, self.model.moments.theta)
        mean[order <= 1], sd[order <= 2] = math.nan, math.inf
        on_link: Distribution = OnLink(self._densities, member, mean[member], sd[member])
        middle = self.model.middle
        if middle is not None:
            on_link = WithAtom(on_link, middle, weight[member])
        if scale == "link":
            return on_link
        for d in self._densities:
            mean[d.part], sd[d.part] = d.moments(link.natural(d.theta))
        if middle is not None:
            at = float(link.natural(np.array([middle]))[0])
            second = (1.0 - weight) * (sd**2 + mean**2) + weight * at**2
            mean = (1.0 - weight) * mean + weight * at
            sd = np.sqrt(np.maximum(second - mean**2, 0.0))
        return Mapped(on_link, axis_of(link), (mean[member], sd[member]), member.shape)

    def deviations(self) -> Distribution:
        """Refused: the table of this model has no deviations."""
        raise ArgumentError(
            "a one-way model of counts is of values, not of deviations: use groups() or contrast()"
        )

    def of_rows(self, index: Ints, scale: Scale, noise: Floats | None) -> Distribution:
        known = np.flatnonzero(index >= 0)
        parts: list[tuple[Distribution, Ints]] = []
        if len(known):
            parts.append((self._some(index[known], scale), known))
        for which in (NEW, NONE):
            if len(at := np.flatnonzero(index == which)):
                parts.append((self.one(which, scale), at))
        return Chosen((len(index),), tuple(parts))

    def one(self, index: int, scale: Scale) -> Distribution:
        if index >= 0:
            return Selected(self._some(np.array([index]), scale), index=0)
        n, moments = self.nodes, self.model.moments
        zero = np.zeros(1)
        at = np.full(1, index)
        order = moments.mu
        if index == NEW:
            order = min(order, moments.tau, self.model.population.moments)

        def rows(_: slice) -> NodeComponents:
            return n.components(zero, zero + 1.0, at)

        on_link = NodeMixture((), rows, n.weight, n.size, 0.0, order)
        if scale == "link":
            return on_link
        link = self.of_pairs.pairs.link
        of = rows(slice(None))
        if link is not LOGIT:  # the mean of a rate exists where tau is bounded only
            return Mapped(on_link, axis_of(link), (np.asarray(np.inf), np.asarray(np.inf)), ())
        z, log_share = hermite(NODES_OF_MEANS, 1)
        p = link.natural(of.loc[..., None] + np.sqrt(of.variance)[..., None] * z[:, 0])
        weight = n.weight[:, None, None, None] * np.exp(of.log_share)[..., None] * np.exp(log_share)
        mean = float((weight * p).sum())
        sd = math.sqrt(max(float((weight * (p - mean) ** 2).sum()), 0.0))
        return Mapped(on_link, axis_of(link), (np.asarray(mean), np.asarray(sd)), ())

    # draws ----------------------------------------------------------------------------------

    def draw(self, mu: Floats, points: Floats, at: Ints, rng: np.random.Generator) -> Floats:
        s, of = self.statistics, self.of_pairs
        member, populations = of.member[at], self.model.populations(points)
        used, place = np.unique(member, return_inverse=True)
        theta = np.empty((len(mu), len(at)))
        step = max(1, CELLS_AT_ONCE // (populations.variance.shape[1] * max(len(used), len(at))))
        for i in range(0, len(mu), step):
            part = slice(i, i + step)
            few = populations.at(part)
            share = self._shares_of(used, mu[part], few)[:, place]  # (S, B, C)
            which = drawn_component(share, rng)
            variance = np.take_along_axis(few.variance, which, axis=1)
            sd = np.sqrt(np.where(variance > 0.0, variance, 1.0))
            middle = mu[part, None]
            link = of.pairs.link
            drawn = draw_of_normal(link, s.y[at], s.size[at], middle, sd, rng)
            theta[part] = np.where(variance > 0.0, drawn, middle)
        return theta

    def _shares_of(self, used: Ints, mu: Floats, of: NormalMixtures) -> Floats:
        """Probabilities of the components, of some pairs, at draws; (S, K, C)."""
        pairs = self.of_pairs.pairs
        out = np.broadcast_to(
            np.exp(of.log_share)[:, None], (len(mu), len(used), of.log_share.shape[1])
        ).copy()
        known = np.flatnonzero(used < len(pairs))
        if len(known):
            columns = {f: getattr(pairs, f)[used[known]] for f in pairs.__slots__[1:]}
            some = replace(pairs, **columns)
            log_share = np.moveaxis(component_marginals(some, mu[:, None], of)[..., 0], 0, -1)
            log_share -= log_sum(log_share)[..., None]
            out[:, known] = np.exp(np.moveaxis(log_share, 0, 1))
        return out

    def log_likelihood(self, drawn: PopulationDraws) -> Floats:
        of, s = self.of_pairs, self.statistics
        populations = drawn.populations(self.model)
        out = np.zeros((len(drawn.mu), len(of.pairs) + 1))
        step = max(1, CELLS_AT_ONCE // (len(of.pairs) * populations.variance.shape[1]))
        for i in range(0, len(out), step):
            part = slice(i, i + step)
            parts = component_marginals(of.pairs, drawn.mu[part, None], populations.at(part))
            out[part, :-1] = log_sum(np.moveaxis(parts[..., 0], 0, -1)).T + of.pairs.best
        return np.asarray(out[:, of.member] + s.log_constants)
