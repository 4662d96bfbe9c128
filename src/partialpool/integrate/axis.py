"""Coordinates in which a density over (lower, upper) is smooth and decays at both ends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import special

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats

FARTHEST_COORDINATE = 300.0
"""Coordinates are kept within this distance of zero, so that nothing overflows."""


class Coordinate(Protocol):
    """A range of values mapped to the real line; see `Axis`."""

    @property
    def lower(self) -> float: ...
    @property
    def upper(self) -> float: ...
    def value(self, u: Floats) -> Floats: ...
    def log_slope(self, u: Floats) -> Floats: ...
    def coordinate(self, x: Floats) -> Floats: ...


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
        u = np.clip(u, -FARTHEST_COORDINATE, FARTHEST_COORDINATE)
        if math.isinf(self.upper):
            return np.asarray(self.lower + np.exp(u))
        return np.asarray(self.lower + (self.upper - self.lower) / (1.0 + np.exp(-u)))

    def log_slope(self, u: Floats) -> Floats:
        """Logarithm of d value / d u; any shape."""
        if math.isinf(self.upper):
            return np.asarray(u, dtype=np.float64)
        # d/du 1 / (1 + e^-u) = e^-|u| / (1 + e^-|u|)^2: even in u, and no exponential overflows
        size = math.log(self.upper - self.lower)
        return np.asarray(size - np.abs(u) - 2.0 * np.log1p(np.exp(-np.abs(u))))

    def coordinate(self, x: Floats) -> Floats:
        """Map values to coordinates; infinite at and beyond the ends."""
        x = np.asarray(x, dtype=np.float64)
        with np.errstate(divide="ignore"):
            left = np.log(np.maximum(x - self.lower, 0.0))
            if math.isinf(self.upper):
                return np.asarray(left)
            # logit of the share of the interval, as a difference of logarithms: exact near both
            # ends
            return np.asarray(left - np.log(np.maximum(self.upper - x, 0.0)))


@dataclass(frozen=True, slots=True)
class HalfLine:
    """Positive numbers, x = scale exp(u - exp(-u)): logarithmic in the tail, doubly so toward zero.

    A density that is not zero at x = 0 falls doubly exponentially in u there, where in log x it
    would have a long tail. Source: Takahasi and Mori (1974), doi:10.2977/prims/1195192451.

    Parameters
    ----------
    scale : float
        Where the behaviour changes: values well below it should hardly differ in density.
    """

    scale: float
    lower: float = 0.0
    upper: float = math.inf

    def value(self, u: Floats) -> Floats:
        # exp(-exp(6)) = 6e-176: farther left values underflow
        u = np.clip(u, -6.0, FARTHEST_COORDINATE)
        return np.asarray(self.scale * np.exp(u - np.exp(-u)))

    def log_slope(self, u: Floats) -> Floats:
        u = np.clip(u, -6.0, FARTHEST_COORDINATE)
        fall = np.exp(-u)
        # dx / du = x (1 + exp(-u))
        return np.asarray(math.log(self.scale) + u - fall + np.log1p(fall))

    def coordinate(self, x: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            v = np.log(np.asarray(x, dtype=np.float64) / self.scale)
        # u - exp(-u) = v has the solution u = v + omega(-v), omega Wright's function
        inside = np.maximum(v, -math.exp(6.0))
        return np.asarray(inside + special.wrightomega(-inside))


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval whose uniform distribution becomes the standard normal one."""

    lower: float
    upper: float

    def value(self, u: Floats) -> Floats:
        return np.asarray(self.lower + (self.upper - self.lower) * special.ndtr(u))

    def log_slope(self, u: Floats) -> Floats:
        # the Jacobian is the normal density: a flat prior on the interval becomes N(0, 1) in u
        constant = math.log(self.upper - self.lower) - 0.5 * LOG_2PI
        return np.asarray(constant - 0.5 * np.square(u))

    def coordinate(self, x: Floats) -> Floats:
        share = (np.asarray(x, dtype=np.float64) - self.lower) / (self.upper - self.lower)
        return np.asarray(special.ndtri(np.clip(share, 0.0, 1.0)))


@dataclass(frozen=True, eq=False)
class Line:
    """An even grid t = k h on one axis, with u = center + scale sinh(t).

    The hyperbolic sine turns exponential tails in u into doubly exponential ones in t, for
    which the trapezoid rule converges geometrically. Source: Takahasi and Mori (1974),
    doi:10.2977/prims/1195192451.
    """

    axis: Coordinate
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
            # every other node is one of before, at the same value: what was computed there is kept
            self.axis,
            self.center,
            self.scale,
            self.step / 2,
            2 * self.first,
            2 * self.last,
        )

    def cut(self, left: int, right: int) -> Line:
        """Return the part from index left up to and with index right."""
        return Line(
            self.axis, self.center, self.scale, self.step, self.first + left, self.first + right
        )
