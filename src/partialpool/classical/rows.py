"""tau and sigma from rows of unequal groups: mean squares, ML and REML."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.classical.roots import highest
from partialpool.errors import ArgumentError
from partialpool.kernels.oneway import SizeClasses, between_slope, profile, size_classes


@dataclass(frozen=True, slots=True)
class Components:
    """Estimates of the two standard deviations and the mean.

    Parameters
    ----------
    tau, sigma : float
        Between- and within-group sd (units of y).
    mu, mu_se : float
        Mean weighted by ``1 / (sigma^2/n + tau^2)`` and its standard error given the two.
    log_likelihood : float
        As lme4 prints it (restricted for REML); nan for mean squares.
    """

    tau: float
    sigma: float
    mu: float
    mu_se: float
    log_likelihood: float = math.nan


def anova(*, mean: Any, n: Any, ss: Any) -> Components:
    """Estimate tau and sigma by equating mean squares to their expectations.

        sigma^2 = MSW,   tau^2 = max(0, (MSB - MSW) / n0),   n0 = (N - sum n^2 / N) / (J - 1)

    Parameters
    ----------
    mean, n, ss : array_like, shape (J,)
        Group means (units of y), rows, and within-group sums of squares.

    Notes
    -----
    Source: Henderson (1953), doi:10.2307/3001853, method 1.
    """
    y, n_, inside = summaries(mean, n, ss)
    total, size = n_.sum(), len(y)
    sigma2 = inside.sum() / (total - size)
    grand = y @ n_ / total
    # MSB, whose expectation is sigma^2 + n0 tau^2
    between = n_ @ (y - grand) ** 2 / (size - 1)
    n0 = (total - (n_**2).sum() / total) / (size - 1)
    return _finish(y, n_, max(0.0, float((between - sigma2) / n0)), float(sigma2))


def maximum_likelihood(*, mean: Any, n: Any, ss: Any, restricted: bool = True) -> Components:
    """Estimate tau and sigma by (restricted) maximum likelihood, as lme4 does.

    The profile over ``lambda = tau^2 / sigma^2`` is maximised on [0, inf) from a grid that
    spans it, then polished: never a local optimum reported as converged.

    Parameters
    ----------
    mean, n, ss : array_like, shape (J,)
        Group means (units of y), rows, and within-group sums of squares.
    restricted : bool
        REML (the default) or ML.

    Notes
    -----
    Source: Patterson and Thompson (1971), doi:10.1093/biomet/58.3.545; Bates et al. (2015),
    doi:10.18637/jss.v067.i01, for the criterion.
    """
    y, n_, inside = summaries(mean, n, ss)
    problem = Profile.of(y, n_, inside, restricted=restricted)
    lam = highest(problem.value, problem.slope, float(1.0 / n_.mean()))
    p = profile(problem.classes, np.array([lam]))
    sigma2 = (problem.ssw + float(p.between[0])) / problem.df
    value = float(problem.value(np.array([lam]))[0])
    return _finish(y, n_, lam * sigma2, sigma2, value)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """The log likelihood of lambda with mu and sigma profiled out, and its slope."""

    classes: SizeClasses
    ssw: float
    df: float
    restricted: bool

    @classmethod
    def of(cls, y: Floats, n: Floats, ss: Floats, *, restricted: bool) -> Profile:
        """Build from group means, rows and within-group sums of squares."""
        # about the weighted mean: means far from zero keep their digits
        classes = size_classes(n, y - float(y @ n / n.sum()))
        return cls(classes, float(ss.sum()), float(n.sum()) - restricted, restricted)

    def value(self, lam: Floats) -> Floats:
        p = profile(self.classes, lam)
        q = self.ssw + p.between
        out = -0.5 * (self.df * (1 + LOG_2PI + np.log(q / self.df)) + p.log_det)
        return np.asarray(out - 0.5 * np.log(p.precision) if self.restricted else out)

    def slope(self, lam: Floats) -> Floats:
        p = profile(self.classes, lam)
        c = self.classes
        w = c.weight / (1.0 + lam[:, None] * c.weight)
        # mu and sigma are at their best, so that their own derivatives add nothing
        out = -0.5 * self.df * between_slope(c, lam, p.mu) / (self.ssw + p.between)
        out -= 0.5 * p.precision
        return np.asarray(out + 0.5 * (w**2 @ c.count) / p.precision if self.restricted else out)


def summaries(mean: Any, n: Any, ss: Any) -> tuple[Floats, Floats, Floats]:
    """Means, rows and sums of squares as arrays; refused where sigma cannot be estimated."""
    y, n_, inside = checks.groups(mean=mean, n=n, ss=ss)
    checks.at_least(2, len(y), "a between-group spread", "a spread needs two groups")
    checks.positive(n=n_)
    if n_.sum() <= len(y):
        raise ArgumentError("every group has one row: sigma cannot be estimated; give se instead")
    if inside.sum() <= 0:
        raise ArgumentError("within every group all values are equal: sigma would be 0")
    return y, n_, inside


def _finish(
    y: Floats, n: Floats, tau2: float, sigma2: float, value: float = math.nan
) -> Components:
    w = 1.0 / (sigma2 / n + tau2)
    mu = float(w @ y / w.sum())
    return Components(math.sqrt(tau2), math.sqrt(sigma2), mu, float(w.sum() ** -0.5), value)
