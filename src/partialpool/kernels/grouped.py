"""The likelihood of counts with predictors and one grouping factor: adaptive quadrature by group.

    eta_i = base_i + x_i beta + z_i b_g(i),   b_g = Lambda v_g,   v_g ~ N(0, I)

Given beta and Lambda the groups are independent: the mode of each v is found by Newton's method,
and the integral over it is a Gauss-Hermite rule about the mode, stretched by the curvature there.
With one node it is Laplace's approximation. Vectorised over groups and nodes.

Source: Liu and Pierce (1994), doi:10.1093/biomet/81.3.624.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.kernels import small
from partialpool.kernels.links import Link

RIDGE = 1e-13
"""Share of the largest curvature that is added to all, so that far out, where rows say nothing, it
can be inverted."""
CELLS = 2**18
"""Elements of the arrays worked on at once."""
CORNERS = 1e-7
"""Weight of the nodes of a product rule that may be left out."""
ROUNDS = 60
ENOUGH = 1e-11
ENOUGH_FOR_MANY = 1e-5
"""Newton's method ends where a log density can rise by less: for Laplace's approximation, and for
rules of several nodes, which need not be at the mode."""
NEAR_ENOUGH = 1e-6
"""And for the place about which a rule over beta is laid."""


@dataclass(frozen=True, eq=False)
class CountSums:
    """Rows in the order of their groups.

    Parameters
    ----------
    link : Link
    y, size, base : ndarray, shape (N,)
        Events; trials or exposure; the part of eta that is known.
    x : ndarray or sparse array, shape (N, p)
        The columns of beta, in the basis of the system.
    z : ndarray, shape (N, q)
        For the columns as shifted.
    starts : ndarray of int, shape (L,)
        First row of each group.
    """

    link: Link
    y: Floats
    size: Floats
    base: Floats
    x: Any
    z: Floats
    starts: Ints

    def best(self) -> Floats:
        """Highest log likelihood of each group, every row by itself; (L,).

        Log likelihoods are told relative to it, so that no digits are lost to large counts.
        """
        size = np.where(self.size > 0, self.size, 1.0)
        return self.over_groups(self.link.best(self.y, size))

    def eta(self, beta: Floats) -> Floats:
        """The linear predictor without the groups; (G, p) to (G, N)."""
        return np.asarray(self.base + (self.x @ beta.T).T)

    def over_groups(self, values: Floats) -> Floats:
        """Sums over the rows of each group; (..., N) to (..., L)."""
        if len(self.starts) == len(self.y):
            return values
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1))

    def to_rows(self, values: Floats) -> Floats:
        """Each group's value for each of its rows; (..., L) to (..., N)."""
        if len(self.starts) == len(self.y):
            return values
        return np.asarray(values[..., self._group])

    @cached_property
    def _group(self) -> Ints:
        counts = np.diff(self.starts, append=len(self.y))
        return np.repeat(np.arange(len(counts)), counts)


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Every group's v given beta and Lambda, at G nodes.

    Parameters
    ----------
    mean : ndarray, shape (q, G, L)
    covariance : ndarray, shape (q, q, G, L)
    """

    mean: Floats
    covariance: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Modes:
    """Highest points v, (q, G, L), of log densities, and factors of their curvature there."""

    v: Floats
    lower: Floats


def log_marginals(rows: CountSums, beta: Floats, factor: Floats, points: int) -> Floats:
    """Log likelihood of all groups, each integrated out, at G nodes; shape (G,).

    Relative to the highest that `CountSums.best` says.

    Parameters
    ----------
    rows : CountSums
    beta : ndarray, shape (G, p)
    factor : ndarray, shape (G, q, q)
        Lambda.
    points : int
        Nodes of the rule along each dimension of v.
    """
    out, best = np.empty(len(beta)), rows.best()
    for part in _parts(rows, len(beta)):
        at = located(rows, beta[part], factor[part], points)
        top, total = np.array(-np.inf), np.array(0.0)
        for _, log_f in _nodes(rows, at, points):
            higher = np.maximum(top, log_f)
            total = total * np.exp(top - higher) + np.exp(log_f - higher)
            top = higher
        out[part] = (top - best + np.log(total) - at.log_root).sum(axis=-1)
    return out


def groups(rows: CountSums, beta: Floats, factor: Floats, points: int) -> Groups:
    """Moments of every group's v at G nodes; parameters as of `log_marginals`."""
    means, spreads = [], []
    for part in _parts(rows, len(beta)):
        at = located(rows, beta[part], factor[part], points)
        found = list(_nodes(rows, at, points))
        log_f, v = np.stack([f for _, f in found]), np.stack([v for v, _ in found])
        share = np.exp(log_f - log_f.max(axis=0))
        share /= share.sum(axis=0)
        means.append(np.einsum("kgl,kqgl->qgl", share, v))
        v -= means[-1]
        spread = np.einsum("kgl,kqgl,krgl->qrgl", share, v, v)
        spreads.append(_inverse(at.modes.lower) if len(log_f) == 1 else spread)
    return Groups(np.concatenate(means, axis=1), np.concatenate(spreads, axis=2))


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Of all groups the log likelihood and the log determinant of the factors of the curvature at
    their modes, (G,) each; each row's residual y - E(mean), (G, N); and the modes, (q, G, L).
    """

    log_marginal: Floats
    log_root: Floats
    residual: Floats
    v: Floats


def expected(
    rows: CountSums, beta: Floats, factor: Floats, points: int, v: Floats | None = None
) -> Expected:
    """The log likelihood with what its gradient is made of; parameters as of `log_marginals`.

    The search for the modes starts at v.
    """
    at = located(rows, beta, factor, points, v)
    nodes, weight = hermite(points, len(at.z))
    wide = np.empty((len(at.z), len(beta), len(nodes), len(rows.starts)))
    wide[:] = nodes.T[:, None, :, None]
    every = at.modes.v[:, :, None] + small.backward(at.modes.lower, wide)  # (q, G, K, L)
    eta = at.eta[:, None] + sum(
        zk[:, None] * rows.to_rows(vk) for zk, vk in zip(at.z, every, strict=True)
    )
    a, mean, _ = rows.link.cumulants(eta)
    log_f = rows.over_groups(rows.y * eta - rows.size * a) - 0.5 * (every**2).sum(axis=0)
    log_f += (weight + 0.5 * (nodes**2).sum(axis=1))[:, None]
    top = log_f.max(axis=1)
    share = np.exp(log_f - top[:, None])
    total = share.sum(axis=1)
    share /= total[:, None]
    mean = (rows.to_rows(share) * mean).sum(axis=1)
    log_root = at.log_root
    log_marginal = (top - rows.best() + np.log(total) - log_root).sum(axis=-1)
    residual = rows.y - rows.size * mean
    return Expected(log_marginal, log_root.sum(axis=-1), residual, at.modes.v)


def _parts(rows: CountSums, nodes: int) -> Iterator[slice]:
    size = max(1, CELLS // max(len(rows.y), 1))
    for g in range(0, nodes, size):
        yield slice(g, min(g + size, nodes))


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Rows at G nodes: eta without the groups, (G, N), Z Lambda, (q, G, N), and the modes."""

    eta: Floats
    z: Floats
    modes: Modes

    @property
    def log_root(self) -> Floats:
        """Log determinants of the factors of the curvature; (G, L)."""
        return np.asarray(sum(np.log(self.modes.lower[k, k]) for k in range(len(self.z))))


def located(
    rows: CountSums, beta: Floats, factor: Floats, points: int = 1, v: Floats | None = None
) -> Located:
    """Find the modes of all groups, from v on, as well as a rule of so many nodes needs them."""
    eta = rows.eta(beta)
    z = np.einsum("nk,gkm->mgn", rows.z, factor)
    return Located(eta, z, _modes(rows, eta, z, ENOUGH if points == 1 else ENOUGH_FOR_MANY, v))


def _nodes(rows: CountSums, at: Located, points: int) -> Iterator[tuple[Floats, Floats]]:
    """Every node v of the rule, (q, G, L), and the log of its share in the integral, (G, L)."""
    lower = at.modes.lower
    q, _, nodes, groups = lower.shape
    for node, weight in zip(*hermite(points, q), strict=True):
        away = np.empty((q, nodes, 1, groups))
        away[:] = node[:, None, None, None]
        v = at.modes.v + small.backward(lower, away)[:, :, 0]
        yield v, _log_density(rows, at.eta, at.z, v) + (weight + 0.5 * float(node @ node))


def _log_density(rows: CountSums, eta: Floats, z: Floats, v: Floats) -> Floats:
    """Log likelihood and prior of v, (q, G, L), without the prior's constant; (G, L)."""
    at = eta + sum(zk * rows.to_rows(vk) for zk, vk in zip(z, v, strict=True))
    log_f = rows.y * at - rows.size * rows.link.cumulant(at)
    return np.asarray(rows.over_groups(log_f) - 0.5 * (v**2).sum(axis=0))


def _modes(
    rows: CountSums, eta: Floats, z: Floats, enough: float, v: Floats | None = None
) -> Modes:
    """Newton's method for every group from v, or from 0, halving steps that lead down."""
    if v is None:
        v = np.zeros((len(z), len(eta), len(rows.starts)))
    f, step, rise, lower = _newton(rows, eta, z, v)
    length = np.ones_like(f)
    for _ in range(ROUNDS):
        if not (rise > enough).any():
            break
        new = v + length * step
        found, ahead, left, here = _newton(rows, eta, z, new)
        better = found >= f - 1e-13 * np.abs(f)
        v = np.where(better, new, v)
        f, rise = np.where(better, found, f), np.where(better, left, rise)
        step, lower = np.where(better, ahead, step), np.where(better, here, lower)
        length = np.where(better, 1.0, 0.5 * length)
        rise = np.where(length < 1e-9, 0.0, rise)  # rounding
    return Modes(v, lower)


def _newton(
    rows: CountSums, eta: Floats, z: Floats, v: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Log density, Newton's step, its predicted rise, and the factor of the curvature."""
    at = eta + sum(zk * rows.to_rows(vk) for zk, vk in zip(z, v, strict=True))
    a, mean, slope = rows.link.cumulants(at)
    f = rows.over_groups(rows.y * at - rows.size * a) - 0.5 * (v**2).sum(axis=0)
    residual, weight = rows.y - rows.size * mean, rows.size * slope
    q = len(z)
    gradient = np.stack([rows.over_groups(zk * residual) for zk in z]) - v
    curvature = np.empty((q, q, *f.shape))
    for k, m in itertools.product(range(q), range(q)):
        if m <= k:
            curvature[k, m] = curvature[m, k] = rows.over_groups(z[k] * z[m] * weight)
        if m == k:
            curvature[k, k] += 1.0
    lower = small.cholesky(curvature)
    half = small.forward(lower, gradient[:, :, None].copy())
    rise = 0.5 * (half[:, :, 0] ** 2).sum(axis=0)
    return f, small.backward(lower, half)[:, :, 0], rise, lower


def _inverse(lower: Floats) -> Floats:
    """Inverse of L L' for (q, q, G, L)."""
    q = len(lower)
    unit = np.zeros((q, lower.shape[2], q, lower.shape[3]))
    for k in range(q):
        unit[k, :, k] = 1.0
    out = small.backward(lower, small.forward(lower, unit))  # (q, G, q, L)
    return np.asarray(out.transpose(0, 2, 1, 3))


@cache
def hermite(points: int, q: int) -> tuple[Floats, Floats]:
    """Nodes, (K, q), and log weights of the product rule for N(0, I).

    In several dimensions the corners, which together weigh next to nothing, are left out.
    Source: Jaeckel (2005), A note on multivariate Gauss-Hermite quadrature.
    """
    node, weight = special.roots_hermitenorm(points)
    log_w = np.log(weight) - 0.5 * math.log(2.0 * math.pi)
    nodes = np.array(list(itertools.product(node, repeat=q)))
    weights = np.array([sum(w) for w in itertools.product(log_w, repeat=q)])
    if q > 1:
        order = np.argsort(weights)
        keep = order[np.cumsum(np.exp(weights[order])) > CORNERS]
        nodes, weights = nodes[keep], weights[keep]
        weights -= special.logsumexp(weights)
    return nodes, weights


def modes(rows: CountSums, beta: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Mode of every group's v, (q, L), and inverse of the curvature there, (q, q, L).

    For one beta, (p,), and Lambda, (q, q).
    """
    at = located(rows, beta[None], factor[None])
    return at.modes.v[:, 0], _inverse(at.modes.lower)[:, :, 0]


def weights(
    rows: CountSums, beta: Floats, factor: Floats, v: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Curvature of each row at the groups' modes, (N,); Z Lambda, (q, N); factors, (q, q, 1, L)."""
    at = located(rows, beta[None], factor[None], v=v)
    v = at.modes.v
    eta = at.eta + sum(zk * rows.to_rows(vk) for zk, vk in zip(at.z, v, strict=True))
    return (rows.size * rows.link.cumulants(eta)[2])[0], at.z[:, 0], at.modes.lower


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Highest point over beta and every v given Lambda, and the curvature in beta, v adapted.

    Parameters
    ----------
    beta : ndarray, shape (G, p)
    precision : ndarray, shape (G, p, p)
    """

    beta: Floats
    precision: Floats


def joint_modes(rows: CountSums, factor: Floats, prior: Floats, start: Floats) -> Joint:
    """Find the joint mode of beta and the groups at G nodes by Newton's method.

    Parameters
    ----------
    rows : CountSums
    factor : ndarray, shape (G, q, q)
    prior : ndarray, shape (G, p + 1, p + 1)
        Precision of ``[beta -1]`` under its normal priors.
    start : ndarray, shape (G, p)
    """
    size = max(1, CELLS // max(len(rows.y) * (rows.x.shape[1] + 2), 1))
    beta, precision = start.copy(), []
    for g in range(0, len(factor), size):
        part = slice(g, g + size)
        beta[part], found = _joint(rows, factor[part], prior[part], beta[part])
        precision.append(found)
    return Joint(beta, np.concatenate(precision))


def _joint(rows: CountSums, factor: Floats, prior: Floats, beta: Floats) -> tuple[Floats, Floats]:
    z = np.einsum("nk,gkm->mgn", rows.z, factor)
    p, v = rows.x.shape[1], None
    for _ in range(ROUNDS):
        eta = rows.base + beta @ rows.x.T
        modes = _modes(rows, eta, z, NEAR_ENOUGH, v)
        at = eta + sum(zk * rows.to_rows(vk) for zk, vk in zip(z, modes.v, strict=True))
        _, mean, curved = rows.link.cumulants(at)
        weight = rows.size * curved
        gradient = (rows.y - rows.size * mean) @ rows.x + prior[:, :p, p]
        gradient -= np.einsum("gij,gj->gi", prior[:, :p, :p], beta)
        cross = np.empty((len(z), p, len(beta), len(rows.starts)))
        for k, zk in enumerate(z):
            for j in range(p):
                cross[k, j] = rows.over_groups(zk * weight * rows.x[:, j])
        half = small.forward(modes.lower, cross.transpose(0, 2, 1, 3).copy())
        slope = -small.backward(modes.lower, half)  # of v with beta, (q, G, p, L)
        follows = rows.x.T + sum(
            zk[:, None] * rows.to_rows(sk) for zk, sk in zip(z, slope, strict=True)
        )
        precision = (weight[:, None] * follows) @ follows.transpose(0, 2, 1)
        precision += prior[:, :p, :p] + sum(s @ s.transpose(0, 2, 1) for s in slope)
        largest = np.einsum("gii->gi", precision).max(axis=1, initial=1e-280)
        precision += RIDGE * largest[:, None, None] * np.eye(p)
        step = np.linalg.solve(precision, gradient[:, :, None])[:, :, 0]
        rise = 0.5 * (gradient * step).sum(axis=1)
        if not (rise > NEAR_ENOUGH).any():
            break
        size = np.sqrt(np.maximum(2.0 * rise, 1e-300))
        step *= np.minimum(1.0, 4.0 / size)[:, None]
        beta = beta + step
        v = modes.v + np.einsum("qgpl,gp->qgl", slope, step)
    return beta, precision
