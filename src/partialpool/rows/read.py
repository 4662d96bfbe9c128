"""One door for every kind of data: `read_statistics(roles, data)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np

from partialpool._table import Table, build_frame
from partialpool.design import labels as lab
from partialpool.design.coded_rows import Usable, code_rows
from partialpool.design.labels import integers_if_plain
from partialpool.design.source import ROW
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.formula.tree import Name
from partialpool.notices import Notice
from partialpool.records.counts import CountStatistics
from partialpool.records.design_notices import of_missing
from partialpool.records.measurements import GroupStatistics
from partialpool.rows import arrays, duck, files, frames, outlying_rows, spark, sql, statements
from partialpool.rows.csv_files import header_of
from partialpool.rows.derived import (
    Source,
    derived_of,
    row_numbered,
    source_of,
    with_derived,
    with_derived_sql,
)
from partialpool.rows.excel import is_workbook, read_excel, read_sheet
from partialpool.rows.folding import Folded, with_folded
from partialpool.rows.memory import from_frame
from partialpool.rows.text_columns import UnreadableError, Wanted, kinds_of, read_in_any_style

Progress = Callable[[float], None]
S = TypeVar("S", GroupStatistics, CountStatistics)


@dataclass(frozen=True, slots=True)
class Reading(Generic[S]):
    """The statistics, and how to hand results back in the kind of frame that came in."""

    statistics: S
    like: Callable[[Table], Any]
    notices: tuple[Notice, ...] = ()


def read_statistics(
    roles: Roles, data: Any, *, progress: Progress | None = None
) -> Reading[GroupStatistics]:
    """Reduce data to one record a group.

    Parameters
    ----------
    roles : Roles
        Which column plays which part.
    data : frame, mapping, path or relation
        A pandas or Polars frame (also lazy), a PyArrow table, a dict of arrays, the path of a
        CSV or Parquet file (also a glob, or a list of paths), a table of a DuckDB database
        (``"file.duckdb::table"``), an Excel workbook (its first sheet), a DuckDB relation, or a
        Spark DataFrame. Results of a Spark DataFrame come as a `Table`, which has
        ``.to_spark(session)``.
    progress : callable, optional
        Called with a fraction in [0, 1] while a file is read.

    Raises
    ------
    DataError
        If the data cannot be read or a value is not allowed; the message says which rows.
    ColumnError
        If a column of the formula is missing.
    """
    return _read(roles, data, progress, arrays.reduce, sql.reduce)


def read_counts(
    roles: Roles, data: Any, *, progress: Progress | None = None
) -> Reading[CountStatistics]:
    """Reduce counts to one record a group; as `read_statistics`."""
    return _read(roles, data, progress, arrays.reduce_counts, sql.reduce_counts)


def _read(
    roles: Roles,
    data: Any,
    progress: Progress | None,
    in_memory: Callable[[Usable], S],
    by_sql: Callable[[sql.Engine, Roles, list[Notice]], S],
) -> Reading[S]:
    """Reduce rows in memory, or in an engine that speaks SQL."""
    said: list[Notice] = []
    with opened(data, roles, progress) as opened_data:
        said += opened_data.notices
        if opened_data.engine is None:
            rows = opened_data.coded(roles, said)
            statistics = replace(in_memory(rows), labels_from_text=opened_data.text_labels)
            said += outlying_rows.of_one_way(rows)
        else:
            engine = opened_data.engine.naming(statements.given(roles))
            statistics = _plain_labels(by_sql(engine, roles, said), opened_data.text_labels)
    return Reading(statistics, handing_back(data, (roles.group,)), tuple(said))


def _plain_labels(statistics: S, from_text: bool) -> S:
    """The same, with labels that are all whole numbers as integers."""
    if not (from_text or statistics.labels.dtype.kind == "f"):
        return statistics
    n = len(statistics.labels)
    every = integers_if_plain(np.concatenate([statistics.labels, statistics.absent]))
    plain = replace(statistics, labels=every[:n], absent=every[n:], labels_from_text=from_text)
    return plain.sorted() if from_text else plain


@dataclass(frozen=True, slots=True)
class Opened:
    """Data of any kind, opened.

    Parameters
    ----------
    data : frame, mapping or relation
    kind : str
        The library it comes from, or "mapping".
    engine : Engine or None
        Where the rows stay; no column is named yet. None for rows in memory.
    text_labels : bool
        Whether labels were read as text, as CSV files hold nothing else.
    what : str
        In words, for the plan.
    notices : tuple of Notice
        What is to be said about how they were read.
    """

    data: Any
    kind: str
    engine: sql.Engine | None
    text_labels: bool = False
    what: str = ""
    notices: tuple[Notice, ...] = ()

    @classmethod
    def of(cls, engine: sql.Engine, wanted: Wanted, kind: str, what: str) -> Opened:
        """Rows in an engine, with the derived columns."""
        engine = with_derived_sql(engine, wanted)
        return cls(engine.data, kind, engine, what=what)

    def columns(self, wanted: Sequence[Name]) -> dict[str, Any]:
        """Columns by name, in memory."""
        if self.engine is None:
            return frames.take(self.data, self.kind, wanted)
        for name in wanted:
            frames.check_column(name.name, list(self.engine.columns), name.at)
        return duck.columns_of(self.data, [n.name for n in wanted])

    def coded(self, roles: Roles, said: list[Notice]) -> Usable:
        """The rows in memory, checked and coded; what is to be said of missing values is added."""
        source = from_frame(self.data, self.kind, roles, text_labels=self.text_labels)
        rows = code_rows(source, roles)
        said += of_missing(rows)
        return rows


@contextmanager
def opened(
    data: Any,
    roles: Wanted,
    progress: Progress | None = None,
    *,
    passes: bool = False,
    plan: bool = False,
) -> Iterator[Opened]:
    """Open data of any kind; errors of their engine become ours, and files must not change.

    Parameters
    ----------
    data, roles, progress
        As in `read_statistics`.
    passes : bool
        Whether there will be several passes over the rows; text is then read once, into a table.
    plan : bool
        Whether only the plan is wanted; nothing is read then.
    """
    if isinstance(data, Folded):
        with opened(data.data, roles, progress, passes=passes, plan=plan) as opened_data:
            yield opened_data if plan else with_folded(opened_data, roles, data.known)
        return
    if any(column.name == ROW for column in roles.labels):
        roles = row_numbered(roles, stored_columns(data, roles))
    source = source_of(roles)
    if is_workbook(data):
        sheet = read_excel(files.existing(data), source)
        table = _with_derived(sheet.table, "mapping", roles)
        yield Opened(table, "mapping", None, True, str(data), sheet.notices)
        return
    if files.are_paths(data):
        file = files.open_file(data, source, at_once=not plan)
        if file.table is not None:
            file = replace(file, table=_with_derived(file.table, "mapping", roles))
        else:
            engine = with_derived_sql(duck.DuckDB(file.relation), roles)
            file = replace(file, relation=engine.data)
        try:
            with file.raised():
                yield _opened_file(file, progress, passes=passes)
        finally:
            file.check_unchanged()
        return
    kind = checked_kind(data)
    if kind == "duckdb":
        with duck.translated():
            yield Opened.of(duck.DuckDB(data), roles, kind, "DuckDB reads the relation")
    elif kind == "pyspark":
        with spark.translated():
            yield Opened.of(spark.Spark(data), roles, kind, "Spark reads the DataFrame")
    else:
        data, kind, said = _with_numbers(data, kind, source)
        if derived_of(roles):
            data, kind = _with_derived(data, kind, roles), "mapping"
        yield Opened(data, kind, None, notices=said)


def columns_of(wanted: Wanted) -> set[str]:
    """Names of the columns that data must hold for a formula; "row" need not be one."""
    return {c.name for c in source_of(wanted).columns} - {ROW}


def stored_columns(data: Any, wanted: Wanted) -> list[str]:
    """Names of the columns that data hold, whatever kind they are.

    `wanted` names columns by which a header is found; "row" need not be one.
    """
    data = data.data if isinstance(data, Folded) else data
    names = columns_of(wanted)
    if is_workbook(data):
        return list(read_sheet(files.existing(data), wanted=names, most=FIRST_ROWS).columns)
    if not files.are_paths(data):
        kind = checked_kind(data)
        return list(data.columns) if kind in ENGINES else frames.column_names(data, kind)
    csv_names = files.csv_names(data)
    if csv_names:
        return header_of(csv_names[0], names).columns
    return list(files.open_file(data, Source()).relation.columns)


ENGINES = ("duckdb", "pyspark")
FIRST_ROWS = 1_000
"""Rows of a workbook among which its header, and the first value of a column, are looked for."""


def _with_numbers(data: Any, kind: str, wanted: Wanted) -> tuple[Any, str, tuple[Notice, ...]]:
    """A frame with columns of numbers stored as text as numbers; the same if there are none."""
    names = [name for name, is_a in kinds_of(wanted).items() if is_a == "number"]
    known = frames.column_names(data, kind)
    if not set(names) <= set(known) or len(set(known)) < len(known):
        return data, kind, ()  # which is an error, of whoever takes the columns
    columns = frames.take(data, kind, wanted.columns)
    texts = {}
    for name in names:
        if frames.may_hold_text(columns[name]):
            plain = frames.number_texts(columns[name])
            if plain is not None:
                texts[name] = plain
    once = kind == "mapping" or type(data).__name__ == "LazyFrame"  # generators, and queries
    same = (columns, "mapping") if once and columns else (data, kind)
    if not texts:
        return *same, ()
    try:
        numbers = read_in_any_style(texts, dict.fromkeys(texts, "number"))
    except UnreadableError:
        return *same, ()
    what = f"{lab.shown(list(texts))} held numbers as text, which were read as numbers."
    said = Notice("numbers_as_text", "info", what)
    return {**columns, **numbers.table}, "mapping", (said, *numbers.notices)


def _with_derived(data: Any, kind: str, roles: Wanted) -> Any:
    return with_derived(data, kind, roles) if derived_of(roles) else data


def _opened_file(file: files.OpenFile, progress: Progress | None, *, passes: bool) -> Opened:
    names = _files(file.names)
    if file.table is not None:
        if progress is not None:
            progress(1.0)
        return Opened(file.table, "mapping", None, file.text_labels, names, file.notices)
    fetch = files.watched(file.connection, progress) if progress else duck.fetch_now
    relation = file.relation
    if passes and file.text_labels:
        relation = duck.stored(file.connection, relation, fetch)
    engine = duck.DuckDB(relation, run=fetch)
    what = f"DuckDB reads {names}"
    if file.small:
        what = f"{names}: small enough to be read at once, to the same sums; else DuckDB reads it"
    return Opened(relation, "duckdb", engine, file.text_labels, what, file.notices)


def handing_back(data: Any, factors: Sequence[Name] = ()) -> Callable[[Table], Any]:
    """How results are handed back: in the kind of frame that `data` is.

    Groups of one factor of ordered categories are ordered categories again.
    """
    data = data.data if isinstance(data, Folded) else data
    kind = None if files.are_paths(data) else frames.kind_of(data)
    order = None
    if kind is not None and len(factors) == 1:
        order = frames.category_order(data, kind, factors[0].name)
    if kind == "duckdb":
        return partial(duck.as_relation, data)
    if kind in (None, "mapping", "pyspark"):
        return as_table
    return partial(build_frame, library=kind, orders=None if order is None else {"group": order})


def explain_reading(roles: Roles, data: Any) -> str:
    """Say what reading will do with the data: the statements, in their order.

    Raises
    ------
    DataError, ColumnError
        If the data cannot be read, as far as that is known before reading them.
    """
    with opened(data, roles, plan=True) as opened_data:
        engine = opened_data.engine
        if engine is None:
            return _told_in_memory(opened_data.kind, roles)
        if roles.one_way:
            steps = sql.plan(engine.naming(statements.given(roles)), roles)
        else:
            from partialpool.rows import explain_mixed

            steps = explain_mixed.plan(engine, roles)
        return _told_plan(opened_data.what, steps)


ONE_PASS = "and one pass (numpy.bincount) sums the events and the sizes of each group."
TWO_PASSES = "and two passes (numpy.bincount) sum each group about its mean."
ADDED_UP = "and rows that are the same but for their events are added up."
COUNTED = "and rows that are the same are counted."
PASSES = (
    "and two passes over its parts sum the products of columns, in all and by group, or three "
    "where groups are so far apart that sums about their own means are needed."
)


def _told_in_memory(kind: str, roles: Roles) -> str:
    """How rows in memory are reduced, in words."""
    name = "dict" if kind == "mapping" else kind
    columns = ", ".join(c.name for c in roles.columns)
    if roles.one_way:
        sums = ONE_PASS if roles.family else TWO_PASSES
    elif roles.dispersed:
        sums = COUNTED
    else:
        sums = ADDED_UP if roles.family else PASSES
    return (
        f"In memory ({name}): the columns {columns} become arrays, the labels are numbered,\n"
        f"{sums} No query is run."
    )


def _files(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,} files, {names[0]} and so on"


def _told_plan(what: str, steps: Iterator[tuple[str, str]]) -> str:
    """The statements with what each is for, numbered."""
    lines = [f"{what}; one record a group comes back."]
    for i, (purpose, statement) in enumerate(steps, 1):
        lines += ["", f"{i}. {purpose}:", statement]
    return "\n".join(lines)


def in_memory(data: Any, wanted: Wanted, purpose: str) -> tuple[dict[str, Any], bool]:
    """Columns by name, in memory, and whether their labels were read as text.

    Raises
    ------
    ColumnError, DataError
        If a column is missing, or the data are a Spark DataFrame; then `purpose` is said.
    """
    with opened(data, wanted) as opened_data:
        if opened_data.kind == "pyspark":
            raise DataError(f"{purpose}: give data.toArrow() of the Spark DataFrame")
        return opened_data.columns(wanted.columns), opened_data.text_labels


def checked_kind(data: Any) -> str:
    """Name the library a frame comes from.

    Raises
    ------
    DataError
        If it is no kind of data.
    """
    kind = frames.kind_of(data)
    if kind is None:
        raise DataError(
            f"data of type {type(data).__name__} cannot be read; allowed are a pandas or Polars "
            "frame, a PyArrow table, a dict of arrays, a DuckDB relation, a Spark DataFrame, a "
            "table with the Arrow C interface, and the path of a CSV or Parquet file (or a list of "
            "paths)"
        )
    return kind


def as_table(table: Table) -> Table:
    """Hand results back as a Table."""
    return table
