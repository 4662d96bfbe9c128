"""A statistic of the data beside what a model that is right gives it, and its p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._normal import ENDS_AND_MEDIAN
from partialpool._typing import Floats


@dataclass(frozen=True, slots=True)
class Compared:
    """An observed statistic and its distribution where the model holds.

    Parameters
    ----------
    observed : float
    expected, lower, upper : float
        Median and the ends of the middle 95% where the model holds.
    p : float
        Probability of a value as extreme or more, where the model holds.
    """

    observed: float
    expected: float
    lower: float
    upper: float
    p: float


def with_draws(observed: float, drawn: Floats, *, both: bool = False) -> Compared:
    """Compare with draws of the statistic under the model.

    Draws that equal what was observed count half, so that p-values of counts are mid-p-values
    (Lancaster 1961, doi:10.1080/01621459.1961.10482105).

    Parameters
    ----------
    observed : float
    drawn : ndarray, shape (S,)
    both : bool
        Whether small values speak against the model as much as large ones.
    """
    close = 1e-12 * (abs(observed) + float(np.abs(drawn).max(initial=0.0)))
    greater = float((drawn > observed + close).sum())
    smaller = float((drawn < observed - close).sum())
    equal = len(drawn) - greater - smaller
    # the data count as one draw more, so that no p-value is 0 and each is as likely as it says
    above, below = ((n + 0.5 * equal + 1.0) / (len(drawn) + 1.0) for n in (greater, smaller))
    lower, middle, upper = np.quantile(drawn, ENDS_AND_MEDIAN).tolist()
    p = 2.0 * min(above, below) if both else above
    return Compared(observed, middle, lower, upper, min(p, 1.0))


def with_gamma(observed: float, mean: float, variance: float) -> Compared:
    """Compare with a gamma distribution of this mean and variance; large values speak against it.

    Sums of squares are close to it: their first two moments are matched, and the third of a
    chi-square is then right too.
    """
    shape, scale = mean**2 / variance, variance / mean
    lower, middle, upper = (scale * special.gammaincinv(shape, ENDS_AND_MEDIAN)).tolist()
    p = float(special.gammaincc(shape, max(observed, 0.0) / scale))
    return Compared(observed, middle, lower, upper, p)


def with_normal(z: float, *, both: bool = True) -> Compared:
    """Compare a standardised value with a standard normal one; `both` ways, or upward only."""
    end = float(special.ndtri(ENDS_AND_MEDIAN[2]))
    p = 2.0 * special.ndtr(-abs(z)) if both else special.ndtr(-z)
    return Compared(z, 0.0, -end, end, float(p))


def with_largest(observed: float, tests: int, df: float = math.inf) -> Compared:
    """Compare the largest of so many |z| with the largest of as many that are independent.

    Standard normal, or Student's t with `df` degrees of freedom. Source: Sidak (1967),
    doi:10.1080/01621459.1967.10482935.
    """
    below = 0.5 * (1.0 + ENDS_AND_MEDIAN ** (1.0 / tests))
    normal = math.isinf(df)
    ends = special.ndtri(below) if normal else special.stdtrit(df, below)
    lower, middle, upper = ends.tolist()
    tail = special.ndtr(-observed) if normal else special.stdtr(df, -observed)
    p = float(-np.expm1(tests * np.log1p(-min(2.0 * float(tail), 1.0 - 1e-16))))
    return Compared(observed, middle, lower, upper, p)
