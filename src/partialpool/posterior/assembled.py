"""Quantities of several distributions as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.posterior.distributions import Distribution

Function = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Chosen(Distribution):
    """One quantity a row, each of one of several distributions.

    Parameters
    ----------
    shape : tuple of int
        (R,).
    parts : tuple of (Distribution, ndarray of int)
        Distributions and the rows that are theirs, every row once: of shape (K,) with K rows, or
        of shape (), the same for all of its rows.
    """

    shape: tuple[int, ...]
    parts: tuple[tuple[Distribution, Ints], ...]

    @property
    def mean(self) -> Floats:
        return self._gathered(lambda of: of.mean)

    @property
    def sd(self) -> Floats:
        return self._gathered(lambda of: of.sd)

    def _cdf(self, x: Floats) -> Floats:
        return self._each(lambda of: of._cdf, x)

    def _density(self, x: Floats) -> Floats:
        return self._each(lambda of: of._density, x)

    def _quantiles(self, p: Floats) -> Floats:
        return self._each(lambda of: of._quantiles, np.broadcast_to(p, (len(p), *self.shape)))

    def _ends(self) -> tuple[float, float]:
        return self.parts[0][0]._ends()

    def _gathered(self, summary: Callable[[Distribution], Floats]) -> Floats:
        out = np.empty(self.shape)
        for of, rows in self.parts:
            out[rows] = summary(of)
        return out

    def _each(self, which: Callable[[Distribution], Function], x: Floats) -> Floats:
        out = np.empty(x.shape)
        for of, rows in self.parts:
            here = np.ascontiguousarray(x[:, rows])
            values = which(of)(here if of.shape else here.ravel())
            out[:, rows] = values.reshape(here.shape)
        return out
