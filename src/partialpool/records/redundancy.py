"""Columns that are exact combinations of others: found from cross-products, and left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.design import Design
from partialpool.design.labels import shown
from partialpool.notices import Notice
from partialpool.records.clusters import Clusters
from partialpool.records.cross_products import CrossProducts

TOLERANCE = 1e-11
"""A column is redundant if this share of its sum of squares is left given those before it."""
ROUNDING = (8 * np.finfo(float).eps) ** 2
"""What is left of the square of what was taken off a constant column: the square of eight
roundings."""


def without_redundant(
    design: Design, statistics: CrossProducts, clusters: Clusters | None
) -> tuple[Design, CrossProducts, Clusters | None, list[Notice]]:
    """Leave out every column that is an exact combination of those before it, as R does."""
    s = statistics
    total = sum(float(b.weight.sum()) for b in s.blocks[:1])
    kept = independent(s.xtx, ROUNDING * total * s.shift**2)
    effects, chosen = list(design.effects), []
    notices = list(_told(s.coefficients, kept, "predictors"))
    for t, block in enumerate(s.blocks):
        own = independent(block.ztz.sum(axis=0), ROUNDING * total * block.shift**2)
        notices += _told(block.effects, own, f"effects that vary by {block.factor}")
        effects[t] = replace(effects[t], columns=tuple(effects[t].columns[i] for i in own))
        chosen.append(own)
    if not notices:
        return design, statistics, clusters, []
    columns = tuple(design.columns[i] for i in kept)
    fewer = None if clusters is None else clusters.only(kept)
    smaller = replace(design, columns=columns, effects=tuple(effects))
    return smaller, s.only(kept, chosen), fewer, notices


def independent(gram: Floats, floor: Floats) -> Ints:
    """Positions of the columns that are no combination of those before them.

    Parameters
    ----------
    gram : ndarray, shape (p, p)
        Cross-products of (shifted) columns.
    floor : ndarray, shape (p,)
        A sum of squares of each column that is as good as zero.
    """
    rest, kept = gram.copy(), []
    for j in range(len(gram)):
        if rest[j, j] <= TOLERANCE * gram[j, j] + floor[j]:
            continue
        kept.append(j)
        rest -= np.outer(rest[:, j], rest[j]) / rest[j, j]
    return np.array(kept, dtype=np.intp)


def _told(names: Sequence[str], kept: Ints, what: str) -> Iterator[Notice]:
    gone = [n for i, n in enumerate(names) if i not in set(kept.tolist())]
    if gone:
        one = len(gone) == 1
        yield Notice(
            "columns_left_out",
            "warning",
            f"Of the {what}, {shown(gone)} {'is' if one else 'are'} left out: "
            f"{'it is an exact combination' if one else 'they are exact combinations'} of those "
            "before, so the data cannot tell them apart.",
        )
