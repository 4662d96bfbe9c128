"""Whether groups of measurements are equally noisy, cheap enough for every fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.kernels.noise import bartlett, noise_by_group
from partialpool.posterior.ranks import SEED
from partialpool.records import GroupStatistics

SCREEN_LEVEL = 0.05
"""By Bartlett's chi-square, which is rough for few rows, p-values above this are not made exact."""
DRAWS, CELLS = 999, 2**21
"""Draws behind an exact p-value, at most, and groups times draws."""
LEAST_SPREAD = 0.2
"""Standard deviation of log sigma_j, by moments, below which nothing is said: two thirds of groups
are then within 0.8 to 1.2 times the usual sigma, and tails of rows alone do as much (radon)."""
MOST_GROUPS = 20_000
"""Of more groups so many, evenly spread, are looked at."""


@dataclass(frozen=True, slots=True)
class NoiseCheck:
    """Groups that differ in noise.

    Parameters
    ----------
    p, trend : float
        P-value of equal noise, and of noise that does not go with the mean.
    sd_log_sigma : float
        By moments, the standard deviation of log sigma_j.
    """

    p: float
    trend: float
    sd_log_sigma: float


def noise_check(s: GroupStatistics, level: float) -> NoiseCheck | None:
    """Hold groups' variances against equal ones; None where p is above the level or unknown.

    There is no check where a group's rows are all equal, as a sigma of its own could not be
    learned, or of values that are 0 or 1, whose variance follows from the mean.
    """
    several = np.flatnonzero(s.n > 1)
    if s.sigma_known or len(several) < 3 or (s.ss[several] <= 0.0).any() or _zero_or_one(s):
        return None
    if len(several) > MOST_GROUPS:
        several = several[np.linspace(0, len(several) - 1, MOST_GROUPS).astype(np.intp)]
    ss, df = s.ss[several], s.n[several].astype(np.float64) - 1.0
    statistic = bartlett(ss, df)
    if special.chdtrc(len(df) - 1.0, statistic) > SCREEN_LEVEL:
        return None
    draws = int(np.clip(CELLS // len(df), 99, DRAWS))
    size, trend = noise_by_group(ss, df, s.mean[several], draws, np.random.default_rng(SEED))
    spread = _sd_log_sigma(ss, df)
    if size.p > level or spread < LEAST_SPREAD:
        return None
    return NoiseCheck(size.p, trend.p, spread)


def _sd_log_sigma(ss: Floats, df: Floats) -> float:
    """Variance of half log variances, less what their sampling makes of it."""
    half = 0.5 * (np.log(ss / df) - special.digamma(0.5 * df) + np.log(0.5 * df))
    noise = 0.25 * special.polygamma(1, 0.5 * df)
    return math.sqrt(max(float(half.var(ddof=1) - noise.mean()), 0.0))


def _zero_or_one(s: GroupStatistics) -> bool:
    """Whether all values are 0 or 1: then the sum of y (1 - y) is zero in every group."""
    off = s.n * s.raw * (1.0 - s.raw) - s.ss
    return bool(np.abs(off).max() <= 1e-9 * float(s.ss.max()))
