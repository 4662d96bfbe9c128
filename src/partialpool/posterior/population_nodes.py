"""Nodes over (phi, mu) of a population that is not normal, and groups given each of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW, NONE
from partialpool.integrate import Lattice
from partialpool.integrate.condense import condensed
from partialpool.kernels.knots import cubic_weights
from partialpool.kernels.shares import log_sum
from partialpool.models.population_model import MU_STEP, PopulationModel
from partialpool.posterior.node_mixture import NodeComponents

KERNEL_STEPS = 0.65
"""Width of the normal kernel that stands for a node of mu, in the distance of the closest nodes:
the sum of such kernels is even to 5e-4 in the middle, and to 3e-2 at the ends of a 95% interval,
which moves them by 3e-3 sd."""
MOST_NODES, MOST_LEFT_OUT = 20_000, 5e-4
"""Nodes beyond which more are left out, and their weight at most: where one of few groups is very
far out, nodes are many."""
FINER_GRID = 4
"""Factor of the finer grids of mu: kernels on the usual one move probabilities of baseball players
under a point-normal population by 0.03 sd, on this one by 0.002."""
MOST_OF_VARIANCE = 0.5
"""Share of the variance of mu that kernels may have."""
LEFT_OUT = 5e-5
"""Weight of the lightest nodes that are left out together: ends of 95% intervals of groups move by
5e-5 sd, and half of the nodes are left (30 groups of rows, contaminated or Student's t)."""


@dataclass(frozen=True, slots=True, eq=False)
class PopulationNodes:
    """N nodes and the K components of the population at each.

    Parameters
    ----------
    weight : ndarray, shape (N,)
        Sums to one.
    outer : ndarray of int, shape (N,)
        The node of phi.
    mu : ndarray, shape (N,)
        Where shares are computed (less the center).
    mu_near, kernel : ndarray, shape (N,)
        Mean and variance of the normal kernel that stands for a node in distributions of groups.
        It has a variance only where the population is narrower than the distance of nodes.
    mu_smooth, kernel_of_mu : ndarray, shape (N,)
        The same in the distribution of mu itself.
    sigma : ndarray, shape (N,)
    log_share, variance : ndarray, shape (N, K)
    """

    weight: Floats
    outer: Ints
    mu: Floats
    mu_near: Floats
    kernel: Floats
    mu_smooth: Floats
    kernel_of_mu: Floats
    sigma: Floats
    log_share: Floats
    variance: Floats

    @property
    def cells(self) -> int:
        """Components of one group."""
        return int(self.variance.size)

    @property
    def size(self) -> int:
        """Components at a node, K."""
        return int(self.variance.shape[1])

    def components(
        self, y: Floats, weight: Floats, index: Ints, noise: Floats | None = None
    ) -> NodeComponents:
        """Theta of B groups; of a new one where the index is -1, of the middle where -2."""
        log_share, on_data, error = self._given(y, weight)
        near = self.mu_near[:, None, None]
        kernel = self.kernel[:, None, None]
        # theta given mu, and mu's kernel, which reaches a group by its weight on mu
        variance = on_data * error + (1.0 - on_data) ** 2 * kernel
        loc = near + on_data * (y[:, None] - near)
        new, middle = index[:, None] == NEW, index[:, None] == NONE
        if new.any() or middle.any():
            known = ~(new | middle)
            of_population = self.variance[:, None] + kernel
            smooth = self.mu_smooth[:, None, None]
            of_mu = self.kernel_of_mu[:, None, None]
            log_share = np.where(known, log_share, self.log_share[:, None])
            loc = np.where(known, loc, np.where(new, near, smooth))
            variance = np.where(known, variance, np.where(new, of_population, of_mu))
        if noise is not None:
            variance = variance + (self.sigma**2)[:, None, None] / noise[:, None]
        return NodeComponents(log_share, loc, variance)

    def deviations(self, y: Floats, weight: Floats) -> NodeComponents:
        """Theta less mu of B groups."""
        log_share, on_data, error = self._given(y, weight)
        variance = on_data * error + on_data**2 * self.kernel[:, None, None]
        return NodeComponents(
            log_share, on_data * (y[:, None] - self.mu_near[:, None, None]), variance
        )

    def pooled(self, y: Floats, weight: Floats) -> Floats:
        """Weight on the pooled value at each node, the mean over components; (N, B)."""
        log_share, on_data, _ = self._given(y, weight)
        return np.asarray((np.exp(log_share) * (1.0 - on_data)).sum(axis=-1))

    def share_of_last(self, y: Floats, weight: Floats) -> Floats:
        """Probability that a group is of the last component, averaged over nodes; (B,)."""
        log_share, _, _ = self._given(y, weight)
        return np.asarray(self.weight @ np.exp(log_share[..., -1]))

    def _given(self, y: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
        """Log shares, weights on the data and sampling variances; (N, B, K), (N, B, 1) the last."""
        error = (self.sigma[:, None] ** 2 / weight)[..., None]
        total = error + self.variance[:, None]
        square = ((y - self.mu[:, None]) ** 2)[..., None]
        log_share = self.log_share[:, None] - 0.5 * (np.log(total) + square / total)
        log_share -= log_sum(log_share)[..., None]
        return log_share, self.variance[:, None] / total, error


def condensed_nodes(nodes: PopulationNodes, phi: Floats, size: int) -> PopulationNodes:
    """Fewer nodes with the same moments of mu and phi, (N, d) in smooth coordinates."""
    u = np.concatenate([nodes.mu[:, None], phi[nodes.outer]], axis=1)
    index, weight = condensed(u, nodes.kernel[:, None], nodes.weight, size)
    columns = {f.name: getattr(nodes, f.name)[index] for f in fields(nodes)}
    return replace(nodes, **{**columns, "weight": weight})


def grids_of(lattice: Lattice) -> tuple[Floats, Floats, Floats]:
    """Nodes of mu at each node of phi, their log masses, and their weights; (G, M) each."""
    width = lattice.carried.shape[1] // 2
    mu, log_mass = lattice.carried[:, :width], lattice.carried[:, width:]
    return mu, log_mass, np.exp(log_mass - log_sum(log_mass)[:, None])


def population_nodes(
    model: PopulationModel, lattice: Lattice, *, finer: bool = False
) -> PopulationNodes:
    """Take the nodes of phi and mu that have some weight.

    Parameters
    ----------
    model : PopulationModel
    lattice : Lattice
    finer : bool
        Whether mu is to have a finer grid where the population is narrower than the distance of
        its nodes: kernels of mu, over which likelihoods change, are then narrow.
    """
    mu, log_mass, _ = grids_of(lattice)
    tau, _, sigma = model.split(lattice.points)
    narrowest = np.zeros(len(mu)) if model.population.has_atom else tau
    fine = np.zeros(len(mu), dtype=bool)
    if finer and mu.shape[1] > 1:
        fine = narrowest < KERNEL_STEPS * np.gradient(mu, axis=1).min(axis=1)
    parts = []
    for rows, grids in ((~fine, (mu, log_mass)), (fine, _refined(mu, log_mass))):
        if rows.any():
            at, mass = (g[rows] for g in grids)
            weight = np.exp(mass - log_sum(mass)[:, None])
            columns = [lattice.weight[rows, None] * weight, at]
            columns += kernels(at, mass, weight, narrowest[rows])
            columns += kernels(at, mass, weight, np.zeros(len(at)))
            outer = np.broadcast_to(np.flatnonzero(rows)[:, None], at.shape)
            parts.append([c.ravel() for c in (outer, *columns)])
    outer, weight, *columns = (np.concatenate(c) for c in zip(*parts, strict=True))
    order = np.argsort(weight)
    # as many of the lightest as weigh no more than the first; with more nodes than MOST_NODES, up
    # to the second
    gone = np.searchsorted(np.cumsum(weight[order]), [LEFT_OUT, MOST_LEFT_OUT])
    keep = order[int(np.clip(len(order) - MOST_NODES, *gone)) :]
    # in the order of phi and mu again: sums are then the same whatever the ties of weights
    keep = keep[np.lexsort((columns[0][keep], outer[keep]))]
    outer, weight = outer[keep], weight[keep]
    at, near, kernel, smooth, of_mu = (c[keep] for c in columns)
    of = model.populations(lattice.points)
    return PopulationNodes(
        weight=weight / weight.sum(),
        outer=outer,
        mu=at,
        mu_near=near,
        kernel=kernel,
        mu_smooth=smooth,
        kernel_of_mu=of_mu,
        sigma=sigma[outer],
        log_share=of.log_share[outer],
        variance=of.variance[outer],
    )


def _refined(mu: Floats, log_mass: Floats) -> tuple[Floats, Floats]:
    """Grids of mu with `FINER_GRID` times as many nodes, by local cubics; (G, M) to (G, M')."""
    size = mu.shape[1]
    if size == 1:
        return mu, log_mass
    place = np.arange(FINER_GRID * (size - 1) + 1) / FINER_GRID
    first, share = cubic_weights(place, np.arange(size, dtype=np.float64))
    at = first[:, None] + np.arange(4)
    mass = (log_mass[:, at] * share).sum(axis=-1)
    middle = size // 2
    unit = (mu[:, middle + 1] - mu[:, middle]) / np.sinh(MU_STEP)
    return mu[:, [middle]] + unit[:, None] * np.sinh(MU_STEP * (place - middle)), mass


def kernels(
    mu: Floats, log_mass: Floats, weight: Floats, narrowest: Floats
) -> tuple[Floats, Floats]:
    """Means and variances of normal kernels at the nodes of mu, whose sum has mu's density.

    A kernel of variance h^2 widens a density. For the sum to stay as it was, nodes are moved back
    by h^2 / 2 times the score, which undoes the widening to first order whatever the density, and
    exactly if it is normal.
    """
    if mu.shape[1] == 1:
        return mu, np.zeros_like(mu)
    distance = np.gradient(mu, axis=1)
    mean = (weight * mu).sum(axis=1, keepdims=True)
    variance = (weight * (mu - mean) ** 2).sum(axis=1, keepdims=True)
    closest = distance.min(axis=1, keepdims=True)
    # what a population's own width leaves to be smoothed
    kernel = np.maximum((KERNEL_STEPS * closest) ** 2 - narrowest[:, None] ** 2, 0.0)
    kernel = np.minimum(kernel, MOST_OF_VARIANCE * variance)
    # d log density / d mu
    score = np.gradient(log_mass - np.log(distance), axis=1) / distance
    away = mu - mean
    # the score beyond that of a normal density, which the factor below undoes exactly
    beyond = 0.5 * kernel * (score + away / variance)
    most = 0.5 * np.sqrt(kernel)  # in the tails a difference of log masses is no good score
    moved = np.sqrt(1.0 - kernel / variance) * away + np.clip(beyond, -most, most)
    # mean and variance of mu are then those of the grid to all digits, however rough the score
    moved -= (weight * moved).sum(axis=1, keepdims=True)
    moved *= np.sqrt((variance - kernel) / (weight * moved**2).sum(axis=1, keepdims=True))
    return mean + moved, np.broadcast_to(kernel, mu.shape)
