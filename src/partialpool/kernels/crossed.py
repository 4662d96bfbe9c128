"""The likelihood of crossed grouping factors: the largest one by one, the rest as one dense block.

The factor with the most groups is eliminated group by group. What that changes in the
cross-products of the rest is a linear function of the groups' q x q matrices, so it is one sparse
matrix, made once, times a vector. Then one dense Cholesky factorisation of the rest and [X y].

Source: Bates et al. (2015), doi:10.18637/jss.v067.i01, section 3, for the factorisation.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.kernels import batched_linalg
from partialpool.kernels.crossed_map import pairs_within, products_map
from partialpool.kernels.nested_factors import Functional, Reduced, of_unknown
from partialpool.kernels.normal_equations import System

CELLS_HELD = 2**24
"""Elements of dense matrices held at once (128 MiB)."""
CELLS_TOGETHER = 2**17
"""Elements of a node's dense matrices up to which nodes are worked on together: of penicillin's
crossed 24 x 6 that took 10 ms where one by one took 1.4 s, of 400 x 100 half the time."""
NODES_AT_ONCE = 8
"""Nodes whose groups are eliminated together, where the rest is large: one sparse product for all
of them."""
LARGE_MATRIX = 200
"""Dense matrices from this size on are factored one by one, in place, without a copy of all of
them."""


@dataclass(frozen=True, slots=True, eq=False)
class Crossed:
    """Crossed levels, the one to eliminate first; see `make_crossed`. n columns in the rest.

    Parameters
    ----------
    widths, sizes : tuple of int
        Columns q and groups L of each level.
    ztz : ndarray, shape (q, q, L)
    ztr : ndarray, shape (q, p + 1, L)
        Cross-products of the first level.
    beside : sparse, shape (q L, n)
        Its products with the rest, Z'U; row a L + l.
    map : sparse, shape (places, q (q + 1) / 2 * L)
        From the lower triangles of the groups' H to their part of U'Z H Z'U.
    places : ndarray of int
        Where those are in a flattened (n + p + 1)-square matrix.
    base : ndarray, shape (n + p + 1, n + p + 1)
        Lower triangle of the cross-products of ``[U X y]``.
    """

    widths: tuple[int, ...]
    sizes: tuple[int, ...]
    ztz: Floats
    ztr: Floats
    beside: scipy.sparse.csr_array
    map: scipy.sparse.csr_array
    places: Ints
    base: Floats

    @property
    def p(self) -> int:
        return int(self.ztr.shape[1]) - 1

    @property
    def rest(self) -> int:
        """Columns of the levels that are not eliminated first."""
        return len(self.base) - self.p - 1

    @property
    def seconds(self) -> float:
        """Rough duration of one evaluation among many."""
        n = len(self.base)
        fixed = 1e-5 + 1e-11 * n**3 + 4e-9 * n * n + 2e-8 * self.ztz.size
        return fixed + 2e-9 * float(self.map.nnz)

    def evaluate(self, factors: Sequence[Floats]) -> Reduced:
        """Integrate the groups out at G nodes; factors[i] has shape (G, q_i, q_i)."""
        nodes, last = len(factors[0]), self.p + 1
        step = max(
            1, min(CELLS_HELD // (100 * len(self.base) ** 2), CELLS_HELD // self.ztz[0].size)
        )
        # eliminating and factoring have memory of different size, and so each its own number of
        # nodes at a time
        batch = max(step, min(NODES_AT_ONCE, CELLS_HELD // self.map.shape[0]))
        room = np.empty((min(step, nodes), *self.base.shape))
        log_det, squares = np.empty(nodes), np.empty((nodes, last, last))
        for begin in range(0, nodes, batch):
            chosen = [f[begin : begin + batch] for f in factors]
            det, h, _ = self._eliminated(chosen[0])
            removed = self._removed(h)
            for g in range(0, len(det), step):
                part = slice(g, min(g + step, len(det)))
                rest = [f[part] for f in chosen[1:]]
                more, lower = self._factored(removed, part, rest, room)
                # the factor of [U X y]'s last block is that of what the groups leave of [X y]: its
                # square is [X y]'V^-1 [X y]
                tail = lower[:, -last:, -last:]
                at = slice(begin + part.start, begin + part.stop)
                log_det[at] = det[part] + more
                squares[at] = tail @ tail.transpose(0, 2, 1)
        return Reduced(log_det, squares)

    def _eliminated(self, factor: Floats) -> tuple[Floats, Floats, Floats]:
        """Log determinant of A = I + Lambda'Z'Z Lambda = C C' (G,); H = V'V and V = C^-1 Lambda'.

        H and V have shape (q, q, G, L).
        """
        # g: nodes, l: groups, k and j: columns as they are, m: columns after Lambda'
        left = np.einsum("gkm,kjl->mjgl", factor, self.ztz)
        a = np.einsum("mkgl,gkj->mjgl", left, factor)
        for k in range(len(a)):
            a[k, k] += 1.0
        lower = batched_linalg.cholesky(a)
        # |I + Lambda'Z'Z Lambda| is |V| by Sylvester's identity, for groups of any number of rows
        log_det = 2.0 * np.sum([np.log(lower[k, k]).sum(axis=-1) for k in range(len(a))], axis=0)
        q, groups = len(a), self.sizes[0]
        wide = np.broadcast_to(factor.transpose(2, 0, 1)[..., None], (q, len(factor), q, groups))
        v = batched_linalg.forward(lower, wide.copy())  # (q, G, q, L)
        return log_det, np.einsum("kgal,kgbl->abgl", v, v), v

    def _removed(self, h: Floats) -> tuple[Floats, Floats, Floats]:
        """``[U X y]'Z H Z'[U X y]``: values at `places`, rows beside them, and the corner.

        Shapes (places, G), (G, p + 1, n) and (G, p + 1, p + 1).
        """
        q, nodes = len(h), h.shape[2]
        entries = [(a, b) for a in range(q) for b in range(a + 1)]
        # lower triangle only: `products_map` has counted the other half in
        stacked = np.concatenate([h[a, b] for a, b in entries], axis=1)  # (G, entries L)
        hr = np.einsum("abgl,brl->algr", h, self.ztr)  # H Z'[X y]
        flat = hr.reshape(q * self.sizes[0], -1)
        # one sparse product for all nodes and right sides
        side = (self.beside.T @ flat).reshape(self.rest, nodes, -1)
        corner = np.einsum("arl,algs->grs", self.ztr, hr)
        return self.map @ stacked.T, side.transpose(1, 2, 0), corner

    def _factored(
        self,
        removed: tuple[Floats, Floats, Floats],
        part: slice,
        factors: list[Floats],
        room: Floats | None = None,
    ) -> tuple[Floats, Floats]:
        """Log determinants and Cholesky factors (G, m, m) of what is left of ``[U X y]``."""
        values, side, corner = removed
        n, nodes = self.rest, part.stop - part.start
        whole = np.empty((nodes, *self.base.shape)) if room is None else room[:nodes]
        whole[:] = self.base
        whole.reshape(nodes, -1)[:, self.places] = (
            self.base.ravel()[self.places] - values[:, part].T
        )
        whole[:, n:, :n] -= side[part]
        whole[:, n:, n:] -= corner[part]
        scale_blocks(whole, factors, self.sizes[1:])
        at = np.arange(n)
        # I + Lambda'(...)Lambda: the prior of standardised effects
        whole[:, at, at] += 1.0
        lower = _cholesky(whole)
        return 2.0 * np.log(lower[:, at, at]).sum(axis=1), lower

    def _one(self, factors: list[Floats]) -> tuple[Floats, Floats, Floats]:
        """Cholesky factor (m, m), H and V at one node."""
        _, h, v = self._eliminated(factors[0])
        _, lower = self._factored(self._removed(h), slice(0, 1), factors[1:])
        return lower[0], h, v

    def functional(
        self, factors: Sequence[Floats], index: Sequence[Ints], z: Sequence[Floats], x: Floats
    ) -> Functional:
        """Distribution given beta of ``x beta + sum_i z_i b_i[index_i]``; see `Tree.functional`."""
        nodes = len(factors[0])
        if all((each < 0).all() for each in index):
            return of_unknown(factors, index, z, x)
        constant, variance = np.empty((nodes, len(x))), np.empty((nodes, len(x)))
        coefficient = np.empty((nodes, *x.shape))
        rest = self._rest_rows(index, z)
        # of one node's dense arrays: rows by the rest, the rest squared, and Z'U
        cells = (len(x) + len(self.base)) * len(self.base) + self.sizes[0] * self.rest
        if cells <= CELLS_TOGETHER and self.rest < LARGE_MATRIX:
            dense = self.beside.toarray().reshape(self.widths[0], self.sizes[0], -1)
            for begin in range(0, nodes, max(1, CELLS_HELD // (4 * cells))):
                at = slice(begin, begin + max(1, CELLS_HELD // (4 * cells)))
                few = [f[at] for f in factors]
                constant[at], coefficient[at], variance[at] = self._functional_together(
                    few, index, z, x, rest.toarray(), dense
                )
            return Functional(constant, coefficient, variance)
        for g in range(nodes):
            one = [f[g : g + 1] for f in factors]
            c, b, v = self._functional(one, index, z, x, rest)
            constant[g], coefficient[g], variance[g] = c, b, v
        return Functional(constant, coefficient, variance)

    def _functional_together(
        self,
        factors: list[Floats],
        index: Sequence[Ints],
        z: Sequence[Floats],
        x: Floats,
        rest: Floats,
        beside: Floats,
    ) -> tuple[Floats, Floats, Floats]:
        """`_functional` at G nodes at once, with dense matrices; beside has shape (q, L, n).

        Sparse matrices take one node at a time, and a call of each costs more than the arithmetic
        where they are small: one stacked product and one stacked solve take their place.
        """
        n, p, nodes = self.rest, self.p, len(factors[0])
        _, h, _ = self._eliminated(factors[0])
        _, factored = self._factored(self._removed(h), slice(0, nodes), factors[1:])
        sizes, turned = self.sizes[1:], [f.transpose(0, 2, 1) for f in factors[1:]]
        constant, variance = np.zeros((nodes, len(x))), self._new(factors, index, z)
        coefficient = np.tile(x, (nodes, 1, 1))
        rows = np.tile(rest, (nodes, 1, 1))
        known = np.flatnonzero(index[0] >= 0)
        groups, weight = index[0][known], z[0][known]
        pulled = np.einsum("abgl,la->bgl", h[..., groups], weight)  # z'H
        # z'Hz: the variance of the first level's effects where those of the rest are known
        variance[:, known] += np.einsum("bgl,lb->gl", pulled, weight)
        # and their mean, z'H Z'(y - X beta - U u), one part at a time
        change = np.einsum("bgl,brl->glr", pulled, self.ztr[:, :, groups])
        constant[:, known] += change[..., p]
        coefficient[:, known] -= change[..., :p]
        # the part in u goes to the weights on the rest
        rows[:, known] -= np.einsum("bgl,bln->gln", pulled, beside[:, groups])
        lower = factored[:, :n, :n]
        # rows n.. of the factor are L^-1 [U X y] already: one more solve is the mean of
        # standardised u
        half = batched_linalg.stacked_backward(lower, factored[:, n:, :n].transpose(0, 2, 1))
        means = rows @ times_blocks(half, factors[1:], sizes)
        constant += means[..., p]
        coefficient -= means[..., :p]
        scaled = times_blocks(np.ascontiguousarray(rows.transpose(0, 2, 1)), turned, sizes)
        # a'Lambda (L L')^-1 Lambda'a as a sum of squares, which rounding cannot make negative
        variance += (batched_linalg.stacked_forward(lower, scaled) ** 2).sum(axis=1)
        return constant, coefficient, variance

    def _functional(
        self,
        factors: list[Floats],
        index: Sequence[Ints],
        z: Sequence[Floats],
        x: Floats,
        rest: scipy.sparse.csr_array,
    ) -> tuple[Floats, Floats, Floats]:
        n, p = self.rest, self.p
        factored, h, _ = self._one(factors)
        constant, variance = np.zeros(len(x)), self._new(factors, index, z)[0]
        coefficient, rows = x.copy(), rest
        known = np.flatnonzero(index[0] >= 0)
        groups = index[0][known]
        pulled = np.einsum("abl,la->bl", h[:, :, 0][:, :, groups], z[0][known])  # z'H
        if len(known):
            variance[known] += (pulled * z[0][known].T).sum(axis=0)
            change = np.einsum("bl,brl->lr", pulled, self.ztr[:, :, groups])
            constant[known] += change[:, p]
            coefficient[known] -= change[:, :p]
            rows = rest - self._spread(len(x), known, groups, pulled) @ self.beside
        lower, sizes = factored[:n, :n], self.sizes[1:]
        half = scipy.linalg.solve_triangular(lower, factored[n:, :n].T, lower=True, trans=1)
        means = rows @ times_blocks(half, factors[1:], sizes)
        constant += means[:, p]
        coefficient -= means[:, :p]
        # few rows: solving for each is cheaper than the inverse, which costs n solves
        if len(x) <= 2 * n:
            variance += _by_solving(rows, lower, factors[1:], sizes)
            return constant, coefficient, variance
        covariance = _inverse(lower, factors[1:], sizes)
        # all such rows of a group share a quadratic form, which is computed once for each group
        alone = np.diff(rest.indptr)[known] == 0  # rows of effects of the first level only
        of_groups = self._of_groups(covariance)[:, groups[alone]]
        variance[known[alone]] += _quadratic_form(of_groups, pulled[:, alone])
        others = np.setdiff1d(np.arange(len(x)), known[alone], assume_unique=True)
        variance[others] += _by_pairs(rows[others], covariance)
        return constant, coefficient, variance

    def _spread(
        self, size: int, known: Ints, groups: Ints, pulled: Floats
    ) -> scipy.sparse.csr_array:
        """Weights of rows on the first level's columns; sparse, (R, q L)."""
        q = len(pulled)
        columns = np.arange(q)[:, None] * self.sizes[0] + groups
        where = (np.tile(known, q), columns.ravel())
        return scipy.sparse.csr_array((pulled.ravel(), where), shape=(size, q * self.sizes[0]))

    def _of_groups(self, covariance: Floats) -> Floats:
        """Z'U covariance U'Z of each group of the first level: (q (q + 1) / 2, L).

        Entry ab, a > b, holds that of ab and of ba.
        """
        n, size = self.rest, len(self.base)
        row, column = np.divmod(self.places, size)
        # only the lower triangle is held: entries off the diagonal stand for both
        values = covariance.ravel()[row * n + column] * np.where(row == column, 1.0, 2.0)
        return np.asarray((self.map.T @ values).reshape(-1, self.sizes[0]))

    def draw(
        self, factors: Sequence[Floats], beta: Floats, sigma: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """Draw every group's effects given beta and the spreads, one a node; see `Tree.draw`."""
        sizes = list(zip(self.sizes, self.widths, strict=True))
        out = [np.empty((len(beta), size, q)) for size, q in sizes]
        n, cells = self.rest, len(self.base) ** 2 + self.sizes[0] * self.rest
        if cells <= CELLS_TOGETHER and n < LARGE_MATRIX:
            step = max(1, CELLS_HELD // (4 * cells))
            for begin in range(0, len(beta), step):
                at = slice(begin, begin + step)
                few = [f[at] for f in factors]
                for each, drawn in zip(
                    out, self._draw_together(few, beta[at], sigma[at], rng), strict=True
                ):
                    each[at] = drawn
            return out
        ends = np.cumsum([size * q for size, q in sizes[1:]])[:-1]
        for g in range(len(beta)):
            one = [f[g : g + 1] for f in factors]
            lower, h, v = self._one(one)
            half = lower[-1, :n] - beta[g] @ lower[n:-1, :n]
            # L'u = half + sigma e has mean L'^-1 half and covariance sigma^2 (L L')^-1
            half = half + sigma[g] * rng.standard_normal(n)
            u = scipy.linalg.solve_triangular(lower[:n, :n], half, lower=True, trans=1)
            effects = []
            for m, part in enumerate(np.split(u, ends), start=1):
                out[m][g] = part.reshape(sizes[m]) @ one[m][0].T
                effects.append(out[m][g].ravel())
            right = self.ztr[:, -1] - np.einsum("qpl,p->ql", self.ztr[:, :-1], beta[g])
            right -= (self.beside @ np.concatenate(effects)).reshape(right.shape)
            noise = sigma[g] * rng.standard_normal(right.shape)
            mean = np.einsum("abl,bl->al", h[:, :, 0], right)
            out[0][g] = (mean + np.einsum("kal,kl->al", v[:, 0], noise)).T
        return out

    def _draw_together(
        self, factors: list[Floats], beta: Floats, sigma: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """`draw` at S nodes at once."""
        n, size = self.rest, len(beta)
        _, h, v = self._eliminated(factors[0])
        _, lower = self._factored(self._removed(h), slice(0, size), factors[1:])
        half = lower[:, -1, :n] - np.einsum("gp,gpn->gn", beta, lower[:, n:-1, :n])
        half += sigma[:, None] * rng.standard_normal((size, n))
        u = batched_linalg.stacked_backward(lower[:, :n, :n], half[..., None])
        effects = times_blocks(u, factors[1:], self.sizes[1:])[..., 0]
        right = self.ztr[:, -1][:, None] - np.einsum("qpl,gp->qgl", self.ztr[:, :-1], beta)
        beside = (self.beside @ effects.T).reshape(len(right), self.sizes[0], size)
        right -= beside.transpose(0, 2, 1)
        noise = sigma[:, None] * rng.standard_normal(right.shape)
        mean = np.einsum("abgl,bgl->agl", h, right)
        first = mean + np.einsum("kgal,kgl->agl", v, noise)
        out, at = [first.transpose(1, 2, 0)], 0
        for groups, q in zip(self.sizes[1:], self.widths[1:], strict=True):
            out.append(effects[:, at : at + groups * q].reshape(size, groups, q))
            at += groups * q
        return out

    def _rest_rows(self, index: Sequence[Ints], z: Sequence[Floats]) -> scipy.sparse.csr_array:
        """The known groups' weights on the rest's columns; sparse, (R, n)."""
        at, places, rows, values = 0, [], [], []
        for size, q, each, weight in zip(
            self.sizes[1:], self.widths[1:], index[1:], z[1:], strict=True
        ):
            known = np.flatnonzero(each >= 0)
            places.append((at + each[known, None] * q + np.arange(q)).ravel())
            rows.append(np.repeat(known, q))
            values.append(weight[known].ravel())
            at += size * q
        where = (np.concatenate(rows), np.concatenate(places))
        return scipy.sparse.csr_array((np.concatenate(values), where), shape=(len(index[0]), at))

    def _new(self, factors: list[Floats], index: Sequence[Ints], z: Sequence[Floats]) -> Floats:
        """Variance of the effects of new groups at each node, (G, R)."""
        out = np.zeros((len(factors[0]), len(index[0])))
        for factor, each, weight in zip(factors, index, z, strict=True):
            new = each == -1
            # of no data: the prior's variance z'Lambda Lambda'z
            out[:, new] += ((weight[new] @ factor) ** 2).sum(axis=2)
        return out


def _cholesky(whole: Floats) -> Floats:
    """Factors of (G, m, m) lower triangles, nan where there is none; overwrites large ones."""
    if whole.shape[1] < LARGE_MATRIX:
        return batched_linalg.stacked_cholesky(whole)
    for matrix in whole:
        # LAPACK reads columns: the transposed view of a C-ordered matrix is passed without a copy,
        # and its upper factor is our lower one
        _, failed = scipy.linalg.lapack.dpotrf(matrix.T, lower=0, clean=1, overwrite_a=1)
        if failed:
            matrix[:] = np.nan
    return whole


def scale_blocks(whole: Floats, factors: Sequence[Floats], sizes: Sequence[int]) -> None:
    """Multiply both sides of (G, m, m) lower triangles by Lambda in place, block by block."""
    ends = np.cumsum([0, *(f.shape[1] * size for f, size in zip(factors, sizes, strict=True))])
    blocks = [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]
    if all(f.shape[1] == 1 for f in factors):
        for i, (at, f) in enumerate(zip(blocks, factors, strict=True)):
            for beside, other in zip(blocks[: i + 1], factors, strict=False):
                whole[:, at, beside] *= f * other
            whole[:, ends[-1] :, at] *= f
        return
    # Lambda' M Lambda needs all of M: the upper triangle is made from the lower
    whole += np.tril(whole, -1).transpose(0, 2, 1) - np.triu(whole, 1)
    for at, f, size in zip(blocks, factors, sizes, strict=True):
        q = f.shape[1]
        rows = whole[:, at].reshape(len(whole), size, q, -1)
        new = np.einsum("gka,glkc->glac", f, rows)
        whole[:, at] = new.reshape(len(whole), size * q, -1)
        columns = whole[:, :, at].reshape(len(whole), -1, size, q)
        whole[:, :, at] = (columns @ f[:, None]).reshape(len(whole), -1, size * q)


def times_blocks(columns: Floats, factors: Sequence[Floats], sizes: Sequence[int]) -> Floats:
    """Lambda times columns (G, n, r), or (n, r) of one node: from standardised to plain effects."""
    if columns.ndim == 2:
        return np.asarray(times_blocks(columns[None], factors, sizes)[0])
    out, at = np.empty_like(columns), 0
    for f, size in zip(factors, sizes, strict=True):
        q, here = f.shape[1], slice(at, at + size * f.shape[1])
        part = columns[:, here].reshape(len(columns), size, q, -1)
        out[:, here] = (f[:, None] @ part).reshape(len(columns), size * q, -1)
        at += size * q
    return out


def _by_solving(
    rows: scipy.sparse.csr_array, lower: Floats, factors: Sequence[Floats], sizes: Sequence[int]
) -> Floats:
    """A' Lambda (L L')^-1 Lambda' a for each of few rows a."""
    turned = [f.transpose(0, 2, 1) for f in factors]
    out = np.empty(rows.shape[0])
    step = max(1, CELLS_HELD // max(len(lower), 1))
    for i in range(0, len(out), step):
        dense = times_blocks(rows[i : i + step].toarray().T, turned, sizes)
        out[i : i + step] = (scipy.linalg.solve_triangular(lower, dense, lower=True) ** 2).sum(
            axis=0
        )
    return out


def _inverse(lower: Floats, factors: Sequence[Floats], sizes: Sequence[int]) -> Floats:
    """Lambda (L L')^-1 Lambda', the lower triangle; (n, n)."""
    copied = np.ascontiguousarray(lower)
    # from the factor to the inverse in place; of the transposed view again
    inverse, _ = scipy.linalg.lapack.dpotri(copied.T, lower=0, overwrite_c=1)
    covariance = np.asarray(inverse.T)
    scale_blocks(covariance[None], [f.transpose(0, 2, 1) for f in factors], sizes)
    return covariance


def _quadratic_form(entries: Floats, weight: Floats) -> Floats:
    """The form w'M w: M (q (q + 1) / 2, R), entries off the diagonal twice, and w (q, R)."""
    pairs = [(a, b) for a in range(len(weight)) for b in range(a + 1)]
    terms = [e * weight[a] * weight[b] for e, (a, b) in zip(entries, pairs, strict=True)]
    return np.asarray(np.sum(terms, axis=0))


def _by_pairs(rows: scipy.sparse.csr_array, covariance: Floats) -> Floats:
    """A' C a for each sparse row a, from the lower triangle of C."""
    rows.sort_indices()
    out = np.zeros(rows.shape[0])
    # a row with m entries has m (m + 1) / 2 pairs
    cost = np.cumsum(np.diff(rows.indptr).astype(np.float64) ** 2)
    ends = (
        np.searchsorted(cost, np.arange(CELLS_HELD, cost[-1], CELLS_HELD))
        if len(cost)
        else cost[:0]
    )
    begin = 0
    for end in np.unique(np.append(ends, len(out))):
        part = rows[begin : int(end) + 1]
        j, k, row = pairs_within(part.indptr)
        value = part.data[j] * part.data[k] * np.where(j == k, 1.0, 2.0)
        value *= covariance[part.indices[j], part.indices[k]]
        out[begin : begin + part.shape[0]] = np.bincount(row, value, minlength=part.shape[0])
        begin += part.shape[0]
    return out


def make_crossed(system: System) -> Crossed:
    """Lay out the rest's columns and make the sparse map."""
    first, others = system.levels[0], system.levels[1:]
    ends = np.cumsum([0, *(level.size * level.q for level in others)])
    n, last = int(ends[-1]), system.p + 1
    base = _base(system, ends, n + last)
    rows, columns, values = [], [], []
    for m, level in enumerate(others, start=1):
        pair = system.pairs[0, m]
        # columns of the rest: level by level, group by group, effects of a group beside each other
        where = ends[m - 1] + pair.k[:, None, None] * level.q + np.arange(level.q)
        row = pair.i[:, None, None] + first.size * np.arange(first.q)[:, None]
        shape = pair.products.shape
        rows.append(np.broadcast_to(row, shape).ravel())
        columns.append(np.broadcast_to(where, shape).ravel())
        values.append(pair.products.ravel())
    at = (np.concatenate(rows), np.concatenate(columns))
    beside = scipy.sparse.csr_array((np.concatenate(values), at), shape=(first.q * first.size, n))
    mapping, places = products_map(beside, first.q, first.size, n + last)
    return Crossed(
        widths=tuple(level.q for level in system.levels),
        sizes=tuple(level.size for level in system.levels),
        ztz=np.ascontiguousarray(first.ztz.transpose(1, 2, 0)),
        ztr=np.ascontiguousarray(first.ztr.transpose(1, 2, 0)),
        beside=beside,
        map=mapping,
        places=places,
        base=base,
    )


def _base(system: System, ends: Ints, size: int) -> Floats:
    """Cross-products of ``[U X y]``; the diagonal blocks and the lower triangle."""
    base = np.zeros((size, size))
    n = int(ends[-1])
    base[n:, n:] = system.total
    for m, level in enumerate(system.levels[1:], start=1):
        at = ends[m - 1] + np.arange(level.size)[:, None] * level.q + np.arange(level.q)  # (L, q)
        base[at[:, :, None], at[:, None, :]] = level.ztz
        base[n:, at.ravel()] = level.ztr.transpose(2, 0, 1).reshape(size - n, -1)
        for k in range(m + 1, len(system.levels)):
            pair, other = system.pairs[m, k], system.levels[k]
            row = ends[k - 1] + pair.k[:, None] * other.q + np.arange(other.q)
            base[row[:, :, None], at[pair.i][:, None, :]] = pair.products.transpose(0, 2, 1)
    return base
