"""What is in a file, before anything is fitted: columns, their kinds, the first rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from partialpool.data import files
from partialpool.data.csv_files import header_of, literal, records
from partialpool.data.excel import EXCEL_ENDINGS, read_sheet
from partialpool.data.text_numbers import is_missing, is_number, is_truth
from partialpool.errors import DataError

DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d)")

LOOKED_AT = 2000
"""Rows from which kinds are told."""
MOST_COLUMNS = 10_000
"""With more columns it takes minutes to look, and most of them are not needed."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Parameters
    ----------
    name : str
        As the file writes it.
    kind : {"number", "text", "yes/no", "date", "empty"}
        What the first rows hold.
    distinct : int
        Different values among the first rows.
    examples : tuple of str
        Its values in the first rows; empty where missing.
    """

    name: str
    kind: str
    distinct: int
    examples: tuple[str, ...]


def preview(path: str | Path, *, rows: int = 5) -> tuple[Column, ...]:
    """Look at the first rows of a CSV, Parquet or Excel file.

    Raises
    ------
    DataError
        If the file cannot be read, or is a CSV file of more than 10,000 columns.
    """
    text = str(path)
    if text.lower().endswith(EXCEL_ENDINGS):
        found = read_sheet(text).columns
    elif text.lower().endswith(files.CSV_ENDINGS):
        found = _csv(text)
    else:
        found = _parquet(text)
    if not any(found.values()):
        raise DataError(f'"{path}" holds a header and no rows')
    return tuple(_column(name, list(v[:LOOKED_AT]), rows) for name, v in found.items())


def _csv(path: str) -> dict[str, list[Any]]:
    """The first values of each column that has a name, as the rule of text files reads them."""
    files.check_not_empty(path)
    file = header_of(path, set())
    _check_width(path, len(file.columns))
    rows = [record.fields for record in islice(records(file), LOOKED_AT)]
    columns = {n: [row[file.position(n)] for row in rows] for n in file.columns if n}
    return {n: [None if is_missing(t) else t for t in v] for n, v in columns.items()}


def _parquet(path: str) -> dict[str, list[Any]]:
    if not path.lower().endswith(files.PARQUET_ENDINGS):
        endings = ", ".join(files.CSV_ENDINGS + files.PARQUET_ENDINGS + EXCEL_ENDINGS)
        raise DataError(f'"{path}": the ending says what a file is; allowed are {endings}')
    files.check_not_empty(path)
    with files.readable(path):
        part = files.connect().read_parquet(literal(path)).limit(LOOKED_AT)
        values = part.fetchall()
        return {n: [row[i] for row in values] for i, n in enumerate(part.columns)}


def _check_width(path: str, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise DataError(
            f'"{path}" has {columns:,} columns and at most {MOST_COLUMNS:,} are looked at: keep '
            "those that are needed, or save it as Parquet"
        )


def _column(name: str, values: list[Any], rows: int) -> Column:
    present = [v for v in values if v is not None and v == v]
    return Column(
        name,
        _kind(present),
        len(set(map(str, present))),
        tuple("" if v is None else str(v) for v in values[:rows]),
    )


def _kind(present: list[Any]) -> str:
    if not present:
        return "empty"
    if all(is_truth(str(v)) for v in present):
        return "yes/no"
    if all(is_number(v) if isinstance(v, str) else hasattr(v, "__float__") for v in present):
        return "number"
    if all(DATE.match(v) if isinstance(v, str) else hasattr(v, "isoformat") for v in present):
        return "date"
    return "text"
