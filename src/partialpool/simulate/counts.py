"""Worlds of counts whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.formula import CountFamily
from partialpool.formula.families import PROPORTIONS
from partialpool.kernels.discrete import smallest_count
from partialpool.kernels.families import LOG, LOGIT
from partialpool.models.population_text import CONJUGATE, CountPopulation
from partialpool.simulate.noise import uniforms


@dataclass(frozen=True, slots=True)
class CountWorld:
    """The settings of a world of counts.

        link(p_j or rate_j) ~ N(mu, tau^2),   y_j ~ Binomial(size_j, p_j) or Poisson(size_j rate_j)

    or, of a beta or gamma population, p_j ~ Beta(m f, (1 - m) f) and rate_j ~ Gamma(f, f / m) with
    m at mu and f = 1 / tau^2.

    Parameters
    ----------
    size : tuple of float, length J
        Trials, or exposure, of each group.
    tau, mu : float
        Spread between groups, and the population's middle (link scale).
    family : {"binomial", "poisson"}
        How events are distributed.
    population : {"normal", "beta", "gamma"}
        Distribution of the groups: normal on the link scale, beta of probabilities, or gamma of
        rates.
    """

    size: tuple[float, ...]
    tau: float
    mu: float = -1.0
    family: CountFamily = "binomial"
    population: CountPopulation = "normal"

    def __post_init__(self) -> None:
        if len(self.size) < 2:
            raise ArgumentError(f"a world needs at least 2 groups, not {len(self.size)}")
        if self.family not in CONJUGATE:
            raise ArgumentError(
                f"family is one of {', '.join(CONJUGATE)}; received {self.family!r}"
            )
        populations = "normal", CONJUGATE[self.family]
        if self.population not in populations:
            raise ArgumentError(
                f"population of {self.family} counts is {' or '.join(populations)}; "
                f"received {self.population!r}"
            )
        whole = self.family not in PROPORTIONS or all(k == int(k) for k in self.size)
        if not all(math.isfinite(k) and k >= 0 for k in self.size) or not whole:
            raise ArgumentError(
                f"sizes must be finite and 0 or more, and trials whole numbers: {self.size}"
            )
        if not (math.isfinite(self.tau) and self.tau >= 0):
            raise ArgumentError(f"tau must be 0 or more; received {self.tau!r}")
        if not math.isfinite(self.mu):
            raise ArgumentError(f"mu must be finite; received {self.mu!r}")

    @classmethod
    def of(cls, groups: int, size: float | Sequence[float], tau: float, **rest: Any) -> CountWorld:
        """Build from a number of groups, and one size for all or one for each."""
        sizes = [size] * groups if isinstance(size, int | float) else list(size)
        if len(sizes) != groups:
            raise ArgumentError(f"{groups} groups and {len(sizes)} sizes were given")
        return cls(tuple(float(k) for k in sizes), float(tau), **rest)


@dataclass(frozen=True, slots=True, eq=False)
class CountWorlds:
    """R replicates of a world of J groups.

    Parameters
    ----------
    world : CountWorld
        The settings.
    value : ndarray, shape (R, J)
        True probabilities or rates.
    y : ndarray, shape (R, J)
        Observed events.
    """

    world: CountWorld
    value: Floats
    y: Floats

    def table(self, replicate: int = 0) -> Table:
        """One replicate as data to fit: group, events, size, and the true value."""
        world = self.world
        return Table(
            group=np.arange(1, len(world.size) + 1),
            events=self.y[replicate],
            size=np.array(world.size),
            truth=self.value[replicate],
        )

    @property
    def formula(self) -> str:
        """The formula that fits `table`."""
        word = "trials" if self.world.family in PROPORTIONS else "exposure"
        return f"events | {word}(size) ~ 1 + (1 | group)"


def count_worlds(world: CountWorld, *, replicates: int = 1, seed: int = 1) -> CountWorlds:
    """Draw replicates of a world of counts.

    The noise is that of common random numbers, as in `worlds`: the same seed gives the same
    noise whatever the settings, so that what differs between two worlds is due to these.

    Parameters
    ----------
    world : CountWorld
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
    p, u = uniforms(seed, ("population", "mean"), replicates, len(world.size))
    size = np.broadcast_to(np.array(world.size), p.shape)
    value = _values(world, p)
    most = size if world.family in PROPORTIONS else None
    return CountWorlds(world, value, _events(u, size * value, value, most))


def _values(world: CountWorld, u: Floats) -> Floats:
    """True probabilities or rates from uniform numbers."""
    link = LOGIT if world.family in PROPORTIONS else LOG
    if world.tau == 0 or world.population == "normal":
        return link.natural(world.mu + world.tau * special.ndtri(u))
    f, m = world.tau**-2, float(link.natural(np.asarray(world.mu)))
    if world.population == "beta":
        return np.asarray(special.betaincinv(m * f, (1.0 - m) * f, u))
    return np.asarray(special.gammaincinv(f, u) * m / f)


def _events(u: Floats, mean: Floats, value: Floats, trials: Floats | None) -> Floats:
    """Smallest counts whose distribution function reaches u, by bisection."""
    if trials is None:
        high = np.ceil(mean + 12.0 * np.sqrt(mean) + 60.0)
        return smallest_count(lambda count: special.pdtr(count, mean), high, u)

    def below(count: Floats) -> Floats:
        inside = np.maximum(trials - count, 1.0)
        share = special.betainc(inside, count + 1.0, 1.0 - value)
        return np.where(count >= trials, 1.0, share)

    return smallest_count(below, trials, u)
