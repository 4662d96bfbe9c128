"""Products C between the largest factor's effects v and all others' r, in H = [[D, C], [C', R]].

D is block-diagonal by the groups of the largest factor. Only groups that share rows have products.
Where most do, C is an array (`DensePairs`); else a list of its entries (`SparsePairs`), and r falls
into parts that share no rows with each other, as the upper groups of a nested model do: the Schur
complement is then one small matrix a part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels import batched_linalg

PRODUCTS_AT_ONCE = 2**21
"""Products of two entries of C that are held at once, at 40 bytes each."""
PLACES_HELD = 2**23
"""Products of two entries up to which their places are computed once; beyond, at every use."""
DENSE_CELLS = 2**23
"""Entries of the largest array C (64 MiB)."""
ARRAY_GAIN = 40.0
"""How many times faster a product of two entries is in an array than in a list: measured 30 to 60
for 20 to 2,000 columns. Where it is wrong, time can double; no number changes."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The n columns of r in parts that share no rows, each padded to the same width.

    Parameters
    ----------
    part, slot : ndarray of int, shape (n,)
        Part of each column, and its place there.
    number, width : int
    """

    part: Ints
    slot: Ints
    number: int
    width: int

    def place(self, first: Ints, second: Ints) -> Ints:
        """Flat places in the stack (number, width, width) of entries of a matrix over r."""
        row = self.part[first] * self.width + self.slot[first]
        return np.asarray(row * self.width + self.slot[second])

    def stacked(self, r: Floats) -> Floats:
        """A vector over r as (number, width), zero in the padding."""
        out = np.zeros((self.number, self.width))
        out[self.part, self.slot] = r
        return out

    def unstacked(self, stack: Floats) -> Floats:
        """Back to a vector over r."""
        return np.asarray(stack[self.part, self.slot])


def make_parts(group: Ints, column: Ints, groups: int, n: int) -> Parts:
    """Find the parts from the pairs of groups of the largest factor and columns of r, (M,) each."""
    from scipy.sparse import coo_array, csgraph

    graph = coo_array(
        (np.ones(len(group), dtype=np.int8), (group, groups + column)), shape=(groups + n,) * 2
    )
    # groups of the largest factor and columns of r that share rows are joined: a component has no
    # products with others, and its Schur complement is a block of its own
    _, label = csgraph.connected_components(graph, directed=False)
    _, component = np.unique(label[groups:], return_inverse=True)
    counts = np.bincount(component)
    width = int(counts.max())
    # components of which k fit into the widest one's place share parts of k, so that padding
    # takes at most about as much as what it pads
    fit = width // counts
    order = np.argsort(fit, kind="stable")
    rank = np.empty_like(order)
    start = np.searchsorted(fit[order], fit[order])
    rank[order] = np.arange(len(order)) - start
    kinds, members = np.unique(fit, return_counts=True)
    # rounded up: the last part of a kind may have room left
    needed = -(-members // kinds)
    base = (np.cumsum(needed) - needed)[np.searchsorted(kinds, fit)]
    # place of a component inside its part
    begin = rank % fit * (width // fit)
    by_component = np.argsort(component, kind="stable")
    within = np.empty(n, dtype=np.intp)
    within[by_component] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    part = (base + rank // fit)[component]
    return Parts(part, begin[component] + within, int(needed.sum()), width)


@dataclass(frozen=True, eq=False)
class Pairs(ABC):
    """The pattern of C.

    Parameters
    ----------
    places : tuple of ndarray of int, shape (N,)
        For each other factor the place of each row's pair of groups.
    counts : tuple of int
        Number of these places M.
    widths : tuple of int
        Effects a group of each other factor.
    sizes : tuple of int
        Groups of each other factor.
    parts : Parts
    """

    places: tuple[Ints, ...]
    counts: tuple[int, ...]
    widths: tuple[int, ...]
    sizes: tuple[int, ...]
    parts: Parts

    @abstractmethod
    def gathered(self, sums: Sequence[Floats]) -> Floats:
        """C, (q, 1, r, m), from sums over the rows of each pair, (q, q_l, M) of each factor.

        The last axis goes with `lower_for`.
        """

    @abstractmethod
    def by_pair(self, c: Floats) -> list[Floats]:
        """Back to (q, q_l, M) of each factor."""

    @abstractmethod
    def lower_for(self, lower: Floats) -> Floats:
        """Cholesky factors of D, (q, q, 1, L), repeated along the last axis of C."""

    @abstractmethod
    def subtract_gram(self, stack: Floats, half: Floats) -> None:
        """Take half' half off the stack (number, width, width), in place."""

    @abstractmethod
    def times(self, c: Floats, r: Floats) -> Floats:
        """C r, (q, L)."""

    @abstractmethod
    def transposed_times(self, c: Floats, v: Floats) -> Floats:
        """C' v, shape (n,)."""

    @abstractmethod
    def times_inverse(self, c: Floats, stack: Floats) -> tuple[Floats, Floats]:
        """M = C times the stack in the pattern of C, and the blocks of M C', (q, q, L)."""


@dataclass(frozen=True, eq=False)
class DensePairs(Pairs):
    """C as an array (q, 1, n, L)."""

    groups: int

    def gathered(self, sums: Sequence[Floats]) -> Floats:
        """As `Pairs`."""
        q = len(sums[0])
        shaped = zip(sums, self.sizes, self.widths, strict=True)
        parts = [
            each.reshape(q, w, g, self.groups).swapaxes(1, 2).reshape(q, g * w, self.groups)
            for each, g, w in shaped
        ]
        return np.concatenate(parts, axis=1)[:, None]

    def by_pair(self, c: Floats) -> list[Floats]:
        """As `Pairs`."""
        q, out, begin = len(c), [], 0
        for g, w in zip(self.sizes, self.widths, strict=True):
            block = c[:, 0, begin : begin + g * w].reshape(q, g, w, self.groups)
            out.append(block.swapaxes(1, 2).reshape(q, w, g * self.groups))
            begin += g * w
        return out

    def lower_for(self, lower: Floats) -> Floats:
        """As `Pairs`."""
        return lower

    def subtract_gram(self, stack: Floats, half: Floats) -> None:
        """As `Pairs`."""
        for each in half[:, 0]:
            # half has an axis of effects of the largest factor: one product for each
            stack[0] -= each @ each.T

    def times(self, c: Floats, r: Floats) -> Floats:
        """As `Pairs`."""
        return np.asarray(r @ c[:, 0])

    def transposed_times(self, c: Floats, v: Floats) -> Floats:
        """As `Pairs`."""
        return np.asarray(sum(ck @ vk for ck, vk in zip(c[:, 0], v, strict=True)))

    def times_inverse(self, c: Floats, stack: Floats) -> tuple[Floats, Floats]:
        """As `Pairs`."""
        m = stack[0] @ c[:, 0]
        return m[:, None], np.einsum("anl,bnl->abl", m, c[:, 0])


@dataclass(frozen=True, eq=False)
class SparsePairs(Pairs):
    """C as the entries (q, 1, 1, nnz) of a list sorted by group.

    Parameters
    ----------
    group, column : ndarray of int, shape (nnz,)
    starts : ndarray of int, shape (L,)
        First entry of each group.
    order : ndarray of int, shape (nnz,)
        Places of the entries in the sums over pairs, those of all factors in a row.
    """

    group: Ints
    column: Ints
    starts: Ints
    order: Ints

    def gathered(self, sums: Sequence[Floats]) -> Floats:
        """As `Pairs`."""
        q = len(sums[0])
        return np.concatenate([s.reshape(q, -1) for s in sums], axis=1)[:, None, None, self.order]

    def by_pair(self, c: Floats) -> list[Floats]:
        """As `Pairs`."""
        q = len(c)
        flat = np.empty((q, len(self.order)))
        flat[:, self.order] = c[:, 0, 0]
        ends = np.cumsum([m * w for m, w in zip(self.counts, self.widths, strict=True)])[:-1]
        pieces = zip(np.split(flat, ends, axis=1), self.widths, strict=True)
        return [piece.reshape(q, w, -1) for piece, w in pieces]

    def lower_for(self, lower: Floats) -> Floats:
        """As `Pairs`."""
        return np.asarray(lower[..., self.group])

    def subtract_gram(self, stack: Floats, half: Floats) -> None:
        """As `Pairs`."""
        flat = stack.reshape(-1)
        for first, second, place, _ in self._products():
            # e: pairs of entries of the same group, k: effects of that group
            values = np.einsum("ke,ke->e", half[:, 0, 0, first], half[:, 0, 0, second])
            flat -= np.bincount(place, values, flat.size)

    def times(self, c: Floats, r: Floats) -> Floats:
        """As `Pairs`."""
        return np.add.reduceat(c[:, 0, 0] * r[self.column], self.starts, axis=1)

    def transposed_times(self, c: Floats, v: Floats) -> Floats:
        """As `Pairs`."""
        values = np.einsum("ke,ke->e", c[:, 0, 0], v[:, self.group])
        return np.asarray(np.bincount(self.column, values, len(self.parts.part)), dtype=np.float64)

    def times_inverse(self, c: Floats, stack: Floats) -> tuple[Floats, Floats]:
        """As `Pairs`."""
        flat, entries = stack.reshape(-1), c[:, 0, 0]
        m = np.concatenate(
            [
                np.add.reduceat(entries[:, first] * flat[place], begin, axis=1)
                for first, _, place, begin in self._products()
            ],
            axis=1,
        )
        block = np.add.reduceat(m[:, None] * entries, self.starts, axis=2)
        return m[:, None, None], block

    def _products(self) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
        """Every pair of entries of the same group, by second entry, some at a time.

        First and second entry, the place of their columns in the stack, and where each second
        entry begins.
        """
        if self._number <= PLACES_HELD:
            yield from self._remembered
        else:
            yield from self._made()

    @cached_property
    def _lengths(self) -> Ints:
        counts = np.diff(self.starts, append=len(self.group))
        return np.asarray(counts[self.group])

    @property
    def _number(self) -> int:
        return int(self._lengths.sum())

    @cached_property
    def _remembered(self) -> list[tuple[Ints, Ints, Ints, Ints]]:
        return list(self._made())

    def _made(self) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
        ends = np.cumsum(self._lengths)
        begin = 0
        while begin < len(ends):
            before = int(ends[begin - 1]) if begin else 0
            end = max(
                begin + 1, int(np.searchsorted(ends, before + PRODUCTS_AT_ONCE, side="right"))
            )
            lengths = self._lengths[begin:end]
            starts = np.cumsum(lengths) - lengths
            offset = self.starts[self.group[begin:end]] - starts
            first = np.repeat(offset, lengths) + np.arange(int(lengths.sum()))
            second = np.repeat(np.arange(begin, end), lengths)
            place = self.parts.place(self.column[first], self.column[second])
            yield first, second, place, starts
            begin = end


def make_pairs(
    group: Ints, groups: int, others: Sequence[tuple[Ints, int, int]], width: int
) -> Pairs:
    """Find out which groups share rows, and how C is best held.

    Parameters
    ----------
    group : ndarray of int, shape (N,)
        Group of the largest factor of each row, rising.
    groups : int
    others : sequence of tuple
        Group of each row, (N,), number of groups and effects a group of each other factor.
    width : int
        Effects a group of the largest factor.
    """
    sizes, widths = tuple(g for _, g, _ in others), tuple(w for _, _, w in others)
    n = sum(g * w for g, w in zip(sizes, widths, strict=True))
    keys, places, entries, begin = [], [], [], 0
    for index, size, w in others:
        # one number for every pair of groups that shares rows
        key, place = np.unique(group * size + index, return_inverse=True)
        keys.append((key // size, key % size))
        places.append(place)
        columns = begin + keys[-1][1] * w + np.arange(w)[:, None]
        entries.append((np.tile(keys[-1][0], w), columns.ravel()))
        begin += size * w
    row, column = (np.concatenate(each) for each in zip(*entries, strict=True))
    parts = make_parts(row, column, groups, n)
    counts = np.bincount(row, minlength=groups).astype(np.float64)
    if (
        parts.number == 1
        and width * groups * n <= DENSE_CELLS
        # work as an array, and as a list: each group's entries with each other
        and groups * n**2 <= ARRAY_GAIN * float(counts @ counts)
    ):
        whole = Parts(np.zeros(n, dtype=np.intp), np.arange(n), 1, n)
        dense = tuple(index * groups + group for index, _, _ in others)
        return DensePairs(dense, tuple(g * groups for g in sizes), widths, sizes, whole, groups)
    # by group, then by column: `reduceat` sums over a group's entries
    order = np.lexsort((column, row))
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    number = tuple(len(key) for key, _ in keys)
    held = row[order], column[order], starts, order
    return SparsePairs(tuple(places), number, widths, sizes, parts, *held)


def divided(pairs: Pairs, lower: Floats, c: Floats) -> tuple[Floats, Floats]:
    """L^-1 C and D^-1 C for D = L L', (q, q, 1, L)."""
    factors = pairs.lower_for(lower)
    half = batched_linalg.forward(factors, c.copy())
    return half, batched_linalg.backward(factors, half.copy())
