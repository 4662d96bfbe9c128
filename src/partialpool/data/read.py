"""One door for every kind of data: `read_statistics(roles, data)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from partialpool.data import arrays, counts, counts_sql, files, frames, sql
from partialpool.data.counts import CountStatistics
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
        CSV or Parquet file (also a glob), or a DuckDB relation.
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
    roles: CountRoles, data: Any, *, progress: Progress | None = None
) -> Reading[CountStatistics]:
    """Reduce counts to one record a group; as `read_statistics`."""
    return _read(roles, data, progress, counts.reduce, counts_sql.reduce)


def _read(
    roles: R,
    data: Any,
    progress: Progress | None,
    from_rows: Callable[[frames.Rows, R], S],
    from_relation: Callable[[Any, R, sql.Fetch], S],
) -> Reading[S]:
    if isinstance(data, str | Path):
        return Reading(_read_file(data, roles, progress, from_relation), as_table)
    kind = frames.kind_of(data)
    if kind == "duckdb":
        statistics = from_relation(data, roles, sql.fetch_now)
        return Reading(statistics, partial(sql.as_relation, data))
    if kind is None:
        raise DataError(
            f"data of type {type(data).__name__} cannot be read; allowed are a pandas or Polars "
            "frame, a PyArrow table, a dict of arrays, a DuckDB relation, and the path of a CSV "
            "or Parquet file"
        )
    statistics = from_rows(frames.extract(data, kind, roles), roles).sorted()
    if kind == "mapping":
        return Reading(statistics, as_table)
    return Reading(statistics, partial(build_frame, library=kind))


def _read_file(
    path: str | Path,
    roles: R,
    progress: Progress | None,
    from_relation: Callable[[Any, R, sql.Fetch], S],
) -> S:
    opened = files.open_file(path, roles)
    fetch = files.watched(opened.connection, progress) if progress else sql.fetch_now
    statistics = from_relation(opened.relation, roles, fetch)
    if opened.text_labels:
        statistics = replace(statistics, labels=integers_if_plain(statistics.labels)).sorted()
    return statistics


def as_table(table: Table) -> Table:
    """Hand results back as a Table."""
    return table
