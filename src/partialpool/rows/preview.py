"""What is in a file, before anything is fitted: columns, their kinds, the first rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partialpool.errors import DataError
from partialpool.notices import Notice
from partialpool.rows import files
from partialpool.rows.csv_files import (
    CsvFile,
    decimal_of,
    header_at,
    likely_header,
    literal,
)
from partialpool.rows.csv_rows import texts_of
from partialpool.rows.excel import EXCEL_ENDINGS, TITLE, as_text, read_sheet
from partialpool.rows.number_styles import PLAIN, NumberStyle, notices_of, style_of
from partialpool.rows.text_numbers import (
    NaWords,
    is_measured,
    is_missing,
    is_truth,
    missing_words,
)

DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}(?!\d)")

LOOKED_AT = 2000
"""Rows by which kinds are recognised."""
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
        What the first rows hold; numbers also with decimal commas, thousands marks or percent.
    texts : tuple of str or None
        Its values in the first rows, as plain numbers where it holds numbers.
    """

    name: str
    kind: str
    texts: tuple[str | None, ...]

    @property
    def present(self) -> list[str]:
        """The values that are not missing."""
        return [t for t in self.texts if t is not None]


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of a file.

    Parameters
    ----------
    columns : tuple of Column
    rows : int
        How many rows were looked at.
    notices : tuple of Notice
        How the file was read, where that is unusual or unclear.
    """

    columns: tuple[Column, ...]
    rows: int
    notices: tuple[Notice, ...]


def preview(
    path: str | Path,
    *,
    decimal: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    header: int | None = None,
    na: NaWords = (),
) -> Preview:
    """Look at the first rows of a CSV, Parquet or Excel file; arguments as of `read`.

    The row that names the columns is found below a title; `fit` then finds it by its names.

    Raises
    ------
    DataError
        If the file cannot be read, or is a CSV file of more than 10,000 columns.
    """
    text = str(path)
    if text.lower().endswith(EXCEL_ENDINGS):
        values, notices = _workbook(text, sheet, header)
    elif text.lower().endswith(files.CSV_ENDINGS):
        file = _header(text, encoding, header)
        values, notices = _csv(file), tuple(file.notices)
        decimal = decimal or decimal_of([file])
    else:
        values, notices = _parquet(text), ()
    if not any(values.values()):
        raise DataError(f'"{text}" holds a header and no rows')
    gone = missing_words(na)
    known = {n: [None if is_missing(t) or gone(t) else t for t in v] for n, v in values.items()}
    columns, said = _columns(known, decimal)
    return Preview(columns, len(next(iter(known.values()))), (*notices, *said))


def _workbook(
    path: str, sheet: str | None, header: int | None
) -> tuple[dict[str, list[str | None]], tuple[Notice, ...]]:
    rows = LOOKED_AT + (header or TITLE)
    name = files.existing(path)
    cells = read_sheet(name, name=sheet, header=header or 0, titled=True, most=rows)
    columns = {n: [as_text(v) for v in c[:LOOKED_AT]] for n, c in cells.columns.items()}
    return columns, cells.notices


def _header(path: str, encoding: str | None, header: int | None) -> CsvFile:
    files.existing(path)
    if header is not None:
        return header_at(path, header, encoding or likely_header(path).encoding)
    return likely_header(path, encoding)


def _csv(file: CsvFile) -> dict[str, list[str | None]]:
    """The first values of each column that has a name."""
    if len(file.columns) > MOST_COLUMNS:
        raise DataError(
            f'"{file.name}" has {len(file.columns):,} columns and at most {MOST_COLUMNS:,} are '
            "looked at: keep those that are needed, or save it as Parquet"
        )
    return texts_of(file, [n for n in file.columns if n], LOOKED_AT)


def _parquet(path: str) -> dict[str, list[str | None]]:
    if not path.lower().endswith(files.PARQUET_ENDINGS):
        raise files.unknown_ending(path)
    files.existing(path)
    with files.readable(path):
        part = files.connect().read_parquet(literal(path)).limit(LOOKED_AT)
        rows = part.fetchall()
        return {n: [as_text(row[i]) for row in rows] for i, n in enumerate(part.columns)}


def _columns(
    values: Mapping[str, Sequence[str | None]], decimal: str | None
) -> tuple[tuple[Column, ...], tuple[Notice, ...]]:
    columns, styles, unclear = [], {}, []
    for name, texts in values.items():
        present = {t for t in texts if t is not None}
        try:
            style = style_of(name, present, decimal)
        except DataError as error:
            unclear.append(Notice("number_style", "warning", _sentence(error)))
            columns.append(Column(name, "number", tuple(texts)))
            continue
        if not style.is_plain:
            styles[name] = style
        columns.append(_column(name, texts, style))
    return tuple(columns), (*unclear, *notices_of(styles, values))


def _sentence(error: DataError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _column(name: str, texts: Sequence[str | None], style: NumberStyle = PLAIN) -> Column:
    plain = tuple(style.rewrite(t) for t in texts) if not style.is_plain else tuple(texts)
    present = [t for t in plain if t is not None]
    if not present:
        return Column(name, "empty", plain)
    if all(is_truth(t) for t in present):
        return Column(name, "yes/no", plain)
    if all(is_measured(t) for t in present):
        return Column(name, "number", plain)
    kind = "date" if all(DATE.match(t) for t in present) else "text"
    return Column(name, kind, tuple(texts))
