"""Excel workbooks: the first sheet, whose first row names the columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from partialpool._typing import AnyArray
from partialpool.data import labels as lab
from partialpool.data.frames import check_column
from partialpool.data.table import Table
from partialpool.data.text_columns import (
    Columns,
    UnreadableError,
    Wanted,
    decided,
    first_value,
    kinds_of,
    naming_row,
    read_in_any_style,
    refuse_wrong,
)
from partialpool.data.whole_files import moved_when_whole
from partialpool.errors import DataError, MissingExtraError, did_you_mean
from partialpool.notices import Notice

EXCEL_ENDINGS = (".xlsx", ".xlsm")


def is_workbook(data: Any) -> bool:
    """Whether data is the path of a workbook."""
    return isinstance(data, str | Path) and str(data).lower().endswith(EXCEL_ENDINGS)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of a sheet: its columns by name, and the numbers of its rows that are not empty."""

    columns: dict[str, list[Any]]
    rows: list[int]
    notices: tuple[Notice, ...] = ()


def read_excel(path: str | Path, wanted: Wanted) -> Columns:
    """Read columns of a workbook, by the rule by which CSV files are read.

    Of the first sheet, whose first row names the columns; or of the first sheet and row that name
    all columns wanted, which a notice says.

    Raises
    ------
    DataError
        If the file is not a workbook, no row names columns, or a column holds text where numbers
        belong.
    ColumnError
        If a column is missing.
    MissingExtraError
        If openpyxl is not installed.
    """
    sheet = read_sheet(path, wanted={c.name for c in wanted.columns})
    kinds = kinds_of(wanted) or dict.fromkeys(list(sheet.columns)[:1], "label")
    for column in wanted.columns:
        check_column(column.name, list(sheet.columns), column.at)
    texts = {name: [as_text(v) for v in sheet.columns[name]] for name in kinds}
    kinds = decided(kinds, lambda name: first_value(texts[name]))
    try:
        found = read_in_any_style(texts, kinds)
    except UnreadableError as error:
        rows = (
            (f"row {i} (row {r} of the sheet)", {n: v[i - 1] for n, v in error.texts.items()})
            for i, r in enumerate(sheet.rows, 1)
        )
        refuse_wrong(rows, kinds)
        raise
    table = {n: _as_cells(v, sheet.columns[n]) for n, v in found.table.items()}
    return Columns(table, sheet.notices + found.notices)


def read_sheet(
    path: str | Path,
    *,
    wanted: set[str] | None = None,
    name: str | None = None,
    header: int = 0,
    titled: bool = False,
    rows: int | None = None,
) -> Sheet:
    """Read a sheet of a workbook.

    The size that a sheet says of itself is not believed: programs write it that do not keep
    it. Rows without a value are left out.

    Parameters
    ----------
    path : str or Path
    wanted : set of str, optional
        Columns by which sheet and header are found; without them, the first sheet, whose first
        row names the columns.
    name : str, optional
        Of the sheet.
    header : int
        The row that names the columns, from 1; 0 to find it.
    titled : bool
        Whether to look for that row below a title where no column is known.
    rows : int, optional
        Of the sheet, read at most.

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
        sheets = {sheet.title: sheet for sheet in book.worksheets}
        if name is not None and name not in sheets:
            raise DataError(
                f'"{path}" has no sheet "{name}"; {did_you_mean(name, sheets)}its sheets are '
                f"{lab.shown(sheets)}"
            )
        chosen = [sheets[name]] if name is not None else list(sheets.values())
        first, first_at, names = chosen[0], header, list(sheets)
        fitting = []
        for sheet in chosen if wanted else ():
            sheet.reset_dimensions()
            at = header or _header_row(sheet, wanted or set())
            if at:
                fitting.append((sheet, at))
        if fitting:
            first, first_at = fitting[0]
        first.reset_dimensions()
        every = list(islice(first.iter_rows(values_only=True), rows))
        book.close()
    except DataError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise DataError(f'"{path}" cannot be read as an Excel workbook: {error}') from error
    blank = next((i for i, row in enumerate(every) if any(v is not None for v in row)), 0)
    if titled and not first_at:
        blank = naming_row([[as_text(v) or "" for v in row] for row in every[:TITLE]]) or 0
    at = first_at or blank + 1
    top = every[at - 1] if len(every) >= at else ()
    columns = _names(path, top, first.title)
    filled = [(i, r) for i, r in enumerate(every[at:], at + 1) if any(v is not None for v in r)]
    if not filled:
        raise DataError(f'sheet "{first.title}" of "{path}" holds a header and no rows')
    return Sheet(
        {
            name: [row[i] if i < len(row) else None for _, row in filled]
            for i, name in enumerate(columns)
            if name
        },
        [i for i, _ in filled],
        tuple(_unusual(str(path), names, [sheet.title for sheet, _ in fitting], at)),
    )


TITLE = 30
"""Rows of a sheet among which its header is looked for."""


def _header_row(sheet: Any, wanted: set[str]) -> int:
    """The first row that names every column wanted; 0 if none of the first does."""
    rows = sheet.iter_rows(max_row=TITLE, values_only=True)
    for at, row in enumerate(rows, 1):
        if wanted <= {str(v).strip() for v in row if v is not None}:
            return at
    return 0


def _unusual(path: str, names: list[str], fitting: list[str], header: int) -> Iterator[Notice]:
    """What to say of the sheets that name the columns, the first of which was read."""
    if not fitting:
        return
    sheet, *others = fitting
    if others:
        yield Notice(
            "sheet",
            "warning",
            f'Sheets {lab.shown(fitting)} of "{path}" have these columns; "{sheet}" was read. '
            "Give sheet (--sheet) for another.",
        )
    elif names.index(sheet) > 0:
        yield Notice("sheet", "info", f'The columns were found in sheet "{sheet}" of "{path}".')
    if header > 1:
        yield Notice(
            "title",
            "info",
            f'Row {header} of sheet "{sheet}" names the columns; what stands above it was taken as '
            "a title.",
        )


def as_text(cell: Any) -> str | None:
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


def _names(path: str | Path, header: tuple[Any, ...], sheet: str) -> list[str]:
    names = ["" if v is None else str(v).strip() for v in header]
    given = [n for n in names if n]
    if not given:
        raise DataError(f'no row of sheet "{sheet}" of "{path}" names the columns')
    twice = sorted({n for n in given if given.count(n) > 1})
    if twice:
        raise DataError(f'"{path}" has more than one column {lab.shown(twice)}; rename one')
    return names


def write_excel(table: Table, path: str) -> None:
    """Write a table to a workbook of one sheet; whole or not at all.

    Raises
    ------
    DataError
        If the file cannot be written.
    MissingExtraError
        If openpyxl is not installed.
    """
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise MissingExtraError.needs("openpyxl", "an Excel workbook", extra="excel") from error
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("partialpool")
    sheet.append(list(table))
    for row in zip(*(column.tolist() for column in table.values()), strict=True):
        sheet.append([_cell(sheet, value) for value in row])
    try:
        with moved_when_whole(path) as target:
            book.save(target)
    except OSError as error:
        raise DataError(f'"{path}" cannot be written: {error}') from error


def _cell(sheet: Any, value: Any) -> Any:
    """A value as a workbook holds it; what is not a number is an empty cell."""
    from openpyxl.cell import WriteOnlyCell

    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    cell = WriteOnlyCell(sheet, value=str(value))
    cell.data_type = "s"  # a label such as "=A1" is no formula
    return cell
