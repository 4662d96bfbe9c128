"""Two dimensions, one inside the other: a location on the whole line, given a scale.

At each value of the outer variable an even grid is laid over the inner one, centred on its
conditional distribution and stretched to its width; the outer variable is then integrated as in
`trapezoid`. Where the outer variable is already pinned down by very much data, a grid around the
joint mode replaces the search. Knows nothing of groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.integrate.axis import Axis, Line
from partialpool.integrate.trapezoid import TOLERANCE, Accuracy, integrate

INNER_STEP = {False: 0.45, True: 0.55}
"""Distance of inner nodes in conditional sds, where the outer variable is not or is pinned down."""
ROUGH_STEP = 1.0
"""The same while the mode of the outer variable is looked for: at 2 results move by 4e-8 sd."""
LINE_REACH = 8.0
"""Half-width of a line in conditional sds, before it is laid again where it missed. At 6 or 10
nothing moves by more than 3e-7 sd, at 4 by 1e-6 (benchmarks/constants.py)."""
CUT_OFF_DEPTH, ROUGH_CUT_OFF_DEPTH = 22.0, 10.0
"""Log densities this far below the highest may be cut off at the ends (3e-10)."""
IGNORED_DEPTH = 60.0
"""Lines whose integral is this far below the highest need not be laid well (9e-27): nothing moves
at 30."""
MOST_LINES = 2000
"""Lines, at most: a guard. 100 do for four data sets, two of them of rates with long tails."""
MOST_NODES = 700
"""Nodes of a line after which no more are laid, however long its tail is: a guard. With 200 nothing
moves, with 50 by 4e-8 sd."""
MOST_ATTEMPTS = 60
"""Times a line is laid, at most: a guard. Five do; with two, ends of rates of few groups are off by
0.2 sd."""
PINNED_SD = 0.2
"""Largest sd of the outer coordinate for a grid around the joint mode, whose lines follow the
ridge. Where tau is less well known the density is no longer about elliptic, and lines are laid one
by one."""

Joint = Callable[[Floats, Floats], Floats]
"""Maps inner (T, M) and outer (T,) values to log densities (T, M)."""
Guess = Callable[[Floats], tuple[Floats, Floats]]
"""Maps outer values (T,) to rough conditional means and sds (T,) of the inner variable."""


@dataclass(frozen=True, eq=False)
class Nested:
    """A density over an inner and an outer variable as weights on T lines of M nodes.

    Parameters
    ----------
    line : Line
        The grid of the outer variable.
    inner : ndarray, shape (T, M)
        Values of the inner variable, evenly spaced on each line.
    weight : ndarray, shape (T, M)
        Probability of each node; sums to one.
    step : float
        Distance of inner nodes in units of `scale`.
    scale : ndarray, shape (T,)
        Conditional sd of the inner variable that the grid was laid for.
    log_total : float
        Logarithm of the integral of the density given.
    error : float
        Estimated error of the weights' summaries.
    status : Accuracy
        Whether `error` is below the target.
    """

    line: Line
    inner: Floats
    weight: Floats
    step: float
    scale: Floats
    log_total: float
    error: float
    status: Accuracy

    @cached_property
    def outer(self) -> Floats:
        """Values of the outer variable, shape (T,)."""
        return self.line.x

    @property
    def marginal(self) -> Floats:
        """Probability of each line, shape (T,)."""
        return np.asarray(self.weight.sum(axis=1))

    def cut(self, negligible: float) -> Nested:
        """Leave out the lines at both ends with less probability each."""
        at = np.flatnonzero(self.marginal > negligible)
        first, last = int(at[0]), int(at[-1])
        part = slice(first, last + 1)
        return replace(
            self,
            line=self.line.cut(first, last),
            inner=self.inner[part],
            weight=self.weight[part],
            scale=self.scale[part],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Log densities on lines of inner nodes; (T, M), and the grid they were laid on."""

    center: Floats
    scale: Floats
    z: Floats
    log_f: Floats

    @property
    def inner(self) -> Floats:
        return np.asarray(self.center[:, None] + self.scale[:, None] * self.z)

    def log_marginal(self) -> Floats:
        """Log integral over the inner variable, shape (T,)."""
        top = self.log_f.max(axis=1)
        safe = np.where(np.isfinite(top), top, 0.0)
        total = np.exp(self.log_f - safe[:, None]).sum(axis=1)
        with np.errstate(divide="ignore"):
            # step of the rule in the inner variable is step of z times the line's scale
            return np.asarray(np.log(total * (self.z[1] - self.z[0]) * self.scale) + safe)


def integrate_nested(
    joint: Joint, guess: Guess, axis: Axis, start: float, *, moments: float, pinned: bool
) -> Nested:
    """Integrate exp(joint) over the whole line inside and `axis` outside.

    Parameters
    ----------
    joint : callable
        Log density.
    guess : callable
        Rough conditional mean and sd of the inner variable.
    axis : Axis
        Range of the outer variable.
    start : float
        An outer value near which to look for the mode.
    moments : float
        Moments of the outer variable below this order exist and are monitored.
    pinned : bool
        Whether to try a grid around the joint mode first.

    Returns
    -------
    Nested
    """
    if pinned:
        nested = _around_mode(joint, guess, axis, start)
        if nested is not None:
            return nested

    step, laid = INNER_STEP[False], _Kept(joint, guess, axis)

    def rough(points: Floats) -> Floats:
        return _laid(
            joint, guess, axis, points[:, 0], ROUGH_STEP, ROUGH_CUT_OFF_DEPTH
        ).log_marginal()

    grid = integrate(
        laid, [axis], [start], moments=[moments], most=MOST_LINES, squared=True, rough=rough
    )
    line = grid.lines[0]
    nested = _finished(line, laid.on(line.x), step, grid.error)
    # an error of the outer grid does not fall by finer inner lines
    if nested.status is Accuracy.REACHED or _halved(nested.weight, 1) ** 2 <= TOLERANCE:
        return nested  # good, or not to be made better by finer lines
    return _finished(line, _laid(joint, guess, axis, line.x, step / 2), step / 2, grid.error)


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """The log marginal density of the outer variable; keeps the lines laid, to be used again."""

    joint: Joint
    guess: Guess
    axis: Axis
    laid: list[tuple[Floats, _Lines]] = field(default_factory=list)

    def __call__(self, points: Floats) -> Floats:
        lines = _laid(self.joint, self.guess, self.axis, points[:, 0], INNER_STEP[False])
        self.laid.append((points[:, 0], lines))
        return lines.log_marginal()

    def on(self, outer: Floats) -> _Lines:
        """The lines of these values: those kept, if all are and have the same nodes."""
        # lines were laid at several times, perhaps with more nodes where tails were long
        z = self.laid[0][1].z
        laid_before = np.concatenate([x for x, _ in self.laid])
        order = np.argsort(laid_before)
        at = order[
            np.clip(np.searchsorted(laid_before, outer, sorter=order), 0, len(laid_before) - 1)
        ]
        if any(len(each.z) != len(z) for _, each in self.laid) or (laid_before[at] != outer).any():
            return _laid(self.joint, self.guess, self.axis, outer, INNER_STEP[False])
        center, scale, log_f = (
            np.concatenate([getattr(each, name) for _, each in self.laid])[at]
            for name in ("center", "scale", "log_f")
        )
        return _Lines(center, scale, z, log_f)


def _finished(line: Line, lines: _Lines, step: float, outer_error: float) -> Nested:
    # the Jacobian of both variables
    log_w = lines.log_f + (np.log(lines.scale) + line.log_slope)[:, None]
    log_w = np.where(np.isfinite(log_w), log_w, -np.inf)
    top = log_w.max()
    weight = np.exp(log_w - top)
    total = weight.sum()
    weight /= total
    # of a geometric tail the rest is about the last node over the step
    edge = float(weight[:, [0, -1]].sum()) / step  # what may lie beyond the ends
    error = max(outer_error, _halved(weight, 1) ** 2, edge)
    status = Accuracy.REACHED if error <= TOLERANCE else Accuracy.NOT_REACHED
    log_total = float(top + math.log(total * step * line.step))
    return Nested(line, lines.inner, weight, step, lines.scale, log_total, error, status)


def _halved(weight: Floats, dimension: int) -> float:
    """How much the total, mean or spread changes if every other node is left out.

    The trapezoid rule's error at half the step is the square of that at the whole step.
    """
    w = weight.sum(axis=1 - dimension)
    x = np.arange(len(w)) - float(np.arange(len(w)) @ w)
    sd = math.sqrt(float(w @ x**2))
    full, half = (np.array([v.sum(), v @ u / sd, v @ (u / sd) ** 2])
                  for v, u in ((w, x), (2.0 * w[::2], x[::2])))  # fmt: skip
    return float(np.abs(full - half).max())


def _laid(
    joint: Joint, guess: Guess, axis: Axis, outer: Floats, step: float, drop: float = CUT_OFF_DEPTH
) -> _Lines:
    """Lay the inner grid of each line; again where it missed, or was too coarse."""
    center, scale = guess(outer)
    slope = axis.log_slope(axis.coordinate(outer))
    half = math.ceil(LINE_REACH / step)
    z = step * np.arange(-half, half + 1, dtype=np.float64)
    log_f = np.empty((len(outer), len(z)))
    todo = np.ones(len(outer), dtype=bool)
    for _ in range(MOST_ATTEMPTS):
        inner = center[todo, None] + scale[todo, None] * z
        with np.errstate(all="ignore"):
            log_joint = joint(inner, outer[todo])
        log_f[todo] = np.where(np.isfinite(log_joint), log_joint, -np.inf)
        missed, mean, sd, long_tailed = _missed(log_f, z, drop)
        worth = _Lines(center, scale, z, log_f).log_marginal() + slope
        # lines that weigh nothing need not be good
        missed &= todo & (worth > worth.max() - IGNORED_DEPTH)
        if not missed.any():
            break
        moving = missed & ~long_tailed
        center = np.where(moving, center + scale * mean, center)
        scale = np.where(moving, scale * sd, scale)
        # only lines that were moved are evaluated again
        todo = moving
        if not moving.any():  # only long tails are left: more nodes, for every line
            if len(z) > MOST_NODES:
                break
            half = 2 * half
            z = step * np.arange(-half, half + 1, dtype=np.float64)
            log_f, todo = np.empty((len(outer), len(z))), np.ones(len(outer), dtype=bool)
    return _Lines(center, scale, z, log_f)


def _missed(log_f: Floats, z: Floats, drop: float) -> tuple[Bools, Floats, Floats, Bools]:
    """Which lines miss, how to move and stretch them, and which only need more nodes."""
    top = log_f.max(axis=1)
    seen = np.isfinite(top)
    weight = np.exp(log_f - np.where(seen, top, 0.0)[:, None])
    total = np.maximum(weight.sum(axis=1), 1e-300)
    mean = weight @ z / total
    sd = np.sqrt(np.maximum((weight * (z - mean[:, None]) ** 2).sum(axis=1) / total, 0.0))
    # the density is not negligible at an end
    cut = np.maximum(log_f[:, 0], log_f[:, -1]) > top - drop
    # or the line is so much wider than the density that few nodes lie in it
    missed = seen & (cut | (sd < 0.8))
    centred = np.abs(mean) < 0.5
    long_tailed = cut & centred & (sd >= 0.8) & (sd < 0.95)
    at_end = np.abs(mean) > 0.8 * z[-1]
    # an sd measured on a line that cuts tails off is too small: widened, or it would be laid the
    # same again
    stretched = np.where(cut & centred & (sd >= 0.95) & (sd < 1.1), 1.2 * sd, sd)
    # all mass at one end: the line is moved first, as its sd says nothing
    return missed, mean, np.where(at_end, 1.0, np.clip(stretched, 0.05, 3.0)), long_tailed


def _around_mode(joint: Joint, guess: Guess, axis: Axis, start: float) -> Nested | None:
    """A grid around the joint mode, in the directions of its curvature; None if it is too wide."""
    mode = _mode(joint, guess, axis, start)
    if mode is None:
        return None
    (center, u), covariance = mode
    sd_u = math.sqrt(covariance[1, 1])
    if not sd_u < PINNED_SD:
        return None
    # conditional mean of the inner variable is linear in u: lines follow the ridge
    slope = covariance[0, 1] / covariance[1, 1]
    sd = math.sqrt(covariance[0, 0] - slope * covariance[0, 1])
    step = INNER_STEP[True]
    # u = 4 sd sinh(t): about even within 4 sds, reaching LINE_REACH of them
    half = math.ceil(4.0 * math.asinh(LINE_REACH / 4.0) / step) + 1
    line = Line(axis, u, 4.0 * sd_u, step / 4.0, -half, half)

    def conditional(_: Floats) -> tuple[Floats, Floats]:
        return center + slope * (line.u - u), np.full(len(line.u), sd)

    lines = _laid(joint, conditional, axis, line.x, step)
    along = lines.log_marginal() + line.log_slope
    # wider than the curvature says: the general way has no such limit
    if max(along[0], along[-1]) > along.max() - 0.8 * CUT_OFF_DEPTH:
        return None
    weight = np.exp(along - along.max())
    return _finished(line, lines, step, _halved((weight / weight.sum())[:, None], 0) ** 2)


def _mode(
    joint: Joint, guess: Guess, axis: Axis, start: float
) -> tuple[tuple[float, float], Floats] | None:
    """Newton's method on a stencil of nine points; the mode in (inner, u) and its covariance."""
    u = float(axis.coordinate(np.asarray(start)))
    center, scale = (float(v[0]) for v in guess(np.array([start])))
    # stencil: a conditional sd of the inner, 0.2 of the logarithm of the outer variable
    width = np.array([scale, 0.2])
    at = np.array([center, u])
    for _ in range(40):
        us = at[1] + width[1] * np.array([-1.0, 0.0, 1.0])
        inner = np.broadcast_to(at[0] + width[0] * np.array([-1.0, 0.0, 1.0]), (3, 3))
        f = joint(inner, axis.value(us)) + axis.log_slope(us)[:, None]
        if not np.isfinite(f).all():
            return None
        gradient = np.array([f[1, 2] - f[1, 0], f[2, 1] - f[0, 1]]) / 2.0
        cross = (f[2, 2] - f[2, 0] - f[0, 2] + f[0, 0]) / 4.0
        second = np.array([f[1, 2] + f[1, 0], f[2, 1] + f[0, 1]]) - 2.0 * f[1, 1]
        hessian = np.array([[-second[0], -cross], [-cross, -second[1]]])
        curved = np.linalg.eigvalsh(hessian)[0] > 0
        if not curved:  # climb, with a wider stencil across
            at = at + width * np.clip(gradient, -2.0, 2.0)
            continue
        move = np.linalg.solve(hessian, gradient)
        covariance = np.linalg.inv(hessian) * np.outer(width, width)
        # a step of the mean is bounded by part of tau, as the quadratic is good no farther
        farthest = np.array([0.3 * float(axis.value(at[1])), 0.4])
        at = at + np.clip(width * move, -farthest, farthest)
        # a stencil about as wide as the density itself, at its mode
        settled = (np.abs(move) < 0.2).all() and (np.diag(covariance) > 0.25 * width**2).all()
        if settled and (np.diag(covariance) < 9.0 * width**2).all():
            return (float(at[0]), float(at[1])), covariance
        width = np.clip(np.sqrt(np.diag(covariance)), 0.02 * width, 5.0 * width)
        width[1] = min(width[1], 0.5)
    return None
