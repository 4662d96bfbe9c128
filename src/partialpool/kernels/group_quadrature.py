"""Groups of counts integrated out by adaptive Gauss-Hermite quadrature, at many points at once.

    eta_i = known_i + z_i L v_g(i),   v_g ~ N(0, I)

For each of B points (a linear predictor of every row without its group, and a factor L) the
integral over each group's v is a Gauss-Hermite rule about a place near its mode, stretched by the
curvature there. Arrays hold points on their last axis: rows (N, B), groups (J, B).

Source: Liu and Pierce (1994), doi:10.1093/biomet/81.3.624.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels import small
from partialpool.kernels.grouped import hermite
from partialpool.kernels.links import LOG, Link

LONGEST_STEP = 2.5
"""Newton steps of v are no longer, in prior sds: from a start near the mode none is, and from far
away longer ones overshoot where a binary row's weight has died out."""
STEEPEST = 500.0
"""Exponentials are taken of no more than this; log(1 + exp(x)) is x beyond."""
PRODUCT = 8
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
    """

    link: Link
    y: Floats
    size: Floats
    z: Floats
    starts: Ints

    @property
    def q(self) -> int:
        """Effects of a group."""
        return self.z.shape[1]

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
        return self.q == 1 and bool((self.z == 1.0).all())

    @cached_property
    def bernoulli(self) -> bool:
        """Whether every row is one trial."""
        return self.link is not LOG and bool((self.size == 1.0).all())

    @cached_property
    def best(self) -> Floats:
        """Highest log likelihood of each group, every row by itself; (J,).

        Log likelihoods are told relative to it, so that no digits are lost to large counts.
        """
        size = np.where(self.size > 0, self.size, 1.0)
        return self.sums(self.link.best(self.y, size)[:, None])[:, 0]

    def sums(self, values: Floats) -> Floats:
        """Sums over the rows of each group; (N, ...) to (J, ...)."""
        if len(self.starts) == len(self.y):
            return values
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

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


def mean_and_weight(link: Link, eta: Floats) -> tuple[Floats, Floats]:
    """Expected events of one trial, or unit of exposure, and their derivative in eta."""
    if link is LOG:
        rate = link.natural(eta)
        return rate, rate
    small_side = np.exp(-np.abs(eta))
    share = 1.0 / (1.0 + small_side)
    return np.where(eta >= 0, share, small_side * share), small_side * share * share


def integrate_groups(
    rows: GroupedRows,
    known: Floats,
    factor: Floats,
    start: Floats,
    nodes: int,
    *,
    steps: int = 2,
    moments: bool = False,
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
    steps : int
        Newton steps from there. Two, from the place that a normal approximation tells, leave
        nothing to be gained by a third.
    moments : bool
        Whether to compute moments.

    Returns
    -------
    log_marginal : ndarray, shape (B,)
        Relative to `GroupedRows.best`.
    moments : GroupMoments or None
    """
    columns = _columns(rows, factor)
    v, lower, eta = _near_mode(rows, known, columns, start, steps)
    node, log_weight = hermite(nodes, rows.q)
    at = _AtMode(rows, eta, columns)
    values = np.empty((len(node), *v.shape[1:]))
    for k, (x, log_w) in enumerate(zip(node, log_weight, strict=True)):
        away = _stretched(lower, x)
        prior = sum(0.5 * (va + da) ** 2 for va, da in zip(v, away, strict=True))
        values[k] = at.log_likelihood(away) - prior + (log_w + 0.5 * float(x @ x))
    top = values.max(axis=0)
    values -= top
    np.exp(values, out=values)
    total = values.sum(axis=0)
    log_root = sum(np.log(lower[a, a]) for a in range(rows.q))
    log_marginal = (np.log(total) + top - log_root - rows.best[:, None]).sum(axis=0)
    if not moments:
        return log_marginal, None
    values /= total
    return log_marginal, _moments(node, values, v, lower, factor)


def _columns(rows: GroupedRows, factor: Floats) -> list[Floats]:
    """Columns of z L, one an effect: (N, B) each, or (1, B) where all rows have the same."""
    if rows.intercept:
        return [np.ascontiguousarray(factor[:, 0, 0])[None]]
    return [rows.z @ np.ascontiguousarray(factor[:, :, a].T) for a in range(rows.q)]


def _near_mode(
    rows: GroupedRows, known: Floats, columns: list[Floats], start: Floats, steps: int
) -> tuple[Floats, Floats, Floats]:
    """v after some Newton steps, (q, J, B); factor of the curvature; the linear predictors."""
    v = [np.asarray(s) for s in start]
    q, y, size = rows.q, rows.y[:, None], rows.size[:, None]
    curvature = np.empty((q, q, *v[0].shape))
    for _ in range(max(steps, 1)):
        mean, weight = mean_and_weight(rows.link, _eta(rows, known, columns, v))
        residual, weight = y - size * mean, size * weight
        gradient = [_group_sums(rows, residual, c) - va for c, va in zip(columns, v, strict=True)]
        for a in range(q):
            for c in range(a + 1):
                curvature[a, c] = _group_sums(rows, weight, columns[a], columns[c])
            curvature[a, a] += 1.0
        lower = small.cholesky(curvature.copy())
        move = small.backward(lower, small.forward(lower, np.stack(gradient)[:, :, None]))[:, :, 0]
        if steps:
            v = [va + np.clip(m, -LONGEST_STEP, LONGEST_STEP) for va, m in zip(v, move, strict=True)]
    return np.stack(v), lower, _eta(rows, known, columns, v)


def _eta(rows: GroupedRows, known: Floats, columns: list[Floats], v: list[Floats]) -> Floats:
    """Linear predictors, (N, B)."""
    if rows.intercept:
        return known + rows.to_rows(columns[0] * v[0])
    return known + sum(c * rows.to_rows(va) for c, va in zip(columns, v, strict=True))


def _group_sums(rows: GroupedRows, values: Floats, *columns: Floats) -> Floats:
    """Sums over groups of values times columns; (J, B)."""
    if rows.intercept:
        out = rows.sums(values)
        for c in columns:
            out = out * c
        return out
    for c in columns:
        values = values * c
    return rows.sums(values)


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

    def __init__(self, rows: GroupedRows, eta: Floats, columns: list[Floats]) -> None:
        self.rows, self.eta, self.columns = rows, eta, columns
        y = rows.y[:, None]
        self.here = rows.sums(y * eta)
        self.slopes = [_group_sums(rows, np.broadcast_to(y, eta.shape), c) for c in columns]
        self.highest = float(eta.max())
        # the exponentials of all nodes are multiples of these, the same for a group's rows
        self.grown = np.exp(np.minimum(eta, STEEPEST)) if rows.intercept else None
        if rows.intercept and rows.link is LOG:
            self.grown = rows.sums(rows.size[:, None] * self.grown)

    def log_likelihood(self, away: list[Floats]) -> Floats:
        """At displacements (J, B) of each effect; (J, B)."""
        linear = self.here + sum(s * a for s, a in zip(self.slopes, away, strict=True))
        return np.asarray(linear - self._cumulant(away))

    def _cumulant(self, away: list[Floats]) -> Floats:
        rows = self.rows
        if self.grown is None:
            eta = self.eta + sum(
                c * rows.to_rows(a) for c, a in zip(self.columns, away, strict=True)
            )
            return self._sum_of(np.exp(np.minimum(eta, STEEPEST)), eta, float(eta.max()))
        shift = self.columns[0] * away[0]
        factor = np.exp(np.clip(shift, -STEEPEST, 0.4 * STEEPEST))
        if rows.link is LOG:
            return np.asarray(self.grown * factor)
        highest = self.highest + float(shift.max())
        grown = rows.to_rows(factor) * self.grown
        if highest < STEEPEST:
            return self._sum_of(grown, None, highest)
        return self._sum_of(grown, self.eta + rows.to_rows(shift), highest)

    def _sum_of(self, grown: Floats, eta: Floats | None, highest: float) -> Floats:
        """Sum over a group's rows of size A(eta), from exp(eta)."""
        rows = self.rows
        if rows.link is LOG:
            return rows.sums(rows.size[:, None] * grown)
        grown += 1.0
        together = int(min(PRODUCT, 700.0 // max(highest, 1.0)))
        if rows.bernoulli and highest < STEEPEST and together > 1:
            parts, first = _runs(rows, together)
            if len(parts) < len(rows.y):
                grown = np.multiply.reduceat(grown, parts, axis=0)
            np.log(grown, out=grown)
            if len(first) == len(parts):
                return grown
            return np.asarray(np.add.reduceat(grown, first, axis=0))
        np.log(grown, out=grown)
        if eta is not None and highest >= STEEPEST:
            grown = np.where(eta > STEEPEST, eta, grown)
        return rows.sums(rows.size[:, None] * grown)


def _runs(rows: GroupedRows, together: int) -> tuple[Ints, Ints]:
    """First rows of runs of at most so many rows within groups, and each group's first run."""
    pieces = -(-rows.counts // together)
    first = np.concatenate([[0], np.cumsum(pieces)[:-1]])
    within = np.arange(int(pieces.sum())) - np.repeat(first, pieces)
    return np.repeat(rows.starts, pieces) + together * within, first


def _moments(
    node: Floats, share: Floats, v: Floats, lower: Floats, factor: Floats
) -> GroupMoments:
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
                third[a, c, e] -= (
                    first[a] * second[c, e] + first[c] * second[a, e] + first[e] * second[a, c]
                ) - 2.0 * first[a] * first[c] * first[e]
    # b = L v, and v is displaced by lower'^-1 x
    wide = factor.transpose(1, 2, 0)[:, :, None]  # (q, q, 1, B)
    turn = np.stack([np.stack(_stretched(lower, row)) for row in np.eye(q)], axis=1)
    turn = sum(wide[:, m, None] * turn[None, m] for m in range(q))  # (q, q, J, B)
    shape = v.shape[1:]
    mean = np.empty((q, *shape))
    for a in range(q):
        mean[a] = sum(wide[a, m] * v[m] + turn[a, m] * first[m] for m in range(q))
    if q == 1:
        t = turn[0, 0]
        return GroupMoments(mean, central * t**2, third * t**3)
    covariance = np.einsum("ac...,ce...,be...->ab...", turn, central, turn)
    third = np.einsum("au...,bv...,cw...,uvw...->abc...", turn, turn, turn, third, optimize=True)
    return GroupMoments(mean, covariance, third)
