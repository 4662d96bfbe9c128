"""Distributions of tau, sigma, their ratio and the ICC, from the nodes over them."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Axis, Grid, Line, gauss, integrate
from partialpool.kernels.oneway import between_slope, profile
from partialpool.models import OneWayModel
from partialpool.posterior.distributions import Distribution, Sliced
from partialpool.posterior.inverse_chi import ScaledInverseChi, root_inverse_chi2_mean
from partialpool.posterior.mapped import share_of_variance

MANY_DF, FEW_NODES = 20.0, 20
"""From so many degrees of freedom sigma is so narrow that so few nodes give all digits."""


def tau(model: OneWayModel, grid: Grid) -> Distribution:
    """Distribution of tau."""
    if model.df is not None:
        return _tau_from_ratio(model, grid)
    at = model.dimensions.index("tau")
    return on_line(grid.lines[at], grid.marginal(at), model.moments.tau)


def sigma(model: OneWayModel, grid: Grid) -> Distribution | None:
    """Distribution of sigma; None if it is known."""
    if model.sizes.sigma_known:
        return None
    if model.df is not None:
        return ScaledInverseChi(model.scale_of_sigma(grid.lines[0].x), grid.weight, model.df)
    return on_line(grid.lines[0], grid.marginal(0), model.moments.sigma)


def ratio(model: OneWayModel, grid: Grid) -> Distribution:
    """Distribution of tau / sigma (of tau where sigma is known to be 1)."""
    if model.dimensions == ("sigma", "tau"):
        return _ratio_from_both(grid)
    return on_line(grid.lines[0], grid.weight, model.moment_orders[0])


def icc(
    model: OneWayModel, grid: Grid, of_ratio: Distribution, weight: Floats, n: Ints
) -> Distribution:
    """Distribution of tau^2 / (tau^2 + sigma^2); of I^2 where standard errors are given."""
    factor = typical_weight(weight, n, model.sizes.sigma_known)
    points = grid.points
    r = points[:, 0] if points.shape[1] == 1 else points[:, 1] / points[:, 0]
    value = 1.0 - 1.0 / (1.0 + factor * r**2)
    w = grid.weight.ravel()
    mean = value @ w
    sd = math.sqrt(((value - mean) ** 2) @ w)
    moments = np.asarray(mean), np.asarray(sd)
    return share_of_variance(of_ratio, np.asarray(factor), *moments, rising=True)


def typical_weight(weight: Floats, n: Ints, sigma_known: bool) -> float:
    """Mean weight of a row; of estimates that of Higgins and Thompson's typical variance."""
    if not sigma_known:
        return float(weight.sum()) / float(n.sum())
    total = weight.sum()
    return float((total**2 - (weight**2).sum()) / ((len(weight) - 1) * total))


def moments_of(x: Floats, weight: Floats, order: float) -> tuple[float, float]:
    """Mean and sd, infinite where the moment of that order does not exist."""
    mean = float(x @ weight) if order > 1 else math.inf
    sd = math.sqrt(((x - mean) ** 2) @ weight) if order > 2 else math.inf
    return mean, sd


def on_line(line: Line, weight: Floats, order: float) -> Sliced:
    """Distribution of a quantity from its weights on a grid; moments below `order` exist."""
    mean, sd = moments_of(line.x, weight, order)

    def locate(u: Floats) -> tuple[Floats, Floats]:
        t = line.position(u)
        return t[None, :], (1.0 / (line.scale * np.cosh(t)))[None, :]

    return Sliced(
        line.axis, weight[None, :], line.t[0], line.step, locate, line.u, weight, mean, sd
    )


def _ratio_from_both(grid: Grid) -> Sliced:
    """R = tau / sigma: one slice a node of sigma."""
    of_sigma, line = grid.lines
    log_sigma = np.log(of_sigma.x)[:, None]  # (S, 1)
    used = grid.marginal(0) > 1e-17
    mass = grid.weight[used]
    log_sigma = log_sigma[used]
    axis = line.axis

    def locate(u: Floats) -> tuple[Floats, Floats]:
        value = np.exp(np.clip(log_sigma + u, -600.0, 600.0))  # tau, (S, K)
        at = np.clip(axis.coordinate(value), -700.0, 700.0)
        t = line.position(at)
        slope = value * np.exp(-axis.log_slope(at)) / (line.scale * np.cosh(t))
        return t, np.where(np.abs(at) < 700.0, slope, 0.0)

    log_r = np.log(line.x) - log_sigma  # (S, G)
    mean, sd = moments_of(np.exp(log_r).ravel(), mass.ravel(), 3.0)
    return Sliced(Axis(), mass, line.t[0], line.step, locate, log_r.ravel(), mass.ravel(), mean, sd)


def _tau_from_ratio(model: OneWayModel, grid: Grid) -> Sliced:
    """Tau = r * scale(r) * z with z = sqrt(df / chi2_df) independent of r: one slice a z."""
    df, line, weight = model.df, grid.lines[0], grid.weight
    assert df is not None
    z, share = root_inverse_chi2(df)
    log_z = np.log(z)[:, None]  # (S, 1)
    log_rho = line.u + np.log(model.scale_of_sigma(line.x))  # rises with u

    def locate(u: Floats) -> tuple[Floats, Floats]:
        target = u - log_z  # (S, K)
        at = np.interp(target, log_rho, line.u)
        at += np.where(target < log_rho[0], target - log_rho[0], 0.0)
        at += np.where(target > log_rho[-1], target - log_rho[-1], 0.0)
        slope = np.ones_like(at)
        for _ in range(4):
            value, slope = _log_rho(model, at)
            step = (value - target) / slope
            at = at - step
            if np.abs(step).max() < 1e-12:
                break
        t = line.position(at)
        return t, 1.0 / (line.scale * np.cosh(t) * slope)

    rho = np.exp(log_rho)
    order = model.moments.tau
    mean = float(rho @ weight) * root_inverse_chi2_mean(df) if order > 1 else math.inf
    square = float(rho**2 @ weight) * df / (df - 2.0) if order > 2 else math.inf
    sd = math.sqrt(square - mean**2) if order > 2 else math.inf
    mass = share[:, None] * weight
    nodes = (log_rho + log_z).ravel()
    return Sliced(Axis(), mass, line.t[0], line.step, locate, nodes, mass.ravel(), mean, sd)


def _log_rho(model: OneWayModel, u: Floats) -> tuple[Floats, Floats]:
    """Log of r times the scale of sigma given r, and its derivative by u = log r."""
    lam = np.exp(2.0 * np.clip(u.ravel(), -300.0, 300.0))
    p = profile(model.classes, lam)
    q = model.ssw + p.between
    slope = 1.0 + lam * between_slope(model.classes, lam, p.mu) / q
    assert model.df is not None
    value = u.ravel() + 0.5 * np.log(q / model.df)
    return value.reshape(u.shape), np.maximum(slope, 1e-6).reshape(u.shape)


@lru_cache(maxsize=64)
def root_inverse_chi2(df: float) -> tuple[Floats, Floats]:
    """Nodes and weights of z = sqrt(df / chi2_df)."""

    def log_density(points: Floats) -> Floats:
        d = np.log(points[:, 0])
        return np.asarray(-d - df * (d + 0.5 * np.expm1(-2.0 * d)))

    grid = integrate(log_density, [Axis()], [1.0], moments=[min(df, 3.0)])
    keep = grid.weight > 1e-15
    z, weight = grid.lines[0].x[keep], grid.weight[keep]
    if df < MANY_DF:
        return z, weight
    log_z, weight = gauss(np.log(z), weight, FEW_NODES)
    return np.exp(log_z), weight
