"""Distribution functions from densities known on an even grid, to spectral accuracy.

A density sampled every h and vanishing at both ends is, to the accuracy of the trapezoid rule,
its own sinc series; integrating the series gives the distribution function between the nodes.
Source: Stenger (1993), Numerical Methods Based on Sinc and Analytic Functions, section 3.6.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

from partialpool._typing import Floats

Basis = Callable[[Floats], Floats]
"""`cumulative` or `value`."""


def cumulative(distance: Floats) -> Floats:
    """Integral of sinc up to `distance`, in steps of the grid: 0 far left, 1 far right."""
    # the sine integral
    return np.asarray(0.5 + special.sici(math.pi * distance)[0] / math.pi)


def value(distance: Floats) -> Floats:
    """Sinc at `distance`, in steps of the grid."""
    return np.asarray(np.sinc(distance))


def integrated(position: Floats, mass: Floats) -> Floats:
    """Integral of a series up to each position.

    Parameters
    ----------
    position : ndarray, shape (K,)
        In steps of the grid; its nodes are at 0, ..., G - 1.
    mass : ndarray, shape (G,) or (G, M)
        Probability at the nodes, of one density or of several on the same grid.

    Returns
    -------
    ndarray, shape (K,) or (K, M)
    """
    distance = position[:, None] - np.arange(len(mass))
    return np.asarray(cumulative(distance) @ mass)


def series(position: Floats, mass: Floats) -> Floats:
    """The series of one density at each position; arguments as in `integrated`.

    ``sinc(p - g) = sin(pi f) (-1)^(k - g) / (pi (p - g))`` with k the nearest node and
    f = p - k, which takes one sine a position in place of one a node.
    """
    nearest = np.rint(position)
    part = np.sin(math.pi * (position - nearest)) / math.pi
    sign = 1.0 - 2.0 * (nearest % 2)
    distance = position[:, None] - np.arange(len(mass))
    alternating = np.where(np.arange(len(mass)) % 2, -mass, mass)
    on_node = np.abs(part) < 1e-9
    # 0 / 0 there: the value is the node's own
    distance[on_node] = 1.0
    total = sign * part * ((1.0 / distance) @ alternating)
    inside = on_node & (nearest >= 0) & (nearest < len(mass))
    at = np.clip(nearest, 0, len(mass) - 1).astype(np.intp)
    return np.where(on_node, np.where(inside, mass[at], 0.0), total)


def quantiles(p: Floats, mass: Floats) -> Floats:
    """Positions, in steps of the grid from its first node, at which the integrated series is p.

    Parameters
    ----------
    p : ndarray, shape (K,)
        Probabilities in (0, 1).
    mass : ndarray, shape (G,)
        Probability at the nodes.
    """
    # a first idea, by straight lines between the nodes
    below = np.cumsum(mass) - 0.5 * mass
    middle = np.interp(p, below, np.arange(len(mass), dtype=np.float64))
    mesh = middle[:, None] + np.linspace(-1.5, 1.5, 13)  # F rises by most of p in three steps
    # the series may fall by its truncation error in the tails: np.interp needs it to rise
    values = np.maximum.accumulate(integrated(mesh.ravel(), mass).reshape(mesh.shape), axis=1)
    at = np.array([np.interp(q, v, m) for q, v, m in zip(p, values, mesh, strict=True)])
    for _ in range(2):
        # two of Newton's steps: F' is the series itself
        slope = np.maximum(series(at, mass), 1e-300)
        at = np.clip(at - (integrated(at, mass) - p) / slope, mesh[:, 0], mesh[:, -1])
    return at
