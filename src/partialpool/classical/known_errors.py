"""tau from estimates with known standard errors: the estimators of meta-analysis.

    y_j ~ N(theta_j, v_j),  theta_j ~ N(mu, tau^2),  v_j = se_j^2,  W_j = 1 / (v_j + tau^2)

Each returns tau and the mean it implies. All but `sidik_jonkman` and `boundary_avoiding` can
return exactly 0 although the groups differ, and none carries the uncertainty of tau; for the full
posterior see `partialpool.fit_groups`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.classical import checks
from partialpool.classical.roots import highest, root_of_falling


@dataclass(frozen=True, slots=True)
class BetweenSpread:
    """An estimate of tau.

    Parameters
    ----------
    tau : float
        Between-group sd (units of y).
    tau2_se : float
        Standard error of tau^2 (units of y squared), from the estimator's asymptotic variance;
        nan where none is published.
    mu, mu_se : float
        Mean weighted by ``1 / (se^2 + tau^2)`` and its standard error given tau.
    log_likelihood : float
        At the estimate, restricted for `reml`; nan for estimators that use none.
    """

    tau: float
    tau2_se: float
    mu: float
    mu_se: float
    log_likelihood: float = math.nan


def _arrays(mean: Any, se: Any, what: str) -> tuple[Floats, Floats]:
    y, s = checks.groups(mean=mean, se=se)
    checks.at_least(2, len(y), what, "a spread needs two estimates")
    checks.positive(se=s)
    return y, s**2


def _finish(
    y: Floats, v: Floats, tau2: float, tau2_se: float, log_likelihood: float = math.nan
) -> BetweenSpread:
    w = 1.0 / (v + tau2)
    mu = float(w @ y / w.sum())
    return BetweenSpread(math.sqrt(tau2), tau2_se, mu, float(w.sum() ** -0.5), log_likelihood)


def _variance_of_q(v: Floats, tau2: float, a: Floats) -> float:
    """Variance of ``sum a_j (y_j - m)^2`` with m the mean weighted by a."""
    s = v + tau2
    total = a.sum()
    return float(2 * (a**2 @ s**2) - 4 * (a**3 @ s**2) / total + 2 * ((a**2 @ s) / total) ** 2)


def dersimonian_laird(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau by the moment of Cochran's Q, truncated at 0.

        tau^2 = max(0, (Q - (J - 1)) / (sum w - sum w^2 / sum w)),   w = 1 / v

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: DerSimonian and Laird (1986), doi:10.1016/0197-2456(86)90046-2.

    Examples
    --------
    >>> dersimonian_laird(mean=[28, 8, -3, 7], se=[15, 10, 16, 11]).tau
    0.0
    """
    y, v = _arrays(mean, se, "the DerSimonian-Laird estimator")
    w = 1.0 / v
    q = w @ (y - w @ y / w.sum()) ** 2
    scale = w.sum() - (w**2).sum() / w.sum()
    tau2 = max(0.0, float((q - (len(y) - 1)) / scale))
    return _finish(y, v, tau2, math.sqrt(_variance_of_q(v, tau2, w)) / scale)


def hedges(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau by the variance of the estimates less their mean sampling variance.

        tau^2 = max(0, var(y) - average(v))

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: Hedges and Olkin (1985), Statistical Methods for Meta-Analysis, chapter 9.
    """
    y, v = _arrays(mean, se, "the Hedges estimator")
    tau2 = max(0.0, float(np.var(y, ddof=1) - v.mean()))
    error = math.sqrt(_variance_of_q(v, tau2, np.ones(len(y)))) / (len(y) - 1)
    return _finish(y, v, tau2, error)


def hunter_schmidt(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau by ``max(0, (Q - J) / sum w)``.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: Hunter and Schmidt (2004), Methods of Meta-Analysis; in this form Viechtbauer (2005),
    doi:10.3102/10769986030003261.
    """
    y, v = _arrays(mean, se, "the Hunter-Schmidt estimator")
    w = 1.0 / v
    q = w @ (y - w @ y / w.sum()) ** 2
    tau2 = max(0.0, float((q - len(y)) / w.sum()))
    return _finish(y, v, tau2, math.sqrt(_variance_of_q(v, tau2, w)) / w.sum())


def generalised_q(y: Floats, v: Floats, tau2: float) -> float:
    """``sum W (y - mu)^2`` at tau^2; falls in tau^2."""
    w = 1.0 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def paule_mandel(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau so that ``sum W (y - mu)^2`` equals J - 1; the empirical-Bayes estimator.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: Paule and Mandel (1982), doi:10.6028/jres.087.022; Morris (1983),
    doi:10.1080/01621459.1983.10477920.
    """
    y, v = _arrays(mean, se, "the Paule-Mandel estimator")
    size = len(y)
    tau2 = root_of_falling(lambda t: generalised_q(y, v, t) - (size - 1), float(v.mean()))
    w = 1.0 / (v + tau2)
    error = math.sqrt(2.0 * size**2 / (size - 1)) / w.sum()
    return _finish(y, v, tau2, error)


def sidik_jonkman(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau in two steps from the crude variance of the estimates; never 0.

        t0 = sum (y - ybar)^2 / J,   tau^2 = sum q (y - m)^2 / (J - 1),   q = t0 / (v + t0)

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: Sidik and Jonkman (2005), doi:10.1111/j.1467-9876.2005.00489.x.
    """
    y, v = _arrays(mean, se, "the Sidik-Jonkman estimator")
    crude = float(np.var(y))
    if crude == 0.0:
        return _finish(y, v, 0.0, math.nan)
    q = crude / (v + crude)
    tau2 = float(q @ (y - q @ y / q.sum()) ** 2 / (len(y) - 1))
    return _finish(y, v, tau2, math.sqrt(_variance_of_q(v, tau2, q)) / (len(y) - 1))


def _pieces(y: Floats, v: Floats, tau2: Floats) -> tuple[Floats, Floats, Floats]:
    """W (T, J), sum W and sum-of-squares residuals (T, J), at several tau^2."""
    w = 1.0 / (v + tau2[:, None])
    mu = (w @ y) / w.sum(axis=1)
    return w, w.sum(axis=1), (y - mu[:, None]) ** 2


def _log_likelihood(y: Floats, v: Floats, restricted: bool) -> Callable[[Floats], Floats]:
    size = len(y) - (1 if restricted else 0)

    def value(tau2: Floats) -> Floats:
        w, total, squares = _pieces(y, v, tau2)
        out = -0.5 * size * math.log(2 * math.pi) + 0.5 * np.log(w).sum(axis=1)
        out -= 0.5 * (w * squares).sum(axis=1)
        # the restricted likelihood of metafor and Harville: |X'X| = J added, as a constant
        if restricted:
            out -= 0.5 * (np.log(total) - math.log(len(y)))
        return np.asarray(out)

    return value


def _score(y: Floats, v: Floats, restricted: bool) -> Callable[[Floats], Floats]:
    def slope(tau2: Floats) -> Floats:
        w, total, squares = _pieces(y, v, tau2)
        out = 0.5 * (w**2 * squares).sum(axis=1) - 0.5 * total
        if restricted:
            out += 0.5 * (w**2).sum(axis=1) / total
        return np.asarray(out)

    return slope


def restricted_log_likelihood(
    y: Floats, v: Floats
) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Return the restricted log likelihood of tau^2 and its slope, for variances v."""
    return _log_likelihood(y, v, True), _score(y, v, True)


def _fisher(v: Floats, tau2: float, restricted: bool) -> float:
    """Standard error of tau^2 from the expected information."""
    w = 1.0 / (v + tau2)
    information = (w**2).sum()
    if restricted:
        total = w.sum()
        information += -2 * (w**3).sum() / total + ((w**2).sum() / total) ** 2
    return math.sqrt(2.0 / information)


def ml(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau by maximum likelihood, mu profiled out.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: Hardy and Thompson (1996),
    doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A.
    """
    return _likelihood_estimate(mean, se, restricted=False)


def reml(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau by restricted maximum likelihood.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: Harville (1977), doi:10.1080/01621459.1977.10480998.
    """
    return _likelihood_estimate(mean, se, restricted=True)


def _likelihood_estimate(mean: Any, se: Any, *, restricted: bool) -> BetweenSpread:
    y, v = _arrays(mean, se, "a likelihood estimate")
    value, slope = _log_likelihood(y, v, restricted), _score(y, v, restricted)
    tau2 = highest(value, slope, float(v.mean() + np.var(y)))
    at = float(value(np.array([tau2]))[0])
    return _finish(y, v, tau2, _fisher(v, tau2, restricted), at)


def boundary_avoiding(*, mean: Any, se: Any) -> BetweenSpread:
    """Estimate tau by the mode of the restricted likelihood times tau: never 0.

    The factor is the limit of a gamma(2, rate) prior as its rate goes to 0.

    Parameters
    ----------
    mean, se : array_like, shape (J,)
        Estimates and their standard errors (units of y).

    Notes
    -----
    Source: Chung, Rabe-Hesketh, Dorie, Gelman and Liu (2013), doi:10.1007/s11336-013-9328-2.
    """
    y, v = _arrays(mean, se, "the boundary-avoiding estimator")
    value, slope = _log_likelihood(y, v, True), _score(y, v, True)

    def penalised(tau2: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return value(tau2) + 0.5 * np.log(tau2)

    def penalised_slope(tau2: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            return slope(tau2) + 0.5 / tau2

    tau2 = highest(penalised, penalised_slope, float(v.mean() + np.var(y)))
    return _finish(y, v, tau2, _fisher(v, tau2, True), float(value(np.array([tau2]))[0]))
