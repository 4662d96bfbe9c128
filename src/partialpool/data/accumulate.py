"""Rows to cross-products: one pass over the columns of a design, part by part.

Columns are shifted by their means first, so that large offsets cost no digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.data.clusters import Clusters
from partialpool.data.coded_rows import CodedRows, Usable, find, first_of
from partialpool.data.cross_products import (
    Block,
    Crossing,
    CrossProducts,
    lost_digits,
    with_within,
    without_constant,
)
from partialpool.data.design import Design, Effects
from partialpool.data.expressions import Learned, evaluate
from partialpool.data.row_values import precision
from partialpool.data.rules import not_finite, overflow
from partialpool.data.source import Chunk
from partialpool.formula.tree import Expression

CELLS = 2**23
"""Numbers in a part of the design matrix."""


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """What is taken off the columns of X, the outcome and the columns of each Z."""

    x: Floats
    y: float
    z: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some rows as shifted columns.

    `weight` is w, `count` the rows a row stands for, `inside` their sum of squares within rows.
    """

    x: Floats
    y: Floats
    z: tuple[Floats, ...]
    group: tuple[Ints, ...]
    weight: Floats
    count: Floats
    inside: float
    log_weight: float


@np.errstate(over="ignore", invalid="ignore")  # seen in the result
def cross_products(design: Design, rows: Usable) -> tuple[CrossProducts, Clusters | None]:
    """Sum the products of a design's columns over rows, in all and within clusters.

    Clusters are the groups of the factor with fewest; None where there are too many numbers.

    Raises
    ------
    DataError
        If a function of the formula is not finite in some row, or squares overflow.
    """
    shifts = _means(design, rows)
    total = _Total(design)
    for part in _parts(design, rows, rows.chunks(), shifts):
        total.add(part)
    if not (np.isfinite(total.xtx).all() and np.isfinite(total.yty)):
        raise overflow(design.roles)
    products = with_within(total.result(rows.coded, shifts))
    return _about_own_means(design, rows, shifts, products), total.clusters


def _about_own_means(
    design: Design, rows: Usable, shifts: Shifts, products: CrossProducts
) -> CrossProducts:
    """Sum once more about each group's own means where taking them off has cost digits."""
    lost = lost_digits(products)
    if not lost:
        return products
    blocks = list(products.blocks)
    means = {t: np.column_stack([blocks[t].x_mean, blocks[t].y_mean]) for t in lost}
    sums = {t: np.zeros_like(products.whole) for t in lost}
    for part in _parts(design, rows, rows.chunks(), shifts):
        both = np.column_stack([part.x, part.y])
        for t in lost:
            left = both - means[t][part.group[t]]
            sums[t] += (left * part.weight[:, None]).T @ left
            sums[t][-1, -1] += part.inside
    for t in lost:
        blocks[t] = replace(blocks[t], within=without_constant(sums[t], blocks[t]))
    return replace(products, blocks=tuple(blocks))


def _unshifted(design: Design) -> Shifts:
    widths = [len(e.columns) for e in design.effects]
    return Shifts(np.zeros(len(design.columns)), 0.0, tuple(np.zeros(q) for q in widths))


def _means(design: Design, rows: Usable) -> Shifts:
    """Weighted means of the columns, where an intercept can take them up."""
    total, y = 0.0, 0.0
    zero = _unshifted(design)
    x, z = zero.x.copy(), [v.copy() for v in zero.z]
    for part in _parts(design, rows, rows.chunks(), zero):
        total += float(part.weight.sum())
        x += part.weight @ part.x
        y += float(part.weight @ part.y)
        for sums, columns in zip(z, part.z, strict=True):
            sums += part.weight @ columns
    return shifts_of(design, x / total, y / total, [sums / total for sums in z])


def shifts_of(design: Design, x: Floats, y: float, z: list[Floats]) -> Shifts:
    """What is taken off, from (about) the means, where an intercept can take it up."""
    zero = _unshifted(design)
    own = []
    for effects, mean in zip(design.effects, z, strict=True):
        shift = mean * (_has_intercept(effects.names) and effects.correlated)
        shift[:1] *= not _has_intercept(effects.names)
        own.append(shift)
    if not _has_intercept(design.coefficients):
        return Shifts(zero.x, 0.0, tuple(own))
    x = x.copy()
    x[0] = 0.0
    return Shifts(x, y, tuple(own))


def _has_intercept(names: tuple[str, ...]) -> bool:
    return names[:1] == ("Intercept",)


def _parts(
    design: Design, rows: Usable, chunks: Iterator[Chunk], shifts: Shifts
) -> Iterator[_Part]:
    """The used rows as columns, in parts of bounded size."""
    labels, roles = rows.source.labels, design.roles
    width = len(design.columns) + sum(len(e.columns) for e in design.effects)
    step = max(1, CELLS // max(width, 1))
    for chunk in chunks:
        for start in range(0, len(chunk), step):
            part = chunk.part(slice(start, start + step))
            _refuse_not_finite(design, rows, part)
            frame = design.frame(part, labels)
            worth = {k: v.of_arrays(roles, part.numbers) for k, v in precision(roles).items()}
            ones = np.ones(len(part))
            yield _Part(
                x=frame.matrix(design.columns, shifts.x),
                y=design.outcome(part) - shifts.y,
                z=tuple(
                    frame.matrix(e.columns, s)
                    for e, s in zip(design.effects, shifts.z, strict=True)
                ),
                group=tuple(design.groups(e, part, labels) for e in design.effects),
                weight=worth.get("w", ones),
                count=worth["w"] if "inside" in worth else ones,
                inside=float(worth["inside"].sum()) if "inside" in worth else 0.0,
                log_weight=float(worth["lw"].sum()) if "lw" in worth else 0.0,
            )


def _refuse_not_finite(design: Design, rows: Usable, chunk: Chunk) -> None:
    numeric = [v for v in design.roles.variables if v not in design.categories]
    inside = [v.arguments[0] if getattr(v, "function", "") == "poly" else v for v in numeric]  # type: ignore[union-attr]
    for node in (design.roles.outcome, *design.roles.offsets, *inside):
        refuse_not_finite(rows, chunk, node, design.learned)


def refuse_not_finite(rows: Usable, chunk: Chunk, node: Expression, learned: Learned) -> None:
    """Refuse an expression that is not finite in some row of a part; the message says which."""
    if np.isfinite(evaluate(node, chunk.numbers, learned)).all():
        return

    def value(chunk: Chunk) -> Floats:
        return evaluate(node, chunk.numbers, learned)

    roles = rows.coded.roles
    at, values, labels = find(rows.source, roles, lambda c: ~np.isfinite(value(c)), value)
    raise not_finite(str(node), *first_of(at, values, labels))


# sums -----------------------------------------------------------------------------------------


class _Total:
    """Running sums over parts."""

    def __init__(self, design: Design) -> None:
        p = len(design.columns)
        self.design = design
        self.xtx, self.xty = np.zeros((p, p)), np.zeros(p)
        self.yty = self.log_weight = 0.0
        self.count = 0.0
        self.blocks = [_BlockTotal(e, p) for e in design.effects]
        sizes = [len(e.factor.keys) for e in design.effects]
        self.coarsest = int(np.argmin(sizes))
        name = design.effects[self.coarsest].factor.name
        self.clusters = Clusters.empty(name, sizes[self.coarsest], p)
        self.crossings = [
            _CrossingTotal(first, second, len(design.effects[second].factor.keys))
            for first, second in combinations(range(len(design.effects)), 2)
        ]

    def add(self, part: _Part) -> None:
        weighted = part.x * part.weight[:, None]
        self.xtx += weighted.T @ part.x
        self.xty += weighted.T @ part.y
        self.yty += float(part.weight @ (part.y * part.y)) + part.inside
        self.log_weight += part.log_weight
        self.count += float(part.count.sum())
        for t, block in enumerate(self.blocks):
            block.add(part, t)
        if self.clusters is not None:
            self.clusters.add(part.group[self.coarsest], part.x, part.y, part.weight)
        for crossing in self.crossings:
            crossing.add(part)

    def result(self, rows: CodedRows, shifts: Shifts) -> CrossProducts:
        return CrossProducts(
            outcome=str(self.design.roles.outcome),
            coefficients=self.design.coefficients,
            shift=shifts.x,
            center=shifts.y,
            xtx=self.xtx,
            xty=self.xty,
            yty=self.yty,
            blocks=tuple(b.result(s) for b, s in zip(self.blocks, shifts.z, strict=True)),
            crossings=tuple(c.result(self.blocks) for c in self.crossings),
            log_weight=self.log_weight,
            sigma_known=self.design.roles.se is not None,
            n_rows=rows.n_rows,
            n_dropped=rows.n_rows - rows.n_used,
            n_used=round(self.count),
        )


class _BlockTotal:
    """Running sums by the groups of one term."""

    def __init__(self, effects: Effects, p: int) -> None:
        size, q = len(effects.factor.keys), len(effects.columns)
        self.effects, self.size = effects, size
        self.count, self.weight = np.zeros(size), np.zeros(size)
        self.ztz, self.ztx = np.zeros((size, q, q)), np.zeros((size, q, p))
        self.zty, self.x = np.zeros((size, q)), np.zeros((size, p))
        self.constant = _Constancy(size, p)

    def add(self, part: _Part, term: int) -> None:
        group, z = part.group[term], part.z[term]

        def sums(values: Floats) -> Floats:
            return np.bincount(group, values, self.size).astype(np.float64, copy=False)

        self.count += sums(part.count)
        self.weight += sums(part.weight)
        for j in range(part.x.shape[1]):
            self.x[:, j] += sums(part.weight * part.x[:, j])
        for a in range(z.shape[1]):
            weighted = part.weight * z[:, a]
            self.zty[:, a] += sums(weighted * part.y)
            for b in range(a, z.shape[1]):
                self.ztz[:, a, b] += sums(weighted * z[:, b])
            if a or not _has_intercept(self.effects.names):
                for j in range(part.x.shape[1]):
                    self.ztx[:, a, j] += sums(weighted * part.x[:, j])
        self.constant.add(group, part.x)

    def result(self, shift: Floats) -> Block:
        if _has_intercept(self.effects.names):
            self.ztx[:, 0] = self.x
        q = len(self.effects.columns)
        low = np.tril_indices(q, -1)
        self.ztz[:, low[0], low[1]] = self.ztz[:, low[1], low[0]]
        factor = self.effects.factor
        return Block(
            factor=factor.name,
            labels=factor.labels,
            effects=self.effects.names,
            correlated=self.effects.correlated,
            shift=shift,
            n=np.rint(self.count).astype(np.intp),
            ztz=self.ztz,
            ztx=self.ztx,
            zty=self.zty,
            weight=self.weight,
            x_mean=self.x / self.weight[:, None],
            constant=self.constant.result(),
            within=None,
        )


class _Constancy:
    """Which columns have one value in each group, by comparing with the first value seen."""

    def __init__(self, size: int, p: int) -> None:
        self.seen = np.zeros(size, dtype=bool)
        self.first = {j: np.zeros(size) for j in range(p)}
        self.p = p

    def add(self, group: Ints, x: Floats) -> None:
        fresh = np.flatnonzero(~self.seen[group])[::-1]  # the first row of a group is set last
        self.seen[group] = True
        for j, first in list(self.first.items()):
            first[group[fresh]] = x[fresh, j]
            if not np.array_equal(first[group], x[:, j]):
                del self.first[j]

    def result(self) -> Bools:
        return np.isin(np.arange(self.p), list(self.first))


class _CrossingTotal:
    """Running sums by the pairs of groups of two terms that share rows."""

    def __init__(self, first: int, second: int, size: int) -> None:
        self.first, self.second, self.size = first, second, size
        self.keys: list[Ints] = []
        self.sums: list[Floats] = []
        self.pending = 0

    def add(self, part: _Part) -> None:
        key = part.group[self.first] * self.size + part.group[self.second]
        a, b = part.z[self.first], part.z[self.second]
        products = part.weight[:, None, None] * a[:, :, None] * b[:, None, :]
        self._append(key, products.reshape(len(key), a.shape[1] * b.shape[1]))
        if self.pending > 2 * len(self.keys[0]):
            self._merge()

    def _append(self, key: Ints, products: Floats) -> None:
        keys, place = np.unique(key, return_inverse=True)
        sums = [np.bincount(place, column, len(keys)) for column in products.T]
        self.keys.append(keys)
        self.sums.append(np.stack(sums, axis=1))
        self.pending += len(keys) if len(self.keys) > 1 else 0

    def _merge(self) -> None:
        keys, sums = np.concatenate(self.keys), np.concatenate(self.sums)
        self.keys, self.sums, self.pending = [], [], 0
        self._append(keys, sums)

    def result(self, blocks: list[_BlockTotal]) -> Crossing:
        self._merge()
        i, k = np.divmod(self.keys[0], self.size)
        shape = (len(i), *(len(blocks[t].effects.columns) for t in (self.first, self.second)))
        return Crossing(self.first, self.second, i, k, self.sums[0].reshape(shape))
