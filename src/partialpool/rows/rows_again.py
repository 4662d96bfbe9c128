"""The rows of a fit once more, in memory, in the columns of its design and with all others.

A fit holds sums, not rows; what rows alone can tell is asked of them when they are given again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool._typing import Bools, Ints
from partialpool.design.design import Design
from partialpool.design.row_values import events, filled, weights_of
from partialpool.design.rows_again import RowsAgain
from partialpool.design.source import ROW, Chunk, MemorySource
from partialpool.errors import DataError, PartialPoolError
from partialpool.formula import Roles
from partialpool.formula.tree import Name
from partialpool.rows.derived import Source, source_of
from partialpool.rows.memory import from_columns
from partialpool.rows.read import in_memory, stored_columns

MOST_COLUMNS = 40
"""Columns beyond the model's that are read: each takes 8 bytes a row, and is one more p-value."""
MOST_LEVELS = 40
"""Levels up to which a further column of labels is looked at as a category."""


def rows_again(design: Design, data: Any, sizes: Ints) -> RowsAgain:
    """Read the rows of a fit once more.

    Parameters
    ----------
    design : Design
        Of the fit.
    data : frame, mapping, path or relation
    sizes : ndarray of int
        Rows of each group of the first term, by which the rows are known to be those of the fit.

    Raises
    ------
    DataError, ColumnError
        If a column is missing, or the rows are not those of the fit.
    """
    roles = design.roles
    source, others = _read(roles, data)
    chunk = source.data
    chunk = Chunk(filled(roles, chunk.numbers), chunk.codes)
    model = {n.name for n in roles.columns}
    used = _whole(chunk, model)
    chunk = chunk.part(used)
    x, groups = design.matrices(chunk, source.labels)
    if not len(chunk) or not _same(groups[0][0], sizes):
        raise DataError(
            f"these are not the rows of the fit: {len(chunk):,} are complete, and the fit used "
            f"{int(sizes.sum()):,}, in groups of other sizes or names; give check() the data that "
            "the fit was made of"
        )
    counted = roles.family is not None
    of = {k: v.of_arrays(roles, chunk.numbers) for k, v in events(roles).items()} if counted else {}
    weight = None if counted else weights_of(roles, chunk.numbers)
    predictors = {n.name for n in roles.predictors}
    return RowsAgain(
        of["y"] if counted else design.outcome(chunk),
        of["size"] if counted else None,
        np.ones(len(chunk)) if weight is None else weight,
        design.offset(chunk),
        x,
        groups,
        {k: v for k, v in chunk.numbers.items() if k in predictors},
        {k: chunk.numbers[k] for k in others if k in chunk.numbers},
        {
            k: (chunk.codes[k], source.labels[k])
            for k in others
            if k in chunk.codes and len(source.labels[k]) <= MOST_LEVELS
        },
    )


def _whole(chunk: Chunk, model: set[str]) -> Bools:
    """Which rows miss nothing that the model needs."""
    numbers = {k: v for k, v in chunk.numbers.items() if k in model}
    codes = {k: v for k, v in chunk.codes.items() if k in model}
    return Chunk(numbers, codes).whole()


def _same(index: Ints, sizes: Ints) -> bool:
    if (index < 0).any() or int(index.max()) >= len(sizes):
        return False
    return np.array_equal(np.bincount(index, minlength=len(sizes)), sizes)


def _read(roles: Roles, data: Any) -> tuple[MemorySource, list[str]]:
    """All columns; those of the formula only where a file holds others that cannot be read."""
    known = {n.name for n in (*source_of(roles).columns, *roles.columns)}
    stored = stored_columns(data, roles)
    others = [n for n in dict.fromkeys(stored) if n not in known and n != ROW]
    others = [n for n in others if stored.count(n) == 1][:MOST_COLUMNS]
    try:
        return _columns(roles, data, others), others
    except PartialPoolError:
        return _columns(roles, data, []), []


def _columns(roles: Roles, data: Any, others: list[str]) -> MemorySource:
    """The rows in memory, further columns as numbers or labels as they hold."""
    more = tuple(Name(n) for n in others)
    columns, undecided = (*roles.columns, *more), (*roles.undecided, *more)
    wanted = Source(columns, roles.labels, undecided, roles.counted)
    column, text_labels = in_memory(data, wanted, "rows are checked here")
    coded = (*roles.factors, *roles.categories)
    plain = (*roles.plain, *(n for n in more if _is_readable(column[n.name], n)))
    return from_columns(column, coded, plain, roles.numbers, text_labels=text_labels)


def _is_readable(column: Any, name: Name) -> bool:
    """Whether a column holds numbers or labels; dates, lists and mixtures are neither."""
    try:
        from_columns({name.name: column}, (), (name,), ())
    except (PartialPoolError, TypeError, ValueError):
        return False
    return True
