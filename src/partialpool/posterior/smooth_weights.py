"""Distributions of hyperparameters from weighted points, the weights smoothed over phi.

A weighted sample knows the ends of an interval far worse than its middle: they are order
statistics. But the mean weight at phi is a smooth function, and the proposal's density is known.
The weights are fitted by the exponential of a polynomial; many more points than could be evaluated
are drawn from the proposal and weighted by it; and what the fit leaves out is put back from the
evaluated points (a control variate), so that no bias remains.

Source: Owen (2013), Monte Carlo theory, methods and examples, section 8.9, for control variates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._typing import Bools, Floats

FIT_STEPS = 12
"""Steps of the fit: scoring converges in half as many, and what is left is put back anyway."""
WEIGHT_IN_BOX = 0.001
"""Relative weight of the points that span the box in which weights are smoothed; outside they are
as they are: there a polynomial cannot be trusted, and there is next to no probability."""
MOST_EXPONENT = 60.0
"""Bound of exponents (exp(60) is 1e26), against overflow on the way to a fit."""
BINS, GRID = 1024, 257
"""Bins of the points and nodes of the distribution function, over the range of the points."""


@dataclass(frozen=True, slots=True, eq=False)
class SmoothWeights:
    """Points of phi with smooth weights, beside the evaluated ones.

    Parameters
    ----------
    u : ndarray, shape (M, k)
        Coordinates of points that were not evaluated.
    weight : ndarray, shape (M,)
        By the fit alone; they sum to one.
    at_points : ndarray, shape (G,)
        The fit at the evaluated points.
    """

    u: Floats
    weight: Floats
    at_points: Floats


def smooth_weights(
    u: Floats, weight: Floats, log_prior: Floats, cheap: Floats, cheap_log_prior: Floats
) -> SmoothWeights:
    """Fit the weights of points u, (G, k).

    Log weights are a known function, the prior over the proposal, and the log likelihood of phi,
    which the polynomial stands for.

    Parameters
    ----------
    u : ndarray, shape (G, k)
    weight, log_prior : ndarray, shape (G,)
        Weights, and the known part of their logarithms.
    cheap : ndarray, shape (M, k)
        Other points from the same proposal.
    cheap_log_prior : ndarray, shape (M,)
    """
    middle = weight @ u
    scale = np.sqrt(np.maximum(weight @ (u - middle) ** 2, 1e-18))
    x, y = (u - middle) / scale, (cheap - middle) / scale
    heavy = weight > WEIGHT_IN_BOX / len(weight)
    low, high = x[heavy].min(axis=0), x[heavy].max(axis=0)
    inside = _within(x, low, high) & np.isfinite(log_prior)
    there = _within(y, low, high) & np.isfinite(cheap_log_prior)
    # so that exponents are at most about zero
    shift = log_prior[inside].max()
    basis, known = _basis(x[inside]), np.maximum(log_prior[inside] - shift, -MOST_EXPONENT)
    coefficients = _fit(basis, known, weight[inside] * len(weight))
    rising = np.clip(basis @ coefficients, -MOST_EXPONENT, MOST_EXPONENT)
    fitted, other = np.zeros(len(u)), np.zeros(len(cheap))
    fitted[inside] = np.exp(known + rising)
    # no cheap point may be likelier than the likeliest that was evaluated: between points a cubic
    # may run off
    rising = np.clip(_basis(y[there]) @ coefficients, -MOST_EXPONENT, float(rising.max()))
    other[there] = np.exp(np.maximum(cheap_log_prior[there] - shift, -MOST_EXPONENT) + rising)
    return SmoothWeights(cheap, other / other.sum(), fitted)


def _within(x: Floats, low: Floats, high: Floats) -> Bools:
    return np.asarray(((x >= low) & (x <= high)).all(axis=1))


def _basis(x: Floats) -> Floats:
    """Polynomials of third degree along each axis and of second across."""
    k = x.shape[1]
    squares = [x[:, i] * x[:, j] for i in range(k) for j in range(i, k)]
    cubes = [x[:, i] ** 3 for i in range(k)]
    return np.column_stack([np.ones(len(x)), x, *squares, *cubes])


def _fit(basis: Floats, known: Floats, weight: Floats) -> Floats:
    """Coefficients b with E weight = exp(known + basis b), by scoring with a slight ridge."""
    b = np.zeros(basis.shape[1])
    b[0] = math.log(max(float(weight.sum() / np.exp(known).sum()), 1e-300))
    ridge = 1e-6 * len(basis) * np.eye(len(b))
    ridge[0, 0] = 0.0
    for _ in range(FIT_STEPS):
        # a Poisson regression of the weights with log link: its scores make fitted and given
        # weights agree in every moment of the basis
        mean = np.exp(np.clip(known + basis @ b, -60.0, 60.0))
        step = np.linalg.solve(
            (basis * mean[:, None]).T @ basis + ridge + 1e-9 * np.eye(len(b)),
            basis.T @ (weight - mean) - ridge @ b,
        )
        # no exponent changes by more than three in a step
        b = b + step * min(1.0, 3.0 / max(float(np.abs(basis @ step).max()), 1e-300))
    return np.asarray(b)


def distribution_function(
    cheap: Floats, cheap_weight: Floats, u: Floats, weight: Floats, kernel: float
) -> tuple[Floats, Floats, float]:
    """Distribution function of one coordinate on a grid, smoothed by a kernel.

    Parameters
    ----------
    cheap, cheap_weight : ndarray, shape (M,)
        Points weighted by a fit; none where the weights are not smoothed.
    u, weight : ndarray, shape (G,)
        Evaluated points, with what their weights add to the fit.
    kernel : float
        Width, in sds; values are drawn together so that the variance stays as it is.

    Returns
    -------
    grid, cdf : ndarray, shape (n,)
    width : float
        Of the kernel, in units of the coordinate.
    """
    values, signed = np.concatenate([cheap, u]), np.concatenate([cheap_weight, weight])
    middle = float(signed @ values)
    sd = math.sqrt(max(float(signed @ (values - middle) ** 2), 1e-18))
    near = middle + math.sqrt(1.0 - kernel**2) * (values - middle)
    low, high = float(near.min()), float(near.max())
    mass, edges = np.histogram(near, BINS, (low, max(high, low + 1e-9)), weights=signed)
    centers = 0.5 * (edges[1:] + edges[:-1])
    grid = np.linspace(low - 4.0 * kernel * sd, high + 4.0 * kernel * sd, GRID)
    # signed weights may make it fall a little: the running maximum below
    cdf = special.ndtr((grid[:, None] - centers) / (kernel * sd)) @ mass
    return grid, np.clip(np.maximum.accumulate(cdf), 0.0, 1.0), kernel * sd
