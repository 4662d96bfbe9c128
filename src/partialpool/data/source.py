"""Rows in memory, in parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.data import frames
from partialpool.data import labels as lab
from partialpool.formula import Roles
from partialpool.formula.tree import Name

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


def from_frame(data: Any, kind: str, roles: Roles, *, text_labels: bool = False) -> MemorySource:
    """Take the columns of a formula out of a frame or mapping.

    With `text_labels`, labels were read from text: those written as integers become integers.

    Raises
    ------
    ColumnError
        If a column is missing or there twice.
    DataError
        If a column holds something else than it should, or lengths differ.
    """
    column = frames.take(data, kind, roles.columns)
    coded = (*roles.factors, *roles.categories)
    return from_columns(column, coded, roles.plain, roles.numbers, text_labels=text_labels)


def from_columns(
    column: Mapping[str, Any],
    coded: tuple[Name, ...],
    plain: tuple[Name, ...],
    numeric: tuple[Name, ...],
    *,
    text_labels: bool = False,
) -> MemorySource:
    """Rows in memory: `coded` columns as labels, `plain` ones as they are, others as numbers."""
    texts = frozenset(n.name for n in plain if frames.holds_categories(column[n.name]))
    names = dict.fromkeys([n.name for n in coded] + [n.name for n in plain if n.name in texts])
    codes, labels = {}, {}
    for name in names:
        found, distinct = frames.label_codes(column[name])
        if text_labels or distinct.dtype.kind == "f":
            distinct = lab.integers_if_plain(distinct)
        order = frames.order_of(column[name])
        codes[name], labels[name] = in_order(found, distinct, order)
    wanted = dict.fromkeys(
        [n.name for n in numeric] + [n.name for n in plain if n.name not in texts]
    )
    numbers = {name: frames.numbers(column[name], name) for name in wanted}
    frames.check_lengths({k: len(v) for k, v in (*codes.items(), *numbers.items())})
    chunk = Chunk(numbers, codes)
    return MemorySource(labels, texts, replace(chunk, rows=np.arange(len(chunk))))


def in_order(
    codes: Ints, labels: AnyArray, order: Sequence[Any] | None = None
) -> tuple[Ints, AnyArray]:
    """Codes and labels with the labels sorted, or in an order that is given."""
    sorted_places = lab.sorted_order(labels, order)
    place = np.empty(len(sorted_places) + 1, dtype=np.intp)
    place[sorted_places] = np.arange(len(sorted_places))
    place[-1] = -1
    return place[codes], labels[sorted_places]
