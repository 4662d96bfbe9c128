"""Beta given the relative covariances: from cross-products to estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels.batched_linalg import stacked_cholesky
from partialpool.kernels.crossed import Crossed
from partialpool.kernels.nested_factors import Tree
from partialpool.kernels.normal_equations import NOTHING_SHARE, System

FREE_SD = 1e6
"""Sds of groups' effects, in those of the outcome, that leave them free: of its sum of squares they
leave 1e-12."""
NOTHING_LEFT, NOTHING_LEFT_NESTED = 1e-11, 1e-9
"""Share that is taken for nothing: of the outcome's sum of squares where factors are crossed; of
what the finest groups leave, where they are nested."""


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """Weighted least squares at G nodes.

    Parameters
    ----------
    beta : ndarray, shape (G, p)
    covariance : ndarray, shape (G, p, p)
        (X'V^-1 X)^-1.
    log_det : ndarray, shape (G,)
        log |X'V^-1 X|.
    rest : ndarray, shape (G,)
        Weighted residual sum of squares.
    """

    beta: Floats
    covariance: Floats
    log_det: Floats
    rest: Floats

    def part(self, at: slice) -> Solved:
        """Some of the nodes."""
        return Solved(self.beta[at], self.covariance[at], self.log_det[at], self.rest[at])

    @staticmethod
    def joined(parts: Sequence[Solved]) -> Solved:
        """The nodes of all parts."""
        arrays = ([getattr(part, name) for part in parts] for name in Solved.__slots__)
        return Solved(*map(np.concatenate, arrays))


def fits_perfectly(system: System, kernel: Tree | Crossed) -> bool:
    """Whether coefficients and groups' effects, not pooled, leave nothing of the outcome."""
    if system.total[-1, -1] <= NOTHING_SHARE * system.size:
        return True
    total, lost = float(system.total[-1, -1]), NOTHING_LEFT
    # sums about the groups' means: nothing that rounding left of taking these off is mistaken for
    # an outcome
    if isinstance(kernel, Tree) and system.levels[0].within is not None:
        total, lost = _least_squares(kernel.total), NOTHING_LEFT_NESTED
        if total <= system.rounding:
            return True
        if len(system.levels) == 1:
            return False
    # with groups' effects next to free, weighted least squares leaves what no effect explains
    rest = float(solve(kernel.evaluate(system.barely_pooled(FREE_SD)).squares).rest[0])
    # `not >` and not `<=`: a nan, where nothing could be solved, counts as a perfect fit
    return not rest > lost * total


def _least_squares(squares: Floats) -> float:
    """Residual sum of squares from cross-products of ``[X y]``, (p + 1, p + 1)."""
    scale = np.sqrt(np.maximum(np.diag(squares), 0.0))
    used = np.flatnonzero(scale[:-1] > 0)
    if not len(used) or scale[-1] == 0:
        return float(squares[-1, -1])
    inner = squares[np.ix_(used, used)] / np.outer(scale[used], scale[used])
    right = squares[used, -1] / (scale[used] * scale[-1])
    # of correlations: the share of the outcome that is explained; least squares, as columns may be
    # dependent
    share = right @ np.linalg.lstsq(inner, right, rcond=NOTHING_SHARE)[0]
    return float(squares[-1, -1] * max(1.0 - share, 0.0))


def solve(squares: Floats) -> Solved:
    """Solve the normal equations in ``[X y]'V^-1 [X y]``, shape (G, p + 1, p + 1).

    Nodes at which they cannot be solved get nan.
    """
    p = squares.shape[1] - 1
    # nan where the matrix is not positive definite, so that one bad node does not stop the others
    lower = stacked_cholesky(squares[:, :p, :p])
    inverse = np.linalg.inv(lower)
    # L^-1 X'V^-1 y; beta = L'^-1 half, and the explained sum of squares is half'half
    half = (inverse @ squares[:, :p, p:])[:, :, 0]
    beta = (half[:, None, :] @ inverse)[:, 0]
    covariance = inverse.transpose(0, 2, 1) @ inverse
    log_det = 2.0 * np.log(np.einsum("gkk->gk", lower)).sum(axis=1)
    # a perfect fit may leave less than nothing
    rest = np.maximum(squares[:, p, p] - (half**2).sum(axis=1), 0.0)
    return Solved(beta, covariance, log_det, rest)
