"""Nodes over mu, tau, sigma and omega of groups that differ in noise, and groups read from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.integrate import Lattice
from partialpool.integrate.condense import condensed
from partialpool.kernels import student
from partialpool.kernels.heteroscedastic import GivenPhi, GroupSums, density_of_noise, given_phi
from partialpool.kernels.mesh import even_mesh
from partialpool.kernels.shares import drawn_component
from partialpool.models.heteroscedastic import (
    MU_NODES,
    MU_STEP,
    HeteroscedasticModel,
    lagrange,
)
from partialpool.posterior.groups import OnLink
from partialpool.posterior.lattice_draws import draw_from_lattice
from partialpool.posterior.node_mixture import NodeComponents
from partialpool.posterior.pairs import KERNEL_WIDTH, Densities, spread_inverse

LEFT_OUT = 1e-6
"""Probability of the lightest nodes, which are left out of tables."""
FEW_OF_MU = 7
"""Nodes over mu from which tables are read: their weights keep moments of the coefficients of
kernels up to the sixth."""
MOST_NEGATIVE = 1e-4
"""Weight of one of these by which it may be below zero; else all nodes over mu are taken."""
HALF_MESH = 40
"""Nodes on either side of the middle of the density of each log sigma_j."""
REACH_SDS = 9.0
"""How far they reach, in posterior sds: heavy tails of groups of one row fall by 1e-4 there."""
CELLS_AT_ONCE = 2**12
"""Groups times draws that are drawn at once: with nodes over log sigma_j 2 MiB an array."""
DRAWN_NODES = 2.0
"""Times the nodes over log sigma_j from which it is drawn, uniformly about each: an sd of draws is
then too large by 0.7%."""


def _places_of_mu() -> tuple[Floats, Floats]:
    """Where the few nodes over mu are, in steps of all, and the map from weights there to these.

    They are those of Gauss and Hermite for what is left of a normal density when the kernels are
    taken out of it. The map is linear, with the same means of polynomials up to degree six.
    """
    # in steps of MU_STEP sds a normal density has sd 1 / MU_STEP; kernels take KERNEL_WIDTH^2 of
    # its variance
    sd = math.sqrt(MU_STEP**-2 - KERNEL_WIDTH**2)
    places = sd * np.polynomial.hermite_e.hermegauss(FEW_OF_MU)[0]
    every = np.arange(float(MU_NODES)) - 0.5 * (MU_NODES - 1)
    return places, lagrange(places, every).T


FEW_PLACES, TO_FEW = _places_of_mu()


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
    """

    phi: Floats
    mu_sd: Floats
    weight: Floats

    @classmethod
    def of(
        cls, model: HeteroscedasticModel, lattice: Lattice, which: Ints, share: Floats
    ) -> PhiNodes:
        """Nodes of some nodes of the lattice, with shares; the lightest are left out."""
        points = lattice.points[which]
        mu = model.given_phi(points, lattice.carried[which])
        every = coefficients_of_kernels(mu.weight)
        few = every @ TO_FEW.T
        # far from normal, as where tau is small and one group lies apart, few nodes do not do
        # the map is signed: where the density is about normal its weights are those of Gauss and
        # Hermite, all positive
        normal = few.min(axis=1) > -MOST_NEGATIVE
        few = np.maximum(few[normal], 0.0)
        few /= few.sum(axis=1, keepdims=True)
        few_value = mu.mu[normal].mean(axis=1)[:, None] + mu.step[normal, None] * FEW_PLACES
        node = np.concatenate(
            [np.flatnonzero(at).repeat(w.shape[1]) for at, w in ((normal, few), (~normal, every))]
        )
        value = np.concatenate([few_value.ravel(), mu.mu[~normal].ravel()])
        weight = share[node] * np.concatenate([few.ravel(), every[~normal].ravel()])
        order = np.argsort(weight)
        used = order[np.searchsorted(np.cumsum(weight[order]), LEFT_OUT) :]
        used = used[np.lexsort((value[used], node[used]))]
        node, weight = node[used], weight[used]
        phi = np.column_stack([value[used], points[node]])
        return cls(phi, KERNEL_WIDTH * mu.step[node], weight / weight.sum())


def few_of_lattice(lattice: Lattice, size: int) -> tuple[Ints, Floats]:
    """About so many nodes of the lattice, and shares, with the same means of polynomials."""
    t = [line.t[lattice.place[:, i]] for i, line in enumerate(lattice.lines)]
    tau, sigma, omega = lattice.points.T
    # in units of a typical sigma: features of about one size whatever the outcome's units
    unit = float(np.exp(lattice.weight @ np.log(sigma)))
    tau, sigma = tau / unit, sigma / unit
    beside = np.column_stack([tau**2, np.log(tau), np.log(sigma), omega**2])
    return condensed(np.stack(t, axis=1), beside, lattice.weight, size)


def coefficients_of_kernels(weight: Floats) -> Floats:
    """Weights of normal kernels that together are a density on even nodes, (G, M)."""
    spread = np.maximum(weight @ spread_inverse(weight.shape[1]).T, 0.0)
    return np.asarray(spread / spread.sum(axis=1, keepdims=True))


def components_of_groups(
    groups: GroupSums, nodes: PhiNodes, noise: Floats | None = None, *, deviation: bool = False
) -> NodeComponents:
    """theta_j of groups, or theta_j - mu; with the noise of a new row of a weight, (J,)."""
    given = given_phi(groups, nodes.phi)
    mu, spread = nodes.phi[:, 0, None, None], nodes.mu_sd[:, None, None]
    gap, between = groups.mean[:, None] - mu, nodes.phi[:, 1, None, None] ** 2
    log_share, moved = _about_mu(given, gap, given.noise + between, spread)
    off = given.weight * gap
    on_mu = given.weight if deviation else 1.0 - given.weight
    loc = off - on_mu * moved if deviation else mu + off + on_mu * moved
    variance = given.weight * given.noise + (on_mu * spread) ** 2
    if noise is not None:
        variance = variance + np.exp(2.0 * given.x) / noise[:, None]
    return NodeComponents(log_share, loc, variance)


def _about_mu(given: GivenPhi, gap: Floats, total: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Log shares of the nodes over log sigma_j, and the mean of mu given each less the node's.

    About a node mu is normal with sd `spread`, over which the share p of a node over log sigma_j
    changes: mu and log sigma_j go together. With g = d log p / d mu, to the second order in the
    spread,

        E p = p + spread^2 p'' / 2,   E[mu | node] = mu + spread^2 g
    """
    share = np.exp(given.log_share)
    # d log N(mean; mu, total) / d mu
    slope = gap / total
    g = slope - (share * slope).sum(axis=2, keepdims=True)
    # second derivative of the share over the share
    bend = g**2 - 1.0 / total
    bend -= (share * bend).sum(axis=2, keepdims=True)
    # bounded: the expansion is of small spreads, and a share stays positive
    log_share = given.log_share + np.log1p(np.maximum(0.5 * spread**2 * bend, -0.9))
    log_share -= np.log(np.exp(log_share).sum(axis=2, keepdims=True))
    return log_share, spread**2 * g


def summaries(groups: GroupSums, nodes: PhiNodes, ends: Floats) -> Floats:
    """What tables of groups tell, by which sets of nodes are compared.

    Parameters
    ----------
    groups : GroupSums
    nodes : PhiNodes
    ends : ndarray, shape (2, J)
        Ends of the intervals of theta_j.

    Returns
    -------
    ndarray, shape (8, J)
        Of theta_j and of log sigma_j mean and sd; of theta_j the distribution function at the ends,
        and the density there.
    """
    given = given_phi(groups, nodes.phi)
    of = components_of_groups(groups, nodes)
    share = np.exp(of.log_share) * nodes.weight[:, None, None]
    out = []
    for loc, variance in ((of.loc, of.variance), (given.x, 0.0)):
        mean = (share * loc).sum(axis=(0, 2))
        second = (share * (variance + (loc - mean[:, None]) ** 2)).sum(axis=(0, 2))
        out += [mean, np.sqrt(second)]
    sd = np.sqrt(of.variance)
    z = [(end[:, None] - of.loc) / sd for end in ends]
    out += [(share * special.ndtr(each)).sum(axis=(0, 2)) for each in z]
    out += [(share * student.pdf(each, math.inf) / sd).sum(axis=(0, 2)) for each in z]
    return np.array(out)


def largest_gap(first: Floats, second: Floats, scale: Floats) -> float:
    """Largest difference between two summaries, in sds; densities and sds are those of `scale`."""
    sd, sd_of_noise, density = scale[1], scale[3], scale[6:8]
    unit = np.concatenate([[sd, sd, sd_of_noise, sd_of_noise], density * sd])
    return float(np.nan_to_num(np.abs(first - second)[:6] / unit, nan=math.inf).max())


def noise_of_groups(groups: GroupSums, nodes: PhiNodes) -> OnLink:
    """Distribution of log sigma_j of every group."""
    given = given_phi(groups, nodes.phi)
    share = np.exp(given.log_share) * nodes.weight[:, None, None]
    center = (share * given.x).sum(axis=(0, 2))
    sd = np.sqrt((share * (given.x - center[:, None]) ** 2).sum(axis=(0, 2)))
    # each group's own mesh, as wide as its posterior
    mesh = even_mesh(center, REACH_SDS * sd / HALF_MESH, HALF_MESH)
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
    which = drawn_component(coefficients_of_kernels(mu.weight), rng)
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
    given = given_phi(groups, phi, times=DRAWN_NODES)
    which = drawn_component(np.exp(given.log_share), rng)[:, :, None]
    x = np.take_along_axis(given.x, which, axis=2)[:, :, 0]
    # from a node to a continuous value: adds step^2 / 12 to the variance
    x = x + given.step * (rng.random(x.shape) - 0.5)
    noise = np.exp(2.0 * x) / groups.weight
    weight = 1.0 / (1.0 + noise / phi[:, 1, None] ** 2)
    mean = phi[:, 0, None] + weight * (groups.mean - phi[:, 0, None])
    return mean + np.sqrt(weight * noise) * rng.standard_normal(x.shape), np.exp(x)
