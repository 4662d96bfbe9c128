"""Ranks of draws, and expected ranks of parameters that share one common term."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels import student

CELLS_IN_CACHE = 2**15
"""Values ranked at once, 256 KiB: what the cache of a core holds."""


def expected_exceedances(
    loc: Floats, variance: Floats, loading: Floats, common_sd: float, df: float
) -> Floats:
    """Expected number of other groups above each group; shape (J,).

    theta_j = loc_j + a_j z + e_j with z ~ (0, common_sd^2) and e_j ~ (0, v_j), so that
    ``theta_k - theta_j`` has squared scale ``v_j + v_k + (a_k - a_j)^2 common_sd^2``.

    Parameters
    ----------
    loc, variance, loading : ndarray, shape (J,)
        Location, squared scale of the group's own part, and loading a_j on the common part.
    common_sd : float
        Scale of the common part.
    df : float
        Degrees of freedom; infinite for normal.
    """
    size = len(loc)
    out = np.zeros(size)
    step = max(1, student.CELLS_AT_ONCE // size)
    for i in range(0, size, step):
        part = slice(i, min(i + step, size))
        scale2 = (
            variance[part, None] + variance + ((loading - loading[part, None]) * common_sd) ** 2
        )  # (B, J)
        above = student.cdf((loc - loc[part, None]) / np.sqrt(scale2), df)
        # P(theta_k > theta_j), which depends on the difference alone
        out[part] = above.sum(axis=1) - 0.5  # a group is counted half above itself
    return out


def ranks(values: Floats, out: Ints) -> None:
    """Rank of each value in its row, 1 being the lowest, into `out`; (S, J) both.

    Values are sorted as whole numbers whose last bits are their place, which is twice as fast as
    finding the order of the values: of 52 binary digits about the row's mean 52 - log2(J) count.
    Equal values, as of groups exactly at a point, share their ranks out at random (fixed seed).
    """
    size = values.shape[1]
    rng = np.random.default_rng(0)
    places = 2 ** max(size - 1, 1).bit_length()
    place, rank = np.arange(size), np.arange(1, size + 1, dtype=out.dtype)
    step = max(1, CELLS_IN_CACHE // size)
    for i in range(0, len(values), step):
        part = values[i : i + step]
        # less the mean, so that values far from zero do not lose the digits by which they differ
        key = (part - part.mean(axis=1, keepdims=True)).view(np.int64)
        # the bits of a floating-point number rise with it, once those of negative ones are turned
        key ^= (key >> 63) & np.int64(2**63 - 1)
        key &= np.int64(-places)
        key |= place
        key.sort(axis=1)
        rows, order = np.arange(i, i + len(part))[:, None], key & np.int64(places - 1)
        out[rows, order] = rank
        tied = ((key[:, 1:] ^ key[:, :-1]) < places).any(axis=1)
        if tied.any():
            value = key[tied] & np.int64(-places)
            by_chance = np.lexsort((rng.random(value.shape), value))
            out[rows[tied], np.take_along_axis(order[tied], by_chance, axis=1)] = rank
