"""New rows through a design learned before: the columns of X and Z, and the groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.data import duck, frames, source
from partialpool.data.coding import INTERCEPT
from partialpool.data.derived import ROW
from partialpool.data.design import Design, Effects, Factor, column_of
from partialpool.data.equal_rows import equal_rows
from partialpool.data.labels import shown
from partialpool.data.read import opened, stored_columns
from partialpool.data.row_values import column_of_part, conditions, precision
from partialpool.data.source import Chunk
from partialpool.errors import DataError, did_you_mean
from partialpool.formula import Roles
from partialpool.formula.tree import Name

NEW, NONE = -1, -2
"""In place of a group: a group not in the data, and no group at all (the population)."""

Target = Literal["group", "new_group", "population"]
Unseen = Literal["error", "new_group", "population"]


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """New rows as columns; R of them that differ.

    Parameters
    ----------
    x : ndarray, shape (R, p)
        Columns of X as named.
    groups : mapping
        For each group term, by position: the group of each row (-1 new, -2 none), and the
        columns of Z as named, shape (R, q).
    offset : ndarray, shape (R,)
        Sum of the offsets.
    weight : ndarray, shape (R,), or None
        Weights of new observations, if these were asked for; of counts their trials or exposure.
    place : ndarray of int, shape (N,)
        Which of these rows each row of the data is.
    """

    x: Floats
    groups: dict[int, tuple[Ints, Floats]]
    offset: Floats
    weight: Floats | None
    place: Ints

    def part(self, at: slice | Ints) -> NewRows:
        """Some of the rows that differ."""
        groups = {t: (index[at], z[at]) for t, (index, z) in self.groups.items()}
        weight = None if self.weight is None else self.weight[at]
        return NewRows(self.x[at], groups, self.offset[at], weight, self.place)

    def repeated(self) -> NewRows:
        """One row for each row of the data, in their order."""
        return replace(self.part(self.place), place=np.arange(len(self.place)))


def one_way_design(roles: Roles, labels: AnyArray) -> Design:
    """The design of a one-way model: an intercept, and one that varies by group."""
    name = roles.group.name
    factor = Factor(name, (name,), (labels,), np.arange(len(labels)), labels)
    return Design(roles, {}, {}, (INTERCEPT,), (Effects(factor, (INTERCEPT,), True),))


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
    roles = design.roles
    weigh = (roles.se or roles.weights or roles.size) if observation else None
    coded = {column_of(v): Name(column_of(v)) for v in design.categories}
    inside = {n.name for n in roles.numbers}
    numeric = [n for n in roles.predictors if n.name in inside or n.name not in coded]
    numeric += [weigh] if weigh is not None else []
    if target == "group":
        coded |= {n.name: n for n in roles.factors if not (n.name == ROW and _are_numbered(data))}
    rows = _read(data, tuple(coded.values()), tuple(numeric))
    _refuse_gaps(rows.data)
    rows, place = _that_differ(rows)
    chunk = rows.data
    _refuse_levels(design, rows, place)
    frame = design.frame(chunk, rows.labels)
    x = frame.matrix(design.columns)
    _refuse_not_finite(x, design.coefficients, place)
    groups = {
        t: (_index(design, effects, rows, target, unseen, place), frame.matrix(effects.columns))
        for t, effects in enumerate(design.effects)
    }
    weight = _weight(chunk, roles, place) if observation else None
    return NewRows(x, groups, design.offset(chunk), weight, place)


def _that_differ(rows: source.MemorySource) -> tuple[source.MemorySource, Ints]:
    """The rows that differ, in the order in which they come first, and which of them each is."""
    chunk = rows.data
    first, place = equal_rows([*chunk.numbers.values(), *chunk.codes.values()])
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return replace(rows, data=chunk.part(first[order])), rank[place]


@dataclass(frozen=True, slots=True)
class _Wanted:
    columns: tuple[Name, ...]
    labels: tuple[Name, ...]
    undecided: tuple[Name, ...] = ()
    counted: tuple[Name, ...] = ()


def _read(data: Any, coded: tuple[Name, ...], numeric: tuple[Name, ...]) -> source.MemorySource:
    """The columns needed, in memory; any one where none is needed, for the number of rows."""
    if not coded and not numeric:
        coded = (_any_column(data),)
    columns = tuple({n.name: n for n in (*coded, *numeric)}.values())
    labels = tuple(n for n in coded if n not in numeric)
    with opened(data, _Wanted(columns, labels)) as found:
        if found.kind == "pyspark":
            raise DataError("predictions are made here: give data.toArrow() of the Spark DataFrame")
        rows, kind = found.data, found.kind
        if kind == "duckdb":
            for name in columns:
                frames.check_column(name.name, rows.columns, name.at)
            rows, kind = duck.columns_of(rows, [n.name for n in columns]), "mapping"
        column = frames.take(rows, kind, columns)
    return source.from_columns(column, coded, (), numeric, text_labels=found.text_labels)


def _are_numbered(data: Any) -> bool:
    """Whether data have no column of rows, so that each is a row that the fit has not seen."""
    return ROW not in stored_columns(data, _Wanted((), ()))


def _any_column(data: Any) -> Name:
    """A column of data of any kind."""
    with opened(data, _Wanted((), ())) as found:
        return Name(frames.column_names(found.data, found.kind)[0])


def _refuse_gaps(chunk: Chunk) -> None:
    gaps = {k: np.isnan(v) for k, v in chunk.numbers.items()}
    gaps |= {k: v < 0 for k, v in chunk.codes.items()}
    for name, missing in gaps.items():
        if missing.any():
            raise DataError(
                f'column "{name}" of the new data has no value in {_rows(missing)}; a prediction '
                "needs every one"
            )


def _rows(bad: Bools) -> str:
    at = (np.flatnonzero(bad) + 1).tolist()
    more = f" and {len(at) - 5} more" if len(at) > 5 else ""
    return "row " + ", ".join(map(str, at[:5])) + more


def _refuse_levels(design: Design, rows: source.MemorySource, place: Ints) -> None:
    for variable, categories in design.categories.items():
        name = column_of(variable)
        codes = categories.codes(rows.data.codes[name], rows.labels[name])
        if (codes < 0).any():
            new = rows.labels[name][np.unique(rows.data.codes[name][codes < 0])]
            where = _rows((codes < 0)[place])
            raise DataError(
                f'column "{name}" of the new data holds {shown(new)} in {where}, which '
                f"no row of the fit has; its levels are {shown(categories.labels.tolist())}"
            )


def _refuse_not_finite(x: Floats, names: tuple[str, ...], place: Ints) -> None:
    bad = ~np.isfinite(x)
    if bad.any():
        name = names[int(np.flatnonzero(bad.any(axis=0))[0])]
        where = _rows(np.asarray(bad.any(axis=1))[place])
        raise DataError(f"{name} is not a finite number in {where} of the new data")


def _index(
    design: Design,
    effects: Effects,
    rows: source.MemorySource,
    target: Target,
    unseen: Unseen,
    place: Ints,
) -> Ints:
    if target != "group":
        return np.full(len(rows.data), NEW if target == "new_group" else NONE)
    if ROW in effects.factor.columns and ROW not in rows.data.codes:
        return np.full(len(rows.data), NEW)  # no row of the fit: an effect of its own
    index = design.groups(effects, rows.data, rows.labels)
    unknown = index < 0
    if unknown.any() and unseen == "error":
        factor = effects.factor
        codes = [rows.data.codes[c][unknown][:1] for c in factor.columns]
        label = ":".join(
            str(rows.labels[c][k[0]]) for c, k in zip(factor.columns, codes, strict=True)
        )
        raise DataError(
            f'there is no group "{label}" in "{factor.name}" '
            f"({_rows(unknown[place])} of the new data); "
            f"{did_you_mean(label, map(str, factor.labels.tolist()))}"
            'unseen="new_group" (--unseen new_group) predicts such rows for a new group, '
            'unseen="population" for the population'
        )
    return np.where(unknown, NEW if unseen == "new_group" else NONE, index)


def _weight(chunk: Chunk, roles: Roles, place: Ints) -> Floats:
    """Weights of new observations: 1 / se^2 or w, trials or exposure, and 1 for plain rows."""
    allowed = {c.columns[0]: c for c in conditions(roles) if len(c.columns) == 1}
    for part in ("size", "se", "weights"):
        name = column_of_part(roles, part)
        if name is None:
            continue
        bad = allowed[name].broken(chunk.numbers)
        if bad.any():
            raise DataError(
                f'column "{name}" of the new data must be {allowed[name].rule.words}; it is not in '
                f"{_rows(bad[place])}"
            )
        if part == "size":
            return chunk.numbers[name]
        return precision(roles)["w"].of_arrays(roles, chunk.numbers)
    return np.ones(len(chunk))
