"""What rows must hold and what each is worth, said once: as arrays, and as the same SQL.

Columns are taken by the part they play in the formula: `outcome`, `se`, `weights`, `count`, `sd`
and, of counts, `size` (trials or exposure; None where each row is one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import special

from partialpool._typing import Bools, Floats
from partialpool.design.rules import AMONG, BINARY, EVENTS, EXPOSURE, RULES, TRIALS, UNEXPOSED, Rule
from partialpool.formula import Roles

T = TypeVar("T")


def column_of_part(roles: Roles, part: str) -> str | None:
    """The user's column that plays a part; None where the formula has none."""
    node = getattr(roles, part, None)
    return None if node is None else str(getattr(node, "name", node))


def _columns(roles: Roles, parts: tuple[str, ...], columns: Mapping[str, T]) -> list[T | None]:
    names = (column_of_part(roles, part) for part in parts)
    return [None if name is None else columns[name] for name in names]


@dataclass(frozen=True, slots=True)
class Value:
    """A number of each row, from the columns of some parts: of arrays, and the same in SQL."""

    parts: tuple[str, ...]
    array: Callable[..., Floats]
    sql: Callable[..., str]

    def of_arrays(self, roles: Roles, columns: Mapping[str, Floats]) -> Floats:
        """The value of each row, from arrays by the user's column."""
        return self.array(*_columns(roles, self.parts, columns))

    def of_sql(self, roles: Roles, columns: Mapping[str, str]) -> str:
        """Its SQL, from what the statements call the user's columns."""
        return self.sql(*_columns(roles, self.parts, columns))


# measurements ---------------------------------------------------------------------------------

KNOWN_ERRORS = {
    "w": Value(("se",), lambda se: 1.0 / (se * se), lambda se: f"1 / ({se} * {se})"),
    "lw": Value(("se",), lambda se: -2.0 * np.log(se), lambda se: f"-2 * LN({se})"),
}
"""Rows with known standard errors: precisions 1 / se^2, with sigma fixed at 1."""
WEIGHTS = {
    "w": Value(("weights",), lambda w: w, lambda w: w),
    "lw": Value(("weights",), np.log, lambda w: f"LN({w})"),
}
SUMMARIES = {
    "w": Value(("count",), lambda n: n, lambda n: n),
    "inside": Value(
        ("count", "sd"),
        lambda n, sd: (n - 1.0) * sd * sd,
        lambda n, sd: f"({n} - 1) * {sd} * {sd}",
    ),
}
"""Rows that are summaries: a mean of n rows weighs n, and holds (n - 1) sd^2 within itself."""
SUMMARY_SD = Value(
    ("count", "sd"),
    lambda n, sd: np.where(n == 1, 0.0, sd),
    lambda n, sd: f"CASE WHEN {n} = 1 THEN CAST(0 AS DOUBLE) ELSE {sd} END",
)
"""The sd of one row says nothing: a missing one is no reason to leave the row out."""


def precision(roles: Roles) -> Mapping[str, Value]:
    """What rows that are not plain are worth.

    `w` is the weight (of a summary, the rows it stands for), `lw` its logarithm and `inside` the
    sum of squares within a row that is a summary; what is not named is 1, 0 and 0.
    """
    if column_of_part(roles, "se") is not None:
        return KNOWN_ERRORS
    if column_of_part(roles, "weights") is not None:
        return WEIGHTS
    if column_of_part(roles, "count") is not None:
        return SUMMARIES
    return {}


def weights_of(roles: Roles, columns: Mapping[str, Floats]) -> Floats | None:
    """The weight of each row, from arrays by the user's column; None where all are 1."""
    values = precision(roles)
    return values["w"].of_arrays(roles, columns) if "w" in values else None


def replaced(roles: Roles) -> Mapping[str, Value]:
    """What stands in for columns before any value is missed: the sd of summaries, by column."""
    sd = column_of_part(roles, "sd")
    return {} if sd is None else {sd: SUMMARY_SD}


def filled(roles: Roles, columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """The columns, with what stands in for some of them."""
    stand_ins = {k: v.of_arrays(roles, columns) for k, v in replaced(roles).items()}
    return {**columns, **stand_ins}


# counts ---------------------------------------------------------------------------------------

STIRLING = ("1/12", "-1/360", "1/1260", "-1/1680", "1/1188")
"""Coefficients of 1/x, 1/x^3, ... in the series of the log gamma function."""
SHIFT = 10
"""The series is taken at x + 10, where these five terms are exact to rounding: the first left out
is 691 / 360360 / 10^11 = 2e-14, beside log(9!) = 12.8 or more."""


def log_factorial_sql(x: str) -> str:
    """SQL of log(x!) for whole numbers x >= 0: Spark has no LGAMMA.

    Stirling's series at x + 10, less the logarithm of the product of x + 1, ..., x + 9.
    Source: Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 6.1.15 and 6.1.41.
    """
    z = f"({x} + {SHIFT})"
    product = " * ".join(f"({x} + {k})" for k in range(1, SHIFT))
    series = f"CAST({STIRLING[-1].replace('/', ' AS DOUBLE) / ')}"
    for c in reversed(STIRLING[:-1]):
        series = f"(CAST({c.replace('/', ' AS DOUBLE) / ')} + ({series}) / ({z} * {z}))"
    half_log_two_pi = "CAST(0.9189385332046727 AS DOUBLE)"
    return (
        f"(({z} - CAST(0.5 AS DOUBLE)) * LN({z}) - {z} + {half_log_two_pi} + {series} / {z} "
        f"- LN({product}))"
    )


def _log_binomial(y: Floats, size: Floats | None) -> Floats:
    """Log of the binomial coefficient: the ways in which events fall on trials."""
    if size is None:
        return np.zeros(len(y))
    both = special.gammaln(y + 1) + special.gammaln(size - y + 1)
    return np.asarray(special.gammaln(size + 1) - both)


def _log_binomial_sql(y: str, size: str | None) -> str:
    if size is None:
        return "CAST(0 AS DOUBLE)"
    return " - ".join(log_factorial_sql(x) for x in (size, y, f"({size} - {y})"))


def _log_poisson(y: Floats, size: Floats | None) -> Floats:
    """Log of size^y / y!."""
    exposed = 0.0 if size is None else special.xlogy(y, size)
    return np.asarray(exposed - special.gammaln(y + 1))


def _log_poisson_sql(y: str, size: str | None) -> str:
    exposed = "" if size is None else f"CASE WHEN {y} > 0 THEN {y} * LN({size}) ELSE 0 END "
    return f"{exposed}- {log_factorial_sql(y)}"


OF_EVENTS = ("outcome", "size")
EVENT_VALUES = {
    "y": Value(("outcome",), lambda y: y, lambda y: y),
    "size": Value(
        OF_EVENTS,
        lambda y, size: np.ones(len(y)) if size is None else size,
        lambda _, size: size or "CAST(1 AS DOUBLE)",
    ),
    "square": Value(
        OF_EVENTS,
        lambda y, size: (
            y * y if size is None else np.divide(y * y, size, out=np.zeros(len(y)), where=size > 0)
        ),
        lambda y, size: (
            f"CASE WHEN {size} > 0 THEN {y} * {y} / {size} ELSE 0 END" if size else f"{y} * {y}"
        ),
    ),
    "zeros": Value(
        OF_EVENTS,
        lambda y, size: (
            (y == 0).astype(np.float64) if size is None else 1.0 * ((y == 0) & (size > 0))
        ),
        lambda y, size: f"CASE WHEN {y} = 0{f' AND {size} > 0' if size else ''} THEN 1 ELSE 0 END",
    ),
    "reciprocal": Value(
        OF_EVENTS,
        lambda y, size: (
            np.ones(len(y))
            if size is None
            else np.divide(1.0, size, out=np.zeros(len(y)), where=size > 0)
        ),
        lambda _, size: (
            f"CASE WHEN {size} > 0 THEN 1 / CAST({size} AS DOUBLE) ELSE 0 END"
            if size
            else "CAST(1 AS DOUBLE)"
        ),
    ),
}
"""Numbers of each row of counts whose sums are kept: events, trials or exposure, y^2 / size for the
check of dispersion, rows without an event, and 1 / size. Rows of size 0 say nothing and add 0."""
CONSTANT = {
    True: Value(OF_EVENTS, _log_binomial, _log_binomial_sql),
    False: Value(OF_EVENTS, _log_poisson, _log_poisson_sql),
}


def events(roles: Roles) -> Mapping[str, Value]:
    """What is summed of rows of counts.

    `y` and `size`; `square`, y squared / size, which tells rows that vary more than the family,
    `zeros`, rows without an event, and `reciprocal`, 1 / size, which tell how much they may vary;
    `constant`, the part of the log likelihood that no parameter changes.
    """
    return {**EVENT_VALUES, "constant": CONSTANT[roles.proportion]}


# what rows must hold --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule about one column, or two of which the first is named where it is broken."""

    columns: tuple[str, ...]
    rule: Rule

    def broken(self, numbers: Mapping[str, Floats]) -> Bools:
        """Which rows break it; of rows that miss a value, what this says does not count."""
        return np.asarray(~self.rule.holds(*(numbers[name] for name in self.columns)))


def conditions(roles: Roles, texts: frozenset[str] = frozenset()) -> list[Condition]:
    """What a complete row must hold, in the order in which it is checked.

    `texts` are predictors that hold categories.
    """
    own = _of_measurements(roles) if roles.family is None else _of_events(roles)
    known = {c.columns[0] for c in own}
    numbers = [n.name for n in (*roles.numbers, *roles.plain) if n.name not in texts]
    finite = (Condition((n,), RULES["outcome"]) for n in dict.fromkeys(numbers) if n not in known)
    return [*own, *finite, *_of_both(roles)]


def _of_measurements(roles: Roles) -> list[Condition]:
    """The rules of what gives rows precision."""
    named = {k: column_of_part(roles, k) for k in ("se", "weights", "count", "sd")}
    return [Condition((name,), RULES[k]) for k, name in named.items() if name is not None]


def _of_events(roles: Roles) -> list[Condition]:
    """The rules of events, and of trials or exposure if there is such a column."""
    outcome, size = column_of_part(roles, "outcome"), column_of_part(roles, "size")
    assert outcome is not None
    proportion = roles.proportion
    if size is None:
        return [Condition((outcome,), BINARY if proportion else EVENTS)]
    return [
        Condition((outcome,), EVENTS),
        Condition((size,), TRIALS if proportion else EXPOSURE),
    ]


def _of_both(roles: Roles) -> list[Condition]:
    """The rule that events keep to the size of their row."""
    outcome, size = column_of_part(roles, "outcome"), column_of_part(roles, "size")
    if outcome is None or size is None:
        return []
    proportion = roles.proportion
    return [Condition((outcome, size), AMONG if proportion else UNEXPOSED)]
