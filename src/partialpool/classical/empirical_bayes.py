"""Group estimates given an estimate of tau, with four kinds of interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.errors import ArgumentError

IntervalName = Literal["naive", "mu", "prasad-rao", "morris"]


@dataclass(frozen=True, slots=True, eq=False)
class EmpiricalBayes:
    """Shrunken estimates (best linear unbiased predictions) and their errors.

    Parameters
    ----------
    estimate, se, lower, upper, shrinkage : ndarray, shape (J,)
        Estimates, errors and intervals (units of y), and weights on the mean.
    mu : float
        Mean they are drawn toward.
    leaves_out : str
        What the interval does not account for.
    """

    estimate: Floats
    se: Floats
    lower: Floats
    upper: Floats
    shrinkage: Floats
    mu: float
    leaves_out: str


LEAVES_OUT = {
    "naive": "the uncertainty of mu and of tau",
    "mu": "the uncertainty of tau",
    "prasad-rao": "the skewness of tau's uncertainty; poor where tau is near 0",
    "morris": "the shape of tau's uncertainty; exact to order 1/J for equal standard errors",
}


def empirical_bayes(
    *,
    mean: Any,
    se: Any,
    tau: float,
    interval: IntervalName = "mu",
    tau2_se: float | None = None,
    level: float = 0.95,
) -> EmpiricalBayes:
    """Shrink estimates given tau.

        estimate_j = (1 - B_j) y_j + B_j mu,   B_j = v_j / (v_j + tau^2),   v_j = se_j^2

    squared errors, by `interval`:

        naive        (1 - B_j) v_j
        mu           + B_j^2 Var(mu)
        prasad-rao   + 2 v_j^2 (v_j + tau^2)^-3 Var(tau^2)
        morris       v_j (1 - (J-1)/J b_j) + 2/(J-3) b_j^2 (y_j - mu)^2,  b_j = (J-3)/(J-1) B_j

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    tau : float
        Between-group sd, from any estimator (units of y).
    interval : {"naive", "mu", "prasad-rao", "morris"}
        Which error; Morris also draws less toward the mean (b_j in place of B_j).
    tau2_se : float, optional
        Standard error of tau^2, needed by Prasad-Rao.
    level : float
        Probability of the intervals.

    Notes
    -----
    Source: Morris (1983), doi:10.1080/01621459.1983.10477920; Prasad and Rao (1990),
    doi:10.1080/01621459.1990.10475320.
    """
    y, s = checks.groups(mean=mean, se=se)
    checks.positive(se=s)
    checks.fraction(level)
    if not (math.isfinite(tau) and tau >= 0):
        raise ArgumentError(f"tau must be 0 or more; received {tau!r}")
    if interval not in LEAVES_OUT:
        raise ArgumentError(f"interval is one of {', '.join(LEAVES_OUT)}; received {interval!r}")
    v, size = s**2, len(y)
    total = v + tau**2
    w = 1.0 / total
    mu, mu_variance = float(w @ y / w.sum()), float(1.0 / w.sum())
    b = v / total
    if interval == "morris":
        checks.at_least(4, size, "Morris' interval", "it divides by J - 3")
        b = (size - 3) / (size - 1) * b
        squared = v * (1.0 - (size - 1) / size * b) + 2.0 / (size - 3) * b**2 * (y - mu) ** 2
    else:
        squared = (1.0 - b) * v
        if interval != "naive":
            squared = squared + b**2 * mu_variance
        if interval == "prasad-rao":
            if tau2_se is None:
                raise ArgumentError("the Prasad-Rao interval needs tau2_se, the error of tau^2")
            squared = squared + 2.0 * v**2 * w**3 * tau2_se**2
    error = np.sqrt(squared)
    estimate = y + b * (mu - y)
    z = float(special.ndtri(0.5 + level / 2))
    return EmpiricalBayes(
        estimate, error, estimate - z * error, estimate + z * error, b, mu, LEAVES_OUT[interval]
    )
