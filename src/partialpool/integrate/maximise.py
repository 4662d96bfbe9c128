"""The mode of a smooth function of few numbers, by Newton's method on differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats

Function = Callable[[Floats], Floats]
"""Maps points, shape (G, d), to values, shape (G,)."""

MOST_STEPS = 60
"""Newton steps, at most: eight do for maximum likelihood and lattices of nested and crossed groups,
after four estimates move by 1e-5 sd (benchmarks/constants.py); the rest is for hard cases."""
CLOSEST_DIFFERENCE = 2e-4
"""Differences are not taken closer than this: here the rounding of a log density near 1e4 costs
second differences 3e-5. At ten times as much or a tenth no estimate of three models moves
(benchmarks/constants.py)."""
LOG_OF_ZERO = -1e100
"""Stands for the logarithm of zero: finite, so that differences of two are no nan."""
LONGEST_STEP = 1.5
"""The longest step, in units of the function's arguments, which are about sds: at 0.5 or 4 the same
maximum is found to 1e-5 sd."""


@dataclass(frozen=True, slots=True, eq=False)
class Peak:
    """A stationary point and the function around it.

    Parameters
    ----------
    at : ndarray, shape (d,)
    value : float
    gradient : ndarray, shape (d,)
    hessian : ndarray, shape (d, d)
    rise : float
        How much higher the quadratic approximation is at its own peak.
    """

    at: Floats
    value: float
    gradient: Floats
    hessian: Floats
    rise: float


def ascend(function: Function, start: Floats, *, step: float, enough: float) -> Peak:
    """Climb from `start` until the predicted rise is below `enough`.

    Derivatives are central differences; all points of a round are evaluated in one call. Where
    the function is not concave the step goes up along its steepest curvature, so that the peak
    reached is one also in the second order.

    Parameters
    ----------
    function : callable
    start : ndarray, shape (d,)
    step : float
        Distance of the differences.
    enough : float
        Target for the rise still to be had.
    """
    radius = LONGEST_STEP
    best = _around(function, start, step)
    for _ in range(MOST_STEPS):
        if best.rise < enough:
            break
        new = _around(function, best.at + _newton(best, radius, step), step)
        if new.value > best.value or _as_good(new, best):
            best, radius = new, min(2.0 * radius, LONGEST_STEP)
        elif radius < 1e-9:
            break
        else:
            radius = 0.25 * min(radius, float(np.linalg.norm(new.at - best.at)))
            if radius < step > CLOSEST_DIFFERENCE:  # a valley narrower than the differences can see
                step *= 0.25
                best = _around(function, best.at, step)
    return best


def polished(function: Function, peak: Peak, *, step: float, enough: float, order: int = 2) -> Peak:
    """The peak again with gradients from closer differences; the second derivatives are kept.

    If these do not lead there, the whole climb is repeated with the closer differences.

    Parameters
    ----------
    function : callable
    peak : Peak
        From `ascend`.
    step, enough : float
        As there.
    order : {2, 4}
        Of the differences: the gradient is off by this power of the step.
    """
    one = step * np.eye(len(peak.at))
    moves = [0.0 * one[:1], one, -one] + [2.0 * one, -2.0 * one] * (order == 4)
    best = peak
    for round_ in range(6):
        f = function(best.at + np.concatenate(moves))
        gradient = _slopes(f, len(one)) / step
        rise = _rise(peak.hessian, gradient)
        new = Peak(best.at, float(f[0]), gradient, peak.hessian, rise)
        # the second derivatives are not those of here: start again with differences
        if round_ > 1 and not rise < best.rise:
            break
        if rise < enough:
            return new
        best = new
        size, axes = np.linalg.eigh(peak.hessian)
        move = axes @ (axes.T @ gradient / np.maximum(np.abs(size), 1e-8))
        best = Peak(best.at + move, best.value, gradient, peak.hessian, rise)
    return ascend(function, peak.at, step=step, enough=enough)


def _slopes(f: Floats, d: int) -> Floats:
    """Differences over one step from values at the middle, one step and perhaps two away."""
    up, down, *farther = f[1:].reshape(-1, d)
    near = 0.5 * (up - down)
    if not farther:
        return np.asarray(near)
    # Richardson: (4 D(h) - D(2h)) / 3, off by the fourth power of the step
    return np.asarray((4.0 * near - 0.25 * (farther[0] - farther[1])) / 3.0)


def _as_good(new: Peak, best: Peak) -> bool:
    """Whether two values differ by rounding only, and the new point is closer to a peak."""
    return new.value > best.value - 1e-12 * abs(best.value) and new.rise < best.rise


def _rise(hessian: Floats, gradient: Floats) -> float:
    """How much higher the quadratic approximation's own peak is."""
    size, axes = np.linalg.eigh(hessian)
    along = axes.T @ gradient
    return float((0.5 * along**2 / np.maximum(np.abs(size), 1e-8)).sum())


def _around(function: Function, at: Floats, step: float) -> Peak:
    d = len(at)
    one = step * np.eye(d)
    above = np.triu_indices(d, 1)
    points = [at[None], at + one, at - one]
    points += [at + one[above[0]] + one[above[1]], at - one[above[0]] - one[above[1]]]
    f = function(np.concatenate(points))
    f = np.where(np.isfinite(f), f, LOG_OF_ZERO)
    middle, up, down = f[0], f[1 : d + 1], f[d + 1 : 2 * d + 1]
    both, neither = np.split(f[2 * d + 1 :], 2)
    hessian = np.diag((up + down - 2.0 * middle) / step**2)
    i, j = above
    # f(+,+) + f(-,-) less the second differences along i and j: twice the mixed derivative, from
    # two points in place of four
    mixed = both + neither - up[i] - up[j] - down[i] - down[j] + 2.0 * middle
    hessian[i, j] = hessian[j, i] = 0.5 * mixed / step**2
    gradient = (up - down) / (2.0 * step)
    size = np.linalg.eigvalsh(hessian)
    # a curvature of this size may be rounding
    noise = 1e-12 * max(abs(float(middle)), 1.0) / step**2  # of the differences
    rise = _rise(hessian, gradient)
    if (size > 10.0 * noise + 1e-9).any():  # up on both sides: not a peak
        rise = max(rise, float(size.max()))
    return Peak(at, float(middle), gradient, hessian, rise)


def _newton(peak: Peak, radius: float, step: float) -> Floats:
    size, axes = np.linalg.eigh(peak.hessian)
    along = axes.T @ peak.gradient
    # |curvature| in place of the curvature: along a direction that is not concave the step still
    # goes up
    move = along / np.maximum(np.abs(size), 1e-8)
    rising = size > 0
    direction = np.where(along < 0, -1.0, 1.0)
    # at a saddle the gradient is zero: a step of some size all the same
    move = np.where(rising, direction * np.maximum(np.abs(move), 4.0 * step), move)
    change = axes @ move
    length = float(np.linalg.norm(change))
    return np.asarray(change * min(1.0, radius / length)) if length > 0 else change
