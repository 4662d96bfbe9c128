"""Unbounded coordinates of standard deviations and correlations, and their log jacobians."""

from __future__ import annotations

import numpy as np


def half_normal(scale):
    return lambda x: np.log(2 / scale) - 0.5 * np.log(2 * np.pi) - 0.5 * (x / scale) ** 2


def half_cauchy(scale):
    return lambda x: np.log(2 / (np.pi * scale)) - np.log1p((x / scale) ** 2)


def flat(x):
    return np.zeros_like(x)


def log_sech(z):
    return np.log(2.0) - np.abs(z) - np.log1p(np.exp(-2 * np.abs(z)))


def size(columns):
    """How many coordinates a term with so many correlated columns takes."""
    return columns * (columns + 1) // 2


def sd_of(u, scale=None):
    """An sd and the log jacobian: exp(u), or scale * sinh(u) of a folded coordinate u >= 0.

    The second is even and smooth at zero, where the first has a long tail, and a logarithm far
    out: the one for importance sampling, the other for lattices.
    """
    if scale is None:
        return np.exp(u), u
    u = np.abs(u)
    return scale * np.sinh(u), np.log(scale) + u + np.log1p(np.exp(-2 * u)) - np.log(2)


def covariance_root(u, columns, sd_priors, eta=1.0, scale=None):
    """Lower root of the covariance of a term's effects, with the log prior of the coordinates.

    Coordinates: sds (`sd_of`), then Fisher's z of the canonical partial correlations, column by
    column of the root (Lewandowski, Kurowicka and Joe, 2009, https://doi.org/10.1016/j.jmva.2009.04.008:
    under LKJ(eta) those of column k are Beta on (-1, 1) with both shapes eta + (q - 2 - k) / 2).

    Parameters
    ----------
    u : array, (points, size(columns))
    sd_priors : sequence of callables
        Log density of each sd.

    Returns
    -------
    root : array, (points, columns, columns)
    log_prior : array, (points,)
        Prior in the coordinates u: jacobians are included.
    """
    q, points = columns, len(u)
    sds, log_jacobian = sd_of(u[:, :q], scale)
    log_prior = log_jacobian.sum(axis=1)
    for i, prior in enumerate(sd_priors):
        log_prior = log_prior + prior(sds[:, i])
    root = np.zeros((points, q, q))
    root[:, 0, 0] = 1.0
    left = np.ones((points, q))  # what remains of each row's unit length
    at = q
    for k in range(q - 1):
        for i in range(k + 1, q):
            z = u[:, at]
            root[:, i, k] = np.tanh(z) * np.sqrt(left[:, i])
            left[:, i] *= np.exp(2 * log_sech(z))
            shape = eta + (q - 2 - k) / 2
            log_prior = log_prior + 2 * shape * log_sech(z)  # (1 - c^2)^(shape - 1) dc/dz
            at += 1
    for i in range(1, q):
        root[:, i, i] = np.sqrt(left[:, i])
    return root * sds[:, :, None], log_prior


def correlations(root):
    """Those below the diagonal, row by row within columns: (1,0), (2,0), (2,1), ..."""
    covariance = root @ np.swapaxes(root, 1, 2)
    sd = np.sqrt(np.einsum("sii->si", covariance))
    q = root.shape[1]
    pairs = [(i, j) for j in range(q) for i in range(j + 1, q)]
    return {(i, j): covariance[:, i, j] / (sd[:, i] * sd[:, j]) for i, j in pairs}
