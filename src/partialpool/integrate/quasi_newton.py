"""The mode of a smooth function whose values are dear and whose derivatives are not at hand.

Gradients and second derivatives along the axes are central differences; those across are built up
from the changes of the gradient (a symmetric rank-one update), so that a step costs 2 d values
where full second derivatives would cost d (d + 3) / 2 and more.

Source: Nocedal and Wright (2006), Numerical Optimization, section 6.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats

Function = Callable[[Floats], float]
ROUNDS = 40
"""Steps at most; six are usual."""
LONGEST = 1.5
"""Longest step in units of the arguments, which are about sds of the posterior."""
FLATTEST = 0.1
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
    curved = hessian
    before: tuple[Floats, Floats] | None = None
    for _ in range(ROUNDS):
        gradient, diagonal = _differences(function, at, value, step)
        curved = _updated(curved, gradient, diagonal, at, before)
        before = at, gradient
        size, axes = np.linalg.eigh(-curved)
        along = axes.T @ gradient / np.maximum(np.abs(size), FLATTEST)
        move = axes @ along
        rise = float(gradient @ move)
        if rise < enough:
            break
        move = move * min(1.0, LONGEST / float(np.linalg.norm(move)))
        new = function(at + move)
        while not new > value and float(np.abs(move).max()) > 0.02 * step:
            move = 0.4 * move
            new = function(at + move)
        if not new > value:
            break
        at, value = at + move, new
    return Mode(at, value, curved if curved is not None else np.zeros((len(at), len(at))))


def hessian_at(function: Function, mode: Mode, step: float) -> Floats:
    """All second derivatives at a mode, by differences."""
    d = len(mode.at)
    one = step * np.eye(d)
    up = np.array([function(mode.at + e) for e in one])
    down = np.array([function(mode.at - e) for e in one])
    out = np.diag((up + down - 2.0 * mode.value) / step**2)
    for i in range(d):
        for j in range(i):
            both = function(mode.at + one[i] + one[j])
            neither = function(mode.at - one[i] - one[j])
            mixed = both + neither - up[i] - up[j] - down[i] - down[j] + 2.0 * mode.value
            out[i, j] = out[j, i] = 0.5 * mixed / step**2
    return np.nan_to_num(out, nan=0.0, posinf=0.0, neginf=0.0)


def _differences(
    function: Function, at: Floats, value: float, step: float
) -> tuple[Floats, Floats]:
    """Gradient and second derivatives along the axes; one-sided where there is no density."""
    d = len(at)
    up = np.array([function(at + e) for e in step * np.eye(d)])
    down = np.array([function(at - e) for e in step * np.eye(d)])
    up = np.where(np.isfinite(up), up, 2.0 * value - down)
    down = np.where(np.isfinite(down), down, 2.0 * value - up)
    return 0.5 * (up - down) / step, (up + down - 2.0 * value) / step**2


def _updated(
    curved: Floats | None,
    gradient: Floats,
    diagonal: Floats,
    at: Floats,
    before: tuple[Floats, Floats] | None,
) -> Floats:
    """Second derivatives with the new ones along the axes and those seen along the last step."""
    d = len(at)
    out = np.zeros((d, d)) if curved is None else curved.copy()
    if before is not None and d > 1:
        moved, change = at - before[0], gradient - before[1]
        left = change - out @ moved
        size = float(left @ moved)
        if abs(size) > 1e-6 * float(np.linalg.norm(left) * np.linalg.norm(moved)):
            out = out + np.outer(left, left) / size
    out[range(d), range(d)] = diagonal
    return out
