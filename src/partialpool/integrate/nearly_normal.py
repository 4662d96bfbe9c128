"""Nodes for a density that is nearly normal, in coordinates in which it is about N(0, I).

In few dimensions the trapezoid rule on a lattice; in more, importance sampling with a normal
proposal on antithetic quasi-random points, whose own mean is 0 and covariance I.

Source: Conway and Sloane (1999), doi:10.1007/978-1-4757-6568-7, for the lattice D_p; Roberts
(2018), "The unreasonable effectiveness of quasirandom sequences", for the points.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from partialpool._typing import Floats

STEP = {1: 0.7, 2: 1.1, 3: 1.4, 4: 1.4}
RADIUS = {1: 5.0, 2: 4.8, 3: 4.6, 4: 4.6}
"""Of the lattice, by dimension."""
SAMPLED = 64
"""Points where the dimension is higher."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Points and weights: the integral of f is the sum of ``exp(log_weight) f``.

    Parameters
    ----------
    points : ndarray, shape (B, p)
    log_weight : ndarray, shape (B,)
    log_excess : float
    excess : ndarray, shape (p, p)
        By how much the rule's log total and second moments of N(0, I) differ from 0 and I: what
        a density that is nearly normal is corrected by.
    sampled : bool
        Whether the points are quasi-random.
    coarse : bool
        Whether there are just enough points for a density that is all but normal.
    """

    points: Floats
    log_weight: Floats
    log_excess: float
    excess: Floats
    sampled: bool
    coarse: bool

    @property
    def name(self) -> str:
        """What it is called."""
        if self.sampled:
            return f"importance sampling at {len(self.points)} quasi-random points"
        return "cubature" if self.coarse else "the trapezoid rule on a lattice"

    @staticmethod
    def of(
        points: Floats, log_weight: Floats, *, sampled: bool = False, coarse: bool = False
    ) -> Rule:
        """With the excess computed."""
        p = points.shape[1]
        log_f = log_weight - 0.5 * (points**2).sum(axis=1) - 0.5 * p * math.log(2.0 * math.pi)
        share = np.exp(log_f)
        total = float(share.sum())
        second = (points * share[:, None]).T @ points / total
        return Rule(points, log_weight, math.log(total), second - np.eye(p), sampled, coarse)


@cache
def normal_rule(dimension: int) -> Rule:
    """The rule for a dimension."""
    if dimension == 0:
        return Rule.of(np.zeros((1, 0)), np.zeros(1))
    return _lattice(dimension) if dimension in STEP else _sampled(dimension)


@cache
def cubature(dimension: int) -> Rule:
    """Two points along each axis: exact for a normal density times a cubic polynomial.

    Source: Stroud (1971), "Approximate Calculation of Multiple Integrals", formula E_n^r2 3-1.
    """
    if dimension == 0:
        return normal_rule(0)
    axes = math.sqrt(dimension) * np.eye(dimension)
    points = np.concatenate([axes, -axes])
    log_weight = 0.5 * dimension * (1.0 + math.log(2.0 * math.pi)) - math.log(len(points))
    return Rule.of(points, np.full(len(points), log_weight), coarse=True)


def _lattice(p: int) -> Rule:
    """Integer points times the step; in four dimensions those of even sum only."""
    step, radius = STEP[p], RADIUS[p]
    reach = int(radius / step)
    whole = np.array(list(itertools.product(range(-reach, reach + 1), repeat=p)))
    cell = p * math.log(step)
    if p == 4:
        whole = whole[whole.sum(axis=1) % 2 == 0]
        cell += math.log(2.0)
    points = step * whole
    points = points[(points**2).sum(axis=1) <= radius**2]
    return Rule.of(points, np.full(len(points), cell))


def _sampled(p: int) -> Rule:
    """Antithetic points of the R sequence, made normal, with covariance I."""
    half = max(SAMPLED // 2, 2 * p)
    ratio = 2.0
    for _ in range(40):
        ratio = (1.0 + ratio) ** (1.0 / (p + 1.0))
    steps = ratio ** -np.arange(1.0, p + 1.0)
    z = special.ndtri((0.5 + np.outer(np.arange(1.0, half + 1.0), steps)) % 1.0)
    z = z @ np.linalg.inv(np.linalg.cholesky(z.T @ z / half)).T
    points = np.concatenate([z, -z])
    log_weight = 0.5 * (points**2).sum(axis=1) + 0.5 * p * math.log(2.0 * math.pi)
    return Rule.of(points, log_weight - math.log(len(points)), sampled=True)
