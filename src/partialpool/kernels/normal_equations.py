"""The normal equations of a linear mixed model, put in a form that is cheap to factor.

    y = X beta + sum_t Z_t b_t + e,   e ~ N(0, sigma^2),   b_t,l ~ N(0, sigma^2 Lambda Lambda')

Terms with the same grouping factor become one level with a block-diagonal Lambda. The columns of
X are made orthonormal, those that are constant within groups first, and y becomes its residual
from them, so that no digits are lost to offsets, units or nearly collinear predictors:
``[X y] basis`` replaces ``[X y]``. What lies within groups comes from sums about their own means.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.kernels import batched_linalg

EPSILON = float(np.finfo(np.float64).eps)
ROUNDING_SHARE = 1e-26
"""A sum of squares this small, relative to that of what it was computed from, is rounding: the
square of some 500 times the precision of a floating-point number."""
NOTHING_SHARE = 1e-13
"""A sum of squares this small, relative to that of the outcome, is rounding."""
DEPENDENT_SHARE = 1e-10
"""A column whose part not explained by those before it is smaller, relative to its square, is
taken for a linear combination of them."""
NEW_DIRECTION = 1e-3
"""Length of what is left of an axis, above which it says something new: with any value below 1 / p
as many directions are left as there are."""
FAR_APART = 1e-4
"""Where less than this share of what is left of the outcome lies within groups, y becomes its
residual from the coefficients within groups: those of all rows are off by as much as the groups
differ, and taking off what they leave within groups would cost as many digits."""


class TermSums(Protocol):
    """What is read of a group-level term; see `records.cross_products.Block`."""

    @property
    def factor(self) -> str: ...
    @property
    def labels(self) -> AnyArray: ...
    @property
    def shift(self) -> Floats: ...
    @property
    def ztz(self) -> Floats: ...
    @property
    def ztx(self) -> Floats: ...
    @property
    def zty(self) -> Floats: ...
    @property
    def within(self) -> Floats | None: ...


class SharedSums(Protocol):
    """What is read of the rows two terms share; see `records.cross_products.Crossing`."""

    @property
    def first(self) -> int: ...
    @property
    def second(self) -> int: ...
    @property
    def i(self) -> Ints: ...
    @property
    def k(self) -> Ints: ...
    @property
    def products(self) -> Floats: ...


class Sums(Protocol):
    """What is read of all rows; see `records.cross_products.CrossProducts`."""

    @property
    def xtx(self) -> Floats: ...
    @property
    def xty(self) -> Floats: ...
    @property
    def yty(self) -> float: ...
    @property
    def shift(self) -> Floats: ...
    @property
    def center(self) -> float: ...
    @property
    def n_used(self) -> int: ...
    @property
    def blocks(self) -> Sequence[TermSums]: ...
    @property
    def crossings(self) -> Sequence[SharedSums]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """All terms of one grouping factor; L groups, q columns of Z.

    Parameters
    ----------
    terms : tuple of int
        Positions of the terms.
    columns : tuple of slice
        The columns of each term.
    ztz : ndarray, shape (L, q, q)
    ztr : ndarray, shape (L, q, p + 1)
        Products with ``[X y] basis``.
    within : ndarray, shape (p + 1, p + 1), or None
        Cross-products of ``[X y] basis`` about the groups' means; None without an intercept.
    largest : ndarray, shape (p + 1,)
        Sums of squares of what the columns of ``[X y] basis`` are combined of, within groups; in
        all, without an intercept. What combinations leave of them may be rounding.
    intercept : int
        Position of the intercept among the columns, where there is one.
    """

    terms: tuple[int, ...]
    columns: tuple[slice, ...]
    ztz: Floats
    ztr: Floats
    within: Floats | None
    largest: Floats
    intercept: int

    @property
    def size(self) -> int:
        return len(self.ztz)

    @property
    def q(self) -> int:
        return int(self.ztz.shape[1])

    def unexplained(self, total: Floats) -> Floats:
        """What the groups' own effects leave of ``[X y] basis``, whose cross-products are total.

        Exactly 0 for columns that they explain. The means are not taken off: `within` is about
        them already, so that no digits are lost however far apart the groups are.
        """
        order = np.arange(self.q)
        if self.within is not None:
            # the intercept first: its column of the factor is the groups' means, which `within` is
            # about
            order = np.concatenate([[self.intercept], np.delete(order, self.intercept)])
        ztz = self.ztz[:, order[:, None], order].transpose(1, 2, 0)
        scaled = batched_linalg.solve_semidefinite(
            batched_linalg.semidefinite_cholesky(ztz), self.ztr[:, order].transpose(1, 2, 0)
        )
        start = total if self.within is None else self.within
        # so that the means' part is not taken off twice
        rows = scaled if self.within is None else scaled[1:]
        left = start - np.einsum("qal,qbl->ab", rows, rows)
        # by the size of what the columns are combined of: combinations may cancel
        nothing = np.flatnonzero(np.diag(left)[:-1] <= NOTHING_SHARE * self.largest[:-1])
        left[nothing], left[:, nothing] = 0.0, 0.0
        return np.asarray(left)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Products between the columns of two levels, for the M pairs of groups that share rows.

    Parameters
    ----------
    i, k : ndarray of int, shape (M,)
        Group of the first and of the second level.
    products : ndarray, shape (M, q_first, q_second)
    """

    i: Ints
    k: Ints
    products: Floats


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """Everything an evaluation of the likelihood needs.

    Parameters
    ----------
    levels : tuple of Level
        By falling number of groups.
    pairs : dict
        Pairs of levels (a, b), a < b.
    total : ndarray, shape (p + 1, p + 1)
        Cross-products of ``[X y] basis``.
    basis : ndarray, shape (p + 1, p + 1)
        Upper triangular but for the order of its rows.
    log_det : float
        Logarithm of the determinant of X'X.
    shifts : tuple of ndarray
        What was taken off the columns of each term; the first entry of a term with an intercept
        is 0.
    shift : ndarray, shape (p,)
    center : float
        What was taken off the columns of X and off y.
    size : float
        Sum of squares of y less its center.
    rounding : float
        Sum of squares of what may be rounding in the residuals, where no level is crossed.
    """

    levels: tuple[Level, ...]
    pairs: dict[tuple[int, int], Pairs]
    total: Floats
    basis: Floats
    log_det: float
    shifts: tuple[Floats, ...]
    shift: Floats
    center: float
    size: float
    rounding: float

    def barely_pooled(self, free: float) -> list[Floats]:
        """Lambda of each level, (1, q, q), that leaves the groups' effects free.

        Their sds are `free` times the outcome's.
        """
        out = []
        for level in self.levels:
            # effects of a group in units of what its rows say on average
            weight = np.einsum("lkk->k", level.ztz)
            ratio = np.sqrt(level.size / np.where(weight > 0, weight, level.size))
            out.append(np.diag(free * ratio)[None])
        return out

    @property
    def named(self) -> tuple[Floats, Floats]:
        """Matrix A and vector a for which the coefficients as named are ``A beta + a``."""
        p = self.p
        unshift, offset = np.eye(p), np.zeros(p)
        # X beta + y's centre in the columns as named: slopes times shifts go into the intercept
        if p:  # nothing is taken off if the first column is not the intercept
            unshift[0] -= self.shift
            offset[0] = self.center
        # y in the basis is y - X b for the last column b of the basis, which is added again
        return unshift @ self.basis[:p, :p], offset - unshift @ self.basis[:p, p]

    def weights(
        self, size: int, groups: Mapping[int, tuple[Ints, Floats]]
    ) -> tuple[tuple[Ints, ...], tuple[Floats, ...]]:
        """Weights on the effects of terms as named to weights on those of the levels as shifted.

        Parameters
        ----------
        size : int
            Number of rows R.
        groups : mapping
            From the position of a term to each row's group, (R,), with -1 for a new group and -2
            for none, and its weights, (R, q).

        Returns
        -------
        index : tuple of ndarray of int, shape (R,)
        z : tuple of ndarray, shape (R, q)
            One of each a level.
        """
        index, z = [], []
        for level in self.levels:
            group_of_row = np.full(size, -2, dtype=np.intp)
            wide = np.zeros((size, level.q))
            for term, at in zip(level.terms, level.columns, strict=True):
                if term not in groups:
                    continue
                chosen, values = groups[term]
                # -2: no group, and so none of its effects
                values = np.where(np.asarray(chosen)[:, None] == -2, 0.0, values)
                # b_0 + b_1 x = (b_0 + b_1 s) + b_1 (x - s): weights on effects of shifted columns
                wide[:, at] = values - np.outer(values[:, 0], self.shifts[term])
                # terms of one factor name the same group, or none (-2)
                group_of_row = np.maximum(group_of_row, np.asarray(chosen, dtype=np.intp))
            index.append(group_of_row)
            z.append(wide)
        return tuple(index), tuple(z)

    def every_effect(self) -> tuple[tuple[Ints, ...], tuple[Floats, ...]]:
        """Every effect of every group of every term, term by term, as `weights` gives them."""
        parts = []
        for term in range(len(self.shifts)):
            level = next(each for each in self.levels if term in each.terms)
            q = len(self.shifts[term])
            index = np.repeat(np.arange(level.size), q)
            weights = {term: (index, np.tile(np.eye(q), (level.size, 1)))}
            parts.append(self.weights(level.size * q, weights))
        index_by_level = zip(*(index for index, _ in parts), strict=True)
        z_by_level = zip(*(z for _, z in parts), strict=True)
        return tuple(map(np.concatenate, index_by_level)), tuple(map(np.concatenate, z_by_level))

    @property
    def p(self) -> int:
        return len(self.total) - 1

    def relative_factors(self, by_term: Sequence[Floats]) -> list[Floats]:
        """Lambda of every level from those of the terms, for the columns as shifted.

        Parameters
        ----------
        by_term : sequence of ndarray, shape (G, q_t, q_t)
            Any factor of each term's relative covariance, for the columns as named.

        Returns
        -------
        list of ndarray, shape (G, q, q)
        """
        out = []
        for level in self.levels:
            wide = np.zeros((len(by_term[level.terms[0]]), level.q, level.q))
            for term, at in zip(level.terms, level.columns, strict=True):
                factor = by_term[term]
                wide[:, at, at] = factor
                if self.shifts[term].any():
                    # the intercept of shifted columns is b_0 + sum s_k b_k: its row of the factor
                    # gets the slopes' rows times s
                    wide[:, at.start, at] += np.tensordot(factor, self.shifts[term], ([1], [0]))
            out.append(wide)
        return out


def moment_ratios(system: System, *, sigma_known: bool) -> list[Floats]:
    """Rough sds of the groups' own effects beyond chance, over sigma, of each level; shape (q,).

    From residuals of least squares, one effect at a time: the weighted spread of what the groups
    say by themselves, less what chance explains.
    """
    noise = system.total[-1, -1]
    by_level = []
    for level in system.levels:
        weight = np.einsum("lkk->lk", level.ztz)
        # a group's own value squared times its weight: what it explains, one effect at a time
        square = np.square(level.ztr[:, :, -1]) / np.where(weight > 0, weight, 1.0)
        by_level.append((square, weight))
        inner = system.total[-1, -1] - square[:, 0].sum()
        # the least of the levels: of a coarse one, finer groups' differences are still in it
        noise = min(noise, float(inner if level.within is None else level.within[-1, -1]))
    rows = max(float(weight[:, 0].sum()) for _, weight in by_level)
    sigma2 = max(noise, ROUNDING_SHARE * system.size) / max(rows, 1.0)
    if sigma_known:
        sigma2 = 1.0
    out = []
    for square, weight in by_level:
        # E square / sigma^2 = 1 + weight ratio^2, as in DerSimonian and Laird's estimate
        beyond = (square / sigma2 - 1.0).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
        # a search that begins at zero would stay there: half of what chance alone makes
        least = 0.5 * len(square) / np.maximum(weight.sum(axis=0), 1e-300)
        out.append(np.sqrt(np.maximum(beyond, least)))
    return out


def dependent_columns(xtx: Floats) -> list[int]:
    """Columns that are linear combinations of those before them."""
    size = np.diag(xtx).copy()
    left = xtx.astype(np.float64, copy=True)
    dependent = []
    for k in range(len(left)):
        # sweeping column by column: what is left of a column's square once those before it are
        # taken out
        if left[k, k] <= DEPENDENT_SHARE * size[k] or size[k] == 0.0:
            dependent.append(k)
            continue
        row = left[k] / left[k, k]
        left = left - np.outer(left[:, k], row)
    return dependent


def make_system(sums: Sums) -> System:
    """Gather terms by factor, order the levels, and make X orthonormal."""
    by_factor: dict[str, list[int]] = {}
    for t, block in enumerate(sums.blocks):
        by_factor.setdefault(block.factor, []).append(t)
    # the factor with most groups is eliminated first, where each group is a small block
    order = sorted(by_factor.values(), key=lambda terms: -len(sums.blocks[terms[0]].ztz))
    blocks = (sums.blocks[t] for t in order[0] if sums.blocks[t].within is not None)
    finest = next(blocks, None)
    basis, total, log_det = _orthonormal(sums, finest)
    crossings = {(c.first, c.second): c for c in sums.crossings}
    levels = tuple(_level(sums, terms, crossings, basis) for terms in order)
    pairs = {
        (a, b): _pairs(levels[a], levels[b], crossings)
        for a in range(len(levels))
        for b in range(a + 1, len(levels))
    }
    shifts = tuple(b.shift for b in sums.blocks)
    size = float(sums.yty)
    rounding = _rounding(sums, finest)
    return System(
        levels, pairs, total, basis, log_det, shifts, sums.shift, sums.center, size, rounding
    )


def _rounding(sums: Sums, finest: TermSums | None) -> float:
    """Of the outcome's floating-point numbers, of taking off what predictors explain within groups,
    and what slopes do, which are known beside intercepts of groups that are far apart.
    """
    if finest is None or finest.within is None:
        return NOTHING_SHARE * sums.yty
    raw = sums.yty + sums.center**2 * float(finest.ztz[:, 0, 0].sum())
    within = float(finest.within[-1, -1])
    return (
        # each product of a value within and a value in all rounds to epsilon of both sizes
        ROUNDING_SHARE * raw + NOTHING_SHARE * within + 4.0 * EPSILON * math.sqrt(within * sums.yty)
    )


def _orthonormal(sums: Sums, finest: TermSums | None) -> tuple[Floats, Floats, float]:
    p = len(sums.xtx)
    basis = np.eye(p + 1)
    log_det = 0.0
    if p:
        order = np.argsort(-_within_reach(sums), kind="stable")
        # scaled to correlations before factoring: units of predictors do not matter
        size = np.sqrt(np.diag(sums.xtx))[order]
        xtx = sums.xtx[np.ix_(order, order)]
        upper = scipy.linalg.cholesky(xtx / np.outer(size, size)) * size
        basis[order, :p] = scipy.linalg.solve_triangular(upper, np.eye(p))
        # y becomes its residual from all rows: small numbers are then no difference of large ones
        basis[order, p] = -scipy.linalg.cho_solve((upper, False), sums.xty[order])
        log_det = 2.0 * float(np.log(np.diag(upper)).sum())
    whole = _whole(sums)
    if p and finest is not None and finest.within is not None:
        inner = _within_groups(whole, finest.within)
        if inner is not None:
            basis[:p, p] = inner
    total = basis.T @ whole @ basis
    # rounding makes the two triangles differ, and both are read
    return basis, 0.5 * (total + total.T), log_det


def _whole(sums: Sums) -> Floats:
    """Cross-products of ``[X y]``."""
    return np.block([[sums.xtx, sums.xty[:, None]], [sums.xty[None], np.full((1, 1), sums.yty)]])


def _within_groups(whole: Floats, within: Floats) -> Floats | None:
    """Less the coefficients within groups, and of what these leave for the rest, if groups are far
    apart.
    """
    xtx, xty = within[:-1, :-1], within[:-1, -1]
    size = np.diag(whole)[:-1]
    varies = np.diag(xtx) > 0
    scale = np.sqrt(np.where(varies, np.diag(xtx), size))
    inner = xtx[np.ix_(varies, varies)] / np.outer(scale[varies], scale[varies])
    beta = np.zeros(len(xty))
    # columns may be dependent within groups: the shortest solution
    beta[varies] = np.linalg.lstsq(inner, xty[varies] / scale[varies], rcond=DEPENDENT_SHARE)[0]
    beta[varies] /= scale[varies]
    # |y - X beta|^2 from cross-products
    left = within[-1, -1] - beta @ (2.0 * xty - xtx @ beta)
    fixed = ~varies
    if fixed.any():
        rest = whole[:-1, -1] - whole[:-1, :-1] @ beta
        beta[fixed] = np.linalg.lstsq(
            whole[:-1, :-1][np.ix_(fixed, fixed)], rest[fixed], rcond=DEPENDENT_SHARE
        )[0]
    whole_left = whole[-1, -1] - beta @ (2.0 * whole[:-1, -1] - whole[:-1, :-1] @ beta)
    # the usual residual does where groups are not far apart
    return -beta if left < FAR_APART * whole_left else None


def with_tight_last(system: System, rows: Floats) -> System:
    """The same in a basis in which what some priors fix comes last, and y is its residual there.

    A precision of 1e16 times what the data say, spread over several columns, leaves no digit of the
    others. Given a column of its own, the last to be eliminated, it costs none.

    Parameters
    ----------
    rows : ndarray, shape (K, p + 1)
        Linear functions of ``[beta -1]`` of the columns as shifted that are about 0 under these
        priors, in their sds.
    """
    p, fixed = system.p, len(rows)
    weights = rows[:, :p] @ system.basis[:p, :p]
    size = np.linalg.norm(weights, axis=1)
    order = np.argsort(-size, kind="stable")
    rows, weights = rows[order] / size[order, None], weights[order] / size[order, None]
    last = np.linalg.qr(weights.T)[0]  # the tightest touches the first column alone
    turn = np.concatenate([_complement(last), last[:, ::-1]], axis=1)
    gap = rows @ system.basis[:, p]
    change = np.eye(p + 1)
    change[:p, :p] = turn
    change[:p, p] = -turn[:, p - fixed :] @ np.linalg.solve(weights @ turn[:, p - fixed :], gap)
    total = change.T @ system.total @ change
    return replace(
        system,
        basis=system.basis @ change,
        total=0.5 * (total + total.T),
        levels=tuple(
            replace(
                level,
                ztr=level.ztr @ change,
                within=None if level.within is None else change.T @ level.within @ change,
                largest=np.square(np.abs(change).T @ np.sqrt(level.largest)),
            )
            for level in system.levels
        ),
    )


def _complement(columns: Floats) -> Floats:
    """Orthonormal columns at right angles to some, as near as can be to the axes in their order."""
    out, p = columns, len(columns)
    for k in range(p):
        axis = np.eye(p)[k]
        for _ in range(2):  # the second time takes off what rounding left
            axis = axis - out @ (out.T @ axis)
        if (length := float(np.linalg.norm(axis))) > NEW_DIRECTION:
            out = np.column_stack([out, axis / length])
    return out[:, columns.shape[1] :]


def _within_reach(sums: Sums) -> Ints:
    """In how many terms the groups' own effects can make up for each column of X.

    Far out, where groups' effects are free, the data say nothing about such columns: they come
    first in the basis, lest what little is said is lost beside the others.
    """
    size = np.diag(sums.xtx)
    out = np.zeros(len(size), dtype=np.intp)
    for block in sums.blocks:
        lower = batched_linalg.semidefinite_cholesky(block.ztz.transpose(1, 2, 0))
        scaled = batched_linalg.solve_semidefinite(lower, block.ztx.transpose(1, 2, 0))
        # share of a column's square that the groups' own effects fit
        out += np.einsum("qpl,qpl->p", scaled, scaled) > (1.0 - 1e-10) * size
    return out


def _level(
    sums: Sums, terms: list[int], crossings: dict[tuple[int, int], SharedSums], basis: Floats
) -> Level:
    total = _whole(sums)
    blocks = [sums.blocks[t] for t in terms]
    ends = np.cumsum([0, *(b.ztz.shape[1] for b in blocks)])
    columns = tuple(slice(int(a), int(b)) for a, b in itertools.pairwise(ends))
    ztz = np.zeros((len(blocks[0].ztz), ends[-1], ends[-1]))
    for a, at in enumerate(columns):
        ztz[:, at, at] = blocks[a].ztz
        for b in range(a + 1, len(blocks)):
            shared = crossings[terms[a], terms[b]]
            ztz[shared.i, at, columns[b]] = shared.products
            ztz[shared.i, columns[b], at] = shared.products.transpose(0, 2, 1)
    products = [np.concatenate([b.ztx, b.zty[:, :, None]], axis=2) for b in blocks]
    # Z'[X y] in the basis
    ztr = np.concatenate(products, axis=1) @ basis
    start, within, intercept = total, None, 0
    for at, block in zip(columns, blocks, strict=True):
        if block.within is not None:
            start, intercept = block.within, at.start
            within = basis.T @ start @ basis
            break
    # by the triangle inequality no combination of columns is longer
    largest = np.square(np.abs(basis).T @ np.sqrt(np.maximum(np.diag(start), 0.0)))
    return Level(tuple(terms), columns, ztz, ztr, within, largest, intercept)


def _pairs(first: Level, second: Level, crossings: dict[tuple[int, int], SharedSums]) -> Pairs:
    i = k = np.empty(0, dtype=np.intp)
    products = np.empty((0, first.q, second.q))
    for s, at in zip(first.terms, first.columns, strict=True):
        for t, beside in zip(second.terms, second.columns, strict=True):
            shared = crossings[min(s, t), max(s, t)]
            forward = s < t
            if not len(products):
                i, k = (shared.i, shared.k) if forward else (shared.k, shared.i)
                # sorted by first, then second group: terms list their pairs in different orders
                order = np.lexsort((k, i))
                i, k = i[order], k[order]
                products = np.empty((len(i), first.q, second.q))
            part = shared.products if forward else shared.products.transpose(0, 2, 1)
            mine = (shared.i, shared.k) if forward else (shared.k, shared.i)
            products[:, at, beside] = part[np.lexsort((mine[1], mine[0]))]
    return Pairs(i, k, products)
