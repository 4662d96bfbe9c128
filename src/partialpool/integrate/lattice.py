"""The trapezoid rule over three and more dimensions, on the nodes that matter only.

Every dimension gets an even grid in a coordinate in which the density is smooth on the whole real
line. From the mode the rule spreads to neighbouring nodes for as long as these are not
negligible, so that the nodes fill the density's own shape, not its box. A second grid, shifted by
half a step in every dimension, gives an independent result: their difference is the error
reported, and both together are the nodes returned (a body-centred lattice).

Source: Trefethen and Weideman (2014), doi:10.1137/130932132, for the geometric convergence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._normal import INTERVAL_ENDS, NORMAL_WIDTH
from partialpool._typing import Bools, Floats, Ints
from partialpool.integrate import sinc
from partialpool.integrate.axis import FARTHEST_COORDINATE, Coordinate, Line
from partialpool.integrate.maximise import Peak, ascend
from partialpool.integrate.trapezoid import Accuracy
from partialpool.integrate.weighted import WeightedNodes

Evaluate = Callable[[Floats], tuple[Floats, Floats]]
"""Maps points, (G, d), to log densities, (G,), and to whatever is carried along, (G, m)."""

HALVED_POWER = 3
"""Power of the difference between half of the nodes of a grid and all that tells the difference
between the grids; the fourth for a normal density."""
FIRST_STEP_SHARE = 0.8
"""Share of the target that the first step is to leave of the error, were the density normal."""
FINEST_RATIO, COARSEST_RATIO = 0.6, 0.85
"""Least and largest ratio of a step to the one before; between them it is the one with which an
error that falls like exp(-c / step^2) would meet the target."""
STALLED_SHARE, MOST_STALLS = 0.7, 3
"""Finer steps stop where they leave more than this share of the least error so many times: then it
is rounding, or a density that is not smooth."""
EXTRA_DEPTH, EXTRA_DEPTH_OF_MOMENTS = 1.5, 3.5
"""How much further than the target the density falls before nodes are left out, usually and where
some moment does not exist. With 1.5 there the upper end of an sd of three groups is off by 0.06."""
OF_ENDS, OF_ENDS_RIDGE = 0.3, 0.4
"""Error of both grids together over the difference of their intervals' ends, usually and where a
ridge runs along a diagonal of the grids (see `_ridge`). Measured on 12 data sets in two to four
dimensions with steps of 1.0 to 1.6: at most 0.26; with a ridge (Orthodont) 0.34 at 1.15."""
OF_MEANS, OF_MEANS_RIDGE = 1.0, 4.0
"""The same of totals, means, sds and moments: errors of ends are below the larger of the two. With
a ridge 1.7 for a step of 1.15, 3.1 for 1.6."""
OF_MIXTURE = 0.4
"""The same of quantities that are mixtures of smooth components at the nodes."""
OF_OUTERMOST, OF_HEAVY = 1.0, 6.0
"""Error of an interval's end, in sds, over the weight of the outermost nodes: measured at about 1,
and for tails without moments (three groups) at 6 for a step of one, more for smaller ones."""
EVEN_WIDTHS = 2.5
"""Widths within which a grid is about even; it widens beyond. At 1.5 and 4 numbers move by 0.003
sd, where 0.02 is the target (benchmarks/constants.py)."""
WIDEST_AXIS = 3.0
"""Largest sd along a coordinate, where the mode is too flat to tell one. Where data limit every
direction nothing moves between 1.5 and 6 (benchmarks/constants.py)."""
COARSEST_FOR_TARGET, COARSEST_FOR_BUDGET = 1.6, 1.7
"""The coarsest first step for a target, and for a budget: with 1.9 ends of five crossed factors are
off by 0.2."""
EVALUATED_RATIO = 1.6
"""Nodes that are evaluated over those within the ellipsoid of the bulk: the frontier on all sides,
and what is not elliptic; by it a budget becomes a step."""
MOST_FROM_HIGHEST = 2**14
"""Nodes from the highest on either side, at most: so that four numbers of 15 bits fit into one of
64 by which nodes are known again."""


@dataclass(frozen=True, eq=False)
class Lattice(WeightedNodes):
    """A density as weighted nodes of two even grids, one shifted by half a step.

    Its error is estimated by the largest difference between the two grids (of the log total; of
    each dimension's mean, standard deviation, moments and ends of the 95% interval), or the weight
    of the outermost nodes, whichever is larger.

    Parameters
    ----------
    lines : tuple of Line
        The grid of each dimension, with the positions of both shifts.
    place : ndarray of int, shape (C, d)
        Position of each node on the lines.
    of_grid : float
        Error of both grids together over the difference between them, at most.
    """

    lines: tuple[Line, ...]
    place: Ints
    of_grid: float = OF_MIXTURE

    @property
    def method(self) -> str:
        """How the density was integrated, in words."""
        return "trapezoid rule on two shifted grids over the hyperparameters"

    def bound(self, values: Floats, chosen: Ints | slice = slice(None)) -> Floats:
        """Bound on the error of the weighted mean of values, (C, ...), of chosen nodes."""
        return self.of_grid * super().bound(values, chosen)

    def marginal(self, dimension: int) -> Floats:
        """Weights of one dimension summed over the others."""
        size = len(self.lines[dimension].t)
        totals = np.bincount(self.place[:, dimension], self.weight, minlength=size)
        return totals.astype(np.float64, copy=False)


@np.errstate(all="ignore")  # in the tails numbers may overflow: there is no density
def integrate_lattice(
    evaluate: Evaluate,
    axes: Sequence[Coordinate],
    peaks: Sequence[Peak],
    *,
    moments: Sequence[float],
    tolerance: float,
    budget: int,
) -> Lattice:
    """Integrate exp(log density) over the axes.

    Parameters
    ----------
    evaluate : callable
        Maps points (G, d) to log densities (G,) and what is to be carried along (G, m).
    axes : sequence of Coordinate, length d
    peaks : sequence of Peak
        From `find_modes`.
    moments : sequence of float, length d
        Moments of an order below this exist and are monitored (orders 1 and 2 at most).
    tolerance : float
        Target for the error.
    budget : int
        Evaluations to spend, at most; the error reached with them is reported.
    """
    orders = tuple(2 if m > 2 else 1 if m > 1 else 0 for m in moments)
    heavy = any(0.0 < m <= 2.0 for m in moments)
    target = _Target(evaluate, tuple(axes), orders, heavy, _ridge(peaks[0]))
    cut = -math.log(tolerance) + (EXTRA_DEPTH_OF_MOMENTS if target.heavy else EXTRA_DEPTH)
    spent, stalled, d = 0, 0, len(axes)
    step = _first_step(peaks[0], cut, budget, tolerance)
    best: Lattice | None = None
    while True:
        lines = _lines(target, peaks[0], step)
        first = _spread(target, lines, peaks, 0.0, cut, (budget - spent) // 2)
        spent += len(first.log_f)
        halves = _halves_differ(target, lines, first) ** HALVED_POWER
        ahead = spent + 2 * len(first.log_f) * COARSEST_RATIO**-d
        # a second grid would only say what half of the first does
        if halves > tolerance and ahead < budget:
            step *= _finer(halves, tolerance)  # half of the nodes say that these are too few
            continue
        second = _spread(target, lines, peaks, 0.5, cut, budget - spent)
        spent += len(second.log_f)
        lattice = _joined(target, lines, first, second, tolerance)
        finer = _finer(lattice.error, tolerance)
        needed = 2.0 * len(first.log_f) * finer**-d
        if lattice.status is Accuracy.REACHED or spent + needed > budget:
            return lattice if best is None or lattice.error < best.error else best
        stalled = stalled + 1 if best and lattice.error > STALLED_SHARE * best.error else 0
        best = lattice if best is None or lattice.error < best.error else best
        if stalled == MOST_STALLS:
            return best
        step *= finer


@np.errstate(all="ignore")
def find_modes(
    evaluate: Evaluate, axes: Sequence[Coordinate], starts: Floats, *, enough: float = 1e-3
) -> list[Peak]:
    """The peaks of the density per unit of the coordinates, from high to low, each once.

    They are climbed until the rise still to be had is below `enough`.
    """
    target = _Target(evaluate, tuple(axes))
    begin = [[float(a.coordinate(v)) for a, v in zip(axes, s, strict=True)] for s in starts]
    peaks = [ascend(target.density, np.array(b), step=0.02, enough=enough) for b in begin]
    out: list[Peak] = []
    for peak in sorted(peaks, key=lambda p: -p.value):
        if all(np.abs(peak.at - other.at).max() > 0.1 for other in out):
            out.append(peak)
    return out


def _finer(error: float, tolerance: float) -> float:
    """Ratio of the next step to one with this error."""
    # error = 10 exp(-c / step^2): the ratio of steps is the root of that of their logarithms
    fall = math.log(10.0 / tolerance) / max(math.log(10.0 / min(error, 5.0)), 0.1)
    return float(min(max(fall**-0.5, FINEST_RATIO), COARSEST_RATIO))


def _ridge(peak: Peak) -> bool:
    """Whether the error of the two grids is the same, so that their difference does not tell it.

    By Poisson's formula a grid's error is a sum over waves k of whole numbers, of the size
    ``exp(-2 pi^2 k'Ck)`` for a normal density with covariance C in steps. Half a step in every
    dimension changes the sign of waves whose numbers have an odd sum, and leaves the others.
    """
    d = len(peak.at)
    curved, axes = np.linalg.eigh(-peak.hessian)
    covariance = (axes / np.maximum(curved, WIDEST_AXIS**-2)) @ axes.T
    width = np.sqrt(np.maximum(-np.diag(peak.hessian), WIDEST_AXIS**-2))
    form = covariance * np.outer(width, width)
    waves = np.stack(np.meshgrid(*[np.arange(-2, 3)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    waves = waves[waves.any(axis=1)]
    fall = np.einsum("ki,ij,kj->k", waves, form, waves)
    odd = waves.sum(axis=1) % 2 == 1
    return bool(fall[~odd].min() < fall[odd].min())


def _first_step(peak: Peak, cut: float, budget: int, tolerance: float) -> float:
    """The step with which a normal density would meet the target, or one that the budget allows.

    The distribution function of a normal density from one grid is off by exp(-pi^2 / (2 step^2)).
    """
    left = OF_ENDS / (FIRST_STEP_SHARE * tolerance)
    usual = min(math.pi / math.sqrt(2.0 * math.log(max(left, 2.0))), COARSEST_FOR_TARGET)
    d = len(peak.at)
    curved = np.maximum(np.linalg.eigvalsh(-peak.hessian), WIDEST_AXIS**-2)
    width = 1.0 / np.sqrt(np.maximum(-np.diag(peak.hessian), WIDEST_AXIS**-2))
    # volume of the ellipsoid on which the quadratic approximation has fallen by `cut`
    ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1) * (2.0 * cut) ** (d / 2)
    needed = EVALUATED_RATIO * ball / math.sqrt(float(np.prod(curved))) / float(np.prod(width))
    return float(
        np.clip((2.0 * needed / budget) ** (1.0 / d), usual, max(usual, COARSEST_FOR_BUDGET))
    )


@dataclass(frozen=True, slots=True)
class _Target:
    evaluate: Evaluate
    axes: tuple[Coordinate, ...]
    orders: tuple[int, ...] = ()
    heavy: bool = False
    ridge: bool = False

    def density(self, u: Floats) -> Floats:
        """Log density per unit of the coordinates at u, shape (G, d)."""
        x, log_slope = self.values(u)
        return _finite(self.evaluate(x)[0]) + log_slope

    def values(self, u: Floats) -> tuple[Floats, Floats]:
        columns = [a.value(u[:, i]) for i, a in enumerate(self.axes)]
        slopes = [a.log_slope(u[:, i]) for i, a in enumerate(self.axes)]
        return np.stack(columns, axis=1), np.sum(slopes, axis=0)


def _finite(log_f: Floats) -> Floats:
    return np.where(np.isfinite(log_f), log_f, -np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class _Shell:
    """The nodes of one grid: offsets from the lines' centers in steps, less the shift."""

    offset: Ints
    shift: float
    x: Floats
    log_f: Floats
    carried: Floats
    edge: Bools


def _lines(target: _Target, peak: Peak, step: float) -> list[Line]:
    """A grid for each dimension: steps of so many conditional sds at the mode."""
    curvature = np.maximum(-np.diag(peak.hessian), WIDEST_AXIS**-2)
    width = 1.0 / np.sqrt(curvature)
    return [
        Line(axis, float(c), float(EVEN_WIDTHS * w), step / EVEN_WIDTHS, 0, 0)
        for axis, c, w in zip(target.axes, peak.at, width, strict=True)
    ]


def _spread(
    target: _Target, lines: list[Line], peaks: Sequence[Peak], shift: float, cut: float, limit: int
) -> _Shell:
    """Evaluate nodes outward from the peaks, about `limit` of them at most."""
    d = len(lines)
    # of every peak, so that a valley between them is no end
    frontier = np.concatenate([_ellipsoid(lines, p, shift, 1.4 * cut) for p in peaks])
    frontier = np.unique(frontier, axis=0)
    beside = np.concatenate([np.eye(d, dtype=np.intp), -np.eye(d, dtype=np.intp)])
    if d == 1:  # two at a time: fewer calls
        beside = np.concatenate([beside, 2 * beside])
    seen = _keys(frontier)
    parts: list[_Shell] = []
    tops = np.full(1 + d, -np.inf)
    count = 0
    while len(frontier):
        shell = _evaluated(target, lines, frontier, shift)
        parts.append(shell)
        # nodes go on outward while the density, or what a moment weighs, is not negligible
        worth = _worth(target, shell)  # (G, 1 + d)
        tops = np.maximum(tops, worth.max(axis=0))
        on = (worth > tops - cut).any(axis=1)
        shell.edge[:] = ~on
        going = frontier[on]
        count += len(frontier)
        if count >= limit:
            shell.edge[:] = True
            break
        near = (going[:, None] + beside).reshape(-1, d)
        near = near[(np.abs(near) < MOST_FROM_HIGHEST).all(axis=1)]
        keys, at = np.unique(_keys(near), return_index=True)
        # the frontier moves like water: every node beside one that counts is evaluated once
        new = ~np.isin(keys, seen, assume_unique=True)
        frontier = near[at[new]]
        seen = np.concatenate([seen, keys[new]])
    return _Shell(
        np.concatenate([p.offset for p in parts]),
        shift,
        *(np.concatenate([getattr(p, k) for p in parts]) for k in _Shell.__slots__[2:]),
    )


def _ellipsoid(lines: list[Line], peak: Peak, shift: float, size: float) -> Ints:
    """Nodes about a peak where its quadratic approximation is no more than size / 2 lower."""
    d, step = len(lines), lines[0].step
    at = [float(li.position(np.asarray(u))) for li, u in zip(lines, peak.at, strict=True)]
    middle = np.rint(np.array(at) / step - shift).astype(np.intp)
    if d > 4:
        return middle[None]
    curved, axes = np.linalg.eigh(-peak.hessian)
    form = (axes * np.maximum(curved, WIDEST_AXIS**-2)) @ axes.T
    reach = np.sqrt(size * np.diag(np.linalg.inv(form)))
    sides = []
    for i, line in enumerate(lines):
        ends = line.position(peak.at[i] + reach[i] * np.array([-1.0, 1.0])) / step - shift
        sides.append(np.arange(math.ceil(ends[0]), math.floor(ends[1]) + 1))
    box = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, d)
    u = np.stack(
        [li.center + li.scale * np.sinh(step * (box[:, i] + shift)) for i, li in enumerate(lines)],
        axis=1,
    )
    away = u - peak.at
    near = np.einsum("gi,ij,gj->g", away, form, away) <= size
    return np.concatenate([middle[None], box[near]])


def _keys(offset: Ints) -> Ints:
    """One number a node; collisions are ruled out up to four dimensions, and unlikely beyond."""
    mixed = np.zeros(len(offset), dtype=np.uint64)
    for column in offset.T:
        # 15 bits a dimension: 60 of four fit; of more they are mixed, by splitmix64's constant
        mixed = mixed * np.uint64(2 * MOST_FROM_HIGHEST) + (column + MOST_FROM_HIGHEST).astype(
            np.uint64
        )
        if offset.shape[1] > 4:
            mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x9E3779B97F4A7C15)
    return mixed.astype(np.int64)


def _evaluated(target: _Target, lines: list[Line], offset: Ints, shift: float) -> _Shell:
    t = np.stack([li.step * (offset[:, i] + shift) for i, li in enumerate(lines)], axis=1)
    u = np.stack([li.center + li.scale * np.sinh(t[:, i]) for i, li in enumerate(lines)], axis=1)
    x, log_slope = target.values(u)
    log_f, carried = target.evaluate(x)
    # du / dt of the sinh grid
    stretch = sum(np.log(li.scale * np.cosh(t[:, i])) for i, li in enumerate(lines))
    log_f = np.where(
        (np.abs(u) < FARTHEST_COORDINATE).all(axis=1), _finite(log_f + log_slope + stretch), -np.inf
    )
    return _Shell(offset, shift, x, log_f, carried, np.zeros(len(x), dtype=bool))


def _worth(target: _Target, shell: _Shell) -> Floats:
    """Log density, plain and times each dimension's highest monitored moment; (G, 1 + d)."""
    tilted = [
        shell.log_f + order * np.log(np.abs(shell.x[:, i]) + 1e-300) if order else shell.log_f
        for i, order in enumerate(target.orders)
    ]
    return np.stack([shell.log_f, *tilted], axis=1)


def _halves_differ(target: _Target, lines: list[Line], shell: _Shell) -> float:
    """Largest difference of a summary between every other node and all, along any dimension."""
    whole = _summaries(target, lines, shell, np.ones(len(shell.log_f), dtype=bool))
    gaps = []
    for i in range(len(lines)):
        even = _summaries(target, lines, shell, shell.offset[:, i] % 2 == 0)
        # half of the nodes stand for twice the volume each
        even[0] += math.log(2.0)
        gaps.append(float(np.abs(even - whole).max()))
    return max(gaps)


def _summaries(target: _Target, lines: list[Line], shell: _Shell, keep: Bools) -> Floats:
    """Log total; each dimension's mean of u in sds, log sd of u and log moments of x."""
    top = shell.log_f.max()
    weight = np.exp(shell.log_f[keep] - top)
    total = float(weight.sum()) or 1e-300
    weight = weight / total
    values = [math.log(total) + top]
    for i, line in enumerate(lines):
        t = line.step * (shell.offset[keep, i] + shell.shift)
        # about the line's centre, the same for both grids: a mean far from zero costs the
        # difference no digits
        u = line.scale * np.sinh(t)
        mean = float(u @ weight)
        sd = math.sqrt(max(float((u - mean) ** 2 @ weight), 1e-300))
        values += [mean / sd, math.log(sd)]
        x = shell.x[keep, i]
        values += [math.log(float(x**k @ weight)) for k in range(1, target.orders[i] + 1)]
    return np.array(values)


def _beyond(shell: _Shell) -> float:
    """Share of the total on the outermost nodes: about what is left out beyond them."""
    weight = np.exp(shell.log_f - shell.log_f.max())
    return float(weight[shell.edge].sum() / weight.sum())


def _joined(
    target: _Target, lines: list[Line], first: _Shell, second: _Shell, tolerance: float
) -> Lattice:
    """Both grids as one, and how much they differ."""
    sums = [
        _summaries(target, lines, s, np.ones(len(s.log_f), dtype=bool)) for s in (first, second)
    ]
    gap = np.nan_to_num(np.abs(sums[0] - sums[1]), nan=math.inf)
    log_f = np.concatenate([first.log_f, second.log_f])
    top = log_f.max()
    weight = np.exp(log_f - top)
    some = weight > 0.0  # the others need not carry numbers, and reach far
    total = float(weight.sum())
    # both grids together have two nodes to each cell
    volume = math.prod(li.step for li in lines) / 2
    # both as one grid of half the step: the second lies between the nodes of the first in every
    # dimension
    doubled = np.concatenate([2 * first.offset, 2 * second.offset + 1])[some]
    low, high = doubled.min(axis=0), doubled.max(axis=0)
    fine = tuple(
        Line(li.axis, li.center, li.scale, li.step / 2, int(a), int(b))
        for li, a, b in zip(lines, low, high, strict=True)
    )
    replicate = np.repeat([0, 1], [len(first.log_f), len(second.log_f)])[some]
    weight, place = weight[some] / total, doubled - low
    ends = [_ends_differ(li, place[:, i], weight, replicate == 1) for i, li in enumerate(fine)]
    of_means, of_ends = OF_MEANS, OF_ENDS
    if target.ridge:
        of_means, of_ends = OF_MEANS_RIDGE, OF_ENDS_RIDGE
    outermost = max(_beyond(first), _beyond(second))
    outermost *= OF_HEAVY / min(EVEN_WIDTHS * lines[0].step, 1.0) if target.heavy else OF_OUTERMOST
    error = max(of_means * float(gap.max()), *(of_ends * end for end in ends), outermost)
    return Lattice(
        weight=weight,
        points=np.concatenate([first.x, second.x])[some],
        carried=np.concatenate([first.carried, second.carried])[some],
        replicate=replicate,
        log_total=float(top + math.log(total * volume)),
        error=error,
        status=Accuracy.REACHED if error <= tolerance else Accuracy.NOT_REACHED,
        lines=fine,
        place=place,
        of_grid=OF_MEANS_RIDGE if target.ridge else OF_MIXTURE,
    )


def _ends_differ(line: Line, place: Ints, weight: Floats, second: Bools) -> float:
    """Largest difference between the grids of an end of the 95% interval, in quarters of it."""
    ends = []
    for shift in (False, True):
        of_grid = second == shift
        index = (place[of_grid] - place[of_grid].min()) // 2
        mass = np.bincount(index, weight[of_grid])
        t = line.t[place[of_grid].min()] + 2.0 * line.step * sinc.quantiles(
            INTERVAL_ENDS, mass / mass.sum()
        )
        ends.append(line.axis.value(line.center + line.scale * np.sinh(t)))
    size = np.mean([e[1] - e[0] for e in ends]) / NORMAL_WIDTH
    return float(np.nan_to_num(np.abs(ends[0] - ends[1]).max() / size, nan=math.inf))
