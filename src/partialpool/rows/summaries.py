"""The other two doors: estimates with standard errors, and summaries (n, mean, sd)."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.design.coded_rows import code_rows
from partialpool.design.source import Chunk, MemorySource
from partialpool.errors import ArgumentError, DataError
from partialpool.formula import Roles
from partialpool.formula.additions import Precision
from partialpool.formula.tree import Name
from partialpool.records.measurements import GroupStatistics
from partialpool.rows import arrays, frames


def from_estimates(mean: Any, se: Any, names: Any = None, *, factor: str) -> GroupStatistics:
    """Statistics from one estimate and its standard error a group.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors, in the same units.
    names : array_like, shape (J,), optional
        Group labels, each once; 1 to J if not given.
    factor : str
        What a group is called, such as ``"school"``.
    """
    return _from_columns({"mean": mean, "se": se}, names, factor, se=Name("se"))


def from_summaries(
    n: Any, mean: Any, sd: Any, names: Any = None, *, factor: str
) -> GroupStatistics:
    """Statistics from the number of rows, mean and standard deviation (n - 1) of each group.

    Parameters
    ----------
    n, mean, sd : array_like, shape (J,)
        Rows, mean and sd of each group; sd of a group of one row is not used (0 or missing).
    names : array_like, shape (J,), optional
        Group labels, each once; 1 to J if not given.
    factor : str
        What a group is called, such as ``"school"``.
    """
    columns = {"mean": mean, "n": n, "sd": sd}
    return _from_columns(columns, names, factor, count=Name("n"), sd=Name("sd"))


def _from_columns(
    columns: dict[str, Any], names: Any, factor: str, **precision: Unpack[Precision]
) -> GroupStatistics:
    columns = {k: frames.as_column(v, k) for k, v in columns.items()}
    size = len(columns["mean"])
    if names is None:
        labels = np.arange(1, size + 1)
    else:
        labels = lab.as_labels(frames.as_column(names, "names"))
    for key, value in {**columns, "names": labels}.items():
        if len(value) != size:
            raise ArgumentError(
                f"mean has {size} values and {key} has {len(value)}; each needs one value a group"
            )
    if factor in columns:
        raise ArgumentError(f'the groups cannot be called "{factor}"; choose another name')
    _refuse_duplicates(labels)
    codes = np.where(lab.missing(labels), -1, np.arange(size))
    numbers = {k: frames.numbers(v, k) for k, v in columns.items()}
    chunk = Chunk(numbers, {factor: codes}, np.arange(size))
    rows = MemorySource({factor: labels}, frozenset(), chunk)
    return arrays.reduce(code_rows(rows, Roles.one_factor("mean", factor, **precision)))


def _refuse_duplicates(labels: AnyArray) -> None:
    codes, distinct = frames.codes_of(labels)
    counts = np.bincount(codes[codes >= 0], minlength=len(distinct))
    if (counts > 1).any():
        raise DataError(
            f"the names {lab.shown(distinct[counts > 1])} occur more than once; give each group "
            "one name, or fit rows with a formula, which combines rows of the same group"
        )
