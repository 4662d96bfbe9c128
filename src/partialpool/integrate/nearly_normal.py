"""Nodes for a density that is nearly normal, in coordinates in which it is about N(0, I).

In few dimensions the trapezoid rule on a lattice; in more, cubature, exact for a normal density
times a polynomial of low degree.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from partialpool._typing import Floats

STEP = {1: 0.7, 2: 1.1, 3: 1.4, 4: 1.4}
RADIUS = {1: 5.0, 2: 4.8, 3: 4.6, 4: 4.6}
"""Of the lattice, by dimension."""
WITHIN = {2: 3.7, 3: 3.8, 4: 4.0}
"""Points farther out, which weigh next to nothing, are not evaluated: a polynomial of this degree
through the others tells their values."""
QUARTIC = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Points and weights: the integral of f is about the sum of ``weight f``.

    Parameters
    ----------
    points : ndarray, shape (B, p)
    weight : ndarray, shape (B,)
        May be negative.
    log_excess : float
    excess : ndarray, shape (p, p)
        By how much the rule's log total and second moments of N(0, I) differ from 0 and I: what
        a density that is nearly normal is corrected by.
    degree : int or None
        Of the polynomials for which cubature is exact; None for a lattice.
    beyond : ndarray, shape (B - E, E)
        Maps the values of a smooth function at the first E points to those at the others, which
        need not be evaluated.
    """

    points: Floats
    weight: Floats
    log_excess: float
    excess: Floats
    degree: int | None
    beyond: Floats

    @property
    def evaluated(self) -> int:
        """Number E of points at which functions are evaluated."""
        return int(self.beyond.shape[1])

    def extended(self, values: Floats, axis: int = -1) -> Floats:
        """A smooth function's values at all points from those at the first, along an axis."""
        if not len(self.beyond):
            return values
        last = np.moveaxis(values, axis, -1)
        whole = np.concatenate([last, last @ self.beyond.T], axis=-1)
        return np.asarray(np.moveaxis(whole, -1, axis))

    @property
    def name(self) -> str:
        """What it is called."""
        if self.degree is None:
            return "the trapezoid rule on a lattice"
        return f"cubature of degree {self.degree}"

    @staticmethod
    def of(
        points: Floats, weight: Floats, degree: int | None, beyond: Floats | None = None
    ) -> Rule:
        """With the excess computed."""
        if beyond is None:
            beyond = np.zeros((0, len(points)))
        p = points.shape[1]
        share = weight * np.exp(-0.5 * ((points**2).sum(axis=1) + p * math.log(2.0 * math.pi)))
        total = float(share.sum())
        second = (points * share[:, None]).T @ points / total
        return Rule(points, weight, math.log(total), second - np.eye(p), degree, beyond)


@cache
def lattice(p: int) -> Rule:
    """Integer points times a step; in four dimensions those of even sum only.

    Source: Conway and Sloane (1999), doi:10.1007/978-1-4757-6568-7, for the lattice D_4.
    """
    step, radius = STEP[p], RADIUS[p]
    reach = int(radius / step)
    whole = np.array(list(itertools.product(range(-reach, reach + 1), repeat=p)))
    cell = step**p
    if p == 4:
        whole = whole[whole.sum(axis=1) % 2 == 0]
        cell *= 2.0
    points = step * whole
    square = (points**2).sum(axis=1)
    order = np.argsort(square, kind="stable")[: int((square <= radius**2).sum())]
    points, square = points[order], square[order]
    first = int((square <= WITHIN.get(p, radius) ** 2).sum())
    inside = _monomials(points[:first])
    beyond = _monomials(points[first:]) @ np.linalg.pinv(inside)
    return Rule.of(points, np.full(len(points), cell), None, beyond)


def _monomials(points: Floats) -> Floats:
    """All products of up to `QUARTIC` coordinates, scaled; (B, p) to (B, M)."""
    scaled = points / 4.0
    columns = [np.ones(len(points))]
    for degree in range(1, QUARTIC + 1):
        for chosen in itertools.combinations_with_replacement(range(points.shape[1]), degree):
            columns.append(scaled[:, chosen].prod(axis=1))
    return np.stack(columns, axis=1)


@cache
def cubature(p: int, degree: int) -> Rule:
    """Fully symmetric rules of degree 3, with 2 p points, and of degree 5, with 2 p^2 + 1.

    Source: Stroud (1971), Approximate Calculation of Multiple Integrals, the rules 3-1 and 5-2
    for the weight exp(-r^2).
    """
    if p == 0:
        return Rule.of(np.zeros((1, 0)), np.ones(1), degree)
    unit = np.eye(p)
    if degree == 3:
        points = math.sqrt(p) * np.concatenate([unit, -unit])
        share = np.full(2 * p, 0.5 / p)
    else:
        axes = math.sqrt(p + 2.0) * np.concatenate([unit, -unit])
        first, second = (unit[k] for k in np.triu_indices(p, 1))
        size = math.sqrt(0.5 * (p + 2.0))
        pairs = [size * (a * first + b * second) for a in (1.0, -1.0) for b in (1.0, -1.0)]
        points = np.concatenate([np.zeros((1, p)), axes, *pairs])
        one, two = 0.5 * (4.0 - p) / (p + 2.0) ** 2, (p + 2.0) ** -2
        share = np.repeat([2.0 / (p + 2.0), one, two], [1, 2 * p, 2 * p * (p - 1)])
    density = np.exp(-0.5 * ((points**2).sum(axis=1) + p * math.log(2.0 * math.pi)))
    return Rule.of(points, share / density, degree)
