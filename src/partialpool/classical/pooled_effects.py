"""Pooled effects of a meta-analysis given tau: by Wald, and by Knapp and Hartung."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scipy import special

from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.classical.known_errors import Problem
from partialpool.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class PooledEffects:
    """Coefficients given tau, with two kinds of intervals; without predictors there is one.

    Parameters
    ----------
    estimate, se, lower, upper : ndarray, shape (p,)
        Intercept, then predictors, weighted by ``1 / (se^2 + tau^2)``; standard errors and normal
        intervals as if tau were known.
    hartung_se, hartung_lower, hartung_upper : ndarray, shape (p,)
        Standard errors and t intervals by Knapp and Hartung.
    prediction_lower, prediction_upper : float
        Interval of the effect in a new study; nan with predictors, and with fewer than 3 studies.
    """

    estimate: Floats
    se: Floats
    lower: Floats
    upper: Floats
    hartung_se: Floats
    hartung_lower: Floats
    hartung_upper: Floats
    prediction_lower: float
    prediction_upper: float


def pooled_effects(
    *, mean: Any, se: Any, tau: float, predictors: Any = None, level: float = 0.95
) -> PooledEffects:
    """Pool effects with known standard errors given tau.

        b = (X' W X)^-1 X' W y,   W = 1 / (se^2 + tau^2)
        Wald:            b +- z sqrt(C),            C = diag (X' W X)^-1
        Knapp-Hartung:   b +- t(J - p) sqrt(s^2 C), s^2 = sum W (y - X b)^2 / (J - p)
        new study:       b +- t(J - 2) sqrt(C + tau^2)

    s^2 can lie below 1, and the interval by Knapp and Hartung is then the shorter one: with few
    studies it can be far too short (Röver, Knapp and Friede, 2015,
    doi:10.1186/s12874-015-0091-1).

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    tau : float
        From any of the estimators (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors; an intercept is added.
    level : float
        Probability of the intervals.

    Notes
    -----
    Source: Hartung and Knapp (2001), doi:10.1002/sim.1009; Knapp and Hartung (2003),
    doi:10.1002/sim.1482; the new study Higgins, Thompson and Spiegelhalter (2009),
    doi:10.1111/j.1467-985X.2008.00552.x.

    Examples
    --------
    >>> pooled = pooled_effects(mean=[28, 8, -3, 7], se=[15, 10, 16, 11], tau=0.0)
    >>> float(pooled.hartung_se[0].round(3))
    5.256
    """
    problem = Problem.of(mean, se, predictors, "a pooled effect")
    checks.fraction(level)
    if not (math.isfinite(tau) and tau >= 0):
        raise ArgumentError(f"tau must be 0 or more; received {tau!r}")
    pooled = problem.finish(tau**2, math.nan)
    estimate, error, df = pooled.coefficients, pooled.coefficients_se, problem.df
    # Q over its expectation scales the standard error
    hartung = error * math.sqrt(problem.q(tau**2) / df)
    p = 0.5 + level / 2
    z, t = float(special.ndtri(p)), float(special.stdtrit(df, p))
    reach = math.nan
    if len(estimate) == 1 and df > 1:
        # one degree of freedom less, for tau (Higgins and others)
        reach = float(special.stdtrit(df - 1, p)) * math.hypot(float(error[0]), tau)
    middle = float(estimate[0])
    return PooledEffects(
        *(estimate, error, estimate - z * error, estimate + z * error),
        *(hartung, estimate - t * hartung, estimate + t * hartung),
        *(middle - reach, middle + reach),
    )
