"""Checks of what is asked of any posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.errors import ArgumentError, did_you_mean
from partialpool.integrate import Accuracy

DETERMINISTIC = 0.02
"""Default target of the estimated error, in posterior sds, where a lattice or a one-dimensional
rule serves: a fiftieth of an sd is not seen in a table that prints two digits of each sd."""

SAMPLED_MOMENTS, SAMPLED_ENDS = 0.05, 0.15
"""The same for means and sds, and for interval ends, by sampling: half of the second figure that
tables print of an interval."""

COARSEST = 0.5
"""The error above which nothing is printed: an interval end that is off by half an sd changes its
coverage by about a tenth."""


def checked_coefficients(coefficients: Mapping[Any, float], *more: float) -> Floats:
    """The coefficients of a contrast of groups, (K,), which may have more terms.

    Raises
    ------
    ArgumentError
        If one is not finite, or all are 0.
    """
    values = np.array([float(v) for v in coefficients.values()])
    if not np.isfinite([*values, *more]).all() or not (values.any() or any(more)):
        raise ArgumentError(
            f"coefficients must be finite and not all 0; received {dict(coefficients)}"
        )
    return values


def reached(error: float, target: float) -> Accuracy:
    """Whether an error in posterior sds is within its target; one that is nan is not."""
    return Accuracy.REACHED if error <= target else Accuracy.NOT_REACHED


def group_positions(known: dict[Any, int], labels: list[Any], factor: str) -> Ints:
    """Positions of groups by label.

    Raises
    ------
    ArgumentError
        If a label is not in the data.
    """
    unknown = [x for x in labels if x not in known]
    if not unknown:
        return np.array([known[x] for x in labels], dtype=np.intp)
    by_text = {str(k): (k, at) for k, at in known.items()}
    for x in labels:
        like = by_text.get(str(x))
        if like is None or (isinstance(like[0], str) == isinstance(x, str) and like[0] != x):
            hint = did_you_mean(str(unknown[0]), map(str, known))
            raise ArgumentError(
                f'there is no group "{unknown[0]}" in column "{factor}"; {hint}'
                f"there are {len(known)} groups"
            )
    return np.array([by_text[str(x)][1] for x in labels], dtype=np.intp)  # 308 for "308"


def checked_draws(size: int, rng: np.random.Generator) -> int:
    """Return the number of draws.

    Raises
    ------
    ArgumentError
        If it is not a whole number, 1 or more, or `rng` is not a generator.
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ArgumentError(f"the number of draws must be a whole number, 1 or more, not {size!r}")
    checked_generator(rng)
    return int(size)


def checked_generator(rng: np.random.Generator) -> np.random.Generator:
    """Return the source of randomness.

    Raises
    ------
    ArgumentError
        If it is another thing, such as a seed.
    """
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(
            f"rng must be a numpy.random.Generator, such as numpy.random.default_rng(1), "
            f"not {type(rng).__name__}"
        )
    return rng
