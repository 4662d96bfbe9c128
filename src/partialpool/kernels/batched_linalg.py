"""Algebra of many small matrices at once, the matrices' entries on the leading axes.

A batch of q x q matrices is an array of shape (q, q, ...): loops run over the entries, NumPy over
the batch.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from partialpool._typing import Floats

ZERO_PIVOT = 1e-11
"""A pivot smaller than this, relative to its diagonal, is taken for zero: rounding leaves some
1e-15 of it; between 1e-13 and 1e-9 no number of two mixed models moves."""


def semidefinite_cholesky(a: Floats) -> Floats:
    """Lower factor of positive semidefinite matrices (q, q, ...); zero columns where singular."""
    q = len(a)
    out = np.zeros_like(a)
    for k in range(q):
        pivot = a[k, k] - (out[k, :k] ** 2).sum(axis=0)
        # relative to the diagonal, so that units of columns do not matter
        good = pivot > ZERO_PIVOT * a[k, k]
        # 1 in place of what is divided by and thrown away: no warnings, and no branch for each
        # group
        root = np.sqrt(np.where(good, pivot, 1.0))
        out[k, k] = np.where(good, root, 0.0)
        for i in range(k + 1, q):
            rest = a[i, k] - (out[i, :k] * out[k, :k]).sum(axis=0)
            out[i, k] = np.where(good, rest / root, 0.0)
    return out


def solve_semidefinite(lower: Floats, right: Floats) -> Floats:
    """Solve L x = right, (q, q, ...) and (q, r, ...); zero in the rows where L is."""
    out = np.zeros_like(right)
    for i in range(len(lower)):
        rest = right[i] - sum(lower[i, m] * out[m] for m in range(i))
        good = lower[i, i] > 0
        out[i] = np.where(good, rest / np.where(good, lower[i, i], 1.0), 0.0)
    return out


def cholesky(a: Floats) -> Floats:
    """Lower factor of positive definite matrices (q, q, ...), in place."""
    for k in range(len(a)):
        for m in range(k):
            a[k, k] -= a[k, m] ** 2
        np.sqrt(a[k, k], out=a[k, k])
        for i in range(k + 1, len(a)):
            for m in range(k):
                a[i, k] -= a[i, m] * a[k, m]
            a[i, k] /= a[k, k]
    return a


def stacked_cholesky(a: Floats) -> Floats:
    """Lower factors of (G, m, m) matrices; nan where a matrix is not positive definite."""
    try:
        return np.asarray(np.linalg.cholesky(a))
    except np.linalg.LinAlgError:
        if len(a) == 1:
            return np.full_like(a, np.nan)
        # NumPy says that some matrix failed, not which one: halves find it in log2(G) calls
        half = len(a) // 2
        return np.concatenate([stacked_cholesky(a[:half]), stacked_cholesky(a[half:])])


def stacked_forward(lower: Floats, right: Floats) -> Floats:
    """Solve L x = right, L (G, m, m) and right (G, m, r), or (1, m, r) for all.

    A solver that does not know of the zeros takes twice as long, and four times where r is one.
    """
    x = np.empty((len(lower), *right.shape[1:]))
    for i in range(lower.shape[1]):
        # also where one right side is for all: x has a row for every factor
        done = lower[:, i : i + 1, :i] @ x[:, :i]
        x[:, i] = (right[:, i] - done[:, 0]) / lower[:, i, i, None]
    return x


def stacked_backward(lower: Floats, right: Floats) -> Floats:
    """Solve L' x = right; shapes as of `stacked_forward`."""
    x = np.array(right)
    for i in reversed(range(lower.shape[1])):
        x[:, i] /= lower[:, i, i, None]
        x[:, :i] -= lower[:, i, :i, None] * x[:, i : i + 1]
    return x


def root(a: Floats) -> Floats:
    """C with C C' = a, (..., q, q) positive semidefinite; what rounding made negative is zero."""
    with suppress(np.linalg.LinAlgError):
        # the quicker factor, where it exists: any C with C C' = a is a root
        lower = np.asarray(np.linalg.cholesky(a))
        if not np.isnan(lower).any():  # in a browser NumPy cannot raise, and returns nan
            return lower
    values, vectors = np.linalg.eigh(np.nan_to_num(a))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


def forward(lower: Floats, right: Floats) -> Floats:
    """Solve L x = right in place, L (q, q, G, L) and right (q, G, r, L)."""
    for i in range(len(lower)):
        for m in range(i):
            right[i] -= lower[i, m][:, None, :] * right[m]
        right[i] /= lower[i, i][:, None, :]
    return right


def backward(lower: Floats, right: Floats) -> Floats:
    """Solve L' x = right in place, L (q, q, G, L) and right (q, G, r, L)."""
    for i in reversed(range(len(lower))):
        # L' is upper triangular, and its entry (i, m) is lower[m, i]
        for m in range(i + 1, len(lower)):
            right[i] -= lower[m, i][:, None, :] * right[m]
        right[i] /= lower[i, i][:, None, :]
    return right
