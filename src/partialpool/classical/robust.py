"""Empirical-Bayes intervals that hold whatever the shape of the groups' distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.classical import checks

SURE_MISS = 12.0
"""Normalised biases up to this matter; beyond, an interval of any use misses surely."""
MOST_HALVINGS = 200
"""Steps of a bisection, at most; 30 to 40 reach its tolerance of 1e-8."""


@dataclass(frozen=True, slots=True, eq=False)
class RobustEmpiricalBayes:
    """Shrunken estimates with robust intervals.

    Parameters
    ----------
    estimate, lower, upper, shrinkage : ndarray, shape (J,)
        Estimates and intervals (units of y), and weights on the mean.
    critical : ndarray, shape (J,)
        What takes the place of the normal 1.96.
    mu, tau, kurtosis : float
        Mean, standard deviation and kurtosis of the groups' distribution.
    """

    estimate: Floats
    lower: Floats
    upper: Floats
    shrinkage: Floats
    critical: Floats
    mu: float
    tau: float
    kurtosis: float


def robust_empirical_bayes(*, mean: Any, se: Any, level: float = 0.95) -> RobustEmpiricalBayes:
    """Shrink estimates, with intervals that cover on average over groups for any distribution.

        estimate_j = mu + w_j (y_j - mu),   w_j = tau^2 / (tau^2 + v_j)
        interval   estimate_j +- cva(v_j / tau^2, kurtosis) w_j se_j

    cva is the smallest critical value at which no distribution of the shrinkage bias with these
    second and fourth moments misses more often than 1 - level. Coverage is on average over the
    groups, for many groups; it does not allow for the estimation of mu and tau.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).
    level : float
        Average coverage.

    Raises
    ------
    ArgumentError
        With fewer than two groups, or values out of range.

    Notes
    -----
    Source: Armstrong, Kolesar and Plagborg-Moller (2022), doi:10.3982/ECTA18597; tau and the
    kurtosis by its moment estimators with equal weights and its finite-sample floors.
    """
    y, s = checks.groups(mean=mean, se=se)
    checks.at_least(2, len(y), "an empirical-Bayes interval", "a spread needs two estimates")
    checks.positive(se=s)
    checks.fraction(level)
    v = s**2
    mu = float(y.mean())
    tau2, kurtosis = _moments(y - mu, v)
    w = tau2 / (tau2 + v)
    critical = critical_values(v / tau2, kurtosis, 1.0 - level)
    estimate = mu + w * (y - mu)
    half = critical * w * s
    return RobustEmpiricalBayes(
        estimate, estimate - half, estimate + half, 1.0 - w, critical, mu, math.sqrt(tau2), kurtosis
    )


def _moments(gap: Floats, v: Floats) -> tuple[float, float]:
    """tau^2 and the kurtosis, each at least its finite-sample floor."""
    size = len(gap)
    # floors of the source, which keep tau^2 and the kurtosis off zero
    floor = 2.0 * (v**2).sum() / size / v.sum()
    tau2 = max(float((gap**2 - v).mean()), float(floor))
    # E (y - mu)^4 = E theta^4 + 6 v E theta^2 + 3 v^2, solved for the first
    fourth = float((gap**4 - 6.0 * v * gap**2 + 3.0 * v**2).mean())
    least = 1.0 + 32.0 * (v**4).sum() / (tau2**2 * size * (v**2).sum())
    return tau2, max(fourth / tau2**2, float(least))


def critical_values(m2: Floats, kurtosis: float, alpha: float) -> Floats:
    """Critical values for normalised biases of second moment m2, shape (J,), and this kurtosis."""
    distinct, member = np.unique(m2, return_inverse=True)
    least = float(special.ndtri(1.0 - alpha / 2))
    low = np.full(len(distinct), least)
    high = least + np.sqrt((1.0 + distinct) / alpha)  # Chebyshev's, for any distribution
    for _ in range(MOST_HALVINGS):
        if not (high - low > 1e-8 * high).any():
            break
        middle = 0.5 * (low + high)
        pairs = zip(distinct.tolist(), middle.tolist(), strict=True)
        misses = np.array([worst_miss(m, kurtosis, c) for m, c in pairs]) > alpha
        low, high = np.where(misses, middle, low), np.where(misses, high, middle)
    return np.asarray(high[member])


def _miss(t: Floats, chi: float) -> Floats:
    """Probability of missing when the squared normalised bias is t."""
    b = np.sqrt(t)
    return np.asarray(special.ndtr(-chi - b) + special.ndtr(-chi + b))


def _miss_slope(t: Floats, chi: float) -> Floats:
    # the slope in t = b^2 has a limit at zero, which the quotient has not
    b = np.sqrt(np.maximum(t, 1e-8))
    gap = np.exp(-0.5 * (chi - b) ** 2) - np.exp(-0.5 * (chi + b) ** 2)
    return np.asarray(gap / math.sqrt(2 * math.pi) / (2 * b))


def worst_miss(m2: float, kurtosis: float, chi: float) -> float:
    """Largest probability of missing over biases with E b^2 = m2 and E b^4 <= kurtosis m2^2.

    By duality: the lowest mean of a quadratic in b^2 that lies nowhere below the probability
    of missing and touches it at some point; searched on a grid, then refined.
    """
    # squared biases at which a miss is sure
    top = (chi + SURE_MISS) ** 2
    # even in b, where the probability of a miss is smooth
    t = np.concatenate([np.linspace(0.0, math.sqrt(top), 400) ** 2, [m2, chi**2]])
    at = np.unique(np.concatenate([np.linspace(0.0, math.sqrt(top), 200) ** 2, [m2]]))
    best = _any_kurtosis(t, m2, chi)
    for _ in range(4):
        value = _bounds(at, t, m2, kurtosis, chi)
        i = int(value.argmin())
        best = min(best, float(value[i]))
        at = np.linspace(at[max(i - 1, 0)], at[min(i + 1, len(at) - 1)], 21)
    return min(best, 1.0)


def _any_kurtosis(t: Floats, m2: float, chi: float) -> float:
    """The same without a limit to the kurtosis: the worst is two points, one of them at 0."""
    far = np.linspace(max(m2, 1e-12), t.max() + 2 * m2, 4000)
    at_zero = float(_miss(np.zeros(1), chi)[0])
    return float((at_zero + m2 / far * (_miss(far, chi) - at_zero)).max())


def _bounds(at: Floats, t: Floats, m2: float, kurtosis: float, chi: float) -> Floats:
    """Mean of the touching quadratic, for each touching point; shape as `at`."""
    base, slope = _miss(at, chi), _miss_slope(at, chi)
    gap = t - at[:, None]  # (A, T)
    rise = _miss(t, chi) - base[:, None] - slope[:, None] * gap
    with np.errstate(divide="ignore", invalid="ignore"):
        # near the touching point the quotient is 0 / 0, and curvature elsewhere decides
        bend = np.where(np.abs(gap) > 1e-3 * (1.0 + at[:, None]), rise / gap**2, -np.inf)
    curve = np.maximum(bend.max(axis=1), 0.0)
    # largest E (t - at)^2 with E t = m2 and E t^2 = kurtosis m2^2
    spread = (at - m2) ** 2 + max(kurtosis - 1.0, 0.0) * m2**2
    return np.asarray(base + slope * (m2 - at) + curve * spread)
