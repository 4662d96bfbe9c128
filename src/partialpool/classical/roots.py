"""Maxima and roots on [0, inf), found on a grid and then polished; used by ML, REML and others."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from partialpool._typing import Floats

Function = Callable[[Floats], Floats]


def highest(value: Function, slope: Function, scale: float) -> float:
    """Return the global maximum of a smooth function of x >= 0, zero included.

    `value` and `slope` take and return arrays; `scale` is a typical size of x. The best point of
    a wide grid is polished by bisecting the slope, so that it is exact to rounding.
    """
    # a tenth of the value apart: maxima of likelihoods of tau are wider
    grid = np.concatenate([[0.0], scale * np.geomspace(1e-8, 1e8, 400)])
    best = int(np.argmax(value(grid)))
    if best == 0:
        low, high = 0.0, grid[1]
        # highest at zero and falling there: the maximum is on the boundary
        if slope(np.array([0.0]))[0] <= 0:
            return 0.0
    else:
        low, high = grid[best - 1], grid[min(best + 1, len(grid) - 1)]
    return bisect(lambda x: float(slope(np.array([x]))[0]), float(low), float(high))


def bisect(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of a function that falls from positive to negative in [low, high]."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        # neighbouring floating-point numbers
        if middle in (low, high):
            break
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def root_of_falling(falling: Callable[[float], float], scale: float) -> float:
    """Return the root on [0, inf) of a function that falls; 0 if it is not positive at 0."""
    if falling(0.0) <= 0:
        return 0.0
    high = scale
    while falling(high) > 0:
        high *= 4.0
        if not math.isfinite(high):
            return math.inf
    return bisect(falling, 0.0, high)
