"""Groups of one factor integrated out at many values of beta around one, for each Lambda.

The modes of the groups move almost linearly with beta: they are found at the center only, and
followed from there. The nodes of each group's quadrature rule then are where they are needed at
the cost of one evaluation each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels import small
from partialpool.kernels.grouped import CountSums, hermite, located

CELLS = 2**18
"""Elements of the arrays worked on at once."""
HIGHEST = 300.0
"""Exponents are kept below this."""


@dataclass(frozen=True, slots=True, eq=False)
class _Near:
    """Rows at B values of beta about each of G centers.

    Parameters
    ----------
    eta : ndarray, shape (G, B, N)
        With the groups at their predicted modes.
    v : ndarray, shape (q, G, B, L)
        Those modes.
    z : ndarray, shape (q, G, N)
        Z Lambda.
    lower : ndarray, shape (q, q, G, L)
        Factors of the curvature at the center.
    grown : ndarray, shape (G, B, N), or None
        exp(eta), unless that may overflow.
    cumulant : ndarray, shape (G, B, L)
        Sums of size A(eta).
    top : ndarray, shape (G, B, L)
        Log densities of v there.
    """

    eta: Floats
    v: Floats
    z: Floats
    lower: Floats
    grown: Floats | None
    cumulant: Floats
    top: Floats


def log_marginals(
    rows: CountSums, center: Floats, beta: Floats, factor: Floats, points: int
) -> Floats:
    """Log likelihood with all groups integrated out; shape (G, B).

    Parameters
    ----------
    rows : CountSums
    center : ndarray, shape (G, p)
    beta : ndarray, shape (G, B, p)
        Not far from the center, in its posterior sds.
    factor : ndarray, shape (G, q, q)
        Lambda.
    points : int
        Nodes of the rule along each dimension of v.
    """
    out, best = np.empty(beta.shape[:2]), rows.best()
    for part in _parts(rows, beta):
        at = _near(rows, center[part], beta[part], factor[part])
        total = np.zeros_like(at.top)
        for _, log_f in _nodes(rows, at, points):
            total += np.exp(np.minimum(log_f, HIGHEST, out=log_f), out=log_f)
        log_root = sum(np.log(at.lower[k, k]) for k in range(len(at.z)))
        found = at.top + np.log(total, out=total) - best
        out[part] = found.sum(axis=-1) - np.sum(log_root, axis=-1)[:, None]
    return out


def moments(
    rows: CountSums, center: Floats, beta: Floats, factor: Floats, points: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """As `log_marginals`, with the moments of every v.

    Returns
    -------
    tuple of ndarray
        The log likelihood, (G, B), and of v mean, (q, G, B, L), covariance, (q, q, G, B, L), and
        third central moments.
    """
    best = rows.best()
    found = [
        _moments(rows, _near(rows, center[part], beta[part], factor[part]), points, best)
        for part in _parts(rows, beta)
    ]
    logs, means, spreads, thirds = zip(*found, strict=True)
    return (
        np.concatenate(logs),
        np.concatenate(means, axis=1),
        np.concatenate(spreads, axis=2),
        np.concatenate(thirds, axis=3),
    )


def _moments(
    rows: CountSums, at: _Near, points: int, best: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    found = list(_nodes(rows, at, points))
    share = np.stack([f for _, f in found])
    top = share.max(axis=0)
    share = np.exp(np.subtract(share, top, out=share), out=share)
    total = share.sum(axis=0)
    share /= total
    log_root = sum(np.log(at.lower[k, k]) for k in range(len(at.z)))
    log_f = (at.top + top + np.log(total) - best).sum(axis=-1)
    log_f -= np.sum(log_root, axis=-1)[:, None]
    away = np.stack([a for a, _ in found])  # (K, q, G, L)
    square = away[:, :, None] * away[:, None]
    first = np.einsum("kgbl,kqgl->qgbl", share, away, optimize=True)
    second = np.einsum("kgbl,kqrgl->qrgbl", share, square, optimize=True)
    third = np.einsum("kgbl,kqrgl,ksgl->qrsgbl", share, square, away, optimize=True)
    covariance = second - first[:, None] * first[None]
    third -= first[:, None, None] * first[:, None] * first
    third -= thrice(first, covariance)
    return log_f, at.v + first, covariance, third


def thrice(a: Floats, b: Floats) -> Floats:
    """``a_i b_jk + a_j b_ik + a_k b_ij``, of shapes (q, ...) and (q, q, ...)."""
    whole = a[:, None, None] * b[None]
    return np.asarray(whole + whole.swapaxes(0, 1) + whole.swapaxes(0, 2))


def _parts(rows: CountSums, beta: Floats) -> Iterator[slice]:
    size = max(1, CELLS // max(len(rows.y) * beta.shape[1], 1))
    for g in range(0, len(beta), size):
        yield slice(g, min(g + size, len(beta)))


def _near(rows: CountSums, center: Floats, beta: Floats, factor: Floats) -> _Near:
    at = located(rows, center, factor)
    q, p = len(at.z), rows.x.shape[1]
    modes = at.modes
    eta = at.eta + sum(zk * rows.to_rows(vk) for zk, vk in zip(at.z, modes.v, strict=True))
    weight = rows.size * rows.link.cumulants(eta)[2]
    cross = np.empty((q, len(center), p, len(rows.starts)))
    for k, zk in enumerate(at.z):
        for j in range(p):
            cross[k, :, j] = rows.over_groups(zk * weight * rows.x[:, j])
    slope = -small.backward(modes.lower, small.forward(modes.lower, cross))  # (q, G, p, L)
    design = rows.x.T + sum(
        zk[:, None] * rows.to_rows(sk) for zk, sk in zip(at.z, slope, strict=True)
    )
    away = beta - center[:, None]
    every = eta[:, None] + away @ design
    v = modes.v[:, :, None] + away @ slope
    grown = np.exp(every) if float(every.max(initial=0.0)) < HIGHEST else None
    plain = rows.link.cumulant(every) if grown is None else rows.link.cumulant_of(grown.copy())
    cumulant = rows.over_groups(rows.size * plain)
    top = rows.over_groups(rows.y * every) - cumulant - 0.5 * (v**2).sum(axis=0)
    return _Near(every, v, at.z, modes.lower, grown, cumulant, top)


def _nodes(rows: CountSums, at: _Near, points: int) -> Iterator[tuple[Floats, Floats]]:
    """How far every node of the rule is from the mode, (q, G, L); its log share, (G, B, L).

    Shares are relative to the density at the mode as predicted.
    """
    q, _, nodes, groups = at.lower.shape
    for node, weight in zip(*hermite(points, q), strict=True):
        wide = np.empty((q, nodes, 1, groups))
        wide[:] = node[:, None, None, None]
        away = small.backward(at.lower, wide)[:, :, 0]
        shift = sum(zk * rows.to_rows(ak) for zk, ak in zip(at.z, away, strict=True))
        if at.grown is None or float(np.max(shift, initial=0.0)) > HIGHEST:
            cumulant = rows.link.cumulant(at.eta + shift[:, None])
        else:
            cumulant = rows.link.cumulant_of(at.grown * np.exp(shift)[:, None])
        cumulant *= rows.size
        log_f = at.cumulant - rows.over_groups(cumulant)
        log_f += (rows.over_groups(rows.y * shift) - 0.5 * (away**2).sum(axis=0))[:, None]
        for vk, ak in zip(at.v, away, strict=True):
            log_f -= vk * ak[:, None]
        log_f += weight + 0.5 * float(node @ node)
        yield away, log_f
