"""Rows in memory to statistics, in two exact passes over the arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.data.frames import Rows
from partialpool.data.labels import shown
from partialpool.data.rules import LARGEST, RULES, no_rows, overflow
from partialpool.data.statistics import GroupStatistics, without_rounding
from partialpool.formula import Roles


@np.errstate(over="ignore", invalid="ignore")  # seen in the result
def reduce(rows: Rows, roles: Roles) -> GroupStatistics:
    """Reduce rows to one record a group; rows with a missing value are counted and left out.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite or not allowed in its role.
    """
    total = len(rows.codes)
    column = _fill_unused_sd(rows.numbers, roles)
    if total == 0:
        raise no_rows(0, roles)
    keep = rows.codes >= 0
    for values in column.values():
        keep &= ~np.isnan(values)
    if not keep.any():
        raise no_rows(total, roles)
    _check(rows, column, roles, keep)
    codes = rows.codes if keep.all() else rows.codes[keep]
    column = {k: v if keep.all() else v[keep] for k, v in column.items()}
    size = len(rows.labels)
    y = column[roles.outcome_column.name]
    count, weight, inside, log_w = precision(column, roles)

    n = np.bincount(codes, count, size)
    w = n if weight is None else np.bincount(codes, weight, size)
    center = float(np.average(y, weights=weight))
    shifted = y - center
    full = n > 0
    safe = np.where(full, w, 1.0)
    mean = np.bincount(codes, shifted if weight is None else weight * shifted, size) / safe
    rest = shifted - mean[codes]
    slip = np.bincount(codes, rest if weight is None else weight * rest, size) / safe
    square = rest * rest if weight is None else weight * rest * rest
    ss = np.bincount(codes, square, size) - w * slip**2
    ss = without_rounding(ss, w, mean + slip, center)
    if inside is not None:
        ss = ss + np.bincount(codes, inside, size)
    if not np.isfinite(ss).all():
        raise overflow(roles)
    return GroupStatistics(
        factor=roles.group.name,
        outcome=roles.outcome_column.name,
        labels=rows.labels[full],
        n=np.rint(n[full]).astype(np.intp),
        weight=w[full].astype(np.float64),
        mean=(mean + slip)[full],
        ss=ss[full],
        center=center,
        log_weight=_sums(codes, log_w, size)[full],
        sigma_known=roles.se is not None,
        n_rows=total,
        n_dropped=total - int(keep.sum()),
        absent=rows.labels[~full],
    )


def _sums(codes: Ints, values: Floats | None, size: int) -> Floats:
    """Sum values by group; zeros where there are none."""
    if values is None:
        return np.zeros(size)
    return np.bincount(codes, values, size).astype(np.float64, copy=False)


def _fill_unused_sd(column: dict[str, Floats], roles: Roles) -> dict[str, Floats]:
    """The sd of a group of one row says nothing; a missing one is no reason to drop the row."""
    if roles.count is None or roles.sd is None:
        return column
    n, sd = column[roles.count.name], column[roles.sd.name]
    return {**column, roles.sd.name: np.where(n == 1, 0.0, sd)}


def precision(
    column: Mapping[str, Floats], roles: Roles
) -> tuple[Floats | None, Floats | None, Floats | None, Floats | None]:
    """Rows a row stands for, its weight, its inside sum of squares, and log w."""
    if roles.se is not None:
        se = column[roles.se.name]
        return None, 1.0 / (se * se), None, -2.0 * np.log(se)
    if roles.weights is not None:
        w = column[roles.weights.name]
        return None, w, None, np.log(w)
    if roles.count is not None and roles.sd is not None:
        n, sd = column[roles.count.name], column[roles.sd.name]
        return n, n, (n - 1.0) * sd * sd, None
    return None, None, None, None


def _check(rows: Rows, column: dict[str, Floats], roles: Roles, keep: Bools) -> None:
    for role, rule in RULES.items():
        name = getattr(roles, role)
        if name is None:
            continue
        values = column[name.name]
        bad = keep & ~(rule.holds(values) & (np.abs(values) <= LARGEST))
        if bad.any():
            at = np.flatnonzero(bad)
            labels = rows.labels[rows.codes[at[:5]]]
            first = at[:5]
            raise rule.broken(
                name.name, values[first].tolist(), (first + 1).tolist(), len(at), shown(labels)
            )
