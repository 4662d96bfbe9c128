"""Which sums a model of counts needs of the rows of each group, as SQL; see `data.statements`.

The rows are a table written ``{rows}`` with the columns `g` (the group), `y` (events) and, where
the formula gives it, `s` (trials or exposure).
"""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.data.checked_rows import CheckedRows, checks, numbers
from partialpool.data.row_values import events
from partialpool.formula import CountRoles


def given(roles: CountRoles) -> dict[str, str]:
    """The user's column for each column that the statements name."""
    found = {"g": roles.group, "y": roles.outcome, "s": roles.size}
    return {name: column.name for name, column in found.items() if column is not None}


@dataclass(frozen=True, slots=True)
class CountStatements:
    """The statements for counts.

    Parameters
    ----------
    roles : CountRoles
        Which column plays which part.
    floating : frozenset of str
        Columns of the statements that can hold NaN.
    """

    roles: CountRoles
    floating: frozenset[str]

    @property
    def rows(self) -> CheckedRows:
        """The rows as numbers, and what these may be."""
        names = self._names
        return CheckedRows(
            {"g": "g"},
            numbers(self.roles, names, lambda column: names[column] in self.floating),
            checks(self.roles, names),
        )

    @property
    def _names(self) -> dict[str, str]:
        """What the statements call the user's columns of numbers."""
        return {column: name for name, column in given(self.roles).items() if name != "g"}

    def grouped(self) -> str:
        """Sums of each group; incomplete rows count in `total` only.

        `refused` counts complete rows with a value that is not allowed.
        """
        totals = {
            "total": "COUNT(*)",
            "refused": "COUNT(CASE WHEN ok < 0 THEN 1 END)",
            "n": "COUNT(CASE WHEN ok > 0 THEN 1 END)",
        }
        terms = {k: v.of_sql(self.roles, self._names) for k, v in events(self.roles).items()}
        totals |= {k: f"SUM(CASE WHEN ok > 0 THEN {v} ELSE 0 END)" for k, v in terms.items()}
        sums = ", ".join(f"{sql} AS {name}" for name, sql in totals.items())
        return f"SELECT g, {sums} FROM ({self.rows.judged()}) AS j GROUP BY g"
