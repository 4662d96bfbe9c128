"""Adaptive Gauss-Hermite quadrature of every group's effects about their mode, and its gradient.

With g(v) a group's log density, v^ its mode and R R' = D^-1 the inverse of the curvature there,

    log of the integral of exp(g) = log |R| + g(v^) + total,
    total = log sum_k W_k exp(g(v^ + R x_k) - g(v^) + x_k' x_k / 2),

nodes x_k and weights W_k of the rule for N(0, I). Source: Liu and Pierce (1994),
doi:10.1093/biomet/81.3.624.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels import batched_linalg
from partialpool.kernels.count_mode import Mode
from partialpool.kernels.gauss_hermite import hermite
from partialpool.kernels.grouped_counts import GroupedCounts
from partialpool.kernels.row_likelihood import Along

CELLS_AT_ONCE = 2**15
"""Rows times nodes worked on at once: arrays of 256 KiB stay in the cache; measured 1.6 times as
fast as 2**19 and 4 times as 2**12."""


@dataclass(frozen=True, slots=True, eq=False)
class Corrected:
    """What quadrature adds to Laplace's approximation, and how that moves.

    Parameters
    ----------
    total : float
        Over all groups.
    residual : ndarray, shape (N,)
        y less the mean over the nodes: derivative with eta_i, nodes held.
    score : ndarray, shape (q, q)
        Derivative with each entry of Lambda, nodes held.
    effects : ndarray, shape (q, L)
        Derivative with the modes, of the nodes' sum (0 for Laplace's approximation).
    curvature : ndarray, shape (q, q, L)
        Minus the derivative with the curvature D, as far as it moves the nodes.
    rise : ndarray, shape (N,)
        Derivative with the logarithm of the dispersion, nodes held; 0 where rows have none.
    """

    total: float
    residual: Floats
    score: Floats
    effects: Floats
    curvature: Floats
    rise: Floats


def corrected(
    rows: GroupedCounts, mode: Mode, points: int, along: Along | None = None
) -> Corrected:
    """Sum over the nodes, some groups at a time."""
    nodes, log_weight = hermite(points, len(mode.t[0]))
    # the rule's weights contain the normal density; the integrand is g itself, so that is divided
    # out
    log_weight = log_weight + 0.5 * (nodes**2).sum(axis=1)
    ends = np.append(rows.starts[1:], len(rows.y))
    pieces, begin = [], 0
    while begin < len(ends):
        first = int(rows.starts[begin])
        # whole groups only: their sums over rows are taken by reduceat within a part
        end = int(np.searchsorted(ends, first + CELLS_AT_ONCE // len(nodes), side="right"))
        end = max(end, begin + 1)
        some = slice(begin, end), slice(first, int(ends[end - 1]))
        pieces.append(_some(rows, mode, *some, nodes, log_weight, along))
        begin = end
    return Corrected(
        sum(each.total for each in pieces),
        np.concatenate([each.residual for each in pieces]),
        np.asarray(sum(each.score for each in pieces)),
        np.concatenate([each.effects for each in pieces], axis=-1),
        np.concatenate([each.curvature for each in pieces], axis=-1),
        np.concatenate([each.rise for each in pieces]),
    )


def _some(
    rows: GroupedCounts,
    mode: Mode,
    groups: slice,
    part: slice,
    nodes: Floats,
    log_weight: Floats,
    along: Along | None,
) -> Corrected:
    """The same for a range of groups and their rows."""
    starts = rows.starts[groups] - part.start
    counts = rows.counts[groups]
    t, z, likelihood = mode.t[0][:, part], rows.z[0][:, part], mode.likelihood.part(part)
    lower = mode.curvature.lower[..., groups]
    q, length = len(t), len(starts)
    wide = np.empty((q, 1, len(nodes), length))
    wide[:] = nodes.T[:, None, :, None]
    # D = L L' and R = L'^-1: R x is the solution of L' u = x
    away = batched_linalg.backward(lower, wide)[:, 0]  # R x, (q, K, L)
    v = mode.effects[0][:, None, groups] + away
    eta = mode.eta[part] + sum(
        tk * np.repeat(ak, counts, axis=1) for tk, ak in zip(t, away, strict=True)
    )
    at_mode = likelihood.value(mode.eta[part])
    # differences from the mode row by row, before they are summed: of large counts both sums have
    # many digits in common
    log_f = np.add.reduceat(likelihood.value(eta.T).T - at_mode, starts, axis=1)
    # and the same of the prior N(0, I) of v
    log_f -= 0.5 * (v**2).sum(axis=0) - 0.5 * (mode.effects[0][:, groups] ** 2).sum(axis=0)
    log_f += log_weight[:, None]
    top = log_f.max(axis=0)
    # shares of the nodes in the integral; its derivative in anything is their mean of that of log f
    share = np.exp(log_f - top)
    total = share.sum(axis=0)
    share /= total
    residual = likelihood.slopes(eta.T)[0].T
    pull = np.stack([np.add.reduceat(zk * residual, starts, axis=1) for zk in z])  # (q, K, L)
    # eta = z' Lambda v, so that d log f / d Lambda_ab = (z'residual)_a v_b, summed over nodes k and
    # groups l
    score = np.einsum("akl,bkl->ab", share * pull, v)
    # derivative of log f in v itself: Lambda' z'residual - v
    slope = np.einsum("ab,akl->bkl", mode.factor, pull) - v
    slope *= share
    # a node lies at v^ + R x: what moves R moves the sum by slope x'
    product = np.einsum("akl,kb->abl", slope, nodes)
    by_row = np.repeat(share, counts, axis=1)
    rise = np.zeros(len(at_mode))
    if along is not None:
        # of the value in the dispersion only; how the mode moves with it is added by
        # `laplace.criterion`
        rise = along.part(part).derivative(lambda of: (by_row.T * of.value(eta.T)).sum(axis=1))
    return Corrected(
        float((top + np.log(total)).sum()),
        np.einsum("kn,kn->n", by_row, residual),
        score,
        slope.sum(axis=1),
        _with_curvature(lower, product),
        rise,
    )


def _with_curvature(lower: Floats, product: Floats) -> Floats:
    """Minus the derivative with D of sums of products of slopes and nodes, (q, q, L), by R.

    D = L L' and R = L'^-1, so that dR = -R Phi(L^-1 dD R)', Phi the lower triangle with half the
    diagonal; hence the derivative of tr(B' dR) is -R Phi(B'R) R'.
    """
    q = len(product)
    # Phi: the derivative of a Cholesky factor (Murray 2016, arXiv:1602.07527)
    mask = np.tril(np.ones((q, q)), -1) + 0.5 * np.eye(q)
    # B'R is the transpose of R'B = L^-1 B
    half = batched_linalg.forward(lower, product[:, None].copy())[:, 0]  # L^-1 B, (q, q, L)
    lower_part = mask[:, :, None] * half.swapaxes(0, 1)
    left = batched_linalg.backward(lower, lower_part[:, None].copy())[:, 0]  # R Phi
    both = batched_linalg.backward(lower, left.swapaxes(0, 1)[:, None].copy())[:, 0]  # R (R Phi)'
    # D is symmetric, and so is what is returned: the derivative with an entry of either triangle
    return 0.5 * (both + both.swapaxes(0, 1))
