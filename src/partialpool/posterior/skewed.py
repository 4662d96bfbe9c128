"""Mixtures of components that are not quite normal."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels.skewed import pair
from partialpool.posterior.distributions import Mixture

LAST_STEP = 0.03
"""Distance from a quantile of sampled components, on the normal scale, from which one more step of
Newton's method is the last: of 12,000 quantiles of random mixtures none was then off by more than
6e-4 sd, where sampling leaves some hundredths."""


@dataclass(frozen=True, slots=True, eq=False)
class Cumulants:
    """Location, scale and skewness of C components of B quantities, (C, B) each.

    `skew` is None where components are normal, or Student's t.
    """

    loc: Floats
    scale: Floats
    skew: Floats | None

    @staticmethod
    def read(loc: Floats, scale: Floats, third: Floats | None) -> Cumulants:
        """From third central moments in place of skewness."""
        scale = np.maximum(scale, 1e-100)  # a component may be a point: an sd of zero
        return Cumulants(loc, scale, None if third is None else third / scale**3)

    def part(self, at: slice) -> Cumulants:
        skew = None if self.skew is None else self.skew[:, at]
        return Cumulants(self.loc[:, at], self.scale[:, at], skew)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Skewed(Mixture):
    """Mixture of C skewed components, each a pair of normals with its first three moments.

    Parameters
    ----------
    cumulants : callable
        Maps a slice of groups to the moments of their components.
    share : ndarray, shape (C,)
        Weights of the components that sum to one.
    """

    cumulants: Callable[[slice], Cumulants]
    share: Floats
    near: ClassVar[float] = LAST_STEP

    def moved(self, added: Floats) -> Mixture:
        if not added.any():
            return self

        def cumulants(at: slice) -> Cumulants:
            of = self.cumulants(at)
            return replace(of, loc=of.loc + added[at])

        return mixed(
            self.shape, cumulants, self.share, self.df, self.shift, self.moments, skewed=True
        )


def mixed(
    shape: tuple[int, ...],
    cumulants: Callable[[slice], Cumulants],
    weight: Floats,
    df: float,
    shift: float,
    order: Floats | float,
    *,
    skewed: bool,
) -> Mixture:
    """Mixture of components with these moments; parameters as of `Mixture` and `Skewed`."""
    if not skewed:
        return Mixture(shape, lambda at: _plain(cumulants(at)), weight, df, shift, order)
    half = 0.5 * np.tile(weight, 2)
    return Skewed(
        shape, lambda at: _paired(cumulants(at)), half, df, shift, order, cumulants, weight
    )


def held(
    shape: tuple[int, ...], of: Cumulants, weight: Floats, order: Floats | float = math.inf
) -> Skewed:
    """Mixture of components whose moments are at hand: their pairs are computed once, if at all."""
    pairs = cache(lambda: _paired(of))

    def rows(at: slice) -> tuple[Floats, Floats]:
        loc, scale = pairs()
        return (loc[:, at], scale[:, at]) if shape else (loc, scale)

    half = 0.5 * np.tile(weight, 2)
    part = of.part if shape else lambda _: of
    return Skewed(shape, rows, half, math.inf, 0.0, order, part, weight)


def _plain(of: Cumulants) -> tuple[Floats, Floats]:
    return of.loc, of.scale


def _paired(of: Cumulants) -> tuple[Floats, Floats]:
    assert of.skew is not None
    apart, first, second = pair(of.skew)
    loc = np.concatenate([of.loc + apart * of.scale, of.loc - apart * of.scale])
    return loc, np.concatenate([first * of.scale, second * of.scale])
