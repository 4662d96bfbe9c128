"""Nodes over mu, tau, sigma and omega of groups that differ in noise, and groups read from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Lattice
from partialpool.integrate.condense import condensed
from partialpool.kernels.heteroscedastic import GroupSums, density_of_noise, given_phi
from partialpool.kernels.mesh import even_mesh
from partialpool.models.heteroscedastic import HeteroscedasticModel
from partialpool.posterior.groups import OnLink
from partialpool.posterior.lattice_draws import draw_from_lattice
from partialpool.posterior.node_mixture import NodeComponents
from partialpool.posterior.pairs import KERNEL_WIDTH, Densities, spread_inverse

LEFT_OUT = 1e-6
"""Probability of the lightest nodes, which are left out of tables."""
HALF_MESH = 40
"""Nodes on either side of the middle of the density of each log sigma_j."""
REACH = 9.0
"""How far they reach, in posterior sds: heavy tails of groups of one row fall by 1e-4 there."""
CELLS_AT_ONCE = 2**12
"""Groups times draws that are drawn at once: with nodes over log sigma_j 2 MiB an array."""
FINER = 4.0
"""Times the nodes over log sigma_j from which it is drawn: an sd of draws is then too large by
0.3%."""


@dataclass(frozen=True, slots=True, eq=False)
class PhiNodes:
    """G nodes, each a normal distribution of mu and values of tau, sigma and omega.

    Over mu even nodes of a density are replaced by the coefficients of normal kernels: so narrow
    as groups are about mu where tau is small, the points themselves would be seen.

    Parameters
    ----------
    phi : ndarray, shape (G, 4)
        mu (less the model's center), tau, sigma, omega.
    mu_sd : ndarray, shape (G,)
    weight : ndarray, shape (G,)
        Sums to one.
    place : ndarray, shape (G, 4)
        Coordinates of the nodes in which everything is smooth.
    """

    phi: Floats
    mu_sd: Floats
    weight: Floats
    place: Floats

    @classmethod
    def of(cls, model: HeteroscedasticModel, lattice: Lattice, which: Ints) -> PhiNodes:
        """All nodes of some nodes of the lattice; the lightest are left out."""
        points = lattice.points[which]
        mu = model.given_phi(points, lattice.carried[which])
        weight = lattice.weight[which, None] * coefficients_of_kernels(mu.weight)
        nodes = mu.mu.shape[1]
        t = [line.t[lattice.place[which, i]] for i, line in enumerate(lattice.lines)]
        place = np.column_stack([np.repeat(np.stack(t, axis=1), nodes, axis=0), mu.mu.ravel()])
        phi = np.column_stack([mu.mu.ravel(), np.repeat(points, nodes, axis=0)])
        flat = weight.ravel() / weight.sum()
        order = np.argsort(flat)
        used = np.sort(order[np.searchsorted(np.cumsum(flat[order]), LEFT_OUT) :])
        sd = np.repeat(KERNEL_WIDTH * mu.step, nodes)[used]
        return cls(phi[used], sd, flat[used] / flat[used].sum(), place[used])

    def fewer(self, size: int) -> PhiNodes:
        """About so many nodes with the same means of polynomials of the coordinates."""
        if len(self.weight) <= size:
            return self
        squares = np.column_stack([self.phi[:, :3] ** 2, np.log(self.phi[:, 2])])
        index, weight = condensed(self.place, squares, self.weight, size)
        return PhiNodes(self.phi[index], self.mu_sd[index], weight, self.place[index])


def coefficients_of_kernels(weight: Floats) -> Floats:
    """Weights of normal kernels that together are a density on even nodes, (G, M)."""
    spread = np.maximum(weight @ spread_inverse(weight.shape[1]).T, 0.0)
    return np.asarray(spread / spread.sum(axis=1, keepdims=True))


def components_of_groups(
    groups: GroupSums, nodes: PhiNodes, noise: Floats | None = None, *, deviation: bool = False
) -> NodeComponents:
    """theta_j of groups, or theta_j - mu; with a new row's noise where its weight is given, (J,)."""
    given = given_phi(groups, nodes.phi)
    mu = nodes.phi[:, 0, None, None]
    off = given.weight * (groups.mean[:, None] - mu)
    on_mu = given.weight if deviation else 1.0 - given.weight
    variance = given.weight * given.noise + (on_mu * nodes.mu_sd[:, None, None]) ** 2
    if noise is not None:
        variance = variance + np.exp(2.0 * given.x) / noise[:, None]
    return NodeComponents(given.log_share, off if deviation else mu + off, variance)


def noise_of_groups(groups: GroupSums, nodes: PhiNodes) -> OnLink:
    """Distribution of log sigma_j of every group."""
    given = given_phi(groups, nodes.phi)
    share = np.exp(given.log_share) * nodes.weight[:, None, None]
    center = (share * given.x).sum(axis=(0, 2))
    sd = np.sqrt((share * (given.x - center[:, None]) ** 2).sum(axis=(0, 2)))
    mesh = even_mesh(center, REACH * sd / HALF_MESH, HALF_MESH)
    x = mesh.theta(mesh.x)
    mass = density_of_noise(groups, nodes.phi, nodes.weight, x) * mesh.step
    total = mass.sum(axis=1)
    defect = float(np.abs(total - 1.0).max())
    of = Densities(slice(0, len(x)), mesh, mass / total[:, None], x, defect)
    return OnLink([of], np.arange(len(x)), *of.moments(x))


def draw_phi(
    model: HeteroscedasticModel, lattice: Lattice, size: int, rng: np.random.Generator
) -> Floats:
    """Draw mu (less the model's center), tau, sigma and omega, (S, 4)."""
    drawn = draw_from_lattice(lattice, size, rng)
    mu = model.given_phi(drawn.points, drawn.carried)
    below = np.cumsum(coefficients_of_kernels(mu.weight), axis=1)
    which = np.minimum((below < rng.random((size, 1))).sum(axis=1), below.shape[1] - 1)
    value = mu.mu[np.arange(size), which]
    value = value + KERNEL_WIDTH * mu.step * rng.standard_normal(size)
    return np.column_stack([value, drawn.points])


def draw_groups(groups: GroupSums, phi: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draws of theta_j and of sigma_j given phi, (S, 4); (S, J) each."""
    theta, sigma = np.empty((2, len(phi), len(groups.n)))
    step = max(1, CELLS_AT_ONCE // len(groups.n))
    for i in range(0, len(phi), step):
        part = slice(i, i + step)
        theta[part], sigma[part] = _draw_some(groups, phi[part], rng)
    return theta, sigma


def _draw_some(groups: GroupSums, phi: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Log sigma_j is drawn as a node and uniformly about it; theta_j given it is normal."""
    given = given_phi(groups, phi, times=FINER)
    below = np.cumsum(np.exp(given.log_share), axis=2)
    which = (below < rng.random(below.shape[:2])[:, :, None] * below[:, :, -1:]).sum(axis=2)
    which = np.minimum(which, below.shape[2] - 1)[:, :, None]
    x = np.take_along_axis(given.x, which, axis=2)[:, :, 0]
    x = x + given.step * (rng.random(x.shape) - 0.5)
    noise = np.exp(2.0 * x) / groups.weight
    weight = 1.0 / (1.0 + noise / phi[:, 1, None] ** 2)
    mean = phi[:, 0, None] + weight * (groups.mean - phi[:, 0, None])
    return mean + np.sqrt(weight * noise) * rng.standard_normal(x.shape), np.exp(x)
