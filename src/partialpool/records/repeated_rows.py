"""Rows of one factor that count several times each, as sample weights say, to statistics.

A row of weight 2 is two equal rows, and one of weight 0 is none. That is not the precision of
``y | weights(w)``, which says how much noise a row has: group means are the same, the rows from
which sigma is learned are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.formula import CountFamily
from partialpool.records.counts import CountStatistics
from partialpool.records.measurements import GroupStatistics, without_rounding


def repeated_measurements(codes: Ints, y: Floats, times: Floats) -> GroupStatistics:
    """Sums of measurements by group, in two passes about the means.

    Parameters
    ----------
    codes : ndarray of int, shape (N,)
        The group of each row, from 0.
    y : ndarray, shape (N,)
        Measurements.
    times : ndarray, shape (N,)
        How often each row counts; 0 or more, and not 0 in all.

    Returns
    -------
    GroupStatistics
        Of the groups with rows that count, labelled by their codes; `n` is what the rows of a
        group count in all, which need not be whole.
    """
    weight = _sums(codes, times)
    present = weight > 0
    divisor = np.where(present, weight, 1.0)
    center = float(np.average(y, weights=times))
    shifted = y - center
    mean = _sums(codes, times * shifted) / divisor
    left = shifted - mean[codes]
    correction = _sums(codes, times * left) / divisor  # what rounding left of the means
    ss = _sums(codes, times * left**2) - weight * correction**2
    mean += correction
    ss = without_rounding(ss, weight, mean, center)
    labels = np.flatnonzero(present)
    n: Any = weight[labels]  # of weights that are no whole numbers not whole either
    return GroupStatistics(
        factor="category",
        outcome="target",
        labels=labels,
        n=n,
        n_rows=len(y),
        n_dropped=0,
        absent=labels[:0],
        weight=weight[labels],
        mean=mean[labels],
        ss=ss[labels],
        center=center,
        log_weight=np.zeros(len(labels)),
        sigma_known=False,
    )


def _sums(codes: Ints, values: Floats) -> Floats:
    return np.bincount(codes, values).astype(np.float64, copy=False)


def repeated_counts(codes: Ints, y: Floats, times: Floats, family: CountFamily) -> CountStatistics:
    """Events by group of rows that are one trial, or one unit of exposure, each time they count.

    Parameters
    ----------
    codes, y, times
        As of `repeated_measurements`; y is 0 or 1, or a number of events.
    family : {"binomial", "poisson"}

    Returns
    -------
    CountStatistics
        Of the groups with rows that count, labelled by their codes.
    """
    size = _sums(codes, times)
    labels = np.flatnonzero(size > 0)
    n: Any = size[labels]
    return CountStatistics(
        family=family,
        factor="category",
        outcome="target",
        size_name="trials" if family == "binomial" else "rows",
        labels=labels,
        n=n,
        n_rows=len(y),
        n_dropped=0,
        absent=labels[:0],
        y=_sums(codes, times * y)[labels],
        size=size[labels],
        square=_sums(codes, times * y**2)[labels],
        log_constants=np.zeros(len(labels)),  # only posteriors are read, never their density
        zeros=_sums(codes, times * (y == 0))[labels],
        reciprocal=size[labels],
    )
