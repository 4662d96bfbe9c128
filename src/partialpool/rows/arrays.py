"""Rows of one factor in memory to statistics: measurements in two exact passes, counts in one."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.design.labels import shown
from partialpool.design.row_values import Condition, conditions, events, filled, precision
from partialpool.design.rules import no_rows, overflow
from partialpool.formula import Roles
from partialpool.records.counts import CountStatistics
from partialpool.records.measurements import GroupStatistics
from partialpool.rows.frames import Rows
from partialpool.rows.one_way import Groups, counted, factors_of, measured


@dataclass(frozen=True, slots=True, eq=False)
class _Complete:
    """The rows that miss nothing, whose values are allowed; `total` counts all."""

    codes: Ints
    numbers: dict[str, Floats]
    labels: AnyArray
    total: int

    def sums(
        self, factors: Mapping[str, Iterable[str]], values: Mapping[str, Floats]
    ) -> dict[str, Floats]:
        """Sums by group of the products of some values."""
        return {
            name: self._sum(functools.reduce(np.multiply, (values[f] for f in each)))
            for name, each in factors.items()
        }

    def groups(self, sums: Mapping[str, Floats]) -> Groups:
        """Sums with how many rows there are."""
        return Groups(self.labels, {"used": self._sum(None), **sums}, self.total)

    def _sum(self, values: Floats | None) -> Floats:
        sums = np.bincount(self.codes, values, len(self.labels))
        return sums.astype(np.float64, copy=False)


def _complete(rows: Rows, roles: Roles) -> _Complete:
    """Leave out rows with a missing value.

    Raises
    ------
    DataError
        If no row is complete, or a value is not allowed in its role.
    """
    total = len(rows.codes)
    if total == 0:
        raise no_rows(0, roles)
    numbers = filled(roles, rows.numbers)
    keep = rows.codes >= 0
    for values in numbers.values():
        keep &= ~np.isnan(values)
    if not keep.any():
        raise no_rows(total, roles)
    for condition in conditions(roles):
        _refuse(rows, condition, keep & condition.broken(numbers))
    if keep.all():
        return _Complete(rows.codes, numbers, rows.labels, total)
    kept = {k: v[keep] for k, v in numbers.items()}
    return _Complete(rows.codes[keep], kept, rows.labels, total)


def _refuse(rows: Rows, condition: Condition, bad: Bools) -> None:
    """Raise the error that names the first rows that break a condition, if any do."""
    at = np.flatnonzero(bad)
    if len(at):
        first, name = at[:5], condition.columns[0]
        values = rows.numbers[name][first].tolist()
        groups = shown(rows.labels[rows.codes[first]])
        raise condition.rule.broken(name, values, (first + 1).tolist(), len(at), groups)


@np.errstate(over="ignore", invalid="ignore")  # seen in the result
def reduce(rows: Rows, roles: Roles) -> GroupStatistics:
    """Reduce rows to one record a group; rows with a missing value are counted and left out.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite or not allowed in its role.
    """
    complete = _complete(rows, roles)
    y = complete.numbers[roles.outcome_column.name]
    worth = {k: v.of_arrays(roles, complete.numbers) for k, v in precision(roles).items()}
    center = float(np.average(y, weights=worth.get("w")))
    shifted = y - center
    factors = factors_of(roles)
    squares = {"s2": factors.pop("s2")}  # about each group's own mean only
    groups = complete.groups(complete.sums(factors, {"d": shifted, **worth}))
    w = groups.sums.get("w", groups.sums["used"])
    mean = groups.sums["s1"] / np.where(w > 0, w, 1.0)
    left = {"d": shifted - mean[complete.codes], **worth}
    about = complete.sums({"s1": factors["s1"], **squares}, left)
    if not np.isfinite(about["s2"]).all():
        raise overflow(roles)
    present = groups.sums["used"] > 0
    kept, absent = groups.present(roles)
    return measured(roles, kept, absent, center, {k: v[present] for k, v in about.items()})


def reduce_counts(rows: Rows, roles: Roles) -> CountStatistics:
    """Reduce rows of counts to one record a group; as `reduce`."""
    complete = _complete(rows, roles)
    values = {k: v.of_arrays(roles, complete.numbers) for k, v in events(roles).items()}
    return counted(roles, *complete.groups(complete.sums(factors_of(roles), values)).present(roles))
