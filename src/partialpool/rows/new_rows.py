"""New rows through a design learned before: the columns of X and Z, and the groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from partialpool._typing import Ints
from partialpool.design import source
from partialpool.design.design import Design, column_of
from partialpool.design.new_rows import NewRows, Target, Unseen, as_columns, refuse_gaps
from partialpool.design.source import ROW
from partialpool.formula.tree import NOT_IN_FORMULA, Name
from partialpool.records.equal_rows import equal_rows
from partialpool.rows import frames
from partialpool.rows.derived import Source
from partialpool.rows.memory import from_columns
from partialpool.rows.read import in_memory, opened, stored_columns


def new_rows(
    design: Design, data: Any, target: Target, unseen: Unseen, *, observation: bool
) -> NewRows:
    """Turn new rows into columns with the encodings of a design; equal rows are one.

    Raises
    ------
    DataError
        If a value is missing or not allowed, a level was not in the data the design learned
        from, or (with ``unseen="error"``) a group was not; the message says which rows.
    ColumnError
        If a column is missing.
    """
    coded, numeric = needed_columns(design, data, target, observation=observation)
    rows = _read(data, coded, numeric)
    refuse_gaps(rows.data, numbered=True)
    rows, place = that_differ(rows)
    return as_columns(design, rows, place, target, unseen, observation=observation)


def needed_columns(
    design: Design, data: Any, target: Target, *, observation: bool
) -> tuple[tuple[Name, ...], tuple[Name, ...]]:
    """Columns of labels, and of numbers, that new rows of a design must have."""
    roles = design.roles
    weigh = (roles.se or roles.weights or roles.size) if observation else None
    coded = {column_of(v): Name(column_of(v), NOT_IN_FORMULA) for v in design.categories}
    inside = {n.name for n in roles.numbers}
    numeric = [n for n in roles.predictors if n.name in inside or n.name not in coded]
    numeric += [weigh] if weigh is not None else []
    if target == "group":
        coded |= {n.name: n for n in roles.factors if not (n.name == ROW and _are_numbered(data))}
    return tuple(coded.values()), tuple(numeric)


def that_differ(rows: source.MemorySource) -> tuple[source.MemorySource, Ints]:
    """The rows that differ, in the order in which they come first, and which of them each is."""
    chunk = rows.data
    first, place = equal_rows([*chunk.numbers.values(), *chunk.codes.values()])
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return replace(rows, data=chunk.part(first[order])), rank[place]


def _read(data: Any, coded: tuple[Name, ...], numeric: tuple[Name, ...]) -> source.MemorySource:
    """The columns needed, in memory; any one where none is needed, for the number of rows."""
    if not coded and not numeric:
        coded = (any_column(data),)
    columns = tuple({n.name: n for n in (*coded, *numeric)}.values())
    wanted = Source(columns, tuple(n for n in coded if n not in numeric))
    taken, text_labels = in_memory(data, wanted, "predictions are made here")
    return from_columns(taken, coded, (), numeric, text_labels=text_labels)


def _are_numbered(data: Any) -> bool:
    """Whether data have no column of rows, so that each is a row that the fit has not seen."""
    return ROW not in stored_columns(data, Source())


def any_column(data: Any) -> Name:
    """A column of data of any kind."""
    with opened(data, Source()) as opened_data:
        return Name(frames.column_names(opened_data.data, opened_data.kind)[0])
