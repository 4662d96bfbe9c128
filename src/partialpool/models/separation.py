"""Groups of counts that limit their own effects on one side only, or on none.

A group of which every row is at an end of its range (no event, or events only) says of its
intercept only on which side it lies, and a slope may be as steep as one likes if events and none
lie on two sides of a value of the predictor. Far out such a group's likelihood does not fall in
as many directions as a normal one would: by the dimension of the cone of directions in which it
never falls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.records.count_products import CountProducts

Effects = Sequence[tuple[int, int]]
"""Effects that are free to grow: the position of the term, and of the effect in it."""
EQUAL_ANGLES = 1e-9
"""Angles that differ by less are equal: products of predictors of about one size round to 1e-15."""


def shortfall(statistics: CountProducts) -> Callable[[Effects], int]:
    """How many directions of groups' effects the likelihood leaves open on a side.

    Of three and more effects of one group the most that two of them leave open is counted.
    """

    def missing(effects: Effects) -> int:
        by_factor: dict[str, list[tuple[int, int]]] = {}
        for t, k in effects:
            by_factor.setdefault(statistics.blocks[t].factor, []).append((t, k))
        chosen = list(by_factor.values())
        groups = [statistics.rows.group[c[0][0]] for c in chosen]
        return sum(
            _open(statistics, c)
            for i, c in enumerate(chosen)
            if not any(_within(other, groups[i]) for j, other in enumerate(groups) if j != i)
        )

    return missing


def _within(inner: Ints, outer: Ints) -> bool:
    """Whether every group of one factor lies in one group of the other, which has fewer."""
    # as many pairs as inner groups: none is in two
    pairs = len(np.unique(np.stack([inner, outer], axis=1), axis=0))
    return pairs == len(np.unique(inner)) and pairs > len(np.unique(outer))


def _open(s: CountProducts, effects: Effects) -> int:
    """Directions that all groups of one factor leave open."""
    rows = s.rows
    used = rows.size > 0
    group = rows.group[effects[0][0]][used]
    y, size = rows.y[used], rows.size[used]
    down, up = y == 0, s.proportion & (y == size)
    columns = [rows.z[t][used, k] for t, k in effects]
    if len(columns) == 1:
        return int(_one(group, columns[0], down, up).sum())
    directions = [_two(group, a, b, down, up) for a, b in combinations(columns, 2)]
    return int(np.max(directions, axis=0).sum())


def _one(group: Ints, z: Floats, down: Bools, up: Bools) -> Ints:
    """Of each group, 1 if an effect may go to infinity on one side, else 0."""
    size = int(group.max()) + 1
    # the direction in which a row's likelihood rises without end
    push = np.where(up, np.sign(z), -np.sign(z))
    free = ~(up | down) & (z != 0)
    forward = np.bincount(group, free | (push < 0), size) == 0
    back = np.bincount(group, free | (push > 0), size) == 0
    informative = np.bincount(group, z != 0, size) > 0
    return np.asarray(informative & (forward | back), dtype=np.intp)


def _two(group: Ints, a: Floats, b: Floats, down: Bools, up: Bools) -> Ints:
    """Of each group, the dimension of the cone of two effects, less what rows do not tell at all.

    A row pushes effects to its side of a line, a row inside its range to both; what is left open
    is what lies within the widest gap between the directions of all pushes.
    """
    inside = ~(up | down)
    sign = np.where(up, 1.0, -1.0)
    at = np.concatenate([group, group[inside]])
    x = np.concatenate([sign * a, -(sign * a)[inside]])
    y = np.concatenate([sign * b, -(sign * b)[inside]])
    informative = (x != 0) | (y != 0)
    # direction in the plane of the two effects
    at, angle = at[informative], np.arctan2(y[informative], x[informative])
    out = np.zeros(int(group.max()) + 1, dtype=np.intp)
    if not len(at):
        return out
    order = np.lexsort((angle, at))
    at, angle = at[order], angle[order]
    starts = np.flatnonzero(np.diff(at, prepend=-1))
    ends = np.append(starts[1:], len(at)) - 1
    gap = np.append(np.diff(angle), 0.0)
    # round the circle, from the last direction to the first
    gap[ends] = angle[starts] + 2.0 * np.pi - angle[ends]
    widest = np.maximum.reduceat(gap, starts)
    first = np.repeat(angle[starts], np.diff(np.append(starts, len(at))))
    # all pushes along one line: across it the data say nothing
    one_line = np.maximum.reduceat(np.abs(np.sin(angle - first)), starts) < EQUAL_ANGLES
    flat, half = widest > 2.0 * np.pi - EQUAL_ANGLES, np.abs(widest - np.pi) <= EQUAL_ANGLES
    # a gap beyond a half circle leaves a cone, of just a half circle a ray
    dimension = np.where(widest > np.pi + EQUAL_ANGLES, 2, np.where(half, 1, 0))
    out[at[starts]] = np.where(one_line, flat, dimension)
    return out
