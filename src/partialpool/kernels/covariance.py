"""Standard deviations and correlations to a factor of a covariance matrix."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats


def correlation_factor(partial: Floats, size: int) -> Floats:
    """Lower Cholesky factor of correlation matrices from their partial correlations.

    Parameters
    ----------
    partial : ndarray, shape (G, size (size - 1) / 2)
        Row by row of the lower triangle: 21, 31, 32|1, 41, ...
    size : int

    Returns
    -------
    ndarray, shape (G, size, size)

    Notes
    -----
    Source: Lewandowski, Kurowicka and Joe (2009), doi:10.1016/j.jmva.2009.04.008.
    """
    out = np.zeros((len(partial), size, size))
    at = 0
    for i in range(size):
        left = np.ones(len(partial))
        for k in range(i):
            r = partial[:, at]
            # a partial correlation is the share of what earlier ones leave
            out[:, i, k] = r * left
            # not 1 - r^2: exact for r near 1, where sds are nearly proportional
            left = left * np.sqrt((1.0 - r) * (1.0 + r))
            at += 1
        out[:, i, i] = left
    return out


def covariance_factor(sd: Floats, partial: Floats | None) -> Floats:
    """Factor of covariances from sds (G, q), and partial correlations unless uncorrelated."""
    if partial is None or sd.shape[1] == 1:
        return np.asarray(sd[:, :, None] * np.eye(sd.shape[1]))
    return np.asarray(sd[:, :, None] * correlation_factor(partial, sd.shape[1]))


def partial_correlations(correlation: Floats) -> Floats:
    """Partial correlations of one matrix, in the order of `correlation_factor`; 0 where nan."""
    known = np.nan_to_num(correlation, nan=0.0)
    size = len(known)
    np.fill_diagonal(known, 1.0)
    factor = np.zeros((size, size))
    out = []
    for i in range(size):
        left = 1.0
        for k in range(i):
            # the same recursion solved for r
            rest = known[i, k] - factor[i, :k] @ factor[k, :k]
            r = rest / (factor[k, k] * np.sqrt(left)) if factor[k, k] * left > 0 else 0.0
            # estimates of a singular matrix may come out as 1 + 1e-16
            r = float(np.clip(r, -1.0, 1.0))
            factor[i, k] = r * np.sqrt(left)
            left *= (1.0 - r) * (1.0 + r)
            out.append(r)
        factor[i, i] = np.sqrt(max(left, 0.0))
    return np.array(out)
