"""Statistics of a linear mixed model that are kept: added to those of other rows, then finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partialpool._typing import AnyArray
from partialpool.data.cross_products import CrossProducts
from partialpool.data.design import Design


@dataclass(frozen=True, slots=True, eq=False)
class MixedStatistics:
    """Cross-products of every column a formula can lead to, whatever levels other rows have.

    Parameters
    ----------
    design : Design
        The columns, with all levels of each category; what functions learned; the groups.
    products : CrossProducts
        Their sums.
    absent : mapping
        Labels of each column of groups of which no row could be used.
    labels_from_text : bool
        True if whole-number labels were read from text, as CSV files hold nothing else.
    withheld : tuple of int
        Groups, and rows in them, that were left out because a group had too few rows.
    """

    design: Design
    products: CrossProducts
    absent: Mapping[str, AnyArray]
    labels_from_text: bool = False
    withheld: tuple[int, int] = (0, 0)
