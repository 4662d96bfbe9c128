"""Checks of arguments, shared by the estimators."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.errors import ArgumentError


def groups(**arrays: Any) -> list[Floats]:
    """One value a group each, as float arrays of one length; scalars are repeated.

    Raises
    ------
    ArgumentError
        If an array is not one-dimensional, lengths differ, or a value is not finite.
    """
    columns = {k: np.asarray(v, dtype=np.float64) for k, v in arrays.items()}
    for name, value in columns.items():
        if value.ndim > 1:
            raise ArgumentError(f"{name} must be one value a group; it has {value.ndim} dimensions")
        if not np.isfinite(value).all():
            at = np.flatnonzero(~np.isfinite(np.atleast_1d(value)))
            raise ArgumentError(f"{name} must be finite; it is not at position {at[0] + 1}")
    lengths = {k: len(v) for k, v in columns.items() if v.ndim}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{k} has {v}" for k, v in lengths.items())
        raise ArgumentError(f"each argument needs one value a group; {shown}")
    size = next(iter(lengths.values()), 1)
    return [np.broadcast_to(v, (size,)) for v in columns.values()]


def positive(**arrays: Floats) -> None:
    """Raise an ArgumentError unless every value is positive."""
    for name, value in arrays.items():
        if not (value > 0).all():
            at = int(np.flatnonzero(value <= 0)[0])
            raise ArgumentError(
                f"{name} must be positive; received {value[at]:g} at position {at + 1}"
            )


def at_least(minimum: int, size: int, what: str, why: str) -> None:
    """Raise an ArgumentError unless there are enough groups."""
    if size < minimum:
        raise ArgumentError(f"{what} needs at least {minimum} groups, not {size}: {why}")


def fraction(level: float) -> None:
    """Raise an ArgumentError unless 0 < level < 1."""
    if not 0 < level < 1:
        raise ArgumentError(f"level lies between 0 and 1; received {level!r}")
