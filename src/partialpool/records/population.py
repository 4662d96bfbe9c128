"""What the population says of each effect of each group: which coefficients, with which weights."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats
from partialpool.records.cross_products import Block, CrossProducts

UNEXPLAINED_SHARE = 1e-9
"""A column follows a slope within groups if no more than this share of its variance is left."""


def population_weights(statistics: CrossProducts, term: int) -> Floats:
    """Weights w for which the population value of effect k of group l is ``w[l, k] @ beta``.

    An intercept takes up the predictors that are constant within every group. A slope takes up
    its own predictor (weight 1) and that predictor's interactions with predictors that are
    constant within groups (weight: their value in the group). Other predictors are at zero.

    Parameters
    ----------
    statistics : CrossProducts
        The data, reduced.
    term : int
        Position of the term.

    Returns
    -------
    ndarray, shape (L, q, p)
        For coefficients of the columns as named.
    """
    s, block = statistics, statistics.blocks[term]
    groups, q = block.zty.shape
    out = np.zeros((groups, q, len(s.coefficients)))
    mean = block.x_mean + s.shift
    for k, effect in enumerate(block.effects):
        if effect == "Intercept":
            out[:, k] = np.where(block.constant, mean, 0.0)
            continue
        if effect in s.coefficients:
            out[:, k, s.coefficients.index(effect)] = 1.0
        if block.effects[0] == "Intercept":
            for c in np.flatnonzero(~block.constant):
                if s.coefficients[c] not in block.effects:
                    out[:, k, c] = _share(s, block, k, int(c), mean[:, c])
    return out


def _share(s: CrossProducts, block: Block, k: int, c: int, mean: Floats) -> Floats:
    """Column c over effect k in each group, where c is a multiple of it in all; else zeros."""
    center = block.ztz[:, 0, k] / block.weight
    spread = block.ztz[:, k, k] - block.weight * center**2
    common = block.ztx[:, k, c] - block.weight * center * block.x_mean[:, c]
    total = s.xtx[c, c] - float(block.weight @ block.x_mean[:, c] ** 2)
    known = spread > UNEXPLAINED_SHARE * np.maximum(block.ztz[:, k, k], 1e-300)
    ratio = np.where(known, common / np.where(known, spread, 1.0), 0.0)
    if float(ratio @ common) < (1.0 - UNEXPLAINED_SHARE) * total:
        return np.zeros(len(ratio))
    named = center + block.shift[k]
    there = ~known & (np.abs(named) > 0)
    ratio[there] = mean[there] / named[there]
    gap = np.abs(mean - ratio * named) > 1e-6 * (np.abs(mean) + np.sqrt(total / block.weight.sum()))
    return np.zeros(len(ratio)) if gap[known].any() else ratio
