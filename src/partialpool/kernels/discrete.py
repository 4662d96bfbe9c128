"""Quantiles of distributions of counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from partialpool._typing import Floats

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
