"""Distributions of very many groups, interpolated between those of knots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._normal import ENDS_AND_MEDIAN
from partialpool._typing import Floats, Ints
from partialpool.kernels.knots import GROUPS_A_KNOT, Knots, knots
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.node_mixture import NodeMixture

CELLS_WITHOUT = 4e6
"""Groups times components up to which groups are computed one by one, in about a second."""
GRIDS = ((48, 12), (96, 24))
"""Knots of estimates and of weights, from coarse to fine: the finer one costs four times as much,
and is tried only where the coarse one is off."""
KNOTS_AGREE = 2e-3
"""Difference from groups computed one by one, in sds, at which no finer grid is tried."""
CHECKED_GROUPS = 16
"""Groups computed one by one, about: the extremes, and some between."""


@dataclass(frozen=True, eq=False)
class KnotsOfGroups:
    """Knots, and the groups to which their values are interpolated.

    Parameters
    ----------
    grid : Knots
    y, weight : ndarray, shape (J,)
        Estimates (less the center) and weights of the groups.
    """

    grid: Knots
    y: Floats
    weight: Floats

    @property
    def at(self) -> tuple[Floats, Floats]:
        """Estimates and weights of the knots."""
        return self.grid.y, self.grid.weight

    def values(self, at_knots: Floats) -> Floats:
        """Values, (r, k) at knots to (r, J)."""
        return self.grid.interpolated(at_knots, self.y, self.weight)

    def locations(self, at_knots: Floats) -> Floats:
        """Locations: what is interpolated is their distance from the estimate in its errors."""
        grid = self.grid
        # shrinkage in standard errors changes slowly from knot to knot, where locations themselves
        # run with y
        away = (at_knots - grid.y) * np.sqrt(grid.weight)
        return np.asarray(self.y + self.values(away) / np.sqrt(self.weight))


@dataclass(frozen=True, eq=False, repr=False)
class Interpolated(Distribution):
    """Every group's distribution from those of knots.

    Parameters
    ----------
    exact : NodeMixture
        Of all groups: for what is asked of each at a place of its own.
    at_knots : NodeMixture
    knots : KnotsOfGroups
    """

    exact: NodeMixture
    at_knots: NodeMixture
    knots: KnotsOfGroups

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.exact.shape

    @cached_property
    def mean(self) -> Floats:
        return np.asarray(self._located(self.at_knots.mean[None])[0])

    @cached_property
    def sd(self) -> Floats:
        sd = self.at_knots.sd
        if not np.isfinite(sd).all():
            return np.full(self.shape, np.inf)
        unit = np.sqrt(self.knots.grid.weight)
        # logarithms, so that cubics between knots stay positive
        log_sd = self.knots.values(np.log(sd * unit)[None])[0]
        return np.asarray(np.exp(log_sd) / np.sqrt(self.knots.weight))

    def _cdf(self, x: Floats) -> Floats:
        if not _common(x):
            return self.exact._cdf(x)
        wide = np.broadcast_to(x[:, :1], (len(x), *self.at_knots.shape))
        return np.clip(self.knots.values(self.at_knots._cdf(wide)), 0.0, 1.0)

    def _density(self, x: Floats) -> Floats:
        return self.exact._density(x)

    def _quantiles(self, p: Floats) -> Floats:
        if p.size != len(p):
            return self.exact._quantiles(p)
        return self._located(self.at_knots._quantiles(p))

    def _located(self, values: Floats) -> Floats:
        return self.knots.locations(values - self.exact.shift) + self.exact.shift


def _common(x: Floats) -> bool:
    """Whether every group is asked at the same places."""
    return x.strides[-1] == 0 or bool((x == x[:, :1]).all())


def many_groups(
    y: Floats, weight: Floats, cells: int, mixture_of: Callable[[Floats, Floats], NodeMixture]
) -> tuple[KnotsOfGroups | None, float]:
    """Knots for the tables of groups, and how far they move them in sds; None for few groups.

    Parameters
    ----------
    y, weight : ndarray, shape (J,)
    cells : int
        Components of one group.
    mixture_of : callable
        Maps estimates and weights to their mixtures.
    """
    if len(y) * cells <= CELLS_WITHOUT:
        return None, 0.0
    some = sample_of_groups(y, weight)
    of_some = mixture_of(y[some], weight[some])
    exact = of_some.quantile(ENDS_AND_MEDIAN)
    best: tuple[KnotsOfGroups | None, float] = None, 0.0
    for size in GRIDS:
        grid = knots(y, weight, *size)
        if len(grid.y) * GROUPS_A_KNOT > len(y):
            break
        here = KnotsOfGroups(grid, y[some], weight[some])
        shift = of_some.shift
        by_knots = (
            here.locations(mixture_of(grid.y, grid.weight).quantile(ENDS_AND_MEDIAN) - shift)
            + shift
        )
        error = float((np.abs(by_knots - exact) / of_some.sd).max())
        if best[0] is None or error < best[1]:
            best = KnotsOfGroups(grid, y, weight), error
        if error <= KNOTS_AGREE:
            break
    return best


def sample_of_groups(y: Floats, weight: Floats) -> Ints:
    """Groups that span the range of estimates and weights."""
    # cubics are worst at the edges of the grid
    ends = [f(v) for v in (weight, y) for f in (np.argmin, np.argmax)]
    between = np.linspace(0, len(y) - 1, CHECKED_GROUPS).astype(np.intp)
    return np.unique([*ends, *np.argsort(y)[between[::2]], *between[1::2]])
