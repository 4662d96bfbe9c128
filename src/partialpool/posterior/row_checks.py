"""What rows tell that sums do not: noise that is not normal or not even, counts that vary too much.

Nothing here depends on how groups are pooled: residuals are those of least squares with groups of
their own, and rows of counts are held against their group's total.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.design.rows_again import RowsAgain
from partialpool.kernels.compared import (
    Compared,
    with_draws,
    with_gamma,
    with_largest,
    with_normal,
)
from partialpool.kernels.studentised_residuals import LeastSquares, Residuals

DRAWS = 199
"""Draws of normal noise, or of events among the rows of a group; the smallest p-value is 1/200."""
MOST_DRAWN, FEW_DRAWS = 10_000, 19
"""With more rows moments of residuals are normal, and few draws tell their means and sds: of a
million rows they take 1.5 s, and 199 would take 15."""
FEW_ZEROS = 5.0
"""Fewer expected zeros are compared with draws one by one, as they are not nearly continuous."""
MOST_UNITS = 100_000
"""Events or trials that are dealt anew among rows: of so many events 2 s, of trials 6."""

Deal = Callable[[np.random.Generator], Floats]
"""Draws the events of every row."""
Comparison = tuple[str, Compared]
"""Name of a check, and how it compares."""


def of_measurements(rows: RowsAgain, rng: np.random.Generator) -> Iterator[Comparison]:
    """Residuals of measurements: the farthest, third and fourth moments, size by fitted value."""
    root = np.sqrt(rows.weight)
    squares = LeastSquares.read(
        rows.x * root[:, None], [(index, z * root[:, None]) for index, z in rows.groups]
    )
    of = squares.residuals(rows.y * root)
    if of is None:
        return
    fitted = rows.y - of.residual / root
    judged = np.abs(of.t[of.judged])
    yield "farthest row", with_largest(float(judged.max()), len(judged), of.df)
    draws = DRAWS if len(rows.y) <= MOST_DRAWN else FEW_DRAWS
    noise = (squares.residuals(rng.standard_normal(len(rows.y))) for _ in range(draws))
    drawn = np.array([_moments(each, fitted) for each in noise if each is not None])
    names = "tails of rows", "skewness of rows", "noise by fitted value"
    each = zip(names, _moments(of, fitted).tolist(), drawn.T, (False, True, True), strict=True)
    for name, observed, null, both in each:
        if draws == DRAWS:
            yield name, with_draws(observed, null, both=both)
        else:
            yield name, _with_few(observed, null, both=both)


def _with_few(observed: float, drawn: Floats, *, both: bool) -> Compared:
    """Compare with few draws of a normal statistic, as one more of them, by Student's t."""
    scale = float(drawn.std(ddof=1)) * math.sqrt(1.0 + 1.0 / len(drawn))
    t = (observed - float(drawn.mean())) / max(scale, 1e-300)
    tail = float(special.stdtr(len(drawn) - 1.0, -abs(t) if both else -t))
    z = -float(special.ndtri(np.clip(tail, 1e-300, 1.0 - 1e-16)))
    return with_normal(math.copysign(z, t) if both else z, both=both)


def _moments(of: Residuals, fitted: Floats) -> Floats:
    """Excess fourth moment, third moment, and correlation of size with the fitted value."""
    t, f = of.t[of.judged], fitted[of.judged]
    t = t / np.sqrt(np.mean(t * t))
    size, f = np.abs(t) - np.abs(t).mean(), f - f.mean()
    scale = np.sqrt((size @ size) * (f @ f))
    together = float(size @ f) / scale if scale > 0 else 0.0
    return np.array([np.mean(t**4) - 3.0, np.mean(t**3), together])


def of_counts(
    rows: RowsAgain, *, proportion: bool, rng: np.random.Generator
) -> Iterator[Comparison]:
    """Counts of one factor: variance and zeros of rows given the events of each group."""
    y, size, group = rows.y, rows.size, rows.groups[0][0]
    assert size is not None
    groups = int(group.max()) + 1
    total, n = np.bincount(group, y, groups), np.bincount(group, size, groups)
    mean = np.divide(total, n, out=np.zeros(groups), where=n > 0)
    several = np.bincount(group, minlength=groups) > 1
    inside = (total > 0) & several & ((total < n) if proportion else True)
    units = size if proportion else y
    at = np.flatnonzero(inside[group] & (size > 0))
    if not len(at) or units[at].sum() > MOST_UNITS or (not (size[at] > 1).any() and proportion):
        return
    y, size, group = y[at], size[at], group[at]
    m = mean[group]
    variance = size * m * (1.0 - m) if proportion else size * m
    deal = _trials(y, size, group) if proportion else _events(y, size, group)
    drawn = [deal(rng) for _ in range(DRAWS)]
    chi2 = np.array([((each - size * m) ** 2 / variance).sum() for each in (y, *drawn)])
    zeros = np.array([float((each == 0).sum()) for each in (y, *drawn)])
    if np.ptp(chi2[1:]) > 1e-9 * chi2.max():
        yield "dispersion of rows", _by_moments(chi2 / chi2[1:].mean())
    if zeros[1:].mean() >= FEW_ZEROS:
        yield "zeros among rows", _by_moments(zeros)
    elif zeros.any():
        yield "zeros among rows", with_draws(zeros[0], zeros[1:])


def _by_moments(values: Floats) -> Compared:
    """Compare the first value with a gamma variable of the others' mean and variance."""
    return with_gamma(float(values[0]), float(values[1:].mean()), float(values[1:].var(ddof=1)))


def _events(y: Floats, size: Floats, group: Ints) -> Deal:
    """Deal the events of each group among its rows by their exposure: multinomial."""
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(size[order])
    total = np.bincount(group, size)
    start = np.cumsum(total) - total
    of_event = np.repeat(group, y.astype(np.intp))

    def deal(rng: np.random.Generator) -> Floats:
        place = start[of_event] + total[of_event] * rng.random(len(of_event))
        row = np.minimum(np.searchsorted(ends, place, side="right"), len(y) - 1)
        return np.bincount(order[row], minlength=len(y)).astype(np.float64)

    return deal


def _trials(y: Floats, size: Floats, group: Ints) -> Deal:
    """Deal the events of each group among the trials of its rows: hypergeometric."""
    row = np.repeat(np.arange(len(y)), size.astype(np.intp))
    of_trial = group[row]
    trials, events = np.bincount(of_trial), np.bincount(group, y)
    first = np.cumsum(trials) - trials
    ordered = np.sort(of_trial)
    is_event = np.arange(len(row)) - first[ordered] < events[ordered]

    def deal(rng: np.random.Generator) -> Floats:
        order = np.lexsort((rng.random(len(row)), of_trial))
        return np.bincount(row[order[is_event]], minlength=len(y)).astype(np.float64)

    return deal
