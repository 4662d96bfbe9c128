"""New rows in the columns of a design learned before: X and Z, and the groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.design import source
from partialpool.design.coding import INTERCEPT
from partialpool.design.design import Design, Effects, Factor, column_of
from partialpool.design.labels import shown
from partialpool.design.row_values import column_of_part, conditions, precision
from partialpool.design.source import ROW, Chunk
from partialpool.errors import DataError, did_you_mean
from partialpool.formula import Roles

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
    new : mapping
        For each group term, which of the groups that are not in the data each row is of, shape
        (R,): equal labels are one group, numbered from 0; -1 where it is of none.
    """

    x: Floats
    groups: dict[int, tuple[Ints, Floats]]
    offset: Floats
    weight: Floats | None
    place: Ints
    new: dict[int, Ints]

    def part(self, at: slice | Ints) -> NewRows:
        """Some of the rows that differ."""
        groups = {t: (index[at], z[at]) for t, (index, z) in self.groups.items()}
        weight = None if self.weight is None else self.weight[at]
        new = {t: of[at] for t, of in self.new.items()}
        return NewRows(self.x[at], groups, self.offset[at], weight, self.place, new)

    def repeated(self) -> NewRows:
        """One row for each row of the data, in their order."""
        return replace(self.part(self.place), place=np.arange(len(self.place)))


def one_way_design(roles: Roles, labels: AnyArray) -> Design:
    """The design of a one-way model: an intercept, and one that varies by group."""
    name = roles.group.name
    factor = Factor(name, (name,), (labels,), np.arange(len(labels)), labels)
    return Design(roles, {}, {}, (INTERCEPT,), (Effects(factor, (INTERCEPT,), True),))


def as_columns(
    design: Design,
    rows: source.MemorySource,
    place: Ints | None,
    target: Target,
    unseen: Unseen,
    *,
    observation: bool,
) -> NewRows:
    """Rows that differ as columns; `place` is which of them each row of the data is.

    It is None where rows of an engine were added up, so that no message can say which is wrong.
    """
    chunk = rows.data
    _refuse_levels(design, rows, place)
    frame = design.frame(chunk, rows.labels)
    x = frame.matrix(design.columns)
    _refuse_not_finite(x, design.coefficients, place)
    groups, new = {}, {}
    for t, effects in enumerate(design.effects):
        index = _index(design, effects, rows, target, unseen, place)
        groups[t] = index, frame.matrix(effects.columns)
        new[t] = _new_groups(effects, rows, index)
    weight = _weight(chunk, design.roles, place) if observation else None
    places = np.arange(len(chunk)) if place is None else place
    return NewRows(x, groups, design.offset(chunk), weight, places, new)


def refuse_gaps(chunk: Chunk, *, numbered: bool) -> None:
    """Raise a DataError if a value is missing; it says where if the rows have numbers."""
    gaps = {k: np.isnan(v) for k, v in chunk.numbers.items()}
    gaps |= {k: v < 0 for k, v in chunk.codes.items()}
    for name, missing in gaps.items():
        if missing.any():
            raise DataError(
                f'column "{name}" of the new data has no value in '
                f"{where(missing, np.arange(len(missing)) if numbered else None)}; a prediction "
                "needs every one"
            )


def where(bad: Bools, place: Ints | None) -> str:
    """Which rows of the data these are, in words; `place` as of `as_columns`."""
    if place is None:
        return "some rows"
    at = (np.flatnonzero(bad[place]) + 1).tolist()
    more = f" and {len(at) - 5} more" if len(at) > 5 else ""
    return "row " + ", ".join(map(str, at[:5])) + more


def _refuse_levels(design: Design, rows: source.MemorySource, place: Ints | None) -> None:
    for variable, categories in design.categories.items():
        name = column_of(variable)
        codes = categories.codes(rows.data.codes[name], rows.labels[name])
        if (codes < 0).any():
            new = rows.labels[name][np.unique(rows.data.codes[name][codes < 0])]
            raise DataError(
                f'column "{name}" of the new data holds {shown(new)} in '
                f"{where(codes < 0, place)}, which "
                f"no row of the fit has; its levels are {shown(categories.labels.tolist())}"
            )


def _refuse_not_finite(x: Floats, names: tuple[str, ...], place: Ints | None) -> None:
    bad = ~np.isfinite(x)
    if bad.any():
        name = names[int(np.flatnonzero(bad.any(axis=0))[0])]
        in_rows = where(np.asarray(bad.any(axis=1)), place)
        raise DataError(f"{name} is not a finite number in {in_rows} of the new data")


def _index(
    design: Design,
    effects: Effects,
    rows: source.MemorySource,
    target: Target,
    unseen: Unseen,
    place: Ints | None,
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
            f"({where(unknown, place)} of the new data); "
            f"{did_you_mean(label, map(str, factor.labels.tolist()))}"
            'unseen="new_group" (--unseen new_group) predicts such rows for a new group, '
            'unseen="population" for the population'
        )
    return np.where(unknown, NEW if unseen == "new_group" else NONE, index)


def _new_groups(effects: Effects, rows: source.MemorySource, index: Ints) -> Ints:
    """Which new group each row is of, numbered from 0; -1 where it is of none.

    Equal labels are one group. Rows without a label are all of the same new group, but that of an
    effect of each row, which is each row's own.
    """
    out = np.full(len(index), -1)
    new = index == NEW
    codes = [rows.data.codes[c][new] for c in effects.factor.columns if c in rows.data.codes]
    if ROW in effects.factor.columns:
        out[new] = np.arange(new.sum())
    elif len(codes) == len(effects.factor.columns) and new.any():
        out[new] = np.unique(np.stack(codes), axis=1, return_inverse=True)[1].ravel()
    else:
        out[new] = 0
    return out


def _weight(chunk: Chunk, roles: Roles, place: Ints | None) -> Floats:
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
                f"{where(bad, place)}"
            )
        if part == "size":
            return chunk.numbers[name]
        return precision(roles)["w"].of_arrays(roles, chunk.numbers)
    return np.ones(len(chunk))
