"""Excel workbooks: the first sheet, whose first row names the columns."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partialpool._table import Table
from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.errors import DataError, MissingExtraError, did_you_mean
from partialpool.notices import Notice
from partialpool.rows.excel_parts import SheetParts
from partialpool.rows.frames import check_column
from partialpool.rows.text_columns import (
    Columns,
    UnreadableError,
    Wanted,
    column_name,
    decided,
    first_value,
    kinds_of,
    mixed_categories,
    naming_row,
    read_in_any_style,
    refuse_wrong,
)
from partialpool.rows.whole_files import moved_when_whole

EXCEL_ENDINGS = (".xlsx", ".xlsm")


def is_workbook(data: Any) -> bool:
    """Whether data is the path of a workbook."""
    return isinstance(data, str | Path) and str(data).lower().endswith(EXCEL_ENDINGS)


def _openpyxl() -> Any:
    """The library that reads and writes workbooks."""
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "Excel workbooks need openpyxl, which is not installed: "
            "pip install 'partialpool[excel]'; or use CSV"
        ) from error
    return openpyxl


LARGEST = 2**30
"""Bytes that the parts of a workbook may have together, unpacked: the largest sheet there can be,
a million rows of ten columns, has 0.5 GB; one of 1 MB packed may have 4.8."""
MOST_CELLS = 50_000_000
"""Cells, empty ones too, that are held: 0.4 GB, and as much again for numbers."""


def unpacked(path: str | Path, name: str | Path) -> tuple[int, int]:
    """Bytes and number of the parts of a workbook, by what it says of them.

    `zipfile` unpacks at most what the archive says, so that this can be believed.

    Raises
    ------
    DataError
        If it is no archive; the message calls it `name`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(f'"{name}" cannot be read as an Excel workbook: {error}') from error
    return sum(part.file_size for part in parts), len(parts)


def _refuse_bomb(path: str | Path) -> None:
    """Refuse a workbook that unpacks to more than memory may hold."""
    size, _ = unpacked(path, path)
    if size > LARGEST:
        raise DataError(
            f'"{path}" unpacks to {size / 2**30:.1f} GB, and at most {LARGEST / 2**30:.0f} GB is '
            "read: save the sheet as CSV"
        )


def _bounded(path: str | Path, rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """The rows of a sheet, without the empty cells at their ends."""
    cells_of_rows: list[list[Any]] = []
    cells = 0
    for row in rows:
        filled = list(row)
        while filled and filled[-1] is None:
            filled.pop()
        cells += len(filled) + 1
        if cells > MOST_CELLS:
            raise DataError(
                f'"{path}" has more than {MOST_CELLS:,} cells in a sheet: save it as CSV'
            )
        cells_of_rows.append(filled)
    return cells_of_rows


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
    kinds = mixed_categories(kinds, lambda name: texts[name])
    kinds = decided(kinds, lambda name: first_value(texts[name]))
    try:
        readable = read_in_any_style(texts, kinds)
    except UnreadableError as error:
        rows = (
            (f"row {i} (row {r} of the sheet)", {n: v[i - 1] for n, v in error.texts.items()})
            for i, r in enumerate(sheet.rows, 1)
        )
        refuse_wrong(rows, kinds)
        raise
    table = {n: _as_cells(v, sheet.columns[n]) for n, v in readable.table.items()}
    return Columns(table, sheet.notices + readable.notices)


def read_sheet(
    path: str | Path,
    *,
    wanted: set[str] | None = None,
    name: str | None = None,
    header: int = 0,
    titled: bool = False,
    most: int | None = None,
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
    most : int, optional
        Rows of the sheet that are read; all if not given.

    Raises
    ------
    DataError, MissingExtraError
        As `read_excel`.
    """
    openpyxl = _openpyxl()
    _refuse_bomb(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        # a hidden sheet is an earlier version or a list of choices: those that are seen come first
        every_sheet = sorted(book.worksheets, key=lambda sheet: sheet.sheet_state != "visible")
        sheets = {sheet.title: sheet for sheet in every_sheet}
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
        every = _bounded(path, first.iter_rows(max_row=most, values_only=True))
        parts = SheetParts.of(path, first)
        blank = next((i for i, row in enumerate(every) if any(v is not None for v in row)), 0)
        if titled and not first_at:
            blank = naming_row([[as_text(v) or "" for v in row] for row in every[:TITLE]]) or 0
        at = first_at or blank + 1
        percent = _percent_cells(first, at + 1)
        book.close()
    except DataError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers raise
        raise DataError(f'"{path}" cannot be read as an Excel workbook: {error}') from error
    top = every[at - 1] if len(every) >= at else ()
    columns = _names(path, top, first.title)
    merged = parts.fill(every, at)
    _refuse_formulas(path, first.title, every, at, columns, wanted, parts)
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
        (
            *_unusual(str(path), names, [sheet.title for sheet, _ in fitting], at),
            *_shown_as_percent([columns[i] for i in percent if i < len(columns)], wanted),
            *_merged(path, first.title, [columns[i] for i in merged if i < len(columns)], wanted),
        ),
    )


def _percent_cells(sheet: Any, row: int) -> list[int]:
    """The columns that a row shows as percent."""
    cells = next(iter(sheet.iter_rows(min_row=row, max_row=row)), ())
    return [i for i, cell in enumerate(cells) if "%" in str(getattr(cell, "number_format", ""))]


def _shown_as_percent(columns: list[str], wanted: set[str] | None) -> Iterator[Notice]:
    """Say that a cell shown as 60.5% holds 0.605."""
    named = [c for c in columns if c and (wanted is None or c in wanted)]
    if named:
        yield Notice(
            "percent_cells",
            "info",
            f"The workbook shows {lab.shown(named)} as percent; its cells hold 0.605 for 60.5%, "
            "and so they were read.",
        )


def _merged(
    path: str | Path, sheet: str, columns: list[str], wanted: set[str] | None
) -> Iterator[Notice]:
    """Say which columns had merged cells."""
    named = [c for c in columns if c and (wanted is None or c in wanted)]
    if named:
        yield Notice(
            "merged_cells",
            "info",
            f'Merged cells of {lab.shown(named)} in sheet "{sheet}" of "{path}" were read as the '
            "same value in each of their rows.",
        )


def _refuse_formulas(
    path: str | Path,
    sheet: str,
    rows: list[list[Any]],
    header: int,
    columns: list[str],
    wanted: set[str] | None,
    parts: SheetParts,
) -> None:
    """Refuse formulas of which the workbook does not hold what they come to.

    Raises
    ------
    DataError
        If a column that is wanted has one.
    """
    for at, name in enumerate(columns):
        if not name or (wanted is not None and name not in wanted):
            continue
        for i, row in enumerate(rows[header:], header + 1):
            if (i, at) in parts.formulas and (at >= len(row) or row[at] is None):
                raise DataError(
                    f'column "{name}" of sheet "{sheet}" of "{path}" holds a formula without its '
                    f"result in row {i}: open the workbook in a spreadsheet program and save it, "
                    "or save the sheet as CSV"
                )


TITLE = 30
"""Rows of a sheet among which its header is looked for."""


def _header_row(sheet: Any, wanted: set[str]) -> int:
    """The first row that names every column wanted; 0 if none of the first does."""
    rows = sheet.iter_rows(max_row=TITLE, values_only=True)
    for at, row in enumerate(rows, 1):
        if wanted <= {column_name(str(v)) for v in row if v is not None}:
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


def _names(path: str | Path, header: Sequence[Any], sheet: str) -> list[str]:
    names = ["" if v is None else column_name(str(v)) for v in header]
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
    openpyxl = _openpyxl()
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("partialpool")
    sheet.append(list(table))
    for row in zip(*(column.tolist() for column in table.values()), strict=True):
        sheet.append([_cell(sheet, value) for value in row])
    packed = io.BytesIO()  # a workbook that is not saved leaves its temporary files open
    book.save(packed)
    try:
        with moved_when_whole(path) as target:
            Path(target).write_bytes(packed.getvalue())
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
