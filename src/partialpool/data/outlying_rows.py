"""Rows in memory that lie far from what their groups and predictors say, found while they are read.

What is kept of the rows, sums by group, does not know one row from another; so this is asked of the
rows themselves, once, by least squares without pooling. Rows in an engine are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._typing import Bools, Floats, Ints
from partialpool.data.coded_rows import Usable
from partialpool.data.design import Design
from partialpool.data.frames import Rows
from partialpool.data.row_values import weights_of
from partialpool.formula import Roles
from partialpool.notices import Notice

MOST_ROWS = 50_000
"""Of more rows one alone moves nothing to speak of, and this would cost a third of reading."""
LEVEL = 0.02
"""Probability (Bonferroni) that any row of normal noise is said to lie far."""
FAR_SDS = 4.0
"""Sds from which on a row is far, however few rows there are."""
SWEEPS = 4
"""Passes over several factors in turn, after which residuals of crossed ones agree to 1%."""
FEWEST_DF = 20
"""With fewer degrees of freedom left the noise itself is too little known."""
LEAST_FREE_SHARE = 0.05
"""Least 1 - leverage of a row that is judged: with less, its residual is small whatever it is."""
NAMED_ROWS = 3
"""Rows that the notice describes, the farthest first; the others are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Far:
    """Rows that lie far: their positions and studentised residuals, the farthest first."""

    rows: Ints
    t: Floats


def of_one_way(rows: Rows, roles: Roles) -> Iterator[Notice]:
    """A warning of such rows of one factor without predictors."""
    if roles.count is not None or roles.se is not None or len(rows.codes) > MOST_ROWS:
        return
    keep = rows.codes >= 0
    for values in rows.numbers.values():
        keep &= ~np.isnan(values)
    used = np.flatnonzero(keep)
    column = {name: values[used] for name, values in rows.numbers.items()}
    root = _root(weights_of(roles, column), len(used))
    y, code = column[roles.outcome_column.name], rows.codes[used]
    far = outlying_rows(y * root, np.zeros((len(used), 0)), [(code, root[:, None])])
    labels = rows.labels[code[far.rows]].tolist()
    yield from _said(roles.outcome_column.name, roles.group.name, used, y, far, labels)


def of_design(design: Design, rows: Usable) -> Iterator[Notice]:
    """A warning of such rows of a model of several factors, or with predictors."""
    roles = design.roles
    chunk = next(iter(rows.chunks()), None)
    if chunk is None or rows.coded.n_used > MOST_ROWS or len(chunk) < rows.coded.n_used:
        return
    if roles.count is not None or roles.se is not None or chunk.rows is None:
        return
    labels = rows.source.labels
    frame = design.frame(chunk, labels)
    root = _root(weights_of(roles, chunk.numbers), len(chunk))
    y = design.outcome(chunk)
    groups = [
        (design.groups(e, chunk, labels), frame.matrix(e.columns) * root[:, None])
        for e in design.effects
    ]
    x = frame.matrix(design.columns)
    far = outlying_rows(y * root, x * root[:, None], groups)
    first = design.effects[0].factor
    label = [first.labels[g] for g in groups[0][0][far.rows].tolist()]
    yield from _said(str(roles.outcome), first.name, chunk.rows, y, far, label)


def _root(weight: Floats | None, size: int) -> Floats:
    return np.ones(size) if weight is None else np.sqrt(weight)


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Externally studentised residuals: Student's t with `df` degrees of freedom of normal noise.

    Rows that their own group all but holds are not `judged`; `residual` is not standardised.
    """

    residual: Floats
    t: Floats
    judged: Bools
    df: float


def outlying_rows(y: Floats, x: Floats, groups: Sequence[tuple[Ints, Floats]]) -> Far:
    """Rows whose externally studentised residual is beyond what the largest of N may be.

    Parameters
    ----------
    y, x, groups
        As of `LeastSquares.read`.
    """
    of = LeastSquares.read(x, groups).residuals(y)
    if of is None:
        return Far(np.zeros(0, dtype=np.intp), np.zeros(0))
    p = 2.0 * len(y) * special.stdtr(of.df, -np.abs(of.t))
    far = np.flatnonzero(of.judged & (np.abs(of.t) > FAR_SDS) & (p < LEVEL))
    far = far[np.argsort(-np.abs(of.t[far]), kind="stable")]
    return Far(far, of.t[far])


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


def _said(
    outcome: str, factor: str, place: Ints, y: Floats, far: Far, labels: Sequence[object]
) -> Iterator[Notice]:
    """The warning; `labels` of the groups of these rows, `place` where each row is in the data."""
    if not len(far.rows):
        return
    listed = "; ".join(
        f"{y[i]:,.6g} in row {place[i] + 1:,} ({factor} {label}) is {abs(t):.1f} sds "
        f"{'above' if t > 0 else 'below'}"
        for i, t, label in zip(
            far.rows[:NAMED_ROWS].tolist(), far.t[:NAMED_ROWS].tolist(), labels, strict=False
        )
    )
    more = f"; and {len(far.rows) - NAMED_ROWS:,} more rows" if len(far.rows) > NAMED_ROWS else ""
    yield Notice(
        "outlying_rows",
        "warning",
        f"Far from what the rest of its group says of {outcome}: {listed}{more}. Noise is taken as "
        "normal, so such a row moves its group and makes sigma larger: check it; if such rows "
        "belong, a transformed outcome may fit better.",
    )
