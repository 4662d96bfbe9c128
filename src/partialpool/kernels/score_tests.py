"""Would a further column tell more of the outcome than the model does: score tests.

With V the variance of the outcome given the predictors, groups integrated out, and P what V^-1
leaves when the coefficients are estimated, ``v' P y`` has mean 0 and variance ``v' P v`` for any
column v that the outcome has no part in. Source: Rao (1948), doi:10.1017/S0305004100023987.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints

DEPENDENT_SHARE = 1e-7
"""A column is a combination of the predictors if this share of it, or less, is left without them:
squares of columns that were centered and scaled have lost half of their digits by then."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """A linear model with the variances of its groups known.

    Parameters
    ----------
    y, weight : ndarray, shape (N,)
    x : ndarray, shape (N, p)
    groups : sequence of (ndarray of int, shape (N,), ndarray, shape (N, q))
        Of each term the group of each row (-1: none) and the columns whose coefficients vary.
    df : float
        Rows less coefficients; infinite where errors are known, and sigma is 1.
    """

    y: Floats
    weight: Floats
    x: Floats
    groups: Sequence[tuple[Ints, Floats]]
    df: float

    def score(self, added: Floats, factors: Sequence[Floats]) -> Scores:
        """Products of the outcome and of further columns, all else taken out.

        Parameters
        ----------
        added : ndarray, shape (N, K)
        factors : sequence of ndarray, shape (q, q)
            Of each term a root of the covariance of its effects, over sigma squared.
        """
        # all products at once: with X, y and the columns, V^-1 by Woodbury's identity
        m = np.column_stack([self.x, self.y, added])
        wm = self.weight[:, None] * m
        left = m.T @ (wm - self._taken_up(wm, factors))
        p = self.x.shape[1]
        # predictors may be dependent: the pseudo-inverse takes out what they span
        on_x = np.linalg.pinv(left[:p, :p], rcond=1e-12, hermitian=True) @ left[:p, p:]
        rest = left[p:, p:] - left[p:, :p] @ on_x
        size = np.diag(m.T @ wm)[p + 1 :]
        return Scores(rest[1:, 0], rest[1:, 1:], float(rest[0, 0]), size, self.df)

    def _taken_up(self, wm: Floats, factors: Sequence[Floats]) -> Floats:
        """``(V^-1 - W) m`` with its sign changed: what the groups take up."""
        from scipy import sparse
        from scipy.sparse import linalg

        n, parts = len(self.y), []
        for (index, z), factor in zip(self.groups, factors, strict=True):
            q = z.shape[1]
            column = index[:, None] * q + np.arange(q)
            there = np.repeat(index >= 0, q)
            row = np.repeat(np.arange(n), q)
            data = (z @ factor).ravel()[there], (row[there], column.ravel()[there])
            parts.append(sparse.csc_array(data, shape=(n, q * (int(index.max()) + 1))))
        if not parts:
            return np.zeros_like(wm)
        z = sparse.hstack(parts, format="csc")
        wz = z * self.weight[:, None]
        inside = sparse.csc_array(z.T @ wz) + sparse.eye_array(z.shape[1], format="csc")
        # V^-1 = W - W Z (I + Z'W Z)^-1 Z'W, with the root of the effects' covariance in Z
        return np.asarray(wz @ linalg.splu(inside).solve(z.T @ wm))


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Of K further columns: ``v' P y``, ``v' P v``, ``y' P y``, and the columns' own squares."""

    score: Floats
    information: Floats
    outcome: float
    size: Floats
    df: float

    def p_value(self, at: slice) -> tuple[float, int, float]:
        """Chi-square, its degrees of freedom, and the p-value, of some columns together.

        Columns that are combinations of the predictors, or of one another, count for nothing.
        """
        score, information = self.score[at], self.information[at, at]
        scale = np.sqrt(np.where(self.size[at] > 0, self.size[at], 1.0))
        axis, along = np.linalg.eigh(information / np.outer(scale, scale))[::1]
        used = axis > DEPENDENT_SHARE
        k = int(used.sum())
        if k == 0:
            return 0.0, 0, 1.0
        # standardised along the eigenvectors: independent, of variance one
        z = (along.T @ (score / scale))[used] / np.sqrt(axis[used])
        square = float(z @ z)
        if np.isinf(self.df):
            return square, k, float(special.chdtrc(k, square))
        # the residual sum of squares with the columns in the model
        left = max(self.outcome - square, 1e-300)
        f = (square / k) / (left / (self.df - k)) if self.df > k else 0.0
        return k * f, k, float(special.fdtrc(k, max(self.df - k, 1.0), f))
