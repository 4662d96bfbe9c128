"""Rows of a frame in memory as arrays: labels numbered, numbers checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Ints
from partialpool.design import labels as lab
from partialpool.design.source import Chunk, MemorySource
from partialpool.formula import Roles
from partialpool.formula.tree import Name
from partialpool.rows import frames


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
    return place.take(codes), labels[sorted_places]  # as place[codes], in half the time
