"""The likelihood of one grouping factor, or of nested ones: leaves first, no fill-in.

Groups of the finest level (the leaves) are eliminated one by one, then those of the next, whose
cross-products have been reduced by their leaves, up to the coarsest. Everything is vectorised
over groups and nodes. With one factor and K'K = Z'Z, T = K'^-1 Z'[X y] of each group,

    S = [X y]'V^-1 [X y] = ([X y]'[X y] - sum T'T) + sum T' (I + K Lambda Lambda' K')^-1 T,

a sum of positive parts: no digits are lost however large Lambda is.

Source: Bates et al. (2015), doi:10.18637/jss.v067.i01, section 3, for the factorisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels import batched_linalg
from partialpool.kernels.compress_groups import gathered
from partialpool.kernels.normal_equations import NOTHING_SHARE, System

CELLS_IN_CACHE = 2**15
"""Elements of the arrays worked on at once: 256 KiB, what the cache of a core holds."""
CELLS_DRAWN = 2**21
"""The same where groups' effects are drawn."""
CELLS_HELD = 2**23
"""The same where rows of nested groups are read, of one array (64 MiB)."""


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """What is left of the likelihood at G nodes once the groups are integrated out.

    Parameters
    ----------
    log_det : ndarray, shape (G,)
        log |V| / sigma^2 each.
    squares : ndarray, shape (G, p + 1, p + 1)
        ``[X y]' V^-1 [X y]``, times sigma^2.
    """

    log_det: Floats
    squares: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Functional:
    """Linear combinations of the groups' effects given beta, at G nodes.

        value = constant + x beta + noise,   noise ~ N(0, sigma^2 variance)

    Parameters
    ----------
    constant : ndarray, shape (G, R)
    x : ndarray, shape (G, R, p)
    variance : ndarray, shape (G, R)
    """

    constant: Floats
    x: Floats
    variance: Floats

    def part(self, at: slice) -> Functional:
        return Functional(self.constant[:, at], self.x[:, at], self.variance[:, at])

    def moved(self, x: Floats) -> Functional:
        """The same with x, shape (R, p), added to the coefficients of beta."""
        return replace(self, x=self.x + x)


@dataclass(frozen=True, slots=True, eq=False)
class _Leaf:
    """Leaves in the order of their ancestors: C C' = Z'Z, T = C^-1 Z'R, R = [ancestors X y]."""

    lower: Floats  # (q, q, L)
    scaled: Floats  # (q, r, L)


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """Nested levels, finest first; see `make_tree`.

    Parameters
    ----------
    order : tuple of ndarray
        For each level, its groups in the order used here.
    ancestors : tuple of dict
        For each level, from coarser level to the group of each of its groups.
    widths : tuple of int
        Columns q of each level.
    leaf : _Leaf
    alike : _Leaf
        Those of a single level with the groups that are alike replaced; see `compress_groups`.
    count : ndarray
        How many leaves each of these stands for.
    grams : tuple of ndarray
        For each coarser level, Z'[Z R] less what the leaves explain; (q, q + r, L).
    raw : tuple of ndarray
        For every level, Z'[Z R]; (q, q + r, L).
    total : ndarray, shape (p + 1, p + 1)
        [X y]'[X y] less what the leaves explain.
    """

    order: tuple[Ints, ...]
    ancestors: tuple[dict[int, Ints], ...]
    widths: tuple[int, ...]
    leaf: _Leaf
    alike: _Leaf
    count: Floats
    grams: tuple[Floats, ...]
    leaf_gram: Floats
    total: Floats

    @property
    def seconds(self) -> float:
        """Rough duration of one evaluation among many."""
        q, r, groups = self.alike.scaled.shape
        return 5e-6 + 3e-9 * float(groups * q * (q + r) * 2 + groups * q * r * r / 4)

    def evaluate(self, factors: Sequence[Floats]) -> Reduced:
        """Integrate the groups out at G nodes; factors[i] has shape (G, q_i, q_i)."""
        nodes = len(factors[0])
        _, r, groups = self.alike.scaled.shape
        alone = len(self.widths) == 1
        # a single level is summed over blocks of groups; nested ones are handed up whole, by
        # reduceat
        wide = min(groups, max(256, CELLS_IN_CACHE // r)) if alone else groups
        step = max(1, CELLS_IN_CACHE // (wide * r))
        log_det = np.empty(nodes)
        squares = np.empty((nodes, *self.total.shape))
        for g in range(0, nodes, step):
            part = slice(g, g + step)
            here = [f[part] for f in factors]
            log_det[part], squares[part] = (
                self._alone(here[0], wide) if alone else self._nested(here)
            )
        return Reduced(log_det, squares)

    def _alone(self, factor: Floats, wide: int) -> tuple[Floats, Floats]:
        log_det = np.zeros(len(factor))
        squares = np.tile(self.total, (len(factor), 1, 1))
        for start in range(0, len(self.count), wide):
            part = slice(start, start + wide)
            lower, w = self._eliminated(factor, self.alike, part)
            # a group that stands for several counts for each of them
            log_det += 2.0 * sum(np.log(lower[k, k]) @ self.count[part] for k in range(len(lower)))
            for row in w:
                squares += row @ row.transpose(0, 2, 1)
        return log_det, squares

    def _nested(self, factors: list[Floats]) -> tuple[Floats, Floats]:
        lower, w = self._eliminated(factors[0], self.leaf, slice(None))
        log_det = _log_det(lower)
        squares = self.total + _crossed(w, len(self.total))
        # cross-products of coarser levels less what free leaves explain
        grams = self._opened(len(factors[0]))
        # w'w is what pooling leaves unexplained again: it tends to 0 as the leaves become free, so
        # that sums stay exact however far apart groups are
        self._pass_up(0, w, grams, 1.0)
        for i in range(1, len(factors)):
            lower, n = _inner(grams[i], factors[i])
            batched_linalg.forward(lower, n)
            log_det += _log_det(lower)
            # coarser levels take their part of it off
            squares -= _crossed(n, len(self.total))
            self._pass_up(i, n, grams, -1.0)
        return log_det, squares

    def _opened(self, nodes: int) -> list[Floats]:
        """Copies of the coarser levels' cross-products, one a node: (q, G, q + r, L)."""
        return [np.empty(0)] + [np.repeat(g[:, None], nodes, axis=1) for g in self.grams]

    def _eliminated(self, factor: Floats, leaf: _Leaf, part: slice) -> tuple[Floats, Floats]:
        """Cholesky factor of I + K Lambda Lambda' K' and its inverse times T, for some leaves."""
        c, t = leaf.lower[:, :, part], leaf.scaled[:, :, part]
        q = len(c)
        # rows of K Lambda: K = C' is upper triangular
        m = [np.tensordot(factor[:, i:], c[i:, i], ([1], [0])) for i in range(q)]  # (G, q, L)
        b = np.empty((q, q, len(factor), c.shape[2]))
        for i in range(q):
            for j in range(i + 1):
                # I + K Lambda Lambda' K': its determinant is that of V by Sylvester's identity, and
                # it is well conditioned where Lambda is singular
                b[i, j] = np.einsum("gml,gml->gl", m[i], m[j])
            b[i, i] += 1.0
        batched_linalg.cholesky(b)
        w = np.empty((q, len(factor), t.shape[1], t.shape[2]))
        w[:] = t[:, None]
        return b, batched_linalg.forward(b, w)

    def _pass_up(self, i: int, w: Floats, grams: list[Floats], sign: float) -> None:
        """Change the cross-products of the ancestors of level i by w'w, summed over its groups."""
        at = 0
        for m in range(i + 1, len(self.widths)):
            starts = _starts(self.ancestors[i][m])
            for a in range(self.widths[m]):
                # columns of w from this ancestor on: its own, those of coarser levels, X and y
                change = sum(row[:, at + a, None] * row[:, at:] for row in w)
                grams[m][a] += sign * np.add.reduceat(change, starts, axis=-1)
            at += self.widths[m]

    def functional(
        self,
        factors: Sequence[Floats],
        index: Sequence[Ints],
        z: Sequence[Floats],
        x: Floats,
    ) -> Functional:
        """Distribution given beta of ``x beta + sum_i z_i b_i[index_i]`` at G nodes.

        Parameters
        ----------
        factors : sequence of ndarray, shape (G, q_i, q_i)
        index : sequence of ndarray of int, shape (R,)
            A group of each level; -1 for a new one, -2 for none.
        z : sequence of ndarray, shape (R, q_i)
        x : ndarray, shape (R, p)
        """
        nodes, p = len(factors[0]), len(self.total) - 1
        if all((each < 0).all() for each in index):
            return of_unknown(factors, index, z, x)
        step = max(1, CELLS_HELD // self.leaf_gram[0].size) if len(factors) > 1 else nodes
        # joined again below
        if step < nodes:  # nested levels are eliminated whole, for some nodes at a time
            parts = [
                self.functional([f[g : g + step] for f in factors], index, z, x)
                for g in range(0, nodes, step)
            ]
            return Functional(
                np.concatenate([f.constant for f in parts]),
                np.concatenate([f.x for f in parts]),
                np.concatenate([f.variance for f in parts]),
            )
        at = self._places(index)
        weights = [np.repeat(part.T[:, None, :], nodes, axis=1) for part in z]  # (q, G, R)
        constant = np.zeros((nodes, len(x)))
        # beta's coefficients: the rows' own, less what groups' means owe to X beta
        coefficient = np.tile(x, (nodes, 1, 1))
        variance = np.zeros((nodes, len(x)))
        for i, (lower, n) in enumerate(self._conditionals(factors, at[0])):
            spread = _left(factors[i], weights[i][:, :, None])[:, :, 0]  # Lambda'z, (q, G, R)
            new = at[i] == -1
            variance[:, new] += (spread[:, :, new] ** 2).sum(axis=0)
            known = np.flatnonzero(at[i] >= 0)
            if len(known):
                groups = known if len(at) == 1 else at[i][known]
                here = lower[..., groups]
                v = batched_linalg.forward(here, spread[:, :, None, known])  # (q, G, 1, K)
                # z'Lambda (L L')^-1 Lambda'z as the square of one forward solve
                variance[:, known] += (v[:, :, 0] ** 2).sum(axis=0)
                batched_linalg.backward(here, v)
                # F = Lambda (I + Lambda'S Lambda)^-1 Lambda'S_R: the mean of a group's effects as a
                # function of its ancestors' effects, beta and y
                change = (v * n[..., groups]).sum(axis=0)  # (G, r, K): z'F
                constant[:, known] += change[:, -1]
                coefficient[:, known] -= change[:, -1 - p : -1].transpose(0, 2, 1)
                self._hand_on(i, change, known, weights)
        return Functional(constant, coefficient, variance)

    def draw(
        self, factors: Sequence[Floats], beta: Floats, sigma: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """Draw every group's effects given beta and the spreads, one draw a node.

        Parameters
        ----------
        factors : sequence of ndarray, shape (G, q_i, q_i)
        beta : ndarray, shape (G, p)
            In the basis.
        sigma : ndarray, shape (G,)
        rng : numpy.random.Generator

        Returns
        -------
        list of ndarray, shape (G, L_i, q_i)
            For the columns as shifted.
        """
        out = [
            np.empty((len(beta), len(o), q)) for o, q in zip(self.order, self.widths, strict=True)
        ]
        step = max(1, CELLS_DRAWN // self.leaf.scaled.size)
        for g in range(0, len(beta), step):
            part = slice(g, g + step)
            drawn = self._drawn([f[part] for f in factors], beta[part], sigma[part], rng)
            for i, order in enumerate(self.order):
                out[i][part, order] = drawn[i].transpose(1, 2, 0)
        return out

    def _drawn(
        self, factors: list[Floats], beta: Floats, sigma: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """Effects (q, G, L) in the order used here, coarsest level first drawn."""
        p = beta.shape[1]
        every = np.arange(len(self.order[0]))
        conditionals = self._conditionals(factors, every)
        drawn: list[Floats] = [np.empty(0)] * len(factors)
        # from coarse to fine: a level's conditional holds its ancestors' effects
        for i in reversed(range(len(factors))):
            lower, n = conditionals[i]
            right = n[:, :, -1] - np.einsum("qgpl,gp->qgl", n[:, :, -1 - p : -1], beta)
            at = 0
            for m in range(i + 1, len(factors)):
                above = drawn[m][:, :, self.ancestors[i][m]]
                for k in range(self.widths[m]):
                    right = right - n[:, :, at + k] * above[k]
                at += self.widths[m]
            half = batched_linalg.forward(lower, right[:, :, None].copy())
            # L'u = L^-1 right + sigma e: mean and covariance of N((L L')^-1 right, sigma^2 (L
            # L')^-1)
            half += sigma[:, None, None] * rng.standard_normal(half.shape)
            u = batched_linalg.backward(lower, half)[:, :, 0]
            drawn[i] = np.stack(
                [
                    sum(factors[i][:, k, m, None] * u[m] for m in range(len(u)))
                    for k in range(len(u))
                ]
            )
        return drawn

    def _hand_on(self, i: int, change: Floats, known: Ints, weights: list[Floats]) -> None:
        """Take what a group's effects inherit from its ancestors' off the ancestors' weights."""
        at = 0
        for m in range(i + 1, len(self.widths)):
            q = self.widths[m]
            weights[m][:, :, known] -= change[:, at : at + q].transpose(1, 0, 2)
            at += q

    def _places(self, index: Sequence[Ints]) -> list[Ints]:
        """Positions in the order used here; ancestors of a known group are filled in."""
        out = []
        for order, each in zip(self.order, index, strict=True):
            back = np.empty(len(order), dtype=np.intp)
            back[order] = np.arange(len(order))
            out.append(np.where(each >= 0, back[np.maximum(each, 0)], each))
        for i, above in enumerate(self.ancestors):
            for m, parent in above.items():
                # a row of a known group has its ancestors, whatever it names; a new one keeps those
                # it names
                known = out[i] >= 0
                out[m] = np.where(known, parent[np.maximum(out[i], 0)], out[m])
        return out

    def _conditionals(self, factors: Sequence[Floats], leaves: Ints) -> list[tuple[Floats, Floats]]:
        """For each level the factor of I + Lambda'S Lambda and Lambda'S_R, S as reduced.

        For all groups; with one level only, for the groups asked for, one a row.
        """
        nodes = len(factors[0])
        if len(factors) == 1:
            return [_inner(self.leaf_gram[:, None, :, np.maximum(leaves, 0)], factors[0])]
        grams = self._opened(nodes)
        if len(factors) > 1:
            self._pass_up(0, self._eliminated(factors[0], self.leaf, slice(None))[1], grams, 1.0)
        out = [_inner(np.repeat(self.leaf_gram[:, None], nodes, axis=1), factors[0])]
        for i in range(1, len(factors)):
            lower, n = _inner(grams[i], factors[i])
            out.append((lower, n))
            if i + 1 < len(factors):
                self._pass_up(i, batched_linalg.forward(lower, n.copy()), grams, -1.0)
        return out


def of_unknown(
    factors: Sequence[Floats], index: Sequence[Ints], z: Sequence[Floats], x: Floats
) -> Functional:
    """Rows without a known group: of new groups, and of the population; as `Tree.functional`."""
    nodes = len(factors[0])
    variance = np.zeros((nodes, len(x)))
    for factor, each, weight in zip(factors, index, z, strict=True):
        new = each == -1
        variance[:, new] += ((weight[new] @ factor) ** 2).sum(axis=2)
    return Functional(np.zeros(variance.shape), np.tile(x, (nodes, 1, 1)), variance)


def _inner(gram: Floats, factor: Floats) -> tuple[Floats, Floats]:
    """Cholesky factor of I + Lambda'S Lambda, and Lambda'S_R; gram (q, G or 1, q + r, L)."""
    q = len(gram)
    left = _left(factor, gram)
    a = np.stack(
        [
            [
                sum(row[:, k] * factor[:, k, j, None] for k in range(q)) + float(i == j)
                for j in range(q)
            ]
            for i, row in enumerate(left)
        ]
    )
    return batched_linalg.cholesky(a), left[:, :, q:]


def _left(factor: Floats, right: Floats) -> Floats:
    """Lambda' times (q, G or 1, r, L) for Lambda (G, q, q); shape (q, G, r, L)."""
    q = len(right)
    columns = range(factor.shape[2])
    return np.stack(
        [sum(factor[:, k, m, None, None] * right[k] for k in range(q)) for m in columns]
    )


def _crossed(w: Floats, last: int) -> Floats:
    """Sum over rows and groups of w'w for the last columns: (q, G, r, L) to (G, last, last)."""
    total = np.zeros((w.shape[1], last, last))
    for row in w:
        part = row[:, -last:]
        total += part @ part.transpose(0, 2, 1)
    return total


def _log_det(lower: Floats) -> Floats:
    return np.asarray(2.0 * sum(np.log(lower[k, k]).sum(axis=-1) for k in range(len(lower))))


def _starts(parent: Ints) -> Ints:
    return np.flatnonzero(np.diff(parent, prepend=-1))


def nested(system: System) -> bool:
    """Whether every level is nested in all coarser ones."""
    # as many pairs as groups of the finer level: each lies in one coarser group
    return all(len(pair.i) == system.levels[a].size for (a, _), pair in system.pairs.items())


def make_tree(system: System) -> Tree:
    """Sort the groups of nested levels by ancestor and reduce what does not depend on Lambda."""
    levels, depth = system.levels, len(system.levels)
    order: list[Ints] = [np.empty(0, dtype=np.intp)] * depth
    ancestors: list[dict[int, Ints]] = [{} for _ in levels]
    for i in reversed(range(depth)):
        for m in range(i + 1, depth):
            back = np.empty(levels[m].size, dtype=np.intp)
            back[order[m]] = np.arange(levels[m].size)
            ancestors[i][m] = back[system.pairs[i, m].k]  # pairs are sorted by i
        keys = [ancestors[i][m] for m in range(i + 1, depth)]
        # groups of a coarser one beside each other, level within level, for `_pass_up`
        order[i] = np.lexsort(keys) if keys else np.arange(levels[i].size)
        ancestors[i] = {m: a[order[i]] for m, a in ancestors[i].items()}
    raw = [_raw(system, i, order[i]) for i in range(depth)]
    q = levels[0].q
    lower = batched_linalg.semidefinite_cholesky(raw[0][:, :q])
    scaled = batched_linalg.solve_semidefinite(lower, raw[0][:, q:])
    total = levels[0].unexplained(system.total)
    widths = tuple(level.q for level in levels)
    leaf, count = _Leaf(lower, scaled), np.ones(levels[0].size)
    few = leaf
    if depth == 1:
        *arrays, count = gathered(lower, scaled)
        few = _Leaf(*arrays)
    tree = Tree(
        tuple(order), tuple(ancestors), widths, leaf, few, count, tuple(raw[1:]), raw[0], total
    )
    if depth > 1:  # take off what the leaves explain
        grams = tree._opened(1)
        tree._pass_up(0, scaled[:, None], grams, -1.0)
        reduced = tuple(
            _exactly(g[:, 0], whole) for g, whole in zip(grams[1:], raw[1:], strict=True)
        )
        tree = replace(tree, grams=reduced)
    return tree


def _exactly(gram: Floats, whole: Floats) -> Floats:
    """Nothing is left of columns that the leaves explain, such as intercepts, not even rounding."""
    q = len(gram)
    for a in range(q):
        # rounding there would be divided by when the coarser level is eliminated
        if gram[a, a].sum() <= NOTHING_SHARE * whole[a, a].sum():
            gram[a], gram[:, a] = 0.0, 0.0
    return gram


def _raw(system: System, i: int, order: Ints) -> Floats:
    """Z'[Z R] of one level with its groups in order; (q, q + r, L)."""
    level = system.levels[i]
    above = [system.pairs[i, m].products for m in range(i + 1, len(system.levels))]
    whole = np.concatenate([level.ztz, *above, level.ztr], axis=2)
    return np.ascontiguousarray(whole[order].transpose(1, 2, 0))
