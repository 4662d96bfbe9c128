"""Counts and proportions: the events and sizes of each group."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.data.labels import sorted_order, unify
from partialpool.data.statistics import (
    alike,
    both_withheld,
    placed,
    refuse_all_small,
    still_absent,
    withheld,
)
from partialpool.errors import DataError
from partialpool.formula import CountFamily, CountRoles


@dataclass(frozen=True, slots=True, eq=False)
class CountStatistics:
    """Everything a one-way model of counts needs to know about the rows.

    Rows of one group share its probability or rate, so that events and sizes add up.

    Parameters
    ----------
    family : {"binomial", "poisson", "beta_binomial", "gamma_poisson"}
        How events are distributed.
    factor, outcome : str
        Names of the grouping column and of the column of events.
    size_name : str
        What `size` is: the name of its column, or what one row counts as.
    labels : ndarray, shape (J,)
        Group labels, as they came.
    n : ndarray of int, shape (J,)
        Rows in each group.
    y : ndarray, shape (J,)
        Events of each group.
    size : ndarray, shape (J,)
        Trials, or exposure, of each group; may be 0.
    square : ndarray, shape (J,)
        Sum over rows of events squared / size: what tells rows that vary more than the family.
    log_constants : ndarray, shape (J,)
        Sum over the rows of each group of the parts of the log likelihood that no parameter
        changes.
    n_rows, n_dropped : int
        Rows received, and of these, rows left out because a value was missing.
    absent : ndarray
        Labels of groups in the data of which no row could be used.
    labels_from_text, withheld
        As in `GroupStatistics`.
    """

    family: CountFamily
    factor: str
    outcome: str
    size_name: str
    labels: AnyArray
    n: Ints
    y: Floats
    size: Floats
    square: Floats
    log_constants: Floats
    n_rows: int
    n_dropped: int
    absent: AnyArray
    labels_from_text: bool = False
    withheld: tuple[int, int] = (0, 0)

    @property
    def n_groups(self) -> int:
        """Number of groups J."""
        return len(self.n)

    @property
    def n_used(self) -> int:
        """Number of rows that entered."""
        return int(self.n.sum())

    @property
    def raw(self) -> Floats:
        """Own proportion or rate of each group: no pooling; nan where the size is 0."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.y / self.size)

    @property
    def log_constant(self) -> float:
        """Sum over all rows of what no parameter changes in the log likelihood."""
        return float(self.log_constants.sum())

    @property
    def weight(self) -> Floats:
        """What a group's own value is worth: its size."""
        return self.size

    @property
    def sigma_known(self) -> bool:
        """No standard errors are given."""
        return False

    @property
    def proportion(self) -> bool:
        """Whether `size` counts trials, not exposure."""
        return self.family in ("binomial", "beta_binomial")

    @property
    def size_words(self) -> str:
        """What sizes count: trials, exposure, or rows where each row is one unit of it."""
        if self.proportion:
            return "trials"
        return "rows" if self.size_name == "rows" else "exposure"

    def sorted(self) -> CountStatistics:
        """Return the same statistics with the groups in label order."""
        return self.of_groups(sorted_order(self.labels))

    def of_groups(self, which: AnyArray) -> CountStatistics:
        """Return the statistics of these groups (indices, or one bool a group)."""
        fields = ("labels", "n", "y", "size", "square", "log_constants")
        return replace(self, **{k: getattr(self, k)[which] for k in fields})

    def without_small_groups(self, least: int) -> CountStatistics:
        """Return the statistics of the groups of at least so many rows; the rest is counted.

        Raises
        ------
        DataError
            If no group has so many rows.
        """
        small = self.n < least
        refuse_all_small(small, self.n, least)
        return replace(
            self.of_groups(~small),
            absent=self.absent[:0],
            withheld=withheld(self, small),
        )

    def combine(self, other: CountStatistics) -> CountStatistics:
        """Return the statistics of both sets of rows together; associative and commutative.

        Raises
        ------
        DataError
            If the two are not of the same family, outcome, size and grouping column.
        """
        mine = (self.family, self.factor, self.outcome, self.size_name)
        theirs = (other.family, other.factor, other.outcome, other.size_name)
        if mine != theirs:
            raise DataError(
                "only statistics of the same family, group column, outcome and size can be "
                f"combined; received {mine} and {theirs}"
            )
        first, second = alike(self, other)
        if first is not self or second is not other:
            return first.combine(second)
        labels, (a, b) = unify(self.labels, other.labels)

        def added(mine: AnyArray, theirs: AnyArray) -> AnyArray:
            return placed(mine, a, len(labels)) + placed(theirs, b, len(labels))

        return replace(
            self,
            labels=labels,
            n=added(self.n, other.n),
            y=added(self.y, other.y),
            size=added(self.size, other.size),
            square=added(self.square, other.square),
            log_constants=added(self.log_constants, other.log_constants),
            n_rows=self.n_rows + other.n_rows,
            n_dropped=self.n_dropped + other.n_dropped,
            absent=still_absent(self.absent, other.absent, labels),
            labels_from_text=self.labels_from_text and other.labels_from_text,
            withheld=both_withheld(self, other),
        )


def size_name(roles: CountRoles) -> str:
    """What sizes are called."""
    if roles.size is not None:
        return roles.size.name
    return "trials" if roles.proportion else "rows"
