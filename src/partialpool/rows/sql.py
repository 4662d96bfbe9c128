"""Rows that stay in an engine that speaks SQL: one GROUP BY; only the groups reach Python.

Sums are taken about a pilot value so that a large offset costs no digits; where the result
shows that this was not enough, a second pass takes them about each group's own mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np

from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.design.row_values import replaced
from partialpool.design.rules import LARGEST_VALUE, overflow, rows_changed
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.notices import Notice
from partialpool.records.counts import CountStatistics
from partialpool.records.design_notices import MISSING_CODES, code_for_missing, dropped
from partialpool.records.measurements import GroupStatistics
from partialpool.rows.checked_rows import CheckedRows, count_values, first_text
from partialpool.rows.days import Since
from partialpool.rows.frames import check_column, not_a_number
from partialpool.rows.one_way import Groups, counted, loses_digits, measured
from partialpool.rows.statements import Statements

Kind = Literal["floating", "number", "text", "nested", "other"]


class Engine(Protocol):
    """A table in an engine that speaks SQL.

    A statement names the table ``{rows}``; its columns are those of `rows.statements`.
    """

    @property
    def data(self) -> Any:
        """The table as the engine's own library holds it."""

    @property
    def columns(self) -> Sequence[str]:
        """Names of the user's columns."""

    @property
    def given(self) -> Mapping[str, str]:
        """The user's column for each column that the statements name."""

    @property
    def numbered(self) -> bool:
        """True if rows have an order, so that a message can say which row is wrong."""

    @property
    def nan_plans(self) -> tuple[bool, ...]:
        """Whether NaN is looked for, at the first try and where that fails at the next."""

    @property
    def row_number(self) -> str:
        """A number of each row, in SQL."""

    def naming(self, given: Mapping[str, str]) -> Engine:
        """The same table, its columns named for other statements."""

    def projected(self, columns: Sequence[str]) -> Engine:
        """The table with these columns, in SQL; ``*`` stands for those that it has."""

    def type_of(self, name: str) -> tuple[Kind, str]:
        """What a column holds, and what the engine calls it."""

    def holds_text(self, name: str) -> bool:
        """Whether a column holds text, or categories that are named by texts."""

    def quote(self, name: str) -> str:
        """The name of a column as SQL."""

    def text(self, value: str) -> str:
        """A text as SQL."""

    def days(self, name: str, since: Since) -> str:
        """Days of a column of dates, or of texts that are dates, as SQL."""

    def table(self, sql: str, labels: Sequence[str]) -> dict[str, AnyArray]:
        """Run a query that returns many rows: the named columns of labels, and numbers.

        Labels are masked, or None, where they are missing.
        """

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query that returns a few rows."""

    def shown(self, sql: str) -> str:
        """A statement as it will run, with a name in place of the table."""


NUMERIC = ("floating", "number")
"""Kinds of columns that hold numbers."""


def some_values(engine: Engine, name: str, limit: int) -> list[Any]:
    """Distinct values of a column, at most so many; None is one of them."""
    sql = f"SELECT DISTINCT x FROM {{rows}} LIMIT {limit}"
    return [x for (x,) in engine.naming({"x": name}).fetch(sql)]


def first_value(engine: Engine, name: str) -> Any:
    """A value of a column that is not NULL; None if there is none."""
    sql = "SELECT x FROM {rows} WHERE x IS NOT NULL LIMIT 1"
    return next((x for (x,) in engine.naming({"x": name}).fetch(sql)), None)


def label_counts(engine: Engine, name: str) -> dict[Any, int]:
    """Rows of each distinct value of a column that is not NULL."""
    sql = "SELECT x, COUNT(*) AS n FROM {rows} WHERE x IS NOT NULL GROUP BY x"
    return dict(engine.naming({"x": name}).fetch(sql))


def groups_of(engine: Engine, sql: str) -> Groups:
    """Run a query grouped by `g`."""
    return Groups.of(engine.table(sql, ["g"]))


def reduce(engine: Engine, roles: Roles, said: list[Notice]) -> GroupStatistics:
    """Reduce the table of an engine to one record a group.

    What is to be said of missing values is added to `said`.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite, not a number, or not allowed in its role.
    """
    types = checked_types(engine, roles)
    center = _pilot(engine, _statements(roles, types))
    for nan_is_missing in engine.nan_plans:
        # NaN is looked for last in the outcome, where it costs most
        statements = _statements(roles, types, () if nan_is_missing else ("y",))
        groups = groups_of(engine, statements.grouped(repr(center)))
        squares = groups.sums["s2"][groups.sums["used"] > 0]
        refused = groups.sums.get("refused", np.zeros(1)).any()
        if not refused and (squares < 0.1 * LARGEST_VALUE**2).all():
            break
    else:
        error = broken_rule(engine, statements.rows)
        if error is not None or not np.isfinite(squares).all():
            raise error or overflow(roles)
    statistics = _measured(engine, statements, groups, center)
    said += _of_missing(engine, statements, groups, center)
    return statistics


def reduce_counts(engine: Engine, roles: Roles, said: list[Notice]) -> CountStatistics:
    """Reduce the table of an engine to one record a group of counts; as `reduce`."""
    statements = _statements(roles, checked_types(engine, roles))
    groups = groups_of(engine, statements.grouped())
    if groups.sums["refused"].any():
        error = broken_rule(engine, statements.rows)
        if error is not None:
            raise error
    statistics = counted(roles, *groups.present(roles))
    said += _of_missing(engine, statements, groups, 0.0)
    return statistics


def _of_missing(
    engine: Engine, statements: Statements, groups: Groups, center: float
) -> Iterator[Notice]:
    """Notices of missing values by column, and of codes for them in measurements."""
    roles = statements.roles
    missing = {engine.given[x]: n for x, n in groups.missing.items()}
    used = groups.sums["used"]
    yield from dropped(
        groups.total - round(float(used.sum())), groups.total, missing, frozenset(replaced(roles))
    )
    if roles.family is None:
        own = 0.0 if "refused" in groups.sums else center  # of plain rows the centre is taken off
        ends = [f(groups.sums[k][used > 0]) + own for f, k in ((np.min, "least"), (np.max, "most"))]
        yield from codes_in_engine(engine, statements.rows, {"y": (ends[0], ends[1])})


def codes_in_engine(
    engine: Engine, rows: CheckedRows, ends: Mapping[str, tuple[float, float]]
) -> Iterator[Notice]:
    """As `codes_for_missing`, from the least and largest value of columns of an engine.

    Only where one of them is such a code the rows are asked for all other values.
    """
    for x, both in ends.items():
        for code in dict.fromkeys(both):
            near = round(float(code), 6)  # a centre taken off and added again costs a digit
            if near not in MISSING_CODES:
                continue
            inside = f"CASE WHEN ABS({x} - {near!r}) > 1e-6 THEN {x} END"
            ((n, others, low, high),) = engine.fetch(
                f"SELECT COUNT({x}), COUNT({inside}), MIN({inside}), MAX({inside}) "
                f"FROM ({rows.cast()}) AS c"
            )
            if others:
                name = engine.given[x]
                yield from code_for_missing(name, near, n - others, others, low, high)


def plan(engine: Engine, roles: Roles) -> Iterator[tuple[str, str]]:
    """Yield what each statement is for, and the statement, in the order in which they run."""
    types = checked_types(engine, roles)
    if roles.family is not None:
        yield "the sums of each group", engine.shown(_statements(roles, types).grouped())
        return
    statements = _statements(roles, types, () if engine.nan_plans[0] else ("y",))
    yield "a centre, from the first rows", engine.shown(statements.pilot())
    yield "the sums of each group about it", engine.shown(statements.grouped("center"))
    yield (
        "only where group means lie so far apart that these sums lose digits",
        engine.shown(statements.about_own_mean("center")),
    )


def checked_types(engine: Engine, roles: Roles) -> dict[str, Kind]:
    """What each column of numbers holds, by its name in the statements.

    Raises
    ------
    ColumnError, DataError
        If a column is missing, or holds no numbers where numbers belong.
    """
    for column in roles.columns:
        check_column(column.name, list(engine.columns), column.at)
    check_label(engine, roles.group.name)
    return number_kinds(engine, {x: name for x, name in engine.given.items() if x != "g"})


def check_label(engine: Engine, name: str) -> None:
    """Raise a DataError if the values of a column cannot be labels."""
    kind, its_name = engine.type_of(name)
    if kind == "nested":
        raise DataError(
            f'column "{name}" holds {its_name} values; a group label is a single value, '
            "such as text, a number or a date"
        )


def number_kinds(engine: Engine, given: Mapping[str, str]) -> dict[str, Kind]:
    """What each of these columns holds; a DataError where it is not numbers."""
    for x, column in given.items():
        kind, name = engine.type_of(column)
        if kind == "text":
            _refuse_text(engine, x, column)
        if kind in ("nested", "other"):
            raise DataError(f'column "{column}" must hold numbers; it holds {name} values')
    return {x: engine.type_of(column)[0] for x, column in given.items()}


def _refuse_text(engine: Engine, x: str, name: str) -> None:
    """Refuse a text column, unless it is empty."""
    texts = engine.fetch(first_text(x, numbered=engine.numbered))
    if texts:
        value, *row = texts[0]
        raise not_a_number(name, value, row[0] if row else None)
    if engine.fetch(count_values(x))[0][0]:
        raise DataError(
            f'column "{name}" holds numbers stored as text; convert it to a numeric type'
        )


def _statements(roles: Roles, types: dict[str, Kind], whole: Sequence[str] = ()) -> Statements:
    """The statements; NaN is looked for in columns that can hold it but those of `whole`."""
    floating = (x for x, kind in types.items() if kind == "floating" and x not in whole)
    return Statements(roles, frozenset(floating))


def _pilot(engine: Engine, statements: Statements) -> float:
    """A value in the middle of the outcome, from its first rows."""
    values = np.array([row[0] for row in engine.fetch(statements.pilot())], dtype=np.float64)
    values = values[np.abs(values) <= LARGEST_VALUE]
    return float(values.mean()) if len(values) else 0.0


def _measured(
    engine: Engine, statements: Statements, groups: Groups, center: float
) -> GroupStatistics:
    """The record, from a second pass where the first lost digits."""
    present, absent = groups.present(statements.roles)
    about = None
    if loses_digits(present):
        own = groups_of(engine, statements.about_own_mean(repr(center)))
        same = own.labels.shape == present.labels.shape and bool(
            (own.labels == present.labels).all()
        )
        if not same or not np.array_equal(own.sums["used"], present.sums["used"]):
            raise rows_changed()
        about = own.sums
    return measured(statements.roles, present, absent, center, about)


def broken_rule(engine: Engine, rows: CheckedRows) -> DataError | None:
    """The error that names the first rows whose values are not allowed, if there are any."""
    for broken in rows.checks:
        ((count,),) = engine.fetch(rows.count_broken(broken))
        if not count:
            continue
        bad_rows = engine.fetch(rows.first_broken(broken, numbered=engine.numbered))
        at = [f[2] for f in bad_rows] if engine.numbered else None
        groups = lab.shown([f[1] for f in bad_rows])
        return broken.rule.broken(broken.column, [f[0] for f in bad_rows], at, count, groups)
    return None
