"""The table as `fit` sees it: every column of a file, read by its own signs or by options."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.design.labels import integers_if_plain
from partialpool.errors import ArgumentError
from partialpool.rows import files
from partialpool.rows.csv_files import (
    CsvFile,
    decimal_of,
    encoding_of,
    header_at,
    header_of,
    refuse_unclear,
)
from partialpool.rows.csv_rows import texts_of
from partialpool.rows.excel import EXCEL_ENDINGS, as_text, read_sheet
from partialpool.rows.number_styles import style_of
from partialpool.rows.text_numbers import (
    MISSING_LABELS,
    MISSING_WORDS,
    ZEROS,
    MissingTest,
    NaWords,
    is_measured,
    is_missing,
    is_truth,
    missing_words,
    numbers_from,
)


def read(
    path: str | Path,
    *,
    decimal: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    header: int | None = None,
    na: NaWords = (),
) -> Table:
    r"""Read every column of a file as `fit` does, and take what it cannot tell as arguments.

    Parameters
    ----------
    path : str or Path
        A CSV file (also compressed), an Excel workbook, or a Parquet file.
    decimal : {".", ","}, optional
        The decimal mark of its numbers; the other one, spaces and apostrophes are thousands marks.
    encoding : str, optional
        Of a CSV file, such as ``"latin-1"``. If not given, UTF-8, UTF-16 or Windows-1252.
    sheet : str, optional
        Of a workbook. If not given, the first.
    header : int, optional
        The line or row that names the columns, from 1. If not given, the first that is not blank.
    na : str, number, or a sequence of them, optional
        Words and numbers for missing values, beside those that `fit` knows; -999 is also -999.0.

    Returns
    -------
    Table
        Columns in which every value is a number are numbers; others hold text as it is written,
        also numbers with zeros before them ("0005").

    Raises
    ------
    DataError
        If the file cannot be read so.
    ArgumentError
        If an argument is not one of those allowed, or says nothing of a file of this kind.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import partialpool as pp
    >>> path = pathlib.Path(tempfile.mkdtemp(), "scores.csv")
    >>> _ = path.write_text("school;score\nA;69,8\nA;71\nB;80,25\nB;n.k.\n")
    >>> pp.read(path, na=["n.k."])
    school  score
    A        69.8
    A          71
    B       80.25
    B         nan
    """
    return read_naming(
        (), path, decimal=decimal, encoding=encoding, sheet=sheet, header=header, na=na
    )


def read_naming(
    names: Collection[str],
    path: str | Path,
    *,
    decimal: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    header: int | None = None,
    na: NaWords = (),
) -> Table:
    """As `read`; names of columns, where some are known, find the header below a title."""
    if decimal not in (None, ".", ","):
        raise ArgumentError(f'decimal is "." or ",", not {decimal!r}')
    if header is not None and header < 1:
        raise ArgumentError(f"header is the number of a line, from 1, not {header!r}")
    how = {"decimal": decimal, "encoding": encoding, "sheet": sheet, "header": header}
    _refuse_idle(path, {k for k, v in how.items() if v is not None})
    gone = missing_words(na)
    if str(path).lower().endswith(files.PARQUET_ENDINGS):
        return Table({k: _without(v, gone) if na else v for k, v in _parquet(str(path)).items()})
    columns, file = _texts(path, encoding, sheet, header, set(names))
    mark = decimal
    if file is not None:
        mark = decimal or decimal_of([file])
        refuse_unclear(file, columns, mark)
    return Table({name: _column(name, texts, mark, gone) for name, texts in columns.items()})


IDLE = {
    files.PARQUET_ENDINGS: ("a Parquet file", ("decimal", "encoding", "sheet", "header")),
    EXCEL_ENDINGS: ("a workbook", ("encoding",)),
    files.CSV_ENDINGS: ("a CSV file", ("sheet",)),
}
"""Arguments that say nothing of files of a kind."""


def _refuse_idle(path: str | Path, options: Collection[str]) -> None:
    """Raise an ArgumentError for an argument that would change nothing."""
    for endings, (kind, idle) in IDLE.items():
        useless = [name for name in idle if name in options]
        if useless and str(path).lower().endswith(endings):
            raise ArgumentError(
                f'"{path}" is {kind}, of which {useless[0]} (--{useless[0]}) says nothing: leave '
                "it out"
            )


def as_written(
    path: str | Path,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    header: int | None = None,
) -> Table:
    """Every column of a file as text, as it is written; of a Parquet file as it is."""
    if str(path).lower().endswith(files.PARQUET_ENDINGS):
        return _parquet(str(path))
    columns, _ = _texts(path, encoding, sheet, header, set())
    return Table({name: lab.as_labels([t or "" for t in texts]) for name, texts in columns.items()})


def _texts(
    path: str | Path,
    encoding: str | None,
    sheet: str | None,
    header: int | None,
    names: set[str],
) -> tuple[dict[str, list[str | None]], CsvFile | None]:
    """The columns of a workbook, or of a CSV file, which comes too."""
    lower = str(path).lower()
    if lower.endswith(EXCEL_ENDINGS):
        name = files.existing(path)
        sheet_read = read_sheet(name, wanted=names or None, name=sheet, header=header or 0)
        cells = {name: [as_text(v) for v in column] for name, column in sheet_read.columns.items()}
        return cells, None
    if not lower.endswith(files.CSV_ENDINGS):
        raise files.unknown_ending(str(path))
    file = _csv(files.existing(path), encoding, header, names)
    return texts_of(file, [name for name in file.columns if name]), file


def _csv(name: str, encoding: str | None, header: int | None, names: set[str]) -> CsvFile:
    if encoding is not None:
        try:
            "".encode(encoding)
        except LookupError:
            raise ArgumentError(
                f'encoding="{encoding}" is not known; "utf-8", "latin-1" and "utf-16" are among '
                "those that are"
            ) from None
    chosen = encoding or encoding_of(name)
    if header is not None:
        return header_at(name, header, chosen)
    return replace(header_of(name, names, chosen), encoding=chosen)


def _parquet(name: str) -> Table:
    files.existing(name)
    with files.readable(name):
        columns = files.connect().read_parquet(name).fetchnumpy()
    return Table({k: np.ma.filled(v, np.nan) if v.dtype.kind == "f" else _plain(v)
                  for k, v in columns.items()})  # fmt: skip


def _plain(values: Any) -> AnyArray:
    """Columns of DuckDB without masks: None where missing."""
    if not isinstance(values, np.ma.MaskedArray) or not values.mask.any():
        return np.asarray(values)
    return lab.as_labels(values.tolist())


def _without(values: AnyArray, gone: MissingTest) -> AnyArray:
    """A column of a Parquet file without words and numbers that stand for missing values."""
    texts = [as_text(v) for v in values.tolist()]
    if not any(map(gone, texts)):
        return values
    if values.dtype.kind == "f":
        return np.where(list(map(gone, texts)), np.nan, values)
    return lab.as_labels([None if gone(t) else v for t, v in zip(texts, values, strict=True)])


def _column(
    name: str, written: list[str | None], decimal: str | None, gone: MissingTest
) -> AnyArray:
    texts = [None if gone(t) else t for t in written]
    present = [t for t in set(texts) if t is not None and not is_missing(t)]
    labels = [None if t in MISSING_LABELS else t for t in texts]
    if not present or any(ZEROS.fullmatch(t) for t in present):
        return lab.as_labels(labels if present else [np.nan] * len(texts))
    if all(is_truth(t) for t in present):
        return lab.as_labels([None if t is None or is_missing(t) else t.strip().lower() == "true"
                              for t in texts])  # fmt: skip
    style = style_of(name, present, decimal)
    plain = [None if gone(t) else t for t in map(style.rewrite, texts)]
    if not all(is_measured(t) for t in plain if t is not None and t not in MISSING_WORDS):
        return lab.as_labels(labels)
    values = numbers_from(plain, truth=False)
    whole = all(t is not None and t.strip().lstrip("+-").isdigit() for t in plain)
    if not whole:
        return values
    return integers_if_plain(lab.as_labels([str(int(t.strip())) for t in plain if t is not None]))
