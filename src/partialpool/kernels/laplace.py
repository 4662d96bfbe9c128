"""Laplace's approximation of the likelihood of counts with groups, and its gradient.

    eta = base + X beta + sum_l Z_l Lambda_l v_l,   every v ~ N(0, I)

With v at the mode of its log density given beta and Lambda, and H the curvature there,

    F = log p(y, v) - log det(H) / 2.

The largest factor's groups are eliminated from H = [[D, C], [C', R]] by blocks; what is left is
the Schur complement S of all others' effects r. With several nodes, F has for each group of the
largest factor the quadrature's sum in the place of Laplace's approximation (`adaptive`).

With u_i the row of [Z_l Lambda_l], h_i = u_i' H^-1 u_i, w_i the weight of row i, w'_i its
derivative, c_i = w'_i h_i and s = H^-1 U'c, the derivative of F with eta_i is
y_i - mean_i - q_i / 2, q = c - w (U s): directly, and by way of the mode. An entry of Lambda moves
eta too, and U in log det(H) and in the equation of the mode. Source: the implicit function
theorem; compare Kristensen et al. (2016), doi:10.18637/jss.v070.i05, who have it by automatic
differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.kernels import batched_linalg
from partialpool.kernels.adaptive import Corrected, corrected
from partialpool.kernels.factor_pairs import Pairs, Parts, divided, make_pairs
from partialpool.kernels.families import Link
from partialpool.kernels.row_likelihood import (
    Along,
    DispersedRows,
    ExponentialRows,
    RowLikelihood,
    along_dispersion,
)

MOST_STEPS = 100
"""Newton steps, halvings included; 3 to 12 are taken."""
CONVERGED_RISE = 1e-14
"""The search for a mode ends where the log density can rise by less: the gradient is then good to
1e-7, which second derivatives by its differences need. At 1e-12 the direction in which two sds are
not told apart can seem curved by 1e-3."""
ROUNDING_RISE = 1e-9
"""And where it can rise by less than this and the last step did not help."""
SAFE_RISE = 1e-3
"""A step that promises less is taken without looking at the value, which rounding may lower where
counts are large: Newton's method converges from there, the log density being self-concordant."""
LONGEST_STEP = 5.0
"""A step changes no row's linear predictor by more: Poisson's exp would overflow on its way."""


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


# the curvature ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """H = I + U'WU, factored.

    Parameters
    ----------
    lower : ndarray, shape (q, q, 1, L)
        Cholesky factors of the blocks of D.
    ratio : ndarray
        D^-1 C in the form of `Pairs`.
    schur, root : ndarray, shape (parts, width, width)
        Schur complements of the other factors' effects, and their Cholesky factors.
    """

    pairs: Pairs | None
    lower: Floats
    ratio: Floats
    schur: Floats
    root: Floats

    @property
    def half_log_det(self) -> float:
        """Half the logarithm of the determinant of H."""
        diagonal = np.einsum("pkk->pk", self.root)
        return float(np.log(np.einsum("kkgl->kgl", self.lower)).sum() + np.log(diagonal).sum())

    def solve(self, effects: Effects) -> Effects:
        """H^-1 times a vector."""
        v, r = effects
        within = batched_linalg.forward(self.lower, v[:, None, None].copy())
        out = batched_linalg.backward(self.lower, within)[:, 0, 0]
        if self.pairs is None:
            return out, r
        # C'D^-1 v, by the ratio that is at hand
        right = r - self.pairs.transposed_times(self.ratio, v)
        parts = self.pairs.parts
        stack = parts.stacked(right)
        if parts.number == 1:
            stack[0] = scipy.linalg.cho_solve((self.root[0], True), stack[0], check_finite=False)
        else:
            # NumPy solves a stack of systems at once, though not from their factors
            stack = np.asarray(np.linalg.solve(self.schur, stack[:, :, None])[:, :, 0])
        solved = parts.unstacked(stack)
        return out - self.pairs.times(self.ratio, solved), solved


def _curvature(rows: GroupedCounts, t: Sequence[Floats], weight: Floats) -> Curvature:
    q = len(t[0])
    weighted = weight * t[0]
    d = np.empty((q, q, 1, len(rows.starts)))
    for a in range(q):
        for b in range(a + 1):
            d[a, b, 0] = d[b, a, 0] = rows.over_groups(weighted[a] * t[0][b])
        d[a, a] += 1.0
    lower = batched_linalg.cholesky(d)
    if rows.pairs is None:
        nothing = np.empty((0, 0, 0))
        return Curvature(None, lower, nothing, nothing, nothing)
    pairs = rows.pairs
    sums = [
        _sums(weighted, own, place, m)
        for own, place, m in zip(t[1:], pairs.places, pairs.counts, strict=True)
    ]
    half, ratio = divided(pairs, lower, pairs.gathered(sums))
    number, width = pairs.parts.number, pairs.parts.width
    schur = np.zeros((number, width, width))
    flat = schur.reshape(-1)
    for each in rows.meetings:
        first, second = t[1 + each.first], t[1 + each.second]
        values = _sums(weight * first, second, each.place, each.flat.shape[2])
        flat[each.flat] += values
        # a factor with itself has both orders in its own products
        if each.first != each.second:
            flat[each.mirrored] += values
    pairs.subtract_gram(schur, half)
    # also on the padding, whose part of the factor is then the identity and adds nothing to the
    # determinant
    schur[:, np.arange(width), np.arange(width)] += 1.0
    return Curvature(pairs, lower, ratio, schur, np.asarray(np.linalg.cholesky(schur)))


def _sums(first: Floats, second: Floats, place: Ints, size: int) -> Floats:
    """Sums by place of the products of (q, N) and (m, N); (q, m, size)."""
    out = np.empty((len(first), len(second), size))
    for a, b in np.ndindex(out.shape[:2]):
        out[a, b] = np.bincount(place, first[a] * second[b], size)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Inverse:
    """The entries of H^-1 that belong to groups with common rows.

    Parameters
    ----------
    block : ndarray, shape (q, q, L)
        Of the largest factor's groups.
    beside : list of ndarray, shape (q, q_l, M)
        Minus those of its groups with another factor's, by pair.
    others : ndarray, shape (parts, width, width)
        Of all other effects.
    """

    block: Floats
    beside: list[Floats]
    others: Floats


def inverse(curvature: Curvature) -> Inverse:
    """Entries of H^-1."""
    q, length = len(curvature.lower), curvature.lower.shape[-1]
    unit = np.zeros((q, 1, q, length))
    unit[np.arange(q), 0, np.arange(q)] = 1.0
    solved = batched_linalg.backward(curvature.lower, batched_linalg.forward(curvature.lower, unit))
    block = solved[:, 0]
    if curvature.pairs is None:
        return Inverse(block, [], curvature.schur)
    others = np.asarray(np.linalg.inv(curvature.schur))
    # blocks of the inverse: D^-1 + F S^-1 F' with F = D^-1 C, and -F S^-1
    beside, more = curvature.pairs.times_inverse(curvature.ratio, others)
    return Inverse(block + more, curvature.pairs.by_pair(beside), others)


# the mode ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """The mode of all groups' effects given beta and Lambda.

    Parameters
    ----------
    effects : tuple
    factor : ndarray, shape (q, q)
        Lambda of the largest factor.
    t : list of ndarray, shape (q, N)
        Z Lambda of each factor.
    eta, weight, third, residual : ndarray, shape (N,)
        Linear predictor; minus the second and the third derivative of the log likelihood, and the
        first.
    log_density : float
        Off the highest that every row has by itself.
    curvature : Curvature
    """

    effects: Effects
    factor: Floats
    t: list[Floats]
    eta: Floats
    weight: Floats
    third: Floats
    residual: Floats
    log_density: float
    curvature: Curvature
    likelihood: RowLikelihood


def find_mode(
    rows: GroupedCounts,
    beta: Floats,
    factors: Sequence[Floats],
    start: Effects,
    dispersion: float | None = None,
) -> Mode:
    """Newton's method from `start`; steps that lead down are halved.

    Raises
    ------
    LinAlgError
        If the curvature is not a number, so far in the tail.
    """
    fixed, likelihood = rows.base + rows.x @ beta, rows.with_dispersion(dispersion)
    t = [factor.T @ z for factor, z in zip(factors, rows.z, strict=True)]
    effects, shift = start, _shift(rows, t, start)
    step, step_shift, length, before, rise = start, shift, 0.0, -np.inf, np.inf
    for _ in range(MOST_STEPS):
        eta = fixed + shift
        v, r = effects
        # far from the mode a step may lead down; near it the value says less than its rounding
        if rise > SAFE_RISE:
            value = _log_density(likelihood, eta, effects)
            if not value >= before:
                # back from `effects` by half of what was last added
                length *= 0.5
                effects = v - length * step[0], r - length * step[1]
                shift = shift - length * step_shift
                if length < 1e-12:
                    break
                continue
            before = value
        residual, weight, third = likelihood.curvatures(eta)
        curvature, exact = _positive_curvature(rows, t, likelihood, eta, weight)
        gradient = rows.over_effects(t, residual)
        gradient = gradient[0] - v, gradient[1] - r
        step = curvature.solve(gradient)
        # what the quadratic at hand still promises: half of gradient'H^-1 gradient
        last, rise = rise, 0.5 * float(np.vdot(gradient[0], step[0]) + gradient[1] @ step[1])
        if rise < CONVERGED_RISE or (rise < ROUNDING_RISE and rise > 0.1 * last):
            # the stand-in curvature is positive at a saddle too
            if not exact:  # a stationary point that is no mode
                raise np.linalg.LinAlgError
            if last <= SAFE_RISE:
                value = _log_density(likelihood, eta, effects)
            row = eta, weight, third, residual
            return Mode(effects, factors[0], t, *row, value, curvature, likelihood)
        step_shift = _shift(rows, t, step)
        # in units of the linear predictor, as all rows have these in common
        length = min(1.0, LONGEST_STEP / max(float(np.abs(step_shift).max()), 1e-300))
        effects = v + length * step[0], r + length * step[1]
        shift = shift + length * step_shift
    raise np.linalg.LinAlgError


def _positive_curvature(
    rows: GroupedCounts,
    t: Sequence[Floats],
    likelihood: RowLikelihood,
    eta: Floats,
    weight: Floats,
) -> tuple[Curvature, bool]:
    """The curvature, or where it is not positive a stand-in; and whether it is exact.

    Beta-binomial rows may have a negative weight far from what the others say.
    """
    if not (weight < 0).any():
        return _curvature(rows, t, weight), True
    with np.errstate(invalid="ignore"):  # roots of what is not positive
        try:
            exact = _curvature(rows, t, weight)
            if math.isfinite(exact.half_log_det):
                return exact, True
        except np.linalg.LinAlgError:
            pass
    return _curvature(rows, t, likelihood.slopes(eta)[1]), False


def _log_density(likelihood: RowLikelihood, eta: Floats, effects: Effects) -> float:
    v, r = effects
    return float(likelihood.value(eta).sum()) - 0.5 * float(np.vdot(v, v) + r @ r)


def _shift(rows: GroupedCounts, t: Sequence[Floats], effects: Effects) -> Floats:
    """U times effects, (N,)."""
    at_rows = rows.at_rows(effects)
    return np.asarray(sum(np.einsum("kn,kn->n", a, b) for a, b in zip(t, at_rows, strict=True)))


# the criterion and its gradient -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """F and its derivatives.

    Parameters
    ----------
    value : float
        Off the highest log likelihood of every row by itself.
    beta : ndarray, shape (p,)
    factors : tuple of ndarray, shape (q, q)
        With each entry of Lambda of each factor.
    log_dispersion : float
        With the logarithm of the dispersion; 0 where rows have none.
    """

    value: float
    beta: Floats
    factors: tuple[Floats, ...]
    log_dispersion: float


def criterion(
    rows: GroupedCounts, mode: Mode, points: int, dispersion: float | None = None
) -> Slopes:
    """F and its gradient at a mode, with so many nodes an effect of the largest factor."""
    entries = inverse(mode.curvature)
    residual, nodes = mode.residual, None
    along = _along_dispersion(rows, dispersion)
    if points > 1:
        nodes = corrected(rows, mode, points, along)
        residual = nodes.residual
        # with D -log|H| / 2 changes by -H^-1 / 2 and quadrature's total by -curvature: both enter
        # the same sums over rows
        entries = Inverse(entries.block + 2.0 * nodes.curvature, entries.beside, entries.others)
    solved = _rows_solved(rows, mode.t, entries)
    # u'H^-1 u: the posterior variance of each linear predictor
    leverage = sum(np.einsum("kn,kn->n", a, b) for a, b in zip(mode.t, solved, strict=True))
    # dH/d eta_i = third_i u u', so that log|H| changes by third times leverage with eta
    moved = mode.third * leverage  # c
    adjoint = _adjoint(rows, mode, moved, nodes)
    # by the implicit function theorem the mode moves by H^-1 of what moves its gradient: one solve
    # serves all parameters
    sway = mode.curvature.solve(adjoint)
    sway_rows = rows.at_rows(sway)
    felt = sum(np.einsum("kn,kn->n", a, b) for a, b in zip(mode.t, sway_rows, strict=True))
    # direct change of eta less how the mode gives way
    half_q = 0.5 * (moved - mode.weight * felt)
    direct = residual - half_q
    by_factor = []
    effects = rows.at_rows(mode.effects)
    for k, z in enumerate(rows.z):
        # the largest factor's part of the rows' own residual is in nodes.score
        pull = -half_q if nodes is not None and k == 0 else direct
        # d eta / d Lambda with effects held; of the gradient's Lambda; of U in H = I + U'WU
        total = pull * effects[k] - 0.5 * mode.residual * sway_rows[k] - mode.weight * solved[k]
        by_factor.append(z @ total.T)
    if nodes is not None:
        by_factor[0] += nodes.score
    value = mode.log_density - mode.curvature.half_log_det
    if nodes is not None:
        value += nodes.total
    rise = 0.0
    if along is not None:
        score, weight = along.derivative(lambda of: np.stack(of.curvatures(mode.eta)[:2]))
        own = along.derivative(lambda of: of.value(mode.eta)) if nodes is None else nodes.rise
        # of the value, of the weights in H, and of the gradient at the mode
        rise = float((own - 0.5 * (leverage * weight + felt * score)).sum())
    return Slopes(value, direct @ rows.x, tuple(by_factor), rise)


def _along_dispersion(rows: GroupedCounts, dispersion: float | None) -> Along | None:
    if rows.dispersed is None:
        return None
    assert dispersion is not None
    return along_dispersion(rows.dispersed, dispersion, rows.best)


def _rows_solved(rows: GroupedCounts, t: Sequence[Floats], entries: Inverse) -> list[Floats]:
    """Of H^-1 u_i the effects of the row's own groups, (q, N) of each factor."""
    block = rows.repeated(entries.block)
    out = [np.einsum("abn,bn->an", block, t[0])]
    if rows.pairs is None:
        return out
    for own, place, beside in zip(t[1:], rows.pairs.places, entries.beside, strict=True):
        between = beside[..., place]
        # `beside` holds minus the entries
        out[0] -= np.einsum("abn,bn->an", between, own)
        out.append(-np.einsum("abn,an->bn", between, t[0]))
    flat = entries.others.reshape(-1)
    for each in rows.meetings:
        between = flat[each.flat][..., each.place]
        a, b = 1 + each.first, 1 + each.second
        out[a] += np.einsum("abn,bn->an", between, t[b])
        if a != b:
            out[b] += np.einsum("abn,an->bn", between, t[a])
    return out


def _adjoint(rows: GroupedCounts, mode: Mode, moved: Floats, nodes: Corrected | None) -> Effects:
    """Minus twice what F rises by with each effect of the mode."""
    v, r = rows.over_effects(mode.t, moved)
    if nodes is None:
        return v, r
    _, up = rows.over_effects(mode.t, nodes.residual)
    return v - 2.0 * nodes.effects, r - 2.0 * (up - mode.effects[1])
