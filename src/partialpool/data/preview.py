"""What is in a file, before anything is fitted: columns, their kinds, the first rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from partialpool.data import files
from partialpool.data.csv_files import MISSING_WORDS, explain, header_of, literal
from partialpool.data.excel import EXCEL_ENDINGS, read_excel
from partialpool.errors import DataError

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
        found = read_excel(text)
        return tuple(_column(name, list(v[:LOOKED_AT]), rows) for name, v in found.items())
    import duckdb

    with duckdb.connect() as connection:
        try:
            relation = _open(connection, text)
            part = relation.limit(LOOKED_AT)
            values = list(zip(*part.fetchall(), strict=True))
        except duckdb.Error as error:
            raise DataError(f'"{path}" cannot be read: {explain(error)}') from error
        names = list(relation.columns)
    if not values:
        raise DataError(f'"{path}" holds a header and no rows')
    return tuple(_column(n, list(v), rows) for n, v in zip(names, values, strict=True))


def _open(connection: Any, path: str) -> Any:
    lower = path.lower()
    files.check_not_empty(path)
    if lower.endswith(files.PARQUET_ENDINGS):
        return connection.read_parquet(literal(path))
    if lower.endswith(files.CSV_ENDINGS):
        header = header_of(path, set())
        _check_width(path, len(header.names))
        return connection.read_csv(
            literal(path), header=True, delimiter=header.delimiter, na_values=MISSING_WORDS
        )
    endings = ", ".join(files.CSV_ENDINGS + files.PARQUET_ENDINGS + EXCEL_ENDINGS)
    raise DataError(f'"{path}": the ending says what a file is; allowed are {endings}')


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
    if all(isinstance(v, bool | np.bool_) for v in present):
        return "yes/no"
    if all(hasattr(v, "__float__") for v in present):
        return "number"
    return "date" if all(hasattr(v, "isoformat") for v in present) else "text"
