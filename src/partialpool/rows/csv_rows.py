"""CSV files through the csv module: small ones, which are read before DuckDB has started.

And those that DuckDB cannot read, and all of them where there is no DuckDB, as in a browser.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from partialpool.errors import DataError
from partialpool.rows.csv_files import (
    CsvFile,
    decimal_of,
    fitted,
    not_closed,
    opened_text,
    records,
    refuse,
    refuse_unclear,
)
from partialpool.rows.text_columns import (
    NUMBERS,
    Columns,
    Kinds,
    UnreadableError,
    decided,
    first_value,
    mixed_categories,
    read_in_any_style,
)

SMALL_FILE = 2**19
"""Characters of files that are read here. Measured on one core: at 0.5 MB 50 ms against DuckDB's
125 (which starts, plans and runs a few statements), even at about 0.8 MB, and with predictors at
about 1.5 MB. Larger only costs time; the results are the same
(tests/unit/rows/test_csv_readers.py)."""
SPACED_QUOTE = re.compile(r'(?:^|[,;|\t\r\n]) +"|" +(?:[,;|\t\r\n]|$)')
"""A quote beside white space, which DuckDB takes for the end of a field and csv does not."""
SPACES_BESIDE = r'(?<![^{0}\r\n])(?: *("(?:[^"]|"")*") *(?=[{0}\r\n]|\Z)| +(?="))'
"""A field in quotes with the spaces around it, or the spaces before any other quote."""


def texts_of(
    file: CsvFile, names: Sequence[str], most: int | None = None
) -> dict[str, list[str | None]]:
    """Columns of a file, or of its first rows, as text."""
    places = [(name, file.position(name)) for name in names]
    rows = [record.fields for record in islice(records(file), most)]
    return {name: [row[at] for row in rows] for name, at in places}


def are_small(names: Sequence[str]) -> bool:
    """Whether files are so small together that they are read here, as far as their sizes say."""
    return sum(map(os.path.getsize, names)) <= SMALL_FILE


def read_small(files: Sequence[CsvFile], kinds: Kinds) -> Columns | None:
    """Read the columns of files that are small together; None where DuckDB is to read them.

    Raises
    ------
    DataError
        If a row does not fit its header, or a column holds text where numbers belong.
    """
    texts, left = [], SMALL_FILE
    for file in files:
        with opened_text(file.name, file.encoding) as lines:
            texts.append(lines.read(left + 1))
        left -= len(texts[-1])
        if left < 0 or SPACED_QUOTE.search(texts[-1]):
            return None
    columns: dict[str, list[str]] = {name: [] for name in kinds}
    for file, text in zip(files, texts, strict=True):
        try:
            rows = _rows(file, text)
        except csv.Error:  # DuckDB says in which line
            return None
        for name, values in columns.items():
            at = file.position(name)
            values.extend([row[at] for row in rows])
    return _read(columns, files, kinds)


def _rows(file: CsvFile, text: str) -> list[list[str]]:
    """The fields of each row."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=file.delimiter, strict=True)
    while reader.line_num < file.lines:
        next(reader)
    rows = [row for row in reader if row]
    width = len(file.columns)
    if all(len(row) == width for row in rows):
        return rows
    return [record.fields for record in records(file)]


def read_all(files: Sequence[CsvFile], kinds: Kinds) -> Columns:
    """Read the columns of files of any size into memory, to what DuckDB would read.

    Raises
    ------
    DataError
        If a row does not fit its header, a quote is not closed, or a column holds text where
        numbers belong.
    """
    columns: dict[str, list[str]] = {name: [] for name in kinds}
    known: dict[str, str] = {}
    for file in files:
        places = [(values, file.position(name)) for name, values in columns.items()]
        for fields in _each(file):
            for values, at in places:
                text = fields[at]
                values.append(known.setdefault(text, text))  # one object for equal texts
    return _read(columns, files, kinds)


def _each(file: CsvFile) -> Iterator[list[str]]:
    """The fields of each row, one row at a time, where quotes are what they should be."""
    with opened_text(file.name, file.encoding) as lines:
        text = "".join(lines)
    if SPACED_QUOTE.search(text):
        text = re.sub(SPACES_BESIDE.format(re.escape(file.delimiter)), r"\1", text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=file.delimiter, strict=True)
    row, line = 0, 0
    try:
        for fields in reader:
            begins, line = line + 1, reader.line_num
            if line > file.lines and fields:
                row += 1
                yield fitted(fields, file, row, begins)
    except csv.Error as error:
        raise DataError(f'"{file.name}" cannot be read: {not_closed(line + 1)}') from error


def _read(columns: dict[str, list[str]], files: Sequence[CsvFile], kinds: Kinds) -> Columns:
    kinds = mixed_categories(kinds, lambda name: columns[name])
    kinds = decided(kinds, lambda name: first_value(columns[name]))
    mark, numbers = decimal_of(files), {n: v for n, v in columns.items() if kinds[n] in NUMBERS}
    refuse_unclear(files[0], numbers, mark)
    try:
        return read_in_any_style(columns, kinds, mark)
    except UnreadableError as error:
        refuse(files, kinds, error.styles)
        raise
