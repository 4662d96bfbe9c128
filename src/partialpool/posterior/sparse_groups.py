"""Exact distributions of sparse groups: those with few rows, or with no event or no failure.

Given the hyperparameters phi and all other effects and coefficients b, the density of the effect u
of a group with one effect is known up to a constant,

    p(u | phi, b, y) ~ exp(-u^2 / (2 tau^2)) prod_i p(y_i | known_i + w_i' b + z_i u).

Three moments of it are not enough where it is very skew: a pair of normals has interval ends off
by 0.1 sd. Here it is computed on a grid, and averaged over points of (phi, b).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.kernels.joint_counts import JointRows

GRID_REACH, GRID_STEP = 7.0, 0.3
"""The grid, in posterior sds: distribution functions of a normal density are right to 1e-4, of one
half as wide and of the logarithm of an exponential variable to 1e-3; ends of all to .003 sd."""
CELLS_AT_ONCE = 2**20
"""Points times nodes times groups that are worked on at once (8 MiB)."""
MOST_EVALUATIONS = 2**26
"""Rows times points times nodes of the grid that are computed: one second."""


def evaluations(rows: JointRows, groups: Ints, points: int) -> int:
    """What distributions of some groups take."""
    return int(rows.grouped.counts[groups].sum()) * points * len(_grid())


def quantiles(
    rows: JointRows,
    groups: Ints,
    tau: Floats,
    dispersion: Floats | None,
    b: Floats,
    shift: Floats,
    slope: Floats,
    mean: Floats,
    sd: Floats,
    probabilities: Floats,
) -> Floats:
    """Quantiles of ``shift + slope u``, u the effect of a group, averaged over points.

    Parameters
    ----------
    rows : JointRows
        With one effect of a group.
    groups : ndarray of int, shape (R,)
        In the order of the rows.
    tau : ndarray, shape (M,)
        Standard deviation between groups at M points of equal weight.
    dispersion : ndarray, shape (M,), optional
        Of rows that have one.
    b : ndarray, shape (M, d)
    shift : ndarray, shape (M, R)
    slope : ndarray, shape (R,)
    mean, sd : ndarray, shape (R,)
        Of the quantities: where the grid lies.
    probabilities : ndarray, shape (K,)

    Returns
    -------
    ndarray, shape (K, R)
    """
    grid, size = _grid(), len(groups)
    step = max(1, CELLS_AT_ONCE // (len(grid) * len(tau)))
    if step < size:
        parts = [slice(i, i + step) for i in range(0, size, step)]
        each = [
            quantiles(
                rows, groups[i], tau, dispersion, b, shift[:, i], slope[i], mean[i], sd[i],
                probabilities,
            )
            for i in parts
        ]  # fmt: skip
        return np.concatenate(each, axis=1)
    u = (mean + sd * grid[:, None, None] - shift) / slope  # (T, M, R)
    log_density = -0.5 * (u / tau[:, None]) ** 2
    log_density += _log_likelihood(rows, groups, dispersion, b, u)
    log_density -= log_density.max(axis=0)  # each point's constant is unknown, and cancels
    density = np.exp(log_density)
    # given a point and on one grid: each point's distribution has mass one
    density /= density.sum(axis=0)
    marginal = density.mean(axis=1)  # (T, R), sums to one
    below = np.cumsum(marginal, axis=0) - 0.5 * marginal
    below -= np.gradient(marginal, axis=0) / 12.0  # Euler and Maclaurin: h^2 / 12 of the slope
    # rises, as the inverse below needs
    below = np.maximum.accumulate(np.clip(below, 1e-12, 1.0 - 1e-12), axis=0)
    # on the normal scale the distribution function is nearly straight, and interpolation nearly
    # exact
    wanted, score = special.ndtri(probabilities), special.ndtri(below)
    standardised = [np.interp(wanted, s, grid) for s in score.T]  # nearly straight lines
    return np.asarray(mean + sd * np.stack(standardised, axis=1))


def _grid() -> Floats:
    return np.arange(-GRID_REACH, GRID_REACH + GRID_STEP, GRID_STEP)


def _log_likelihood(
    rows: JointRows, groups: Ints, dispersion: Floats | None, b: Floats, u: Floats
) -> Floats:
    """Of each group's rows at effects u, (T, M, R), up to a constant; the same shape."""
    g = rows.grouped
    counts = g.counts[groups]
    first = np.cumsum(counts) - counts
    which = np.arange(int(counts.sum())) - np.repeat(first - g.starts[groups], counts)
    owner = np.repeat(np.arange(len(groups)), counts)
    known = rows.known[which, None] + rows.w[which] @ b.T  # (n, M)
    likelihood, z = g.with_dispersion(dispersion).likelihood.part(which), g.z[which, 0][:, None]
    out = np.empty_like(u)
    for at, effects in zip(out, u, strict=True):
        eta = known + z * effects.T[owner]
        at[:] = np.add.reduceat(likelihood.value(eta), first, axis=0).T
    return out
