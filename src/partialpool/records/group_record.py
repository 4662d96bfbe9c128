"""What statistics of one factor have in common: one record a group, of measurements or counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from partialpool._typing import AnyArray, Ints
from partialpool.design.labels import is_text, sorted_order, spelled_out, unify
from partialpool.errors import DataError
from partialpool.kernels.merged_means import merged_means
from partialpool.records.record import Record


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GroupRecord(Record):
    """One record a group of one factor.

    Parameters
    ----------
    factor, outcome : str
        Names of the grouping column and of the outcome's.
    labels : ndarray, shape (J,)
        Group labels, as they came.
    n : ndarray of int, shape (J,)
        Rows in each group.
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

    one_factor: ClassVar[bool] = True
    alike: ClassVar[dict[str, str]] = {"factor": "group column", "outcome": "outcome"}
    """What must be equal on both sides to be combined, in words."""
    summed: ClassVar[tuple[str, ...]] = ("n",)
    """The arrays that add up over rows."""
    about: ClassVar[tuple[str, ...]] = ()
    """The mean of each group and the sum of squares about it, with weights `weight`."""

    factor: str
    outcome: str
    labels: AnyArray
    n: Ints
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
    @abstractmethod
    def pooled_value(self) -> float:
        """Value of all groups together: complete pooling."""

    @property
    def noiseless(self) -> bool:
        """Whether rows of one group never differ, so that its value is known; never of counts."""
        return False

    @property
    def group_counts(self) -> dict[str, int]:
        """Number of groups of the factor."""
        return {self.factor: self.n_groups}

    def rows_by_group(self, term: int = 0) -> Ints:
        """Rows in each group."""
        del term
        return self.n

    def sorted(self, order: Sequence[Any] | None = None) -> Self:
        """Return the same statistics with the groups in label order, or in the order of `order`."""
        return self.of_groups(sorted_order(self.labels, order))

    def of_groups(self, which: AnyArray) -> Self:
        """Return the statistics of these groups (indices, or one bool a group)."""
        names = ("labels", *self.summed, *self.about)
        return replace(self, **{k: getattr(self, k)[which] for k in names})

    def without_small_groups(self, least: int) -> Self:
        """Return the statistics of the groups of at least so many rows; the rest is counted.

        Raises
        ------
        DataError
            If no group has so many rows.
        """
        small = self.n < least
        if small.all():
            raise DataError(
                f"no group has {least} rows or more (the largest has {self.n.max()}), so nothing "
                "is left to share; choose a smaller number"
            )
        groups = int(small.sum()) + len(self.absent)
        withheld = self.withheld[0] + groups, self.withheld[1] + int(self.n[small].sum())
        left = self.of_groups(~small).recentred()
        return replace(left, absent=self.absent[:0], withheld=withheld)

    def recentred(self) -> Self:
        """Return the same with nothing in it that tells of groups that were left out."""
        return self

    def combine(self, other: Self) -> Self:
        """Return the statistics of both sets of rows together.

        Associative and commutative up to rounding.

        Raises
        ------
        DataError
            If the two are not of the same outcome, grouping column and kind.
        """
        kinds = [tuple(getattr(s, k) for k in self.alike) for s in (self, other)]
        if kinds[0] != kinds[1]:
            *words, last = self.alike.values()
            raise DataError(
                f"only statistics of the same {', '.join(words)} and {last} can be combined; "
                f"received {kinds[0]} and {kinds[1]}"
            )
        sides = _spelled_out(self, other), _spelled_out(other, self)
        labels, places = unify(*(s.labels for s in sides))
        mine, theirs = (
            {k: _placed(getattr(s, k), at, len(labels)) for k in (*self.summed, *self.about)}
            for s, at in zip(sides, places, strict=True)
        )
        arrays: dict[str, Any] = {k: mine[k] + theirs[k] for k in self.summed}
        if self.about:
            mean, square = self.about
            both = merged_means((mine["weight"], theirs["weight"]), (mine[mean], theirs[mean]))
            arrays[mean] = both.mean
            arrays[square] = mine[square] + theirs[square] + both.gap**2 * both.harmonic
        facts: dict[str, Any] = {
            "labels": labels,
            "n_rows": self.n_rows + other.n_rows,
            "n_dropped": self.n_dropped + other.n_dropped,
            "absent": _still_absent(sides[0].absent, sides[1].absent, labels),
            "labels_from_text": self.labels_from_text and other.labels_from_text,
            "withheld": both_withheld(self, other),
        }
        return replace(self, **arrays, **facts)


def _spelled_out(s: GroupRecord, other: GroupRecord) -> GroupRecord:
    """Whole numbers that were read from text as text again where the other side has text."""
    if not (s.labels_from_text and is_text(other.labels)):
        return s
    return replace(s, labels=spelled_out(s.labels), absent=spelled_out(s.absent))


class Withholds(Protocol):
    """Statistics from which groups may have been left out."""

    @property
    def withheld(self) -> tuple[int, int]:
        """Groups, and rows in them, that were left out."""


def both_withheld(first: Withholds, second: Withholds) -> tuple[int, int]:
    """Groups and rows left out on either side."""
    return first.withheld[0] + second.withheld[0], first.withheld[1] + second.withheld[1]


def _still_absent(first: AnyArray, second: AnyArray, present: AnyArray) -> AnyArray:
    """Labels absent on either side that are present on neither."""
    both, _ = unify(first, second)
    known = set(present.tolist())
    kept = [i for i, label in enumerate(both.tolist()) if label not in known]
    return both[kept]


def _placed(values: AnyArray, at: Ints, size: int) -> AnyArray:
    """Place values (one a group of one side) among all `size` groups, 0 elsewhere."""
    out = np.zeros(size, dtype=values.dtype)
    out[at] = values
    return out
