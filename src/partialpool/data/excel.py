"""Excel workbooks: the first sheet, whose first row names the columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partialpool._typing import AnyArray
from partialpool.data import labels as lab
from partialpool.data.frames import check_column
from partialpool.data.table import Table
from partialpool.data.text_columns import (
    Wanted,
    decided,
    first_value,
    kinds_of,
    read_columns,
    refuse_wrong,
)
from partialpool.errors import DataError, MissingExtraError

EXCEL_ENDINGS = (".xlsx", ".xlsm")


def is_workbook(data: Any) -> bool:
    """Whether data is the path of a workbook."""
    return isinstance(data, str | Path) and str(data).lower().endswith(EXCEL_ENDINGS)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of a sheet: its columns by name, and the numbers of its rows that are not empty."""

    columns: dict[str, list[Any]]
    rows: list[int]


def read_excel(path: str | Path, wanted: Wanted) -> Table:
    """Read columns of the first sheet of a workbook, by the rule by which CSV files are read.

    Raises
    ------
    DataError
        If the file is not a workbook, its first row does not name the columns, or a column holds
        text where numbers belong.
    ColumnError
        If a column is missing.
    MissingExtraError
        If openpyxl is not installed.
    """
    sheet = read_sheet(path)
    kinds = kinds_of(wanted) or dict.fromkeys(list(sheet.columns)[:1], "label")
    for column in wanted.columns:
        check_column(column.name, list(sheet.columns), column.at)
    texts = {name: [_text(v) for v in sheet.columns[name]] for name in kinds}
    kinds = decided(kinds, lambda name: first_value(texts[name]))
    try:
        found = read_columns(texts, kinds)
    except ValueError:
        rows = (
            (f"row {i} (row {r} of the sheet)", {n: texts[n][i - 1] for n in texts})
            for i, r in enumerate(sheet.rows, 1)
        )
        refuse_wrong(rows, kinds)
        raise
    return Table({n: _as_cells(v, sheet.columns[n]) for n, v in found.items()})


def read_sheet(path: str | Path) -> Sheet:
    """Read the first sheet of a workbook, whose first row names the columns.

    The size that the sheet says of itself is not believed: programs write it that do not keep
    it. Rows without a value are left out.

    Raises
    ------
    DataError, MissingExtraError
        As `read_excel`.
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
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        header, *rows = list(sheet.iter_rows(values_only=True)) or [()]
        book.close()
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise DataError(f'"{path}" cannot be read as an Excel workbook: {error}') from error
    names = _names(path, header)
    filled = [(i, r) for i, r in enumerate(rows, 2) if any(v is not None for v in r)]
    if not filled:
        raise DataError(f'the first sheet of "{path}" holds a header and no rows')
    return Sheet(
        {
            name: [row[i] if i < len(row) else None for _, row in filled]
            for i, name in enumerate(names)
            if name
        },
        [i for i, _ in filled],
    )


def _text(cell: Any) -> str | None:
    """A cell as a CSV file would hold it; a number to its last digit."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    return repr(cell) if isinstance(cell, float) else str(cell)


def _as_cells(values: AnyArray, cells: list[Any]) -> AnyArray:
    """Labels as the cells hold them where none is text: dates stay dates."""
    if values.dtype != object or any(isinstance(v, str) for v in cells):
        return values
    return lab.as_labels(cells)


def _names(path: str | Path, header: tuple[Any, ...]) -> list[str]:
    names = ["" if v is None else str(v).strip() for v in header]
    given = [n for n in names if n]
    if not given:
        raise DataError(f'the first row of the first sheet of "{path}" must name the columns')
    twice = sorted({n for n in given if given.count(n) > 1})
    if twice:
        raise DataError(f'"{path}" has more than one column {lab.shown(twice)}; rename one')
    return names
