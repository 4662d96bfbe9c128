"""Rows of counts by group in the order of the largest factor, and products of their effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels.factor_pairs import Pairs, Parts, make_pairs
from partialpool.kernels.families import Link
from partialpool.kernels.row_likelihood import DispersedRows, ExponentialRows, RowLikelihood


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """Rows of two factors other than the largest, by their pairs of groups.

    Parameters
    ----------
    first, second : int
        The factors; equal for a factor by itself.
    place : ndarray of int, shape (N,)
        Pair of each row.
    flat, mirrored : ndarray of int, shape (q_first, q_second, M)
        Where products of the effects of each pair stand in the stack of Schur complements, and
        where again on the other side of the diagonal.
    """

    first: int
    second: int
    place: Ints
    flat: Ints
    mirrored: Ints


@dataclass(frozen=True, eq=False)
class GroupedCounts:
    """Rows of counts in the order of the largest factor's groups.

    Parameters
    ----------
    link : Link
    y, size, base : ndarray, shape (N,)
        Events; trials or exposure; the part of eta that is known.
    x : ndarray, shape (N, p)
    index : tuple of ndarray of int, shape (N,)
        Group of each factor, the largest first.
    z : tuple of ndarray, shape (q, N)
    sizes : tuple of int
        Groups of each factor.
    starts : ndarray of int, shape (L,)
        First row of each of the largest factor's groups.
    pairs : Pairs, optional
        With several factors: the groups that share rows.
    meetings : tuple of Meeting
    dispersed : DispersedRows, optional
        The rows with a dispersion that is not known yet.
    """

    link: Link
    y: Floats
    size: Floats
    base: Floats
    x: Floats
    index: tuple[Ints, ...]
    z: tuple[Floats, ...]
    sizes: tuple[int, ...]
    starts: Ints
    pairs: Pairs | None
    meetings: tuple[Meeting, ...]
    dispersed: DispersedRows | None = None

    @cached_property
    def likelihood(self) -> RowLikelihood:
        """Of rows without a dispersion, off `best`."""
        return ExponentialRows(self.link, self.y, self.size, extra=-self.best)

    def with_dispersion(self, dispersion: float | None) -> RowLikelihood:
        """The likelihood at a dispersion, off `best`; that of rows that have none."""
        if self.dispersed is None:
            return self.likelihood
        assert dispersion is not None
        return self.dispersed.with_dispersion(dispersion, self.best)

    @property
    def n_others(self) -> int:
        """Length of r."""
        return sum(g * len(z) for g, z in zip(self.sizes[1:], self.z[1:], strict=True))

    @cached_property
    def best(self) -> Floats:
        """Highest log likelihood of each row by itself, (N,), off which log likelihoods are taken.

        No digits are then lost to large counts.
        """
        return self.link.best(self.y, np.where(self.size > 0, self.size, 1.0))

    @cached_property
    def columns(self) -> tuple[Ints, ...]:
        """Columns of r of each row, (q, N), for all factors but the largest."""
        out, begin = [], 0
        for index, z, size in zip(self.index[1:], self.z[1:], self.sizes[1:], strict=True):
            out.append(begin + index * len(z) + np.arange(len(z))[:, None])
            begin += size * len(z)
        return tuple(out)

    def over_groups(self, values: Floats) -> Floats:
        """Sums over the rows of each of the largest factor's groups; (..., N) to (..., L)."""
        return np.add.reduceat(values, self.starts, axis=-1)

    def repeated(self, values: Floats) -> Floats:
        """Values of the largest factor's groups for each of their rows; (..., L) to (..., N)."""
        return np.repeat(values, self.counts, axis=-1)

    @cached_property
    def counts(self) -> Ints:
        """Rows of each of the largest factor's groups."""
        return np.diff(self.starts, append=len(self.y))

    def over_effects(self, t: Sequence[Floats], values: Floats) -> tuple[Floats, Floats]:
        """U' times values (N,), U made of t: (q, L) for the largest factor, (n,) for the others."""
        others = np.zeros(self.n_others)
        for columns, own in zip(self.columns, t[1:], strict=True):
            products = (own * values).ravel()
            others += np.bincount(columns.ravel(), products, len(others))
        return self.over_groups(t[0] * values), others

    def at_rows(self, effects: Effects) -> list[Floats]:
        """Effects of the groups of each row, (q, N) of each factor."""
        v, r = effects
        return [self.repeated(v), *(r[columns] for columns in self.columns)]


Effects = tuple[Floats, Floats]
"""Of the largest factor's groups, (q, L), and of all others', (n,)."""


def grouped_counts(
    link: Link,
    counts: tuple[Floats, Floats, Floats],
    x: Floats,
    factors: Sequence[tuple[Ints, Floats, int]],
    dispersed: DispersedRows | None = None,
) -> GroupedCounts:
    """Find out which groups share rows.

    Parameters
    ----------
    link : Link
    counts : tuple of ndarray, shape (N,)
        Events; trials or exposure; the known part of eta.
    x : ndarray, shape (N, p)
    factors : sequence of tuple
        Group of each row, (N,), columns (N, q) and number of groups of each factor, the largest
        first, rows in the order of its groups.
    dispersed : DispersedRows, optional
    """
    index = tuple(i for i, _, _ in factors)
    z = tuple(np.ascontiguousarray(columns.T) for _, columns, _ in factors)
    sizes = tuple(size for _, _, size in factors)
    starts = np.flatnonzero(np.diff(index[0], prepend=-1))
    pairs, meetings = None, []
    if len(factors) > 1:
        widths = [len(each) for each in z]
        others = list(zip(index[1:], sizes[1:], widths[1:], strict=True))
        pairs = make_pairs(index[0], sizes[0], others, widths[0])
        begins = np.cumsum([0, *(g * w for _, g, w in others)])
        for a in range(len(others)):
            for b in range(a, len(others)):
                meetings.append(_meeting(pairs.parts, others, begins, a, b))
    return GroupedCounts(
        link, *counts, x, index, z, sizes, starts, pairs, tuple(meetings), dispersed
    )


def _meeting(
    parts: Parts, others: list[tuple[Ints, int, int]], begins: Ints, a: int, b: int
) -> Meeting:
    (i, _, q), (k, size, m) = others[a], others[b]
    key, place = np.unique(i * size + k, return_inverse=True)
    first = begins[a] + key // size * q + np.arange(q)[:, None]
    second = begins[b] + key % size * m + np.arange(m)[:, None]
    # and the transposed places, where the pair of factors fills a block off the diagonal
    flat = parts.place(first[:, None], second[None])
    return Meeting(a, b, place, flat, parts.place(second[None], first[:, None]))
