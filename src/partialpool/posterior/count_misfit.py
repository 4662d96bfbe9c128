"""What a model of counts does not account for, as its rows show: too much variance, too many zeros.

Rows are held against their fitted means, coefficients at their medians and groups' effects at
their means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.posterior.generalized import GeneralizedPosterior

FEWEST_ROWS = 20
"""Fewer rows than this beyond what was fitted tell nothing."""
RATIO, SDS = 1.1, 3.5
"""A notice needs this ratio to what is expected, and this many sds beyond it. With them neither
notice appeared in 200 simulated worlds in which the model was right."""


@dataclass(frozen=True, slots=True, eq=False)
class Excess:
    """A sum over rows, what the model expects of it, and its sd where the model holds.

    Parameters
    ----------
    observed, expected : float
    sd : float
        If means were known and not fitted.
    free : float
        The part of the variance that is independent of the fit.
    along : ndarray, shape (N,)
        The other part is that of ``along' r``, r the events beyond their means: of each row the
        covariance with its events, over their variance. Fitting means makes it smaller.
    """

    observed: float
    expected: float
    sd: float
    free: float
    along: Floats

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
        return self.ratio > RATIO and self.sds > SDS


def overdispersion(post: GeneralizedPosterior) -> Excess | None:
    """Pearson's chi-square of the rows over its degrees of freedom; None if too few rows tell.

    Of single trials the variance is known from their mean: they tell nothing; nor do rows that were
    added up. A chi-square's variance is 2 a row for normal residuals; those of few events have a
    fourth moment beyond.
    """
    s, mean = post.statistics, fitted_means(post)
    size = s.rows.size
    used = (size > 1 if s.proportion else mean * size > 0) & (s.rows.count == 1)
    used = np.flatnonzero(used)
    mean, size, y = mean[used], size[used], s.rows.y[used]
    spread = size * mean * (1.0 - mean) if s.proportion else size * mean
    fourth = 1.0 / np.maximum(spread, 1e-9)
    if s.proportion:
        fourth = fourth - 6.0 / size
    share = len(y) / max(len(s.rows.y), 1)
    df = len(y) - share * _parameters(post)
    if df < FEWEST_ROWS:
        return None
    square = (y - size * mean) ** 2 / np.maximum(spread, 1e-9)
    # a row with next to no expected event has a square of next to nothing, or of millions
    heavy = fourth > 50.0
    square, fourth, df = square[~heavy], fourth[~heavy], df - float(heavy.sum())
    if df < FEWEST_ROWS:
        return None
    sd = math.sqrt(float((2.0 + fourth).sum()))
    # a row's square goes with its events by their third moment over the variance
    third = (1.0 - 2.0 * mean if s.proportion else np.ones(len(mean))) / np.maximum(spread, 1e-9)
    free = (2.0 - 2.0 / size if s.proportion else np.full(len(size), 2.0))[~heavy]
    along = np.zeros(len(s.rows.y))
    along[used[~heavy]] = third[~heavy]
    return Excess(float(square.sum()), df, sd, float(free.mean()) * df, along)


def excess_zeros(post: GeneralizedPosterior) -> Excess | None:
    """Rows without an event against how many are expected; None of single trials."""
    s, mean = post.statistics, fitted_means(post)
    size = s.rows.size
    used = (size > 1 if s.proportion else size > 0) & (s.rows.count == 1)
    if used.sum() < FEWEST_ROWS:
        return None
    used = np.flatnonzero(used)
    mean, size, y = mean[used], size[used], s.rows.y[used]
    with np.errstate(divide="ignore"):
        none = np.exp(size * np.log1p(-mean)) if s.proportion else np.exp(-size * mean)
    expected, variance = float(none.sum()), float((none * (1.0 - none)).sum())
    zeros = float((y == 0).sum())
    if expected < 1.0 and zeros < 5.0:
        return None
    along = np.zeros(len(s.rows.y))
    along[used] = -none / (1.0 - mean) if s.proportion else -none
    events = size * mean * (1.0 - mean) if s.proportion else size * mean
    free = max(variance - float((along[used] ** 2 * events).sum()), 0.0) + 0.25
    return Excess(zeros, expected, math.sqrt(variance + 0.25), free, along)


def fitted_means(post: GeneralizedPosterior) -> Floats:
    """Probability or rate of each row, effects at their posterior means; (N,)."""
    return np.asarray(post.statistics.link.natural(fitted_predictor(post)))


def fitted_predictor(post: GeneralizedPosterior) -> Floats:
    """The same on the link scale; (N,)."""
    rows = post.statistics.rows
    eta = rows.offset + rows.x @ post.coefficient_medians
    for group, z, mean in zip(rows.group, rows.z, post.effect_means, strict=True):
        eta = eta + (z * mean.reshape(-1, z.shape[1])[group]).sum(axis=1)
    return np.asarray(eta)


def _parameters(post: GeneralizedPosterior) -> float:
    """Effective number of parameters: coefficients, and groups' effects less their shrinkage."""
    total = float(len(post.statistics.coefficients))
    for t, block in enumerate(post.statistics.blocks):
        total += float((1.0 - post.pooling(t)).sum()) if len(block.n) else 0.0
    return total
