"""What each group says by itself: no pooling."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats
from partialpool.data.cross_products import Block, CrossProducts

SINGULAR = 1e-10
"""A group's own line is undetermined if an eigenvalue of its scaled Z'Z is below this."""


def own_estimates(statistics: CrossProducts) -> tuple[Floats, ...]:
    """Least squares of the outcome on Z from the rows of each group alone.

        y_i = z_i' a_l + e_i,  rows i of group l

    Returns
    -------
    tuple of ndarray, shape (L, q)
        For each block, coefficients of its columns as named (units of y over units of the
        column): the group's mean where the term has an intercept only. nan where the group's
        rows do not determine them, and where only the population has an intercept.
    """
    level = "Intercept" in statistics.coefficients
    return tuple(
        np.full(block.zty.shape, np.nan)
        if level and block.effects[:1] != ("Intercept",)
        else _own(block, statistics.center)
        for block in statistics.blocks
    )


def _own(block: Block, center: float) -> Floats:
    square = np.einsum("lqq->lq", block.ztz)
    scale = np.sqrt(np.where(square > 0, square, 1.0))
    scaled = block.ztz / (scale[:, :, None] * scale[:, None, :])
    clear = np.linalg.eigvalsh(scaled)[:, 0] > SINGULAR
    out = np.full(block.zty.shape, np.nan)
    right = (block.zty[clear] / scale[clear])[:, :, None]
    out[clear] = np.linalg.solve(scaled[clear], right)[:, :, 0] / scale[clear]
    if block.effects[:1] == ("Intercept",):
        out[:, 0] += center - out @ block.shift
    return out
