"""Which sums a model needs of the rows of each group, as SQL: one text for every engine.

The statements use COUNT, SUM, CAST, CASE, ISNAN, LN and joins, which mean the same everywhere.
The rows are a table written ``{rows}``, whose columns are named by the part they play: `g` (the
group), `y` (the outcome) and, where the formula gives them, `se`, `weight`, `size` and `sd`.
"""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.data.checked_rows import CheckedRows, checks, numbers
from partialpool.data.row_values import precision
from partialpool.formula import OneWay

COLUMNS = {"outcome": "y", "se": "se", "weights": "weight", "count": "size", "sd": "sd"}
"""What the column of each role is called in the statements; the group is `g`."""

PILOT_ROWS = 2048


def given(roles: OneWay) -> dict[str, str]:
    """The user's column for each column that the statements name."""
    columns = {name: getattr(roles, role) for role, name in COLUMNS.items()}
    found = {"g": roles.group, **columns}
    return {name: column.name for name, column in found.items() if column is not None}


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one formula on one table.

    Parameters
    ----------
    roles : OneWay
        Which column plays which part.
    floating : frozenset of str
        Columns of the statements in which NaN is looked for and taken for a missing value.
    """

    roles: OneWay
    floating: frozenset[str]

    def grouped(self, center: str) -> str:
        """Sums of each group about a centre; incomplete rows count in `total` only.

        `refused` counts complete rows with a value that its role does not allow.
        """
        w = "w * " if self._worth else ""
        totals = {"total": "COUNT(*)", "used": "COUNT(d)"}
        totals |= {"s1": f"SUM({w}d)", "s2": f"SUM({w}d * d)"}
        totals |= {name: f"SUM({name})" for name in self._worth}
        if self._worth:
            totals["refused"] = "COUNT(CASE WHEN ok < 0 THEN 1 END)"
        sums = ", ".join(f"{sql} AS {name}" for name, sql in totals.items())
        return f"SELECT g, {sums} FROM ({self._measured(center)}) AS r GROUP BY g"

    def about_own_mean(self, center: str) -> str:
        """Sums about each group's own mean, for data whose group means are far apart."""
        first, second, weight = "d - a", "(d - a) * (d - a)", "COUNT(d)"
        mean = "SUM(d)"
        if self._worth:
            first, second, weight = f"w * ({first})", f"w * {second}", "SUM(w)"
            mean = "SUM(w * d)"
        return (
            f"WITH r AS ({self._measured(center)}), "
            f"m AS (SELECT g AS k, {mean} / {weight} AS a FROM r "
            "WHERE d IS NOT NULL AND g IS NOT NULL GROUP BY g) "
            f"SELECT g, COUNT(d) AS used, SUM({first}) AS s1, SUM({second}) AS s2 "
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
    def _worth(self) -> dict[str, str]:
        """What gives rows that are not plain their precision."""
        values = precision(self.roles).items()
        return {k: v.of_sql(self.roles, self._names) for k, v in values}

    def _measured(self, center: str) -> str:
        """Each row as it is summed: `d` is NULL where the row does not enter."""
        d = f"y - CAST({center} AS DOUBLE)"
        if not self._worth:
            return f"SELECT g, {d} AS d FROM ({self.rows.cast()}) AS c"
        row = {"d": d, **self._worth}
        columns = ", ".join(f"CASE WHEN ok > 0 THEN {sql} END AS {k}" for k, sql in row.items())
        return f"SELECT g, ok, {columns} FROM ({self.rows.judged()}) AS j"
