"""Draw worlds: a population of groups, their true parameters, and summaries of their rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.simulate.noise import uniforms

Population = Literal["normal", "heavy_tailed", "two_clusters", "outlier"]
POPULATIONS: tuple[Population, ...] = ("normal", "heavy_tailed", "two_clusters", "outlier")
OUTLIER_TAUS = 5.0
"""How many tau the outlying group lies above mu."""


@dataclass(frozen=True, slots=True)
class World:
    """The settings of a world.

    Parameters
    ----------
    n : tuple of int, length J
        Rows in each group.
    tau, sigma, mu : float
        Between-group sd, within-group sd and population mean (one unit for all).
    population : {"normal", "heavy_tailed", "two_clusters", "outlier"}
        Shape of the groups' distribution, each with sd tau: normal; Student's t with 3 degrees
        of freedom; two equally likely points; or normal but for the first group, which lies
        five tau above mu.
    """

    n: tuple[int, ...]
    tau: float
    sigma: float = 10.0
    mu: float = 70.0
    population: Population = "normal"

    def __post_init__(self) -> None:
        if len(self.n) < 2:
            raise ArgumentError(f"a world needs at least 2 groups, not {len(self.n)}")
        if any(k != int(k) or k < 1 for k in self.n):
            raise ArgumentError(f"every group needs a whole number of rows, 1 or more: {self.n}")
        if not (math.isfinite(self.tau) and self.tau >= 0):
            raise ArgumentError(f"tau must be 0 or more; received {self.tau!r}")
        if not (math.isfinite(self.sigma) and self.sigma > 0):
            raise ArgumentError(f"sigma must be positive; received {self.sigma!r}")
        if not math.isfinite(self.mu):
            raise ArgumentError(f"mu must be finite; received {self.mu!r}")
        if self.population not in POPULATIONS:
            raise ArgumentError(
                f"population is one of {', '.join(POPULATIONS)}; received {self.population!r}"
            )

    @classmethod
    def of(
        cls,
        groups: int,
        n: int | Sequence[int],
        tau: float,
        *,
        imbalance: float = 0.0,
        **rest: Any,
    ) -> World:
        """Build from a number of groups and rows a group.

        Parameters
        ----------
        groups : int
            Number of groups J.
        n : int or sequence of int
            Rows a group: one number for all, or one a group.
        tau : float
            Between-group sd.
        imbalance : float
            0 for equal sizes; 1 for sizes that range over a factor of e^2 around n,
            geometrically; their product stays about n^J.
        **rest
            sigma, mu and population.
        """
        sizes = [n] * groups if isinstance(n, int) else list(n)
        if len(sizes) != groups:
            raise ArgumentError(f"{groups} groups and {len(sizes)} sizes were given")
        if imbalance:
            spread = np.exp(imbalance * np.linspace(-1.0, 1.0, groups))
            sizes = [max(1, round(k * s)) for k, s in zip(sizes, spread, strict=True)]
        return cls(tuple(int(k) for k in sizes), float(tau), **rest)


@dataclass(frozen=True, eq=False)
class Worlds:
    """R replicates of a world of J groups.

    Parameters
    ----------
    world : World
        The settings.
    theta : ndarray, shape (R, J)
        True group parameters.
    mean : ndarray, shape (R, J)
        Observed group means.
    seed : int
        Seed of the noise.
    """

    world: World
    theta: Floats
    mean: Floats
    seed: int

    @cached_property
    def ss(self) -> Floats:
        """Observed within-group sums of squares, shape (R, J); drawn when first asked for."""
        (p,) = uniforms(self.seed, ("spread",), *self.mean.shape)
        df = self.n - 1.0
        chi2 = np.where(df > 0, 2.0 * special.gammaincinv(np.maximum(df, 1.0) / 2.0, p), 0.0)
        return np.asarray(self.world.sigma**2 * chi2)

    @property
    def n(self) -> Floats:
        """Rows in each group, shape (J,)."""
        return np.array(self.world.n, dtype=np.float64)


def worlds(world: World, *, replicates: int = 1, seed: int = 1) -> Worlds:
    """Draw replicates of a world.

        theta_j = mu + tau g(u_j),   mean_j = theta_j + sigma / sqrt(n_j) z_j,
        ss_j = sigma^2 chi2_{n_j - 1}

    The numbers u, z and chi2 come from keyed common random numbers (see `noise`): the same seed
    gives the same noise whatever mu, tau, sigma, n or the number of groups, here and in the page.

    Parameters
    ----------
    world : World
        The settings.
    replicates : int
        Number of replicates R.
    seed : int
        0 or more.

    Raises
    ------
    ArgumentError
        If a number is out of range.
    """
    n = np.array(world.n, dtype=np.float64)
    u, v = uniforms(seed, ("population", "mean"), replicates, len(n))
    theta = world.mu + world.tau * _standard(u, world.population)
    mean = theta + world.sigma / np.sqrt(n) * special.ndtri(v)
    return Worlds(world, theta, mean, seed)


def _standard(u: Floats, population: Population) -> Floats:
    """A draw with mean 0 and sd 1 from a uniform number."""
    match population:
        case "normal":
            return np.asarray(special.ndtri(u))
        case "heavy_tailed":
            return np.asarray(special.stdtrit(3.0, u) / math.sqrt(3.0))
        case "two_clusters":
            return np.where(u < 0.5, -1.0, 1.0)
        case "outlier":
            standard = np.asarray(special.ndtri(u))
            standard[:, 0] = OUTLIER_TAUS
            return standard
