"""The mode of a smooth function whose values are dear and whose derivatives are not at hand.

Newton's method on central differences. A step takes the 2 d values along the axes anew; second
derivatives across, d (d - 1) more, change slowly and are used for some steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats

Function = Callable[[Floats], float]
MOST_STEPS = 40
"""Steps, at most: a guard; six are usual."""
LONGEST_STEP = 1.5
"""Longest step in units of the arguments, which are about sds of the posterior."""
STEPS_OF_ONE_HESSIAN = 3
"""Steps for which second derivatives across are used again: they take d (d - 1) evaluations, and
with 1 or 6 the same mode is found."""
LEAST_CURVATURE = 0.1
"""Curvatures are taken as no less in a step: it goes up, however flat or curved the wrong way."""


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """Where a function is highest, its value and its second derivatives there."""

    at: Floats
    value: float
    hessian: Floats


def find_mode(
    function: Function,
    start: Floats,
    *,
    step: float,
    enough: float,
    hessian: Floats | None = None,
) -> Mode:
    """Climb until the quadratic approximation can rise by less than `enough`.

    Parameters
    ----------
    function : callable
        Maps (d,) to a number, -inf where there is no density.
    start : ndarray, shape (d,)
    step : float
        Distance of the differences.
    enough : float
    hessian : ndarray, shape (d, d), optional
        A first idea of the second derivatives.
    """
    at, value = start, function(start)
    curved, age = hessian, 0
    if hessian is None:
        age = STEPS_OF_ONE_HESSIAN
    for _ in range(MOST_STEPS):
        up, down = _neighbours(function, at, value, step)
        gradient = 0.5 * (up - down) / step
        if age >= STEPS_OF_ONE_HESSIAN or curved is None:
            curved, age = _across(function, at, value, up, down, step), 0
        curved = curved.copy()
        # along the axes second derivatives come free with the gradient's points
        curved[range(len(at)), range(len(at))] = (up + down - 2.0 * value) / step**2
        size, axes = np.linalg.eigh(-curved)
        move = axes @ (axes.T @ gradient / np.maximum(np.abs(size), LEAST_CURVATURE))
        if float(gradient @ move) < enough:
            break
        move = move * min(1.0, LONGEST_STEP / float(np.linalg.norm(move)))
        new = function(at + move)
        # `not >` lets nan and -inf count as down; second derivatives across are taken anew after
        # that
        while not new > value and float(np.abs(move).max()) > 0.02 * step:
            move, age = 0.4 * move, STEPS_OF_ONE_HESSIAN
            new = function(at + move)
        if not new > value:
            break
        at, value, age = at + move, new, age + 1
    if age and len(at) > 1:
        curved = _across(function, at, value, up, down, step)
    return Mode(at, value, curved if curved is not None else np.zeros((len(at), len(at))))


def _across(
    function: Function, at: Floats, value: float, up: Floats, down: Floats, step: float
) -> Floats:
    """All second derivatives, from the neighbours along the axes and those across."""
    d = len(at)
    one = step * np.eye(d)
    out = np.diag((up + down - 2.0 * value) / step**2)
    for i in range(d):
        for j in range(i):
            both, neither = function(at + one[i] + one[j]), function(at - one[i] - one[j])
            mixed = both + neither - up[i] - up[j] - down[i] - down[j] + 2.0 * value
            out[i, j] = out[j, i] = 0.5 * mixed / step**2
    return np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0)


def _neighbours(function: Function, at: Floats, value: float, step: float) -> tuple[Floats, Floats]:
    """Values a step up and down each axis; mirrored where there is no density."""
    one = step * np.eye(len(at))
    up = np.array([function(at + e) for e in one])
    down = np.array([function(at - e) for e in one])
    # a straight line through the edge of where there is a density
    up = np.where(np.isfinite(up), up, 2.0 * value - down)
    return up, np.where(np.isfinite(down), down, 2.0 * value - up)
