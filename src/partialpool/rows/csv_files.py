"""CSV files as text: their headers, exactly as written, their records, and what is wrong in them.

Fields stand between the delimiter that fits the header; quotes are double quotes, doubled inside.
What the fields mean is said once, in `rows.text_numbers`; which of them are numbers, the formula
says.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from partialpool.design import labels as lab
from partialpool.errors import ColumnError, DataError
from partialpool.notices import Notice
from partialpool.rows.frames import check_column
from partialpool.rows.number_styles import NumberStyle
from partialpool.rows.text_columns import (
    Kinds,
    Wanted,
    column_name,
    naming_row,
    refuse_wrong,
)
from partialpool.rows.text_numbers import is_missing

DELIMITERS = (",", ";", "\t", "|")
UTF8, WINDOWS, LATIN = "utf-8-sig", "cp1252", "latin-1"
NAMES = {WINDOWS: "Windows-1252 (Western European)", LATIN: "Latin-1", "utf-16": "UTF-16"}
LOOKED_AT = 2**24
"""Bytes that tell the encoding: 16 MiB, read in 10 ms. An odd byte further on is an error."""
TITLE = 30
"""Records among which the header is looked for."""


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file whose header was read.

    Parameters
    ----------
    name : str
        Its path.
    columns : list of str
        The column names as the file writes them.
    delimiter : str
        The character between fields.
    lines, skip : int
        Lines, and records, of the header and of what stands before it.
    encoding : str
        Of its text.
    title : str
        What stands above the header; nothing where that is blank.
    """

    name: str
    columns: list[str]
    delimiter: str
    lines: int
    skip: int
    encoding: str = UTF8
    title: str = ""

    @property
    def notices(self) -> Iterator[Notice]:
        """What was unusual about reading it."""
        if self.encoding != UTF8:
            yield Notice(
                "encoding",
                "info",
                f'"{self.name}" is not text in UTF-8; it was read as {NAMES[self.encoding]}. If '
                "letters look wrong, give encoding (--encoding).",
            )
        if self.title:
            yield Notice(
                "title",
                "info",
                f'What stands above the header of "{self.name}" was taken as a title: '
                f"{lab.shown([self.title])}.",
            )

    def position(self, column: str) -> int:
        """Where a column stands."""
        check_column(column, self.columns, 0)
        return self.columns.index(column)


def csv_files(names: Sequence[str], wanted: Wanted) -> list[CsvFile]:
    """Read the headers of CSV files.

    Raises
    ------
    ColumnError
        If a column is missing from one of the files, or there twice.
    DataError
        If a file is not text in UTF-8, or the files separate their fields differently.
    """
    files = [_checked(name, wanted) for name in names]
    delimiters = sorted({f.delimiter for f in files})
    if len(delimiters) > 1:
        raise DataError(f"the files separate their fields differently: {lab.shown(delimiters)}")
    return files


def _checked(name: str, wanted: Wanted) -> CsvFile:
    file = header_of(name, {column.name for column in wanted.columns})
    try:
        for column in wanted.columns:
            check_column(column.name, file.columns, column.at)
    except ColumnError as error:
        raise ColumnError(
            f'{error} (the first row of "{name}"; the first row must name the columns)'
        ) from None
    return file


def header_at(name: str, line: int, encoding: str) -> CsvFile:
    """Read the header in a line, from 1, with the delimiter that gives most columns."""
    headers = []
    for delimiter in DELIMITERS:
        with opened_text(name, encoding) as lines:
            reader = csv.reader(lines, delimiter=delimiter)
            for skip, fields in enumerate(_until_too_long(reader), 1):
                if reader.line_num >= line:
                    names = [column_name(f) for f in fields]
                    headers.append(CsvFile(name, names, delimiter, reader.line_num, skip, encoding))
                    break
    if not headers:
        raise DataError(f'"{name}" has fewer than {line} lines; header is one of them')
    return max(headers, key=lambda h: len(h.columns))


def header_of(name: str, wanted: set[str], encoding: str | None = None) -> CsvFile:
    """Read the header with the delimiter that gives the columns wanted, or most columns."""
    encoding = encoding or encoding_of(name)
    headers = [h for d in DELIMITERS if (h := _header(name, d, wanted, encoding)) is not None]
    if not headers:
        raise DataError(f'"{name}" holds no text; a header and rows are needed')
    return max(headers, key=lambda h: (len(wanted & set(h.columns)), len(h.columns)))


def likely_header(name: str, encoding: str | None = None) -> CsvFile:
    """Read the header of a file of which no column is known yet; what stands above is a title.

    Raises
    ------
    DataError
        If the file holds no text.
    """
    encoding = encoding or encoding_of(name)
    headers = []
    for delimiter in DELIMITERS:
        with opened_text(name, encoding) as lines:
            reader = csv.reader(lines, delimiter=delimiter)
            records, ends = [], []
            for fields in islice(_until_too_long(reader), TITLE):
                records.append([column_name(f) for f in fields])
                ends.append(reader.line_num)
        at = naming_row(records)
        if at is not None:
            title = " ".join(f for record in records[:at] for f in record if f)
            place = ends[at], at + 1, encoding, title
            width = len(records[at])
            divides = width > 1 and all(len(r) == width for r in records[at:] if r)
            header = CsvFile(name, records[at], delimiter, *place)
            headers.append((divides, sum(map(bool, records[at])), header))
    if not headers:
        raise DataError(f'"{name}" holds no text; a header and rows are needed')
    return max(headers, key=lambda h: h[:2])[2]


def _header(name: str, delimiter: str, wanted: set[str], encoding: str) -> CsvFile | None:
    """The first record that is not blank, its fields between this delimiter.

    Or, where that has not every column wanted, the first of the next ones that has.
    """
    first: CsvFile | None = None
    with opened_text(name, encoding) as lines:
        reader = csv.reader(lines, delimiter=delimiter)
        for skip, fields in enumerate(islice(_until_too_long(reader), TITLE), 1):
            if len(fields) <= 1 and not any(f.strip() for f in fields):
                continue
            names = [column_name(f) for f in fields]
            title = "" if first is None else " ".join(first.columns).strip()
            header = CsvFile(name, names, delimiter, reader.line_num, skip, encoding, title)
            if wanted <= set(names) and (wanted or first is None):
                return header
            first = first or header
            if not wanted:
                break
    return first


def encoding_of(name: str) -> str:
    """UTF-8 where the file is, UTF-16 where it says so, else Windows-1252 or Latin-1."""
    try:
        status = os.stat(name)
    except OSError as error:
        raise DataError(f'"{name}" cannot be read: {error}') from error
    return _encoding_of(name, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _encoding_of(name: str, size: int, changed: int) -> str:
    """The same, of a file of one size and time of change: it is asked for more than once."""
    del size, changed
    opener = gzip.open if name.lower().endswith(".gz") else open
    try:
        with opener(name, "rb") as file:
            start = file.read(LOOKED_AT)
    except (OSError, EOFError) as error:
        raise DataError(f'"{name}" cannot be read: {error}') from error
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        if b"\0" in start[:1000]:
            return UTF8  # no text at all: let the reader say where
        unused = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))
        return LATIN if any(byte in start for byte in unused) else WINDOWS
    return UTF8


def _until_too_long(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Records, but one unnamed field for a long one that this delimiter does not divide."""
    try:
        yield from reader
    except csv.Error:
        yield ["", ""]


_COMMAS = re.compile(r"[+-]?[0-9]{1,3}(?:[.][0-9]{3})*,[0-9]+|[+-]?[0-9]+,[0-9]+")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:[.][0-9]{3})+")
MARK_ROWS = 1000
"""Rows of a file in which decimal commas are looked for."""


def decimal_of(files: Sequence[CsvFile]) -> str | None:
    """A comma where some column of the files has decimal commas; None if that is not known.

    Only where fields do not stand between commas.
    """
    for file in files:
        if file.delimiter == ",":
            continue
        for record in islice(records(file), MARK_ROWS):
            if any(_COMMAS.fullmatch(field.strip()) for field in record.fields):
                return ","
    return None


def refuse_unclear(
    file: CsvFile, columns: Mapping[str, Sequence[str | None]], decimal: str | None
) -> None:
    """Refuse "1.050" beside "908" in a file between semicolons: thousands or decimals.

    Raises
    ------
    DataError
        If every value with a point has three digits behind it and none begins with 0.
    """
    if file.delimiter != ";" or decimal is not None:
        return
    for name, texts in columns.items():
        pointed = {t.strip() for t in texts if t is not None and "." in t} - {"."}
        if pointed and all(_THOUSANDS.fullmatch(t) for t in pointed):
            raise DataError(
                f'column "{name}" can be read in two ways: {lab.shown(sorted(pointed)[:1])} may '
                "have a decimal point or thousands marks; give the decimal mark: "
                'pp.read(path, decimal=",") or "." (--decimal)'
            )


LONGEST_LINE = 2**22
"""Characters of a line; DuckDB reads lines of half as many. A file of 2 MB may unpack to one line
of 8 GB."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a text, none so long that memory runs out."""

    file: Any
    name: str

    def __iter__(self) -> Iterator[str]:
        while line := self.file.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and line[-1] not in "\r\n":
                raise DataError(
                    f'"{self.name}" has a line of more than {LONGEST_LINE:,} characters: it is no '
                    "CSV file, or its lines end in another way"
                )
            yield line

    def read(self, size: int) -> str:
        """The next characters, at most so many."""
        return str(self.file.read(size))


@contextmanager
def opened_text(name: str, encoding: str = UTF8) -> Iterator[Any]:
    """Open a CSV file, compressed or not, as text."""
    opener = gzip.open if name.lower().endswith(".gz") else open
    try:
        with opener(name, "rt", encoding=encoding, newline="") as file:
            yield Lines(file, name)
    except UnicodeError as error:
        where = f" (byte {error.start + 1})" if isinstance(error, UnicodeDecodeError) else ""
        called = "UTF-8" if encoding == UTF8 else encoding
        raise DataError(
            f'"{name}" is not text in {called}{where}: give its encoding (--encoding), or save it '
            "as CSV in UTF-8"
        ) from error
    except (OSError, EOFError, csv.Error) as error:
        raise DataError(f'"{name}" cannot be read: {error}') from error


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a file: its number among the rows, the line where it begins, and its fields."""

    row: int
    line: int
    fields: list[str]


def records(file: CsvFile) -> Iterator[Record]:
    """The rows of a file; blank lines are none.

    Raises
    ------
    DataError
        If a row has fewer fields than the header, or more that are not empty.
    """
    with opened_text(file.name, file.encoding) as lines:
        reader = csv.reader(lines, delimiter=file.delimiter)
        row, line = 0, 0
        for fields in reader:
            begins, line = line + 1, reader.line_num
            if line > file.lines and fields:
                row += 1
                yield Record(row, begins, fitted(fields, file, row, begins))


def fitted(fields: list[str], file: CsvFile, row: int, line: int) -> list[str]:
    """The fields of a row, without empty ones beyond the header; a DataError if they differ."""
    width = len(file.columns)
    if len(fields) == width:
        return fields
    if len(fields) > width and not any(fields[width:]):  # delimiters at the end of the line
        return fields[:width]
    raise DataError(
        f'row {row} (line {line}) of "{file.name}" has {len(fields)} '
        f"{'field' if len(fields) == 1 else 'fields'} and the header has {width} "
        f"({lab.shown(file.columns)}): {lab.shown(fields)}; {_way_out(fields, width)}"
    )


def _way_out(fields: Sequence[str], width: int) -> str:
    """What to do about a row that does not fit the header."""
    first = fields[0].strip() if fields else ""
    if width == 1:
        return "if the header stands further down, say in which line: header (--header)"
    if not any(f.strip() for f in fields[1:]) and (not first or first[0] in "#%/*"):
        return "a comment, or a line of white space, is no row: take it out"
    if len(fields) == 1:
        return "take the line out if it is a note, else give it all its fields"
    return "give it as many; a field that holds the delimiter stands in double quotes"


def first_value(files: Sequence[CsvFile], column: str) -> str | None:
    """The first value of a column that is not missing."""
    for file in files:
        at = file.position(column)
        for record in records(file):
            if not is_missing(record.fields[at]):
                return record.fields[at]
    return None


def refuse(
    files: Sequence[CsvFile], kinds: Kinds, styles: Mapping[str, NumberStyle] | None = None
) -> None:
    """Raise the error that names what is wrong in the files, if it is found.

    Raises
    ------
    DataError
        For a row that does not fit the header, and for text where numbers belong.
    """

    def written(name: str, text: str) -> str | None:
        return text if styles is None or name not in styles else styles[name].rewrite(text)

    def rows() -> Iterator[tuple[str, dict[str, str | None]]]:
        for file in files:
            where = f' of "{file.name}"' if len(files) > 1 else " of the file"
            columns = {n: file.position(n) for n, kind in kinds.items() if kind != "label"}
            for record in records(file):
                yield (
                    f"row {record.row} (line {record.line}{where})",
                    {n: written(n, record.fields[i]) for n, i in columns.items()},
                )

    refuse_wrong(rows(), kinds)


def literal(name: str) -> str:
    """Escape a file name that DuckDB would otherwise read as a glob."""
    return re.sub(r"[*?\[]", r"[\g<0>]", name)


def not_closed(line: int) -> str:
    """What is said of a quote that is wrong."""
    return (
        f"in line {line} a quote is not closed, or text follows where it is closed; "
        'inside quotes a quote is written twice ("")'
    )


def explain(error: BaseException) -> str:
    """A database error in one sentence, without its class and without advice."""
    lines = [x.strip() for x in str(error).splitlines()]
    quoted = re.search(r"Line: (\d+)\n.*unterminated quote", str(error), re.DOTALL)
    if quoted:
        return not_closed(int(quoted[1]))
    kept = [re.sub(r"^[\w ]+ Error: ", "", lines[0])] if lines else [type(error).__name__]
    for text in lines[1:]:
        if not text or text.startswith(("Possible", "Candidate", "The search space")):
            break
        if not text.startswith("Original Line"):
            kept.append(text)
    return "; ".join(kept)
