"""Control limits of a funnel plot of groups against their size."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy
from scipy import special

from partialpool._typing import Floats
from partialpool.errors import ArgumentError

Outcome = Literal["mean", "proportion", "rate"]


def control_limits(
    outcome: Outcome, *, target: float, size: Floats, level: float, sigma: float = 1.0
) -> tuple[Floats, Floats]:
    """Limits between which a group of a size lies with this probability if it is as all others.

        means:        target +- z sigma / sqrt(size)
        proportions:  (r - a) / size and (r + 1 - a) / size, of R ~ binomial(size, target)
        rates:        the same of R ~ Poisson(size target)

    r is the quantile of the lower or upper end p. Counts are whole, so that their limits jump; they
    are made continuous in size by ``a = (P(R <= r) - p) / P(R = r)``. A group lies beyond them
    just where the tail from its own count on has a smaller probability than (1 - level) / 2.
    (In the source the upper limit is one event lower, so that such a tail may be more probable.)

    Parameters
    ----------
    outcome : {"mean", "proportion", "rate"}
    target : float
        Value of all groups together (units of y).
    size : array_like, shape (K,)
        Rows, trials (whole numbers) or exposure.
    level : float
        Probability between the limits, such as 0.95 or 0.998.
    sigma : float
        Of means: standard deviation of one row (units of y).

    Returns
    -------
    tuple of ndarray, shape (K,)
        Lower and upper limits (units of y).

    Notes
    -----
    Source: Spiegelhalter (2005), doi:10.1002/sim.1970, sections 2.2 and A.1.

    Examples
    --------
    >>> low, high = control_limits("proportion", target=0.1, size=[50, 500], level=0.95)
    >>> low.round(3), high.round(3)
    (array([0.014, 0.073]), array([0.2  , 0.128]))
    """
    n = np.asarray(size, dtype=np.float64)
    if not 0 < level < 1:
        raise ArgumentError(f"level lies between 0 and 1; received {level!r}")
    ends = (0.5 - level / 2, 0.5 + level / 2)
    if outcome == "mean":
        z = float(special.ndtri(ends[1]))
        return target - z * sigma / np.sqrt(n), target + z * sigma / np.sqrt(n)
    of = _events(outcome, n, target)
    scale = np.rint(n) if outcome == "proportion" else n
    lower, upper = (_smooth_quantile(of, p) for p in ends)
    most = 1.0 if outcome == "proportion" else np.inf
    return np.maximum(lower / scale, 0.0), np.minimum((upper + 1.0) / scale, most)


def tail_probability(
    outcome: Outcome, *, target: float, size: Floats, value: Floats, sigma: float = 1.0
) -> Floats:
    """Probability of a value as far to its side or farther, the smaller of both sides; shape (K,).

    Of counts exact.

    Parameters
    ----------
    outcome, target, size, sigma
        As of `control_limits`.
    value : array_like, shape (K,)
        Of the groups (units of y).
    """
    n, y = np.asarray(size, dtype=np.float64), np.asarray(value, dtype=np.float64)
    if outcome == "mean":
        return np.asarray(special.ndtr(-np.abs(y - target) * np.sqrt(n) / sigma))
    events = np.rint(y * n)
    of = _events(outcome, n, target)
    # sf is P(R > k): of k - 1, so that the value itself counts in both tails
    return np.asarray(np.minimum(of.cdf(events), of.sf(events - 1)))


def _events(outcome: Outcome, n: Floats, target: float) -> Any:
    """The distribution of the events of each group; SciPy loads its statistics only here."""
    if outcome == "proportion":
        return scipy.stats.binom(np.rint(n), target)
    return scipy.stats.poisson(n * target)


def _smooth_quantile(of: Any, p: float) -> Floats:
    """The quantile of a count, linear between the probabilities of two counts."""
    r = of.ppf(p)
    mass = of.pmf(r)
    beyond = np.divide(of.cdf(r) - p, mass, out=np.zeros_like(r), where=mass > 0)
    return np.asarray(r - beyond)
