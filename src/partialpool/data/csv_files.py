"""CSV files: the header is read here, exactly as written; the rows are read by DuckDB."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any, Protocol

from partialpool.data import labels as lab
from partialpool.data.frames import check_column
from partialpool.errors import ColumnError, DataError
from partialpool.formula.tree import Name

DELIMITERS = (",", ";", "\t", "|")
MISSING_WORDS = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "."]
"""What counts as a missing value in a CSV file."""


class Wanted(Protocol):
    """The columns to read, and those of them that hold labels only, whatever they look like."""

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column, each once."""

    @property
    def labels(self) -> tuple[Name, ...]:
        """Columns read as text."""


@dataclass(frozen=True, slots=True)
class Header:
    """The column names as the file writes them, and the character between them."""

    names: list[str]
    delimiter: str


def read_csv(connection: Any, names: list[str], roles: Wanted) -> Any:
    """Sniff types, but keep group columns as text: "007" is a label, not 7.

    Raises
    ------
    ColumnError
        If a column is missing from one of the files, or there twice.
    DataError
        If a file is not text in UTF-8, or its rows do not fit its header.
    """
    import duckdb

    headers = [_checked_header(name, roles) for name in names]
    delimiters = sorted({h.delimiter for h in headers})
    if len(delimiters) > 1:
        raise DataError(f"the files separate their fields differently: {lab.shown(delimiters)}")
    options = {
        "header": True,
        "delimiter": delimiters[0],
        "na_values": MISSING_WORDS,
        "union_by_name": len(names) > 1,
        "dtype": {c.name: "VARCHAR" for c in roles.labels},
    }
    try:
        relation = _relation(connection, names, options)
    except duckdb.Error as error:
        for name, header in zip(names, headers, strict=True):
            _refuse_uneven_rows(name, header)
        raise DataError(f'"{names[0]}" cannot be read: {explain(error)}') from error
    for role in roles.columns:
        if role.name not in relation.columns:  # the sniffer found another header, or renamed it
            for name, header in zip(names, headers, strict=True):
                _refuse_uneven_rows(name, header)
            raise ColumnError(
                f'column "{role.name}" of "{names[0]}" cannot be told apart from another one; '
                "column names must differ in more than capitals"
            )
    return relation


def _relation(connection: Any, names: list[str], options: dict[str, Any]) -> Any:
    """Open strictly; where the line ends are mixed, which strict reading refuses, leniently."""
    import duckdb

    paths = [literal(n) for n in names]
    try:
        return connection.read_csv(paths, **options)
    except duckdb.Error:
        if not any(_mixed_line_ends(name) for name in names):
            raise
        return connection.read_csv(paths, strict_mode=False, quotechar='"', **options)


def _mixed_line_ends(name: str) -> bool:
    with open(name, "rb") as file:
        start = file.read(2**16)
    return 0 < start.count(b"\r\n") < start.count(b"\n")


def literal(name: str) -> str:
    """Escape a file name that DuckDB would otherwise read as a glob."""
    return re.sub(r"[*?\[]", r"[\g<0>]", name)


def explain(error: BaseException) -> str:
    """A database error in one sentence, without its class and without advice."""
    lines = [x.strip() for x in str(error).splitlines()]
    found = re.search(
        r'Line: (\d+)\n.*column "(.*)"\. Could not convert string "(.*)" to', str(error), re.DOTALL
    )
    if found:
        line, column, value = found.groups()
        return (
            f'column "{column}" must hold numbers; line {line} of the file holds the text '
            f"{lab.shown([value])}: correct the value, or leave it empty if it is missing"
        )
    found = re.search(r"Line: (\d+)\n.*Columns: (\d+) Found: (\d+)", str(error), re.DOTALL)
    if found:
        return "line {0} of the file has {2} fields and the header has {1}".format(*found.groups())
    kept = [re.sub(r"^[\w ]+ Error: ", "", lines[0])] if lines else [type(error).__name__]
    for text in lines[1:]:
        if not text or text.startswith(("Possible", "Candidate", "The search space")):
            break
        if not text.startswith("Original Line"):
            kept.append(text)
    return "; ".join(kept)


def _checked_header(name: str, roles: Wanted) -> Header:
    header = header_of(name, {role.name for role in roles.columns})
    try:
        for role in roles.columns:
            check_column(role.name, header.names, role.at)
    except ColumnError as error:
        raise ColumnError(
            f'{error} (the first row of "{name}"; the first row must name the columns)'
        ) from None
    return header


@contextmanager
def _opened(name: str) -> Iterator[Iterator[str]]:
    """The lines of a file from its header on, which is the first line that is not blank."""
    opener = gzip.open if name.lower().endswith(".gz") else open
    try:
        with opener(name, "rt", encoding="utf-8-sig", newline="") as file:
            yield dropwhile(lambda line: not line.strip(), file)
    except UnicodeDecodeError as error:
        raise DataError(
            f'"{name}" is not text in UTF-8 (byte {error.start + 1}); save it as CSV in UTF-8'
        ) from error
    except (OSError, EOFError, csv.Error) as error:
        raise DataError(f'"{name}" cannot be read: {error}') from error


def header_of(name: str, wanted: set[str]) -> Header:
    """Read the header with the delimiter that gives the columns wanted, or most columns."""
    with _opened(name) as lines:
        first = next(lines, "")
        if not first:
            raise DataError(f'"{name}" holds no text; a header and rows are needed')
        found = [Header([c.strip() for c in _fields(first, d)], d) for d in DELIMITERS]
        return max(found, key=lambda h: (len(wanted & set(h.names)), len(h.names)))


def _fields(line: str, delimiter: str) -> list[str]:
    """The fields of a line; the whole of a long one that this delimiter does not divide."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return [line]


def _refuse_uneven_rows(name: str, header: Header) -> None:
    """Name the first row that has more or fewer fields than the header."""
    with _opened(name) as lines:
        for row, fields in enumerate(csv.reader(lines, delimiter=header.delimiter)):
            if fields and len(fields) != len(header.names):
                raise DataError(
                    f'row {row} of "{name}" has {len(fields)} fields and the header has '
                    f"{len(header.names)} ({lab.shown(header.names)}): {lab.shown(fields)}"
                )
