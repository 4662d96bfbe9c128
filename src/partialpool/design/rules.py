"""What a value must be in each role, and the sentence when it is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.errors import DataError
from partialpool.formula import Roles

LARGEST_VALUE, SMALLEST_SCALE = 1e100, 1e-100
"""Squares of larger values, summed over rows, overflow (1e308), and those of smaller ones vanish;
where y^2 / se^2 still overflows, `overflow` is the error. `RULES` repeats both in SQL."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A test on arrays, the same test in SQL (true for bad values), and its words.

    Both take one column, `x` in SQL, or two, of which the second is `size`.
    """

    holds: Callable[..., Bools]
    bad_sql: str
    words: str
    hint: str

    def broken(
        self,
        column: str,
        values: Sequence[float],
        rows: Sequence[int] | None,
        count: int,
        groups: str,
    ) -> DataError:
        """Build the error that names the column, the values, the groups and any row numbers."""
        return DataError(
            f'column "{column}" must be {self.words}; found {_listed(values, rows, count)} '
            f"(group {groups}): {self.hint}"
        )


def _whole(x: Floats, least: float) -> Bools:
    """Whole numbers that floating point tells from their neighbours."""
    return np.asarray((x >= least) & (x == np.rint(x)) & (x < 2**53))


RULES: dict[str, Rule] = {
    "outcome": Rule(
        lambda x: np.abs(x) <= LARGEST_VALUE,
        "NOT (ABS({x}) <= CAST(1e100 AS DOUBLE))",
        "finite numbers of at most 1e100",
        "correct these rows, or leave the value empty if it is missing",
    ),
    "se": Rule(
        lambda x: (x >= SMALLEST_SCALE) & (x <= LARGEST_VALUE),
        "NOT ({x} >= CAST(1e-100 AS DOUBLE) AND {x} <= CAST(1e100 AS DOUBLE))",
        "a positive finite standard error",
        "an estimate without error has no standard error to give; correct or remove these rows",
    ),
    "weights": Rule(
        lambda x: (x > 0) & (x <= LARGEST_VALUE),
        "NOT ({x} > 0 AND {x} <= CAST(1e100 AS DOUBLE))",
        "a positive finite weight",
        "remove rows that should not count",
    ),
    "count": Rule(
        lambda x: _whole(x, 1),
        "NOT ({x} >= 1 AND {x} = FLOOR({x}) AND {x} < 9007199254740992)",
        "a whole number of rows, 1 or more",
        "correct or remove these rows",
    ),
    "sd": Rule(
        lambda x: (x >= 0) & (x <= LARGEST_VALUE),
        "NOT ({x} >= 0 AND {x} <= CAST(1e100 AS DOUBLE))",
        "a standard deviation of 0 or more",
        "correct these rows; give 0 where the group has one row",
    ),
}
"""Rules of measurements by part. Numbers of rows are below 2^53: above, a float skips some."""

NOT_WHOLE = "NOT ({x} >= 0 AND {x} = FLOOR({x}) AND {x} < 9007199254740992)"
"""SQL of what is no whole number, 0 or more, that a float holds exactly."""
EVENTS = Rule(
    lambda x: _whole(x, 0),
    NOT_WHOLE,
    "a whole number of events, 0 or more",
    "correct these rows, or leave the value empty if it is missing",
)
"""Of events, also where each row counts several."""
BINARY = Rule(
    lambda x: (x == 0) | (x == 1),
    "NOT ({x} = 0 OR {x} = 1)",
    "0 or 1, as each row is one trial",
    "if rows count events among several trials, give their column: y | trials(n) ~ ...; an outcome "
    "coded 1 and 2 is written I(y == 2) ~ ...",
)
"""Of the outcome of rows without a column of trials."""
TRIALS = Rule(
    lambda x: _whole(x, 0),
    NOT_WHOLE,
    "a whole number of trials, 0 or more",
    "correct or remove these rows",
)
"""Of trials: a row without any is read, and says nothing."""
EXPOSURE = Rule(
    lambda x: (x >= 0) & (x <= LARGEST_VALUE),
    "NOT ({x} >= 0 AND {x} <= CAST(1e100 AS DOUBLE))",
    "a finite exposure, 0 or more",
    "correct or remove these rows",
)
"""Of an exposure, which may be any amount of time or area."""
AMONG = Rule(
    lambda y, size: y <= size,
    "{x} > {size}",
    "at most the number of trials of its row",
    "there cannot be more events than trials; correct these rows",
)
UNEXPOSED = Rule(
    lambda y, size: (y <= 0) | (size != 0),
    "{x} > 0 AND {size} = 0",
    "0 where the exposure is 0",
    "nothing can happen without exposure; correct or remove these rows",
)
"""Of events of rows without exposure, whose log likelihood would be -inf."""


def not_finite(
    what: str, values: Sequence[float], rows: Sequence[int] | None, count: int, groups: str
) -> DataError:
    """Build the error for an expression that is no finite number in some rows."""
    return DataError(
        f"{what} must be finite numbers; it is {_listed(values, rows, count)} (group {groups}): "
        "log() takes positive numbers, sqrt() 0 or more, and nothing is divided by 0"
    )


def rows_changed() -> DataError:
    """Build the error for rows that one pass saw and another did not."""
    return DataError(
        "the rows changed while they were read: two passes over them saw different rows; "
        "read a version that stays (a snapshot, a cached frame), and run again"
    )


def nothing_left(least: int) -> DataError:
    """Build the error for rows that are all in small groups or levels."""
    return DataError(
        f"every row is in a group or a level of fewer than {least} rows, so nothing is left to "
        "share; choose a smaller number"
    )


def overflow(roles: Roles) -> DataError:
    """Build the error for values whose weighted squares cannot be represented."""
    names = ", ".join(f'"{c.name}"' for c in roles.columns[1:])
    return DataError(f"the values in {names} are too extreme: their squares overflow; change units")


def no_rows(total: int, roles: Roles) -> DataError:
    """Build the error for data in which no row can be used."""
    names = ", ".join(f'"{c.name}"' for c in roles.columns)
    if total == 0:
        return DataError(f"the data have no rows; columns {names} need at least one")
    return DataError(
        f"none of the {total} rows is complete: in each, one of {names} is missing; "
        "at least one row must have all of them"
    )


def _listed(values: Sequence[float], rows: Sequence[int] | None, count: int) -> str:
    """The first values, with numbers of their rows where these are known, and how many more."""
    found = ", ".join(f"{v:g}" for v in values)
    if rows is not None:
        found = ", ".join(f"{v:g} in row {r}" for v, r in zip(values, rows, strict=True))
    return found + (f" and {count - len(values)} more" if count > len(values) else "")
