"""Do the groups come from one normal population? Each is held against all the others.

Three statistics, whatever the model: the largest |z|, z_j = Phi^-1(PIT_j) of group j's own value
under its leave-one-group-out predictive; and of all groups together the excess of the fourth and
the size of the third moment, each weighted by how much a group tells of the population.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from scipy import special

from partialpool._typing import Bools, Floats
from partialpool.kernels.compared import Compared, with_draws, with_largest, with_normal
from partialpool.kernels.predictive import LeftOut

LEAST_SHARE = 1e-8
"""A node at which a group's own value has less weight than this says nothing of it: the variance
that its rows take up is then lost in the rounding of the total."""
DRAWS, SEED = 199, 20260
"""Parametric draws for the null of both moments: p-values down to 1 / 200, with a fixed seed."""
MOST_DRAWN = 2000
"""With more groups both moments are normal to 1% of their tails, and nothing is drawn."""
FEWEST_GROUPS = 8
"""With fewer groups third and fourth moments say nothing: their power at 8 is 0.1."""
SCORING_STEPS = 12
"""Steps of Fisher scoring; more change no p-value of the worlds of tests/calibration."""
TAU2_FLOOR = 0.1
"""tau^2 in the weights is at least this share of the mean sampling variance, so that at tau = 0
groups are weighted by their precision."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The fourth and the absolute third moment of the groups under a normal population."""

    tails: Compared
    skewness: Compared

    @property
    def heavy_tails(self) -> float:
        """P-value of the fourth moment."""
        return self.tails.p

    @property
    def skewed(self) -> float:
        """P-value of the third moment."""
        return self.skewness.p


def left_out_z(y: Floats, weight: Floats, left: LeftOut) -> Floats:
    """Phi^-1(PIT) of each group's mean given the other groups; exact, (B,).

    The nodes of the posterior of all groups are reweighted by ``1 / p(group | others, node)``.

    Parameters
    ----------
    y : ndarray, shape (B,)
        Means of the groups.
    weight : ndarray, shape (C,)
        Of the nodes.
    left : LeftOut
    """
    t = (y - left.center) / left.scale
    # importance weights that take group j's own likelihood out of the posterior
    return _averaged(t, weight, -left.log_density, left.df)


def told_by_data(variance: Floats, between: Floats) -> Floats:
    """1 - V / S: the part of an effect's variance S that the data leave not open; (C, B).

    An effect without variance is its population value: the data say nothing of it by itself.
    """
    part = np.divide(variance, between, out=np.ones_like(variance), where=between > 0)
    # V is a difference, whose rounding may be below 0 or, where S is tiny, many times S
    return 1.0 - np.minimum(np.abs(part), 1.0)


def effect_z(
    mean: Floats, variance: Floats, between: Floats, scale: Floats, weight: Floats, df: float
) -> Floats:
    """The same of effects of groups whose conditional moments are known at the nodes; (B,).

    With I the information of the data about an effect b ~ N(0, S), its conditional variance is
    V = 1 / (1/S + 1/e's) and its mean m = (1 - V/S) e, where e is what the data say by
    themselves. So ``e ~ N(0, S^2 / (S - V))`` and ``z = m / sqrt(S - V)``: the standardised effect
    of Lange and Ryan (1989), doi:10.1214/aos/1176347130. Nodes are reweighted by ``1 / p(e)``.

    Parameters
    ----------
    mean, variance : ndarray, shape (C, B)
        Of the effects at the nodes; the variance over `scale` squared.
    between : ndarray, shape (C, 1)
        S over `scale` squared.
    scale, weight : ndarray, shape (C,)
    df : float
        Degrees of freedom of sigma where it is integrated out, otherwise infinite.
    """
    share = told_by_data(variance, between)
    used = share > LEAST_SHARE
    safe = np.where(used, share, 1.0)
    spread = np.where(between > 0, between, 1.0)
    # S - V = S (1 - V / S)
    z = mean / (scale[:, None] * np.sqrt(spread * safe))
    # sd of e: S / sqrt(S - V) = sqrt(S / (1 - V / S))
    log_e = np.log(scale)[:, None] + 0.5 * np.log(spread / safe)
    if np.isinf(df):
        t, log_density = z, -0.5 * z * z - log_e
        left = np.full(mean.shape[1], np.inf)
    else:  # sigma is learned from what is left: the externally studentised effect
        # the share of the sum of squares that is left without this effect
        inside = np.maximum(1.0 - z * z / df, 1e-12)
        # Student's t with one degree of freedom less
        t = z * np.sqrt((df - 1.0) / df / inside)
        log_density = 0.5 * (df - 2.0) * np.log(inside) - log_e
        left = np.full(mean.shape[1], df - 1.0)
    return _averaged(t, weight, np.where(used, -log_density, -np.inf), left)


def _averaged(t: Floats, weight: Floats, log_inverse: Floats, df: Floats) -> Floats:
    """Phi^-1 of the averages of the lower and upper tails at the nodes; nan where none says."""
    top = log_inverse.max(axis=0)
    known = np.isfinite(top)
    share = weight[:, None] * np.exp(log_inverse - np.where(known, top, 0.0))
    share /= np.where(known, share.sum(axis=0), 1.0)
    normal = np.isinf(df)
    cut = np.where(normal, 1.0, df)
    below = np.where(normal, special.ndtr(t), special.stdtr(cut, t))
    above = np.where(normal, special.ndtr(-t), special.stdtr(cut, -t))
    # both tails are averaged: 1 less the other has no digits where one is tiny
    z = from_tails((share * below).sum(axis=0), (share * above).sum(axis=0))
    return np.where(known, z, np.nan)


def from_tails(below: Floats, above: Floats) -> Floats:
    """Z of the smaller of two tails, which keeps its digits however small it is."""
    tiny = 1e-300
    low, high = special.ndtri(np.maximum(below, tiny)), special.ndtri(np.maximum(above, tiny))
    return np.asarray(np.where(below < above, low, -high))


def sidak(z: Floats, tests: int) -> Floats:
    """P-value of each |z| as the largest of so many."""
    p = 2.0 * special.ndtr(-np.abs(z))
    # 1 - (1 - p)^tests, for p of any size
    return np.asarray(-np.expm1(tests * np.log1p(-np.minimum(p, 1.0 - 1e-16))))


def shape(y: Floats, variance: Floats) -> Shape | None:
    """Third and fourth moments of the groups' own values against a normal population.

    Parameters
    ----------
    y, variance : ndarray, shape (J,)
        The groups' own values and their sampling variances.

    Returns
    -------
    Shape or None
        None of fewer than 8 groups.
    """
    if len(y) < FEWEST_GROUPS:
        return None
    fourth, third, tau2 = _moments(y[None], variance)
    if len(y) > MOST_DRAWN:
        size = with_largest(float(third[0]), 1)
        return Shape(with_normal(float(fourth[0]), both=False), size)
    rng = np.random.default_rng(SEED)
    drawn = rng.normal(size=(DRAWS, len(y))) * np.sqrt(variance + tau2[0])
    fourths, thirds, _ = _moments(drawn, variance)
    return Shape(with_draws(float(fourth[0]), fourths), with_draws(float(third[0]), thirds))


def _moments(y: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Standardised fourth and absolute third moments, and tau^2; y (R, J), each (R,).

    Hermite polynomials of the standardised values: estimating mu and tau does not change their
    means. Weighted by powers of A = tau^2 / (tau^2 + variance), by which a departure of the
    population from normality reaches a group's own value.
    """
    mu, tau2 = _maximum_likelihood(y, variance)
    r = (y - mu[:, None]) / np.sqrt(variance + tau2[:, None])
    floored = np.maximum(tau2, TAU2_FLOOR * variance.mean())[:, None]
    # share of a value's variance that is the population's
    a = floored / (variance + floored)
    fourth = (a**2 * (r**4 - 6.0 * r * r + 3.0)).sum(axis=1)
    # He_4 and He_3: orthogonal to He_1 and He_2, which estimating mean and variance takes up
    third = (a**1.5 * (r**3 - 3.0 * r)).sum(axis=1)
    # the k-th Hermite polynomial of a standard normal has variance k!: 24 and 6
    fourth /= np.sqrt(24.0 * (a**4).sum(axis=1))
    third /= np.sqrt(6.0 * (a**3).sum(axis=1))
    return fourth, np.abs(third), tau2


def _maximum_likelihood(y: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Mean and tau^2 of each row of y by Fisher scoring; (R,) each."""
    tau2 = np.maximum(y.var(axis=1) - variance.mean(), 0.05 * variance.mean())
    for _ in range(SCORING_STEPS):
        w = 1.0 / (variance + tau2[:, None])
        total = w.sum(axis=1)
        mu = (w * y).sum(axis=1) / total
        square = w * w
        # twice the derivative of the restricted log likelihood in tau^2; information is sum w^2,
        # over 2
        score = (square * (y - mu[:, None]) ** 2).sum(axis=1) - total + square.sum(axis=1) / total
        # for all rows, with no test of convergence
        tau2 = np.maximum(tau2 + score / square.sum(axis=1), 0.0)
    return mu, tau2


def second_component(y: Floats, variance: Floats) -> Floats:
    """P(a group is of the wider part of a contaminated normal population); (J,).

        theta_j ~ (1 - eps) N(mu, tau^2) + eps N(mu, k^2 tau^2)

    at the posterior mode under eps ~ beta(1, 4) and log k ~ N(log 5, 0.5), k > 1. It means
    something only where a normal population is rejected.
    """
    scale = float(np.sqrt(y.var() + variance.mean()))
    middle = float(np.median(y))
    # the sd of a normal from its median absolute deviation
    inner = float(np.median(np.abs(y - middle))) * 1.4826

    def parts(at: Floats) -> tuple[Floats, Floats]:
        mu, tau, eps, k = _unpacked(at, middle, scale)
        log_p = [np.log1p(-eps), np.log(eps)]
        v = [variance + tau**2, variance + (k * tau) ** 2]
        each = [a - 0.5 * (np.log(b) + (y - mu) ** 2 / b) for a, b in zip(log_p, v, strict=True)]
        return each[0], each[1]

    def loss(at: Floats) -> float:
        _, _, eps, k = _unpacked(at, middle, scale)
        # beta(1, 4), and N(log 5, 0.5): 1 / (2 0.5^2) = 2
        log_prior = 3.0 * np.log1p(-eps) - 2.0 * (np.log(k) - np.log(5.0)) ** 2
        return -float(np.logaddexp(*parts(at)).sum() + log_prior)

    start = np.array([0.0, np.log(max(inner, 0.1 * scale) / scale), -2.0, np.log(4.0)])
    best = scipy.optimize.minimize(
        loss, start, method="L-BFGS-B", bounds=[(-5, 5), (-9, 3), (-9, 3), (-3, 5)]
    )
    first, second = parts(best.x)
    return np.asarray(special.expit(second - first))


def _unpacked(at: Floats, middle: float, scale: float) -> tuple[float, float, float, float]:
    """mu, tau, eps and k of the free coordinates of `second_component`."""
    return (
        middle + scale * float(at[0]),
        scale * float(np.exp(at[1])),
        float(special.expit(at[2])),
        1.0 + float(np.exp(at[3])),
    )


@dataclass(frozen=True, slots=True)
class SizeSlope:
    """How the groups' own values change with their size: per doubling, as a z, and its p-value."""

    per_doubling: float
    z: float
    p: float


def size_slope(y: Floats, variance: Floats, size: Floats) -> SizeSlope | None:
    """Weighted regression of the groups' own values on the logarithm of their size.

    Parameters
    ----------
    y : ndarray, shape (J,)
        Own values, whose means the model takes as equal.
    variance : ndarray, shape (J,)
        Of these about the population mean: sampling and between groups.
    size : ndarray, shape (J,)

    Returns
    -------
    SizeSlope or None
        None where sizes hardly differ.
    """
    doublings = np.log2(size)
    w = 1.0 / variance
    # centred, so that the slope needs no intercept
    x = doublings - w @ doublings / w.sum()
    information = float(w @ x**2)
    if len(y) < FEWEST_GROUPS or float(doublings.std()) < 0.2 or information <= 0.0:
        return None
    slope = float(w @ (x * y)) / information
    t = slope * np.sqrt(information)
    # t and not normal: variances are estimates
    p = float(2.0 * special.stdtr(len(y) - 2.0, -abs(t)))
    return SizeSlope(slope, float(-np.sign(t) * special.ndtri(max(0.5 * p, 1e-300))), p)


def outlying(z: Floats, tests: int, level: float) -> Bools:
    """Groups whose |z| is beyond what the largest of so many reaches with probability `level`."""
    return np.asarray(sidak(np.nan_to_num(z), tests) < level)
