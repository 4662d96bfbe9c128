"""Rows of counts in the order of the largest factor's groups, in the terms of the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.kernels.group_quadrature import GroupedRows
from partialpool.kernels.joint_counts import DENSE_CELLS, JointRows
from partialpool.kernels.normal_equations import System
from partialpool.kernels.row_likelihood import DispersedRows, Overdispersed
from partialpool.records.count_products import CountProducts


@dataclass(frozen=True, slots=True, eq=False)
class SortedRows:
    """Rows of counts in the order of the largest factor's groups; R rows.

    Parameters
    ----------
    y, size, count : ndarray, shape (R,)
    known : ndarray, shape (R,)
        What of the linear predictor no coefficient in the system's basis changes.
    x : ndarray, shape (R, p)
        Columns in the system's basis.
    index : tuple of ndarray of int, shape (R,)
        Group of each row, by level.
    z : tuple of ndarray, shape (R, q)
        Columns of the effects, by level.
    starts : ndarray of int, shape (J,)
        First row of each group of the largest factor.
    """

    y: Floats
    size: Floats
    count: Floats
    known: Floats
    x: Floats
    index: tuple[Ints, ...]
    z: tuple[Floats, ...]
    starts: Ints

    def dispersed(self, family: Overdispersed | None) -> DispersedRows | None:
        """The rows as those of a family with a dispersion; None without such a family."""
        return None if family is None else DispersedRows(family, self.y, self.size, self.count)

    @property
    def place(self) -> Ints:
        """The group, by label, of each of the largest factor's groups in the order of the rows."""
        return self.index[0][self.starts]


def sorted_rows(statistics: CountProducts, system: System) -> SortedRows:
    """Put rows in the order of the largest factor's groups, coefficients in the system's basis."""
    counted = statistics.rows
    matrix, offset = system.named
    by_term = dict(enumerate(zip(counted.group, counted.z, strict=True)))
    index, z = system.weights(len(counted.y), by_term)
    order = np.argsort(index[0], kind="stable")
    return SortedRows(
        y=counted.y[order],
        size=counted.size[order],
        count=counted.count[order],
        known=(counted.offset + counted.x @ offset)[order],
        x=(counted.x @ matrix)[order],
        index=tuple(i[order] for i in index),
        z=tuple(v[order] for v in z),
        starts=np.flatnonzero(np.diff(index[0][order], prepend=-1)),
    )


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
    rows = sorted_rows(statistics, system)
    dispersed = rows.dispersed(statistics.dispersed)
    grouped = GroupedRows(statistics.link, rows.y, rows.size, rows.z[0], rows.starts, dispersed)
    blocks = tuple((level.size, level.q) for level in system.levels[1:])
    others = list(zip(rows.index[1:], rows.z[1:], strict=True))
    columns = _side_by_side(others, blocks, rows.x)
    return JointRows(grouped, rows.known, columns, blocks, rows.x.shape[1]), rows.place


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
    if size * width <= DENSE_CELLS:
        out = np.zeros((size, width))
        np.put_along_axis(out, place, value, axis=1)
        return out
    starts = np.arange(0, place.size + 1, place.shape[1])
    return scipy.sparse.csr_array((value.ravel(), place.ravel(), starts), shape=(size, width))
