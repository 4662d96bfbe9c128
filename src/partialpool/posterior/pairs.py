"""Posterior densities of group parameters of counts: one for each distinct pair.

Given the nodes over (mu, tau) the density of theta of pair k is

    p(theta | data) = lik_k(theta) sum_g (w_g / L_kg) prior(theta | mu_g, tau_g)

known on a mesh on which it is resolved; everything else is read from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.integrate import Nested, sinc
from partialpool.kernels import conjugate
from partialpool.kernels.counts import (
    NEARLY_NORMAL_FROM,
    SHARP_LIKELIHOOD,
    SPECTRUM_INFORMATION,
    TRAPEZOID_STEP,
    Pairs,
    bands,
    exp_or_zero,
    shared_mesh,
)
from partialpool.kernels.families import LOGIT
from partialpool.kernels.mesh import Mesh, even_mesh
from partialpool.models import CountsModel
from partialpool.posterior.distributions import newton

NEGLIGIBLE_LINE = 1e-11
"""Lines of nodes with less probability are left out: at 1e-8 results move by 1e-7 sd."""
FINER_STEPS = 1.9
"""Between nodes a density is known to the square root of the accuracy of its integral: steps are
made finer by this factor (1e-9). With 1.3 results move by 1e-11 sd."""
NEGLIGIBLE_NODE = 1e-22
"""Nodes with less probability are left out: at 1e-14 results move by 1e-9 sd."""
NEGLIGIBLE_IN_DENSITY = 1e-13
"""Nodes with less probability add nothing to densities: at 1e-9 results move by 2e-7 sd."""
KERNEL_WIDTH = 1.2
"""Normal kernels this many node distances wide are summed exactly by the trapezoid rule."""
DENSEST_NODES = 4
"""Factor by which nodes are laid more densely where conjugate kernels need it."""
MOST_SHARED_NODES = 1000
"""Nodes of a shared mesh above which sharply determined pairs get meshes of their own."""
LARGEST_EXPONENT = 600.0
"""Beyond it a density is not a number: it is off, and computed in the other way."""
MOST_OFF = 1e-7
"""Of one, by which the total of a density may be off before it is computed in another way."""
MOST_PULLED = 2.0
"""Sds by which a pair with a mesh of its own, 11.5 sds about its mode, may be pulled from there."""
CELLS_AT_ONCE = 2**21
"""Elements of the arrays worked on at once (16 MiB each)."""
CELLS_IN_CACHE = 2**17
"""And of those that are gone through several times: 1 MiB, what the cache of a core holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """What stands for the continuous mixture over mu on some lines of nodes.

    Parameters
    ----------
    lines : ndarray of bool, shape (T,)
        Which lines.
    mu, tau : ndarray, shape (L, N)
        Mean and spread of each kernel (link scale).
    matrix : ndarray, shape (N, M)
        Maps values at the M nodes of a line to the coefficients of its N kernels.
    width : ndarray, shape (L,)
        Narrowest features of the sum over a line.
    normal : bool
        Whether the kernels are normal; else conjugate.
    kept : ndarray of bool, shape (L * N,)
        Kernels that have some weight.
    apart : ndarray, shape (L, N), or None
        Variance of groups about mu, where kernels are wider than that.
    """

    lines: Bools
    mu: Floats
    tau: Floats
    matrix: Floats
    width: Floats
    normal: bool
    kept: Bools
    apart: Floats | None = None


def kernels(model: CountsModel, nodes: Nested) -> list[Kernels]:
    """Kernels that stand for the mixture over mu, also where tau is small.

    Where tau is below the distance of nodes, the sum over nodes would be a comb. A function
    known at the nodes is then written as a sum of wider normal kernels, by solving for their
    coefficients, so that the mixture is one of kernels wide enough. Conjugate kernels are summed
    over denser nodes, and only far below the distance of nodes taken as normal.
    """
    step = nodes.step * nodes.scale
    # width that a kernel would need over the width it has: above one the sum over nodes would be
    # seen
    wanted = KERNEL_WIDTH * step / (nodes.outer * _unit_sd(model))
    fine, coarse = wanted <= 1.0, wanted > (DENSEST_NODES if model.conjugate else 1.0)
    sets = ((fine, 1), (~fine & ~coarse, DENSEST_NODES))
    sets_of_kernels = [_denser(model, nodes, lines, step, by) for lines, by in sets if lines.any()]
    return sets_of_kernels + ([_wider(model, nodes, coarse, step)] if coarse.any() else [])


def _unit_sd(model: CountsModel) -> float:
    """Standard deviation of theta for small tau, divided by tau."""
    if model.conjugate and model.link is LOGIT:
        return 1.0 / math.sqrt(model.pooled * (1.0 - model.pooled))
    return 1.0


def _denser(model: CountsModel, nodes: Nested, lines: Bools, step: Floats, factor: int) -> Kernels:
    size = nodes.inner.shape[1]
    at = np.arange(factor * (size - 1) + 1) / factor
    mu = nodes.inner[lines, :1] + step[lines, None] * at
    tau = np.broadcast_to(nodes.outer[lines, None], mu.shape)
    # the sinc series through the nodes, at nodes closer by the factor: exact for what the rule
    # integrates exactly
    matrix = np.sinc(at[:, None] - np.arange(size)) / factor if factor > 1 else np.eye(size)
    width = np.maximum(nodes.outer[lines] * _unit_sd(model), KERNEL_WIDTH * step[lines])
    used = (
        np.ones(mu.size, dtype=bool)
        if factor > 1
        else nodes.weight[lines].ravel() > NEGLIGIBLE_IN_DENSITY
    )
    return Kernels(lines, mu, tau, matrix, width, not model.conjugate, used)


def _wider(model: CountsModel, nodes: Nested, lines: Bools, step: Floats) -> Kernels:
    inner, tau = nodes.inner[lines], nodes.outer[lines, None]
    mean, sd = inner, np.broadcast_to(tau, inner.shape)
    if model.conjugate:
        mean, sd = conjugate.link_moments(model.link is LOGIT, inner, tau)
    width = KERNEL_WIDTH * step[lines]
    spread = np.hypot(sd, width[:, None])
    every = np.ones(inner.size, dtype=bool)
    return Kernels(lines, mean, spread, spread_inverse(inner.shape[1]), width, True, every, sd**2)


def spread_inverse(size: int) -> Floats:
    """Maps values at nodes to coefficients of normal kernels, `KERNEL_WIDTH` nodes wide, there."""
    gap = np.subtract.outer(np.arange(size), np.arange(size))
    spread = np.exp(-0.5 * (gap / KERNEL_WIDTH) ** 2) / (KERNEL_WIDTH * math.sqrt(2.0 * math.pi))
    # well conditioned at this width: the smallest eigenvalue is that of an alternating sequence
    return np.asarray(np.linalg.inv(spread), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Densities:
    """Densities of the pairs `part`, on one mesh or on one each.

    Parameters
    ----------
    part : slice
        Which pairs.
    mesh : Mesh
        I nodes.
    mass : ndarray, shape (K, I)
        Density times distance of nodes; sums to one.
    theta : ndarray, shape (1 or K, I)
        The nodes (link scale).
    defect : float
        Largest difference of a sum of masses from one, before they were made to.
    """

    part: slice
    mesh: Mesh
    mass: Floats
    theta: Floats
    defect: float

    def moments(self, values: Floats) -> tuple[Floats, Floats]:
        """Mean and sd of a function given at the nodes; each shape (K,)."""
        mean = (self.mass * values).sum(axis=1)
        sd = np.sqrt((self.mass * (values - mean[:, None]) ** 2).sum(axis=1))
        return mean, sd

    def cdf(self, rows: Ints, theta: Floats) -> Floats:
        """P(theta_k <= theta) of pairs by row; each shape (B,)."""
        return self._sum(rows, self._local(rows, theta), sinc.cumulative)

    def density(self, rows: Ints, theta: Floats) -> Floats:
        """Density of pairs by row; each shape (B,)."""
        at = self._local(rows, theta)
        slope = self.mesh.rows(rows).slope((at + self.mesh.first)[:, None])
        return (
            np.maximum(self._sum(rows, at, sinc.value), 0.0)
            / np.broadcast_to(slope, (len(rows), 1)).ravel()
        )

    def quantile(self, rows: Ints, p: Floats) -> Floats:
        """Quantiles of pairs by row; each shape (B,)."""
        size = self.mass.shape[1]
        start = np.empty(len(rows))
        for part in self._slices(len(rows)):
            below = np.cumsum(self.mass[rows[part]], axis=1) - 0.5 * self.mass[rows[part]]
            right = np.clip((below < p[part, None]).sum(axis=1), 1, size - 1)
            k = np.arange(len(right))
            low, high = below[k, right - 1], below[k, right]
            share = (p[part] - low) / np.maximum(high - low, 1e-300)
            start[part] = right - 1 + np.clip(share, 0.0, 1.0)

        def both(at: Floats) -> tuple[Floats, Floats]:
            return self._sum(rows, at, sinc.cumulative), self._sum(rows, at, sinc.value)

        # from one step outside of the mesh
        at = newton(both, p, start, -1.0, float(size))
        x = (at + self.mesh.first)[:, None]
        return np.asarray(self.mesh.rows(rows).theta(x)[:, 0])

    def _local(self, rows: Ints, theta: Floats) -> Floats:
        at = self.mesh.rows(rows).position(theta[:, None])[:, 0] - self.mesh.first
        return np.asarray(np.clip(at, -1.0, float(self.mass.shape[1])))

    def _sum(self, rows: Ints, at: Floats, function: sinc.Basis) -> Floats:
        nodes = np.arange(self.mass.shape[1], dtype=np.float64)
        out = np.empty(len(rows))
        for part in self._slices(len(rows)):
            values = function(at[part, None] - nodes)
            out[part] = np.einsum("ki,ki->k", values, self.mass[rows[part]])
        return out

    def _slices(self, size: int) -> Iterator[slice]:
        step = max(1, CELLS_AT_ONCE // self.mass.shape[1])
        for i in range(0, size, step):
            yield slice(i, i + step)


def densities(model: CountsModel, nodes: Nested, pairs: Pairs) -> list[Densities]:
    """Densities of all pairs."""
    few = nodes.cut(NEGLIGIBLE_LINE)
    sums = kernels(model, few)
    bulk = _bulk(few)
    out = []
    for band in bands(pairs.information):
        step = max(1, CELLS_AT_ONCE // few.inner.size)
        for i in range(band.start, band.stop, step):
            part = slice(i, min(i + step, band.stop))
            out.append(_densities(model, few, sums, bulk, pairs.at(part), part))
    return out


def _bulk(nodes: Nested) -> tuple[float, float]:
    """Where mu lies if tau is not large, and the sums over a line are narrow (link scale)."""
    narrow = np.cumsum(nodes.marginal) <= 0.5
    narrow[0] = True
    mu, w = nodes.inner[narrow].ravel(), nodes.weight[narrow].ravel()
    order = np.argsort(mu)
    below = np.cumsum(w[order]) / w.sum()
    low, high = np.searchsorted(below, [1e-4, 1.0 - 1e-4])
    return float(mu[order[low]]), float(mu[order[min(high, len(mu) - 1)]])


def _densities(
    model: CountsModel,
    nodes: Nested,
    sums: list[Kernels],
    bulk: tuple[float, float],
    pairs: Pairs,
    part: slice,
) -> Densities:
    log_l = model.log_marginals(pairs, nodes.inner, nodes.outer)  # (K, T, M)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = nodes.weight > NEGLIGIBLE_NODE  # numbers near underflow are slow to handle
        # p(node | other groups), up to a constant: the group's own likelihood is divided out and
        # comes back as a function of theta
        given_rest = np.where(
            seen, np.exp(np.minimum(np.log(nodes.weight) - log_l, LARGEST_EXPONENT)), 0.0
        )
    coefficients = np.concatenate(
        [(given_rest[:, k.lines] @ k.matrix.T).reshape(len(pairs), -1)[:, k.kept] for k in sums],
        axis=1,
    )
    mesh = _mesh(model, nodes, sums, bulk, pairs)
    theta = np.atleast_2d(mesh.theta(mesh.x))
    log_lik = pairs.log_likelihood(model.link.first(theta), model.link.second(theta))
    # times the distance of nodes
    mass = exp_or_zero(log_lik) * mesh.slope(mesh.x)
    rows = (
        1 if len(theta) == 1 else max(1, CELLS_AT_ONCE // (theta.shape[1] * coefficients.shape[1]))
    )
    if len(theta) == 1:
        mass *= _mixture(model, sums, coefficients, theta[0])
    else:
        for i in range(0, len(pairs), rows):
            some = slice(i, i + rows)
            prior = _prior(model, sums, theta[some].ravel())
            prior = prior.reshape(len(prior), -1, theta.shape[1])  # (G, K, I)
            mass[some] *= np.einsum("kg,gki->ki", coefficients[some], prior)
    # totals are one, but for what meshes and kernels leave out
    off = np.flatnonzero(~(np.abs(mass.sum(axis=1) - 1.0) < MOST_OFF))
    for j in off.tolist():
        nodes_of_j = np.broadcast_to(theta, mass.shape)[j]
        mass[j] = _tilted(model, nodes, sums, pairs.at(slice(j, j + 1)), log_l[j], nodes_of_j)
        mass[j] *= np.broadcast_to(mesh.slope(mesh.x), mass.shape)[j]
    total = mass.sum(axis=1)
    return Densities(part, mesh, mass / total[:, None], theta, float(np.abs(total - 1.0).max()))


def _tilted(
    model: CountsModel,
    nodes: Nested,
    sums: list[Kernels],
    pair: Pairs,
    log_l: Floats,
    theta: Floats,
) -> Floats:
    """Density of one pair at theta, (I,), whose data pull mu away from where the others have it.

    Without the pair's data the nodes tell of mu where hardly any of it lies with them, and what
    rounding leaves there of a sum of kernels is multiplied by a likelihood that rises by e^20 and
    more. So its slope a at the middle m of the nodes is moved from there into the nodes' weights:

        w / L N(theta | mu, tau^2) = w e^(a (mu - m)) / L e^(-a (theta - m))
                                     N(theta | mu + a tau^2, tau^2) e^(a^2 tau^2 / 2)
    """
    link = model.link
    middle = np.array([nodes.weight.ravel() @ nodes.inner.ravel()])
    top = pair.log_likelihood(link.first(middle), link.second(middle))[0, 0]
    slope = float(pair.y[0] - pair.size[0] * link.natural(middle)[0])
    log_lik = pair.log_likelihood(link.first(theta), link.second(theta))[0] - top
    seen = nodes.weight > NEGLIGIBLE_NODE
    log_rest = np.where(seen, np.log(np.where(seen, nodes.weight, 1.0)) - log_l + top, -math.inf)
    out = np.zeros(len(theta))
    for k in sums:
        if k.apart is None:  # the population itself: what is moved in is moved out of each kernel
            along = _slopes(nodes.weight[k.lines], log_l[k.lines], nodes.inner[k.lines])
            log_c, moved = log_rest[k.lines] + along * (nodes.inner[k.lines] - middle), k
            log_lik_here, log_unit = log_lik, -along * (k.mu - middle)
        else:
            log_c = log_rest[k.lines] + slope * (k.mu - middle) + 0.5 * slope**2 * k.apart
            moved = replace(k, mu=k.mu + slope * k.apart)
            log_lik_here, log_unit = log_lik - slope * (theta - middle), np.zeros(k.mu.shape)
        top = log_c.max(axis=1, keepdims=True)  # by line: factors may be no numbers by themselves
        top = np.where(np.isfinite(top), top, 0.0)
        coefficients = (np.exp(log_c - top) @ k.matrix.T).ravel()[k.kept]
        log_unit = (log_unit + top).ravel()[k.kept, None]
        step = max(1, CELLS_IN_CACHE // len(theta))
        for i in range(0, len(coefficients), step):
            part = slice(i, i + step)
            log_f = _log_density(model, moved, theta, part) + log_unit[part] + log_lik_here
            out += coefficients[part] @ exp_or_zero(np.minimum(log_f, LARGEST_EXPONENT))
    return out


def _slopes(weight: Floats, log_l: Floats, mu: Floats) -> Floats:
    """Slope of log L where most weight of each line is, all (T, M); shape (T, 1)."""
    at = np.clip(weight.argmax(axis=1), 1, weight.shape[1] - 2)[:, None] + [-1, 1]
    rise, step = (np.diff(np.take_along_axis(v, at, axis=1)) for v in (log_l, mu))
    return np.asarray(rise / step)


def _mixture(
    model: CountsModel, sums: list[Kernels], coefficients: Floats, theta: Floats
) -> Floats:
    """Sums of kernels with coefficients, (K, G), at theta, (I,); shape (K, I)."""
    total, begin = np.zeros((len(coefficients), len(theta))), 0
    step = max(1, CELLS_IN_CACHE // len(theta))
    for k in sums:
        size = int(k.kept.sum())
        for i in range(0, size, step):
            some = slice(i, min(i + step, size))
            here = coefficients[:, begin + some.start : begin + some.stop]
            total += here @ _density(model, k, theta, some)
        begin += size
    return total


def _prior(model: CountsModel, sums: list[Kernels], theta: Floats) -> Floats:
    """Density of every kernel at theta, (I,); shape (G, I)."""
    return np.concatenate([_density(model, k, theta, slice(None)) for k in sums])


def _log_density(model: CountsModel, k: Kernels, theta: Floats, some: slice) -> Floats:
    """Logarithm of the density of some kernels at theta, (I,)."""
    mu = k.mu.reshape(-1, 1)[k.kept][some]
    tau = k.tau.reshape(-1, 1)[k.kept][some]
    if not k.normal:
        return conjugate.log_prior(model.link is LOGIT, theta, mu, tau)
    return np.asarray(-0.5 * ((theta - mu) / tau) ** 2 - np.log(tau * math.sqrt(2.0 * math.pi)))


def _density(model: CountsModel, k: Kernels, theta: Floats, some: slice) -> Floats:
    mu = k.mu.reshape(-1, 1)[k.kept][some]
    tau = k.tau.reshape(-1, 1)[k.kept][some]
    if not k.normal:
        return exp_or_zero(conjugate.log_prior(model.link is LOGIT, theta, mu, tau))
    z = (theta - mu) / tau
    with np.errstate(over="ignore"):  # in the tails, where the density is 0
        np.multiply(z, z, out=z)
    z *= -0.5
    density = exp_or_zero(z)
    density *= 1.0 / (tau * math.sqrt(2.0 * math.pi))
    return density


def _mesh(
    model: CountsModel,
    nodes: Nested,
    sums: list[Kernels],
    bulk: tuple[float, float],
    pairs: Pairs,
) -> Mesh:
    """A mesh for all of the pairs; one each where their likelihoods are sharp and far apart."""
    width = np.concatenate([k.width for k in sums])
    mu = np.concatenate([k.mu[:, [0, k.mu.shape[1] // 2, -1]] for k in sums])
    reach = width
    if model.conjugate:  # the tails fall exponentially where tau is large
        smallest = min(model.pooled, 1.0 - model.pooled) if model.link is LOGIT else 1.0
        tau = np.concatenate([k.tau[:, 0] for k in sums])
        # log of a gamma or beta variable of shape 1 / tau^2 falls like exp(theta / tau^2) to the
        # left
        reach = width + 4.0 * tau**2 / smallest
    shared = shared_mesh(pairs, mu, width, reach, bulk, FINER_STEPS)
    least = float(pairs.information[0])
    narrow = float(nodes.outer.min())
    away = np.abs(pairs.center - 0.5 * sum(bulk)) + 0.5 * (bulk[1] - bulk[0])
    pulled = away * pairs.sd / (pairs.sd**2 + narrow**2)  # from its own mode, in its own sds
    if (
        shared.size <= MOST_SHARED_NODES
        or pulled.max() > MOST_PULLED
        or least < NEARLY_NORMAL_FROM
        or narrow * math.sqrt(least) < SHARP_LIKELIHOOD
    ):
        return shared
    sd = 1.0 / np.sqrt(pairs.information)
    ratio = math.sqrt(1.0 + (SPECTRUM_INFORMATION + narrow**-2) / least)
    half = math.ceil(11.5 * ratio / TRAPEZOID_STEP * FINER_STEPS)
    return even_mesh(model.link.mode(pairs.y, pairs.size), sd * (11.5 / half), half)
