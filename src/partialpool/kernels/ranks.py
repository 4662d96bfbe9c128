"""Ranks of normally (or t) distributed parameters that share one common term."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels import student


def expected_exceedances(
    loc: Floats, own: Floats, loading: Floats, common_sd: float, df: float
) -> Floats:
    """Expected number of other groups above each group; shape (J,).

    theta_j = loc_j + a_j z + e_j with z ~ (0, common_sd^2) and e_j ~ (0, own_j), so that
    ``theta_k - theta_j`` has squared scale ``own_j + own_k + (a_k - a_j)^2 common_sd^2``.

    Parameters
    ----------
    loc, own, loading : ndarray, shape (J,)
        Location, squared scale of the group's own part, and loading a_j on the common part.
    common_sd : float
        Scale of the common part.
    df : float
        Degrees of freedom; infinite for normal.
    """
    size = len(loc)
    out = np.zeros(size)
    step = max(1, student.BLOCK // size)
    for i in range(0, size, step):
        part = slice(i, min(i + step, size))
        scale2 = (
            own[part, None] + own + ((loading - loading[part, None]) * common_sd) ** 2
        )  # (B, J)
        above = student.cdf((loc - loc[part, None]) / np.sqrt(scale2), df)
        out[part] = above.sum(axis=1) - 0.5  # a group is counted half above itself
    return out
