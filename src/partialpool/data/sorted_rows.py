"""Rows of counts in the order of the largest factor's groups, in the terms of the kernels."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Ints
from partialpool.data.count_rows import CountProducts
from partialpool.kernels.grouped import CountSums
from partialpool.kernels.several import Several
from partialpool.kernels.system import System


def sorted_rows(statistics: CountProducts, system: System) -> tuple[Several, Ints]:
    """Rows with coefficients in the basis of a system and effects of the columns as shifted.

    Parameters
    ----------
    statistics : CountProducts
    system : System
        Of the same statistics.

    Returns
    -------
    Several
        With no other levels where there is one factor.
    ndarray of int, shape (L,)
        The group, by label, of each of the largest factor's groups in the order of the rows.
    """
    counted = statistics.rows
    matrix, offset = system.named
    own = dict(enumerate(zip(counted.group, counted.z, strict=True)))
    index, z = system.weights(len(counted.y), own)
    order = np.argsort(index[0], kind="stable")
    group = index[0][order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    rows = CountSums(
        statistics.link,
        counted.y[order],
        counted.size[order],
        (counted.offset + counted.x @ offset)[order],
        (counted.x @ matrix)[order],
        z[0][order],
        starts,
    )
    sizes = tuple(level.size for level in system.levels[1:])
    others = tuple(i[order] for i in index[1:]), tuple(v[order] for v in z[1:])
    return Several(rows, *others, sizes), group[starts]
