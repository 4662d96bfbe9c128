"""The minimum of a smooth function with its gradient: BFGS, then Newton's method.

Coordinates are to be scaled so that second derivatives are about one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Floats

Function = Callable[[Floats], tuple[float, Floats]]
"""Value, which may be infinite, and gradient at a point, shape (d,)."""

MOST_STEPS = 200
"""Steps of BFGS, at most: 20 do for maximum likelihood of three sets of counts, one nearly
separated; after ten estimates move by 6e-7 standard errors (benchmarks/constants.py)."""
LENGTHENED_SLOPE = 0.7
"""A step after which the function still falls this much as steeply is lengthened."""
LONGEST_STEP = 8.0
"""The longest step. Starts are within about ten standard errors; steps twice as long save at most
one evaluation and reach where exp overflows."""
HANDOVER_FALL = 1e-7
"""Fall still to be had at which BFGS hands over to Newton's method, whose second derivatives are
those there: within 0.0005 standard errors of the minimum they are good to 1e-4, at 1e-5 to 1e-3."""
LATER_HANDOVER_FALL = 1e-10
"""And where that was not enough: along curved valleys, as of two effects of one group whose
correlation is near one, where Newton's method needs to start closer."""
MOST_TURNS = 8
"""Times BFGS and Newton's method take turns, at most: a guard; one does for the same three."""
DIFFERENCE = 1e-3
"""Distance of differences of gradients, whose error of 1e-7 becomes 5e-5 of a second derivative; at
0.02 the direction in which two standard deviations are not told apart looks curved by 2e-3, and
modes found anew take a step more than at 1e-3."""
POLISHED_FALL = 1e-11
"""Newton's method ends where the function can fall by less: 5e-6 standard errors from the
minimum."""
SADDLE_CURVATURE = -3e-4
"""A second derivative below this is that of a saddle, not of differences along a level curve."""
RETAKEN_CURVATURE = 1e-2
"""Second derivatives below this are taken again at the minimum itself: those along a curve of equal
values are off by the slope left across it."""
LEVEL_CURVATURE = 1e-4
"""Second derivatives this small count as so large where a step is taken or a fall predicted."""


@dataclass(frozen=True, slots=True, eq=False)
class Minimum:
    """Where a function is least.

    Parameters
    ----------
    at : ndarray, shape (d,)
    value : float
    gradient : ndarray, shape (d,)
    hessian : ndarray, shape (d, d)
    fall : float
        How much lower the quadratic approximation is at its own minimum.
    """

    at: Floats
    value: float
    gradient: Floats
    hessian: Floats
    fall: float


def minimum(function: Function, start: Floats) -> Minimum:
    """Find a minimum, and the second derivatives there.

    Source: Nocedal and Wright (2006), Numerical Optimization, chapter 6.
    """
    at, inverse, near = start, np.eye(len(start)), HANDOVER_FALL
    for _ in range(MOST_TURNS):
        start, value, gradient = bfgs(function, at, inverse, near)
        best = _polished(function, start, value, gradient, differences(function, start))
        size, axes = np.linalg.eigh(best.hessian)
        # along a nearly level direction those at the start of the polish differ from those here
        if len(size) and size[0] < RETAKEN_CURVATURE:
            best = replace(best, hessian=differences(function, best.at))
            size, axes = np.linalg.eigh(best.hessian)
        if len(size) and size[0] < SADDLE_CURVATURE:
            at = best.at + axes[:, 0]  # from a saddle down to a side
        elif best.fall < POLISHED_FALL:
            break
        else:
            at = best.at
        inverse, near = (
            (axes / np.maximum(np.abs(size), LEVEL_CURVATURE)) @ axes.T,
            LATER_HANDOVER_FALL,
        )
    return best


def bfgs(
    function: Function, at: Floats, inverse: Floats, near: float
) -> tuple[Floats, float, Floats]:
    """Go down until the predicted fall is small, to a point, its value and the gradient there.

    Parameters
    ----------
    function : callable
    at : ndarray, shape (d,)
    inverse : ndarray, shape (d, d)
        A first guess of the inverse of the second derivatives.
    near : float
        Predicted fall that is small enough.
    """
    value, gradient = function(at)
    for _ in range(MOST_STEPS):
        step = -inverse @ gradient
        slope = float(gradient @ step)
        if -0.5 * slope < near:
            break
        step *= min(1.0, LONGEST_STEP / float(np.linalg.norm(step)))
        moved = _line_search(function, at, value, gradient, step)
        if moved is None:
            break
        new, height, after = moved
        change, bend = new - at, after - gradient
        at, value, gradient = new, height, after
        along = float(change @ bend)
        # positive curvature along the step, or the update would lose positive definiteness
        if along > 1e-8 * float(np.linalg.norm(change) * np.linalg.norm(bend)):
            part = np.eye(len(at)) - np.outer(change, bend) / along
            # the BFGS update of the inverse (Nocedal and Wright, 6.17)
            inverse = part @ inverse @ part.T + np.outer(change, change) / along
    return at, value, gradient


def _line_search(
    function: Function, at: Floats, value: float, gradient: Floats, step: Floats
) -> tuple[Floats, float, Floats] | None:
    """A point along a step where the function is lower and its slope has turned, if there is one.

    The step is lengthened at most twice, and shortened to the minimum of a parabola until the
    function has fallen by a small part of what its slope promised.
    """
    slope, length = float(gradient @ step), 1.0
    best = None
    for _ in range(40):
        new = at + length * step
        height, after = function(new)
        # Armijo's condition of sufficient decrease
        if height <= value + 1e-4 * length * slope:
            ahead = float(after @ step)
            if best is not None and height >= best[1]:
                return best
            best = new, height, after
            if (
                ahead >= LENGTHENED_SLOPE * slope
                or length * float(np.linalg.norm(step)) >= LONGEST_STEP
            ):
                return best
            length *= 3.0
            continue
        if best is not None:
            return best
        bend = height - value - length * slope
        # minimum of the parabola through value, slope and the new value
        shorter = -0.5 * slope * length / bend if np.isfinite(bend) else 0.1
        length *= min(max(shorter, 0.1), 0.5)
        if -length * slope < 1e-13 * (1.0 + abs(value)):
            return None
    return best


def differences(function: Function, at: Floats) -> Floats:
    """Second derivatives by central differences of gradients."""
    d = len(at)
    hessian = np.empty((d, d))
    for k, one in enumerate(DIFFERENCE * np.eye(d)):
        hessian[k] = (function(at + one)[1] - function(at - one)[1]) / (2.0 * DIFFERENCE)
    # row by row from differences of gradients: symmetric but for their error
    return 0.5 * (hessian + hessian.T)


def _polished(
    function: Function, at: Floats, value: float, gradient: Floats, hessian: Floats
) -> Minimum:
    """Newton's method with the second derivatives held."""
    size, axes = np.linalg.eigh(hessian)
    # absolute values: down along every direction; floored, so that a level one is not followed to
    # infinity
    inverse = (axes / np.maximum(np.abs(size), LEVEL_CURVATURE)) @ axes.T
    fall = 0.5 * float(gradient @ inverse @ gradient)
    for _ in range(6):
        if fall < POLISHED_FALL:
            break
        step = -inverse @ gradient
        step *= min(1.0, LONGEST_STEP / float(np.linalg.norm(step)))
        height, after = function(at + step)
        left = 0.5 * float(after @ inverse @ after)
        # rounding, or a quadratic that does not hold here
        if not (left < fall and height < value + 1e-9 * (1.0 + abs(value))):
            break
        at, value, gradient, fall = at + step, height, after, left
    return Minimum(at, value, gradient, hessian, fall)
