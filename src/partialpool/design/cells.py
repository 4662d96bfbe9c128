"""Cells over whose predictions is averaged, as rows of a design and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.design.new_rows import NewRows


class Comparison(NamedTuple):
    """Two levels of a column that are compared: the second less, or over, the first."""

    column: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """What one average of each of G groups of cells is taken over.

    Parameters
    ----------
    rows : NewRows
        The R cells that differ.
    weight : sparse array, shape (G, R)
        Sums of the weights of the cells.
    """

    rows: NewRows
    weight: Any

    @property
    def total(self) -> Floats:
        """Sum of the weights of each group, (G,)."""
        return np.asarray(self.weight.sum(axis=1)).ravel()


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Cells to average over.

    Parameters
    ----------
    sides : tuple of Side
        One, or of a comparison one for each level.
    labels : mapping
        The columns by which cells are averaged, each shape (G,).
    row_terms : tuple of int
        Terms that are an effect of each row, of which a cell has a new one.
    n_cells : int
        Cells that were read, equal ones each.
    """

    sides: tuple[Side, ...]
    labels: dict[str, AnyArray]
    row_terms: tuple[int, ...]
    n_cells: int
