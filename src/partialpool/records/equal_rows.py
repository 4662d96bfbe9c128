"""Which rows of some columns are the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from partialpool._typing import Floats, Ints


def equal_rows(columns: Sequence[Floats | Ints]) -> tuple[Ints, Ints]:
    """First row of each set of equal rows, and the set of each row.

    By a 64-bit hash of the rows, which is checked: where two rows that differ have the same, every
    row is taken for one of its own. The sets are in the order of the hash.

    Parameters
    ----------
    columns : sequence of ndarray, shape (N,)
        At least one, of floats without nan or integers.
    """
    mixer = np.random.default_rng(0).integers(1, 2**63, len(columns), dtype=np.uint64) | np.uint64(
        1
    )
    key = np.zeros(len(columns[0]), dtype=np.uint64)
    for column, odd in zip(columns, mixer, strict=True):
        # places have 32 bits where addresses have
        wide = column + 0.0 if column.dtype.kind == "f" else column.astype(np.int64, copy=False)
        bits = wide.view(np.uint64)
        key = (key ^ bits) * odd
        key ^= key >> np.uint64(29)
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    if any((c != c[first][place]).any() for c in columns):
        every = np.arange(len(key))
        return every, every
    return first, place
