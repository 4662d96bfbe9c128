"""Fixed effects for counts: a free intercept for each group of one factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.classical.pooled_regression import FixedEffects, estimable
from partialpool.kernels.families import Link
from partialpool.records.count_products import CountProducts

MOST_STEPS = 60
"""Newton steps, halvings included, at most; beyond, the likelihood is taken to have no maximum."""
CONVERGED_RISE = 1e-10
"""The search ends where the log likelihood can rise by less, or by less than its own rounding."""
UNLIMITED_PREDICTOR = 25.0
"""A linear predictor this far out, beside its group's others, is on its way to infinity."""
LONGEST_STEP = 5.0
"""A step changes no linear predictor by more: exp of a Newton step up a rate would overflow."""


def fixed_effects_of_counts(s: CountProducts) -> FixedEffects | None:
    """Give every group of the factor with most groups an intercept of its own.

        eta_i = offset_i + alpha_g[i] + x_i beta

    All are estimated together by maximum likelihood. Groups without an event, or of trials
    without a failure, say nothing of beta and are left out. For proportions of few trials a group
    beta is too far from zero, as the intercepts are as many as the groups. None if no term has an
    intercept; nan for coefficients to which the data set no limit.

    Source: Neyman and Scott (1948), doi:10.2307/1914288, for the bias.

    Parameters
    ----------
    s : CountProducts
        The rows, with every predictor.
    """
    terms = [t for t, b in enumerate(s.blocks) if b.effects[:1] == ("Intercept",)]
    if not terms:
        return None
    term = max(terms, key=lambda t: len(s.blocks[t].labels))
    block = s.blocks[term]
    used = np.flatnonzero(estimable(s, block))
    beta = np.full(len(s.coefficients), np.nan)
    se = beta.copy()
    rows = _informative(s, s.rows.group[term], used)
    climbed = _climbed(rows) if rows.x.size else None
    if climbed is not None:
        beta[used], precision = climbed
        se[used] = np.sqrt(np.diag(np.linalg.inv(precision)))
    lost = [n for k, n in enumerate(s.coefficients) if n != "Intercept" and k not in used]
    extra = len(block.labels) - ("Intercept" in s.coefficients)
    df = s.n_used - len(block.labels) - len(used)
    return FixedEffects(block.factor, beta, se, 1.0, extra, df, tuple(lost))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows of groups that say something, by group: 0, 1, ..."""

    link: Link
    y: Floats
    size: Floats
    offset: Floats
    x: Floats
    group: Ints

    def sums(self, values: Floats) -> Floats:
        return np.bincount(self.group, values).astype(np.float64, copy=False)


def _informative(s: CountProducts, group: Ints, used: Ints) -> _Rows:
    rows = s.rows
    y, size = np.bincount(group, rows.y), np.bincount(group, rows.size)
    says: Bools = (y > 0) & (y < size) if s.proportion else y > 0
    keep = np.flatnonzero(says[group])
    _, new_index = np.unique(group[keep], return_inverse=True)
    x = rows.x[np.ix_(keep, used)]
    # the intercepts take up the means; without them the precision keeps its digits
    x = (x - x.mean(axis=0)) if len(keep) else x
    return _Rows(s.link, rows.y[keep], rows.size[keep], rows.offset[keep], x, new_index)


def _climbed(rows: _Rows) -> tuple[Floats, Floats] | None:
    """Newton's method with the intercepts taken out; beta and its precision, None if unlimited."""
    scale = np.sqrt((rows.x**2).mean(axis=0)).clip(1e-300)
    x, group = rows.x / scale, rows.group
    alpha = rows.link.linked((rows.sums(rows.y) + 0.5) / (rows.sums(rows.size) + 1.0))
    beta, best = np.zeros(x.shape[1]), -np.inf
    step = np.zeros_like(alpha), np.zeros_like(beta)
    for _ in range(MOST_STEPS):
        eta = rows.offset + alpha[group] + x @ beta
        a, mean, slope = rows.link.cumulants(eta)
        value = float((rows.y * eta - rows.size * a).sum())
        # down by more than rounding: half of the last step is taken back
        if not value >= best - 1e-10 * abs(best):
            step = 0.5 * step[0], 0.5 * step[1]
            alpha, beta = alpha - step[0], beta - step[1]
            continue
        best = max(best, value)
        rest = rows.y - rows.size * mean
        up, ahead, precision, rise = _newton(rows, x, rest, rows.size * slope)
        # no limit along some combination: separation within the groups
        if np.linalg.cond(precision) > 1e12 or np.abs(x @ beta).max() > UNLIMITED_PREDICTOR:
            return None
        if rise < CONVERGED_RISE * max(1.0, 1e-6 * abs(value)):
            return beta / scale, precision * np.outer(scale, scale)
        size = min(1.0, LONGEST_STEP / max(float(np.abs(up[group] + x @ ahead).max()), 1e-300))
        step = size * up, size * ahead
        alpha, beta = alpha + step[0], beta + step[1]
    return None


def _newton(
    rows: _Rows, x: Floats, rest: Floats, weight: Floats
) -> tuple[Floats, Floats, Floats, float]:
    """Steps of the intercepts and of beta, the precision of beta, and the rise predicted."""
    total, score = rows.sums(weight).clip(1e-300), rows.sums(rest)
    # Frisch and Waugh: weighted means within groups are taken off, which is the Schur complement of
    # the intercepts' diagonal block
    middle = np.stack([rows.sums(weight * column) for column in x.T], axis=-1) / total[:, None]
    away = x - middle[rows.group]
    precision = (away * weight[:, None]).T @ away
    ahead = np.linalg.lstsq(precision, away.T @ rest, rcond=None)[0]
    # the intercepts' step given that of beta
    up = score / total - middle @ ahead
    rise = 0.5 * float(ahead @ precision @ ahead + (score**2 / total).sum())
    return up, ahead, precision, rise
