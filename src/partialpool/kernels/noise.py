"""Are groups equally noisy, and do rows of counts of one group vary as counts do."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels.compared import Compared, with_draws, with_gamma

VARIANCE_FLOOR = 0.05
"""Variances within groups count as at least this share of the pooled one, in data and draws alike:
two rows that are equal because values were rounded would otherwise decide alone."""


def noise_by_group(
    ss: Floats, df: Floats, mean: Floats, draws: int, rng: np.random.Generator
) -> tuple[Compared, Compared]:
    """Compare variances within groups with those of equally noisy groups, and with their means.

    Shares of the total of independent ``ss_j ~ sigma^2 chi2(df_j)`` have a distribution without
    sigma, and are independent of the means, so that both p-values are exact. The first statistic is
    Bartlett's (1937, doi:10.1098/rspa.1937.0109) over its degrees of freedom, variances floored;
    the second the correlation of log variances with the means, weighted by degrees of freedom.

    Parameters
    ----------
    ss, df : ndarray, shape (J,)
        Sums of squares within groups and their degrees of freedom, all positive.
    mean : ndarray, shape (J,)
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    Compared, Compared
        Of the size of differences, and of their trend with the mean.
    """
    observed = _size_and_trend(ss[None], df, mean)
    drawn = _size_and_trend(rng.chisquare(df, (draws, len(df))), df, mean)
    size, trend = (
        with_draws(float(one[0]), each, both=both)
        for one, each, both in zip(observed, drawn, (False, True), strict=True)
    )
    return size, trend


def bartlett(ss: Floats, df: Floats) -> float:
    """Bartlett's statistic of equal variances, about chi-square with J - 1 degrees of freedom.

    Variances are floored as in `noise_by_group`. Source: Bartlett (1937).

    Parameters
    ----------
    ss, df : ndarray, shape (J,)
    """
    groups = len(df) - 1.0
    size, _ = _size_and_trend(ss[None], df, np.zeros(len(df)))
    bias = 1.0 + (float((1.0 / df).sum()) - 1.0 / float(df.sum())) / (3.0 * groups)
    return float(size[0]) * groups / bias


def _size_and_trend(ss: Floats, df: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Bartlett's statistic over its degrees of freedom, and the weighted correlation; (S,) each."""
    ratio = (ss / df) / (ss.sum(axis=1) / df.sum())[:, None]
    log_ratio = np.log(np.maximum(ratio, VARIANCE_FLOOR))
    # sum df log(pooled / own): Bartlett's M, less its correction
    size = -(log_ratio @ df) / (len(df) - 1.0)
    return size, weighted_correlation(log_ratio, mean[None], df)


def weighted_correlation(first: Floats, second: Floats, weight: Floats) -> Floats:
    """Correlation of rows, (S or 1, J) each, with weights (J,); zero where one does not vary."""
    a, b = (v - (v @ weight / weight.sum())[:, None] for v in (first, second))
    scale = np.sqrt((a * a) @ weight * ((b * b) @ weight))
    product = (a * b) @ weight
    return np.asarray(np.divide(product, scale, out=np.zeros(len(scale)), where=scale > 0))


def dispersion_of_rows(
    chi2: Floats,
    n: Floats,
    events: Floats,
    *,
    trials: Floats | None = None,
    shares: Floats | None = None,
) -> Compared | None:
    """Compare Pearson's chi-square of rows about their groups with what counts can vary.

    Given the events of each group its rows are multinomial (hypergeometric, of trials) whatever the
    group's rate, so that the p-value does not depend on the model of the groups. Mean and variance
    given both margins are those of Haldane (1940, doi:10.1093/biomet/31.3-4.346), for rows of a
    group of equal trials; of rates those of Haldane (1937, doi:10.1093/biomet/29.1-2.133),

        n - 1   and   2 (n - 1) + (sum 1 / p - n^2 - 2 n + 2) / T

    with T the events of the group and p its rows' shares of its exposure.

    Parameters
    ----------
    chi2, n, events : ndarray, shape (J,)
        Of each group: the sum over its rows, rows, and events.
    trials : ndarray, shape (J,), optional
        Trials of each group; not of rates.
    shares : ndarray, shape (J,), optional
        Of rates the sum of 1 / p over the rows of each group: n^2 of equal exposures, and if not
        given.

    Returns
    -------
    Compared or None
        Chi-square over its mean; None where no rows tell anything.
    """
    used = (n > 1) & (events > 0)
    if trials is not None:
        # Haldane's variance has m - 3 below
        used &= (events < trials) & (trials > np.maximum(n, 3.0))
    # of equal rows p = 1 / n, and the sum of 1 / p is n^2
    inverse = (n**2 if shares is None else shares)[used]
    chi2, n, events = chi2[used], n[used], events[used]
    if not len(n):
        return None
    mean = n - 1.0
    variance = 2.0 * mean + (inverse - n**2 - 2.0 * n + 2.0) / events
    if trials is not None:
        mean, variance = _of_two_margins(n, events, trials[used])
    if not variance.sum() > 0.0:
        return None
    total = float(mean.sum())
    # groups are independent given their events: means and variances add up
    return with_gamma(float(chi2.sum()) / total, 1.0, float(variance.sum()) / total**2)


def _of_two_margins(rows: Floats, events: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of chi-square of a table of rows by outcome, both margins fixed."""
    m = trials  # more than three
    mean = (rows - 1.0) * m / (m - 1.0)
    v1, v2 = (m - 2.0) / (m - 1.0), (rows - 1.0) * (m - rows) / (m - 1.0)
    w1 = (m * (1.0 / events + 1.0 / (m - events)) - 4.0) / (m - 2.0)
    # w of the other margin is zero for rows of equal trials
    variance = 2.0 * m / (m - 3.0) * (v1 - w1) * v2
    # groups of which every table has the same chi-square: zero but for rounding
    return mean, np.maximum(variance, 0.0)
