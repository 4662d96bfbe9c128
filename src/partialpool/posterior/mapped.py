"""Distributions of a monotone function of another, and of some groups of many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.integrate import Coordinate
from partialpool.posterior.distributions import Distribution, Moments


@dataclass(frozen=True, eq=False, repr=False)
class Mapped(Distribution):
    """A monotone function of a quantity whose distribution is known.

    A probability from its logit, a standard deviation from the coordinate in which its density is
    smooth, a shrinkage from tau / sigma.

    Parameters
    ----------
    inner : Distribution
        Of the coordinate: of the same shape, or one for all.
    axis : Coordinate
        The function, its slope and its inverse; of each quantity, where it has a shape.
    moments : tuple of ndarray, or callable
        Mean and sd of the values, each of the shape of the distribution; or what computes them.
    shape : tuple of int
    rising : bool
        False if the function falls.
    """

    inner: Distribution
    axis: Coordinate
    moments: Moments | Callable[[], Moments]
    shape: tuple[int, ...]
    rising: bool = True

    @property
    def mean(self) -> Floats:
        return np.asarray(self._moments[0])

    @property
    def sd(self) -> Floats:
        return np.asarray(self._moments[1])

    @cached_property
    def _moments(self) -> Moments:
        return self.moments() if callable(self.moments) else self.moments

    def _ends(self) -> tuple[float, float]:
        return (self.axis.lower, self.axis.upper)

    def _coordinates(self, x: Floats) -> tuple[Floats, Bools]:
        """Coordinates, and which values are inside of the range; others get one that is."""
        inside = np.asarray((x > self.axis.lower) & (x < self.axis.upper))
        u = self.axis.coordinate(np.where(inside, x, self.axis.value(np.ones(1))))
        if x.ndim > 1 and x.strides[-1] == 0 and (u == u[..., :1]).all():
            u = np.broadcast_to(u[..., :1], u.shape)  # one value for all groups stays one
        return u, inside

    def _cdf(self, x: Floats) -> Floats:
        u, inside = self._coordinates(x)
        below = self.inner._cdf(u) if self._alike else self.inner.cdf(u)
        return np.where(inside, below if self.rising else 1.0 - below, x >= self.axis.upper)

    def _density(self, x: Floats) -> Floats:
        u, inside = self._coordinates(x)
        density = self.inner._density(u) if self._alike else self.inner.density(u)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            values = density * np.exp(-self.axis.log_slope(u))
        return np.where(inside & (density > 0), values, 0.0)

    def _quantiles(self, p: Floats) -> Floats:
        p = p if self.rising else 1.0 - p
        return self.axis.value(self.inner._quantiles(p) if self._alike else self.inner.quantile(p))

    @property
    def _alike(self) -> bool:
        return self.inner.shape == self.shape


@dataclass(frozen=True, slots=True)
class ShareOfVariance:
    """a r^2 / (1 + a r^2) of r = tau / sigma, the ICC; or 1 / (1 + a r^2), a group's shrinkage.

    Parameters
    ----------
    factor : ndarray
        a; shape () or (J,).
    rising : bool
        True for the first.
    """

    factor: Floats
    rising: bool
    lower: float = 0.0
    upper: float = 1.0

    def value(self, r: Floats) -> Floats:
        """Map ratios to shares."""
        odds = self.factor * r * r
        return np.asarray((odds if self.rising else 1.0) / (1.0 + odds))

    def log_slope(self, r: Floats) -> Floats:
        """Logarithm of the size of d share / dr."""
        return np.asarray(np.log(2.0 * self.factor * r) - 2.0 * np.log1p(self.factor * r * r))

    def coordinate(self, x: Floats) -> Floats:
        """The ratio at which the share is x, between 0 and 1."""
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = (x / (1.0 - x) if self.rising else (1.0 - x) / x) / self.factor
        return np.asarray(np.sqrt(np.minimum(odds, 1e300)))


def share_of_variance(
    ratio: Distribution, factor: Floats, mean: Floats, sd: Floats, *, rising: bool
) -> Mapped:
    """ICC (`rising`) or shrinkage from tau / sigma; see `ShareOfVariance`."""
    axis = ShareOfVariance(factor, rising)
    return Mapped(ratio, axis, (mean, sd), np.shape(factor), rising)


@dataclass(frozen=True, eq=False, repr=False)
class Selected(Distribution):
    """The quantities of another distribution, or one of them by its position."""

    of: Distribution
    index: int | None = field(default=None, kw_only=True)

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.of.shape if self.index is None else ()

    @property
    def mean(self) -> Floats:
        return self._taken(self.of.mean)

    @property
    def sd(self) -> Floats:
        return self._taken(self.of.sd)

    def _ends(self) -> tuple[Any, Any]:
        low, high = self.of._ends()
        return low, self._taken(np.broadcast_to(high, self.of.shape))

    def _cdf(self, x: Floats) -> Floats:
        return self._taken(self.of._cdf(self._spread(x)))

    def _density(self, x: Floats) -> Floats:
        return self._taken(self.of._density(self._spread(x)))

    def _quantiles(self, p: Floats) -> Floats:
        return self._taken(self.of._quantiles(self._spread(p)))

    def _spread(self, values: Floats) -> Floats:
        """The same value for every quantity, if one is asked for."""
        if self.index is None:
            return values
        return np.broadcast_to(values[:, None], (len(values), *self.of.shape))

    def _taken(self, values: Floats) -> Floats:
        return values if self.index is None else np.asarray(values[..., self.index])
