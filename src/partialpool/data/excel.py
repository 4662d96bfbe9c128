"""Excel workbooks: the first sheet, whose first row names the columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from partialpool.data import labels as lab
from partialpool.data.table import Table
from partialpool.errors import DataError, MissingExtraError

EXCEL_ENDINGS = (".xlsx", ".xlsm")


def is_workbook(data: Any) -> bool:
    """Whether data is the path of a workbook."""
    return isinstance(data, str | Path) and str(data).lower().endswith(EXCEL_ENDINGS)


def read_excel(path: str | Path) -> Table:
    """Read the first sheet of a workbook as columns; empty cells are missing.

    Raises
    ------
    DataError
        If the file is not a workbook, or its first row does not name the columns.
    MissingExtraError
        If openpyxl is not installed.
    """
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Excel workbooks need openpyxl, which is not installed: "
            "pip install 'partialpool[excel]'; or save the sheet as CSV"
        ) from error
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = next(rows, ())
        names = _names(path, header)
        columns = list(zip(*(r for r in rows if any(v is not None for v in r)), strict=True))
        book.close()
    except DataError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise DataError(f'"{path}" cannot be read as an Excel workbook: {error}') from error
    if not columns:
        raise DataError(f'the first sheet of "{path}" holds a header and no rows')
    return Table({n: lab.as_labels(c) for n, c in zip(names, columns, strict=False) if n})


def _names(path: str | Path, header: tuple[Any, ...]) -> list[str]:
    names = ["" if v is None else str(v).strip() for v in header]
    given = [n for n in names if n]
    if not given:
        raise DataError(f'the first row of the first sheet of "{path}" must name the columns')
    twice = sorted({n for n in given if given.count(n) > 1})
    if twice:
        raise DataError(f'"{path}" has more than one column {lab.shown(twice)}; rename one')
    return names
