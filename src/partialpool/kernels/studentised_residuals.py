"""Studentised residuals of rows, by least squares without pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Bools, Floats, Ints

SWEEPS = 4
"""Passes over several factors in turn, after which residuals of crossed ones agree to 1%."""
FEWEST_DF = 20
"""With fewer degrees of freedom left the noise itself is too little known."""
LEAST_FREE_SHARE = 0.05
"""Least 1 - leverage of a row that is judged: with less, its residual is small whatever it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Externally studentised residuals: Student's t with `df` degrees of freedom of normal noise.

    Rows that their own group all but holds are not `judged`; `residual` is not standardised.
    """

    residual: Floats
    t: Floats
    judged: Bools
    df: float


@dataclass(frozen=True, slots=True, eq=False)
class LeastSquares:
    """Predictors and groups of rows, without pooling.

    Parameters
    ----------
    inside : ndarray, shape (N, p)
        Predictors less what the groups of the first term make of them.
    solver : ndarray, shape (p, N)
        Their pseudo-inverse.
    terms : sequence of _Term
    leverage : ndarray, shape (N,)
        The largest of those of the terms.
    """

    inside: Floats
    solver: Floats
    terms: Sequence[_Term]
    leverage: Floats

    @staticmethod
    def read(x: Floats, groups: Sequence[tuple[Ints, Floats]]) -> LeastSquares:
        """Read predictors and groups.

        Parameters
        ----------
        x : ndarray, shape (N, p)
            Predictors.
        groups : sequence of (ndarray of int, shape (N,), ndarray, shape (N, q))
            Of each term the group of each row and the columns whose coefficients vary by group.
            All times the root of the weights.
        """
        terms = [_Term.read(code, z) for code, z in groups]
        inside = np.empty((len(x), x.shape[1]))
        for i, column in enumerate(x.T):
            inside[:, i] = column - terms[0].fitted(column)
        solver: Floats = inside.T
        if inside.shape[1]:
            solver = np.linalg.pinv(inside, rcond=1e-8).astype(np.float64, copy=False)
        leverage = np.max([term.leverage for term in terms], axis=0)
        return LeastSquares(inside, solver, terms, leverage)

    def residuals(self, y: Floats) -> Residuals | None:
        """Residuals of an outcome, (N,); None where they are too few to tell, or all zero."""
        first, *others = self.terms
        residual = y - first.fitted(y)
        if self.inside.shape[1]:  # coefficients within the groups of the first term
            residual = residual - self.inside @ (self.solver @ residual)
        for _ in range(SWEEPS if others else 0):
            for term in (*others, first):
                residual = residual - term.fitted(residual)
        df = len(y) - self.inside.shape[1] - sum(term.size for term in self.terms)
        if df < FEWEST_DF or not residual.any():
            return None
        left = 1.0 - self.leverage
        judged = left > LEAST_FREE_SHARE
        square = residual**2 / np.where(judged, left, 1.0) / (residual @ residual / df)
        t = np.sign(residual) * np.sqrt(square * (df - 1) / np.maximum(df - square, 1e-9))
        return Residuals(residual, t, judged, df - 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """The columns of one term, of which every group has its own coefficients."""

    code: Ints
    z: Floats
    inverse: Floats
    size: int

    @staticmethod
    def read(code: Ints, z: Floats) -> _Term:
        q, groups = z.shape[1], int(code.max()) + 1
        pairs = [(i, k) for i in range(q) for k in range(q)]
        sums = np.stack([np.bincount(code, z[:, i] * z[:, k], groups) for i, k in pairs], axis=1)
        square = sums.reshape(groups, q, q)
        if q == 1:
            there = square > 0.0
            return _Term(code, z, there / np.where(there, square, 1.0), int(there.sum()))
        inverse = np.linalg.pinv(square, rcond=1e-10, hermitian=True)
        return _Term(code, z, inverse, int(np.rint(np.einsum("gij,gji->", inverse, square))))

    def fitted(self, y: Floats) -> Floats:
        """Least squares within each group."""
        sums = [np.bincount(self.code, z * y, len(self.inverse)) for z in self.z.T]
        effects = np.einsum("gij,jg->gi", self.inverse, np.stack(sums))
        each = [z * e[self.code] for z, e in zip(self.z.T, effects.T, strict=True)]
        return np.asarray(each[0] if len(each) == 1 else np.sum(each, axis=0))

    @property
    def leverage(self) -> Floats:
        if self.z.shape[1] == 1:
            return np.asarray(self.z[:, 0] ** 2 * self.inverse[self.code, 0, 0])
        each: Floats = np.einsum("ni,nij,nj->n", self.z, self.inverse[self.code], self.z)
        return each
