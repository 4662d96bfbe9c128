"""What is taken off columns before their products are summed, so that sums lose no digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.design.design import Design


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """What is taken off the columns of X, the outcome and the columns of each Z."""

    x: Floats
    y: float
    z: tuple[Floats, ...]


def unshifted(design: Design) -> Shifts:
    """Nothing is taken off."""
    widths = [len(e.columns) for e in design.effects]
    return Shifts(np.zeros(len(design.columns)), 0.0, tuple(np.zeros(q) for q in widths))


def shifts_of(design: Design, x: Floats, y: float, z: Sequence[Floats]) -> Shifts:
    """What is taken off, from (about) the means, where an intercept can take it up."""
    zero = unshifted(design)
    own = []
    for effects, mean in zip(design.effects, z, strict=True):
        shift = mean * (_has_intercept(effects.names) and effects.correlated)
        shift[:1] *= not _has_intercept(effects.names)
        own.append(shift)
    if not _has_intercept(design.coefficients):
        return Shifts(zero.x, 0.0, tuple(own))
    x = x.copy()
    x[0] = 0.0
    return Shifts(x, y, tuple(own))


def _has_intercept(names: tuple[str, ...]) -> bool:
    return names[:1] == ("Intercept",)
