"""How different the groups are: Q, I^2, H^2 and an interval for tau."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool.classical import checks
from partialpool.classical.known_errors import generalised_q
from partialpool.classical.roots import root_of_falling
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
    """

    q: float
    df: float
    p: float
    i2: float
    h2: float
    tau_lower: float
    tau_upper: float


def heterogeneity(*, mean: Any, se: Any, tau: float, level: float = 0.95) -> Heterogeneity:
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
    level : float
        Probability of the interval.

    Notes
    -----
    Source: Higgins and Thompson (2002), doi:10.1002/sim.1186; Viechtbauer (2007),
    doi:10.1002/sim.2514.
    """
    y, s = checks.groups(mean=mean, se=se)
    checks.at_least(2, len(y), "heterogeneity", "there is nothing to compare")
    checks.positive(se=s)
    checks.fraction(level)
    if not (math.isfinite(tau) and tau >= 0):
        raise ArgumentError(f"tau must be 0 or more; received {tau!r}")
    v, df = s**2, len(y) - 1
    w = 1.0 / v
    q = generalised_q(y, v, 0.0)
    typical = df * w.sum() / (w.sum() ** 2 - (w**2).sum())

    def end(p: float) -> float:
        target = float(special.chdtri(df, p))  # upper tail p
        return math.sqrt(
            root_of_falling(lambda t: generalised_q(y, v, t) - target, float(np.mean(v)))
        )

    alpha = 1.0 - level
    return Heterogeneity(
        q=q,
        df=float(df),
        p=float(special.chdtrc(df, q)),
        i2=tau**2 / (tau**2 + typical),
        h2=(tau**2 + typical) / typical,
        tau_lower=end(alpha / 2),
        tau_upper=end(1 - alpha / 2),
    )
