"""The keystone: per-group sufficient statistics of the one-way normal model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.records.group_record import GroupRecord


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GroupStatistics(GroupRecord):
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
    labels_from_text, withheld
        As in `GroupRecord`.
    """

    alike: ClassVar[dict[str, str]] = {
        "outcome": "outcome",
        "factor": "group column",
        "sigma_known": "kind (whether standard errors are known)",
    }
    summed: ClassVar[tuple[str, ...]] = ("n", "weight", "log_weight")
    about: ClassVar[tuple[str, ...]] = ("mean", "ss")

    weight: Floats
    mean: Floats
    ss: Floats
    center: float
    log_weight: Floats
    sigma_known: bool

    @property
    def raw(self) -> Floats:
        """Group means in the units of y: the no-pooling estimates."""
        return self.mean + self.center

    @property
    def pooled_value(self) -> float:
        """Weighted mean of all rows (units of y)."""
        return float(self.weight @ self.raw / self.weight.sum())

    @property
    def sd_within(self) -> float:
        """Standard deviation within groups by the mean square (units of y)."""
        return math.sqrt(float(self.ss.sum()) / max(self.n_used - self.n_groups, 1))

    @property
    def errors_known(self) -> bool:
        """Whether rows are estimates with known standard errors."""
        return self.sigma_known

    @property
    def plain(self) -> bool:
        """Whether rows have no weights, and so no known standard errors."""
        return not self.sigma_known and np.array_equal(self.weight, self.n)

    @property
    def noiseless(self) -> bool:
        """Whether rows of one group never differ, so that its mean is known."""
        return not self.ss.any()

    @property
    def size_words(self) -> str:
        """What `weight` is."""
        if self.sigma_known:
            return "precision (1 / standard error squared)"
        return "rows" if self.plain else "total weight"

    @property
    def denominator(self) -> str:
        """Nothing: values are no proportions or rates."""
        return ""

    def outcome_by_group(self, term: int = 0) -> Floats:
        """Mean of each group."""
        del term
        return self.raw

    def plain_moments(self) -> tuple[float, float, float] | None:
        """Number, sum and sum of squares of rows without weights."""
        if not self.plain:
            return None
        squares = float(self.ss.sum() + self.n @ self.raw**2)
        return float(self.n.sum()), float(self.n @ self.raw), squares

    def observed(self) -> tuple[dict[str, AnyArray], dict[str, AnyArray]]:
        """Means, and their standard errors or the sd within groups, nan of one row."""
        if self.sigma_known:
            return {self.outcome: self.raw}, {"se": np.asarray(1.0 / np.sqrt(self.weight))}
        sd = np.sqrt(self.ss / np.where(self.n > 1, self.n - 1, np.nan))
        return {self.outcome: self.raw}, {"sd": sd}

    def about_center(self, center: float) -> GroupStatistics:
        """Return the same with another constant taken off the outcome."""
        return replace(self, mean=self.mean + (self.center - center), center=center)

    def recentred(self) -> GroupStatistics:
        """Return the same about the mean of these groups."""
        return self.about_center(self.center + float(np.average(self.mean, weights=self.weight)))

    def combine(self, other: GroupStatistics) -> GroupStatistics:
        """Return the statistics of both sets of rows together; as `GroupRecord.combine`."""
        return GroupRecord.combine(self, other.about_center(self.center))


def without_rounding(ss: Floats, weight: AnyArray, mean: Floats, center: float) -> Floats:
    """Set to 0 the sums of squares that are no more than the rounding of the values themselves."""
    size = np.abs(mean + center) + abs(center)
    return np.where(ss > weight * (4 * np.finfo(float).eps * size) ** 2, ss, 0.0)
