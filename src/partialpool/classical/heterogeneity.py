"""How different the groups are: Q, I^2, H^2 and an interval for tau."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool.classical import checks
from partialpool.classical.known_errors import Problem, log_likelihood
from partialpool.classical.roots import highest, root_of_falling
from partialpool.classical.rows import Profile, summaries
from partialpool.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Measures of heterogeneity.

    Parameters
    ----------
    q, df, p : float
        Cochran's Q, its degrees of freedom, and the p-value of tau = 0.
    i2 : float
        Share of the variance of the estimates that lies between groups, in [0, 1].
    h2 : float
        Total over sampling variance, 1 or more.
    tau_lower, tau_upper : float
        Q-profile interval of tau (units of y).
    i2_lower, i2_upper : float
        The interval of I^2 that follows from it.
    """

    q: float
    df: float
    p: float
    i2: float
    h2: float
    tau_lower: float
    tau_upper: float
    i2_lower: float
    i2_upper: float


def heterogeneity(
    *, mean: Any, se: Any, tau: float, predictors: Any = None, level: float = 0.95
) -> Heterogeneity:
    """Measure heterogeneity given an estimate of tau.

        I^2 = tau^2 / (tau^2 + s^2),   H^2 = (tau^2 + s^2) / s^2,
        s^2 = (J - 1) sum w / ((sum w)^2 - sum w^2),   w = 1 / se^2

    The Q-profile interval holds every tau at which ``sum W (y - mu)^2`` lies between the
    quantiles of chi-square with J - 1 degrees of freedom; it is exact.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    tau : float
        From any of the estimators (units of y).
    predictors : array_like, shape (J, p - 1), optional
        Group-level predictors; an intercept is added. Then all is of what they leave unexplained.
    level : float
        Probability of the interval.

    Notes
    -----
    Source: Higgins and Thompson (2002), doi:10.1002/sim.1186; Viechtbauer (2007),
    doi:10.1002/sim.2514.
    """
    problem = Problem.of(mean, se, predictors, "heterogeneity")
    checks.fraction(level)
    if not (math.isfinite(tau) and tau >= 0):
        raise ArgumentError(f"tau must be 0 or more; received {tau!r}")
    q, df = problem.q(0.0), problem.df
    typical = df / problem.trace(1.0 / problem.v)

    def end(p: float) -> float:
        # Q falls in tau: the lower end of tau is where Q meets the upper quantile
        target = float(special.chdtri(df, p))  # upper tail p
        start = float(np.mean(problem.v))
        return math.sqrt(root_of_falling(lambda t: problem.q(t) - target, start))

    alpha = 1.0 - level
    lower, upper = end(alpha / 2), end(1 - alpha / 2)
    return Heterogeneity(
        q=q,
        df=float(df),
        p=float(special.chdtrc(df, q)),
        i2=tau**2 / (tau**2 + typical),
        h2=(tau**2 + typical) / typical,
        tau_lower=lower,
        tau_upper=upper,
        # I^2 rises with tau, so that its ends are those of tau
        i2_lower=lower**2 / (lower**2 + typical),
        i2_upper=upper**2 / (upper**2 + typical),
    )


@dataclass(frozen=True, slots=True)
class LikelihoodRatio:
    """Test of tau = 0.

    Parameters
    ----------
    statistic : float
        Twice the gain in restricted log likelihood from letting tau be positive.
    p : float
        Under the correct null: half a point mass at 0, half chi-square with 1 degree of freedom.
    """

    statistic: float
    p: float


def likelihood_ratio(
    *, mean: Any, se: Any = None, n: Any = None, ss: Any = None
) -> LikelihoodRatio:
    """Test tau = 0 by the restricted likelihood ratio.

    tau = 0 lies on the boundary: the usual chi-square null would give p-values twice too large.

    Parameters
    ----------
    mean : array_like, shape (J,)
        Group means or estimates (units of y).
    se : array_like, shape (J,), optional
        Known standard errors; or else
    n, ss : array_like, shape (J,), optional
        Rows and within-group sums of squares.

    Notes
    -----
    Source: Self and Liang (1987), doi:10.1080/01621459.1987.10478472.
    """
    if se is not None:
        known = Problem.of(mean, se, None, "the likelihood ratio")
        value, slope = log_likelihood(known, True)
        scale = float(np.mean(known.v) + np.var(known.y))
    elif n is not None and ss is not None:
        y, n_, inside = summaries(mean, n, ss)
        problem = Profile.of(y, n_, inside, restricted=True)
        value, slope, scale = problem.value, problem.slope, float(1.0 / n_.mean())
    else:
        raise ArgumentError("give either se, or both n and ss")
    best = highest(value, slope, scale)
    at = value(np.array([0.0, best]))
    statistic = max(0.0, 2.0 * float(at[1] - at[0]))
    # half of the null distribution is a point at zero
    p = 0.5 * float(special.chdtrc(1, statistic)) if statistic > 0 else 1.0
    return LikelihoodRatio(statistic, p)
