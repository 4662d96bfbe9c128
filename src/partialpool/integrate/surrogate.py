"""Integration of a density that is slow to evaluate: a polynomial in place of its logarithm.

The log density is evaluated at some dozens of nodes about its highest point, a polynomial of
low degree is fitted to it there, and the polynomial is integrated. Nodes of a second grid, at
which it was not fitted, tell how far it is off: that is the error reported, with what lies beyond
the polynomial's reach.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate.ascent import Peak
from partialpool.integrate.axis import Coordinate
from partialpool.integrate.cloud import Cloud, Evaluate, integrate_cloud
from partialpool.integrate.trapezoid import Accuracy

DEGREE = {1: 6, 2: 6, 3: 5}
"""Of the polynomial of the log density, by dimension; 4 in more than three."""
CARRIED_DEGREE = 3
SPACING = {1: 0.6, 2: 1.0, 3: 1.6}
"""Distance of the nodes in sds, by dimension; 1.7 in more than three."""
REACH = 4.1
"""The polynomial is used within this many sds of the highest point; beyond, its logarithm goes on
as a straight line from there, as that of a density of the logarithm of an sd does."""
LEAST = -1.0
"""Such a line falls by so much an sd at least."""
INNER = 2.6
"""The nodes that test it lie within so many."""
SIDE, BENT = 2.5, 2.0
"""Where the fall on either side of the peak is measured, in sds, and the most by which the scale
of a side is changed."""
LOWEST = 500.0
"""A log density further below its highest is taken as that far below."""
FINE = 3e-3
"""Error to which the polynomial itself is integrated."""
BUDGET = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Polynomial:
    """Polynomials about a peak, in coordinates in which it is round.

    Parameters
    ----------
    axes : tuple of Coordinate
    round : Round
        Coordinates w of the polynomials.
    powers : ndarray of int, shape (M, d)
    log_f : ndarray, shape (M,)
        Coefficients of the log density per unit of u.
    carried : ndarray, shape (M', m)
        Of what is carried along; M' terms of lower degree come first.
    least, most : ndarray, shape (m,)
        The range of what is carried along at the nodes, which is not left.
    """

    axes: tuple[Coordinate, ...]
    round: Round
    powers: Ints
    log_f: Floats
    carried: Floats
    least: Floats
    most: Floats

    def evaluate(self, x: Floats) -> tuple[Floats, Floats]:
        """Log density per unit of x, and what is carried along, at values x, (G, d)."""
        u = np.stack([a.coordinate(x[:, i]) for i, a in enumerate(self.axes)], axis=1)
        w = self.round.inward(u)
        far = np.sqrt((w**2).sum(axis=1))
        near = w * (REACH / np.maximum(far, REACH))[:, None]
        columns = _monomials(near, self.powers)
        fall = columns @ (self.log_f * self.powers.sum(axis=1)) / REACH  # at the sphere
        slope = np.sum([a.log_slope(u[:, i]) for i, a in enumerate(self.axes)], axis=0)
        log_f = columns @ self.log_f + np.minimum(fall, LEAST) * np.maximum(far - REACH, 0.0)
        carried = columns[:, : len(self.carried)] @ self.carried
        return log_f - slope, np.clip(carried, self.least, self.most)

    def beyond(self, cloud: Cloud, moments: Sequence[float]) -> float:
        """Share of the total where the logarithm is continued along straight lines.

        Or, where that is more, a fifth of its share of the variance of a dimension that has one.
        """
        u = np.stack([a.coordinate(cloud.points[:, i]) for i, a in enumerate(self.axes)], axis=1)
        out = (self.round.inward(u) ** 2).sum(axis=1) > REACH**2
        x, weight = cloud.points, cloud.weight
        square = weight[:, None] * (x - weight @ x) ** 2
        share = square[out].sum(axis=0) / np.maximum(square.sum(axis=0), 1e-300)
        exist = np.asarray(moments) > 2.0
        return max(float(weight[out].sum()), 0.2 * float((share * exist).max(initial=0.0)))


@np.errstate(all="ignore")  # as of `integrate_cloud`
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
    d = len(axes)
    about = _rounded(evaluate, axes, peak)
    spacing = SPACING.get(d, 1.7)
    own, test = _ball(d, spacing, 0.0, REACH), _ball(d, spacing, 0.5, INNER)
    seen = [_at(evaluate, axes, about, w) for w in (own, test)]
    powers = _powers(d)
    fitted = _fitted(axes, about, powers, own, *seen[0])
    off = _monomials(test, powers) @ fitted.log_f - seen[1][0]
    share = np.exp(seen[1][0] - seen[1][0].max())
    error = math.sqrt(float(share @ off**2 / share.sum()))
    found = integrate_cloud(
        fitted.evaluate, axes, [peak], moments=moments, tolerance=FINE, budget=BUDGET
    )
    error = max(error, found.error) + fitted.beyond(found, moments)
    status = Accuracy.REACHED if error <= tolerance else Accuracy.NOT_REACHED
    return replace(found, error=error, status=status)


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """Coordinates w about a peak in which a density is about N(0, I).

        (u - mode) root = z,   z_i = even_i w_i + odd_i (sqrt(1 + w_i^2) - 1)

    Each principal axis has a scale on either side, and changes smoothly from one to the other.
    """

    peak: Peak
    root: Floats
    even: Floats
    odd: Floats

    def outward(self, w: Floats) -> Floats:
        """From w to u, (G, d) each."""
        z = self.even * w + self.odd * (np.sqrt(1.0 + w**2) - 1.0)
        return np.asarray(self.peak.at + z @ np.linalg.inv(self.root))

    def inward(self, u: Floats) -> Floats:
        """From u to w."""
        a, c = self.even, self.odd
        y = (u - self.peak.at) @ self.root + c
        square = a**2 - c**2
        return np.asarray((a * y - c * np.sqrt(y**2 + square)) / square)


def _rounded(evaluate: Evaluate, axes: tuple[Coordinate, ...], peak: Peak) -> Round:
    """Scales from how much the log density falls at some distance on either side."""
    d = len(axes)
    curved, directions = np.linalg.eigh(-peak.hessian)
    plain = Round(peak, directions * np.sqrt(np.maximum(curved, 0.01)), np.ones(d), np.zeros(d))
    there = SIDE * np.concatenate([np.eye(d), -np.eye(d)])
    fall = np.maximum(peak.value - _at(evaluate, axes, plain, there)[0], 1e-3)
    ratio = np.clip(SIDE / np.sqrt(2.0 * fall), 1.0 / BENT, BENT)
    up, down = np.split(SIDE * ratio, 2)
    bend = math.sqrt(1.0 + SIDE**2) - 1.0
    return replace(plain, even=0.5 * (up + down) / SIDE, odd=0.5 * (up - down) / bend)


def _ball(d: int, spacing: float, shift: float, radius: float) -> Floats:
    """Nodes of an even grid within a radius; (G, d)."""
    half = math.ceil(radius / spacing) + 1
    side = spacing * (np.arange(-half, half + 1) + shift)
    box = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1).reshape(-1, d)
    return np.asarray(box[(box**2).sum(axis=1) <= radius**2])


def _at(
    evaluate: Evaluate, axes: tuple[Coordinate, ...], about: Round, w: Floats
) -> tuple[Floats, Floats]:
    """Log density per unit of u, and what is carried along, at round coordinates."""
    u = about.outward(w)
    x = np.stack([a.value(u[:, i]) for i, a in enumerate(axes)], axis=1)
    log_f, carried = evaluate(x)
    log_f = np.where(np.isfinite(log_f), log_f, -np.inf)
    log_f = log_f + np.sum([a.log_slope(u[:, i]) for i, a in enumerate(axes)], axis=0)
    return np.maximum(log_f, about.peak.value - LOWEST), carried


def _fitted(
    axes: tuple[Coordinate, ...],
    about: Round,
    powers: Ints,
    w: Floats,
    log_f: Floats,
    carried: Floats,
) -> Polynomial:
    """Least squares, the nodes near the peak counting most."""
    columns = _monomials(w, powers)
    weight = np.exp(-0.125 * (w**2).sum(axis=1))[:, None]
    main = np.linalg.lstsq(weight * columns, weight[:, 0] * log_f, rcond=None)[0]
    few = int((powers.sum(axis=1) <= CARRIED_DEGREE).sum())
    some = np.isfinite(carried).all(axis=1)  # far out, what is carried need not exist
    carried, weight, columns = carried[some], weight[some], columns[some, :few]
    beside = np.linalg.lstsq(weight * columns, weight * carried, rcond=None)[0]
    return Polynomial(axes, about, powers, main, beside, carried.min(axis=0), carried.max(axis=0))


def _powers(d: int) -> Ints:
    """Exponents of all monomials, by rising total degree."""
    degree = DEGREE.get(d, 4)
    every = [p for p in itertools.product(range(degree + 1), repeat=d) if sum(p) <= degree]
    return np.array(sorted(every, key=sum), dtype=np.int64)


def _monomials(w: Floats, powers: Ints) -> Floats:
    raised = [w**k for k in range(powers.max() + 1)]
    columns = [np.prod([raised[k][:, i] for i, k in enumerate(p)], axis=0) for p in powers]
    return np.stack(columns, axis=1)
