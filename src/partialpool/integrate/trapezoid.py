"""The trapezoid rule in double-exponential coordinates, with an error it measures itself.

Find the mode, choose a coordinate that reaches both tails, lay an even grid, halve its step
until the summaries stop moving. The difference between the last two steps is the error
reported; the finer result is usually accurate to about its square.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate.axis import Axis, Line

LogDensity = Callable[[Floats], Floats]
"""Maps points, shape (G, d), to log densities, shape (G,)."""

NEGLIGIBLE_DEPTH = 38.0
"""Log densities this far below the highest are left out (3e-17): at 20 or 60 nothing moves by more
than 1e-8 sd."""
SEARCH_REACH = 40.0
"""Coordinates (about logarithms) to either side of the start in which the mode is sought: exp(40)
covers any change of units. From 20 to 60 nothing moves by more than 2e-10 sd
(benchmarks/constants.py, which moved the constants below too)."""
BULK_REACH = 5.5
"""Half-width of the first grid in t, where u = center + scale sinh(t): ends that are still needed
are added. At 4.5 or 7 nothing moves; at 3.5 fits of 0.1 s take 8 s."""
SCAN_POINTS = {1: 81, 2: 17}
"""Points of the first scan by dimension: one a unit of the coordinate in one. With half or twice as
many nothing moves by more than 2e-10 sd; fewer could miss a second mode."""
FIRST_STEP = {1: 0.125, 2: 0.25}
"""Distance of the first nodes in t by dimension; it is halved until the error is reached, so that a
coarser one costs evaluations and no digits: at four times as much 4e-13 sd."""
COARSER_IF_SQUARED = 1.75
"""Factor of the first step where the error is the square of the last change. At 1 fits of counts
take half as long again; at 3 nothing moves by more than 1e-6 sd, but a halving is needed more
often."""
TOLERANCE = 1e-8
"""Default error of totals, means and sds (in sds): the rule converges geometrically, so that six
digits more than are printed cost one halving."""
MAX_POINTS = 400_000
"""Nodes, at most: some 0.1 GB of arrays; beyond, the status says that the error was not reached."""


class Accuracy(Enum):
    """How an integration ended; the value is its message."""

    REACHED = "the error target was reached"
    NOT_REACHED = (
        "the error target was not reached; digits beyond the stated error are not reliable"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A density over d dimensions as weights on a tensor grid.

    Parameters
    ----------
    lines : tuple of Line
        The grid of each dimension.
    weight : ndarray, shape (G_1, ..., G_d)
        Probability of each node; sums to one.
    log_total : float
        Logarithm of the integral of the density given.
    error : float
        Largest change of any monitored summary between the last two step sizes, relative to
        its posterior sd (means) or to itself (total, sd, moments).
    status : Accuracy
        Whether `error` is below the target.
    """

    lines: tuple[Line, ...]
    weight: Floats
    log_total: float
    error: float
    status: Accuracy

    @property
    def points(self) -> Floats:
        """All nodes, shape (G_1 * ... * G_d, d), in the order of ``weight.ravel()``."""
        return _points([line.x for line in self.lines])

    def marginal(self, dimension: int) -> Floats:
        """Weights of one dimension summed over the others."""
        other = tuple(i for i in range(self.weight.ndim) if i != dimension)
        return np.asarray(self.weight.sum(axis=other))


def integrate(
    log_density: LogDensity,
    axes: Sequence[Axis],
    start: Sequence[float],
    *,
    moments: Sequence[float],
    tolerance: float = TOLERANCE,
    most: int = MAX_POINTS,
    squared: bool = False,
    rough: LogDensity | None = None,
) -> Grid:
    """Integrate exp(log_density) over the axes.

    Parameters
    ----------
    log_density : callable
        Maps points (G, d) to log densities (G,), up to a constant that `log_total` returns.
    axes : sequence of Axis, length d
        The range of each dimension.
    start : sequence of float, length d
        Values near which to start looking for the mode.
    moments : sequence of float, length d
        For each dimension, moments of the value of an order below this exist and are monitored
        (orders 1 and 2 at most).
    tolerance : float
        Target for the error.
    most : int
        Most nodes that are laid before the target is given up.
    squared : bool
        Take as error the square of the change between the last two step sizes, which is what
        the finer grid's is where the rule converges geometrically, and start coarser.
    rough : callable, optional
        A cheaper log density to look for the mode with.

    Returns
    -------
    Grid
    """
    target = _Target(log_density, tuple(axes))
    begin = [float(a.coordinate(np.asarray(s))) for a, s in zip(axes, start, strict=True)]
    search = target if rough is None else _Target(rough, target.axes)
    orders = [2 if m > 2 else 1 if m > 1 else 0 for m in moments]
    peak = _peak(search, begin)
    lines = _first_lines(search, peak, COARSER_IF_SQUARED if squared else 1.0)
    if len(lines) == 1:
        lines = [_seen(lines[0], peak, orders[0])]
    log_f = target.on(lines)
    lines, log_f = _window(lines, log_f, orders)
    errors = [math.inf] * len(lines)
    while max(errors) > tolerance:
        # nodes after halving each dimension that is not good enough
        if 2 ** sum(e > tolerance for e in errors) * log_f.size > most:
            break
        for i, error in enumerate(errors):
            if error > tolerance:
                before = _summaries(lines[i], log_f, i, orders[i])
                lines, log_f = _refined(target, lines, log_f, i)
                after = _summaries(lines[i], log_f, i, orders[i])
                errors[i] = float(np.abs(after - before).max()) ** (2 if squared else 1)
    error = max(errors)
    status = Accuracy.REACHED if error <= tolerance else Accuracy.NOT_REACHED
    weight, log_total = _weights(lines, log_f)
    return Grid(tuple(lines), weight, log_total, error, status)


def _refined(
    target: _Target, lines: list[Line], log_f: Floats, dimension: int
) -> tuple[list[Line], Floats]:
    """Halve the step along one dimension; only the new nodes are evaluated."""
    line = lines[dimension].refined()
    between = [*lines]
    between[dimension] = line
    x = [each.x for each in between]
    # the nodes between those of before
    x[dimension] = line.x[1::2]
    new = target.values(x)
    for i, each in enumerate(between):
        slope = each.log_slope[1::2] if i == dimension else each.log_slope
        new = new + _along(slope, i, len(between))
    shape = [*log_f.shape]
    shape[dimension] = len(line.t)
    out = np.empty(shape)
    every, odd = [slice(None)] * log_f.ndim, [slice(None)] * log_f.ndim
    every[dimension], odd[dimension] = slice(None, None, 2), slice(1, None, 2)
    out[tuple(every)], out[tuple(odd)] = log_f, new
    return between, out


@dataclass(frozen=True, slots=True)
class _Target:
    log_density: LogDensity
    axes: tuple[Axis, ...]

    def at(self, coordinates: Sequence[Floats]) -> Floats:
        """Log density per unit of u on the tensor grid of the coordinates."""
        out = self.values([a.value(u) for a, u in zip(self.axes, coordinates, strict=True)])
        for i, (axis, u) in enumerate(zip(self.axes, coordinates, strict=True)):
            out = out + _along(axis.log_slope(u), i, out.ndim)
        return out

    def on(self, lines: Sequence[Line]) -> Floats:
        """Log density per unit of t on the tensor grid of the lines."""
        out = self.values([line.x for line in lines])
        for i, line in enumerate(lines):
            out = out + _along(line.log_slope, i, out.ndim)
        return out

    def values(self, x: Sequence[Floats]) -> Floats:
        """Log density on the tensor grid of values; -inf where it cannot be computed."""
        with np.errstate(all="ignore"):
            log_f = self.log_density(_points(x))
        log_f = np.where(np.isfinite(log_f), log_f, -np.inf)
        return log_f.reshape(tuple(len(v) for v in x))


def _points(values: Sequence[Floats]) -> Floats:
    if len(values) == 1:
        return values[0][:, None]
    mesh = np.meshgrid(*values, indexing="ij")
    return np.stack([m.ravel() for m in mesh], axis=1)


def _along(values: Floats, dimension: int, dimensions: int) -> Floats:
    shape = [1] * dimensions
    shape[dimension] = len(values)
    return values.reshape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class _Peak:
    """The mode, the local standard deviations, and the first, wide scan (all in u)."""

    center: list[float]
    width: list[float]
    scan: list[Floats]
    scan_f: Floats


def _peak(target: _Target, begin: list[float]) -> _Peak:
    """Scan widely, then zoom in until the points beside the highest are hardly lower."""
    d = len(begin)
    center = np.array(begin)
    points, half = SCAN_POINTS[d], np.full(d, SEARCH_REACH)
    scan: list[Floats] = []
    scan_f = np.empty(0)
    for _ in range(80):
        step = 2 * half / (points - 1)
        marks = np.arange(points) - points // 2
        grid = [c + s * marks for c, s in zip(center, step, strict=True)]
        f = target.at(grid)
        if points == SCAN_POINTS[d]:
            scan, scan_f = grid, f
        best = np.unravel_index(int(np.argmax(f)), f.shape)
        center = np.array([g[b] for g, b in zip(grid, best, strict=True)])
        # highest at the edge: the grid moves on, as wide as it is
        if any(b in (0, points - 1) for b in best):
            continue
        drop = np.array([_drop(f, best, i) for i in range(d)])
        # neighbours within a log density of one of the top: differences tell the curvature
        if (drop < 1.0).all():
            return _Peak(center.tolist(), _widths(f, best, step), scan, scan_f)
        # a little more than the two steps between which the mode is
        half = np.where(drop < 1.0, half * 0.6, step * 1.2)
        points = 9
    return _Peak(center.tolist(), step.tolist(), scan, scan_f)


def _first_lines(target: _Target, peak: _Peak, coarser: float) -> list[Line]:
    """Lay the first grid: around the peak, and fine enough all the way to any other peak."""
    scales, step = _scales(target, peak), coarser * FIRST_STEP[len(peak.center)]
    if len(scales) == 1 and (rivals := _rivals(target, peak)):
        span = max(abs(r.center[0] - peak.center[0]) for r in rivals)
        width = min(p.width[0] for p in [peak, *rivals])
        # the grid is even enough as far as the farthest other peak
        scales = [max(scales[0], span)]
        # du/dt at distance d is sqrt(scale^2 + d^2): half of the narrowest width there
        step = min(step, width / (2.0 * math.hypot(scales[0], span)))
    half = math.ceil(BULK_REACH / step)
    return [
        Line(axis, c, s, step, -half, half)
        for axis, c, s in zip(target.axes, peak.center, scales, strict=True)
    ]


def _seen(line: Line, peak: _Peak, order: int) -> Line:
    """Leave out the ends where the wide scan saw a negligible density, also times x^order."""
    u, f = peak.scan[0], peak.scan_f
    tilted = f + order * np.log(line.axis.value(u))
    keep = (f > f.max() - NEGLIGIBLE_DEPTH) | (tilted > tilted.max() - NEGLIGIBLE_DEPTH)
    at, margin = np.flatnonzero(keep), 2
    low = u[at[0] - margin] if at[0] >= margin else -math.inf
    high = u[at[-1] + margin] if at[-1] + margin < len(u) else math.inf
    inside = np.flatnonzero((line.u > low) & (line.u < high))
    return line.cut(int(inside[0]), int(inside[-1]))


def _rivals(target: _Target, peak: _Peak) -> list[_Peak]:
    """Other peaks of a one-dimensional density that are not negligible beside the highest."""
    u, f = peak.scan[0], peak.scan_f
    # local maxima of the wide scan
    tops = 1 + np.flatnonzero((f[1:-1] > f[:-2]) & (f[1:-1] >= f[2:]))
    far = tops[np.abs(u[tops] - peak.center[0]) > 1.5 * (u[1] - u[0])]
    climbed = [_climbed(target, float(u[i]), float(u[1] - u[0])) for i in far]
    heights = [p.scan_f.max() for p in climbed]
    best = max([float(target.at([np.array(peak.center)])[0]), *heights])
    return [p for p, h in zip(climbed, heights, strict=True) if h > best - NEGLIGIBLE_DEPTH]


@np.errstate(invalid="ignore")  # where the density is 0: such a peak is left out
def _climbed(target: _Target, start: float, step: float) -> _Peak:
    """The peak next to a starting point, on ever finer grids."""
    grid, f, best = np.array([start]), np.array([-np.inf]), 0
    for _ in range(60):
        grid = start + step * (np.arange(9) - 4) / 3
        f = target.at([grid])
        best = int(np.clip(np.argmax(f), 1, 7))
        start, step = float(grid[best]), step / 3
        if _drop(f, (np.intp(best),), 0) < 1.0:
            break
    width = _widths(f, (np.intp(best),), np.array([step]))
    return _Peak([start], width, [grid], f)


def _drop(f: Floats, best: tuple[np.intp, ...], dimension: int) -> float:
    left, right = list(best), list(best)
    left[dimension] -= 1
    right[dimension] += 1
    return float(2 * f[best] - f[tuple(left)] - f[tuple(right)]) / 2


def _widths(f: Floats, best: tuple[np.intp, ...], step: Floats) -> list[float]:
    curvature = [2 * _drop(f, best, i) / step[i] ** 2 for i in range(f.ndim)]
    return [1 / math.sqrt(c) if c > 0 else float(s) for c, s in zip(curvature, step, strict=True)]


def _scales(target: _Target, peak: _Peak) -> list[float]:
    """Scales for which sinh reaches wherever the density is not negligible."""
    # pi / 2 sinh(t) is the double-exponential rule for tails like exp(-|u|), which logarithms and
    # logits have
    scales = [min(w, math.pi / 2) for w in peak.width]
    if len(scales) == 1:
        return [max(scales[0], _reach(peak.scan[0] - peak.center[0], peak.scan_f))]
    across = np.sinh(np.arange(-5.0, 5.01, 0.5))
    wide = np.arange(-SEARCH_REACH, SEARCH_REACH + 1, 2.0)
    for i in (0, 1, 0, 1):  # twice each, as the reach of one depends on that of the other
        grid = [c + s * across for c, s in zip(peak.center, scales, strict=True)]
        grid[i] = peak.center[i] + wide
        scales[i] = max(scales[i], _reach(wide, target.at(grid).max(axis=1 - i)))
    return scales


def _reach(distance: Floats, log_f: Floats) -> float:
    """Scale for which sinh(4.5) reaches the farthest point that is not negligible."""
    near = np.abs(distance)[log_f > log_f.max() - NEGLIGIBLE_DEPTH]
    return float(near.max()) / math.sinh(4.5)


def _window(lines: list[Line], log_f: Floats, orders: Sequence[int]) -> tuple[list[Line], Floats]:
    """Cut off the ends where the density, also times x^order, is negligible."""
    out, parts = [], []
    for i, line in enumerate(lines):
        along = log_f.max(axis=tuple(k for k in range(log_f.ndim) if k != i))
        keep = along > along.max() - NEGLIGIBLE_DEPTH
        if orders[i] > 0:
            # where a moment is monitored, what it weighs must be inside too
            tilted = along + orders[i] * np.log(line.x)
            keep |= tilted > tilted.max() - NEGLIGIBLE_DEPTH
        at = np.flatnonzero(keep)
        first, last = max(int(at[0]) - 1, 0), min(int(at[-1]) + 1, len(along) - 1)
        out.append(line.cut(first, last))
        parts.append(slice(first, last + 1))
    return out, log_f[tuple(parts)]


def _weights(lines: Sequence[Line], log_f: Floats) -> tuple[Floats, float]:
    top = log_f.max()
    weight = np.exp(log_f - top)
    total = weight.sum()
    steps = math.prod(line.step for line in lines)
    return weight / total, float(top + math.log(total * steps))


def _summaries(line: Line, log_f: Floats, dimension: int, order: int) -> Floats:
    """Log total, mean of u in sds, log sd of u, log moments of x: all of order one to compare."""
    other = tuple(k for k in range(log_f.ndim) if k != dimension)
    weight = np.exp(log_f - log_f.max())
    weight = weight.sum(axis=other) if other else weight
    total = float(weight.sum())
    weight = weight / total
    u = line.u
    mean = float(u @ weight)
    sd = math.sqrt(max(float((u - mean) ** 2 @ weight), 1e-300))
    # the mean is compared about the line's fixed center, in its current sd
    values = [
        math.log(total * line.step) + float(log_f.max()),
        (mean - line.center) / sd,
        math.log(sd),
    ]
    x = line.x
    values += [math.log(float(x**k @ weight)) for k in range(1, order + 1)]
    return np.array(values)
