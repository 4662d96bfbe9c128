"""Quantities that are exactly at one place with some probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.posterior.distributions import Distribution


@dataclass(frozen=True, eq=False, repr=False)
class WithAtom(Distribution):
    """At an atom with some probability, else of a continuous distribution.

    Parameters
    ----------
    of : Distribution, shape (J,)
        Where the quantities are not at the atom.
    atom : float
    weight : ndarray, shape (J,)
        Probabilities of the atom.
    """

    of: Distribution
    atom: float
    weight: Floats

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.of.shape

    @property
    def mean(self) -> Floats:
        return np.asarray(self.weight * self.atom + (1.0 - self.weight) * self.of.mean)

    @property
    def sd(self) -> Floats:
        spread = self.of.sd**2 + self.weight * (self.of.mean - self.atom) ** 2
        return np.asarray(np.sqrt((1.0 - self.weight) * spread))

    def _cdf(self, x: Floats) -> Floats:
        below = self.of._cdf(x)
        return np.asarray((1.0 - self.weight) * below + self.weight * (x >= self.atom))

    def _density(self, x: Floats) -> Floats:
        """Density of the continuous part: the atom has none."""
        return np.asarray((1.0 - self.weight) * self.of._density(x))

    def _quantiles(self, p: Floats) -> Floats:
        wide = np.broadcast_to(p, (len(p), *self.shape))
        spread = np.maximum(1.0 - self.weight, 1e-300)
        below = spread * self.of.cdf(self.atom)
        left, right = wide < below, wide > below + self.weight
        inside = np.where(right, wide - self.weight, wide) / spread
        values = self.of._quantiles(np.clip(inside, 1e-12, 1.0 - 1e-12))
        return np.where(left | right, values, self.atom)
