"""Rows in an engine as numbers that are there and allowed: the SQL below every sum.

The text is the same on every engine. The rows are a table written ``{rows}``, whose columns are
named by the part they play.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from partialpool.design.row_values import conditions, replaced
from partialpool.design.rules import Rule
from partialpool.formula import Roles

SHOWN = 5
"""Rows that a message names."""


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on complete rows.

    Parameters
    ----------
    column : str
        The user's column.
    value : str
        What the statements call it.
    bad : str
        SQL that is true where the condition is broken.
    rule : Rule
        Its words.
    """

    column: str
    value: str
    bad: str
    rule: Rule


def checks(
    roles: Roles, names: Mapping[str, str], texts: frozenset[str] = frozenset()
) -> tuple[Check, ...]:
    """What complete rows must hold, from what the statements call the user's columns."""
    found = []
    for condition in conditions(roles, texts):
        values = [names[column] for column in condition.columns]
        bad = condition.rule.bad_sql.format(**dict(zip(("x", "size"), values, strict=False)))
        found.append(Check(condition.columns[0], values[0], bad, condition.rule))
    return tuple(found)


def numbers(
    roles: Roles, names: Mapping[str, str], floating: Callable[[str], bool]
) -> dict[str, str]:
    """SQL of each column of numbers, by its name in the statements.

    Parameters
    ----------
    names : mapping
        What the statements call the user's columns.
    floating : callable
        Whether NaN is looked for, to be taken for a missing value, in a column of the user's.
    """
    plain = {column: number(x, floating=floating(column)) for column, x in names.items()}
    stand_ins = {k: v.of_sql(roles, {**names, k: plain[k]}) for k, v in replaced(roles).items()}
    return {names[column]: sql for column, sql in {**plain, **stand_ins}.items()}


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """The rows, the columns that must be there, and the values that are allowed.

    Parameters
    ----------
    keys : mapping
        SQL of each column of labels, by name; the first is the group that messages name.
    numbers : mapping
        SQL of each column of numbers, by name; NULL where a value is missing.
    checks : tuple of Check
        What a complete row must hold.
    """

    keys: Mapping[str, str]
    numbers: Mapping[str, str]
    checks: tuple[Check, ...]

    def cast(self, *, numbered: bool = False) -> str:
        """The rows as labels and numbers."""
        row = ["ROW_NUMBER() OVER () AS r"] if numbered else []
        columns = [f"{sql} AS {k}" for k, sql in {**self.keys, **self.numbers}.items()]
        return f"SELECT {', '.join([*row, *columns])} FROM {{rows}}"

    def judged(self) -> str:
        """The rows with `ok`: 1 enters, 0 incomplete, -1 with a value that is not allowed."""
        bad = " OR ".join(f"({c.bad})" for c in self.checks) or "FALSE"
        return (
            f"SELECT *, CASE WHEN {self._incomplete()} THEN 0 WHEN {bad} THEN -1 ELSE 1 END AS ok "
            f"FROM ({self.cast()}) AS c"
        )

    def used(self) -> str:
        """The rows that are complete and allowed."""
        return f"SELECT * FROM ({self.judged()}) AS j WHERE ok > 0"

    def count_broken(self, broken: Check) -> str:
        """How many complete rows break a condition."""
        return f"SELECT COUNT(*) FROM ({self.cast()}) AS c WHERE {self._broken(broken)}"

    def first_broken(self, broken: Check, *, numbered: bool) -> str:
        """Value, group and (where rows are numbered) number of the first such rows."""
        number, order = (", r", " ORDER BY r") if numbered else ("", "")
        return (
            f"SELECT {broken.value}, {next(iter(self.keys))}{number} "
            f"FROM ({self.cast(numbered=numbered)}) AS c "
            f"WHERE {self._broken(broken)}{order} LIMIT {SHOWN}"
        )

    def _incomplete(self) -> str:
        return " OR ".join(f"{name} IS NULL" for name in (*self.keys, *self.numbers))

    def _broken(self, broken: Check) -> str:
        return f"NOT ({self._incomplete()}) AND ({broken.bad})"


def number(name: str, *, floating: bool) -> str:
    """SQL of a column as a number, NaN as a missing value where the column can hold it."""
    x = f"CAST({name} AS DOUBLE)"
    return f"CASE WHEN ISNAN({x}) THEN NULL ELSE {x} END" if floating else x


def first_text(x: str, *, numbered: bool) -> str:
    """The first value of a text column that is no number, and the number of its row."""
    number, row = (", r", "ROW_NUMBER() OVER () AS r, ") if numbered else ("", "")
    return (
        f"SELECT {x}{number} FROM (SELECT {row}{x} FROM {{rows}}) AS c "
        f"WHERE {x} IS NOT NULL AND TRY_CAST({x} AS DOUBLE) IS NULL LIMIT 1"
    )


def count_values(x: str) -> str:
    """How many values of a column are not NULL."""
    return f"SELECT COUNT({x}) FROM {{rows}}"
