"""A few nodes for many: the same moments, positive weights."""

from __future__ import annotations

import itertools
import math

import numpy as np

from partialpool._typing import Floats, Ints


def condensed(features: Floats, beside: Floats, weight: Floats, size: int) -> tuple[Ints, Floats]:
    """Choose nodes and new weights with the same moments of the features.

    All products of features up to a total degree keep their means, the degree as high as
    about `size` nodes allow. That so few nodes with positive weights exist is Caratheodory's
    theorem. Source: Litterer and Lyons (2012), doi:10.1214/11-AAP786, section 3.

    Parameters
    ----------
    features : ndarray, shape (C, d)
        Smooth functions of the nodes on which what is to be averaged depends.
    beside : ndarray, shape (C, e)
        Functions whose own means are to be kept too, such as those that grow in the tails.
    weight : ndarray, shape (C,)
        Sums to one.
    size : int

    Returns
    -------
    index : ndarray of int, shape (K,)
    weight : ndarray, shape (K,)
        Sums to one.
    """
    if len(weight) <= size:
        return np.arange(len(weight)), weight
    powers = _powers(features.shape[1], size)
    # columns of one size: the tolerance of a zero direction is relative
    scale = np.sqrt(weight @ np.square(beside))
    columns = [_polynomials(features, weight, powers), beside / np.where(scale > 0, scale, 1.0)]
    return _recombined(np.concatenate(columns, axis=1), weight)


def _recombined(basis: Floats, weight: Floats) -> tuple[Ints, Floats]:
    """At most as many nodes as the basis has columns, and weights with the same means of it.

    The nodes are gathered in twice as many heaps as there are columns, half of the heaps are
    emptied, and so on with the nodes that are left.
    """
    columns = basis.shape[1]
    index, left = np.arange(len(weight)), weight
    while len(index) > columns:
        # twice as many heaps as constraints: half of them can be emptied in one factorisation,
        # whatever the number of nodes
        heaps = min(2 * columns, len(index))
        member = np.arange(len(index)) * heaps // len(index)
        mass = np.bincount(member, left, minlength=heaps).astype(np.float64, copy=False)
        starts = np.searchsorted(member, np.arange(heaps))
        # a heap acts as one node at its weighted mean of the basis; its nodes keep their
        # proportions
        sums = np.add.reduceat(left[:, None] * basis[index], starts, axis=0).T
        not_empty = _emptied(sums / mass, mass)
        # nodes of emptied heaps are dropped, the others' weights scaled with their heap's
        share = not_empty[member] / mass[member]
        used = share > 0
        index, left = index[used], (left * share)[used]
    # the basis holds a constant: the sum is one but for rounding
    return index, left / left.sum()


def _emptied(values: Floats, mass: Floats) -> Floats:
    """Move mass along directions that change no mean until no such direction is left.

    values has shape (columns, heaps); returns the new masses, some of them zero.
    """
    basis, _ = np.linalg.qr(values.T, mode="complete")
    free = np.ascontiguousarray(basis[:, len(values) :].T)  # directions w with values @ w = 0
    mass = mass.copy()
    for k in reversed(range(len(free))):
        # with a positive entry, so that some mass falls along it
        direction = free[k] if free[k].max() > 0 else -free[k]
        rising = np.flatnonzero(direction > 1e-13 * np.abs(direction).max())
        steps = mass[rising] / direction[rising]
        # the first heap to run empty: all others stay positive
        first = int(steps.argmin())
        out = rising[first]
        mass = np.maximum(mass - steps[first] * direction, 0.0)
        mass[out] = 0.0
        rest = free[:k]
        # the directions that are left must not move the emptied heap: one step of Gaussian
        # elimination
        rest -= (rest[:, out] / direction[out])[:, None] * direction
        rest[:, out] = 0.0
    return mass


def _powers(d: int, size: int) -> Ints:
    """Exponents of all monomials up to the highest total degree of which there are `size`."""
    degree = 1
    while math.comb(d + degree + 1, d) <= size:
        degree += 1
    return np.array(
        [p for p in itertools.product(range(degree + 1), repeat=d) if sum(p) <= degree],
        dtype=np.intp,
    )


def _polynomials(features: Floats, weight: Floats, powers: Ints) -> Floats:
    """Products of Hermite polynomials of the standardised features; about of size one."""
    mean = weight @ features
    sd = np.sqrt(weight @ (features - mean) ** 2)
    z = (features - mean) / np.where(sd > 0, sd, 1.0)
    one = [np.ones_like(z), z]
    for k in range(1, int(powers.max())):
        # normalised Hermite polynomials: k + 1 from k and k - 1, each of variance one under a
        # normal
        one.append((z * one[k] - math.sqrt(k) * one[k - 1]) / math.sqrt(k + 1.0))
    columns = [np.prod([one[k][:, i] for i, k in enumerate(each)], axis=0) for each in powers]
    return np.stack(columns, axis=1)
