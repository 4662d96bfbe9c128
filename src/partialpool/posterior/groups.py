"""Distributions of many groups read from the densities of their pairs, and from draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.pairs import Densities

Read = Callable[[Densities, Ints, Floats], Floats]


@dataclass(frozen=True, eq=False, repr=False)
class OnLink(Distribution):
    """theta of every group (link scale); groups of the same pair are computed once.

    Parameters
    ----------
    densities : list of Densities
        Of all pairs.
    member : ndarray of int, shape (J,)
        The pair of each group.
    mean_value, sd_value : ndarray, shape (J,)
        Mean and sd.
    """

    densities: list[Densities]
    member: Ints
    mean_value: Floats
    sd_value: Floats

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.member.shape

    @property
    def mean(self) -> Floats:
        return self.mean_value

    @property
    def sd(self) -> Floats:
        return self.sd_value

    def _cdf(self, x: Floats) -> Floats:
        return np.clip(self._read(Densities.cdf, x), 0.0, 1.0)

    def _density(self, x: Floats) -> Floats:
        return self._read(Densities.density, x)

    def _quantiles(self, p: Floats) -> Floats:
        return self._read(Densities.quantile, np.broadcast_to(p, (len(p), *self.shape)))

    def _read(self, function: Read, values: Floats) -> Floats:
        """Apply to every group; once a pair where all groups are given the same value."""
        if values.strides[-1] == 0:
            pairs = np.unique(self.member)
            at = np.searchsorted(pairs, self.member)
            return self._apply(function, pairs, values[:, :1] + np.zeros(len(pairs)))[:, at]
        return self._apply(function, self.member, values)

    def _apply(self, function: Read, pairs: Ints, values: Floats) -> Floats:
        out = np.empty(values.shape)
        for block in self.densities:
            at = np.flatnonzero((pairs >= block.part.start) & (pairs < block.part.stop))
            if len(at):
                rows = pairs[at] - block.part.start
                for row_values, row in zip(values, out, strict=True):
                    row[at] = function(block, rows, row_values[at])
        return out


@dataclass(frozen=True, eq=False, repr=False)
class Sampled(Distribution):
    """What is known from independent draws, with their Monte Carlo error.

    Parameters
    ----------
    values : ndarray, shape (S,)
        Sorted draws.
    """

    values: Floats
    shape: tuple[int, ...] = ()

    @property
    def mean(self) -> Floats:
        return np.asarray(self.values.mean())

    @property
    def sd(self) -> Floats:
        return np.asarray(self.values.std())

    def _cdf(self, x: Floats) -> Floats:
        return np.asarray(np.searchsorted(self.values, x, side="right") / len(self.values))

    def _density(self, x: Floats) -> Floats:
        """Normal kernels a third of Silverman's width: the draws are many."""
        width = max(0.4 * float(self.sd) * len(self.values) ** -0.2, 1e-300)
        z = (np.asarray(x)[:, None] - self.values) / width
        return np.asarray(np.exp(-0.5 * z * z).mean(axis=1) / (width * np.sqrt(2.0 * np.pi)))

    def _quantiles(self, p: Floats) -> Floats:
        return np.asarray(np.quantile(self.values, p))
