"""Distributions of sds and correlations of a mixed model, from the nodes over phi."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate import Axis, Coordinate, Lattice, Sample, WeightedNodes
from partialpool.posterior.distributions import Distribution, Mixture, Sliced
from partialpool.posterior.inverse_chi import ScaledInverseChi, root_inverse_chi2_mean
from partialpool.posterior.mapped import Mapped
from partialpool.posterior.one_way_parameters import moments_of, on_line, root_inverse_chi2

KERNEL_WIDTH = 0.2
"""Width of the kernel by which a function of several dimensions is smoothed, in its sds."""
KERNEL_WIDTH_OF_SAMPLE = 0.1
"""The same for a dimension of a sample, of which many more points are known."""
MOST_COMPONENTS = 2048
"""Components of inverse chi distributions, at most: more are gathered by their scale. A bin is then
so narrow that its width, squared, is 1e-6 of the variance."""


def of_dimension(nodes: WeightedNodes, dimension: int, order: float) -> Distribution:
    """Distribution of one dimension of phi."""
    if isinstance(nodes, Lattice):
        return on_line(nodes.lines[dimension], nodes.marginal(dimension), order)
    assert isinstance(nodes, Sample)
    axis, value = nodes.axes[dimension], nodes.points[:, dimension]
    mean, sd = moments_of(value, nodes.weight, order)
    return smoothed(nodes.u[:, dimension], nodes.weight, axis, KERNEL_WIDTH_OF_SAMPLE, (mean, sd))


def times_sigma(
    nodes: WeightedNodes, dimension: int, scale: Floats, df: float, order: float
) -> Distribution:
    """Distribution of r s z: r one dimension of phi, s the scale of sigma, z = sqrt(df / chi2_df).

    Moments of an order below `order` exist.
    """
    if isinstance(nodes, Lattice) and nodes.lines:
        return _on_line_times_sigma(nodes, dimension, scale, df, order)
    return inverse_chi(nodes.points[:, dimension] * scale, nodes.weight, df, order)


def inverse_chi(
    scale: Floats, weight: Floats, df: float, order: float = math.inf
) -> ScaledInverseChi:
    """Mixture of scale z over nodes, z = sqrt(df / chi2_df); many nodes are gathered in bins."""
    if len(weight) > MOST_COMPONENTS:
        rank = np.argsort(scale)
        share = np.cumsum(weight[rank])
        bin_ = np.minimum((share * MOST_COMPONENTS).astype(np.intp), MOST_COMPONENTS - 1)
        # the logarithm: scales may range over many powers of ten
        log_scale = np.bincount(bin_, weight[rank] * np.log(scale[rank]), minlength=MOST_COMPONENTS)
        total = np.bincount(bin_, weight[rank], minlength=MOST_COMPONENTS).astype(np.float64)
        used = total > 0
        scale, weight = np.exp(log_scale[used] / total[used]), total[used]
    return ScaledInverseChi(scale, weight, df, moments=order)


def _on_line_times_sigma(
    lattice: Lattice, dimension: int, scale: Floats, df: float, order: float
) -> Sliced:
    """The same from a lattice.

    Given r, log s varies little: its mean is carried along the grid of r and its spread is added
    to that of log z. Mean and sd are those of the nodes.
    """
    from scipy.interpolate import CubicSpline  # slow to import

    line, weight = lattice.lines[dimension], lattice.marginal(dimension)
    used = weight > 1e-13
    place = lattice.place[:, dimension]
    log_s = np.log(scale)
    total = np.where(used, weight, 1.0)
    mean = np.bincount(place, lattice.weight * log_s, minlength=len(weight)) / total
    spread = float(lattice.weight @ np.where(used[place], log_s - mean[place], 0.0) ** 2)
    u = line.u[used]
    rise = CubicSpline(u, np.log(line.axis.value(u)) + mean[used])
    log_z, share = _log_root_inverse_chi2(df, spread)
    at = _inverse(rise, u)

    def locate(target: Floats) -> tuple[Floats, Floats]:
        position, slope = at(target - log_z[:, None])
        t = line.position(position)
        return t, 1.0 / (line.scale * np.cosh(t) * slope)

    rho = lattice.points[:, dimension] * scale
    first = float(rho @ lattice.weight) * root_inverse_chi2_mean(df) if order > 1 else math.inf
    square = float(rho**2 @ lattice.weight) * df / (df - 2.0) if order > 2 else math.inf
    sd = math.sqrt(max(square - first**2, 0.0)) if order > 2 else math.inf
    mass = share[:, None] * weight
    nodes = np.where(used, np.log(line.x) + mean, np.log(line.x))
    start = (nodes + log_z[:, None]).ravel()
    return Sliced(Axis(), mass, line.t[0], line.step, locate, start, mass.ravel(), first, sd)


def _log_root_inverse_chi2(df: float, spread: float) -> tuple[Floats, Floats]:
    """Nodes and weights of log z, its variance raised by `spread`."""
    z, share = root_inverse_chi2(df)
    log_z = np.log(z)
    mean = share @ log_z
    variance = share @ (log_z - mean) ** 2
    return mean + (log_z - mean) * math.sqrt(1.0 + spread / variance), share


def _inverse(rise: Any, u: Floats) -> Callable[[Floats], tuple[Floats, Floats]]:
    """Where a rising function takes given values, and its slope there; linear outside of u."""
    fine = np.linspace(u[0], u[-1], 16 * len(u))
    values = np.maximum.accumulate(rise(fine))
    slope = rise.derivative()
    ends = float(slope(u[0])), float(slope(u[-1]))

    def solve(target: Floats) -> tuple[Floats, Floats]:
        at = np.interp(target, values, fine)
        for _ in range(3):
            step = (rise(at) - target) / np.maximum(slope(at), 1e-3)
            at = np.clip(at - step, u[0], u[-1])
        below, above = target < values[0], target > values[-1]
        at = np.where(below, u[0] + (target - values[0]) / max(ends[0], 1e-3), at)
        at = np.where(above, u[-1] + (target - values[-1]) / max(ends[1], 1e-3), at)
        return at, np.maximum(slope(np.clip(at, u[0], u[-1])), 1e-3)

    return solve


def of_nodes(value: Floats, weight: Floats, lower: float, upper: float) -> Mapped:
    """Distribution of bounded functions of phi from their values at the nodes, smoothed.

    Value is (K,), or (K, R) of several functions.
    """
    tiny = 1e-12 * (upper - lower)
    axis = Axis(lower, upper)
    logit = axis.coordinate(np.clip(value, lower + tiny, upper - tiny))
    if value.ndim == 1:
        return smoothed(logit, weight, axis, KERNEL_WIDTH, moments_of(value, weight, math.inf))
    mean = weight @ value
    return smoothed(
        logit, weight, axis, KERNEL_WIDTH, (mean, np.sqrt(weight @ (value - mean) ** 2))
    )


def smoothed(
    u: Floats,
    weight: Floats,
    axis: Coordinate,
    width: float,
    moments: tuple[Floats, Floats] | tuple[float, float],
) -> Mapped:
    """Distribution of quantities from their coordinates at nodes, (K,) or (K, R).

    Each node becomes a normal of so many sds; coordinates are drawn together about their mean so
    that the variance stays the same.
    """
    columns = u.reshape(len(u), -1)
    center = weight @ columns
    sd = np.sqrt(weight @ (columns - center) ** 2)
    sd[sd == 0.0] = 1e-9
    loc = center + (columns - center) * math.sqrt(1.0 - width**2)
    scale = np.broadcast_to(width * sd, loc.shape)

    def rows(part: slice) -> tuple[Floats, Floats]:
        return loc[:, part], scale[:, part]

    inner = Mixture(u.shape[1:], rows, weight, math.inf, 0.0, math.inf)
    return Mapped(inner, axis, moments, inner.shape)
