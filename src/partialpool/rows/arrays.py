"""Rows of one factor in memory to statistics: measurements in two exact passes, counts in one."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.coded_rows import Usable
from partialpool.design.row_values import events, precision
from partialpool.design.rules import overflow
from partialpool.records.counts import CountStatistics
from partialpool.records.measurements import GroupStatistics
from partialpool.rows.one_way import Groups, counted, factors_of, measured


@np.errstate(over="ignore", invalid="ignore")  # seen in the result
def reduce(rows: Usable) -> GroupStatistics:
    """Reduce rows to one record a group.

    Raises
    ------
    DataError
        If squares overflow.
    """
    roles, chunk = rows.coded.roles, rows.together()
    codes, size = chunk.codes[roles.group.name], len(rows.used_by_group)
    y = chunk.numbers[roles.outcome_column.name]
    worth = {k: v.of_arrays(roles, chunk.numbers) for k, v in precision(roles).items()}
    center = float(np.average(y, weights=worth.get("w")))
    shifted = y - center
    factors = factors_of(roles)
    squares = {"s2": factors.pop("s2")}  # about each group's own mean only
    groups = _groups(rows, _sums(codes, size, factors, {"d": shifted, **worth}))
    w = groups.sums.get("w", groups.sums["used"])
    mean = groups.sums["s1"] / np.where(w > 0, w, 1.0)
    left = {"d": shifted - mean.take(codes), **worth}
    about = _sums(codes, size, {"s1": factors["s1"], **squares}, left)
    if not np.isfinite(about["s2"]).all():
        raise overflow(roles)
    present = groups.sums["used"] > 0
    with_rows, absent = groups.present(roles)
    return measured(roles, with_rows, absent, center, {k: v[present] for k, v in about.items()})


def reduce_counts(rows: Usable) -> CountStatistics:
    """Reduce rows of counts to one record a group."""
    roles, chunk = rows.coded.roles, rows.together()
    values = {k: v.of_arrays(roles, chunk.numbers) for k, v in events(roles).items()}
    codes, size = chunk.codes[roles.group.name], len(rows.used_by_group)
    groups = _groups(rows, _sums(codes, size, factors_of(roles), values))
    return counted(roles, *groups.present(roles))


def _sums(
    codes: Ints, size: int, factors: Mapping[str, Iterable[str]], values: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Sums by group of the products of some values."""
    sums = {}
    for name, each in factors.items():
        product = functools.reduce(np.multiply, (values[f] for f in each))
        sums[name] = np.bincount(codes, product, size).astype(np.float64, copy=False)
    return sums


def _groups(rows: Usable, sums: Mapping[str, Floats]) -> Groups:
    """Sums with how many rows there are."""
    used = rows.used_by_group.astype(np.float64)
    labels = rows.source.labels[rows.coded.roles.group.name]
    return Groups(labels, {"used": used, **sums}, rows.coded.n_rows)
