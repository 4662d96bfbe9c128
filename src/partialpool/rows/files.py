"""Files through DuckDB (CSV, Parquet, its own databases): rows never become Python objects."""

from __future__ import annotations

import csv
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray
from partialpool.errors import ColumnError, DataError
from partialpool.notices import Notice
from partialpool.rows import csv_duckdb, csv_rows
from partialpool.rows.csv_files import csv_files, explain, first_value, literal
from partialpool.rows.duck import is_installed, is_number, library, text_literal, translated
from partialpool.rows.excel import EXCEL_ENDINGS, write_excel
from partialpool.rows.text_columns import Wanted, decided, kinds_of
from partialpool.rows.whole_files import moved_when_whole
from partialpool.threads import can_start

CSV_ENDINGS = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")
PARQUET_ENDINGS = (".parquet", ".pq", ".parq")
ENDINGS = CSV_ENDINGS + PARQUET_ENDINGS + EXCEL_ENDINGS
"""What files end in that can be read."""
DATABASE = re.compile(r"\.(duckdb|ddb|db)::", re.IGNORECASE)


Paths = str | Path | Sequence[str | Path]
"""A file, a glob of files, a list of them, or a table of a database: "scores.duckdb::rows"."""


@dataclass(frozen=True, slots=True)
class OpenFile:
    """Files opened.

    Parameters
    ----------
    names : list of str
        Their paths.
    stamps : dict
        Size and time of each, by which a change is seen.
    relation, connection : optional
        Their rows as a DuckDB relation, on a connection of its own; None if they are in `table`.
    table : dict of ndarray, optional
        Their columns, of small CSV files.
    text_labels : bool
        Whether labels were read as text, as CSV files hold nothing else.
    small : bool
        Whether the files would be read at once, without DuckDB.
    raised : callable
        A context that raises what DuckDB raises as one of our errors, in one sentence.
    notices : tuple of Notice
        What is to be said about how they were read.
    """

    names: list[str]
    stamps: dict[str, tuple[int, int]]
    relation: Any = None
    connection: Any = None
    table: dict[str, AnyArray] | None = None
    text_labels: bool = False
    small: bool = False
    raised: Callable[[], AbstractContextManager[None]] = translated
    notices: tuple[Notice, ...] = ()

    def check_unchanged(self) -> None:
        """Raise a DataError if a file was changed since it was opened."""
        for name, stamp in self.stamps.items():
            if not os.path.exists(name) or _stamp(name) != stamp:
                raise DataError(
                    f'"{name}" changed while it was read, so the result would be of no one '
                    "version of it; run again when nothing writes to it"
                )


def are_paths(data: Any) -> bool:
    """True for a path, and for a list of paths."""
    if isinstance(data, list | tuple):
        return bool(data) and all(isinstance(x, str | Path) for x in data)
    return isinstance(data, str | Path)


def listed(paths: Paths) -> list[str]:
    """The paths, of one or several, as text."""
    return [os.fspath(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]


def csv_names(data: Any) -> list[str]:
    """Names of the CSV files that data are; none if they are anything else."""
    texts = listed(data) if are_paths(data) else []
    if any(DATABASE.search(text) for text in texts):
        return []
    names = [n for text in texts for n in expand(text)]
    return names if all(n.lower().endswith(CSV_ENDINGS) for n in names) else []


def open_file(paths: Paths, roles: Wanted, *, at_once: bool = True) -> OpenFile:
    """Open CSV or Parquet files, or a table of a DuckDB database.

    Parameters
    ----------
    paths, roles
        The files, and the columns that are needed.
    at_once : bool
        Whether small CSV files are read at once, without DuckDB.

    Raises
    ------
    DataError
        If a file is not there, is empty, or is not what its ending says.
    """
    texts = listed(paths)
    if len(texts) == 1 and DATABASE.search(texts[0]):
        return _open_database(texts[0])
    names = [n for text in texts for n in expand(text)]
    stamps = {n: _stamp(n) for n in names}
    if all(n.lower().endswith(PARQUET_ENDINGS) for n in names):
        with readable(names[0]):
            connection = connect()
            return OpenFile(names, stamps, _read_parquet(connection, names, roles), connection)
    if all(n.lower().endswith(CSV_ENDINGS) for n in names):
        return _open_csv(names, stamps, roles, at_once)
    others = (
        ', all files of one kind, and a table of a DuckDB database written as "file.duckdb::table"'
    )
    raise unknown_ending(texts[0], others)


def unknown_ending(name: str, others: str = "") -> DataError:
    """The error that says which kinds of files are read, and what others there are."""
    return DataError(
        f'"{name}": the ending says what a file is; allowed are {", ".join(ENDINGS)}{others}'
    )


def _open_csv(
    names: list[str], stamps: dict[str, tuple[int, int]], roles: Wanted, at_once: bool
) -> OpenFile:
    files = csv_files(names, roles)
    kinds = kinds_of(roles) or dict.fromkeys(files[0].columns[:1], "label")
    csv_duckdb.check_capitals(kinds)
    said = tuple(notice for file in files for notice in file.notices)
    in_memory = csv_rows.read_small(files, kinds) if at_once else None
    connection = None if in_memory is not None or not is_installed() else connect()
    if in_memory is None and (connection is None or not csv_duckdb.reads(connection, files)):
        in_memory = csv_rows.read_all(files, kinds)
    if in_memory is not None:
        said += in_memory.notices
        return OpenFile(
            names, stamps, table=in_memory.table, text_labels=True, raised=nullcontext, notices=said
        )
    with readable(names[0]):
        kinds = csv_duckdb.first_categories(files, kinds)
        kinds = decided(kinds, lambda name: first_value(files, name))
        styles, unusual = csv_duckdb.first_styles(files, kinds)
        relation = csv_duckdb.relation_of(connection, files, kinds, styles)
    raised = partial(csv_duckdb.diagnosed, files, kinds, styles)
    small, said = csv_rows.are_small(names), said + unusual
    return OpenFile(
        names, stamps, relation, connection, None, True, small=small, raised=raised, notices=said
    )


def _stamp(name: str) -> tuple[int, int]:
    """Size and time of last change."""
    status = os.stat(name)
    return status.st_size, status.st_mtime_ns


def connect(path: str = ":memory:") -> Any:
    """Open a connection of our own, to a database read-only; it can tell its progress."""
    connection = library("a database").connect(path, read_only=path != ":memory:")
    connection.execute("SET enable_progress_bar = true")
    connection.execute("SET enable_progress_bar_print = false")
    return connection


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Raise what DuckDB raises as a sentence that names the file."""
    duckdb = library(f'"{name}"')
    try:
        yield
    except duckdb.Error as error:
        raise DataError(f'"{name}" cannot be read: {explain(error)}') from error


def _open_database(text: str) -> OpenFile:
    """Open a table of a database file, read-only."""
    path, table = text.rsplit("::", 1)
    if not os.path.exists(path):
        raise DataError(f'there is no file "{path}" (looked in {os.getcwd()})')
    with readable(text):
        connection = connect(path)
        return OpenFile([text], {}, connection.table(table), connection)


def _read_parquet(connection: Any, names: list[str], roles: Wanted) -> Any:
    """Open Parquet files; numbers of several types are widened, never cut to the first type."""
    files = [literal(n) for n in names]
    if len(files) == 1:
        return connection.read_parquet(files)
    schemas = connection.execute(
        "SELECT file_name, name, duckdb_type FROM parquet_schema(?)", [files]
    ).fetchall()
    widen = False
    for role in roles.columns:
        types = dict.fromkeys(names, "")
        types |= {file: kind for file, name, kind in reversed(schemas) if name == role.name}
        if len(set(types.values())) > 1:
            _check_alike(role.name, types)
            widen = True
    return connection.read_parquet(files, union_by_name=widen)


def _check_alike(column: str, types: dict[str, str]) -> None:
    """Raise unless the column is there in every file, and its types are all numbers."""
    for name, kind in types.items():
        if not kind:
            raise ColumnError(f'column "{column}" is not in "{name}"')
    first = next(iter(types))
    for name, kind in types.items():
        numbers = all(is_number(k) for k in (kind, types[first]))
        if kind != types[first] and not numbers:
            raise DataError(
                f'column "{column}" is {types[first]} in "{first}" and {kind} in "{name}"; write '
                "the files with one type"
            )


def expand(text: str) -> list[str]:
    """Names of the files that a path or glob stands for, none of them empty.

    Raises
    ------
    DataError
        If there is none, or one is empty, or a folder.
    """
    if os.path.isdir(text):
        raise DataError(
            f'"{text}" is a folder; name its files with a glob such as "{text}/*.parquet"'
        )
    matching = [text] if os.path.exists(text) else sorted(glob.glob(text, recursive=True))
    names = [n for n in matching if os.path.exists(n) and not os.path.isdir(n)]
    if not names:
        what = "no file matches" if glob.has_magic(text) else "there is no file"
        raise DataError(f'{what} "{text}" (looked in {os.getcwd()})')
    for name in names:
        check_not_empty(name)
    return names


def existing(path: str | Path) -> str:
    """Return the path of one file that is there."""
    text = os.fspath(path)
    if not os.path.isfile(text):
        raise DataError(f'there is no file "{text}" (looked in {os.getcwd()})')
    check_not_empty(text)
    return text


def check_not_empty(name: str) -> None:
    """Refuse a file without a byte."""
    if os.path.getsize(name) == 0:
        raise DataError(f'"{name}" is an empty file; a header and rows are needed')


def watched(connection: Any, progress: Callable[[float], None]) -> Callable[[Any], Any]:
    """Return a function that runs a relation in a thread and reports the fraction done.

    An interrupt stops the query.
    """

    def fetch(result: Any) -> Any:
        if not can_start():
            return result.fetchnumpy()
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(result.fetchnumpy)
            try:
                done = False
                while not done:  # at least once, however quick the query
                    done = bool(wait([job], timeout=0.1).done)
                    progress(max(0.0, connection.query_progress()) / 100.0)
            except BaseException:
                connection.interrupt()
                raise
            return job.result()

    return fetch


def write_table(table: Table, path: str) -> None:
    """Write a table to a CSV, Parquet or Excel file, as the ending says; whole or not at all.

    Raises
    ------
    DataError
        If the ending is another, or the file cannot be written.
    """
    lower = path.lower()
    if lower.endswith(".xlsx"):
        write_excel(table, path)
        return
    if not lower.endswith((".csv", *PARQUET_ENDINGS)):
        raise DataError(
            f'"{path}": the ending says what to write; allowed are .csv, .parquet and .xlsx'
        )
    if lower.endswith(".csv"):
        _write_csv(table, path)
    else:
        copy_columns([{k: _writable(v) for k, v in table.items()}], path, "FORMAT parquet")


def _write_csv(table: Table, path: str) -> None:
    """Numbers so that they are read again the same; true and false; nothing where missing."""
    columns = [map(_cell, column.tolist()) for column in _dates(table).values()]
    try:
        with (
            moved_when_whole(path) as target,
            open(target, "w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table)
            writer.writerows(zip(*columns, strict=True))
    except OSError as error:
        raise DataError(f'"{path}" cannot be written: {error}') from error


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value != value else value


def _dates(table: Table) -> dict[str, AnyArray]:
    """The columns, dates as microseconds: of finer ones `tolist` makes integers."""
    return {k: v.astype("M8[us]") if v.dtype.kind == "M" else v for k, v in table.items()}


def copy_columns(parts: Sequence[dict[str, AnyArray]], path: str, options: str) -> None:
    """Write columns to a file beside `path` and move it there when it is whole.

    Parameters
    ----------
    parts : sequence of dict of ndarray
        Equally long columns; several parts stand below each other, their columns by name.
    path : str
        Where the file goes.
    options : str
        Options of DuckDB's COPY, such as ``"FORMAT parquet"``.

    Raises
    ------
    DataError
        If the file cannot be written; whatever stops the writing, no part of it stays.
    """
    duckdb = library("a Parquet file")
    try:
        with moved_when_whole(path) as target, duckdb.connect() as connection:
            where = f"{text_literal(target)} ({options}, USE_TMP_FILE false)"
            for i, columns in enumerate(parts):
                connection.execute(f"CREATE TABLE part{i} AS SELECT * FROM columns")
                assert columns  # which DuckDB found by their name in the statement
            every = " UNION ALL BY NAME ".join(f"FROM part{i}" for i in range(len(parts)))
            connection.execute(f"COPY ({every}) TO {where}")
    except (duckdb.Error, OSError) as error:
        raise DataError(f'"{path}" cannot be written: {explain(error)}') from error


def _writable(values: AnyArray) -> AnyArray:
    """Labels of mixed types are written as text."""
    if values.dtype.kind == "O" and len({type(v) for v in values.tolist()}) > 1:
        return np.array([str(v) for v in values.tolist()], dtype=object)
    return values
