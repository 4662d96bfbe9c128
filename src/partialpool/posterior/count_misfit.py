"""What a model of counts does not account for, as its rows show: too much variance, too many zeros.

Rows are held against their fitted means, coefficients at their medians and groups' effects at
their means; without predictors, against what the number of events of their group lets expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.data.counts import CountStatistics
from partialpool.posterior.generalized import GeneralizedPosterior

FEWEST_ROWS = 20
"""Fewer rows than this beyond what was fitted tell nothing."""
FEWEST_IN_GROUPS = 10
"""The same for rows of one factor, of which the expected sums are exact."""
RATIO, SDS = 1.1, 2.33
"""A notice needs this ratio to what is expected, and this many sds beyond it: 2.33 is the upper 1%
point of a normal. `tests/calibration/notices.py` counts how often either appears."""
ROUGH_SDS = 3.0
"""Sds of trials, where the variance is that of large counts only."""
HEAVY = 50.0
"""Rows whose squared residual has a variance above this have next to no expected event: one event
there makes the square hundreds or millions."""


@dataclass(frozen=True, slots=True)
class Excess:
    """How far a sum over rows is beyond what the model expects: their ratio, and in sds."""

    ratio: float
    sds: float

    @property
    def is_clear(self) -> bool:
        """Whether there is something to say."""
        return self.ratio > RATIO and self.sds > SDS


# rows with fitted means of their own -----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows, none added up, that tell: events, size, the mean and the variance of the events."""

    y: Floats
    size: Floats
    mean: Floats
    variance: Floats
    eta: Floats
    proportion: bool

    def part(self, which: Bools) -> _Rows:
        """These rows."""
        y, size, mean = self.y[which], self.size[which], self.mean[which]
        return _Rows(y, size, mean, self.variance[which], self.eta[which], self.proportion)

    def explained(self, slope: Floats) -> float:
        """Variance of a sum over rows that fitting the means takes away.

        `slope` is the covariance of each row's part of the sum with its events, over their
        variance. Fitted means are fitted to the events: what the linear predictor and a constant
        explain of the slopes, by weighted least squares, is no longer free to vary.
        """
        root = np.sqrt(self.variance)
        basis = np.stack([root, root * self.eta], axis=1)
        fitted = basis @ np.linalg.lstsq(basis, slope * root, rcond=None)[0]
        return float(fitted @ fitted)


def _rows_that_tell(post: GeneralizedPosterior) -> _Rows:
    """Rows that were not added up; of single trials the mean says all."""
    s, mean = post.statistics, fitted_means(post)
    size = s.rows.size
    each = size * mean * (1.0 - mean) if s.proportion else size * mean
    used = (each > 0) & (s.rows.count == 1) & ((size > 1) | (not s.proportion))
    mean, size, y = mean[used], size[used], s.rows.y[used]
    eta = np.log(mean / (1.0 - mean)) if s.proportion else np.log(mean)
    return _Rows(y, size, mean, each[used], eta, s.proportion)


def overdispersion(post: GeneralizedPosterior) -> Excess | None:
    """Pearson's chi-square of the rows over its degrees of freedom; None if too few rows tell.

    The square of a row varies by 2 for normal residuals; that of few events by their fourth moment
    beyond, most of which fitting the means takes away.
    """
    rows = _rows_that_tell(post)
    share = len(rows.y) / max(len(post.statistics.rows.y), 1)
    df = len(rows.y) - share * _parameters(post)
    light = 1.0 / rows.variance <= HEAVY
    df -= float((~light).sum())
    if df < FEWEST_ROWS:
        return None
    rows = rows.part(light)
    square = float(((rows.y - rows.size * rows.mean) ** 2 / rows.variance).sum())
    fourth, skewness = 1.0 / rows.variance, 1.0 / rows.variance
    if rows.proportion:
        fourth = fourth - 6.0 / rows.size
        skewness = (1.0 - 2.0 * rows.mean) / rows.variance
    variance = float((2.0 + fourth).sum()) - rows.explained(skewness)
    return Excess(square / df, (square - df) / math.sqrt(variance))


def excess_zeros(post: GeneralizedPosterior) -> Excess | None:
    """Rows without an event against how many are expected; None of single trials."""
    rows = _rows_that_tell(post)
    if len(rows.y) < FEWEST_ROWS:
        return None
    zero = np.exp(rows.size * np.log1p(-rows.mean) if rows.proportion else -rows.size * rows.mean)
    expected, observed = float(zero.sum()), float((rows.y == 0).sum())
    if expected < 1.0 and observed < 5.0:
        return None
    free = float((zero * (1.0 - zero)).sum())
    variance = free - rows.explained(-rows.size * rows.mean * zero / rows.variance)
    return Excess(observed / max(expected, 0.5), (observed - expected) / math.sqrt(variance + 0.25))


def fitted_means(post: GeneralizedPosterior) -> Floats:
    """Probability or rate of each row, effects at their posterior means; (N,)."""
    return np.asarray(post.statistics.link.natural(fitted_predictors(post)))


def fitted_predictors(post: GeneralizedPosterior, without: int | None = None) -> Floats:
    """Linear predictor of each row, but for the effects of the term `without`; (N,)."""
    rows = post.statistics.rows
    eta = rows.offset + rows.x @ post.coefficient_medians
    for t, mean in enumerate(post.effect_means):
        if t != without:
            z = rows.z[t]
            eta = eta + (z * mean.reshape(-1, z.shape[1])[rows.group[t]]).sum(axis=1)
    return np.asarray(eta)


def _parameters(post: GeneralizedPosterior) -> float:
    """Effective number of parameters: coefficients, and groups' effects less their shrinkage."""
    total = float(len(post.statistics.coefficients))
    for t, block in enumerate(post.statistics.blocks):
        total += float((1.0 - post.pooling(t)).sum()) if len(block.n) else 0.0
    return total


# rows of one factor, known by the sums of their groups -----------------------------------------


def rows_of_groups_vary(s: CountStatistics) -> Excess | None:
    """Pearson's chi-square of the rows about their own group's mean; None if too few rows tell.

    Given its events, T, a group's n counts are multinomial of shares p, and the chi-square has the
    mean n - 1 and the variance ``2 (n - 1) + (sum 1 / p - n^2 - 2 n + 2) / T``. Source: Haldane
    (1937), doi:10.1093/biomet/29.1-2.133. Of trials that of large counts is taken instead; of
    single ones it says nothing: whatever they are, it is their number.
    """
    mean = np.divide(s.y, s.size, out=np.zeros(s.n_groups), where=s.size > 0)
    each = mean * (1.0 - mean) if s.proportion else mean
    units = s.size == s.n
    used = (each > 0) & (s.n > 1) & ~(units & s.proportion)
    df = s.n[used] - 1.0
    if df.sum() < FEWEST_IN_GROUPS:
        return None
    square = float(((s.square - s.y * mean)[used] / each[used]).sum())
    variance = 2.0 * df
    if not s.proportion:
        n, shares = s.n[used], (s.size * s.reciprocal)[used]
        variance = variance + (shares - n**2 - 2.0 * n + 2.0) / s.y[used]
    total = float(variance.sum())
    if not total > 0.0:  # or not known
        return None
    sds = (square - float(df.sum())) / math.sqrt(total)
    return Excess(square / float(df.sum()), sds * (SDS / ROUGH_SDS if s.proportion else 1.0))


def zeros_of_groups(s: CountStatistics) -> Excess | None:
    """Rows without an event against how many are expected given the events of their groups.

    An event of a group falls on each of its n rows alike: a row has none of T with probability
    (1 - 1 / n)^T, two rows have none with (1 - 2 / n)^T. Known of rows that are one unit each.
    """
    used = (s.y > 0) & (s.n > 1)
    if s.proportion or not (s.size == s.n).all() or not np.isfinite(s.zeros).all():
        return None
    n, events = s.n[used].astype(np.float64), s.y[used]
    if n.sum() - len(n) < FEWEST_IN_GROUPS:
        return None
    zero = n * (1.0 - 1.0 / n) ** events
    pairs = n * (n - 1.0) * (1.0 - 2.0 / n) ** events
    expected, observed = float(zero.sum()), float(s.zeros[used].sum())
    if expected < 1.0 and observed < 5.0:
        return None
    variance = float((zero + pairs - zero**2).sum())
    return Excess(observed / max(expected, 0.5), (observed - expected) / math.sqrt(variance + 0.25))
