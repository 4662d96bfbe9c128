"""Rows of counts in the order of the largest factor's groups, in the terms of the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from partialpool._typing import Floats, Ints
from partialpool.data.working_responses import CountProducts
from partialpool.kernels.group_quadrature import GroupedRows
from partialpool.kernels.joint_counts import DENSE, JointRows
from partialpool.kernels.normal_equations import System


def joint_rows(statistics: CountProducts, system: System) -> tuple[JointRows, Ints]:
    """Rows with the columns of everything but the largest factor side by side.

    Parameters
    ----------
    statistics : CountProducts
    system : System
        Of the same statistics.

    Returns
    -------
    JointRows
    ndarray of int, shape (J,)
        The group, by label, of each of the largest factor's groups in the order of the rows.
    """
    counted = statistics.rows
    matrix, offset = system.named
    own = dict(enumerate(zip(counted.group, counted.z, strict=True)))
    index, z = system.weights(len(counted.y), own)
    order = np.argsort(index[0], kind="stable")
    group = index[0][order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    grouped = GroupedRows(
        statistics.link, counted.y[order], counted.size[order], z[0][order], starts
    )
    blocks = tuple((level.size, level.q) for level in system.levels[1:])
    x = (counted.x @ matrix)[order]
    others = [(i[order], v[order]) for i, v in zip(index[1:], z[1:], strict=True)]
    known = (counted.offset + counted.x @ offset)[order]
    return JointRows(grouped, known, _side_by_side(others, blocks, x), blocks, x.shape[1]), group[
        starts
    ]


def _side_by_side(
    others: list[tuple[Ints, Floats]], blocks: tuple[tuple[int, int], ...], x: Floats
) -> Any:
    """The columns of the other levels' effects, then x; sparse where that is needed."""
    size, p = x.shape
    places, begin = [], 0
    for (index, _), (groups, q) in zip(others, blocks, strict=True):
        places.append(begin + index[:, None] * q + np.arange(q))
        begin += groups * q
    places.append(np.broadcast_to(begin + np.arange(p), (size, p)))
    place = np.concatenate(places, axis=1)
    value = np.concatenate([*(z for _, z in others), x], axis=1)
    width = begin + p
    if size * width <= DENSE:
        out = np.zeros((size, width))
        np.put_along_axis(out, place, value, axis=1)
        return out
    starts = np.arange(0, place.size + 1, place.shape[1])
    return sparse.csr_array((value.ravel(), place.ravel(), starts), shape=(size, width))
