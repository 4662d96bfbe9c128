"""Levels of groups by their own counts alone, the rest of the linear predictor given."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels.links import LOG, Link

ROUNDS = 60


def own_levels(link: Link, y: Floats, size: Floats, base: Floats, group: Ints, n: int) -> Floats:
    """The level a_j at which a group's expected events are those it had, (n,).

        sum_i size_i mean(base_i + a_j) = sum_i y_i   over the rows i of group j

    Parameters
    ----------
    link : Link
    y, size, base : ndarray, shape (N,)
        Events; trials or exposure; linear predictor without the group.
    group : ndarray of int, shape (N,)
    n : int
        Groups.

    Returns
    -------
    ndarray, shape (n,)
        On the link scale; infinite for groups without events, or with nothing but events, and nan
        without trials.
    """
    events, trials = (np.bincount(group, v, n) for v in (y, size))
    if link is LOG:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(events / np.bincount(group, size * np.exp(base), n)))
    inside = (events > 0) & (events < trials)
    center = np.divide(
        np.bincount(group, size * base, n), trials, where=trials > 0, out=np.zeros(n)
    )
    share = np.where(inside, events / np.maximum(trials, 1e-300), 0.5)
    a = link.linked(share) - center
    for _ in range(ROUNDS):
        _, mean, slope = link.cumulants(base + a[group])
        excess = events - np.bincount(group, size * mean, n)
        step = excess / np.maximum(np.bincount(group, size * slope, n), 1e-12 * (1.0 + trials))
        step = np.where(inside, np.clip(step, -2.0, 2.0), 0.0)
        a = a + step
        if not (np.abs(step) > 1e-12).any():
            break
    ends = np.where(trials == 0, np.nan, np.where(events == 0, -np.inf, np.inf))
    return np.asarray(np.where(inside, a, ends))
