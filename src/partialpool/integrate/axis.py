"""Coordinates in which a density over (lower, upper) is smooth and decays at both ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._typing import Floats

FAR = 300.0
"""Coordinates are kept within this distance of zero, so that nothing overflows."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An interval mapped to the real line: by the logarithm, or by the logit if bounded.

    Parameters
    ----------
    lower, upper : float
        The interval; `upper` may be infinite.
    """

    lower: float = 0.0
    upper: float = math.inf

    def value(self, u: Floats) -> Floats:
        """Map coordinates to values; any shape."""
        u = np.clip(u, -FAR, FAR)
        if math.isinf(self.upper):
            return np.asarray(self.lower + np.exp(u))
        return np.asarray(self.lower + (self.upper - self.lower) / (1.0 + np.exp(-u)))

    def log_slope(self, u: Floats) -> Floats:
        """Logarithm of d value / d u; any shape."""
        if math.isinf(self.upper):
            return np.asarray(u, dtype=np.float64)
        size = math.log(self.upper - self.lower)
        return np.asarray(size - np.abs(u) - 2.0 * np.log1p(np.exp(-np.abs(u))))

    def coordinate(self, x: Floats) -> Floats:
        """Map values to coordinates; infinite at and beyond the ends."""
        x = np.asarray(x, dtype=np.float64)
        with np.errstate(divide="ignore"):
            left = np.log(np.maximum(x - self.lower, 0.0))
            if math.isinf(self.upper):
                return np.asarray(left)
            return np.asarray(left - np.log(np.maximum(self.upper - x, 0.0)))


@dataclass(frozen=True, eq=False)
class Line:
    """An even grid t = k h on one axis, with u = center + scale sinh(t).

    The hyperbolic sine turns exponential tails in u into doubly exponential ones in t, for
    which the trapezoid rule converges geometrically. Source: Takahasi and Mori (1974),
    doi:10.2977/prims/1195192451.
    """

    axis: Axis
    center: float
    scale: float
    step: float
    first: int
    last: int

    @cached_property
    def t(self) -> Floats:
        """Grid positions, shape (G,)."""
        return self.step * np.arange(self.first, self.last + 1, dtype=np.float64)

    @cached_property
    def u(self) -> Floats:
        """Coordinates, shape (G,)."""
        return np.asarray(self.center + self.scale * np.sinh(self.t))

    @cached_property
    def x(self) -> Floats:
        """Values, shape (G,)."""
        return self.axis.value(self.u)

    @cached_property
    def log_slope(self) -> Floats:
        """Logarithm of dx / dt, shape (G,)."""
        return np.asarray(self.axis.log_slope(self.u) + np.log(self.scale * np.cosh(self.t)))

    def position(self, u: Floats) -> Floats:
        """Map coordinates to t; any shape."""
        return np.asarray(np.arcsinh((u - self.center) / self.scale))

    def refined(self) -> Line:
        """Return the grid with half the step over the same range."""
        return Line(
            self.axis, self.center, self.scale, self.step / 2, 2 * self.first, 2 * self.last
        )

    def cut(self, left: int, right: int) -> Line:
        """Return the part from index left up to and with index right."""
        return Line(
            self.axis, self.center, self.scale, self.step, self.first + left, self.first + right
        )
