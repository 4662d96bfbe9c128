"""Columns of categories in anything that scikit-learn takes, as codes into distinct labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_array

from partialpool._typing import AnyArray, Ints
from partialpool.design.design import places_by_text
from partialpool.design.labels import as_labels, sorted_order
from partialpool.errors import DataError
from partialpool.rows import frames

IN_MEMORY = ("pandas", "polars", "pyarrow")


class CategoryError(DataError, TypeError):
    """A category is no single value, such as a list or a dict."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A column: the place of each row's label among the distinct ones, -1 where it is missing."""

    codes: Ints
    labels: AnyArray


def as_matrix(X: Any) -> Any:
    """Return a frame as it is, and anything else as a two-dimensional array.

    Lists of text and numbers become objects: NumPy would turn the numbers into text.
    """
    if frames.kind_of(X) in IN_MEMORY:
        X = X.collect() if type(X).__name__ == "LazyFrame" else X
        if 0 in X.shape:
            raise DataError(f"X has {X.shape[0]} rows and {X.shape[1]} columns; both are needed")
        return X
    matrix = check_array(X, dtype=None, ensure_all_finite=False)
    if matrix.dtype.kind in "US" and not hasattr(X, "dtype"):
        matrix = check_array(X, dtype=object, ensure_all_finite=False)
    return matrix


def coded_columns(X: Any) -> list[Coded]:
    """Number the labels of every column of `as_matrix`, in their natural order.

    Raises
    ------
    CategoryError
        If a label cannot be a category.
    """
    return [_coded(column) for column in _columns(X)]


def _columns(X: Any) -> list[Any]:
    kind = frames.kind_of(X)
    if kind in IN_MEMORY:
        assert kind is not None
        names = frames.column_names(X, kind)
        return [frames.column_at(X, kind, i, name) for i, name in enumerate(names)]
    return list(X.T)


def _coded(column: Any) -> Coded:
    try:
        codes, labels = frames.label_codes(column)
    except DataError as error:
        raise CategoryError(
            f"entries of X are categories, and each argument must be a string or a number: {error}"
        ) from error
    order = sorted_order(labels)
    place = np.empty(len(order) + 1, dtype=np.intp)
    place[order] = np.arange(len(order))
    place[-1] = -1
    return Coded(place[codes], labels[order])


def with_missing(column: Coded) -> Coded:
    """Make missing labels one more category, the last, if there are any."""
    absent = column.codes < 0
    if not absent.any():
        return column
    labels = as_labels([*column.labels.tolist(), None])
    return Coded(np.where(absent, len(column.labels), column.codes), labels)


def places_in(categories: AnyArray, column: Coded) -> Ints:
    """Place of each row's label among known categories; -1 where unknown or missing.

    Whole numbers are found again in columns of floats, as which columns with gaps come.
    """
    known = categories
    missing_at = -1
    if len(categories) and categories[-1] is None:  # objects, as `with_missing` makes them
        known, missing_at = as_labels(categories[:-1].tolist()), len(categories) - 1
    place = np.append(places_by_text(known, column.labels), missing_at)
    return place[column.codes]
