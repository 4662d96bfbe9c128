"""A split Student t as a proposal for importance sampling.

Source: Geweke (1989), doi:10.2307/1913710.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.integrate.importance import COMPONENT_DF, Proposal
from partialpool.integrate.random_points import CLOSEST_TO_ENDS


def chi_square_quantile(p: Floats, df: float) -> Floats:
    """Quantiles of the chi-square distribution."""
    return np.asarray(2.0 * special.gammaincinv(0.5 * df, p))


def log_student(z: Floats, df: float) -> Floats:
    """Log density of the multivariate t with unit scales at z, (n, d); (n,)."""
    d = z.shape[1]
    constant = special.gammaln(0.5 * (df + d)) - special.gammaln(0.5 * df)
    constant -= 0.5 * d * math.log(df * math.pi)
    return np.asarray(constant - 0.5 * (df + d) * np.log1p((z**2).sum(axis=1) / df))


@dataclass(frozen=True, slots=True, eq=False)
class SplitT:
    """A multivariate t whose scales differ to either side of its center along each axis.

    Parameters
    ----------
    center : ndarray, shape (k,)
    axes : ndarray, shape (k, k)
        Columns: one scale along each axis.
    below, above : ndarray, shape (k,)
        Multiples of the scale to either side.
    df : float
    """

    center: Floats
    axes: Floats
    below: Floats
    above: Floats
    df: float

    def points(self, uniform: Floats) -> tuple[Floats, Floats]:
        """Points (n, k) from uniform numbers (n, k + 1), and their log densities (n,)."""
        p, chi = uniform[:, :-1], chi_square_quantile(uniform[:, -1], self.df)
        lower = self.below / (self.below + self.above)  # probability of the lower side
        side = p < lower
        with np.errstate(invalid="ignore"):
            # each side's share of the numbers is stretched over half of a t
            q = np.where(side, 0.5 * p / lower, 0.5 + 0.5 * (p - lower) / (1.0 - lower))
        q = np.clip(q, CLOSEST_TO_ENDS, 1.0 - CLOSEST_TO_ENDS)
        z = special.ndtri(q) / np.sqrt(chi / self.df)[:, None]
        u = self.center + (z * np.where(side, self.below, self.above)) @ self.axes.T
        # density of both halves: 2 / (below + above) times that of the t, so that it is continuous
        # at the centre
        size = np.linalg.slogdet(self.axes)[1] - np.log(2.0 / (self.below + self.above)).sum()
        return u, log_student(z, self.df) - size

    def log_density(self, u: Floats) -> Floats:
        """Log density at points, (n, k)."""
        x = np.linalg.solve(self.axes, (u - self.center).T).T
        z = x / np.where(x < 0, self.below, self.above)
        size = np.linalg.slogdet(self.axes)[1] - np.log(2.0 / (self.below + self.above)).sum()
        return np.asarray(log_student(z, self.df) - size)


@dataclass(frozen=True, slots=True, eq=False)
class MixedT:
    """A mixture of multivariate t's, with points from uniform numbers as of `SplitT`.

    Parameters
    ----------
    center : ndarray, shape (k,)
        A mode.
    mixture : Proposal
    """

    center: Floats
    mixture: Proposal

    def points(self, uniform: Floats) -> tuple[Floats, Floats]:
        """Points (n, k) from uniform numbers (n, k + 1), and their log densities (n,).

        The first number also says which component a point is of: what is left of it is uniform.
        """
        m = self.mixture
        ends = np.cumsum(m.share) / m.share.sum()
        which = np.minimum(np.searchsorted(ends, uniform[:, 0], side="right"), len(ends) - 1)
        # where the component's part of (0, 1) begins
        begin = np.append(0.0, ends[:-1])[which]
        rest = (uniform[:, 0] - begin) / (ends[which] - begin)
        p = np.clip(
            np.column_stack([rest, uniform[:, 1:-1]]), CLOSEST_TO_ENDS, 1.0 - CLOSEST_TO_ENDS
        )
        chi = chi_square_quantile(uniform[:, -1], COMPONENT_DF)
        z = special.ndtri(p) / np.sqrt(chi / COMPONENT_DF)[:, None]
        u = m.mean[which] + np.einsum("nij,nj->ni", m.root[which], z)
        return u, m.log_density(u)

    def log_density(self, u: Floats) -> Floats:
        """Log density at points, (n, k)."""
        return self.mixture.log_density(u)
