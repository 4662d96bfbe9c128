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

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels.adaptive import Corrected, corrected
from partialpool.kernels.count_mode import Inverse, Mode, inverse
from partialpool.kernels.grouped_counts import Effects, GroupedCounts
from partialpool.kernels.row_likelihood import Along, along_dispersion


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
