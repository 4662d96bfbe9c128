"""Groups of counts integrated out by adaptive Gauss-Hermite quadrature, at many points at once.

    eta_i = known_i + z_i L v_g(i),   v_g ~ N(0, I)

For each of B points (a linear predictor of every row without its group, and a factor L) the
integral over each group's v is a Gauss-Hermite rule about a place near its mode, stretched by the
curvature there. Arrays hold points on their last axis: rows (N, B), groups (J, B).

Source: Liu and Pierce (1994), doi:10.1093/biomet/81.3.624.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.kernels import batched_linalg
from partialpool.kernels.families import LOG, Link
from partialpool.kernels.gauss_hermite import hermite
from partialpool.kernels.row_likelihood import DispersedRows, ExponentialRows, RowLikelihood, beside

LONGEST_STEP = 2.5
"""Newton steps of v are no longer, in prior sds: from a start near the mode none is, and from far
away longer ones overshoot where a binary row's weight has died out."""
LARGEST_EXPONENT = 500.0
"""Exponentials are taken of no more than this; log(1 + exp(x)) is x beyond. exp(500) times a
billion trials is still a number (1e308)."""
LARGEST_PREDICTOR, LARGEST_PRODUCT = 200.0, 1e174
"""Linear predictors, and displacements of them, for which one exponential a row serves all nodes:
their products are below the largest double."""
WIDE_EFFECT, LEAST_SKEWNESS = 2.5, 0.8
"""Sd of an effect, on the link scale, from which on its skewness is no less than this."""
ROWS_PER_LOGARITHM = 8
"""Rows whose 1 + exp(eta) are multiplied before one logarithm is taken (it costs ten times a
product); fewer where the product could overflow."""


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Rows of counts in the order of the groups to be integrated out.

    Parameters
    ----------
    link : Link
    y, size : ndarray, shape (N,)
        Events; trials or exposure.
    z : ndarray, shape (N, q)
        Columns of the groups' effects.
    starts : ndarray of int, shape (J,)
        First row of each group.
    dispersed : DispersedRows, optional
        The rows with a dispersion that is not known yet; see `with_dispersion`.
    known_dispersion : RowLikelihood, optional
        The likelihood of rows whose dispersion is known, of which size may be (N, B).
    """

    link: Link
    y: Floats
    size: Floats
    z: Floats
    starts: Ints
    dispersed: DispersedRows | None = None
    known_dispersion: RowLikelihood | None = None

    def with_dispersion(self, dispersion: Floats | float | None) -> GroupedRows:
        """The rows at a dispersion, or at those of B points; these rows where they have none."""
        if self.dispersed is None:
            return self
        assert dispersion is not None
        rows = self.dispersed.with_dispersion(dispersion, self.best_of_rows)
        if isinstance(rows, ExponentialRows):
            return GroupedRows(rows.link, rows.y, rows.size, self.z, self.starts, None, rows)
        return GroupedRows(self.link, self.y, self.size, self.z, self.starts, None, rows)

    @cached_property
    def likelihood(self) -> RowLikelihood:
        """Log likelihood of each row, off `best` where the dispersion is known."""
        return self.known_dispersion or ExponentialRows(self.link, self.y, self.size)

    @property
    def sizes(self) -> Floats:
        """Sizes beside linear predictors (N, B)."""
        return self.size if self.size.ndim > 1 else self.size[:, None]

    @property
    def q(self) -> int:
        """Effects of a group."""
        return int(self.z.shape[1])

    @cached_property
    def counts(self) -> Ints:
        """Rows of each group, (J,)."""
        return np.diff(self.starts, append=len(self.y))

    @cached_property
    def group(self) -> Ints:
        """Group of each row, (N,)."""
        return np.repeat(np.arange(len(self.starts)), self.counts)

    @cached_property
    def intercept(self) -> bool:
        """Whether a group's effect is the same for all its rows."""
        return self.q == 1 and self.ones[0]

    @property
    def exponential(self) -> ExponentialRows | None:
        """The likelihood if it is of the form y eta - size A(eta)."""
        return self.likelihood if isinstance(self.likelihood, ExponentialRows) else None

    @cached_property
    def bernoulli(self) -> bool:
        """Whether every row is one trial."""
        return (
            self.link is not LOG
            and self.known_dispersion is None
            and bool((self.size == 1.0).all())
        )

    def parts(self, most: int) -> list[tuple[slice, slice, GroupedRows]]:
        """Rows, groups and data of parts of whole groups, of about so many rows."""
        ends = np.append(self.starts[1:], len(self.y))
        which = self.starts // max(most, 1)
        first = np.flatnonzero(np.diff(which, prepend=-1))
        out = []
        for a, b in zip(first, np.append(first[1:], len(ends)), strict=True):
            rows = slice(int(self.starts[a]), int(ends[b - 1]))
            some = GroupedRows(
                self.link,
                self.y[rows],
                self.size[rows],
                self.z[rows],
                self.starts[a:b] - rows.start,
                None if self.dispersed is None else self.dispersed.part(rows),
            )
            out.append((rows, slice(int(a), int(b)), some))
        return out

    @cached_property
    def best_of_rows(self) -> Floats:
        """Highest log likelihood of each row by itself, (N,); 0 where that is taken off already."""
        if self.known_dispersion is not None:
            return np.zeros(len(self.y))
        return self.link.best(self.y, np.where(self.size > 0, self.size, 1.0))

    @cached_property
    def best(self) -> Floats:
        """Highest log likelihood of each group, every row by itself; (J,).

        Log likelihoods are taken relative to it, so that no digits are lost to large counts.
        """
        return self.sums(self.best_of_rows[:, None])[:, 0]

    def sums(self, values: Floats) -> Floats:
        """Sums over the rows of each group; (N, ...) to (J, ...)."""
        if len(self.starts) == len(self.y):
            return values
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def times(self, values: Floats, a: int) -> Floats:
        """Rows (N, B) times a column of z; the same array where that is one everywhere."""
        return values if self.ones[a] else values * self.z[:, a : a + 1]

    def plus(self, values: Floats, effects: Floats) -> Floats:
        """Rows (N, B) plus z times their group's effects, (q, J, B); a new array."""
        out = values
        for a, effect in enumerate(effects):
            each = self.to_rows(effect)
            if not self.ones[a]:
                each = each * self.z[:, a : a + 1]
            out = out + each if out is values else np.add(out, each, out=out)
        return out

    @cached_property
    def ones(self) -> tuple[bool, ...]:
        """Which columns of z are one in every row."""
        return tuple(bool((column == 1.0).all()) for column in self.z.T)

    def to_rows(self, values: Floats) -> Floats:
        """Each group's value for each of its rows; (J, ...) to (N, ...)."""
        if len(self.starts) == len(self.y):
            return values
        return np.asarray(np.take(values, self.group, axis=0))


@dataclass(frozen=True, slots=True, eq=False)
class GroupMoments:
    """Moments of every group's effects b = L v given everything else, at B points.

    Parameters
    ----------
    mean : ndarray, shape (q, J, B)
    covariance : ndarray, shape (q, q, J, B)
    third : ndarray, shape (q, q, q, J, B)
        Third central moments.
    """

    mean: Floats
    covariance: Floats
    third: Floats

    def at(self, points: Ints | Bools) -> GroupMoments:
        """The moments at some of the points."""
        return GroupMoments(
            self.mean[..., points], self.covariance[..., points], self.third[..., points]
        )


def integrate_groups(
    rows: GroupedRows,
    known: Floats,
    factor: Floats,
    start: Floats,
    nodes: int,
    *,
    linear: Floats | None = None,
    steps: int = 2,
    moments: bool = False,
    by_group: bool = False,
) -> tuple[Floats, GroupMoments | None]:
    """Log likelihood of all groups, each integrated out, and perhaps the groups' moments.

    Parameters
    ----------
    rows : GroupedRows
    known : ndarray, shape (N, B)
        Linear predictors without the groups.
    factor : ndarray, shape (B, q, q)
        L.
    start : ndarray, shape (q, J, B)
        v near the modes; the rule is right wherever it is laid, but needs fewer nodes near them.
    nodes : int
        Of the rule along each dimension.
    linear : ndarray, shape (J, B), optional
        Sums over groups of events times `known`, where they are at hand.
    steps : int
        Newton steps from there. Two, from the place that a normal approximation tells, leave
        nothing to be gained by a third.
    moments : bool
        Whether to compute moments.
    by_group : bool
        Whether the log likelihood is wanted of each group, and not of all.

    Returns
    -------
    log_marginal : ndarray, shape (B,), or (J, B) by group
        Relative to `GroupedRows.best`.
    moments : GroupMoments or None
    """
    wide = np.ascontiguousarray(factor.transpose(1, 2, 0))[:, :, None]  # (q, q, 1, B)
    exponential = rows.exponential
    if linear is None:
        linear = rows.sums(rows.y[:, None] * known)
    if exponential and exponential.shift is not None:
        # a shift of eta for the cumulant only: y eta in `linear` is without it
        known = known + beside(exponential.shift, known)
    quick = rows.intercept and exponential
    # with one effect that is the same for all rows of a group, exp(eta) at any node is a multiple
    # of that at the mode: one exponential a row serves the search and all nodes
    near = _near_modes_of_intercepts(rows, known, wide, start, steps) if quick else None
    v, lower, eta, grown = near or _near_modes(rows, known, wide, start, steps)
    node, log_weight = hermite(nodes, rows.q)
    at = _AtMode(rows, wide, v, linear, eta, grown) if exponential else _General(rows, wide, eta)
    values = np.empty((len(node), *v.shape[1:]))
    for k, (x, log_w) in enumerate(zip(node, log_weight, strict=True)):
        away = _stretched(lower, x)
        # weights of the rule contain the normal density at x, which is divided out: the prior at v
        # follows
        values[k] = at.log_likelihood(away) + (log_w + 0.5 * float(x @ x))
        for va, da in zip(v, away, strict=True):
            values[k] -= 0.5 * (va + da) ** 2
    top = values.max(axis=0)
    values -= top
    np.exp(values, out=values)
    total = values.sum(axis=0)
    # v = v^ + lower'^-1 x: the Jacobian of x to v
    log_root = sum(np.log(lower[a, a]) for a in range(rows.q))
    log_marginal = np.log(total) + top - log_root - rows.best[:, None]
    if exponential and exponential.extra is not None:
        log_marginal += rows.sums(beside(exponential.extra, known))
    if not by_group:
        log_marginal = log_marginal.sum(axis=0)
    if not moments:
        return log_marginal, None
    values /= total
    return log_marginal, _moments(node, values, v, lower, factor)


_Near = tuple[Floats, Floats, Floats | None, Floats | None]
"""v after some Newton steps, (q, J, B); the factor of the curvature there, (q, q, J, B); and either
the linear predictors, (N, B), or their exponentials (of a log link, the groups' rates, (J, B))."""


def _near_modes(
    rows: GroupedRows, known: Floats, factor: Floats, start: Floats, steps: int
) -> _Near:
    v = np.array(start)
    q, y, size = rows.q, rows.y[:, None], rows.sizes
    for _ in range(max(steps, 1)):
        eta = rows.plus(known, _times(factor, v))
        if rows.exponential:  # shifts are in eta already
            mean, weight = rows.link.slopes(eta)
            weight = size * weight
            mean *= size  # of counts with a log link this was the weight too
            score = np.subtract(y, mean, out=mean)
        else:
            # the weight may be a positive stand-in for a curvature: it only says where the rule is
            # laid
            score, weight = rows.likelihood.slopes(eta)
        each = [rows.sums(rows.times(score, a)) for a in range(q)]
        gradient = _transposed_times(factor, each) - v
        curvature = _between(factor, _curvature(rows, weight))
        for a in range(q):
            # of the prior N(0, I)
            curvature[a, a] += 1.0
        lower = batched_linalg.cholesky(curvature)
        if steps:
            move = batched_linalg.backward(
                lower, batched_linalg.forward(lower, gradient[:, :, None])
            )[:, :, 0]
            # lower is that of the place before the last step: near enough, as two steps leave next
            # to nothing
            v += np.clip(move, -LONGEST_STEP, LONGEST_STEP)
    return v, lower, rows.plus(known, _times(factor, v)), None


def _near_modes_of_intercepts(
    rows: GroupedRows, known: Floats, factor: Floats, start: Floats, steps: int
) -> _Near | None:
    """One exponential a row: a step multiplies those of a group. None where one would overflow."""
    wide, v = factor[0, 0], np.array(start[0])
    eta = known + rows.to_rows(wide * v)
    if float(eta.max()) > LARGEST_PREDICTOR:
        return None
    grown = np.exp(eta, out=eta)
    size = None if rows.bernoulli else rows.sizes
    if rows.link is LOG:
        # of a log link only a group's sum of rates counts
        grown = rows.sums(grown if size is None else size * grown)
    events = rows.sums(rows.y[:, None])
    curvature = np.ones_like(v)
    for _ in range(max(steps, 1)):
        if rows.link is LOG:
            mean = weight = grown
        else:
            # below exp(200) both are finite, and p is 1 to all digits where grown is large
            p = grown / (1.0 + grown)
            mean = rows.sums(p if size is None else size * p)
            np.multiply(p, p, out=p)
            # sum of size p (1 - p)
            weight = mean - rows.sums(p if size is None else size * p)
        curvature = wide**2 * weight + 1.0
        if steps:
            move = (wide * (events - mean) - v) / curvature
            move = np.clip(move, -LONGEST_STEP, LONGEST_STEP)
            v += move
            change = np.exp(np.clip(wide * move, -LARGEST_PREDICTOR, LARGEST_PREDICTOR))
            grown = grown * (change if rows.link is LOG else rows.to_rows(change))
    # `not <` lets nan fail too
    if not float(grown.max()) < LARGEST_PRODUCT:
        return None
    return v[None], np.sqrt(curvature)[None, None], None, grown


def _curvature(rows: GroupedRows, weight: Floats) -> list[list[Floats]]:
    """Z' w Z of every group: entries (J, B), lower triangle."""
    out = []
    for a in range(rows.q):
        once = rows.times(weight, a)
        out.append([rows.sums(rows.times(once, c)) for c in range(a + 1)])
    return out


def _times(factor: Floats, v: Floats) -> Floats:
    """L v; factor (q, q, 1, B), lower triangular, and v (q, J, B)."""
    out = np.empty_like(v)
    for a in range(len(v)):
        np.multiply(factor[a, 0], v[0], out=out[a])
        for c in range(1, len(v)):
            out[a] += factor[a, c] * v[c]
    return out


def _transposed_times(factor: Floats, values: list[Floats]) -> Floats:
    """L' values."""
    return _times(factor.swapaxes(0, 1), np.stack(values))


def _between(factor: Floats, inner: list[list[Floats]]) -> Floats:
    """L' M L for symmetric M; (q, q, J, B)."""
    q = len(inner)
    if q == 1:
        return np.asarray((factor[0, 0] ** 2 * inner[0][0])[None, None])
    full = [[inner[max(a, c)][min(a, c)] for c in range(q)] for a in range(q)]
    # M is symmetric: L' times a row of M, as a column, is that row of M L
    half = [_transposed_times(factor, row) for row in full]  # M L, row by row
    out = np.empty((q, q, *inner[0][0].shape))
    for c in range(q):
        out[:, c] = _transposed_times(factor, [half[a][c] for a in range(q)])
    return out


def _stretched(lower: Floats, x: Floats) -> list[Floats]:
    """Solve lower' d = x, lower (q, q, J, B) and x (q,)."""
    q = len(x)
    out: list[Floats] = [np.empty(0)] * q
    for i in reversed(range(q)):
        rest = x[i] - sum(lower[m, i] * out[m] for m in range(i + 1, q))
        out[i] = np.asarray(rest / lower[i, i])
    return out


class _AtMode:
    """Log likelihoods of groups at displacements of v from where the rule is laid."""

    def __init__(
        self,
        rows: GroupedRows,
        factor: Floats,
        v: Floats,
        linear: Floats,
        eta: Floats | None,
        grown: Floats | None,
    ) -> None:
        self.rows, self.factor, self.eta, self.grown = rows, factor, eta, grown
        self.slopes = rows.sums(rows.y[:, None] * rows.z).T  # (q, J)
        # sum of y eta over a group is linear in v: at a node it takes no sum over rows
        self.here = linear + _weighted(self.slopes, _times(factor, v))
        self.highest = math.log(max(float(grown.max()), 1e-300)) if grown is not None else 0.0

    def log_likelihood(self, away: list[Floats]) -> Floats:
        """At displacements (J, B) of each effect; (J, B)."""
        moved = _times(self.factor, np.stack(away))
        out = _weighted(self.slopes, moved)
        out += self.here
        out -= self._cumulant(moved)
        return out

    def _cumulant(self, moved: Floats) -> Floats:
        """Sums over groups of size A(eta)."""
        rows = self.rows
        if self.grown is None:
            assert self.eta is not None
            eta = rows.plus(self.eta, moved)
            highest = float(eta.max())
            if rows.link is not LOG and highest >= LARGEST_EXPONENT:
                # eta itself stands for log(1 + exp(eta)) where exp would overflow
                return self._sum_of(np.exp(np.minimum(eta, LARGEST_EXPONENT)), eta, highest)
            if rows.link is LOG:
                np.minimum(eta, LARGEST_EXPONENT, out=eta)
            return self._sum_of(np.exp(eta, out=eta), None, highest)
        # the exponentials of all nodes are multiples of these, the same for a group's rows
        change = np.exp(np.clip(moved[0], -LARGEST_PREDICTOR, LARGEST_PREDICTOR))
        if rows.link is LOG:
            return np.asarray(self.grown * change)
        grown = rows.to_rows(change)
        grown = grown * self.grown if grown is change else np.multiply(grown, self.grown, out=grown)
        return self._sum_of(grown, None, self.highest + float(moved[0].max()))

    def _sum_of(self, grown: Floats, eta: Floats | None, highest: float) -> Floats:
        """Sum over a group's rows of size A(eta), from exp(eta)."""
        rows = self.rows
        if rows.link is LOG:
            return rows.sums(rows.sizes * grown)
        grown += 1.0
        # a product of so many factors of exp(highest) stays below exp(700)
        together = int(min(ROWS_PER_LOGARITHM, 700.0 // max(highest, 1.0)))
        if rows.bernoulli and highest < LARGEST_EXPONENT and together > 1:
            parts, first = _runs(rows, together)
            if len(parts) < len(rows.y):
                grown = np.multiply.reduceat(grown, parts, axis=0)
            np.log(grown, out=grown)
            # every group is one product
            if len(first) == len(parts):
                return grown
            return np.asarray(np.add.reduceat(grown, first, axis=0))
        np.log(grown, out=grown)
        if eta is not None and highest >= LARGEST_EXPONENT:
            grown = np.where(eta > LARGEST_EXPONENT, eta, grown)
        return rows.sums(rows.sizes * grown)


class _General:
    """The same of rows of any likelihood, from the linear predictors at the mode."""

    def __init__(self, rows: GroupedRows, factor: Floats, eta: Floats | None) -> None:
        assert eta is not None
        self.rows, self.factor, self.eta = rows, factor, eta

    def log_likelihood(self, away: list[Floats]) -> Floats:
        """At displacements (J, B) of each effect; (J, B)."""
        eta = self.rows.plus(self.eta, _times(self.factor, np.stack(away)))
        return self.rows.sums(self.rows.likelihood.value(eta))


def _weighted(slopes: Floats, effects: Floats) -> Floats:
    """Sum over effects of slopes (q, J) times (q, J, B)."""
    out = slopes[0][:, None] * effects[0]
    for slope, effect in zip(slopes[1:], effects[1:], strict=True):
        out += slope[:, None] * effect
    return np.asarray(out)


def _runs(rows: GroupedRows, together: int) -> tuple[Ints, Ints]:
    """First rows of runs of at most so many rows within groups, and each group's first run."""
    # rounded up
    pieces = -(-rows.counts // together)
    first = np.concatenate([[0], np.cumsum(pieces)[:-1]])
    within = np.arange(int(pieces.sum())) - np.repeat(first, pieces)
    return np.repeat(rows.starts, pieces) + together * within, first


def _cut_off(variance: Floats, third: Floats) -> Floats:
    """Third moments of very wide effects, which are cut off on one side; shapes (1, 1, [1,] J, B).

    So wide is only an effect whose rows have no event, or no failure: its density is like half of
    a normal one (skewness 0.995), where a rule of few nodes sees next to no skewness, and rates
    would have means beyond all measure.
    """
    sd = np.sqrt(variance[None])
    least = np.copysign(LEAST_SKEWNESS * sd**3, third)
    return np.where((sd > WIDE_EFFECT) & (np.abs(third) < np.abs(least)), least, third)


def _moments(node: Floats, share: Floats, v: Floats, lower: Floats, factor: Floats) -> GroupMoments:
    """Moments of L v from shares of the nodes, (K, J, B)."""
    q, flat = node.shape[1], share.reshape(len(node), -1)
    first = (node.T @ flat).reshape(v.shape)
    second = np.empty((q, q, *v.shape[1:]))
    third = np.empty((q, q, q, *v.shape[1:]))
    for a in range(q):
        for c in range(q):
            product = node[:, a] * node[:, c]
            second[a, c] = (product @ flat).reshape(v.shape[1:])
            for e in range(q):
                third[a, c, e] = ((product * node[:, e]) @ flat).reshape(v.shape[1:])
    central = second - first[:, None] * first[None]
    for a in range(q):
        for c in range(q):
            for e in range(q):
                # E(x - m)(x - m)(x - m) from moments about zero; first are small, as the rule is
                # laid at the mode
                third[a, c, e] -= (
                    first[a] * second[c, e] + first[c] * second[a, e] + first[e] * second[a, c]
                ) - 2.0 * first[a] * first[c] * first[e]
    # b = L v, and v is displaced by lower'^-1 x
    wide = factor.transpose(1, 2, 0)[:, :, None]  # (q, q, 1, B)
    # columns of lower'^-1, then times L: from x to b
    turn = np.stack([np.stack(_stretched(lower, row)) for row in np.eye(q)], axis=1)
    turn = np.sum([wide[:, m, None] * turn[None, m] for m in range(q)], axis=0)  # (q, q, J, B)
    shape = v.shape[1:]
    mean = np.empty((q, *shape))
    for a in range(q):
        mean[a] = sum(wide[a, m] * v[m] + turn[a, m] * first[m] for m in range(q))
    if q == 1:
        t = turn[0, 0]
        return GroupMoments(mean, central * t**2, _cut_off(central * t**2, third * t**3))
    # a, b: effects as they are; c, e: nodes' directions x
    covariance = np.einsum("ac...,ce...,be...->ab...", turn, central, turn)
    third = np.einsum("au...,bv...,cw...,uvw...->abc...", turn, turn, turn, third, optimize=True)
    return GroupMoments(mean, covariance, third)
