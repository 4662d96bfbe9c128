"""What a model of counts does not account for, as its rows show: too much variance, too many zeros.

Rows are held against their fitted means, coefficients at their medians and groups' effects at
their means; without predictors, against what the number of events of their group lets expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.kernels.compared import Compared
from partialpool.kernels.noise import dispersion_of_rows
from partialpool.kernels.row_moments import RowMoments, row_moments
from partialpool.posterior.engine import FullEngine
from partialpool.posterior.generalized import GeneralizedPosterior
from partialpool.records.counts import CountStatistics

FEWEST_ROWS = 20
"""Fewer rows than this beyond what was fitted tell nothing."""
NOTABLE_RATIO, NOTABLE_SDS = 1.1, 2.33
"""A notice needs this ratio to what is expected, and this many sds beyond it: 2.33 is the upper 1%
point of a normal. `tests/calibration/notices.py` counts how often either appears."""
HEAVY_KURTOSIS = 50.0
"""Rows whose squared residual has a variance above this have next to no expected event: one event
there makes the square hundreds or millions."""


@dataclass(frozen=True, slots=True)
class Excess:
    """A sum over rows, what the model expects of it, and its sd where the model holds."""

    observed: float
    expected: float
    sd: float

    @property
    def ratio(self) -> float:
        """Observed over expected, which counts as half an event at least."""
        return self.observed / max(self.expected, 0.5)

    @property
    def sds(self) -> float:
        """How far beyond what is expected, in sds."""
        return (self.observed - self.expected) / self.sd

    @property
    def is_clear(self) -> bool:
        """Whether there is something to say."""
        return self.ratio > NOTABLE_RATIO and self.sds > NOTABLE_SDS


@dataclass(frozen=True, slots=True, eq=False)
class FittedExcess(Excess):
    """The same of rows whose means are fitted, which makes the sd smaller.

    Parameters
    ----------
    free : float
        The part of the variance that is independent of the fit.
    along : ndarray, shape (N,)
        The other part is that of ``along' r``, r the events beyond their means: of each row the
        covariance with its events, over their variance.
    """

    free: float
    along: Floats


# rows with fitted means of their own -----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows that tell: which they are, how often each is there, and their events and sizes.

    With mean, probability or rate, and the shape of the distribution of the events of each.
    """

    which: Ints
    times: Floats
    y: Floats
    size: Floats
    mean: Floats
    shape: RowMoments
    eta: Floats
    rows: int

    @property
    def variance(self) -> Floats:
        return self.shape.variance

    @property
    def number(self) -> float:
        return float(self.times.sum())

    def part(self, which: Bools) -> _Rows:
        """These rows."""
        columns = {n: getattr(self, n)[which] for n in ("which", "times", "y", "size", "mean")}
        return replace(self, **columns, shape=self.shape.part(which), eta=self.eta[which])

    def excess(self, observed: float, expected: float, total: float, slope: Floats) -> FittedExcess:
        """A sum over the rows whose variance is `total` where means are not fitted.

        `slope` is the covariance of each row's part of the sum with its events, over their
        variance. Fitted means are fitted to the events: what the linear predictor and a constant
        explain of the slopes, by weighted least squares, is no longer free to vary; what all
        coefficients and groups explain is left to `score_checks.fitted_sd`.
        """
        # working weights: least squares in the metric in which the means were fitted
        root = np.sqrt(self.variance * self.times)
        basis = np.stack([root, root * self.eta], axis=1)
        fitted = basis @ np.linalg.lstsq(basis, slope * root, rcond=None)[0]
        sd = math.sqrt(total - float(fitted @ fitted))
        along = np.zeros(self.rows)
        along[self.which] = slope
        free = max(total - float((slope**2 * self.variance * self.times).sum()), 0.0)
        return FittedExcess(observed, expected, sd, free, along)


def _rows_that_tell(post: GeneralizedPosterior) -> _Rows:
    """Rows whose events are known, as none were added up; of single trials the mean says all."""
    s, mean = post.statistics, fitted_means(post)
    # rows with a dispersion are added up only where events and sizes are the same
    count = s.rows.count
    y, size = s.rows.y / count, s.rows.size / count
    each = size * mean * (1.0 - mean) if s.proportion else size * mean
    used = (each > 0) & ((count == 1) | (s.dispersed is not None))
    used &= (size > 1) | (not s.proportion)
    which = np.flatnonzero(used)
    mean, size, y = mean[which], size[which], y[which]
    eta = np.log(mean / (1.0 - mean)) if s.proportion else np.log(mean)
    shape = row_moments(size, mean, median_dispersion(post), proportion=s.proportion)
    return _Rows(which, count[which], y, size, mean, shape, eta, len(used))


def median_dispersion(post: FullEngine) -> float | None:
    """Posterior median of the dispersion; None where rows have none."""
    return None if post.dispersion is None else float(post.dispersion.median)


def overdispersion(post: GeneralizedPosterior) -> FittedExcess | None:
    """Pearson's chi-square of the rows over its degrees of freedom; None if too few rows tell.

    The square of a row varies by 2 for normal residuals; that of few events by their fourth moment
    beyond, most of which fitting the means takes away.
    """
    rows = _rows_that_tell(post)
    share = rows.number / max(post.statistics.n_used, 1)
    df = rows.number - share * _parameters(post)
    light = 1.0 / rows.variance <= HEAVY_KURTOSIS
    df -= float(rows.times[~light].sum())
    if df < FEWEST_ROWS:
        return None
    rows = rows.part(light)
    square = float(rows.times @ ((rows.y - rows.size * rows.mean) ** 2 / rows.variance))
    # variance of (y - m)^2 / v: kurtosis less one
    total = float(rows.times @ (2.0 + rows.shape.fourth))
    return rows.excess(square, df, total, rows.shape.third)


def excess_zeros(post: GeneralizedPosterior) -> FittedExcess | None:
    """Rows without an event against how many are expected; None of single trials."""
    rows = _rows_that_tell(post)
    if rows.number < FEWEST_ROWS:
        return None
    zero = rows.shape.zero
    expected, observed = float(rows.times @ zero), float(rows.times @ (rows.y == 0))
    if expected < 1.0 and observed < 5.0:
        return None
    # a whole number is half a row off at most
    total = float(rows.times @ (zero * (1.0 - zero))) + 0.25
    # cov(1(y = 0), y) = -E y P(y = 0)
    slope = -rows.size * rows.mean * zero / rows.variance
    return rows.excess(observed, expected, total, slope)


def fitted_means(post: GeneralizedPosterior) -> Floats:
    """Probability or rate of each row, effects at their posterior means; (N,)."""
    return np.asarray(post.statistics.link.natural(fitted_predictors(post)))


def fitted_predictors(post: GeneralizedPosterior, without: int | None = None) -> Floats:
    """Linear predictor of each row, but for the effects of the term `without`; (N,)."""
    rows = post.statistics.rows
    groups = [*zip(rows.group, rows.z, strict=True)]
    return post.fitted_predictor(rows.offset, rows.x, groups, without)


def _parameters(post: GeneralizedPosterior) -> float:
    """Effective number of parameters: coefficients, and groups' effects less their shrinkage."""
    total = float(len(post.statistics.coefficients) + (post.dispersion is not None))
    for t, block in enumerate(post.statistics.blocks):
        total += float((1.0 - post.pooling(t)).sum()) if len(block.n) else 0.0
    return total


# rows of one factor, known by the sums of their groups -----------------------------------------


def rows_of_groups_vary(s: CountStatistics) -> Compared | None:
    """Pearson's chi-square of the rows about their own group's proportion or rate."""
    mean = np.divide(s.y, s.size, out=np.zeros(s.n_groups), where=s.size > 0)
    spread = mean * (1.0 - mean) if s.proportion else mean
    square = s.square - s.y * mean
    chi2 = np.divide(square, spread, out=np.zeros(s.n_groups), where=spread > 0)
    n = s.n.astype(np.float64)
    if s.proportion:
        return dispersion_of_rows(chi2, n, s.y, trials=s.size)
    return dispersion_of_rows(chi2, n, s.y, shares=s.size * s.reciprocal)


def zeros_of_groups(s: CountStatistics) -> Excess | None:
    """Rows without an event against how many are expected given the events of their groups.

    An event of a group falls on each of its n rows alike: a row has none of T with probability
    (1 - 1 / n)^T, two rows have none with (1 - 2 / n)^T. Known of rows that are one unit each.
    """
    used = (s.y > 0) & (s.n > 1)
    if s.proportion or not (s.size == s.n).all() or not np.isfinite(s.zeros).all():
        return None
    n, events = s.n[used].astype(np.float64), s.y[used]
    zero = n * (1.0 - 1.0 / n) ** events
    pairs = n * (n - 1.0) * (1.0 - 2.0 / n) ** events
    expected, observed = float(zero.sum()), float(s.zeros[used].sum())
    if expected < 1.0 and observed < 5.0:
        return None
    # E Z (Z - 1) = pairs, so that var Z = pairs + E Z - (E Z)^2
    variance = float((zero + pairs - zero**2).sum())
    return Excess(observed, expected, math.sqrt(variance + 0.25))
