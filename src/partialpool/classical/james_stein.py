"""The James-Stein estimators: lower total squared error than the raw means, whatever the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.errors import ArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class JamesStein:
    """Shrunken estimates.

    Parameters
    ----------
    estimate : ndarray, shape (J,)
        Estimates (units of y).
    target : ndarray, shape (J,)
        What they are drawn toward.
    kept : float
        Share of each deviation from the target that is kept; below 0 if overshot without the
        positive part.
    """

    estimate: Floats
    target: Floats
    kept: float


def james_stein(
    *,
    mean: Any,
    se: float,
    toward: float | None = None,
    predictors: Any = None,
    positive_part: bool = True,
) -> JamesStein:
    """Shrink estimates of equal standard error toward a point, their mean or a regression.

        estimate = target + (1 - (J - p - 2) se^2 / sum (y - target)^2) (y - target)

    with p = 0 toward a given point, 1 toward the mean, and the number of columns (with the
    intercept) toward a regression. Lowers the expected total squared error for every truth; says
    nothing of single groups, and gives no interval.

    Parameters
    ----------
    mean : array_like, shape (J,)
        Estimates (units of y).
    se : float
        Their common standard error (units of y).
    toward : float, optional
        A point chosen before seeing the data.
    predictors : array_like, shape (J, p - 1), optional
        Columns of a least-squares regression to shrink toward; an intercept is added.
    positive_part : bool
        Keep at least 0 of each deviation, which is better still.

    Raises
    ------
    ArgumentError
        If there are too few groups for the theorem: 3 toward a point, 4 toward the mean.

    Notes
    -----
    Source: James and Stein (1961), Proc. 4th Berkeley Symposium 1, 361-379; Efron and Morris
    (1975), doi:10.1080/01621459.1975.10479864.

    Examples
    --------
    >>> round(james_stein(mean=[1.0, -2.0, 3.0, 0.5], se=1.0, toward=0.0).kept, 4)
    0.8596
    """
    (y,) = checks.groups(mean=mean)
    if np.ndim(se) != 0:
        raise ArgumentError("se is one number: the theorem holds for equal standard errors")
    checks.positive(se=np.atleast_1d(np.asarray(se, dtype=np.float64)))
    target, used = _target(y, toward, predictors)
    checks.at_least(
        used + 3, len(y), "the James-Stein estimator",
        f"with fewer than {used + 3} its risk is not below that of the raw means",
    )  # fmt: skip
    gap = y - target
    squares = float(gap @ gap)
    # of estimates that are all on the target nothing is left to shrink
    share_kept = 1.0 - (len(y) - used - 2) * se**2 / squares if squares > 0 else -np.inf
    if positive_part:
        share_kept = max(share_kept, 0.0)
    estimate = target + share_kept * gap if squares > 0 else target.copy()
    return JamesStein(estimate, target, float(share_kept))


def _target(y: Floats, toward: float | None, predictors: Any) -> tuple[Floats, int]:
    """The target of each group, and the number of coefficients it spends."""
    if toward is not None and predictors is not None:
        raise ArgumentError("give either toward or predictors")
    if toward is not None:
        return np.full(len(y), float(toward)), 0
    if predictors is None:
        return np.full(len(y), y.mean()), 1
    x = np.asarray(predictors, dtype=np.float64)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) != len(y) or not np.isfinite(x).all():
        raise ArgumentError(f"predictors must be finite, one row a group; shape {x.shape}")
    design = np.column_stack([np.ones(len(y)), x])
    coefficients, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    return design @ coefficients, int(rank)
