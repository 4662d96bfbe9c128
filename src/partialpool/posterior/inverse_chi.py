"""Mixtures of scaled inverse-chi distributions: sigma, given the other hyperparameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.posterior.distributions import Distribution, newton


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ScaledInverseChi(Distribution):
    """sigma: mixture over nodes of scale * sqrt(df / chi2_df).

    Parameters
    ----------
    scale, weight : ndarray, shape (C,)
        Scale and weight of each component.
    df : float
        Degrees of freedom.
    moments : float
        Moments of the scales of an order below this exist.
    """

    scale: Floats
    weight: Floats
    df: float
    moments: float = math.inf
    shape: tuple[int, ...] = ()

    @property
    def mean(self) -> Floats:
        if min(self.df, self.moments) <= 1:
            return np.asarray(math.inf)
        return np.asarray((self.scale @ self.weight) * root_inverse_chi2_mean(self.df))

    @property
    def sd(self) -> Floats:
        if min(self.df, self.moments) <= 2:
            return np.asarray(math.inf)
        first = root_inverse_chi2_mean(self.df)
        within = root_inverse_chi2_variance(self.df)
        mean = self.scale @ self.weight
        spread = ((self.scale - mean) ** 2) @ self.weight
        return np.asarray(math.sqrt((self.scale**2 @ self.weight) * within + first**2 * spread))

    def _ends(self) -> tuple[float, float]:
        return (0.0, math.inf)

    def _cdf(self, x: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            # sigma <= x where chi2 >= df scale^2 / x^2
            z = 0.5 * self.df * (self.scale / np.maximum(x, 0.0)[..., None]) ** 2
        return np.asarray(special.gammaincc(0.5 * self.df, z) @ self.weight)

    def _density(self, x: Floats) -> Floats:
        half = 0.5 * self.df
        safe = np.maximum(x, np.finfo(float).tiny)[..., None]
        z = half * (self.scale / safe) ** 2
        # 2 / x is |dz / dx| / z
        log_density = math.log(2) - math.lgamma(half) + half * np.log(z) - z - np.log(safe)
        return np.where(x > 0, np.exp(log_density) @ self.weight, 0.0)

    def _quantiles(self, p: Floats) -> Floats:
        half = 0.5 * self.df
        unit = np.sqrt(half / special.gammainccinv(half, p))  # of one component
        return newton(
            lambda x: (self._cdf(x), self._density(x)),
            p,
            (self.scale @ self.weight) * unit,
            self.scale.min() * unit,
            self.scale.max() * unit,
        )


def root_inverse_chi2_variance(df: float) -> float:
    """Variance of sqrt(df / chi2_df), for df > 2."""
    if df > 1e4:  # the difference below loses digits
        return 0.5 / df + 1.875 / df**2
    return df / (df - 2.0) - root_inverse_chi2_mean(df) ** 2


def root_inverse_chi2_mean(df: float) -> float:
    """E sqrt(df / chi2_df), for df > 1."""
    if df > 1e4:
        # the ratio of gammas below loses digits; expansion in 1 / df
        return 1.0 + 0.75 / df + 0.78125 / df**2
    half = 0.5 * df
    # E chi2^(-1/2) = Gamma((df - 1) / 2) / (sqrt(2) Gamma(df / 2))
    return math.sqrt(half) * math.exp(math.lgamma(half - 0.5) - math.lgamma(half))
