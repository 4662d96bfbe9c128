"""The rows of a fit once more, in the columns of its design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partialpool._typing import AnyArray, Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class RowsAgain:
    """The N rows that a fit used.

    Parameters
    ----------
    y : ndarray, shape (N,)
        The outcome less the offsets; of counts the events.
    size : ndarray, shape (N,), or None
        Trials or exposure of counts.
    weight : ndarray, shape (N,)
        1 / se^2, weights, or 1.
    offset : ndarray, shape (N,)
    x : ndarray, shape (N, p)
    groups : tuple of (ndarray of int, shape (N,), ndarray, shape (N, q))
        Of each term the group of each row and the columns whose coefficients vary.
    numbers : mapping
        Numeric predictors of the formula, by name.
    other_numbers : mapping
        Further columns of numbers, NaN where missing.
    other_labels : mapping
        Of further columns of labels the code of each row (-1: missing) and the labels.
    """

    y: Floats
    size: Floats | None
    weight: Floats
    offset: Floats
    x: Floats
    groups: tuple[tuple[Ints, Floats], ...]
    numbers: Mapping[str, Floats]
    other_numbers: Mapping[str, Floats]
    other_labels: Mapping[str, tuple[Ints, AnyArray]]
