"""Rows in memory that lie far from what their groups and predictors say, found while they are read.

What is kept of the rows, sums by group, does not know one row from another; so this is asked of the
rows themselves, once, by least squares without pooling. Rows in an engine are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.design.coded_rows import Usable
from partialpool.design.design import Design
from partialpool.design.new_rows import one_way_design
from partialpool.design.row_values import weights_of
from partialpool.kernels.studentised_residuals import LeastSquares
from partialpool.notices import Notice

MOST_ROWS = 50_000
"""Of more rows one alone moves nothing to speak of, and this would cost a third of reading."""
LEVEL = 0.02
"""Probability (Bonferroni) that any row of normal noise is said to lie far."""
FAR_SDS = 4.0
"""Sds from which on a row is far, however few rows there are."""
NAMED_ROWS = 3
"""Rows that the notice describes, the farthest first; the others are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Far:
    """Rows that lie far: their positions and studentised residuals, the farthest first."""

    rows: Ints
    t: Floats


def of_one_way(rows: Usable) -> Iterator[Notice]:
    """A warning of such rows of one factor without predictors."""
    roles = rows.coded.roles
    design = one_way_design(roles, rows.source.labels[roles.group.name])
    return of_design(replace(design, columns=()), rows)  # the groups take up the intercept


def of_design(design: Design, rows: Usable) -> Iterator[Notice]:
    """A warning of such rows of a model of several factors, or with predictors."""
    roles = design.roles
    if rows.coded.n_used > MOST_ROWS or rows.source.data.rows is None:
        return
    if roles.count is not None or roles.se is not None or roles.family is not None:
        return
    chunk = rows.together()
    assert chunk.rows is not None
    weight = weights_of(roles, chunk.numbers)
    root = np.ones(len(chunk)) if weight is None else np.sqrt(weight)
    y = design.outcome(chunk)
    x, groups = design.matrices(chunk, rows.source.labels)
    groups = tuple((group, z * root[:, None]) for group, z in groups)
    far = outlying_rows(y * root, x * root[:, None], groups)
    first = design.effects[0].factor
    label = first.labels[groups[0][0][far.rows]].tolist()
    yield from _said(str(roles.outcome), first.name, chunk.rows, y, far, label)


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
