"""A compressed file is measured before it is read: a small one can hold more than memory does."""

from __future__ import annotations

import gzip
import zlib

from partialpool.errors import DataError
from partialpool.rows.excel import EXCEL_ENDINGS, unpacked

MEGABYTE = 2**20
"""Bytes; the sizes of this room are said in these."""
LARGEST_TEXT = 1024 * MEGABYTE
"""Bytes of a text file once it is unpacked; half a minute of reading."""
LARGEST_WORKBOOK = 100 * MEGABYTE
"""Bytes of the parts of a workbook: some 3 million cells, half a minute of reading."""
MOST_PARTS = 2000
"""Files inside a workbook."""
LONGEST_LINE = 16 * MEGABYTE
"""Bytes of a line: with more, it is no table (a field may have 131,072 characters)."""
BYTES_AT_ONCE = 2**18
"""Bytes that are unpacked at once: what is refused was then never whole in memory."""


def check_unpacked(path: str, name: str) -> None:
    """Refuse a file that is too large once it is unpacked, before anything reads it.

    Parameters
    ----------
    path : str
    name : str
        What its owner calls it, for the message.

    Raises
    ------
    DataError
        If it is too large, has a line too long, or cannot be unpacked.
    """
    lower = path.lower()
    if lower.endswith(EXCEL_ENDINGS):
        _check_workbook(path, name)
    elif lower.endswith(".gz"):
        _check_lines(path, name, packed=True)
    elif lower.endswith((".csv", ".tsv", ".txt")):
        _check_lines(path, name, packed=False)


def _check_workbook(path: str, name: str) -> None:
    size, parts = unpacked(path, name)
    if size > LARGEST_WORKBOOK or parts > MOST_PARTS:
        raise DataError(
            f'"{name}" holds {size / MEGABYTE:,.0f} MB in {parts:,} parts once it is '
            f"unpacked; at most {LARGEST_WORKBOOK // MEGABYTE} MB and {MOST_PARTS:,} parts are "
            "read here: save the sheet as CSV"
        )


def _check_lines(path: str, name: str, *, packed: bool) -> None:
    total = line = 0
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            while chunk := file.read(BYTES_AT_ONCE):
                total += len(chunk)
                # a line may begin in one chunk and end in a later one: what is left is carried over
                last = chunk.rfind(b"\n")
                line = line + len(chunk) if last < 0 else len(chunk) - last - 1
                if line > LONGEST_LINE:
                    raise DataError(
                        f'"{name}" has a line of more than {LONGEST_LINE // MEGABYTE} MB, so it is '
                        "no table of rows; save it as CSV with a line for each row"
                    )
                if packed and total > LARGEST_TEXT:
                    raise DataError(
                        f'"{name}" holds more than {LARGEST_TEXT // MEGABYTE:,} MB once it is '
                        "unpacked, more than is read here; use the command or Python, which have "
                        "no limit"
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f'"{name}" cannot be read: {error}') from error
