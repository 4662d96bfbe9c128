"""Rows of one factor in memory to statistics: measurements in two exact passes, counts in one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.data.counts import CountStatistics, size_name
from partialpool.data.frames import Rows
from partialpool.data.labels import shown
from partialpool.data.row_values import Condition, conditions, events, filled, precision
from partialpool.data.rules import no_rows, overflow
from partialpool.data.statistics import GroupStatistics, without_rounding
from partialpool.formula import CountRoles, OneWay


@dataclass(frozen=True, slots=True, eq=False)
class _Complete:
    """The rows that miss nothing, whose values are allowed; `total` counts all."""

    codes: Ints
    numbers: dict[str, Floats]
    labels: AnyArray
    total: int

    def sums(self, values: Floats | None = None) -> Floats:
        """Sums by group; without values how many rows there are."""
        found = np.bincount(self.codes, values, len(self.labels))
        return found.astype(np.float64, copy=False)


def _complete(rows: Rows, roles: OneWay | CountRoles) -> _Complete:
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
def reduce(rows: Rows, roles: OneWay) -> GroupStatistics:
    """Reduce rows to one record a group; rows with a missing value are counted and left out.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite or not allowed in its role.
    """
    found = _complete(rows, roles)
    y, codes = found.numbers[roles.outcome.name], found.codes
    worth = {k: v.of_arrays(roles, found.numbers) for k, v in precision(roles).items()}
    weight = worth.get("w")

    def weighted(values: Floats) -> Floats:
        return values if weight is None else weight * values

    rows_in = found.sums()
    w = rows_in if weight is None else found.sums(weight)
    center = float(np.average(y, weights=weight))
    shifted = y - center
    full = rows_in > 0
    safe = np.where(full, w, 1.0)
    mean = found.sums(weighted(shifted)) / safe
    left = shifted - mean[codes]
    slip = found.sums(weighted(left)) / safe
    ss = found.sums(weighted(left) * left) - w * slip**2
    ss = without_rounding(ss, w, mean + slip, center)
    none = np.zeros(len(w))
    ss = ss + (found.sums(worth["inside"]) if "inside" in worth else none)
    if not np.isfinite(ss).all():
        raise overflow(roles)
    log_weight = found.sums(worth["lw"]) if "lw" in worth else none
    return GroupStatistics(
        factor=roles.group.name,
        outcome=roles.outcome.name,
        labels=rows.labels[full],
        n=np.rint((w if "inside" in worth else rows_in)[full]).astype(np.intp),
        weight=w[full],
        mean=(mean + slip)[full],
        ss=ss[full],
        center=center,
        log_weight=log_weight[full],
        sigma_known=roles.se is not None,
        n_rows=found.total,
        n_dropped=found.total - len(codes),
        absent=rows.labels[~full],
    )


def reduce_counts(rows: Rows, roles: CountRoles) -> CountStatistics:
    """Reduce rows of counts to one record a group; as `reduce`."""
    found = _complete(rows, roles)
    n = found.sums()
    full = n > 0
    sums = {
        k: found.sums(v.of_arrays(roles, found.numbers))[full] for k, v in events(roles).items()
    }
    return CountStatistics(
        family=roles.family,
        factor=roles.group.name,
        outcome=roles.outcome.name,
        size_name=size_name(roles),
        labels=rows.labels[full],
        n=n[full].astype(np.intp),
        y=sums["y"],
        size=sums["size"],
        square=sums["square"],
        log_constants=sums["constant"],
        n_rows=found.total,
        n_dropped=found.total - len(found.codes),
        absent=rows.labels[~full],
    )
