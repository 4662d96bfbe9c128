"""Rows as arrays, in parts: what a design is learned from and applied to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints

ROW = "row"
"""The group of ``(1 | row)``, an effect of each row; rows are numbered where no column is it."""
CHUNK = 2**17
"""Rows of one part: enough to be fast, few enough for a design of many columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some rows: numbers with NaN, and codes into `MemorySource.labels` with -1, where missing.

    `rows` are their positions in the data, from 0, where these are known; `count` how many rows
    of the data each stands for, where not one.
    """

    numbers: Mapping[str, Floats]
    codes: Mapping[str, Ints]
    rows: Ints | None = None
    count: Floats | None = None

    def __len__(self) -> int:
        return len(next(iter((self.numbers or self.codes).values())))

    def part(self, chosen: slice | Bools | Ints) -> Chunk:
        """Some of these rows."""
        return Chunk(
            {k: v[chosen] for k, v in self.numbers.items()},
            {k: v[chosen] for k, v in self.codes.items()},
            None if self.rows is None else self.rows[chosen],
            None if self.count is None else self.count[chosen],
        )

    def whole(self) -> Bools:
        """Which rows miss nothing."""
        keep = np.ones(len(self), dtype=bool)
        for values in self.numbers.values():
            keep &= ~np.isnan(values)
        for codes in self.codes.values():
            keep &= codes >= 0
        return keep


@dataclass(frozen=True, slots=True, eq=False)
class MemorySource:
    """Rows held in memory as arrays, which can be gone through more than once.

    `labels` holds the distinct labels of each column of groups or categories, sorted; `texts`
    names the predictors that are categories because of what they hold.
    """

    labels: Mapping[str, AnyArray]
    texts: frozenset[str]
    data: Chunk

    def chunks(self) -> Iterator[Chunk]:
        """Go through all rows once, in parts.

        No smaller than the number of groups: each part costs a pass over these.
        """
        step = max([CHUNK, *map(len, self.labels.values())])
        for start in range(0, len(self.data), step):
            yield self.data.part(slice(start, start + step))
