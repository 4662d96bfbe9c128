"""Rows that stay in an engine that speaks SQL: one GROUP BY; only the groups reach Python.

Sums are taken about a pilot value so that a large offset costs no digits; where the result
shows that this was not enough, a second pass takes them about each group's own mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from partialpool._typing import AnyArray
from partialpool.data import labels as lab
from partialpool.data.frames import check_column, not_a_number
from partialpool.data.rules import LARGEST, RULES, no_rows, overflow
from partialpool.data.statements import COLUMNS, Statements
from partialpool.data.statistics import GroupStatistics, without_rounding
from partialpool.errors import DataError
from partialpool.formula import OneWay

CANCELLATION = 1e4
"""Largest ratio of shifted to within-group sum of squares before a second pass."""

Kind = Literal["floating", "number", "text", "nested", "other"]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """What a grouped query returned: sorted labels and sums, (J,), and rows without a label."""

    labels: AnyArray
    sums: dict[str, AnyArray]
    unlabelled: int


class Engine(Protocol):
    """A table in an engine that speaks SQL.

    A statement names the table ``{rows}``; its columns are those of `data.statements`.
    """

    @property
    def columns(self) -> Sequence[str]:
        """Names of the user's columns."""

    @property
    def numbered(self) -> bool:
        """True if rows have an order, so that a message can say which row is wrong."""

    @property
    def nan_plans(self) -> tuple[bool, ...]:
        """Whether NaN is looked for, at the first try and where that fails at the next."""

    def type_of(self, name: str) -> tuple[Kind, str]:
        """What a column holds, and what the engine calls it."""

    def groups(self, sql: str) -> Groups:
        """Run a grouped query."""

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query that returns a few rows."""

    def shown(self, sql: str) -> str:
        """A statement as it will run, with a name in place of the table."""


def reduce(engine: Engine, roles: OneWay) -> GroupStatistics:
    """Reduce the table of an engine to one record a group.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite, not a number, or not allowed in its role.
    """
    types = checked_types(engine, roles)
    center = _pilot(engine, _statements(roles, types, True))
    for nan_is_missing in engine.nan_plans:
        statements = _statements(roles, types, nan_is_missing)
        found = engine.groups(statements.grouped(repr(center)))
        squares = found.sums["s2"][found.sums["n"] > 0]
        refused = found.sums.get("refused", np.zeros(1)).any()
        if not refused and (squares < 0.1 * LARGEST**2).all():
            return _statistics(engine, statements, found, center)
    error = _broken_rule(engine, statements)
    if error is None and np.isfinite(squares).all():
        return _statistics(engine, statements, found, center)
    raise error or overflow(roles)


def plan(engine: Engine, roles: OneWay) -> Iterator[tuple[str, str]]:
    """Yield what each statement is for, and the statement, in the order in which they run."""
    statements = _statements(roles, checked_types(engine, roles), engine.nan_plans[0])
    yield "a centre, from the first rows", engine.shown(statements.pilot())
    yield "the sums of each group about it", engine.shown(statements.grouped("center"))
    yield (
        "only where group means lie so far apart that these sums lose digits",
        engine.shown(statements.about_own_mean("center")),
    )


def checked_types(engine: Engine, roles: OneWay) -> dict[str, Kind]:
    """What the column of each role holds.

    Raises
    ------
    ColumnError, DataError
        If a column is missing, or holds no numbers where numbers belong.
    """
    for column in roles.columns:
        check_column(column.name, list(engine.columns), column.at)
    kind, name = engine.type_of(roles.group.name)
    if kind == "nested":
        raise DataError(
            f'column "{roles.group.name}" holds {name} values; a group label is a single value, '
            "such as text, a number or a date"
        )
    given = {r: getattr(roles, r).name for r in COLUMNS if getattr(roles, r) is not None}
    for role, column_name in given.items():
        kind, name = engine.type_of(column_name)
        if kind == "text":
            _refuse_text(engine, roles, role, column_name)
        if kind in ("nested", "other"):
            raise DataError(f'column "{column_name}" must hold numbers; it holds {name} values')
    return {role: engine.type_of(column_name)[0] for role, column_name in given.items()}


def _refuse_text(engine: Engine, roles: OneWay, role: str, name: str) -> None:
    """Refuse a text column, unless it is empty."""
    statements = Statements(roles, frozenset(), False)
    found = engine.fetch(statements.first_text(role, numbered=engine.numbered))
    if found:
        value, *row = found[0]
        raise not_a_number(name, value, row[0] if row else None)
    if engine.fetch(statements.count_values(role))[0][0]:
        raise DataError(
            f'column "{name}" holds numbers stored as text; convert it to a numeric type'
        )


def _statements(roles: OneWay, types: dict[str, Kind], nan_is_missing: bool) -> Statements:
    floating = frozenset(role for role, kind in types.items() if kind == "floating")
    return Statements(roles, floating, nan_is_missing)


def _pilot(engine: Engine, statements: Statements) -> float:
    """A value in the middle of the outcome, from its first rows."""
    values = np.array([row[0] for row in engine.fetch(statements.pilot())], dtype=np.float64)
    values = values[np.abs(values) <= LARGEST]
    return float(values.mean()) if len(values) else 0.0


def _statistics(
    engine: Engine, statements: Statements, found: Groups, center: float
) -> GroupStatistics:
    roles = statements.roles
    total = int(found.sums["total"].sum()) + found.unlabelled
    keep = found.sums["n"] > 0
    if not keep.any():
        raise no_rows(total, roles)
    got = found.sums if keep.all() else {k: v[keep] for k, v in found.sums.items()}
    labels = found.labels if keep.all() else found.labels[keep]
    n, w = got["n"], got.get("w", got["n"])
    used = got.get("used", n)
    mean, square = got["s1"] / w, got["s2"]
    ss = square - mean * got["s1"]
    if square.sum() > CANCELLATION * max(ss.sum(), 0.0) and n.sum() > len(n):
        own = _second_pass(engine, statements.about_own_mean(repr(center)), labels, used)
        slip, square = own["s1"] / w, own["s2"]
        mean, ss = mean + slip, square - w * slip**2
    noise = 8 * np.finfo(float).eps * square
    ss = without_rounding(np.where(ss > noise, ss, 0.0), w, mean, center)
    return GroupStatistics(
        factor=roles.group.name,
        outcome=roles.outcome.name,
        labels=labels,
        n=np.rint(n).astype(np.int64),
        weight=w.astype(np.float64),
        mean=mean,
        ss=ss + got.get("q", 0.0),
        center=center,
        log_weight=got.get("lw", np.zeros(len(n))),
        sigma_known=roles.se is not None,
        n_rows=total,
        n_dropped=total - int(used.sum()),
        absent=found.labels[~keep],
    )


def _second_pass(engine: Engine, sql: str, labels: AnyArray, used: AnyArray) -> dict[str, AnyArray]:
    """Sums about each group's own mean, of the same rows as in the first pass."""
    own = engine.groups(sql)
    same = own.labels.shape == labels.shape and bool((own.labels == labels).all())
    if not same or not np.array_equal(own.sums["used"], used):
        raise DataError(
            "the rows changed while they were read: two passes over them saw different rows; "
            "read a version that stays (a snapshot, a cached frame), and run again"
        )
    return own.sums


def _broken_rule(engine: Engine, statements: Statements) -> DataError | None:
    """The error that names the first rows whose values are not allowed, if there are any."""
    for role, rule in RULES.items():
        column = getattr(statements.roles, role)
        if column is None:
            continue
        ((count,),) = engine.fetch(statements.count_broken(role))
        if not count:
            continue
        found = engine.fetch(statements.first_broken(role, numbered=engine.numbered))
        rows = [f[2] for f in found] if engine.numbered else None
        groups = lab.shown([f[1] for f in found])
        return rule.broken(column.name, [f[0] for f in found], rows, count, groups)
    return None
