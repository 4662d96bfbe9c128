"""The extremes: every group by itself, and all groups as one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """One estimate a group.

    Parameters
    ----------
    estimate, se, lower, upper : ndarray, shape (J,)
        Estimate, its standard error and interval (units of y); nan where not estimable.
    df : ndarray, shape (J,)
        Degrees of freedom of the interval; infinite for known standard errors.
    """

    estimate: Floats
    se: Floats
    df: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class PooledMean:
    """One mean for all groups: estimate, se, df and interval (units of y)."""

    estimate: float
    se: float
    df: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class ClusterRobust:
    """The pooled mean with standard errors that allow for clustering.

    Parameters
    ----------
    estimate : float
        Mean over all rows.
    naive_se, cr1_se, cr2_se : float
        Ignoring the groups; with the J / (J - 1) correction; bias-reduced.
    df : float
        Satterthwaite degrees of freedom of CR2.
    lower, upper : float
        Interval from CR2 and its degrees of freedom.
    """

    estimate: float
    naive_se: float
    cr1_se: float
    cr2_se: float
    df: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, eq=False)
class FixedEffects:
    """Group means with a common sigma, and the test that they are all equal.

    Parameters
    ----------
    groups : Estimates
        Means with standard error ``sigma / sqrt(n_j)``.
    sigma : float
        Pooled within-group sd.
    f, p : float
        F statistic of equal means and its p-value.
    df : tuple of float
        Its degrees of freedom.
    """

    groups: Estimates
    sigma: float
    f: float
    p: float
    df: tuple[float, float]


def _interval(estimate: Floats, se: Floats, df: Floats, level: float) -> tuple[Floats, Floats]:
    checks.fraction(level)
    p = 0.5 + level / 2
    t = np.where(np.isinf(df), special.ndtri(p), special.stdtrit(np.minimum(df, 1e300), p))
    return estimate - t * se, estimate + t * se


def no_pooling(
    *, mean: Any, n: Any = None, sd: Any = None, se: Any = None, level: float = 0.95
) -> Estimates:
    """Estimate each group by its own rows only.

        mean_j +- t_{n_j - 1} sd_j / sqrt(n_j),   or  mean_j +- z se_j

    Leaves out what the other groups say; nothing can be said of a group of one row.

    Parameters
    ----------
    mean : array_like, shape (J,)
        Group means (units of y).
    n, sd : array_like, shape (J,), optional
        Rows and sd (divisor n - 1) of each group.
    se : array_like, shape (J,), optional
        Known standard errors, in place of n and sd.
    level : float
        Probability of the interval.

    Notes
    -----
    Source: Student (1908), doi:10.2307/2331554.
    """
    if se is not None:
        y, s = checks.groups(mean=mean, se=se)
        checks.positive(se=s)
        df = np.full(len(y), math.inf)
    elif n is not None and sd is not None:
        y, n_, spread = checks.groups(mean=mean, n=n, sd=sd)
        checks.positive(n=n_)
        df = n_ - 1.0
        s = np.where(df > 0, spread / np.sqrt(n_), math.nan)
    else:
        raise ArgumentError("give either se, or both n and sd")
    safe = np.where(df > 0, df, math.nan)
    lower, upper = _interval(y, s, safe, level)
    return Estimates(y, s, df, lower, upper)


def complete_pooling(
    *, mean: Any, n: Any = None, ss: Any = None, se: Any = None, level: float = 0.95
) -> PooledMean:
    """Estimate one mean for all, as if there were no groups.

    Leaves out every difference between groups; its standard error is far too small where
    groups differ (see `cluster_robust`).

    Parameters
    ----------
    mean : array_like, shape (J,)
        Group means (units of y).
    n, ss : array_like, shape (J,), optional
        Rows, and within-group sum of squares (units of y squared).
    se : array_like, shape (J,), optional
        Known standard errors, in place of n and ss: inverse-variance weighted.
    level : float
        Probability of the interval.
    """
    if se is not None:
        y, s = checks.groups(mean=mean, se=se)
        checks.positive(se=s)
        w = 1.0 / s**2
        estimate, error, df = float(y @ w / w.sum()), float(w.sum() ** -0.5), math.inf
    elif n is not None and ss is not None:
        y, n_, inside = checks.groups(mean=mean, n=n, ss=ss)
        checks.positive(n=n_)
        total = n_.sum()
        if total < 2:
            raise ArgumentError("a standard error needs at least two rows")
        estimate = float(y @ n_ / total)
        squares = inside.sum() + n_ @ (y - estimate) ** 2
        df = total - 1.0
        error = math.sqrt(squares / df / total)
    else:
        raise ArgumentError("give either se, or both n and ss")
    lower, upper = _interval(np.array([estimate]), np.array([error]), np.array([df]), level)
    return PooledMean(estimate, error, float(df), float(lower[0]), float(upper[0]))


def cluster_robust(*, mean: Any, n: Any, ss: Any, level: float = 0.95) -> ClusterRobust:
    """Estimate the mean over all rows with cluster-robust standard errors.

        CR1: J/(J-1) sum_j n_j^2 (mean_j - m)^2 / N^2
        CR2: sum_j n_j^2 (mean_j - m)^2 / (1 - n_j/N) / N^2

    Parameters
    ----------
    mean, n, ss : array_like, shape (J,)
        Group means (units of y), rows, and within-group sums of squares.
    level : float
        Probability of the interval, from CR2 with Satterthwaite degrees of freedom.

    Notes
    -----
    Source: Bell and McCaffrey (2002), Survey Methodology 28, 169-181; Pustejovsky and Tipton
    (2018), doi:10.1080/07350015.2016.1247004.
    """
    y, n_, inside = checks.groups(mean=mean, n=n, ss=ss)
    checks.at_least(2, len(y), "a cluster-robust error", "it is the spread between groups")
    checks.positive(n=n_)
    pooled = complete_pooling(mean=y, n=n_, ss=inside, level=level)
    total, size = n_.sum(), len(y)
    share = n_ / total
    sums = share * (y - pooled.estimate)  # each cluster's part of the score, over N
    cr1 = math.sqrt(size / (size - 1) * float(sums @ sums))
    cr2 = math.sqrt(float((sums**2 / (1.0 - share)).sum()))
    # eigenvalues of G'G for the intercept: n_i/N^2 on the diagonal, -b_i b_j beside it
    b2 = share**2 / (1.0 - share) / total
    trace = 1.0 / total
    squared = float(((share / total) ** 2).sum() + b2.sum() ** 2 - (b2**2).sum())
    df = trace**2 / squared
    lower, upper = _interval(np.array([pooled.estimate]), np.array([cr2]), np.array([df]), level)
    return ClusterRobust(pooled.estimate, pooled.se, cr1, cr2, df, float(lower[0]), float(upper[0]))


def fixed_effects(*, mean: Any, n: Any, ss: Any, level: float = 0.95) -> FixedEffects:
    """Estimate every group's mean with a common sigma (a dummy variable for each group).

    Leaves out that groups come from a population: no shrinkage, J - 1 degrees of freedom spent,
    and no group-level predictor can be estimated.

    Parameters
    ----------
    mean, n, ss : array_like, shape (J,)
        Group means (units of y), rows, and within-group sums of squares.
    level : float
        Probability of the intervals.

    Notes
    -----
    Source: Fisher (1925), Statistical Methods for Research Workers, chapter VII.
    """
    y, n_, inside = checks.groups(mean=mean, n=n, ss=ss)
    checks.at_least(2, len(y), "the comparison of means", "there is nothing to compare")
    checks.positive(n=n_)
    total, size = n_.sum(), len(y)
    within = total - size
    if within <= 0:
        raise ArgumentError("every group has one row: sigma cannot be estimated; give se instead")
    sigma2 = inside.sum() / within
    grand = y @ n_ / total
    f = float(n_ @ (y - grand) ** 2 / (size - 1) / sigma2) if sigma2 > 0 else math.inf
    p = float(special.fdtrc(size - 1, within, f))
    se = np.sqrt(sigma2 / n_)
    df = np.full(size, within)
    lower, upper = _interval(y, se, df, level)
    groups = Estimates(y, se, df, lower, upper)
    return FixedEffects(groups, math.sqrt(sigma2), f, p, (float(size - 1), float(within)))
