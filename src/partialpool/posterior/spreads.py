"""Distributions of sds and correlations of a mixed model, from the nodes over phi."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate import Axis, Cloud
from partialpool.posterior.distributions import (
    Distribution,
    Mixture,
    Sliced,
    root_inverse_chi2_mean,
)
from partialpool.posterior.scales import moments_of, on_line, root_inverse_chi2

SMOOTH = 0.2
"""Width of the kernel by which a function of several dimensions is smoothed, in its sds."""


def of_dimension(cloud: Cloud, dimension: int, order: float) -> Sliced:
    """Distribution of one dimension of phi."""
    return on_line(cloud.lines[dimension], cloud.marginal(dimension), order)


def times_sigma(cloud: Cloud, dimension: int, scale: Floats, df: float, order: float) -> Sliced:
    """Distribution of r s z: r one dimension of phi, s the scale of sigma, z = sqrt(df / chi2_df).

    Given r, log s varies little: its mean is carried along the grid of r and its spread is added
    to that of log z. Mean and sd are those of the nodes.
    """
    from scipy.interpolate import CubicSpline  # slow to import

    line, weight = cloud.lines[dimension], cloud.marginal(dimension)
    used = weight > 1e-13
    place = cloud.place[:, dimension]
    log_s = np.log(scale)
    total = np.where(used, weight, 1.0)
    mean = np.bincount(place, cloud.weight * log_s, minlength=len(weight)) / total
    spread = float(cloud.weight @ np.where(used[place], log_s - mean[place], 0.0) ** 2)
    u = line.u[used]
    rise = CubicSpline(u, np.log(line.axis.value(u)) + mean[used])
    log_z, share = _log_root_inverse_chi2(df, spread)
    at = _inverse(rise, u)

    def locate(target: Floats) -> tuple[Floats, Floats]:
        found, slope = at(target - log_z[:, None])
        t = line.position(found)
        return t, 1.0 / (line.scale * np.cosh(t) * slope)

    rho = cloud.points[:, dimension] * scale
    first = float(rho @ cloud.weight) * root_inverse_chi2_mean(df) if order > 1 else math.inf
    square = float(rho**2 @ cloud.weight) * df / (df - 2.0) if order > 2 else math.inf
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

    def found(target: Floats) -> tuple[Floats, Floats]:
        at = np.interp(target, values, fine)
        for _ in range(3):
            step = (rise(at) - target) / np.maximum(slope(at), 1e-3)
            at = np.clip(at - step, u[0], u[-1])
        below, above = target < values[0], target > values[-1]
        at = np.where(below, u[0] + (target - values[0]) / max(ends[0], 1e-3), at)
        at = np.where(above, u[-1] + (target - values[-1]) / max(ends[1], 1e-3), at)
        return at, np.maximum(slope(np.clip(at, u[0], u[-1])), 1e-3)

    return found


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Bounded(Distribution):
    """A quantity between two ends, known at the nodes: smooth on the logit scale.

    Parameters
    ----------
    inner : Mixture
        Distribution of ``log((x - lower) / (upper - x))``.
    lower, upper : float
    mean_value, sd_value : float
        Mean and sd over the nodes.
    """

    inner: Mixture
    lower: float
    upper: float
    mean_value: float
    sd_value: float
    shape: tuple[int, ...] = ()

    @property
    def mean(self) -> Floats:
        return np.asarray(self.mean_value)

    @property
    def sd(self) -> Floats:
        return np.asarray(self.sd_value)

    def _ends(self) -> tuple[float, float]:
        return (self.lower, self.upper)

    def _logit(self, x: Floats) -> tuple[Floats, Floats]:
        """The logit, and its slope."""
        size = self.upper - self.lower
        share = np.clip((x - self.lower) / size, 1e-300, 1.0 - 1e-16)
        return np.log(share) - np.log1p(-share), 1.0 / (share * (1.0 - share) * size)

    def _cdf(self, x: Floats) -> Floats:
        inside = self.inner.cdf(self._logit(x)[0])
        return np.where(x <= self.lower, 0.0, np.where(x >= self.upper, 1.0, inside))

    def _density(self, x: Floats) -> Floats:
        logit, slope = self._logit(x)
        inside = (x > self.lower) & (x < self.upper)
        return np.where(inside, self.inner.density(logit) * slope, 0.0)

    def _quantiles(self, p: Floats) -> Floats:
        share = 1.0 / (1.0 + np.exp(-self.inner.quantile(p)))
        return np.asarray(self.lower + (self.upper - self.lower) * share)


def of_nodes(value: Floats, weight: Floats, lower: float, upper: float) -> Bounded:
    """Distribution of a bounded function of phi from its values at the nodes, smoothed.

    On the logit scale each node becomes a normal; values are drawn together about their mean so
    that the variance stays the same.
    """
    tiny = 1e-12 * (upper - lower)
    inside = np.clip(value, lower + tiny, upper - tiny)
    logit = np.log(inside - lower) - np.log(upper - inside)
    center = float(logit @ weight)
    sd = math.sqrt(float((logit - center) ** 2 @ weight)) or 1e-9
    loc = (center + (logit - center) * math.sqrt(1.0 - SMOOTH**2))[:, None]
    scale = np.full_like(loc, SMOOTH * sd)

    def rows(_: slice) -> tuple[Floats, Floats]:
        return loc, scale

    inner = Mixture((), rows, weight, math.inf, 0.0, math.inf)
    mean, spread = moments_of(value, weight, math.inf)
    return Bounded(inner, lower, upper, mean, spread)
