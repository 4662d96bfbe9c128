"""Which sums a model needs of the rows of each group, as SQL: one text for every engine.

The statements use COUNT, SUM, CAST, CASE, ISNAN, LN and joins, which mean the same everywhere.
The rows are a table written ``{rows}``, whose columns are named by the part they play: `g` (the
group), `y` (the outcome) and, where the formula gives them, `se`, `weight`, `size` and `sd`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from partialpool.data.rules import RULES
from partialpool.formula import OneWay

COLUMNS = {"outcome": "y", "se": "se", "weights": "weight", "count": "size", "sd": "sd"}
"""What the column of each role is called in the statements; the group is `g`."""

PILOT_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Sums:
    """What a model sums over the rows of a group.

    Parameters
    ----------
    row : dict
        What a row stands for, by name: expressions in `se`, `weight`, `size` and `sd`.
    totals : dict
        The aggregates, by name: expressions in `d` (the outcome less a centre) and in `row`.
    """

    row: dict[str, str]
    totals: dict[str, str]


PLAIN = Sums({}, {"n": "COUNT(d)", "s1": "SUM(d)", "s2": "SUM(d * d)"})
WEIGHTED = {"n": "COUNT(d)", "w": "SUM(w)", "s1": "SUM(w * d)", "s2": "SUM(w * d * d)"}


def one_way_sums(roles: OneWay) -> Sums:
    """Sums of the one-way normal model: rows, weight, first and second moment of each group.

    `q` is the sum of squares inside a row that is itself a summary, `lw` the sum of log weights,
    `used` the rows that entered where a row stands for more than one.
    """
    if roles.se is not None:
        row = {"w": "1 / (se * se)", "lw": "-2 * LN(se)"}
        return Sums(row, {**WEIGHTED, "lw": "SUM(lw)"})
    if roles.weights is not None:
        return Sums({"w": "weight", "lw": "LN(weight)"}, {**WEIGHTED, "lw": "SUM(lw)"})
    if roles.count is not None:
        row = {"w": "size", "q": "(size - 1) * sd * sd"}
        return Sums(row, {**WEIGHTED, "n": "SUM(w)", "used": "COUNT(d)", "q": "SUM(q)"})
    return PLAIN


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one formula on one table.

    Parameters
    ----------
    roles : OneWay
        Which column plays which part.
    floating : frozenset of str
        Roles whose column can hold NaN.
    nan_is_missing : bool
        True if NaN in the outcome is taken for a missing value; in the other columns it always
        is. Looking for it costs time, so an engine may try without.
    """

    roles: OneWay
    floating: frozenset[str]
    nan_is_missing: bool

    def grouped(self, center: str) -> str:
        """Sums of each group about a centre; incomplete rows count in `total` only.

        `refused` counts complete rows with a value that its role does not allow.
        """
        totals = {"total": "COUNT(*)", **one_way_sums(self.roles).totals}
        if self._extras:
            totals["refused"] = "COUNT(CASE WHEN ok < 0 THEN 1 END)"
        sums = ", ".join(f"{sql} AS {name}" for name, sql in totals.items())
        return f"SELECT g, {sums} FROM ({self._measured(center)}) AS r GROUP BY g"

    def about_own_mean(self, center: str) -> str:
        """Sums about each group's own mean, for data whose group means are far apart."""
        first, second, weight = "d - a", "(d - a) * (d - a)", "COUNT(d)"
        mean = "SUM(d)"
        if self._extras:
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
        return f"SELECT y FROM ({self._cast()}) AS r LIMIT {PILOT_ROWS}"

    # what went wrong ----------------------------------------------------------------------

    def count_broken(self, role: str) -> str:
        """How many complete rows hold a value that their role does not allow."""
        return f"SELECT COUNT(*) FROM ({self._cast()}) AS r WHERE {self._broken(role)}"

    def first_broken(self, role: str, *, numbered: bool) -> str:
        """Value, group and (where rows are numbered) number of the first such rows."""
        number, order = (", r", " ORDER BY r") if numbered else ("", "")
        return (
            f"SELECT {COLUMNS[role]}, g{number} FROM ({self._cast(numbered)}) AS c "
            f"WHERE {self._broken(role)}{order} LIMIT 5"
        )

    def first_text(self, role: str, *, numbered: bool) -> str:
        """The first value of a text column that is no number, and the number of its row."""
        x = COLUMNS[role]
        number, row = (", r", "ROW_NUMBER() OVER () AS r, ") if numbered else ("", "")
        return (
            f"SELECT {x}{number} FROM (SELECT {row}{x} FROM {{rows}}) AS c "
            f"WHERE {x} IS NOT NULL AND TRY_CAST({x} AS DOUBLE) IS NULL LIMIT 1"
        )

    def count_values(self, role: str) -> str:
        """How many values of a column are not NULL."""
        return f"SELECT COUNT({COLUMNS[role]}) FROM {{rows}}"

    # the parts ----------------------------------------------------------------------------

    @property
    def _extras(self) -> list[str]:
        """The roles beside group and outcome that the formula gives."""
        return [r for r in COLUMNS if r != "outcome" and getattr(self.roles, r) is not None]

    def _cast(self, numbered: bool = False) -> str:
        """The rows as numbers, NULL where a value is missing."""
        row = "ROW_NUMBER() OVER () AS r, " if numbered else ""
        return f"SELECT {row}g, {', '.join(self._numbers())} FROM {{rows}}"

    def _numbers(self) -> Iterator[str]:
        for role in ("outcome", *self._extras):
            name = COLUMNS[role]
            x = f"CAST({name} AS DOUBLE)"
            if role in self.floating and (self.nan_is_missing or role != "outcome"):
                x = f"CASE WHEN ISNAN({x}) THEN NULL ELSE {x} END"
            if role == "sd":  # the sd of one row says nothing; a missing one is no loss
                x = f"CASE WHEN size = 1 THEN CAST(0 AS DOUBLE) ELSE {x} END"
            yield f"{x} AS {name}"

    def _measured(self, center: str) -> str:
        """Each row as it is summed: `d` is NULL where the row does not enter."""
        d = f"y - CAST({center} AS DOUBLE)"
        if not self._extras:
            return f"SELECT g, {d} AS d FROM ({self._cast()}) AS c"
        row = {"d": d, **one_way_sums(self.roles).row}
        columns = ", ".join(f"CASE WHEN ok > 0 THEN {sql} END AS {k}" for k, sql in row.items())
        return f"SELECT g, ok, {columns} FROM ({self._judged()}) AS j"

    def _judged(self) -> str:
        """The rows with `ok`: 1 enters, 0 incomplete, -1 with a value that is not allowed."""
        roles = ("outcome", *self._extras)
        bad = " OR ".join(f"({RULES[r].bad_sql.format(x=COLUMNS[r])})" for r in roles)
        return (
            f"SELECT *, CASE WHEN {self._incomplete()} THEN 0 WHEN {bad} THEN -1 ELSE 1 END AS ok "
            f"FROM ({self._cast()}) AS c"
        )

    def _incomplete(self) -> str:
        return " OR ".join(f"{COLUMNS[r]} IS NULL" for r in ("outcome", *self._extras))

    def _broken(self, role: str) -> str:
        bad = RULES[role].bad_sql.format(x=COLUMNS[role])
        return f"g IS NOT NULL AND NOT ({self._incomplete()}) AND {bad}"
