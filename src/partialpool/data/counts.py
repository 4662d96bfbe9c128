"""Counts and proportions: per-group events and sizes, and how rows in memory are reduced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import special

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.data.frames import Rows
from partialpool.data.labels import shown, sorted_order, unify
from partialpool.data.rules import LARGEST, Rule, no_rows
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

    def sorted(self, order: Sequence[Any] | None = None) -> CountStatistics:
        """Return the same statistics with the groups in label order, or in the order of `order`."""
        return self.of_groups(sorted_order(self.labels, order))

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


EVENTS = Rule(
    lambda x: (x >= 0) & (x == np.rint(x)) & (x < 2**53),
    "NOT ({x} >= 0 AND {x} = FLOOR({x}) AND {x} < 9007199254740992)",
    "a whole number of events, 0 or more",
    "correct these rows, or leave the value empty if it is missing",
)
BINARY = Rule(
    lambda x: (x == 0) | (x == 1),
    "NOT ({x} = 0 OR {x} = 1)",
    "0 or 1, as each row is one trial",
    "if rows count events among several trials, give their column: y | trials(n) ~ ...; an outcome "
    "coded 1 and 2 is written I(y == 2) ~ ...",
)
TRIALS = Rule(
    lambda x: (x >= 0) & (x == np.rint(x)) & (x < 2**53),
    "NOT ({x} >= 0 AND {x} = FLOOR({x}) AND {x} < 9007199254740992)",
    "a whole number of trials, 0 or more",
    "correct or remove these rows",
)
EXPOSURE = Rule(
    lambda x: (x >= 0) & (x <= LARGEST),
    "NOT ({x} >= 0 AND {x} <= CAST(1e100 AS DOUBLE))",
    "a finite exposure, 0 or more",
    "correct or remove these rows",
)
AMONG = Rule(
    lambda x: np.zeros(len(x), dtype=bool),
    "TRUE",
    "at most the number of trials of its row",
    "there cannot be more events than trials; correct these rows",
)
UNEXPOSED = Rule(
    lambda x: np.zeros(len(x), dtype=bool),
    "TRUE",
    "0 where the exposure is 0",
    "nothing can happen without exposure; correct or remove these rows",
)


def rules(roles: CountRoles) -> list[tuple[str, Rule]]:
    """The rule of each column that is read."""
    size = None if roles.size is None else roles.size.name
    return event_rules(roles.outcome.name, size, proportion=roles.proportion)


def event_rules(outcome: str, size: str | None, *, proportion: bool) -> list[tuple[str, Rule]]:
    """The rule of the column of events, and of that of trials or exposure if there is one."""
    if size is None:
        return [(outcome, BINARY if proportion else EVENTS)]
    return [(outcome, EVENTS), (size, TRIALS if proportion else EXPOSURE)]


def size_name(roles: CountRoles) -> str:
    """What sizes are called."""
    if roles.size is not None:
        return roles.size.name
    return "trials" if roles.proportion else "rows"


def beyond_size(roles: CountRoles) -> Rule:
    """The rule that events keep to the size of their row."""
    return AMONG if roles.proportion else UNEXPOSED


def reduce(rows: Rows, roles: CountRoles) -> CountStatistics:
    """Reduce rows to one record a group; rows with a missing value are counted and left out.

    Raises
    ------
    DataError
        If no row is complete, or a value is not allowed in its role.
    """
    total = len(rows.codes)
    keep = rows.codes >= 0
    for values in rows.numbers.values():
        keep &= ~np.isnan(values)
    if not keep.any():
        raise no_rows(total, roles)
    _check(rows, roles, keep)
    codes, groups = rows.codes[keep], len(rows.labels)
    y = rows.numbers[roles.outcome.name][keep]
    size = np.ones(len(y)) if roles.size is None else rows.numbers[roles.size.name][keep]
    n = np.bincount(codes, minlength=groups)
    square = np.divide(y * y, size, out=np.zeros(len(y)), where=size > 0)
    full = n > 0

    def total_of(values: Floats) -> Floats:
        return np.bincount(codes, values, groups)[full].astype(np.float64, copy=False)

    return CountStatistics(
        family=roles.family,
        factor=roles.group.name,
        outcome=roles.outcome.name,
        size_name=size_name(roles),
        labels=rows.labels[full],
        n=n[full].astype(np.intp),
        y=total_of(y),
        size=total_of(size),
        square=total_of(square),
        log_constants=total_of(log_constant(y, size, roles.proportion)),
        n_rows=total,
        n_dropped=total - int(keep.sum()),
        absent=rows.labels[~full],
    )


def log_constant(y: Floats, size: Floats, proportion: bool) -> Floats:
    """Log of the binomial coefficient, or of size^y / y!."""
    if proportion:
        both = special.gammaln(y + 1) + special.gammaln(size - y + 1)
        return np.asarray(special.gammaln(size + 1) - both)
    return np.asarray(special.xlogy(y, size) - special.gammaln(y + 1))


def _check(rows: Rows, roles: CountRoles, keep: Bools) -> None:
    for name, rule in rules(roles):
        _refuse(rows, name, keep & ~rule.holds(rows.numbers[name]), rule)
    if roles.size is not None:
        y, size = rows.numbers[roles.outcome.name], rows.numbers[roles.size.name]
        above = (y > size) if roles.proportion else (y > 0) & (size == 0)
        _refuse(rows, roles.outcome.name, keep & above, beyond_size(roles))


def _refuse(rows: Rows, name: str, bad: Bools, rule: Rule) -> None:
    """Raise the error that names the first rows that are bad, if any are."""
    at = np.flatnonzero(bad)
    if len(at):
        first = at[:5]
        values = rows.numbers[name][first].tolist()
        groups = shown(rows.labels[rows.codes[first]])
        raise rule.broken(name, values, (first + 1).tolist(), len(at), groups)
