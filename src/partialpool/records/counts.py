"""Counts and proportions: the events and sizes of each group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.formula import CountFamily, Roles
from partialpool.formula.families import PROPORTIONS
from partialpool.records.group_record import GroupRecord
from partialpool.records.record import size_in_words


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class CountStatistics(GroupRecord):
    """Everything a one-way model of counts needs to know about the rows.

    Rows of one group share its probability or rate, so that events and sizes add up.

    Parameters
    ----------
    family : {"binomial", "poisson"}
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
    zeros : ndarray, shape (J,)
        Rows of each group that have size and no event; NaN where that is not known (statistics
        that were kept before these were counted).
    reciprocal : ndarray, shape (J,)
        Sum over rows of 1 / size, where there is any; or NaN, as `zeros`.
    n_rows, n_dropped : int
        Rows received, and of these, rows left out because a value was missing.
    absent : ndarray
        Labels of groups in the data of which no row could be used.
    labels_from_text, withheld
        As in `GroupRecord`.
    """

    counts: ClassVar[bool] = True
    alike: ClassVar[dict[str, str]] = {
        "family": "family",
        "factor": "group column",
        "outcome": "outcome",
        "size_name": "size",
    }
    summed: ClassVar[tuple[str, ...]] = (
        "n",
        "y",
        "size",
        "square",
        "log_constants",
        "zeros",
        "reciprocal",
    )

    family: CountFamily
    size_name: str
    y: Floats
    size: Floats
    square: Floats
    log_constants: Floats
    zeros: Floats
    reciprocal: Floats

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
        return self.family in PROPORTIONS

    @property
    def counted(self) -> dict[str, AnyArray]:
        """Columns of tables: events of every group, and what they are among."""
        columns: dict[str, AnyArray] = {"events": self.y.astype(np.intp)}
        if self.size_words != "rows":
            columns[self.size_words] = self.size.astype(np.intp) if self.proportion else self.size
        return columns

    @property
    def size_words(self) -> str:
        """What sizes count: trials, exposure, or rows where each row is one unit of it."""
        return size_in_words(self.size_name, proportion=self.proportion)

    @property
    def denominator(self) -> str:
        """What events are divided by: the column of sizes; nothing where these are rows."""
        return "" if self.size_words == "rows" else self.size_name

    @property
    def pooled_value(self) -> float:
        """Events of all groups over their sizes."""
        return self.events / self.total_size

    @property
    def events(self) -> float:
        """Events in all."""
        return float(self.y.sum())

    @property
    def total_size(self) -> float:
        """Trials, or exposure, in all."""
        return float(self.size.sum())

    def outcome_by_group(self, term: int = 0) -> Floats:
        """Events of each group."""
        del term
        return self.y

    def observed(self) -> tuple[dict[str, AnyArray], dict[str, AnyArray]]:
        """Events, and trials or exposure."""
        sizes = {} if self.size_words == "rows" else {self.size_words: self.size}
        return {self.outcome: self.y}, sizes


def size_name(roles: Roles) -> str:
    """What sizes are called."""
    if roles.size is not None:
        return roles.size.name
    return "trials" if roles.proportion else "rows"
