"""The keystone: per-group sufficient statistics of the one-way normal model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.data.labels import sorted_order, unify
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
    log_weight : float
        Sum over rows of log w.
    sigma_known : bool
        True if the weights are 1 / se^2 with known standard errors.
    n_rows, n_dropped : int
        Rows received, and of these, rows left out because a value was missing.
    absent : ndarray
        Labels of groups in the data of which no row could be used.
    """

    factor: str
    outcome: str
    labels: AnyArray
    n: Ints
    weight: Floats
    mean: Floats
    ss: Floats
    center: float
    log_weight: float
    sigma_known: bool
    n_rows: int
    n_dropped: int
    absent: AnyArray

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
        order = sorted_order(self.labels)
        return replace(
            self,
            labels=self.labels[order],
            n=self.n[order],
            weight=self.weight[order],
            mean=self.mean[order],
            ss=self.ss[order],
        )

    def combine(self, other: GroupStatistics) -> GroupStatistics:
        """Return the statistics of both sets of rows together.

        Associative and commutative up to rounding. Sums of squares are merged by the update of
        Chan, Golub and LeVeque (1983), doi:10.1080/00031305.1983.10483115.

        Raises
        ------
        DataError
            If the two are not of the same outcome, grouping column and kind.
        """
        mine = (self.factor, self.outcome, self.sigma_known)
        theirs = (other.factor, other.outcome, other.sigma_known)
        if mine != theirs:
            raise DataError(
                "only statistics of the same outcome, group column and kind can be combined; "
                f"received {mine} and {theirs} (group column, outcome, standard errors known)"
            )
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
            log_weight=self.log_weight + other.log_weight,
            n_rows=self.n_rows + other.n_rows,
            n_dropped=self.n_dropped + other.n_dropped,
            absent=still_absent(self.absent, other.absent, labels),
        )


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
