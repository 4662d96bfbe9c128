"""Ranks of groups from joint draws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray, Floats
from partialpool.errors import ArgumentError
from partialpool.kernels.ranks import ranks
from partialpool.posterior.distributions import check_level

MOST_DRAWS, MOST_CELLS = 40_000, 3e7
"""Draws from which ranks are read, and draws times groups, at most: probabilities of ranks are then
good to 0.005, in 240 MB."""
CELLS_AT_ONCE = 2**21
"""Draws times groups that are made at once, 16 MiB: draws hold some five such arrays. Fewer spare
little memory; at 2**18 the calls take as long as the draws."""
SEED = 20261122
"""A fixed one: the same data give the same digits."""


def ranked_draws(groups: int) -> int:
    """How many draws ranks of so many groups are read from."""
    return int(np.clip(MOST_CELLS / groups, 1000, MOST_DRAWS))


def rank_table(
    draw: Callable[[int], Floats], draws: int, labels: AnyArray, top: int, level: float
) -> Table:
    """Summaries of the rank of each group, rank 1 being the lowest value of a draw.

    Draws are made and ranked some at a time, and only their ranks are kept.

    Parameters
    ----------
    draw : callable
        Maps a number n to as many independent draws of every group's parameter, (n, J).
    draws : int
        Number of draws S.
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
    rank = np.empty((draws, groups), dtype=np.min_scalar_type(groups))
    step = max(1, CELLS_AT_ONCE // groups)
    for i in range(0, draws, step):
        ranks(draw(min(step, draws - i)), rank[i : i + step])
    columns = {name: np.empty(groups) for name in ("expected_rank", "best", "top")}
    tails = np.array([0.5 - level / 2, 0.5, 0.5 + level / 2])
    at = np.ceil(tails * draws - 1e-9).astype(np.intp).clip(1) - 1  # the lowest of enough ranks
    quantile = np.empty((3, groups), dtype=np.intp)
    step = max(1, CELLS_AT_ONCE // draws)
    for i in range(0, groups, step):
        part = slice(i, i + step)
        sorted_ranks = np.sort(np.ascontiguousarray(rank[:, part].T), axis=1)
        columns["expected_rank"][part] = sorted_ranks.mean(axis=1)
        columns["best"][part] = (sorted_ranks == 1).mean(axis=1)
        columns["top"][part] = (sorted_ranks <= top).mean(axis=1)
        quantile[:, part] = sorted_ranks[:, at].T
    lower, median, upper = quantile
    return Table(
        group=labels,
        expected_rank=columns["expected_rank"],
        lower=lower,
        median=median,
        upper=upper,
        best=columns["best"],
        top=columns["top"],
    )
