"""Columns added to data of any kind: numbers taken out, and the data handed back with more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from partialpool._table import Table, build_frame
from partialpool._typing import Floats, Paths
from partialpool.design import labels as lab
from partialpool.errors import ArgumentError, ColumnError, DataError
from partialpool.formula.tree import Name
from partialpool.rows import duck, files, frames
from partialpool.rows.derived import Source
from partialpool.rows.read import checked_kind
from partialpool.rows.read_table import read


def in_memory(data: Any) -> Any:
    """The data in memory: a frame as it is; a file, relation or mapping as a `Table`.

    Raises
    ------
    DataError
        If it is no kind of data, or a Spark DataFrame.
    """
    if files.are_paths(data):
        return _of_files(data)
    kind = checked_kind(data)
    if kind == "pyspark":
        raise DataError("columns are added in memory: give data.toArrow() of the Spark DataFrame")
    if kind == "duckdb":
        return Table(duck.columns_of(data, data.columns))
    if kind == "mapping":
        lists = {str(k): frames.as_column(v, str(k)) for k, v in data.items()}
        return Table({k: lab.as_labels(v) for k, v in lists.items()})
    return data.collect() if type(data).__name__ == "LazyFrame" else data


def _of_files(data: Paths) -> Table:
    """Every column of files that have the same ones, or of a table of a database."""
    if "::" in str(data):
        relation = files.open_file(data, Source()).relation
        return Table(duck.columns_of(relation, relation.columns))
    paths = [path for each in files.listed(data) for path in files.expand(each)]
    tables = [read(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if list(table) != list(tables[0]):
            raise DataError(
                f'files must have the same columns: those of "{paths[0]}" are '
                f'{", ".join(tables[0])}, and those of "{path}" {", ".join(table)}'
            )
    columns = {k: np.concatenate([table[k] for table in tables]) for k in tables[0]}
    return tables[0] if len(tables) == 1 else Table(columns)


def numbers_of(frame: Any, names: Sequence[str]) -> dict[str, Floats]:
    """Columns of numbers, NaN where missing.

    Raises
    ------
    ColumnError, DataError
        If a column is missing or there twice, or holds something else than numbers.
    """
    kind = checked_kind(frame)
    present = frames.column_names(frame, kind)
    for name in names:
        if name not in present:
            raise ColumnError.missing(name, present)
    columns = frames.take(frame, kind, [Name(name) for name in names])
    numbers = {name: frames.numbers(column, name) for name, column in columns.items()}
    frames.check_lengths({name: len(values) for name, values in numbers.items()})
    return numbers


def with_columns(data: Any, frame: Any, added: Mapping[str, Floats]) -> Any:
    """The frame that `in_memory` made of data with more columns, in the kind of frame of the data.

    Raises
    ------
    ArgumentError
        If the frame has a column of such a name.
    """
    kind = checked_kind(frame)
    names = frames.column_names(frame, kind)
    for name in added:
        if name in names:
            raise ArgumentError(
                f'the data have a column "{name}" already; give the new ones other names, such as '
                f'names=("{name}_1", "se_1") (--names), or leave that column out'
            )
    if kind == "pandas":
        return frame.assign(**added)
    if kind == "polars":
        return frame.hstack(build_frame(dict(added), kind))
    if kind == "pyarrow":
        new = build_frame(dict(added), kind)
        for name in added:
            frame = frame.append_column(name, new.column(name))
        return frame
    table = Table({**frame, **added})
    is_relation = not files.are_paths(data) and frames.kind_of(data) == "duckdb"
    return duck.as_relation(data, table) if is_relation else table
