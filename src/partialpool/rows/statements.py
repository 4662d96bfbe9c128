"""The sums of a model of one factor as SQL: one text for every engine.

The statements use COUNT, SUM, CAST, CASE, ISNAN, LN and joins, which mean the same everywhere.
The rows are a table written ``{rows}``, whose columns are named by the part they play.
"""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.design.row_values import column_of_part, events, precision
from partialpool.formula import Roles
from partialpool.rows.checked_rows import CheckedRows, checks, numbers
from partialpool.rows.one_way import KNOWN, factors_of

COLUMNS = {
    "group": "g",
    "outcome": "y",
    "se": "se",
    "weights": "weight",
    "count": "rows_in",
    "sd": "sd",
    "size": "size",
}
"""What the column of each part is called in the statements."""

PILOT_ROWS = 2048
"""Rows whose mean is the centre about which the outcome is summed: that only has to be within a few
sds of the mean of all, so that squares do not cancel, and 2,048 rows are read in one block of a
file or table. Where the first rows are unlike the others, `loses_digits` asks for a second pass."""


def given(roles: Roles) -> dict[str, str]:
    """The user's column for each column that the statements name."""
    found = {name: column_of_part(roles, part) for part, name in COLUMNS.items()}
    return {name: column for name, column in found.items() if column is not None}


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one formula on one table.

    Parameters
    ----------
    roles : Roles
        Which column plays which part.
    floating : frozenset of str
        Columns of the statements in which NaN is looked for and taken for a missing value.
    """

    roles: Roles
    floating: frozenset[str]

    def grouped(self, center: str = "0.0") -> str:
        """Sums of each group, about a centre; incomplete rows count in `total` only.

        `refused` counts complete rows with a value that its role does not allow.
        """
        first = next(iter(self._values(center)))
        totals = {"total": "COUNT(*)", "used": f"COUNT({first})"}
        totals |= {k: f"SUM({' * '.join(f)})" for k, f in factors_of(self.roles).items()}
        known = {x: f"raw_{x}" for x in self._names.values()} if self._judged else {"y": "d"}
        totals |= {f"{KNOWN}{x}": f"COUNT({raw})" for x, raw in known.items()}
        if self.roles.family is None:
            totals |= {"least": f"MIN({known['y']})", "most": f"MAX({known['y']})"}
        if self._judged:
            totals["refused"] = "COUNT(CASE WHEN ok < 0 THEN 1 END)"
        sums = ", ".join(f"{sql} AS {name}" for name, sql in totals.items())
        return f"SELECT g, {sums} FROM ({self._measured(center)}) AS r GROUP BY g"

    def about_own_mean(self, center: str) -> str:
        """Sums about each group's own mean, for data whose group means are far apart."""
        w = "w * " if self._judged else ""
        weight = "SUM(w)" if self._judged else "COUNT(d)"
        return (
            f"WITH r AS ({self._measured(center)}), "
            f"m AS (SELECT g AS k, SUM({w}d) / {weight} AS a FROM r "
            "WHERE d IS NOT NULL AND g IS NOT NULL GROUP BY g) "
            f"SELECT g, COUNT(d) AS used, SUM({w}(d - a)) AS s1, SUM({w}(d - a) * (d - a)) AS s2 "
            "FROM r JOIN m ON r.g = m.k WHERE d IS NOT NULL GROUP BY g"
        )

    def pilot(self) -> str:
        """The outcome of the first rows, from which the centre is taken."""
        return f"SELECT y FROM ({self.rows.cast()}) AS r LIMIT {PILOT_ROWS}"

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

    @property
    def _judged(self) -> bool:
        """Whether values are checked as they are summed; of plain rows their squares tell."""
        return self.roles.family is not None or bool(precision(self.roles))

    def _values(self, center: str) -> dict[str, str]:
        """The numbers of each row; the first is there wherever a row enters."""
        if self.roles.family is not None:
            values, first = events(self.roles), dict[str, str]()
        else:
            values, first = precision(self.roles), {"d": f"y - CAST({center} AS DOUBLE)"}
        return first | {k: v.of_sql(self.roles, self._names) for k, v in values.items()}

    def _measured(self, center: str) -> str:
        """Each row as it is summed: its numbers are NULL where the row does not enter."""
        values = self._values(center)
        if not self._judged:
            return f"SELECT g, {values['d']} AS d FROM ({self.rows.cast()}) AS c"
        columns = ", ".join(f"CASE WHEN ok > 0 THEN {sql} END AS {k}" for k, sql in values.items())
        raw = ", ".join(f"{x} AS raw_{x}" for x in self._names.values())
        return f"SELECT g, ok, {columns}, {raw} FROM ({self.rows.judged()}) AS j"
