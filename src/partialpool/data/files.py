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
from partialpool.data.csv_files import explain, literal, read_csv
from partialpool.data.table import Table
from partialpool.errors import DataError
from partialpool.formula import Columns

CSV_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
PARQUET_ENDINGS = (".parquet", ".pq", ".parq")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file opened as a DuckDB relation, on a connection of its own.

    `text_labels` says that the group column was read as text, as CSV files hold nothing else.
    """

    relation: Any
    connection: Any
    text_labels: bool


def open_file(path: str | Path, roles: Columns) -> OpenFile:
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
            return OpenFile(connection.read_parquet([literal(n) for n in names]), connection, False)
        if all(n.lower().endswith(CSV_ENDINGS) for n in names):
            return OpenFile(read_csv(connection, names, roles), connection, True)
    except duckdb.Error as error:
        raise DataError(f'"{text}" cannot be read: {explain(error)}') from error
    raise DataError(
        f'"{text}": the ending says what a file is; allowed are '
        f"{', '.join(CSV_ENDINGS + PARQUET_ENDINGS)}, all files of one kind"
    )


def _expand(text: str) -> list[str]:
    if os.path.isdir(text):
        raise DataError(
            f'"{text}" is a folder; name its files with a glob such as "{text}/*.parquet"'
        )
    found = [text] if os.path.exists(text) else sorted(glob.glob(text, recursive=True))
    names = [n for n in found if not os.path.isdir(n)]
    if not names:
        what = "no file matches" if glob.has_magic(text) else "there is no file"
        raise DataError(f'{what} "{text}" (looked in {os.getcwd()})')
    empty = [n for n in names if os.path.getsize(n) == 0]
    if empty:
        raise DataError(f'"{empty[0]}" is an empty file; a header and rows are needed')
    return names


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
        raise DataError(f'"{path}" cannot be written: {explain(error)}') from error
    assert columns


def _writable(values: AnyArray) -> AnyArray:
    """Labels of mixed types are written as text."""
    if values.dtype.kind == "O" and len({type(v) for v in values.tolist()}) > 1:
        return np.array([str(v) for v in values.tolist()], dtype=object)
    return values
