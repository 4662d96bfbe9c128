"""CSV files through DuckDB: of large files the rows never become Python objects."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from partialpool.errors import ColumnError, DataError
from partialpool.notices import Notice
from partialpool.rows.csv_files import (
    UTF8,
    CsvFile,
    decimal_of,
    explain,
    literal,
    refuse,
    refuse_unclear,
)
from partialpool.rows.csv_rows import texts_of
from partialpool.rows.duck import quote
from partialpool.rows.number_styles import NumberStyle, notices_of, styles_of
from partialpool.rows.text_columns import NUMBERS, Kind, Kinds, mixed_categories, refuse_percent
from partialpool.rows.text_numbers import MISSING_LABELS, number_sql, truth_sql, words_sql

BYTES_AT_ONCE = 2**20
"""Bytes of a file that are held while its line ends are counted."""
FIRST_ROWS = 10_000
"""Rows of each file from which the style of its numbers is recognised; later ones must be like
them."""

Styles = Mapping[str, NumberStyle]


def first_styles(
    files: Sequence[CsvFile], kinds: Kinds
) -> tuple[dict[str, NumberStyle], tuple[Notice, ...]]:
    """How the first rows of files write the numbers of each column, and what to say of it."""
    columns = _first_rows(files, [name for name, kind in kinds.items() if kind in NUMBERS])
    if not columns:
        return {}, ()
    mark = decimal_of(files)
    refuse_unclear(files[0], columns, mark)
    styles = styles_of(columns, mark)
    refuse_percent(styles, kinds)
    return styles, notices_of(styles, columns)


def first_categories(files: Sequence[CsvFile], kinds: Kinds) -> dict[str, Kind]:
    """As `mixed_categories`, from the first rows."""
    columns = _first_rows(files, [name for name, kind in kinds.items() if kind == "either"])
    return mixed_categories(kinds, lambda name: columns.get(name, ()))


def _first_rows(files: Sequence[CsvFile], names: Sequence[str]) -> dict[str, list[str | None]]:
    """Some columns of the first rows of each file; none where a row is broken."""
    columns: dict[str, list[str | None]] = {name: [] for name in names}
    if not columns:
        return {}
    try:
        for file in files:
            for name, texts in texts_of(file, names, FIRST_ROWS).items():
                columns[name] += texts
    except DataError:  # of which DuckDB says where
        return {}
    return columns


def relation_of(connection: Any, files: Sequence[CsvFile], kinds: Kinds, styles: Styles) -> Any:
    """The wanted columns of CSV files as a relation: labels as text, numbers as DOUBLE.

    DuckDB is told all about the files and guesses nothing: what it guesses from the first rows is
    wrong for some files, and looking for it costs more than reading the numbers from text.

    Raises
    ------
    ColumnError
        If names of columns differ in capitals only, which DuckDB cannot tell apart.
    """
    check_capitals(kinds)
    relation = None
    for (columns, _), same in groupby(files, key=lambda f: (f.columns, f.skip)):
        part = _text_of(connection, list(same)).project(_projection(columns, kinds, styles))
        relation = part if relation is None else relation.union(part)
    return relation


def check_capitals(names: Iterable[str]) -> None:
    """Refuse columns whose names DuckDB cannot tell apart."""
    lower: dict[str, str] = {}
    for name in names:
        other = lower.setdefault(name.lower(), name)
        if other != name:
            raise ColumnError(
                f'columns "{other}" and "{name}" cannot be told apart; the names of columns that '
                "are used must differ in more than capitals"
            )


def _text_of(connection: Any, files: Sequence[CsvFile]) -> Any:
    """All columns of files with one header as text, named by their positions."""
    return connection.read_csv(
        [literal(f.name) for f in files],
        auto_detect=False,
        columns={f"c{i}": "VARCHAR" for i in range(len(files[0].columns))},
        header=False,
        skiprows=files[0].skip,
        delimiter=files[0].delimiter,
        quotechar='"',
        escapechar='"',
        na_values=list(MISSING_LABELS),
    )


def _projection(columns: Sequence[str], kinds: Kinds, styles: Styles) -> str:
    sql: dict[str, Callable[[str], str]] = {
        "label": lambda x: x,
        "number": number_sql,
        "count": number_sql,
        "numbers": lambda x: number_sql(x, truth=False),
        "truth values": truth_sql,
        "text": words_sql,
    }
    found = []
    for name, kind in kinds.items():
        x = f"c{columns.index(name)}"
        x = f"({styles[name].sql(x)})" if name in styles else x
        found.append(f"{sql[kind](x)} AS {quote(name)}")
    return ", ".join(found)


@contextmanager
def diagnosed(files: Sequence[CsvFile], kinds: Kinds, styles: Styles) -> Iterator[None]:
    """Raise what DuckDB raises as a sentence that names line and value.

    DuckDB says in which line a quote is wrong; anything else is looked for in the files.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        names = " and ".join(f'"{f.name}"' for f in files[:3])
        told = DataError(f"{names} cannot be read: {explain(error)}")
        if "unterminated quote" not in str(error):
            refuse(files, kinds, styles)
        raise told from error


def reads(connection: Any, files: Sequence[CsvFile]) -> bool:
    """Whether DuckDB can read files: not if lines end in more than one way, unless inside quotes.

    Where it can be told to, it loses its checks of quotes and of the number of fields.
    """
    import duckdb

    if any(f.encoding != UTF8 for f in files):
        return False
    mixed = [f for f in files if _has_mixed_line_ends(f)]
    try:
        for file in mixed:
            _text_of(connection, [file]).aggregate("COUNT(*), COUNT(c0)").fetchall()
    except duckdb.Error:
        return False
    return True


def _has_mixed_line_ends(file: CsvFile) -> bool:
    """Whether a file holds line ends of more than one kind."""
    opener = gzip.open if file.name.lower().endswith(".gz") else open
    both = feeds = returns = 0
    last = b""
    with opener(file.name, "rb") as stream:
        while block := stream.read(BYTES_AT_ONCE):
            both += block.count(b"\r\n") + (last == b"\r" and block[:1] == b"\n")
            feeds += block.count(b"\n")
            returns += block.count(b"\r")
            last = block[-1:]
    return sum(n > 0 for n in (both, feeds - both, returns - both)) > 1
