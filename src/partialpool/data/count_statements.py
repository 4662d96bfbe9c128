"""Which sums a model of counts needs of the rows of each group, as SQL; see `data.statements`.

The rows are a table written ``{rows}`` with the columns `g` (the group), `y` (events) and, where
the formula gives it, `s` (trials or exposure).
"""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.data.checked_rows import Check, CheckedRows, check, number
from partialpool.data.counts import beyond_size, rules
from partialpool.formula import Roles

STIRLING = ("1/12", "-1/360", "1/1260", "-1/1680", "1/1188")
"""Coefficients of 1/x, 1/x^3, ... in the series of the log gamma function."""
FAR = 10
"""From here on the series is exact to rounding."""


def given(roles: Roles) -> dict[str, str]:
    """The user's column for each column that the statements name."""
    found = {"g": roles.group, "y": roles.outcome_column, "s": roles.size}
    return {name: column.name for name, column in found.items() if column is not None}


@dataclass(frozen=True, slots=True)
class CountStatements:
    """The statements for counts.

    Parameters
    ----------
    roles : Roles
        Which column plays which part.
    floating : frozenset of str
        Columns of the statements that can hold NaN.
    """

    roles: Roles
    floating: frozenset[str]

    @property
    def rows(self) -> CheckedRows:
        """The rows as numbers, and what these may be."""
        names = given(self.roles)
        values = [k for k in names if k != "g"]
        checks = [
            check(name, value, rule)
            for value, (name, rule) in zip(values, rules(self.roles), strict=True)
        ]
        if self.roles.size is not None:
            bad = "y > s" if self.roles.proportion else "y > 0 AND s = 0"
            checks.append(Check(names["y"], "y", bad, beyond_size(self.roles)))
        numbers = {k: number(k, floating=k in self.floating) for k in values}
        return CheckedRows({"g": "g"}, numbers, tuple(checks))

    def grouped(self) -> str:
        """Sums of each group; incomplete rows count in `total` only.

        `refused` counts complete rows with a value that is not allowed.
        """
        totals = {
            "total": "COUNT(*)",
            "refused": "COUNT(CASE WHEN ok < 0 THEN 1 END)",
            "n": "COUNT(CASE WHEN ok > 0 THEN 1 END)",
        }
        size = None if self.roles.size is None else "s"
        constant = log_constant("y", size, proportion=self.roles.proportion)
        terms = {"y": "y", "size": self._size, "square": self._square, "constant": constant}
        totals |= {k: f"SUM(CASE WHEN ok > 0 THEN {v} ELSE 0 END)" for k, v in terms.items()}
        sums = ", ".join(f"{sql} AS {name}" for name, sql in totals.items())
        return f"SELECT g, {sums} FROM ({self.rows.judged()}) AS j GROUP BY g"

    @property
    def _size(self) -> str:
        return "CAST(1 AS DOUBLE)" if self.roles.size is None else "s"

    @property
    def _square(self) -> str:
        return "y * y" if self.roles.size is None else "CASE WHEN s > 0 THEN y * y / s ELSE 0 END"


def log_constant(y: str, size: str | None, *, proportion: bool) -> str:
    """SQL of the log of the binomial coefficient, or of size^y / y!."""
    if proportion:
        if size is None:
            return "CAST(0 AS DOUBLE)"
        rest = log_factorial(f"({size} - {y})")
        return f"{log_factorial(size)} - {log_factorial(y)} - {rest}"
    if size is None:
        return f"-{log_factorial(y)}"
    return f"CASE WHEN {y} > 0 THEN {y} * LN({size}) ELSE 0 END - {log_factorial(y)}"


def log_factorial(x: str) -> str:
    """SQL of log(x!) for whole numbers x >= 0: Spark has no LGAMMA.

    Stirling's series at x + 10, less the logarithm of the product of x + 1, ..., x + 9.
    Source: Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 6.1.15 and 6.1.41.
    """
    z = f"({x} + {FAR})"
    product = " * ".join(f"({x} + {k})" for k in range(1, FAR))
    series = f"CAST({STIRLING[-1].replace('/', ' AS DOUBLE) / ')}"
    for c in reversed(STIRLING[:-1]):
        series = f"(CAST({c.replace('/', ' AS DOUBLE) / ')} + ({series}) / ({z} * {z}))"
    half_log_two_pi = "CAST(0.9189385332046727 AS DOUBLE)"
    return (
        f"(({z} - CAST(0.5 AS DOUBLE)) * LN({z}) - {z} + {half_log_two_pi} + {series} / {z} "
        f"- LN({product}))"
    )
