"""Rows whose errors are correlated within blocks, turned so that their errors are independent.

    y_b ~ N(X_b beta + 1 b_study + u_b, V_b),   u ~ N(0, tau^2 I),   V_b = Q_b diag(d_b) Q_b'

Q_b is orthogonal: Q_b' y_b has independent errors of variances d_b, and Q_b' u_b is again
N(0, tau^2 I). What remains is an ordinary model of known standard errors whose columns, the one of
ones too, are Q_b' times those of the data; its parameters are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats, Ints
from partialpool.design import labels as lab
from partialpool.errors import ArgumentError, DataError
from partialpool.formula.tree import Name
from partialpool.rows import frames
from partialpool.rows.added_columns import in_memory, numbers_of
from partialpool.rows.foreign_frames import known_frame
from partialpool.rows.read import checked_kind, handing_back

SYMMETRIC = 1e-8
"""Relative difference of a covariance and its transpose that is taken for rounding."""


def independent_rows(
    data: Any,
    *,
    effect: str,
    by: str,
    se: str | None = None,
    rho: float | None = None,
    covariance: Any = None,
    columns: Sequence[str] = (),
) -> Any:
    """Turn effects with correlated sampling errors into rows with independent ones.

    For several effects a study: of outcomes, times or arms that share people.

        pp.fit("effect | se(se) ~ 0 + one + x + (0 + one | study) + (1 | row)", rows)

    then is the model of studies, effects within studies and known covariances; its parameters,
    groups of study and predictions (with ``one = 1``) mean what they mean of the data as they were.

    Parameters
    ----------
    data : frame, mapping, path or relation
        One row an effect, without missing values in the columns named here.
    effect : str
        Column of effects.
    by : str
        Column of studies: rows of different ones are independent.
    se : str, optional
        Column of standard errors, with
    rho : float, optional
        the correlation of the errors of any two rows of a study. Or else
    covariance : array_like, shape (N, N), or sequence of arrays, optional
        The covariance of the errors of all rows, zero between studies; or that of each study, in
        the order in which studies first come, its rows in their order.
    columns : sequence of str
        Predictors: numbers, such as a column of 0 and 1 for an outcome.

    Returns
    -------
    frame
        by, effect, se, one (an intercept), the columns, and row, in the kind of frame that `data`
        is; N rows, those of a study together. A row is a combination of those of its study.

    Raises
    ------
    ArgumentError
        If it is not said how errors are correlated, or in two ways.
    ColumnError, DataError
        If a column is missing or not numeric, a value is missing, or a covariance is not one.

    Examples
    --------
    >>> import partialpool as pp
    >>> rows = {"study": ["A", "A", "B"], "y": [1.0, 3.0, 2.0], "s": [0.5, 0.5, 0.4]}
    >>> turned = pp.independent_rows(rows, effect="y", by="study", se="s", rho=0.6)
    >>> list(turned), turned["se"].round(3).tolist()
    (['study', 'y', 'se', 'one', 'row'], [0.316, 0.632, 0.4])
    """
    if (rho is None) == (covariance is None) or (rho is None) != (se is None):
        raise ArgumentError(
            "give either se and rho (a correlation within studies), or covariance (a matrix, or "
            "one a study)"
        )
    data = known_frame(data)
    frame = in_memory(data)
    kind = checked_kind(frame)
    named = list(dict.fromkeys([effect, *columns, *([] if se is None else [se])]))
    numbers = numbers_of(frame, named)
    codes, labels = frames.label_codes(frames.take(frame, kind, [Name(by)])[by])
    _refuse_gaps({**numbers, by: np.where(codes < 0, np.nan, 0.0)})
    places = _places(codes)
    if rho is not None:
        blocks = _correlated(numbers[str(se)], rho, places)
    else:
        blocks = _blocks(covariance, places, len(codes))
    turned = {"one": np.ones(len(codes)), **{k: numbers[k] for k in (effect, *columns)}}
    table = _turned(turned, places, blocks, effect)
    # studies were turned by size; put back where their first row stood
    first = np.concatenate([np.repeat(rows.min(axis=1), rows.shape[1]) for rows in places])
    order = np.argsort(first, kind="stable")  # rows of a study together, studies as they came
    study = lab.as_labels(labels[codes[first[order]]])
    ordered = {k: v[order] for k, v in table.items()}
    return handing_back(data)(Table({by: study, **ordered, "row": np.arange(1, len(order) + 1)}))


def _refuse_gaps(columns: dict[str, Floats]) -> None:
    for name, values in columns.items():
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise DataError(
                f'column "{name}" has no number in row {bad[0] + 1}; leave out rows with gaps, as '
                "the errors of the others of their study go together with theirs"
            )


def _places(codes: Ints) -> list[Ints]:
    """Rows of studies: of each size that occurs, (B, size), studies as they first come."""
    order = np.argsort(codes, kind="stable")
    _, first, size = np.unique(codes, return_index=True, return_counts=True)
    start = np.cumsum(size) - size
    studies = np.argsort(first)
    return [
        order[start[chosen][:, None] + np.arange(m)]
        for m in np.unique(size)
        for chosen in [studies[size[studies] == m]]
    ]


def _correlated(se: Floats, rho: float, places: list[Ints]) -> list[Floats]:
    if not -1 < rho < 1:
        raise ArgumentError(f"rho is a correlation between -1 and 1; received {rho!r}")
    if (se <= 0).any():
        raise DataError(f"standard errors must be positive; row {np.argmax(se <= 0) + 1} has none")
    return [
        se[rows][:, :, None] * se[rows][:, None, :] * (rho + (1 - rho) * np.eye(rows.shape[1]))
        for rows in places
    ]


def _blocks(covariance: Any, places: list[Ints], n: int) -> list[Floats]:
    """Covariances of the studies of each size, (B, m, m), from a matrix or one a study."""
    if isinstance(covariance, list | tuple) and np.ndim(covariance[0]) == 2:
        return _listed(covariance, places)
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (n, n):
        raise ArgumentError(f"covariance has shape {matrix.shape}, and there are {n} rows")
    blocks = [matrix[rows[:, :, None], rows[:, None, :]] for rows in places]
    if np.count_nonzero(matrix) > sum(np.count_nonzero(b) for b in blocks):
        raise DataError(
            "covariance is not zero between rows of different studies: errors may go together "
            "within studies only"
        )
    return blocks


def _listed(covariance: Sequence[Any], places: list[Ints]) -> list[Floats]:
    rank = np.argsort(np.argsort(np.concatenate([rows.min(axis=1) for rows in places])))
    sizes = np.concatenate([np.full(len(rows), rows.shape[1]) for rows in places])
    expected = sizes[np.argsort(rank)].tolist()
    shapes = [np.shape(block) for block in covariance]
    if shapes != [(m, m) for m in expected]:
        raise ArgumentError(
            f"covariance has one matrix a study, of sizes {expected}; received shapes {shapes}"
        )
    ends = np.cumsum([len(rows) for rows in places])[:-1]
    return [
        np.array([covariance[i] for i in part.tolist()], dtype=np.float64)
        for part in np.split(rank, ends)
    ]


def _turned(
    columns: dict[str, Floats], places: list[Ints], blocks: list[Floats], effect: str
) -> dict[str, Floats]:
    """Every column, and se, in the coordinates in which errors are independent."""
    parts: dict[str, list[Floats]] = {name: [] for name in (*columns, "se")}
    for rows, block in zip(places, blocks, strict=True):
        _refuse_asymmetric(block)
        variance, vectors = np.linalg.eigh(block)
        if not (variance[:, 0] > 0).all():
            raise DataError(
                "a covariance is not positive definite: its smallest eigenvalue is "
                f"{variance[:, 0].min():.3g}; two effects of a study may be the same"
            )
        for name, values in columns.items():
            parts[name].append(np.einsum("bij,bi->bj", vectors, values[rows]).ravel())
        parts["se"].append(np.sqrt(variance).ravel())
    joined = {name: np.concatenate(values) for name, values in parts.items()}
    names = dict.fromkeys([effect, "se", "one", *joined])
    return {name: joined[name] for name in names}


def _refuse_asymmetric(block: Floats) -> None:
    gap = np.abs(block - block.swapaxes(1, 2)).max()
    if not np.isfinite(block).all() or gap > SYMMETRIC * np.abs(block).max():
        raise DataError("a covariance must be finite and symmetric")
