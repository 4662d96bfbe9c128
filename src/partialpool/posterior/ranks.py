"""Ranks of groups from joint draws."""

from __future__ import annotations

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.data import Table
from partialpool.errors import ArgumentError
from partialpool.posterior.distributions import check_level

MOST_DRAWS, CELLS = 40_000, 4e7
"""Draws from which ranks are read, and draws times groups, at most."""
SEED = 20261122


def ranked_draws(groups: int) -> int:
    """How many draws ranks of so many groups are read from."""
    return int(np.clip(CELLS / groups, 1000, MOST_DRAWS))


def rank_table(values: Floats, labels: AnyArray, top: int, level: float) -> Table:
    """Summaries of the rank of each group, rank 1 being the lowest value of a draw.

    Parameters
    ----------
    values : ndarray, shape (S, J)
        Draws of every group's parameter.
    labels : ndarray, shape (J,)
        Group labels.
    top : int
        Size of the leading set.
    level : float
        Probability of the intervals.

    Raises
    ------
    ArgumentError
        If `top` is not between 1 and J, or `level` not between 0 and 1.
    """
    groups = len(labels)
    check_level(level)
    if not 1 <= top <= groups:
        raise ArgumentError(f"top lies between 1 and the number of groups, {groups}; got {top!r}")
    rank = np.empty(values.shape, dtype=np.int32)
    np.put_along_axis(rank, values.argsort(axis=1), np.arange(1, groups + 1)[None, :], axis=1)
    tails = [0.5 - level / 2, 0.5, 0.5 + level / 2]
    lower, median, upper = np.quantile(rank, tails, axis=0, method="inverted_cdf")
    return Table(
        group=labels,
        expected_rank=rank.mean(axis=0),
        lower=lower,
        median=median,
        upper=upper,
        best=(rank == 1).mean(axis=0),
        top=(rank <= top).mean(axis=0),
    )
