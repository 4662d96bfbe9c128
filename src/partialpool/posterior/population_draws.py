"""Independent draws from the posterior of a population that is not normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Lattice
from partialpool.kernels.normal_mixtures import NormalMixtures
from partialpool.kernels.shares import drawn_component, log_sum
from partialpool.models.population_model import PopulationModel
from partialpool.posterior.draws import OneWayDraws, invert
from partialpool.posterior.node_mixture import NodeComponents
from partialpool.posterior.population_nodes import grids_of, kernels
from partialpool.posterior.variance_parameters import KERNEL_WIDTH

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
    """Draw phi, (S, d), and mu less the center, (S,), from their continuous distributions."""
    mu, log_mass, weight = grids_of(lattice)
    mean, variance = kernels(mu, log_mass, weight, np.zeros(len(mu)))
    points, outer = (_on_line if len(lattice.lines) == 1 else _near)(lattice, size, rng)
    which = drawn_component(weight[outer], rng)
    sd = np.sqrt(variance[outer, which])
    return points, mean[outer, which] + sd * rng.standard_normal(size)


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


def _on_line(lattice: Lattice, size: int, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Draw phi of one dimension, and one of the two nodes about it, the nearer more often."""
    line = lattice.lines[0]
    phi = invert(line, lattice.marginal(0)[None], rng.random(size))
    order = np.argsort(lattice.points[:, 0])
    t = line.t[lattice.place[order, 0]]
    at = line.position(line.axis.coordinate(phi))
    right = np.clip(np.searchsorted(t, at), 1, len(t) - 1)
    share = (at - t[right - 1]) / (t[right] - t[right - 1])
    return phi[:, None], order[right - (rng.random(size) > share)]


def _near(lattice: Lattice, size: int, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Draw phi near nodes: drawn together, and moved at random by as much as that."""
    chosen = rng.choice(len(lattice.weight), size, p=lattice.weight)
    columns = [line.u[lattice.place[:, i]] for i, line in enumerate(lattice.lines)]
    u = np.stack(columns, axis=1)
    middle = lattice.weight @ u
    sd = np.sqrt(lattice.weight @ (u - middle) ** 2)
    near = middle + np.sqrt(1.0 - KERNEL_WIDTH**2) * (u[chosen] - middle)
    near += KERNEL_WIDTH * sd * rng.standard_normal(near.shape)
    values = [line.axis.value(near[:, i]) for i, line in enumerate(lattice.lines)]
    return np.stack(values, axis=1), chosen
