"""Groups that differ in noise: each group's own standard deviation integrated out.

    mean_j ~ N(mu, sigma_j^2 / W_j + tau^2),   ss_j ~ sigma_j^2 chi2(n_j - 1),
    x_j = log sigma_j ~ N(log sigma, omega^2)

with W_j the sum of the weights of the rows of group j. Given x_j everything is normal, and over x_j
the trapezoid rule is laid, whose nodes depend on log sigma and omega alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats, Ints

NOISE_NODES, WIDE_OMEGA = 17, 0.8
"""Nodes over each log sigma_j where omega is no more than `WIDE_OMEGA`; about twice as many where
it is up to twice that, and so on: the tail of log sigma_j is then long. Log densities of a group
are off by 1e-6 at omega = 0.1, 1e-5 at 0.3 and 1e-4 at 0.8, and with 13 nodes by ten times as much
(n from 1 to 200; `test_nodes_over_log_sigma`)."""
MOST_DOUBLINGS = 4
"""Doublings of the nodes, at most: they serve omega up to 13, sds that differ by a factor of half a
million."""
END_DEPTH = 20.0
"""Logarithm by which the density of log sigma_j given its sum of squares falls at the outermost
nodes. A mean that lies far from mu moves the mode outward, by no more than 4 sds of the prior at
any node of weight, which takes 8 off."""
COARSE_DEPTH, TABLE_NODES = 12.0, 0.5
"""The same where tables are read from half as many nodes: 6e-6 of the probability lies beyond."""
MODE_STEPS = 8
"""Newton steps to the mode, from the larger of two starts between which it lies: the function is
concave and its curvature falls, so that they do not overshoot; after 6 none moves by 1e-6 sd."""
END_STEPS = 4
"""Newton steps to each end, from outside of a convex function: they come to it from outside."""
CELLS_AT_ONCE = 2**17
"""Elements of the arrays worked on at once: 1 MiB, what the cache of a core holds."""
GROUPS_AT_ONCE = 512
"""Groups for which nodes are laid at once: with 17 to 272 nodes each and some hundred values of
phi, a few MiB."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupSums:
    """What rows tell of groups.

    Parameters
    ----------
    n, weight, mean, ss : ndarray, shape (J,)
        Rows, sum of their weights, mean, and sum of squares about it: positive, or zero of one row.
    """

    n: Floats
    weight: Floats
    mean: Floats
    ss: Floats

    def part(self, at: slice | Ints) -> GroupSums:
        """Some of the groups."""
        return GroupSums(self.n[at], self.weight[at], self.mean[at], self.ss[at])


@dataclass(frozen=True, slots=True, eq=False)
class NoiseNodes:
    """Nodes of the trapezoid rule over x = log sigma_j.

    Parameters
    ----------
    x : ndarray, shape (G, J, K)
    step : ndarray, shape (G, J)
        Distance of nodes.
    log_density : ndarray, shape (G, J, K)
        Of ss_j and x_j at the nodes, without the constants of ss_j: -(n - 1) x - ss e^(-2x) / 2 and
        the prior of x.
    """

    x: Floats
    step: Floats
    log_density: Floats


def nodes_needed(omega: Floats) -> Ints:
    """Nodes over each log sigma_j, by omega; see `NOISE_NODES`."""
    # ends reach farther as omega grows: so many more nodes keep their distance
    doublings = np.clip(np.ceil(np.log2(omega / WIDE_OMEGA)), 0, MOST_DOUBLINGS).astype(np.intp)
    return np.asarray((NOISE_NODES - 1) * 2**doublings + 1)


def noise_nodes(
    n: Floats, ss: Floats, log_sigma: Floats, omega: Floats, *, times: float = 1.0
) -> NoiseNodes:
    """Lay nodes over x = log sigma_j.

    The log density h(x) = -(n - 1) x - ss e^(-2x) / 2 - (x - log sigma)^2 / (2 omega^2) is concave.
    With E = ss e^(-2x) at its mode, it is lower by

        D(t) = E t + E (e^(-2t) - 1) / 2 + t^2 / (2 omega^2)

    at a distance t from it; the ends are where D is `END_DEPTH`.

    Parameters
    ----------
    n, ss : ndarray, shape (J,)
    log_sigma, omega : ndarray, shape (G,)
    times : float
        So many times the usual nodes; where fewer do they reach to `COARSE_DEPTH`.
    """
    precision, middle = omega[:, None] ** -2.0, log_sigma[:, None]
    mode = _mode(n, ss, middle, precision)
    pull = ss * np.exp(-2.0 * mode)  # E
    left, right = _ends(pull, precision, COARSE_DEPTH if times < 1.0 else END_DEPTH)
    place = np.arange(int(times * (nodes_needed(omega).max() - 1)) + 1)
    # of each group its own, but the same number for all: arrays stay rectangular
    step = (left + right) / place[-1]
    x = (mode - left)[:, :, None] + step[:, :, None] * place
    # e^(-2x) on an even grid: a power of the ratio of neighbours
    ratio = np.exp(-2.0 * step)[:, :, None] ** place
    squares = (ss * np.exp(-2.0 * (mode - left)))[:, :, None] * ratio
    log_density = -(n - 1.0)[:, None] * x - 0.5 * squares
    # normal prior of x, with its constant below
    log_density -= 0.5 * precision[:, :, None] * (x - middle[:, :, None]) ** 2
    log_density -= (np.log(omega) + 0.5 * LOG_2PI)[:, None, None]
    return NoiseNodes(x, step, log_density)


def _mode(n: Floats, ss: Floats, middle: Floats, precision: Floats) -> Floats:
    """The mode of x of each group, (G, J).

    It solves ss e^(-2x) = n - 1 + (x - log sigma) / omega^2. The left side falls and is convex, the
    right side rises: from a point to the left of the solution Newton's steps rise to it.
    """
    # where the prior says nothing; the mode lies between this and the prior's middle
    alone = 0.5 * np.log(np.maximum(ss, 1e-300) / np.maximum(n - 1.0, 1.0))
    prior = middle - (n - 1.0) / precision  # where the right side is zero
    # one row has ss = 0, and the equation is linear: the solution itself
    x = np.where(ss > 0.0, np.maximum(np.minimum(alone, middle), prior), prior)
    for _ in range(MODE_STEPS):
        pull = ss * np.exp(-2.0 * x)
        rise = pull - (n - 1.0) - (x - middle) * precision
        # minus the derivative of rise
        x = x + rise / (2.0 * pull + precision)
    return np.asarray(x)


def _ends(pull: Floats, precision: Floats, deep: float) -> tuple[Floats, Floats]:
    """Distances from the mode to the ends on the left and on the right, (G, J) each."""
    # Newton's steps on a convex depth come to the end from outside: both starts are where a lower
    # bound of the depth reaches it
    left = np.sqrt(2.0 * deep / (2.0 * pull + precision))  # e^(2s) >= 1 + 2s + 2s^2
    high = deep + 0.5 * pull  # e^(-2t) >= 0
    right = 2.0 * high / (pull + np.sqrt(pull**2 + 2.0 * precision * high))
    for sign, t in ((-1.0, left), (1.0, right)):
        for _ in range(END_STEPS):
            # e^(-2t) - 1 of short distances would cancel against 2t
            fall = np.expm1(-2.0 * sign * t)
            depth = pull * (sign * t + 0.5 * fall) + 0.5 * precision * t**2
            slope = -sign * pull * fall + precision * t
            t -= (depth - deep) / slope
    return left, right


def log_marginal(groups: GroupSums, phi: Floats) -> Floats:
    """Log density of the data of all groups together, theta_j and sigma_j integrated out.

    Without the constants of the sums of squares and weights.

    Parameters
    ----------
    groups : GroupSums
    phi : ndarray, shape (G, 4)
        mu, tau, sigma, omega.

    Returns
    -------
    ndarray, shape (G,)
    """
    out = np.zeros(len(phi))
    for start in range(0, len(groups.n), GROUPS_AT_ONCE):
        some = groups.part(slice(start, start + GROUPS_AT_ONCE))
        for rows, each in _blocks(some, phi):
            out[rows] += each.sum(axis=1)
    return out


def log_marginals(groups: GroupSums, phi: Floats) -> Floats:
    """The same of each group, (G, J)."""
    out = np.empty((len(phi), len(groups.n)))
    for rows, each in _blocks(groups, phi):
        out[rows] = each
    return out


def _blocks(groups: GroupSums, phi: Floats) -> Iterator[tuple[Ints, Floats]]:
    """Log densities of groups at some nodes at a time: which, and (R, J).

    Nodes over x are shared by all of the same sigma and omega.
    """
    # nodes over x depend on sigma and omega alone, and lattices hold many mu and tau at each of
    # these
    pairs, place = np.unique(phi[:, 2:], axis=0, return_inverse=True)
    # NumPy 2.0 gives return_inverse of rows as (n, 1)
    order = np.argsort(place.ravel(), kind="stable")
    place = place.ravel()[order]
    needed = nodes_needed(pairs[:, 1])
    for nodes in np.unique(needed).tolist():
        of_size = np.flatnonzero(needed == nodes)
        most = max(1, CELLS_AT_ONCE // (len(groups.n) * nodes))
        for start in range(0, len(of_size), most):
            of_pairs = of_size[start : start + most]
            laid = _Laid.of(groups, pairs[of_pairs])
            rows = np.flatnonzero(np.isin(place, of_pairs))
            for i in range(0, len(rows), most):
                some = rows[i : i + most]
                laid_at = laid.at(np.searchsorted(of_pairs, place[some]))
                yield order[some], laid_at.given(groups, phi[order[some]])


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """Nodes over x of G pairs of sigma and omega, as what does not depend on mu and tau.

    Parameters
    ----------
    base : ndarray, shape (G, J, K)
        Density of ss_j and x_j over its largest value.
    variance : ndarray, shape (G, J, K)
        Of the mean given theta_j.
    log_top : ndarray, shape (G, J)
        What the sum over the nodes is multiplied by.
    """

    base: Floats
    variance: Floats
    log_top: Floats

    @classmethod
    def of(cls, groups: GroupSums, pairs: Floats) -> _Laid:
        laid = noise_nodes(groups.n, groups.ss, np.log(pairs[:, 0]), pairs[:, 1])
        top = laid.log_density.max(axis=2)
        base = np.exp(laid.log_density - top[:, :, None])
        variance = np.exp(2.0 * laid.x) / groups.weight[:, None]
        return cls(base, variance, top + np.log(laid.step) - 0.5 * LOG_2PI)

    def at(self, index: Ints) -> _Laid:
        """Some of the pairs, as arrays of their own."""
        return _Laid(self.base[index], self.variance[index], self.log_top[index])

    def given(self, groups: GroupSums, phi: Floats) -> Floats:
        """Log densities of groups given as many phi as pairs, (G, J); uses base and variance up."""
        variance, base = self.variance, self.base
        variance += phi[:, 1, None, None] ** 2
        square = 0.5 * (groups.mean - phi[:, 0, None]) ** 2
        # taken off before exp, and given back after the logarithm
        least = square / variance[:, :, -1]  # the largest exponent is that of the last node
        inverse = np.divide(1.0, variance, out=variance)
        # the inner loop of a fit: one exponential an element, and no logarithm
        base *= np.sqrt(inverse)
        inverse *= -square[:, :, None]
        inverse += least[:, :, None]
        base *= np.exp(inverse, out=inverse)
        return np.asarray(np.log(base.sum(axis=2)) + self.log_top - least)


@dataclass(frozen=True, slots=True, eq=False)
class GivenPhi:
    """Groups given each of G values of phi, as mixtures over K nodes of x = log sigma_j.

    Given x, theta_j is normal about ``mu + weight (mean_j - mu)`` with variance `weight` times
    `noise`.

    Parameters
    ----------
    x : ndarray, shape (G, J, K)
        Nodes.
    step : ndarray, shape (G, J)
        Their distance.
    log_share : ndarray, shape (G, J, K)
        Log posterior probability of each node.
    log_total : ndarray, shape (G, J)
        Log density of the data of each group, as of `log_marginals`.
    weight : ndarray, shape (G, J, K)
        Weight on the group's own mean, tau^2 / (tau^2 + noise): 1 less its shrinkage.
    noise : ndarray, shape (G, J, K)
        sigma_j^2 / W_j.
    """

    x: Floats
    step: Floats
    log_share: Floats
    log_total: Floats
    weight: Floats
    noise: Floats


def given_phi(groups: GroupSums, phi: Floats, *, times: float = TABLE_NODES) -> GivenPhi:
    """Noise and means of each group given phi, (G, 4): mu, tau, sigma, omega.

    With so many times the usual nodes over log sigma_j.
    """
    laid = noise_nodes(groups.n, groups.ss, np.log(phi[:, 2]), phi[:, 3], times=times)
    noise, log_f = _with_means(groups, phi, laid.x, laid.log_density)
    top = log_f.max(axis=2, keepdims=True)
    total = np.log(np.exp(log_f - top).sum(axis=2, keepdims=True)) + top
    between = phi[:, 1, None, None] ** 2
    return GivenPhi(
        laid.x, laid.step, log_f - total, total[:, :, 0] + np.log(laid.step),
        between / (noise + between), noise,
    )  # fmt: skip


def _with_means(
    groups: GroupSums, phi: Floats, x: Floats, log_density: Floats
) -> tuple[Floats, Floats]:
    """Variance of each group's mean given theta_j, and log densities with that of the mean added.

    x and log_density have shape (G, J, K).
    """
    noise = np.exp(2.0 * x) / groups.weight[:, None]
    total = noise + phi[:, 1, None, None] ** 2
    square = (groups.mean - phi[:, 0, None])[:, :, None] ** 2
    # mean_j ~ N(mu, tau^2 + sigma_j^2 / W_j), theta_j integrated out
    return noise, log_density - 0.5 * (np.log(total) + square / total + LOG_2PI)


def density_of_noise(groups: GroupSums, phi: Floats, weight: Floats, x: Floats) -> Floats:
    """Posterior density of log sigma_j, the mean over nodes phi with weights; at x, (J, X).

    Parameters
    ----------
    groups : GroupSums
    phi : ndarray, shape (G, 4)
    weight : ndarray, shape (G,)
    x : ndarray, shape (J, X)

    Returns
    -------
    ndarray, shape (J, X)
    """
    out = np.zeros(x.shape)
    log_total = given_phi(groups, phi).log_total
    ss, n = groups.ss[:, None], groups.n[:, None]
    # sigma_j^-(n - 1) exp(-ss / (2 sigma_j^2)), as in `noise_nodes`
    from_rows = -(n - 1.0) * x - 0.5 * ss * np.exp(-2.0 * x)
    step = max(1, CELLS_AT_ONCE // x.size)
    for i in range(0, len(phi), step):
        part = slice(i, i + step)
        omega = phi[part, 3, None, None]
        z = (x - np.log(phi[part, 2])[:, None, None]) / omega
        prior = -0.5 * z * z - np.log(omega) - 0.5 * LOG_2PI
        log_f = _with_means(groups, phi[part], x[None], prior + from_rows)[1]
        # each node's density is normalised by its own total: their mean, not the density of the
        # mean
        out += np.einsum("g,gjx->jx", weight[part], np.exp(log_f - log_total[part, :, None]))
    return out
