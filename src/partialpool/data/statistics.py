"""The keystone: per-group sufficient statistics of the one-way normal model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.data.labels import is_text, sorted_order, spelled_out, unify
from partialpool.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class GroupStatistics:
    """Everything the one-way normal model needs to know about the rows.

    Row i of group j has ``y_ij ~ N(theta_j, sigma^2 / w_ij)``. Known standard errors are the
    case ``w = 1 / se^2`` with sigma fixed at 1; plain rows are the case w = 1.

    Parameters
    ----------
    factor : str
        Name of the grouping column.
    outcome : str
        Name of the outcome column.
    labels : ndarray, shape (J,)
        Group labels, as they came.
    n : ndarray of int, shape (J,)
        Rows in each group.
    weight : ndarray, shape (J,)
        Sum of the weights in each group; equals n for plain rows.
    mean : ndarray, shape (J,)
        Weighted mean of the outcome in each group, minus `center` (units of y).
    ss : ndarray, shape (J,)
        Weighted within-group sum of squares about the group mean (units of y squared).
    center : float
        A constant taken off the outcome so that a large offset costs no digits.
    log_weight : ndarray, shape (J,)
        Sum over the rows of each group of log w; 0 for plain rows.
    sigma_known : bool
        True if the weights are 1 / se^2 with known standard errors.
    n_rows, n_dropped : int
        Rows received, and of these, rows left out because a value was missing.
    absent : ndarray
        Labels of groups in the data of which no row could be used.
    labels_from_text : bool
        True if whole-number labels were read from text, as CSV files hold nothing else.
    withheld : tuple of int
        Groups, and rows in them, that were left out because a group had too few rows to be
        shared; they are in none of the numbers above.
    """

    factor: str
    outcome: str
    labels: AnyArray
    n: Ints
    weight: Floats
    mean: Floats
    ss: Floats
    center: float
    log_weight: Floats
    sigma_known: bool
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
        """Number of rows N that entered."""
        return int(self.n.sum())

    @property
    def raw(self) -> Floats:
        """Group means in the units of y: the no-pooling estimates."""
        return self.mean + self.center

    def sorted(self) -> GroupStatistics:
        """Return the same statistics with the groups in label order."""
        return self.of_groups(sorted_order(self.labels))

    def of_groups(self, which: AnyArray) -> GroupStatistics:
        """Return the statistics of these groups (indices, or one bool a group)."""
        return replace(
            self,
            labels=self.labels[which],
            n=self.n[which],
            weight=self.weight[which],
            mean=self.mean[which],
            ss=self.ss[which],
            log_weight=self.log_weight[which],
        )

    def without_small_groups(self, least: int) -> GroupStatistics:
        """Return the statistics of the groups of at least so many rows; the rest is counted.

        Raises
        ------
        DataError
            If no group has so many rows.
        """
        small = self.n < least
        refuse_all_small(small, self.n, least)
        kept = self.of_groups(~small)
        center = self.center + float(np.average(kept.mean, weights=kept.weight))
        return replace(
            kept,
            mean=kept.mean + (self.center - center),
            center=center,  # the old one tells of the groups that are left out
            absent=self.absent[:0],
            withheld=withheld(self, small),
        )

    def combine(self, other: GroupStatistics) -> GroupStatistics:
        """Return the statistics of both sets of rows together.

        Associative and commutative up to rounding. Sums of squares are merged by the update of
        Chan, Golub and LeVeque (1983), doi:10.1080/00031305.1983.10483115.

        Raises
        ------
        DataError
            If the two are not of the same outcome, grouping column and kind of label.
        """
        mine = (self.factor, self.outcome, self.sigma_known)
        theirs = (other.factor, other.outcome, other.sigma_known)
        if mine != theirs:
            raise DataError(
                "only statistics of the same outcome, group column and kind can be combined; "
                f"received {mine} and {theirs} (group column, outcome, standard errors known)"
            )
        first, second = alike(self, other)
        if first is not self or second is not other:
            return first.combine(second)
        labels, (a, b) = unify(self.labels, other.labels)
        size = len(labels)
        wa, wb = placed(self.weight, a, size), placed(other.weight, b, size)
        ma = placed(self.mean, a, size)
        mb = placed(other.mean + (other.center - self.center), b, size)
        weight = wa + wb
        gap = np.where((wa > 0) & (wb > 0), mb - ma, 0.0)
        return replace(
            self,
            labels=labels,
            n=placed(self.n, a, size) + placed(other.n, b, size),
            weight=weight,
            mean=np.where(wa > 0, ma, mb) + gap * wb / weight,
            ss=placed(self.ss, a, size) + placed(other.ss, b, size) + gap**2 * wa * wb / weight,
            log_weight=placed(self.log_weight, a, size) + placed(other.log_weight, b, size),
            n_rows=self.n_rows + other.n_rows,
            n_dropped=self.n_dropped + other.n_dropped,
            absent=still_absent(self.absent, other.absent, labels),
            labels_from_text=self.labels_from_text and other.labels_from_text,
            withheld=both_withheld(self, other),
        )


class OfGroups(Protocol):
    """Statistics with one record a group, of measurements or of counts."""

    @property
    def labels(self) -> AnyArray:
        """Labels of the groups."""

    @property
    def n(self) -> Ints:
        """Rows of each."""

    @property
    def absent(self) -> AnyArray:
        """Labels of groups without a usable row."""

    @property
    def labels_from_text(self) -> bool:
        """Whether whole-number labels were read from text."""

    @property
    def withheld(self) -> tuple[int, int]:
        """Groups, and rows in them, that were left out."""


S = TypeVar("S", bound=OfGroups)


def alike(first: S, second: S) -> tuple[S, S]:
    """Both, whole numbers that were read from text as text again if the other side has text."""
    if is_text(first.labels) == is_text(second.labels):
        return first, second
    return _spelled_out(first), _spelled_out(second)


def _spelled_out(s: S) -> S:
    """Turn whole numbers that were read from text into that text again."""
    if not s.labels_from_text:
        return s
    labels, absent = spelled_out(s.labels), spelled_out(s.absent)
    return replace(s, labels=labels, absent=absent)  # type: ignore[type-var]


def refuse_all_small(small: Bools, n: Ints, least: int) -> None:
    """Raise a DataError if every group is too small to be shared."""
    if small.all():
        raise DataError(
            f"no group has {least} rows or more (the largest has {n.max()}), so nothing "
            "is left to share; choose a smaller number"
        )


def withheld(s: OfGroups, small: Bools) -> tuple[int, int]:
    """Groups, and rows in them, that were or are now left out."""
    groups = int(small.sum()) + len(s.absent)
    return s.withheld[0] + groups, s.withheld[1] + int(s.n[small].sum())


class Withholds(Protocol):
    """Statistics from which groups may have been left out."""

    @property
    def withheld(self) -> tuple[int, int]:
        """Groups, and rows in them, that were left out."""


def both_withheld(first: Withholds, second: Withholds) -> tuple[int, int]:
    """Groups and rows left out on either side."""
    return first.withheld[0] + second.withheld[0], first.withheld[1] + second.withheld[1]


def still_absent(first: AnyArray, second: AnyArray, present: AnyArray) -> AnyArray:
    """Labels absent on either side that are present on neither."""
    both, _ = unify(first, second)
    known = set(present.tolist())
    kept = [i for i, label in enumerate(both.tolist()) if label not in known]
    return both[kept]


def without_rounding(ss: Floats, weight: AnyArray, mean: Floats, center: float) -> Floats:
    """Set to 0 the sums of squares that are no more than the rounding of the values themselves."""
    size = np.abs(mean + center) + abs(center)
    return np.where(ss > weight * (4 * np.finfo(float).eps * size) ** 2, ss, 0.0)


def placed(values: AnyArray, at: Ints, size: int) -> AnyArray:
    """Place values (one a group of one side) among all `size` groups, 0 elsewhere."""
    out = np.zeros(size, dtype=values.dtype)
    out[at] = values
    return out
