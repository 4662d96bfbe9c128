"""An even grid bent by an analytic map: even steps in the middle, growing ones beyond."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Floats, Ints

STEP_GROWTH = 0.07
"""Rate at which steps grow beyond the middle: a normal density of sd D / 10 is resolved D away.
With 0.03 there are more nodes, with 0.15 results move by 3e-11 sd."""
MOST_EVEN_STEPS = 250
"""With more even steps they are made to grow: an even grid is the quicker one; with 100 or 1,000
nothing moves by more than 1e-12 sd."""


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Positions of an even grid x = first, first + 1, ...

        theta(x) = c + h (x + (exp(g (x - X)) - exp(-g (x + X))) / g)

    an entire function of x, so that the trapezoid rule keeps its rate.

    Parameters
    ----------
    center, step : ndarray, shape () or (K, 1)
        c and h; several where every pair has a grid of its own.
    half : float
        X, half the number of even steps; infinite if all are even.
    first, size : int
        Where x starts, and the number of nodes.
    growth : float
        g, the rate at which steps grow beyond the middle.
    """

    center: Floats
    step: Floats
    half: float
    first: int
    size: int
    growth: float = STEP_GROWTH

    @property
    def x(self) -> Floats:
        """The even grid, shape (I,)."""
        return self.first + np.arange(self.size, dtype=np.float64)

    def rows(self, at: Ints) -> Mesh:
        """The grids of some pairs, where each has its own."""
        if self.center.ndim == 0:
            return self
        return replace(self, center=self.center[at], step=self.step[at])

    def theta(self, x: Floats) -> Floats:
        """Positions; shape as x."""
        if math.isinf(self.half):
            return np.asarray(self.center + self.step * x)
        up, down = self._bends(x)
        return np.asarray(self.center + self.step * (x + (up - down) / self.growth))

    def slope(self, x: Floats) -> Floats:
        """D theta / dx; shape as x, or constant."""
        if math.isinf(self.half):
            return self.step
        up, down = self._bends(x)
        return np.asarray(self.step * (1.0 + up + down))

    def position(self, theta: Floats) -> Floats:
        """The x of positions, by Newton's method; shape as theta."""
        straight = (theta - self.center) / self.step
        if math.isinf(self.half):
            return np.asarray(straight)
        growth = self.growth
        # the inverse of the growing part alone: within a step of the solution
        beyond = np.log1p(np.maximum(np.abs(straight) - self.half, 0.0) * growth) / growth
        x = np.sign(straight) * np.minimum(np.abs(straight), self.half + beyond)
        for _ in range(60):
            # at 10 steps exp(g 10) is 2: Newton's method cannot run off the exponential
            move = np.clip((self.theta(x) - theta) / self.slope(x), -10.0, 10.0)
            x = x - move
            if np.abs(move).max(initial=0.0) < 1e-10:
                break
        return np.asarray(x)

    def _bends(self, x: Floats) -> tuple[Floats, Floats]:
        return np.exp(self.growth * (x - self.half)), np.exp(-self.growth * (x + self.half))


def even_mesh(center: Floats, step: Floats, half: int) -> Mesh:
    """Even grids from -half to half steps around each center, shapes (K,)."""
    return Mesh(center[:, None], step[:, None], math.inf, -half, 2 * half + 1)


def mesh(
    start: float,
    stop: float,
    left: float,
    right: float,
    step: float,
    growth: float = STEP_GROWTH,
) -> Mesh:
    """Nodes from left to right, at most `step` apart from start to stop.

    Where even steps would be too many, they grow outward of start and stop.
    """
    middle = np.asarray(0.5 * (start + stop))
    if right - left <= MOST_EVEN_STEPS * step:
        first = math.floor((left - float(middle)) / step)
        last = math.ceil((right - float(middle)) / step)
        return Mesh(middle, np.asarray(step), math.inf, first, last - first + 1)
    h = step / 1.2  # growth adds a sixth of a step at start and stop
    # steps at start and stop are (1 + exp(-1.8)) h = 1.17 h, less than the step asked for
    half = 0.5 * (stop - start) / h + 1.8 / growth
    # steps that grow as exp(g k) cover a distance d in log(1 + g d / h) / g of them
    before = math.log1p(max(start - left, 0.0) * growth / h) / growth
    after = math.log1p(max(right - stop, 0.0) * growth / h) / growth
    first, last = math.floor(-half - before) - 1, math.ceil(half + after) + 1
    return Mesh(middle, np.asarray(h), half, first, last - first + 1, growth)
