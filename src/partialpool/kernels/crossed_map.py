"""What eliminating the groups of one factor changes in the cross-products of crossed ones.

Each change is linear in the groups' own matrices: the map is made once, as a sparse matrix.
"""

from __future__ import annotations

import numpy as np
import scipy

from partialpool._typing import Floats, Ints


def products_map(
    beside: scipy.sparse.csr_array, q: int, groups: int, size: int
) -> tuple[scipy.sparse.csr_array, Ints]:
    """The sparse map of `Crossed`: products of every two entries of a group's Z'U.

    Parameters
    ----------
    beside : sparse, shape (q L, n)
        Z'U; row a L + l.
    q, groups : int
        Columns and groups L of the factor.
    size : int
        Rows of the square matrix into which `places` point.

    Returns
    -------
    map : sparse, shape (places, q (q + 1) / 2 * L)
    places : ndarray of int
    """
    beside.sort_indices()
    by_entry = []
    for a in range(q):
        for b in range(a + 1):
            left = beside[a * groups : (a + 1) * groups]
            right = beside[b * groups : (b + 1) * groups]
            by_entry.append(_of_one(left, size) if a == b else _of_two(left, right, size))
    at = np.concatenate([p for p, _, _ in by_entry])
    column = np.concatenate([g + i * groups for i, (_, g, _) in enumerate(by_entry)])
    value = np.concatenate([v for _, _, v in by_entry])
    # a mark for every place is smaller than sorting the products, of which many fall on one place
    occurs = np.zeros(size * size, dtype=bool)
    occurs[at] = True
    # places are numbered in the order in which they stand in the matrix
    row = (np.cumsum(occurs, dtype=_kind(size)) - 1)[at]
    shape = (int(occurs.sum()), len(by_entry) * groups)
    entries = scipy.sparse.coo_array((value, (row, column)), shape=shape)
    entries.has_canonical_format = True  # entries that stand twice are added by the product
    return entries.tocsr(), np.flatnonzero(occurs)


def pairs_within(starts: Ints) -> tuple[Ints, Ints, Ints]:
    """Every entry j of a sparse matrix with every k up to it in its row: j, k and the row."""
    count = np.diff(starts)
    row = np.repeat(np.arange(len(count)), count)
    repeat = np.arange(len(row)) - starts[row] + 1
    j = np.repeat(np.arange(len(row)), repeat)
    k = np.arange(len(j)) - np.repeat(np.cumsum(repeat) - repeat, repeat) + starts[row[j]]
    return j, k, row[j]


def _kind(size: int) -> type[np.signedinteger]:
    """Of numbers of places in a square matrix."""
    return np.int32 if size * size < 2**31 else np.intp


def _of_one(left: scipy.sparse.csr_array, size: int) -> tuple[Ints, Ints, Floats]:
    """Place, group and value of left_gj left_gk, j >= k."""
    j, k, group = pairs_within(left.indptr)
    index = left.indices.astype(_kind(size))
    return index[j] * size + index[k], group, left.data[j] * left.data[k]


def _of_two(
    left: scipy.sparse.csr_array, right: scipy.sparse.csr_array, size: int
) -> tuple[Ints, Ints, Floats]:
    """Place, group and value of left_gj right_gk and of left_gk right_gj."""
    of_left = np.repeat(np.arange(left.shape[0]), np.diff(left.indptr))
    repeat = np.diff(right.indptr)[of_left]
    j = np.repeat(np.arange(left.nnz), repeat)
    k = np.arange(len(j)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    k += right.indptr[of_left[j]]
    row, column = left.indices.astype(_kind(size))[j], right.indices.astype(_kind(size))[k]
    value = left.data[j] * right.data[k]
    value[row == column] *= 2.0  # both orders fall on the same place
    return np.maximum(row, column) * size + np.minimum(row, column), of_left[j], value
