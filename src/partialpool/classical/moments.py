"""The method of moments for groups of equal size, as simulators and textbooks state it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class MethodOfMoments:
    """tau by moments, and the estimates that follow.

    Parameters
    ----------
    tau : float
        Between-group sd (units of y).
    grand_mean : float
        Unweighted mean of the group means.
    estimate, shrinkage : ndarray, shape (J,)
        ``(1 - B) mean + B grand_mean`` and its weight B on the grand mean.
    floored : bool
        Whether the moment equation gave less than the floor.
    """

    tau: float
    grand_mean: float
    estimate: Floats
    shrinkage: Floats
    floored: bool


def method_of_moments(*, mean: Any, n: Any, sigma: Any, floor: float = 0.0) -> MethodOfMoments:
    """Estimate tau from the variance of group means, and shrink each toward their mean.

        tau^2 = max(var(mean) - average(v), floor),   B_j = v_j / (v_j + tau^2)

    with ``v_j = sigma^2 / n_j``.

    Leaves out the uncertainty of tau and of the grand mean. With three or four groups far apart
    its risk is above that of the raw means.

    Parameters
    ----------
    mean : array_like, shape (J,)
        Group means (units of y).
    n : array_like, shape (J,) or scalar
        Rows a group.
    sigma : array_like, shape (J,) or scalar
        Within-group sd, known or estimated (units of y).
    floor : float
        Smallest value of tau^2 (units of y squared).

    Raises
    ------
    ArgumentError
        With fewer than two groups, or values out of range.

    Notes
    -----
    Source: Efron and Morris (1973), doi:10.1080/01621459.1973.10481350.

    Examples
    --------
    >>> fit = method_of_moments(mean=[68.0, 71.0, 77.0], n=15, sigma=10.0)
    >>> round(fit.tau, 4)
    3.7859
    """
    y, n_, s = checks.groups(mean=mean, n=n, sigma=sigma)
    checks.at_least(2, len(y), "the method of moments", "a variance needs two means")
    checks.positive(n=n_, sigma=s)
    if not (math.isfinite(floor) and floor >= 0):
        raise ArgumentError(f"floor must be 0 or more; received {floor!r}")
    v = s**2 / n_
    excess = float(np.var(y, ddof=1) - v.mean())
    tau2 = max(excess, floor)
    grand = float(y.mean())
    # precision of the mean over both precisions
    own_weight = (1.0 / v) / (1.0 / v + 1.0 / tau2) if tau2 > 0 else np.zeros(len(y))
    return MethodOfMoments(
        tau=math.sqrt(tau2),
        grand_mean=grand,
        estimate=own_weight * y + (1.0 - own_weight) * grand,
        shrinkage=1.0 - own_weight,
        floored=excess < floor,
    )
