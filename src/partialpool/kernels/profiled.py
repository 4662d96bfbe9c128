"""Beta given the relative covariances: from cross-products to estimates."""

from __future__ import annotations

from collections.abc import Sequence
import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels.crossed import Crossed
from partialpool.kernels.small import stacked_cholesky
from partialpool.kernels.system import NOTHING, System
from partialpool.kernels.tree import Tree

FREE, LOST = 1e6, 1e-11
"""Sds of groups' effects, in those of the outcome, that leave them free, and the share of its sum
of squares that this and rounding leave of an outcome that is fitted perfectly."""
FREE_EXACT = 1e14
"""The same of nested factors, of which sums within groups lose nothing."""


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
    if system.total[-1, -1] <= NOTHING * system.size:
        return True
    exact = isinstance(kernel, Tree) and system.levels[0].within is not None
    if exact:
        rest = _left(system, kernel, FREE_EXACT)
        if math.isfinite(rest):  # predictors that vary within groups may not bear so much
            return not rest > system.rounding
    return not _left(system, kernel, FREE) > LOST * float(system.total[-1, -1])


def _left(system: System, kernel: Tree | Crossed, free: float) -> float:
    """Sum of squares left of the outcome where groups' effects are free; nan where it is lost."""
    reduced = kernel.evaluate(system.barely_pooled(free))
    return float(solve(reduced.squares).rest[0])


def solve(squares: Floats) -> Solved:
    """Solve the normal equations in ``[X y]'V^-1 [X y]``, shape (G, p + 1, p + 1).

    Nodes at which they cannot be solved get nan.
    """
    p = squares.shape[1] - 1
    lower = stacked_cholesky(squares[:, :p, :p])
    inverse = np.linalg.inv(lower)
    half = (inverse @ squares[:, :p, p:])[:, :, 0]
    beta = (half[:, None, :] @ inverse)[:, 0]
    covariance = inverse.transpose(0, 2, 1) @ inverse
    log_det = 2.0 * np.log(np.einsum("gkk->gk", lower)).sum(axis=1)
    rest = np.maximum(squares[:, p, p] - (half**2).sum(axis=1), 0.0)
    return Solved(beta, covariance, log_det, rest)
