"""Functions of a group's estimate and its precision, known at knots and interpolated between.

What is computed for a group depends on its estimate and its weight only, and smoothly: for very
many groups it is computed at the knots of a grid, and sums over groups become sums over knots.
Local cubics in the inverse hyperbolic sine of the estimate, which widens the grid in the tails,
and in the logarithm of the weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints

GROUPS_AT_ONCE = 2**16
"""Groups whose 16 interpolation weights are held at once, 8 MiB."""
GROUPS_A_KNOT = 2
"""Knots are used where there are so many groups to each: with fewer, sums over knots take as long
as over groups."""


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """A grid of estimates and weights.

    Parameters
    ----------
    center, unit : float
        The grid of estimates is ``center + unit sinh(even)``.
    even : ndarray, shape (m,)
    log_weight : ndarray, shape (n,)
        Logarithms of weights: the distinct ones, or an even grid.
    distinct : bool
        Whether these are the distinct ones, between which nothing is interpolated.
    """

    center: float
    unit: float
    even: Floats
    log_weight: Floats
    distinct: bool

    @property
    def y(self) -> Floats:
        """Estimates of all knots, (m n,)."""
        return np.repeat(self.center + self.unit * np.sinh(self.even), len(self.log_weight))

    @property
    def weight(self) -> Floats:
        """Weights of all knots, (m n,)."""
        return np.tile(np.exp(self.log_weight), len(self.even))

    def counts(self, y: Floats, weight: Floats) -> Floats:
        """How many groups each knot stands for in sums, (m n,); some stand for less than none."""
        size = len(self.even) * len(self.log_weight)
        out = np.zeros(size)
        for _, at, share in self._stencils(y, weight):
            out += np.bincount(at.ravel(), share.ravel(), minlength=size)
        return out

    def interpolated(self, values: Floats, y: Floats, weight: Floats) -> Floats:
        """Values of functions at groups from those at knots, (r, m n) to (r, J)."""
        columns = np.ascontiguousarray(values.T)
        out = np.empty((len(values), len(y)))
        for part, at, share in self._stencils(y, weight):
            out[:, part] = np.einsum("js,jsr->rj", share, columns[at])
        return out

    def _stencils(self, y: Floats, weight: Floats) -> Iterator[tuple[slice, Ints, Floats]]:
        """Knots about groups and their shares, (B, 4 or 16) each."""
        n = len(self.log_weight)
        for i in range(0, len(y), GROUPS_AT_ONCE):
            part = slice(i, i + GROUPS_AT_ONCE)
            even = np.arcsinh((y[part] - self.center) / self.unit)
            first, share_of_y = cubic_weights(even, self.even)
            row = first[:, None] + np.arange(4)
            log_weight = np.log(weight[part])
            if self.distinct:
                # equal weights may differ by rounding
                column = np.searchsorted(self.log_weight, log_weight - 1e-9)
                yield part, row * n + column[:, None], share_of_y
                continue
            left, share_of_weight = cubic_weights(log_weight, self.log_weight)
            at = row[:, :, None] * n + (left[:, None] + np.arange(4))[:, None]
            share = share_of_y[:, :, None] * share_of_weight[:, None]
            yield part, at.reshape(len(at), 16), share.reshape(len(at), 16)


def cubic_weights(x: Floats, grid: Floats) -> tuple[Ints, Floats]:
    """First of four even knots about each x, and weights of the cubic there; (B,), (B, 4)."""
    step = grid[1] - grid[0]
    # the knot before x is the second of the four, but at the ends of the grid
    first = np.clip(((x - grid[0]) / step).astype(np.intp) - 1, 0, len(grid) - 4)
    t = (x - grid[0]) / step - first
    a, b, c = t - 1.0, t - 2.0, t - 3.0
    # Lagrange's polynomials at 0, 1, 2, 3: they sum to one, so that no group is lost
    return first, np.stack([-a * b * c / 6, t * b * c / 2, -t * a * c / 2, t * a * b / 6], axis=1)


def knots(y: Floats, weight: Floats, n_y: int, n_weight: int) -> Knots:
    """Lay a grid over groups.

    Parameters
    ----------
    y, weight : ndarray, shape (J,)
    n_y, n_weight : int
        Knots of estimates and of weights, four or more; of fewer distinct weights each is one.
    """
    center = float(np.median(y))
    # about one sd, which outliers do not move; of equal estimates a typical standard error
    unit = float(np.quantile(np.abs(y - center), 0.68)) or float(weight.mean() ** -0.5)
    ends = np.arcsinh((np.array([y.min(), y.max()]) - center) / unit)
    # a grid of no length would divide by zero
    even = np.linspace(ends[0], max(ends[1], ends[0] + 1e-3), n_y)
    log_weight = np.unique(np.log(weight))
    near = np.concatenate([[True], np.diff(log_weight) > 1e-8])
    log_weight = log_weight[near]
    distinct = len(log_weight) <= n_weight
    if not distinct:
        log_weight = np.linspace(log_weight[0], log_weight[-1], n_weight)
    return Knots(center, unit, even, log_weight, distinct)
