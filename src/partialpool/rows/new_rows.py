"""New rows through a design learned before: the columns of X and Z, and the groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from partialpool._typing import Ints
from partialpool.design import source
from partialpool.design.design import Design, column_of
from partialpool.design.new_rows import NewRows, Target, Unseen, as_columns, refuse_gaps
from partialpool.design.source import ROW
from partialpool.errors import DataError
from partialpool.formula.tree import NOT_IN_FORMULA, Name
from partialpool.records.equal_rows import equal_rows
from partialpool.rows import duck, frames
from partialpool.rows.memory import from_columns
from partialpool.rows.read import opened, stored_columns


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


@dataclass(frozen=True, slots=True)
class WantedColumns:
    """Columns that are read, and those of them that are labels; see `Wanted`."""

    columns: tuple[Name, ...]
    labels: tuple[Name, ...]
    undecided: tuple[Name, ...] = ()
    counted: tuple[Name, ...] = ()


def _read(data: Any, coded: tuple[Name, ...], numeric: tuple[Name, ...]) -> source.MemorySource:
    """The columns needed, in memory; any one where none is needed, for the number of rows."""
    if not coded and not numeric:
        coded = (any_column(data),)
    columns = tuple({n.name: n for n in (*coded, *numeric)}.values())
    labels = tuple(n for n in coded if n not in numeric)
    with opened(data, WantedColumns(columns, labels)) as opened_data:
        if opened_data.kind == "pyspark":
            raise DataError("predictions are made here: give data.toArrow() of the Spark DataFrame")
        rows, kind = opened_data.data, opened_data.kind
        if kind == "duckdb":
            for name in columns:
                frames.check_column(name.name, rows.columns, name.at)
            rows, kind = duck.columns_of(rows, [n.name for n in columns]), "mapping"
        column = frames.take(rows, kind, columns)
    return from_columns(column, coded, (), numeric, text_labels=opened_data.text_labels)


def _are_numbered(data: Any) -> bool:
    """Whether data have no column of rows, so that each is a row that the fit has not seen."""
    return ROW not in stored_columns(data, WantedColumns((), ()))


def any_column(data: Any) -> Name:
    """A column of data of any kind."""
    with opened(data, WantedColumns((), ())) as opened_data:
        return Name(frames.column_names(opened_data.data, opened_data.kind)[0])
