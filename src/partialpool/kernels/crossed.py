"""The likelihood of crossed grouping factors: the largest one by one, the rest as one dense block.

The factor with the most groups is eliminated group by group. What that changes in the
cross-products of the rest is a linear function of the groups' q x q matrices, so it is one sparse
matrix, made once, times a vector. Then one dense Cholesky factorisation of the rest and [X y].

Source: Bates et al. (2015), doi:10.18637/jss.v067.i01, section 3, for the factorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from partialpool._typing import Floats, Ints
from partialpool.kernels import small
from partialpool.kernels.system import System
from partialpool.kernels.tree import Functional, Reduced

HELD = 2**24
"""Elements of dense matrices held at once."""
LARGE = 200
"""Dense matrices from this size on are factored one by one, in place."""


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
    beside: sparse.csr_array
    map: sparse.csr_array
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
        step = max(1, min(HELD // (100 * len(self.base) ** 2), HELD // self.ztz[0].size))
        log_det, squares = np.empty(nodes), np.empty((nodes, last, last))
        for g in range(0, nodes, step):
            part = slice(g, g + step)
            log_det[part], lower, _, _ = self._factored([f[part] for f in factors])
            tail = lower[:, -last:, -last:]
            squares[part] = tail @ tail.transpose(0, 2, 1)
        return Reduced(log_det, squares)

    def _factored(self, factors: list[Floats]) -> tuple[Floats, Floats, Floats, Floats]:
        """Log determinants, Cholesky factors of what is left of ``[U X y]``, and H and V."""
        lower, h, v = self._eliminated(factors[0])
        log_det = 2.0 * sum(np.log(lower[k, k]).sum(axis=-1) for k in range(len(lower)))
        whole = self._remaining(h)
        scale_blocks(whole, factors[1:], self.sizes[1:])
        at = np.arange(self.rest)
        whole[:, at, at] += 1.0
        found = _cholesky(whole)
        log_det = log_det + 2.0 * np.log(found[:, at, at]).sum(axis=1)
        return log_det, found, h, v

    def _eliminated(self, factor: Floats) -> tuple[Floats, Floats, Floats]:
        """Factor of I + Lambda'Z'Z Lambda, (q, q, G, L), with H = V'V and V = factor^-1 Lambda'."""
        left = np.einsum("gkm,kjl->mjgl", factor, self.ztz)
        a = np.einsum("mkgl,gkj->mjgl", left, factor)
        for k in range(len(a)):
            a[k, k] += 1.0
        lower = small.cholesky(a)
        q, groups = len(a), self.sizes[0]
        wide = np.broadcast_to(factor.transpose(2, 0, 1)[..., None], (q, len(factor), q, groups))
        v = small.forward(lower, wide.copy())  # (q, G, q, L)
        return lower, np.einsum("kgal,kgbl->abgl", v, v), v

    def _remaining(self, h: Floats) -> Floats:
        """``[U X y]'[U X y] - [U X y]'Z H Z'[U X y]``, lower triangles, (G, m, m)."""
        q, nodes, n = len(h), h.shape[2], self.rest
        whole = np.tile(self.base, (nodes, 1, 1))
        entries = [(a, b) for a in range(q) for b in range(a + 1)]
        stacked = np.concatenate([h[a, b] for a, b in entries], axis=1)  # (G, entries L)
        whole.reshape(nodes, -1)[:, self.places] -= (self.map @ stacked.T).T
        hr = np.einsum("abgl,brl->algr", h, self.ztr)  # H Z'[X y]
        flat = hr.reshape(q * self.sizes[0], -1)
        side = (self.beside.T @ flat).reshape(n, nodes, -1)
        whole[:, n:, :n] -= side.transpose(1, 2, 0)
        whole[:, n:, n:] -= np.einsum("arl,algs->grs", self.ztr, hr)
        return whole

    def functional(
        self, factors: Sequence[Floats], index: Sequence[Ints], z: Sequence[Floats], x: Floats
    ) -> Functional:
        """Distribution given beta of ``x beta + sum_i z_i b_i[index_i]``; see `Tree.functional`."""
        nodes = len(factors[0])
        constant, variance = np.empty((nodes, len(x))), np.empty((nodes, len(x)))
        coefficient = np.empty((nodes, *x.shape))
        for g in range(nodes):
            one = [f[g : g + 1] for f in factors]
            c, b, v = self._functional(one, index, z, x)
            constant[g], coefficient[g], variance[g] = c, b, v
        return Functional(constant, coefficient, variance)

    def _functional(
        self, factors: list[Floats], index: Sequence[Ints], z: Sequence[Floats], x: Floats
    ) -> tuple[Floats, Floats, Floats]:
        n, p = self.rest, self.p
        _, found, h, _ = self._factored(factors)
        lower = found[0, :n, :n]
        rows = self._rest_rows(index, z)
        constant, variance = np.zeros(len(x)), self._new(factors, index, z)
        coefficient = x.copy()
        known = np.flatnonzero(index[0] >= 0)
        if len(known):
            groups = index[0][known]
            pulled = np.einsum("abl,la->lb", h[:, :, 0][:, :, groups], z[0][known])  # z'H
            variance[known] += (pulled * z[0][known]).sum(axis=1)
            change = np.einsum("lb,brl->lr", pulled, self.ztr[:, :, groups])
            constant[known] += change[:, p]
            coefficient[known] -= change[:, :p]
            spread = sparse.csr_array(
                (
                    pulled.T.ravel(),
                    (
                        np.tile(known, len(h)),
                        (np.arange(len(h))[:, None] * self.sizes[0] + groups).ravel(),
                    ),
                ),
                shape=(len(x), self.beside.shape[0]),
            )
            rows = rows - spread @ self.beside
        scaled = _times_blocks(rows, factors[1:], self.sizes[1:])
        means = linalg.solve_triangular(lower, found[0, n:, :n].T, lower=True, trans=1)
        solved = scaled @ means
        constant += solved[:, p]
        coefficient -= solved[:, :p]
        variance += _quadratic(scaled, lower)
        return constant, coefficient, variance

    def draw(
        self, factors: Sequence[Floats], beta: Floats, sigma: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """Draw every group's effects given beta and the spreads, one a node; see `Tree.draw`."""
        sizes = list(zip(self.sizes, self.widths, strict=True))
        out = [np.empty((len(beta), size, q)) for size, q in sizes]
        n = self.rest
        ends = np.cumsum([size * q for size, q in sizes[1:]])[:-1]
        for g in range(len(beta)):
            one = [f[g : g + 1] for f in factors]
            _, found, h, v = self._factored(one)
            half = found[0, -1, :n] - beta[g] @ found[0, n:-1, :n]
            half = half + sigma[g] * rng.standard_normal(n)
            u = linalg.solve_triangular(found[0, :n, :n], half, lower=True, trans=1)
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

    def _rest_rows(self, index: Sequence[Ints], z: Sequence[Floats]) -> sparse.csr_array:
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
        return sparse.csr_array((np.concatenate(values), where), shape=(len(index[0]), at))

    def _new(self, factors: list[Floats], index: Sequence[Ints], z: Sequence[Floats]) -> Floats:
        """Variance of the effects of new groups."""
        out = np.zeros(len(index[0]))
        for factor, each, weight in zip(factors, index, z, strict=True):
            new = each == -1
            out[new] += ((weight[new] @ factor[0]) ** 2).sum(axis=1)
        return out


def _cholesky(whole: Floats) -> Floats:
    """Factors of (G, m, m) lower triangles, nan where there is none; overwrites large ones."""
    if whole.shape[1] < LARGE:
        return small.stacked_cholesky(whole)
    for matrix in whole:
        _, failed = linalg.lapack.dpotrf(matrix.T, lower=0, clean=1, overwrite_a=1)
        if failed:
            matrix[:] = np.nan
    return whole


def scale_blocks(whole: Floats, factors: Sequence[Floats], sizes: Sequence[int]) -> None:
    """Multiply both sides of (G, m, m) lower triangles by Lambda in place, block by block."""
    if all(f.shape[1] == 1 for f in factors):
        s = np.concatenate(
            [np.repeat(f[:, 0], size, axis=1) for f, size in zip(factors, sizes, strict=True)],
            axis=1,
        )
        n = s.shape[1]
        whole[:, :n, :n] *= s[:, :, None]
        whole[:, :, :n] *= s[:, None, :]
        return
    whole += np.tril(whole, -1).transpose(0, 2, 1) - np.triu(whole, 1)
    at = 0
    for f, size in zip(factors, sizes, strict=True):
        q = f.shape[1]
        end = at + size * q
        rows = whole[:, at:end].reshape(len(whole), size, q, -1)
        whole[:, at:end] = np.einsum("gka,glkc->glac", f, rows).reshape(len(whole), end - at, -1)
        columns = whole[:, :, at:end].reshape(len(whole), -1, size, q)
        whole[:, :, at:end] = (columns @ f[:, None]).reshape(len(whole), -1, end - at)
        at = end


def _times_blocks(
    rows: sparse.csr_array, factors: Sequence[Floats], sizes: Sequence[int]
) -> sparse.csr_array:
    """Rows on the effects to rows on the standardised effects: times Lambda, block by block."""
    blocks = [
        sparse.kron(sparse.eye_array(size), f[0]) for f, size in zip(factors, sizes, strict=True)
    ]
    return (rows @ sparse.block_diag(blocks, format="csr")).tocsr()


def _quadratic(rows: sparse.csr_array, lower: Floats) -> Floats:
    """A' (L L')^-1 a for each row a."""
    out = np.empty(rows.shape[0])
    if rows.shape[0] > 2 * len(lower):
        inverse, _ = linalg.lapack.dpotri(np.asfortranarray(lower), lower=1)
        inverse += np.tril(inverse, -1).T
        step = max(1, HELD // max(len(lower), 1))
        for i in range(0, len(out), step):
            part = rows[i : i + step]
            out[i : i + step] = part.multiply(part @ inverse).sum(axis=1)
        return out
    step = max(1, HELD // max(len(lower), 1))
    for i in range(0, len(out), step):
        dense = rows[i : i + step].toarray().T
        out[i : i + step] = (linalg.solve_triangular(lower, dense, lower=True) ** 2).sum(axis=0)
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
        where = ends[m - 1] + pair.k[:, None, None] * level.q + np.arange(level.q)
        row = pair.i[:, None, None] + first.size * np.arange(first.q)[:, None]
        shape = pair.products.shape
        rows.append(np.broadcast_to(row, shape).ravel())
        columns.append(np.broadcast_to(where, shape).ravel())
        values.append(pair.products.ravel())
    at = (np.concatenate(rows), np.concatenate(columns))
    beside = sparse.csr_array((np.concatenate(values), at), shape=(first.q * first.size, n))
    mapping, places = _map(beside, first.q, first.size, n + last)
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


def _map(beside: sparse.csr_array, q: int, groups: int, size: int) -> tuple[sparse.csr_array, Ints]:
    """The sparse map of `Crossed`, group by group: products of every two entries of Z'U."""
    by_entry = []
    for a in range(q):
        for b in range(a + 1):
            left = beside[a * groups : (a + 1) * groups]
            right = beside[b * groups : (b + 1) * groups]
            by_entry.append(_products(left, right, size, symmetric=a == b))
    offset = np.arange(len(by_entry)) * groups
    place = np.concatenate([p for p, _, _ in by_entry])
    column = np.concatenate([g + o for (_, g, _), o in zip(by_entry, offset, strict=True)])
    value = np.concatenate([v for _, _, v in by_entry])
    places, row = np.unique(place, return_inverse=True)
    shape = (len(places), len(by_entry) * groups)
    return sparse.csr_array((value, (row.ravel(), column)), shape=shape), places


def _products(
    left: sparse.csr_array, right: sparse.csr_array, size: int, *, symmetric: bool
) -> tuple[Ints, Ints, Floats]:
    """Place, group and value of left_gj right_gk (and, if not symmetric, of left_gk right_gj)."""
    count_right = np.diff(right.indptr)
    of_left = np.repeat(np.arange(left.shape[0]), np.diff(left.indptr))
    repeat = count_right[of_left]
    j = np.repeat(np.arange(left.nnz), repeat)
    within = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    k = right.indptr[of_left[j]] + within
    row, column = left.indices[j].astype(np.int64), right.indices[k].astype(np.int64)
    value, group = left.data[j] * right.data[k], of_left[j]
    if symmetric:
        keep = row >= column
        return row[keep] * size + column[keep], group[keep], value[keep]
    high, low = np.maximum(row, column), np.minimum(row, column)
    value = np.where(row == column, 2.0 * value, value)  # both orders fall on the same place
    return high * size + low, group, value
