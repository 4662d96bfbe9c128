"""The mode of the effects of counts given coefficients and covariances, and the curvature there.

    eta = base + X beta + sum_l Z_l Lambda_l v_l,   every v ~ N(0, I)

Newton's method on log p(y, v), with the groups of the largest factor eliminated by blocks from the
curvature H = [[D, C], [C', R]]; what is left is the Schur complement S of all others' effects r.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.kernels import batched_linalg
from partialpool.kernels.factor_pairs import Pairs, divided
from partialpool.kernels.grouped_counts import Effects, GroupedCounts
from partialpool.kernels.row_likelihood import RowLikelihood

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
