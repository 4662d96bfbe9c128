"""Statistics of a linear mixed model that are kept: added to those of other rows, then finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from partialpool._typing import AnyArray, Ints
from partialpool.design.design import Design, column_of
from partialpool.design.expressions import Moments
from partialpool.formula.tree import Call
from partialpool.records.cross_products import CrossProducts


@dataclass(frozen=True, slots=True, eq=False)
class MixedStatistics:
    """Cross-products of every column a formula can lead to, whatever levels other rows have.

    Parameters
    ----------
    design : Design
        The columns, with all levels of each category; what functions learned; the groups.
    products : CrossProducts
        Their sums.
    moments : mapping
        What center(), scale() and poly() learned from: for more rows they learn anew.
    absent : mapping
        Labels of each column of groups of which no row could be used.
    labels_from_text : bool
        True if whole-number labels were read from text, as CSV files hold nothing else.
    withheld : tuple of int
        Groups, and rows, that were left out because a group or level had too few rows.
    """

    design: Design
    products: CrossProducts
    moments: Mapping[Call, Moments]
    absent: Mapping[str, AnyArray]
    labels_from_text: bool = False
    withheld: tuple[int, int] = (0, 0)

    @property
    def n_rows(self) -> int:
        """Rows received."""
        return self.products.n_rows

    @property
    def sizes(self) -> dict[str, int]:
        """Number of groups of each factor."""
        return {b.factor: len(b.n) for b in self.products.blocks}

    @property
    def labels(self) -> dict[str, AnyArray]:
        """Labels of each column of groups, also those of which no row could be used."""
        return {
            name: levels
            for e in self.design.effects
            for name, levels in zip(e.factor.columns, e.factor.levels, strict=True)
        }

    def cells(self) -> dict[str, Ints]:
        """Rows of each group of each factor, and of each level of each category."""
        found = {b.factor: b.n for b in self.products.blocks}
        for variable, categories in self.design.categories.items():
            found[column_of(variable)] = categories.n[categories.n > 0]
        return {k: np.asarray(v) for k, v in found.items()}
