"""What a sheet of a workbook says beside its values: merged cells, and where formulas stand.

The library that reads values row by row passes over both.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BYTES_AT_ONCE = 2**20
"""Bytes of a sheet that are searched at once: a sheet may unpack to gigabytes."""
_MERGED = re.compile(rb'<mergeCell ref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
_FORMULA = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"[^>]{0,200}><f')
OVERLAP = 400
"""Bytes kept from one block to the next, longer than the longest match of either pattern (some 240
bytes), so that none is cut in two; what is matched a second time is the same place again."""
MOST_FORMULAS = 100_000
"""Places of formulas that are kept; the first is what a message needs."""


@dataclass(frozen=True, slots=True)
class SheetParts:
    """Merged cells and formulas of a sheet.

    Parameters
    ----------
    merged : tuple
        First and last row from 1, and the first column from 0, of each merged range of several
        rows.
    formulas : frozenset
        Row from 1 and column from 0 of cells with a formula.
    """

    merged: tuple[tuple[int, int, int], ...] = ()
    formulas: frozenset[tuple[int, int]] = frozenset()

    @classmethod
    def of(cls, path: str | Path, sheet: Any) -> SheetParts:
        """Those of a sheet that was opened to be read row by row."""
        part = getattr(sheet, "_worksheet_path", None)
        if part is None:
            return cls()
        merged: dict[tuple[int, int, int], None] = {}
        formulas: set[tuple[int, int]] = set()
        with zipfile.ZipFile(path) as book, book.open(part) as stream:
            before = b""
            while block := stream.read(BYTES_AT_ONCE):
                text = before + block
                for left, top, _, bottom in _MERGED.findall(text):
                    if int(bottom) > int(top):
                        merged[int(top), int(bottom), _column(left)] = None
                if len(formulas) < MOST_FORMULAS:
                    formulas |= {(int(row), _column(c)) for c, row in _FORMULA.findall(text)}
                before = text[-OVERLAP:]
        return cls(tuple(merged), frozenset(formulas))

    def fill(self, rows: list[list[Any]], header: int) -> list[int]:
        """Put the value of merged cells below the header into each of their rows.

        Returns
        -------
        list of int
            The columns of these.
        """
        columns = []
        for top, bottom, at in self.merged:
            if top <= header or top > len(rows) or at >= len(rows[top - 1]):
                continue
            for row in rows[top : min(bottom, len(rows))]:
                row.extend([None] * (at + 1 - len(row)))
                row[at] = rows[top - 1][at]
            columns.append(at)
        return sorted(set(columns))


def _column(letters: bytes) -> int:
    """The place of a column from 0: A is 0, AA is 26."""
    place = 0
    for letter in letters:
        place = 26 * place + letter - 64
    return place - 1
