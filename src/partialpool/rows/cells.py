"""Cells over whose predictions is averaged: equal ones are added up, in an engine where they are.

A cell is a row of predictors and groups with a weight, such as the people of a state, an age and
an education. What is needed of them are the cells that differ, and the weight of each in each
average.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design import source
from partialpool.design.cells import Cells, Comparison, Side
from partialpool.design.coding import INTERCEPT
from partialpool.design.design import Design, places_by_text
from partialpool.design.labels import as_labels, shown
from partialpool.design.new_rows import NEW, Unseen, as_columns, refuse_gaps, where
from partialpool.design.source import ROW
from partialpool.errors import ArgumentError, DataError, did_you_mean
from partialpool.formula.tree import NOT_IN_FORMULA, Name
from partialpool.rows import frames
from partialpool.rows import sql as sql_engine
from partialpool.rows.derived import Source
from partialpool.rows.memory import from_columns
from partialpool.rows.new_rows import any_column, needed_columns, that_differ
from partialpool.rows.read import opened

SUM, LEAST, WITHOUT = "weight_sum", "weight_least", "weight_missing"


def read_cells(
    design: Design,
    data: Any,
    by: Sequence[str],
    weights: str | None,
    comparison: Comparison | None,
    unseen: Unseen,
    *,
    noise: bool,
) -> Cells:
    """Read cells and add up those that are equal.

    Parameters
    ----------
    design : Design
    data : frame, mapping, path or relation
    by : sequence of str
        Columns by whose labels the cells are averaged.
    weights : str, optional
        Column of weights; without it each cell counts one.
    comparison : Comparison, optional
        Where its column is one of `by`, cells of its two levels are averaged as they are; else each
        cell is set to both.
    unseen : str
        As of `Fit.predict`.
    noise : bool
        Whether weights of observations (from standard errors, or weights of the formula) are read.

    Raises
    ------
    DataError, ColumnError
        As `new_rows`; and if a weight is missing, negative or infinite, or those of a group sum to
        zero.
    """
    coded, numeric = needed_columns(design, data, "group", observation=noise)
    numeric_level = False
    if comparison is not None and comparison.column not in by:
        numeric_level = comparison.column in {n.name for n in numeric}
        known = {n.name for n in (*coded, *numeric)}
        if comparison.column not in known:
            raise ArgumentError(
                f'contrast: column "{comparison.column}" is neither in the formula nor in by, so '
                "that both levels would be predicted alike; name a column of the formula "
                f"({shown(sorted(known)) or 'it has none'}), or add it to by"
            )
        coded = tuple(n for n in coded if n.name != comparison.column)
        numeric = tuple(n for n in numeric if n.name != comparison.column)
    names = tuple(n.name for n in (*coded, *numeric))
    coded += tuple(Name(n, NOT_IN_FORMULA) for n in by if n not in {c.name for c in coded})
    read = _read(data, coded, numeric, weights)
    n_cells, cells = len(read.weight), _added(read)
    compared = None if comparison is None or comparison.column not in by else comparison
    of_group, labels = _groups(cells.rows, [n for n in by if not compared or n != compared.column])
    rows, member = _of_model(cells.rows, names)
    place = None if cells.place is None else member[cells.place]
    shape = (len(next(iter(labels.values()), ["all"])), len(rows.data))
    sides = []
    for its_rows, used in _sides(rows, cells.rows, comparison, compared, numeric=numeric_level):
        columns = as_columns(design, its_rows, place, "group", unseen, observation=noise)
        entries = cells.weight[used], (of_group[used], member[used])
        sides.append(Side(columns, scipy.sparse.csr_array(entries, shape=shape)))
    _refuse_empty(sides, labels, comparison, weights)
    row_terms = tuple(
        t
        for t, effects in enumerate(design.effects)
        if ROW in effects.factor.columns
        and effects.names == (INTERCEPT.name,)
        and (sides[0].rows.groups[t][0] == NEW).all()
    )
    return Cells(tuple(sides), labels, row_terms, n_cells)


class _Weighted(NamedTuple):
    """Rows with weights; `place` says which of them each cell of the data is, if that is known."""

    rows: source.MemorySource
    weight: Floats
    place: Ints | None


def _read(
    data: Any, coded: tuple[Name, ...], numeric: tuple[Name, ...], weights: str | None
) -> _Weighted:
    """The columns of the cells, and their weights; of an engine the cells that differ."""
    coded = coded if coded or numeric else (any_column(data),)
    columns = {n.name: n for n in (*coded, *numeric)}
    labels = tuple(n for n in coded if n not in numeric)
    more = () if weights is None else (Name(weights, NOT_IN_FORMULA),)
    wanted = Source(tuple((columns | {n.name: n for n in more}).values()), labels)
    with opened(data, wanted) as opened_data:
        if opened_data.engine is None:
            taken = frames.take(opened_data.data, opened_data.kind, wanted.columns)
        else:
            for name in wanted.columns:
                frames.check_column(name.name, list(opened_data.engine.columns), name.at)
            taken = _summed(opened_data.engine, list(columns), {n.name for n in labels}, weights)
        rows = from_columns(taken, coded, (), numeric, text_labels=opened_data.text_labels)
    place = None if opened_data.engine is not None else np.arange(len(rows.data))
    refuse_gaps(rows.data, numbered=place is not None)
    if opened_data.engine is not None:
        weight = np.asarray(taken[SUM], dtype=np.float64)
    else:
        weight = np.ones(len(rows.data))
        if weights is not None:
            weight = frames.numbers(taken[weights], weights)
            frames.check_lengths(
                {"the columns of the formula": len(rows.data), weights: len(weight)}
            )
            _refuse_weights(weight, weights)
    if not len(weight):
        raise DataError("there are no cells to average over: the new data have no rows")
    return _Weighted(rows, weight, place)


def _summed(
    engine: sql_engine.Engine, columns: list[str], labels: set[str], weights: str | None
) -> dict[str, AnyArray]:
    """Cells of an engine that differ, with the sums of their weights."""
    keys = {f"k{i}": name for i, name in enumerate(columns)}
    columns_by_key = keys if weights is None else {**keys, "w": weights}
    engine = engine.naming(columns_by_key)
    numbers = {k: name for k, name in columns_by_key.items() if name not in labels}
    sql_engine.number_kinds(engine, numbers)
    for name in labels:
        sql_engine.check_label(engine, name)
    w = "1" if weights is None else "CAST(w AS DOUBLE)"
    listed = ", ".join(keys)
    table = engine.table(
        f"SELECT {listed}, SUM({w}) AS {SUM}, MIN({w}) AS {LEAST}, "
        f"COUNT(*) - COUNT({w}) AS {WITHOUT} FROM {{rows}} GROUP BY {listed}",
        [k for k, name in keys.items() if name in labels],
    )
    total, least = (np.asarray(table[k], dtype=np.float64) for k in (SUM, LEAST))
    if weights is not None:
        if np.asarray(table[WITHOUT], dtype=np.float64).any() or np.isnan(total).any():
            raise DataError(f'weights: column "{weights}" has no value in some rows')
        if not np.isfinite(total).all() or (least < 0).any():
            raise DataError(
                f'weights: column "{weights}" must hold finite numbers, 0 or more; some rows hold '
                f"{'an infinite one' if not np.isfinite(total).all() else f'{least.min():g}'}"
            )
    return {name: table[k] for k, name in keys.items()} | {SUM: total}


def _refuse_weights(weight: Floats, name: str) -> None:
    every = np.arange(len(weight))
    if np.isnan(weight).any():
        raise DataError(
            f'weights: column "{name}" has no value in {where(np.isnan(weight), every)}'
        )
    bad = ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        raise DataError(
            f'weights: column "{name}" must hold finite numbers, 0 or more; it holds '
            f"{weight[bad][0]:g} in {where(bad, every)}"
        )


def _added(read: _Weighted) -> _Weighted:
    """The cells that differ, their weights added."""
    rows, place = that_differ(read.rows)
    weight = np.zeros(len(rows.data))
    weight += np.bincount(place, weights=read.weight, minlength=len(weight))
    return _Weighted(rows, weight, None if read.place is None else place)


def _groups(rows: source.MemorySource, by: Sequence[str]) -> tuple[Ints, dict[str, AnyArray]]:
    """The group of each row, sorted by the labels, and the labels of the groups."""
    if not by:
        return np.zeros(len(rows.data), dtype=np.intp), {}
    codes = np.stack([rows.data.codes[name] for name in by])
    each, group = np.unique(codes, axis=1, return_inverse=True)
    labels = {name: rows.labels[name][at] for name, at in zip(by, each, strict=True)}
    return group.ravel(), labels


def _of_model(rows: source.MemorySource, names: Sequence[str]) -> tuple[source.MemorySource, Ints]:
    """The rows that differ in columns of the formula, and which of them each row is."""
    chunk = rows.data
    if set(names) == {*chunk.numbers, *chunk.codes}:
        return rows, np.arange(len(chunk))
    numbers = {k: v for k, v in chunk.numbers.items() if k in names}
    codes = {k: v for k, v in chunk.codes.items() if k in names}
    if not numbers and not codes:  # all that is predicted from is set by the comparison
        return rows, np.arange(len(chunk))
    return that_differ(replace(rows, data=source.Chunk(numbers, codes)))


def _sides(
    rows: source.MemorySource,
    cells: source.MemorySource,
    comparison: Comparison | None,
    compared: Comparison | None,
    *,
    numeric: bool,
) -> list[tuple[source.MemorySource, Any]]:
    """Rows, and which of the cells are averaged, on each side of a comparison."""
    if comparison is None:
        return [(rows, slice(None))]
    levels = comparison.first, comparison.second
    if compared is None:
        column = comparison.column
        return [(_set(rows, column, level, numeric=numeric), slice(None)) for level in levels]
    codes, labels = cells.data.codes[compared.column], cells.labels[compared.column]
    return [(rows, codes == _place(labels, level, compared.column)) for level in levels]


def _place(labels: AnyArray, level: Any, column: str) -> int:
    """Where a level stands among the labels of a column."""
    at = int(places_by_text(labels, as_labels([level]))[0])
    if at < 0:
        hint = did_you_mean(str(level), map(str, labels.tolist()))
        raise ArgumentError(
            f'contrast: column "{column}" of the cells has no {shown([level])}; {hint}it holds '
            f"{shown(labels.tolist())}"
        )
    return at


def _set(
    rows: source.MemorySource, column: str, level: Any, *, numeric: bool
) -> source.MemorySource:
    """The rows, all with one value of a column."""
    chunk = rows.data
    size = len(chunk)
    numbers = {**chunk.numbers}
    if numeric:
        try:
            numbers[column] = np.full(size, float(level))
        except (TypeError, ValueError):
            raise ArgumentError(
                f'contrast: "{column}" is a number in the formula; {shown([level])} is none'
            ) from None
    codes = {**chunk.codes, column: np.zeros(size, dtype=np.intp)}
    labels = {**rows.labels, column: as_labels([level])}
    return replace(rows, labels=labels, data=source.Chunk(numbers, codes))


def _refuse_empty(
    sides: Sequence[Side],
    labels: Mapping[str, AnyArray],
    comparison: Comparison | None,
    weights: str | None,
) -> None:
    """Raise a DataError if the weights of a group sum to zero."""
    for i, side in enumerate(sides):
        empty = np.flatnonzero(~(side.total > 0))
        if not len(empty):
            continue
        who = " and ".join(f"{name} {shown([v[empty[0]]])}" for name, v in labels.items())
        more = f" (and {len(empty) - 1:,} more)" if len(empty) > 1 else ""
        if comparison is not None and not side.weight[[int(empty[0])]].nnz:
            level = shown([comparison[1 + i]])
            raise DataError(
                f"there are no cells of {comparison.column} {level} where {who or 'all'} is{more}, "
                "so that there is nothing to compare there"
            )
        raise DataError(
            f'weights: those of column "{weights}" sum to zero{" for " * bool(who)}{who}{more}; an '
            "average needs a weight above 0"
        )
