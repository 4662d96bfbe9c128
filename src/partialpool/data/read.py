"""One door for every kind of data: `read_statistics(roles, data)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from partialpool.data import arrays, counts, counts_sql, duck, files, frames, spark, sql
from partialpool.data.counts import CountStatistics
from partialpool.data.excel import is_workbook, read_excel
from partialpool.data.labels import integers_if_plain
from partialpool.data.statistics import GroupStatistics
from partialpool.data.table import Table, build_frame
from partialpool.errors import DataError
from partialpool.formula import CountRoles, OneWay

Progress = Callable[[float], None]
R = TypeVar("R", OneWay, CountRoles)
S = TypeVar("S", GroupStatistics, CountStatistics)


@dataclass(frozen=True, slots=True)
class Reading(Generic[S]):
    """The statistics, and how to hand results back in the kind of frame that came in."""

    statistics: S
    like: Callable[[Table], Any]


def read_statistics(
    roles: OneWay, data: Any, *, progress: Progress | None = None
) -> Reading[GroupStatistics]:
    """Reduce data to one record a group.

    Parameters
    ----------
    roles : OneWay
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
    return _read(roles, data, progress, arrays.reduce, _by_sql)


def read_counts(
    roles: CountRoles, data: Any, *, progress: Progress | None = None
) -> Reading[CountStatistics]:
    """Reduce counts to one record a group; as `read_statistics`."""
    return _read(roles, data, progress, counts.reduce, counts_sql.reduce)


def _by_sql(relation: Any, roles: OneWay, fetch: duck.Fetch) -> GroupStatistics:
    return sql.reduce(duck.DuckDB(relation, roles, fetch), roles)


def _read(
    roles: R,
    data: Any,
    progress: Progress | None,
    from_rows: Callable[[frames.Rows, R], S],
    from_relation: Callable[[Any, R, duck.Fetch], S],
) -> Reading[S]:
    if is_workbook(data):
        data = read_excel(files.existing(data))
    if files.are_paths(data):
        return Reading(_read_file(data, roles, progress, from_relation), as_table)
    kind = checked_kind(data)
    if kind == "duckdb":
        with duck.translated():
            return Reading(from_relation(data, roles, duck.fetch_now), handing_back(data))
    if kind == "pyspark":
        return Reading(_from_spark(data, roles), as_table)
    return Reading(from_rows(frames.extract(data, kind, roles), roles).sorted(), handing_back(data))


def _from_spark(data: Any, roles: OneWay | CountRoles) -> Any:
    if not isinstance(roles, OneWay):
        raise DataError(
            "a Spark DataFrame is reduced where it is for measurements; of counts give what it "
            "collects to, data.toArrow(), or write it to Parquet files"
        )
    with spark.translated():
        return sql.reduce(spark.Spark(data, roles), roles)


def handing_back(data: Any) -> Callable[[Table], Any]:
    """How results are handed back: in the kind of frame that `data` is."""
    kind = None if files.are_paths(data) else frames.kind_of(data)
    if kind == "duckdb":
        return partial(duck.as_relation, data)
    if kind in (None, "mapping", "pyspark"):
        return as_table
    return partial(build_frame, library=kind)


def explain_reading(roles: OneWay, data: Any) -> str:
    """Say what `read_statistics` will do with the data: the statements, in their order.

    Raises
    ------
    DataError, ColumnError
        If the data cannot be read, as far as that is known before reading them.
    """
    if files.are_paths(data):
        opened = files.open_file(data, roles)
        with duck.translated():
            engine = duck.DuckDB(opened.relation, roles)
            return _plan(f"DuckDB reads {_files(opened.names)}", engine, roles)
    kind = checked_kind(data)
    if kind == "duckdb":
        with duck.translated():
            return _plan("DuckDB reads the relation", duck.DuckDB(data, roles), roles)
    if kind == "pyspark":
        with spark.translated():
            return _plan("Spark reads the DataFrame", spark.Spark(data, roles), roles)
    name = "dict" if kind == "mapping" else kind
    columns = ", ".join(c.name for c in roles.columns)
    return (
        f"In memory ({name}): the columns {columns} become arrays, the labels are numbered,\n"
        "and two passes (numpy.bincount) sum each group about its mean. No query is run."
    )


def _files(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names):,} files, {names[0]} and so on"


def _plan(what: str, engine: sql.Engine, roles: OneWay) -> str:
    lines = [f"{what}; one record a group comes back."]
    for i, (purpose, statement) in enumerate(sql.plan(engine, roles), 1):
        lines += ["", f"{i}. {purpose}:", statement]
    return "\n".join(lines)


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
            "frame, a PyArrow table, a dict of arrays, a DuckDB relation, a Spark DataFrame, and "
            "the path of a CSV or Parquet file (or a list of paths)"
        )
    return kind


def _read_file(
    paths: files.Paths,
    roles: R,
    progress: Progress | None,
    from_relation: Callable[[Any, R, duck.Fetch], S],
) -> S:
    opened = files.open_file(paths, roles)
    fetch = files.watched(opened.connection, progress) if progress else duck.fetch_now
    try:
        with duck.translated():
            statistics = from_relation(opened.relation, roles, fetch)
    finally:
        opened.check_unchanged()
    if opened.text_labels:
        labels = integers_if_plain(statistics.labels)
        statistics = replace(statistics, labels=labels).sorted()
        if isinstance(statistics, GroupStatistics):
            return replace(statistics, labels_from_text=True)
    return statistics


def as_table(table: Table) -> Table:
    """Hand results back as a Table."""
    return table
