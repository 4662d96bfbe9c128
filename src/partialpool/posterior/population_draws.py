"""Independent draws from the posterior of a population that is not normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Lattice, sinc
from partialpool.kernels.normal_mixtures import NormalMixtures
from partialpool.kernels.shares import log_sum
from partialpool.models.population_model import MU_STEP, PopulationModel
from partialpool.posterior.draws import INTERPOLATED, OneWayDraws
from partialpool.posterior.lattice_draws import draw_from_lattice, log_density_at_nodes
from partialpool.posterior.node_mixture import NodeComponents
from partialpool.posterior.population_nodes import grids_of

CELLS_AT_ONCE = 2**18
"""Elements of the (draws, groups, components) arrays worked on at once (2 MiB)."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PopulationDraws(OneWayDraws):
    """The same of a population that is not normal; mu and tau are its middle and scale.

    Parameters
    ----------
    shape : ndarray, shape (S, m)
        What the population learns beside.
    """

    shape: Floats

    def populations(self, model: PopulationModel) -> NormalMixtures:
        """The components at each draw."""
        return NormalMixtures(*model.population.components(self.tau, self.shape, model.groups.far))

    def new_deviations(
        self, model: PopulationModel, groups: int, rng: np.random.Generator
    ) -> Floats:
        """Draws of theta - mu of groups that are not in the data, (S, groups)."""
        of = self.populations(model)
        shape = (len(self.mu), groups, of.variance.shape[1])
        share = np.broadcast_to(of.log_share[:, None], shape)
        zero = np.zeros((1, 1, 1))
        return NodeComponents(share, zero, of.variance[:, None]).draw(rng)

    def __repr__(self) -> str:
        return f"PopulationDraws({len(self.mu):,} draws of {len(self.groups):,} groups)"


def draw_population(lattice: Lattice, size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw phi, (S, d), and mu less the center, (S,), from their continuous distributions.

    Given phi, mu has the distribution that it has at the node about which phi was drawn, with the
    mean and the standard deviation that it has at phi.
    """
    log_density = log_density_at_nodes(lattice)
    mu, _, weight = grids_of(lattice)
    if mu.shape[1] == 1:
        drawn = draw_from_lattice(lattice, log_density, size, rng)
        return drawn.points, mu[drawn.node, 0]
    mean = (weight * mu).sum(axis=1)
    sd = np.sqrt((weight * (mu - mean[:, None]) ** 2).sum(axis=1))
    drawn = draw_from_lattice(lattice, log_density, size, rng, mean, np.log(sd))
    node, (_, mean_there, log_sd_there) = drawn.node, drawn.values.T
    z = (_inverted(mu, weight, node, rng.random(size)) - mean[node]) / sd[node]
    return drawn.points, mean_there + np.exp(log_sd_there) * z


def _inverted(mu: Floats, weight: Floats, row: Ints, p: Floats) -> Floats:
    """Values at which the distributions on rows of grids of mu, (G, M), reach p, (S,).

    The distribution functions, each raised by the number of its row, are one function that rises.
    """
    used, row = np.unique(row, return_inverse=True)
    mu, half = mu[used], mu.shape[1] // 2
    fine = np.arange(2 * half * INTERPOLATED + 1) / INTERPOLATED  # in steps of the grids
    below = weight[used] @ sinc.cumulative(fine - np.arange(2 * half + 1)[:, None])
    below = np.maximum.accumulate(below, axis=1)
    below = (below - below[:, :1]) / (below[:, -1:] - below[:, :1])
    raised = (below + np.arange(len(used))[:, None]).ravel()
    place = np.arange(len(used))[:, None] * len(fine) + fine * INTERPOLATED
    steps = (np.interp(row + p, raised, place.ravel()) - row * len(fine)) / INTERPOLATED
    unit = (mu[row, half + 1] - mu[row, half]) / np.sinh(MU_STEP)
    return np.asarray(mu[row, half] + unit * np.sinh(MU_STEP * (steps - half)))


def drawn_of_means(
    y: Floats,
    weight: Floats,
    mu: Floats,
    sigma: Floats,
    of: NormalMixtures,
    rng: np.random.Generator,
) -> Floats:
    """Draw theta of groups with these means and weights, given mu and sigma, (S,); (S, B)."""
    theta = np.empty((len(mu), len(y)))
    step = max(1, CELLS_AT_ONCE // (len(y) * of.variance.shape[1]))
    for i in range(0, len(mu), step):
        part = slice(i, i + step)
        error = (sigma[part, None] ** 2 / weight)[..., None]
        variance = of.variance[part, None]
        total = error + variance
        middle = mu[part, None, None]
        away = y[:, None] - middle
        log_share = of.log_share[part, None] - 0.5 * (np.log(total) + away**2 / total)
        log_share -= log_sum(log_share)[..., None]
        on_data = variance / total
        theta[part] = NodeComponents(log_share, middle + on_data * away, on_data * error).draw(rng)
    return theta
