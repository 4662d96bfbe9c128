"""CSV and Parquet files, through DuckDB: the rows never become Python objects."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partialpool._typing import AnyArray
from partialpool.data import labels as lab
from partialpool.data.frames import check_column
from partialpool.data.table import Table
from partialpool.errors import DataError
from partialpool.formula import OneWay

CSV_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
PARQUET_ENDINGS = (".parquet", ".pq", ".parq")
MISSING_WORDS = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "."]
"""What counts as a missing value in a CSV file."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file opened as a DuckDB relation, on a connection of its own.

    `text_labels` says that the group column was read as text, as CSV files hold nothing else.
    """

    relation: Any
    connection: Any
    text_labels: bool


def open_file(path: str | Path, roles: OneWay) -> OpenFile:
    """Open a CSV or Parquet file, or a glob of them, as a DuckDB relation.

    Raises
    ------
    DataError
        If the file is not there, is empty, or is not what its ending says.
    """
    import duckdb

    text = os.fspath(path)
    names = _expand(text)
    connection = duckdb.connect()
    connection.execute("SET enable_progress_bar = true")
    connection.execute("SET enable_progress_bar_print = false")
    try:
        if all(n.lower().endswith(PARQUET_ENDINGS) for n in names):
            relation = connection.read_parquet(names, union_by_name=len(names) > 1)
            return OpenFile(relation, connection, False)
        if all(n.lower().endswith(CSV_ENDINGS) for n in names):
            return OpenFile(_read_csv(connection, names, roles), connection, True)
    except duckdb.Error as error:
        raise DataError(f'"{text}" cannot be read: {first_line(error)}') from error
    raise DataError(
        f'"{text}": the ending says what a file is; allowed are '
        f"{', '.join(CSV_ENDINGS + PARQUET_ENDINGS)}, all files of one kind"
    )


def _expand(text: str) -> list[str]:
    if os.path.isdir(text):
        raise DataError(
            f'"{text}" is a folder; name its files with a glob such as "{text}/*.parquet"'
        )
    names = [text] if os.path.exists(text) else sorted(glob.glob(text, recursive=True))
    if not names:
        what = "no file matches" if glob.has_magic(text) else "there is no file"
        raise DataError(f'{what} "{text}" (looked in {os.getcwd()})')
    empty = [n for n in names if os.path.getsize(n) == 0]
    if empty:
        raise DataError(f'"{empty[0]}" is an empty file; a header and rows are needed')
    return names


def _read_csv(connection: Any, names: list[str], roles: OneWay) -> Any:
    """Sniff types, but keep the group column as text: "007" is a label, not 7."""
    options: dict[str, Any] = {"na_values": MISSING_WORDS, "union_by_name": len(names) > 1}
    relation = connection.read_csv(names, **options)
    if not _has_header(relation.columns):
        raise DataError(
            f'"{names[0]}" has no header row: the first row must name the columns; it reads '
            f"{lab.shown(relation.columns)}"
        )
    _refuse_repeated_header(connection, names[0], relation.columns)
    for role in roles.columns:
        check_column(role.name, relation.columns, role.at)
    return connection.read_csv(names, dtype={roles.group.name: "VARCHAR"}, **options)


def _has_header(columns: list[str]) -> bool:
    """DuckDB names the columns of a file without header column0, column1, ..."""
    generated = [f"column{i}" for i in range(len(columns))]
    padded = [f"column{i:02d}" for i in range(len(columns))]
    return list(columns) not in (generated, padded)


def _refuse_repeated_header(connection: Any, name: str, columns: list[str]) -> None:
    """DuckDB renames a repeated column to x_1; the user must know which one is meant."""
    renamed = [
        c for c in columns if c.rpartition("_")[2].isdecimal() and c.rpartition("_")[0] in columns
    ]
    if not renamed:
        return
    raw = connection.read_csv(name, header=False, all_varchar=True).limit(1).fetchall()[0]
    repeated = [c for c in dict.fromkeys(raw) if c is not None and raw.count(c) > 1]
    if repeated:
        raise DataError(
            f'"{name}" has the column name "{repeated[0]}" {raw.count(repeated[0])} times; '
            "give the columns distinct names"
        )


def first_line(error: BaseException) -> str:
    """The first sentence of a database error, without its class and without advice."""
    lines = [x.strip() for x in str(error).splitlines() if x.strip()]
    return lines[0] if lines else type(error).__name__


def watched(connection: Any, progress: Callable[[float], None]) -> Callable[[Any], Any]:
    """Return a function that runs a relation in a thread and reports the fraction done.

    An interrupt stops the query.
    """

    def fetch(result: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(result.fetchnumpy)
            try:
                while not job.done():
                    wait([job], timeout=0.1)
                    progress(max(0.0, connection.query_progress()) / 100.0)
            except BaseException:
                connection.interrupt()
                raise
            return job.result()

    return fetch


def write_table(table: Table, path: str) -> None:
    """Write a table to a CSV or Parquet file, as the ending says; whole or not at all.

    Raises
    ------
    DataError
        If the ending is another, or the file cannot be written.
    """
    import duckdb

    lower = path.lower()
    if not lower.endswith((".csv", *PARQUET_ENDINGS)):
        raise DataError(f'"{path}": the ending says what to write; allowed are .csv and .parquet')
    target = f"{path}.part"
    options = "FORMAT csv, HEADER" if lower.endswith(".csv") else "FORMAT parquet"
    columns = {k: _writable(v) for k, v in table.items()}
    try:
        with duckdb.connect() as connection:
            quoted = target.replace("'", "''")
            connection.execute(f"COPY (SELECT * FROM columns) TO '{quoted}' ({options})")
        os.replace(target, path)
    except (duckdb.Error, OSError) as error:
        if os.path.exists(target):
            os.remove(target)
        raise DataError(f'"{path}" cannot be written: {first_line(error)}') from error
    assert columns


def _writable(values: AnyArray) -> AnyArray:
    """Labels of mixed types are written as text."""
    if values.dtype.kind == "O" and len({type(v) for v in values.tolist()}) > 1:
        return np.array([str(v) for v in values.tolist()], dtype=object)
    return values
