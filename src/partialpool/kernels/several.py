"""Counts with several grouping factors: the largest by quadrature, the rest by Laplace.

    eta = base + Z_1 Lambda_1 v + [Z_2 Lambda_2, ..., X] r,   r = (v of the others, beta)

Given r the groups of the largest factor are independent and are integrated out one by one. What
is left, a function of r, is taken as normal about its highest point, with the curvature of the
joint log density.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import linalg, sparse

from partialpool._typing import Floats, Ints
from partialpool.kernels import grouped, small
from partialpool.kernels.grouped import CountSums

ROUNDS = 60
ENOUGH = 1e-12
"""The search ends where the log density can rise by less."""
SETTLED = 1e-3
"""Below such a rise the curvature is not computed again, until the end."""
NEGLIGIBLE = 1e-8
"""Share of the variances that is added to them where Lambda is inverted."""
LONGEST = 5.0
"""A step changes the linear predictor of no row by more."""


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """Rows in the order of the largest factor's groups.

    Parameters
    ----------
    rows : CountSums
        With x (N, p) dense.
    index : tuple of ndarray of int, shape (N,)
    z : tuple of ndarray, shape (N, q)
        Groups and columns of the other levels.
    sizes : tuple of int
        Groups of the other levels.
    """

    rows: CountSums
    index: tuple[Ints, ...]
    z: tuple[Floats, ...]
    sizes: tuple[int, ...]

    @property
    def columns(self) -> int:
        """Length of r less that of beta."""
        return sum(n * z.shape[1] for n, z in zip(self.sizes, self.z, strict=True))

    def same_effects(self, r: Floats, before: Sequence[Floats], now: Sequence[Floats]) -> Floats:
        """Values of r with about the effects that they have with Lambda as `before`."""
        parts, begin = [], 0
        for z, groups, old, new in zip(self.z, self.sizes, before, now, strict=True):
            q = z.shape[1]
            v = r[begin : begin + groups * q].reshape(groups, q)
            most = max(float((old**2).sum()), float((new**2).sum()), 1e-280)
            ridge = NEGLIGIBLE * most * np.eye(q)
            parts.append((v @ old.T @ np.linalg.solve(new.T @ new + ridge, new.T).T).ravel())
            begin += groups * q
        return np.concatenate([*parts, r[begin:]])

    def at(self, factors: Sequence[Floats]) -> CountSums:
        """The rows with the columns of r, given Lambda of the other levels, (q, q) each."""
        size = len(self.rows.y)
        places, values, begin = [], [], 0
        for index, z, factor, groups in zip(self.index, self.z, factors, self.sizes, strict=True):
            q = z.shape[1]
            places.append(begin + index[:, None] * q + np.arange(q))
            values.append(z @ factor)
            begin += groups * q
        p = self.rows.x.shape[1]
        places.append(np.broadcast_to(begin + np.arange(p), (size, p)))
        values.append(self.rows.x)
        place, value = np.concatenate(places, axis=1), np.concatenate(values, axis=1)
        starts = np.arange(0, place.size + 1, place.shape[1])
        x = sparse.csr_array((value.ravel(), place.ravel(), starts), shape=(size, begin + p))
        return replace(self.rows, x=x)


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """The highest point of the log density of r, n + p long, and its surroundings.

    Parameters
    ----------
    rows : CountSums
        With the columns of r.
    at : ndarray, shape (n + p,)
    value : float
        Log density there, the groups of the largest factor integrated out.
    lower : ndarray, shape (n + p, n + p)
        Cholesky factor of minus its second derivatives.
    slope : ndarray, shape (q, L, n + p)
        Change of the mode of each group's v with r.
    """

    rows: CountSums
    at: Floats
    value: float
    lower: Floats
    slope: Floats


def highest(rows: CountSums, factor: Floats, prior: Floats, begin: Floats, points: int) -> Around:
    """Find the highest point over r.

    Parameters
    ----------
    rows : CountSums
        With the columns of r.
    factor : ndarray, shape (q, q)
        Lambda of the largest factor.
    prior : ndarray, shape (n + p + 1, n + p + 1)
        Precision of ``[r -1]``.
    begin : ndarray, shape (n + p,)
    points : int
        Nodes of the quadrature rule.
    """
    r, best = begin, -np.inf
    step, lower, slope, rise = np.zeros_like(r), np.empty(0), np.empty(0), np.inf
    v = None
    for _ in range(ROUNDS):
        found = grouped.expected(rows, r[None], factor[None], points, v)
        log_root = float(found.log_root[0]) if points == 1 else 0.0  # Laplace: of all together
        value = float(found.log_marginal[0]) + log_root - 0.5 * _quadratic(prior, r)
        if not value >= best - 1e-9 * abs(best):
            step = 0.5 * step
            r, v = r - step, None
            continue
        best = max(value, best)
        gradient = rows.x.T @ found.residual[0] + prior[:-1, -1] - prior[:-1, :-1] @ r
        try:
            if rise > SETTLED:
                lower, slope = _curvature(rows, factor, prior, r, found.v)
            step = linalg.cho_solve((lower, True), gradient)
            rise = 0.5 * float(gradient @ step)
            if rise < ENOUGH:
                lower, slope = _curvature(rows, factor, prior, r, found.v)
                break
        except linalg.LinAlgError:  # far out, where no weight is left
            return _nowhere(rows, len(r), len(factor))
        farthest = float(np.abs(rows.x @ step).max(initial=0.0))
        step = step * min(1.0, LONGEST / max(farthest, 1e-300))
        r, v = r + step, found.v + (slope @ step)[:, None]
    if not lower.size:  # no value was a number
        return _nowhere(rows, len(r), len(factor))
    return Around(rows, r, value - log_root, lower, slope)


def _nowhere(rows: CountSums, size: int, q: int) -> Around:
    """Where there is no density."""
    slope = np.zeros((q, len(rows.starts), size))
    return Around(rows, np.zeros(size), -np.inf, np.eye(size), slope)


def _quadratic(prior: Floats, r: Floats) -> float:
    one = np.append(r, -1.0)
    return float(one @ prior @ one)


def _curvature(
    rows: CountSums, factor: Floats, prior: Floats, r: Floats, v: Floats
) -> tuple[Floats, Floats]:
    """Cholesky factor of the curvature of r, the groups' modes adapted, and how these follow."""
    weight, z, lower = grouped.weights(rows, r, factor, v)
    wide = rows.x.multiply(weight[:, None]).tocsr()
    curved = (rows.x.T @ wide).toarray() + prior[:-1, :-1]
    groups, q, size = len(rows.starts), len(z), curved.shape[0]
    ends = np.append(rows.starts, len(rows.y))
    cross = np.empty((q, 1, size, groups))
    for k, column in enumerate(z):
        picks = sparse.csr_array(
            (column, np.arange(len(column)), ends), shape=(groups, len(column))
        )
        cross[k, 0] = (picks @ wide).toarray().T
    half = small.forward(lower, cross)
    for k in range(q):
        curved -= half[k, 0] @ half[k, 0].T
    slope = -small.backward(lower, half)[:, 0]  # (q, n + p, L)
    return linalg.cholesky(curved, lower=True), slope.transpose(0, 2, 1)
