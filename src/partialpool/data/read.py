"""One door for every kind of data: `read_statistics(roles, data)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from partialpool.data import arrays, files, frames, sql
from partialpool.data.labels import integers_if_plain
from partialpool.data.statistics import GroupStatistics
from partialpool.data.table import Table, build_frame
from partialpool.errors import DataError
from partialpool.formula import OneWay

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """The statistics, and how to hand results back in the kind of frame that came in."""

    statistics: GroupStatistics
    like: Callable[[Table], Any]


def read_statistics(roles: OneWay, data: Any, *, progress: Progress | None = None) -> Reading:
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
    like = handing_back(data)
    if isinstance(data, str | Path):
        return Reading(_read_file(data, roles, progress), like)
    kind = frames.kind_of(data)
    if kind == "duckdb":
        return Reading(sql.reduce(data, roles), like)
    if kind is None:
        raise not_data(data)
    return Reading(arrays.reduce(frames.extract(data, kind, roles), roles).sorted(), like)


def handing_back(data: Any) -> Callable[[Table], Any]:
    """How results are handed back: in the kind of frame that `data` is."""
    kind = None if isinstance(data, str | Path) else frames.kind_of(data)
    if kind == "duckdb":
        return partial(sql.as_relation, data)
    return as_table if kind in (None, "mapping") else partial(build_frame, library=kind)


def not_data(data: Any) -> DataError:
    """Build the error for something that holds no columns."""
    return DataError(
        f"data of type {type(data).__name__} cannot be read; allowed are a pandas or Polars "
        "frame, a PyArrow table, a dict of arrays, a DuckDB relation, and the path of a CSV "
        "or Parquet file"
    )


def _read_file(path: str | Path, roles: OneWay, progress: Progress | None) -> GroupStatistics:
    opened = files.open_file(path, roles)
    fetch = files.watched(opened.connection, progress) if progress else sql.fetch_now
    statistics = sql.reduce(opened.relation, roles, fetch)
    if opened.text_labels:
        statistics = replace(statistics, labels=integers_if_plain(statistics.labels)).sorted()
    return statistics


def as_table(table: Table) -> Table:
    """Hand results back as a Table."""
    return table
