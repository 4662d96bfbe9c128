"""Integration of a density that is slow to evaluate: a polynomial in place of its logarithm.

The log density is evaluated at some dozens of nodes about its highest point, a polynomial of
degree four is fitted to it there, and the polynomial is integrated. Nodes of a second grid, at
which it was not fitted, tell how far it is off: that is the error reported, with what a normal
density would hold beyond the polynomial's reach.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.integrate.ascent import Peak
from partialpool.integrate.axis import Coordinate
from partialpool.integrate.cloud import Cloud, Evaluate, integrate_cloud
from partialpool.integrate.trapezoid import Accuracy

DEGREE = 4
CARRIED_DEGREE = 3
SPACING = {1: 0.9, 2: 1.2, 3: 1.6}
"""Distance of the nodes in sds, by dimension; 1.7 in more than three."""
REACH = 4.1
"""The polynomial is used within this many sds of the highest point."""
INNER = 2.6
"""The nodes that test it lie within so many."""
FINE = 3e-3
"""Error to which the polynomial itself is integrated."""
BUDGET = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Polynomial:
    """Polynomials about a peak, in coordinates in which it is round.

    Parameters
    ----------
    axes : tuple of Coordinate
    peak : Peak
    root : ndarray, shape (d, d)
        ``z = (u - mode) root`` has unit curvature.
    powers : ndarray of int, shape (M, d)
    log_f : ndarray, shape (M,)
        Coefficients of the log density per unit of u.
    carried : ndarray, shape (M', m)
        Of what is carried along; M' terms of lower degree come first.
    """

    axes: tuple[Coordinate, ...]
    peak: Peak
    root: Floats
    powers: Ints
    log_f: Floats
    carried: Floats

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        """Log density per unit of x, and what is carried along, at values x, (G, d)."""
        u = np.stack([a.coordinate(x[:, i]) for i, a in enumerate(self.axes)], axis=1)
        z = (u - self.peak.at) @ self.root
        inside = (z**2).sum(axis=1) <= REACH**2
        z = np.where(inside[:, None], z, 0.0)
        columns = _monomials(z, self.powers)
        slope = np.sum([a.log_slope(u[:, i]) for i, a in enumerate(self.axes)], axis=0)
        log_f = np.where(inside, columns @ self.log_f - slope, -np.inf)
        return log_f, columns[:, : len(self.carried)] @ self.carried


def integrate_by_surrogate(
    evaluate: Evaluate,
    axes: Sequence[Coordinate],
    peak: Peak,
    *,
    moments: Sequence[float],
    tolerance: float,
) -> Cloud:
    """Integrate exp(log density) over the axes with few evaluations; see `integrate_cloud`.

    Parameters
    ----------
    evaluate, axes, moments, tolerance
        As for `integrate_cloud`.
    peak : Peak
        The highest, from `highest_points`.
    """
    axes = tuple(axes)
    curved, directions = np.linalg.eigh(-peak.hessian)
    root = directions * np.sqrt(np.maximum(curved, 0.01))
    d = len(axes)
    spacing = SPACING.get(d, 1.7)
    own, test = _ball(d, spacing, 0.0, REACH), _ball(d, spacing, 0.5, INNER)
    seen = [_at(evaluate, axes, peak, root, z) for z in (own, test)]
    powers = _powers(d)
    fitted = _fitted(axes, peak, root, powers, own, *seen[0])
    off = _monomials(test, powers) @ fitted.log_f - seen[1][0]
    share = np.exp(seen[1][0] - seen[1][0].max())
    error = math.sqrt(float(share @ off**2 / share.sum()))
    found = integrate_cloud(
        fitted.evaluate, axes, [peak], moments=moments, tolerance=FINE, budget=BUDGET
    )
    error = max(error, found.error) + float(special.chdtrc(d, REACH**2))
    status = Accuracy.REACHED if error <= tolerance else Accuracy.NOT_REACHED
    return replace(found, error=error, status=status)


def _ball(d: int, spacing: float, shift: float, radius: float) -> Floats:
    """Nodes of an even grid within a radius; (G, d)."""
    half = math.ceil(radius / spacing) + 1
    side = spacing * (np.arange(-half, half + 1) + shift)
    box = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1).reshape(-1, d)
    return np.asarray(box[(box**2).sum(axis=1) <= radius**2])


def _at(
    evaluate: Evaluate, axes: tuple[Coordinate, ...], peak: Peak, root: Floats, z: Floats
) -> tuple[Floats, Floats]:
    """Log density per unit of u, and what is carried along, at round coordinates z."""
    u = peak.at + z @ np.linalg.inv(root)
    x = np.stack([a.value(u[:, i]) for i, a in enumerate(axes)], axis=1)
    log_f, carried = evaluate(x)
    return log_f + np.sum([a.log_slope(u[:, i]) for i, a in enumerate(axes)], axis=0), carried


def _fitted(
    axes: tuple[Coordinate, ...],
    peak: Peak,
    root: Floats,
    powers: Ints,
    z: Floats,
    log_f: Floats,
    carried: Floats,
) -> Polynomial:
    """Least squares, the nodes near the peak counting most."""
    columns = _monomials(z, powers)
    weight = np.exp(-0.125 * (z**2).sum(axis=1))[:, None]
    main = np.linalg.lstsq(weight * columns, weight[:, 0] * log_f, rcond=None)[0]
    few = int((powers.sum(axis=1) <= CARRIED_DEGREE).sum())
    beside = np.linalg.lstsq(weight * columns[:, :few], weight * carried, rcond=None)[0]
    return Polynomial(axes, peak, root, powers, main, beside)


def _powers(d: int) -> Ints:
    """Exponents of all monomials, by rising total degree."""
    every = [p for p in itertools.product(range(DEGREE + 1), repeat=d) if sum(p) <= DEGREE]
    return np.array(sorted(every, key=sum), dtype=np.int64)


def _monomials(z: Floats, powers: Ints) -> Floats:
    raised = [z**k for k in range(DEGREE + 1)]
    columns = [np.prod([raised[k][:, i] for i, k in enumerate(p)], axis=0) for p in powers]
    return np.stack(columns, axis=1)
