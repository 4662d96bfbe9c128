"""Quantiles of distributions of counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from partialpool._typing import Floats, Ints

HALVINGS = 1100
"""As many halvings bring the largest floating-point number below one."""


def smallest_count(below: Callable[[Floats], Floats], high: Floats, p: Floats | float) -> Floats:
    """Smallest counts at which distribution functions reach p, by bisection.

    Parameters
    ----------
    below : callable
        P(count <= k) at whole numbers k, 0 or more; shape of `high`.
    high : ndarray
        Counts at which the distribution functions are taken to have reached p.
    p : ndarray or float
        Probabilities.

    Notes
    -----
    From 2^53 on floating-point numbers are not whole numbers one apart; the bisection ends at
    neighbours.
    """
    low, high = np.full(high.shape, -1.0), high.copy()
    for _ in range(HALVINGS):
        middle = np.floor(low + 0.5 * (high - low))
        between = (middle > low) & (middle < high)
        if not between.any():
            break
        enough = below(np.maximum(middle, 0.0)) >= p
        low = np.where(between & ~enough, middle, low)
        high = np.where(between & enough, middle, high)
    return high


def smallest_count_near(
    below: Callable[[Floats, Ints], Floats], near: Floats, high: Floats, p: float
) -> Floats:
    """The same from rough guesses: steps from these grow threefold until they hold the count.

    Parameters
    ----------
    below : callable
        P(count <= k) of some rows, k and their positions given.
    near : ndarray
        Guesses.
    high, p
        As of `smallest_count`.
    """
    low, high, step = np.full(high.shape, -1.0), high.copy(), np.ones(high.shape)
    probe = np.clip(near, 0.0, np.maximum(high - 1.0, 0.0))
    for _ in range(HALVINGS):
        middle = np.floor(low + 0.5 * (high - low))
        at = np.flatnonzero((middle > low) & (middle < high))
        if not len(at):
            break
        enough = below(probe[at], at) >= p
        yes, no = at[enough], at[~enough]
        high[yes], low[no] = probe[yes], probe[no]
        middle = np.floor(low + 0.5 * (high - low))
        probe[yes] = np.maximum(middle[yes], high[yes] - step[yes])
        probe[no] = np.minimum(middle[no], low[no] + step[no])
        step[at] *= 3.0
    return high
