"""Groups with the same Z'Z, such as those of a balanced design, as few groups in their place.

What a group adds to the likelihood, T'(I + K Lambda Lambda' K')^-1 T with K'K = Z'Z, is the same
function of T for all of them, and quadratic: only the sum of the products of all entries of T
counts. Any T with the same sums will do, and no more are needed than T has entries.
"""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats, Ints

MOST_CELLS = 2**23
"""Elements of the products of all entries of T, at most (64 MiB)."""
WORTH_SHARE = 0.6
"""Groups are replaced if their number falls to this share. No number changes with it."""


def gathered(lower: Floats, scaled: Floats) -> tuple[Floats, Floats, Floats]:
    """Replace groups that are alike, if that makes them fewer.

    Parameters
    ----------
    lower : ndarray, shape (q, q, L)
        Cholesky factors of Z'Z.
    scaled : ndarray, shape (q, r, L)
        T.

    Returns
    -------
    lower, scaled : ndarray
        Of fewer groups, with the same sums.
    count : ndarray
        How many groups each stands for where the determinants are counted.
    """
    q, r, groups = scaled.shape
    size, every = q * r, np.ones(groups)
    # the products of all entries of T, which would not fit
    if groups * size * size > MOST_CELLS:
        return lower, scaled, every
    kind = _kinds(lower.reshape(q * q, groups))
    members = np.bincount(kind)
    kinds = len(members)
    # each kind becomes q r groups, as many as T has entries
    if kinds * size > WORTH_SHARE * groups:
        return lower, scaled, every
    order = np.argsort(kind, kind="stable")
    starts = np.cumsum(members) - members
    # groups of a kind beside each other, for reduceat
    entries = scaled.reshape(size, groups).T[order]
    sums = np.add.reduceat(entries[:, :, None] * entries[:, None, :], starts, axis=0)
    # the rows of F with F'F = S are the T of the groups that take their place: same sums of
    # products
    few = _rooted(sums)  # (kinds, size, size)
    chosen = lower[:, :, order[starts]]
    # determinants do not depend on T: all groups of a kind have the same one, shared out over the
    # new ones
    count = np.repeat(members / size, size)
    return (
        np.repeat(chosen, size, axis=2),
        np.ascontiguousarray(few.transpose(2, 0, 1).reshape(q, r, kinds * size)),
        count,
    )


def _kinds(keys: Floats) -> Ints:
    """Number of each column among the distinct columns."""
    # one random combination of the entries tells columns apart nearly always, and is quick to sort
    mixed = np.random.default_rng(0).uniform(1.0, 2.0, len(keys)) @ keys
    _, first, kind = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(keys[:, first[kind]], keys):  # two kinds with the same sum
        _, kind = np.unique(keys, axis=1, return_inverse=True)
    return np.asarray(kind).ravel()


def _rooted(sums: Floats) -> Floats:
    """Rows whose products add up to the sums: F with F'F = S for (K, m, m)."""
    scale = np.sqrt(np.einsum("kmm->km", sums))
    unit = np.where(scale > 0, scale, 1.0)
    # of a correlation matrix: columns of very different units keep their digits
    size, axes = np.linalg.eigh(sums / (unit[:, :, None] * unit[:, None, :]))
    # eigenvalues of zero may come out as -1e-17
    root = np.sqrt(np.maximum(size, 0.0))[:, :, None] * axes.transpose(0, 2, 1)
    return np.asarray(root * scale[:, None, :])
