"""Sums within clusters: for errors that allow their rows to go together, and to leave one out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from partialpool._typing import Floats, Ints

MOST_COLUMNS, MOST_NUMBERS = 16, 4_000_000
"""Columns of X, and numbers in all (32 MB), beyond which the cross-products within clusters are not
kept: they are p^2 numbers a cluster, and serve only errors that are robust to clusters."""


def fits(size: int, p: int) -> bool:
    """Whether there is room for the cross-products of p columns within so many clusters."""
    return p <= MOST_COLUMNS and size * p * p <= MOST_NUMBERS


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Cross-products of the (shifted) columns of X and the outcome within each group of one factor.

    Parameters
    ----------
    factor : str
        The factor whose groups are the clusters.
    xtx : ndarray, shape (L, p, p)
    xty : ndarray, shape (L, p)
    yty : ndarray, shape (L,)
        Weighted cross-products, as in `CrossProducts`.
    log_weight : ndarray, shape (L,)
        Sum over the rows of each group of log w.
    """

    factor: str
    xtx: Floats
    xty: Floats
    yty: Floats
    log_weight: Floats

    def only(self, kept: Ints) -> Clusters:
        """The same for some of the columns."""
        return replace(self, xtx=self.xtx[:, kept][:, :, kept], xty=self.xty[:, kept])
