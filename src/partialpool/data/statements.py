"""Which sums a model needs of the rows of each group, as SQL: one text for every engine.

The statements use COUNT, SUM, CAST, CASE, ISNAN, LN and joins, which mean the same everywhere.
The rows are a table written ``{rows}``, whose columns are named by the part they play: `g` (the
group), `y` (the outcome) and, where the formula gives them, `se`, `weight`, `size` and `sd`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from partialpool.data.checked_rows import CheckedRows, check, number
from partialpool.data.rules import RULES
from partialpool.formula import Roles

COLUMNS = {"outcome": "y", "se": "se", "weights": "weight", "count": "size", "sd": "sd"}
"""What the column of each role is called in the statements; the group is `g`."""

PILOT_ROWS = 2048


def given(roles: Roles) -> dict[str, str]:
    """The user's column for each column that the statements name."""
    columns = {name: getattr(roles, role) for role, name in COLUMNS.items()}
    found = {"g": roles.group, **columns}
    return {name: column.name for name, column in found.items() if column is not None}


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


def one_way_sums(roles: Roles) -> Sums:
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
    roles : Roles
        Which column plays which part.
    floating : frozenset of str
        Roles whose column can hold NaN.
    nan_is_missing : bool
        True if NaN in the outcome is taken for a missing value; in the other columns it always
        is. Looking for it costs time, so an engine may try without.
    """

    roles: Roles
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
        return f"SELECT y FROM ({self.rows.cast()}) AS r LIMIT {PILOT_ROWS}"

    @property
    def rows(self) -> CheckedRows:
        """The rows as numbers, and what these may be."""
        roles = ("outcome", *self._extras)
        names = given(self.roles)
        checks = (check(names[COLUMNS[r]], COLUMNS[r], RULES[r]) for r in roles)
        return CheckedRows({"g": "g"}, dict(self._numbers()), tuple(checks))

    @property
    def _extras(self) -> list[str]:
        """The roles beside group and outcome that the formula gives."""
        return [r for r in COLUMNS if r != "outcome" and getattr(self.roles, r) is not None]

    def _numbers(self) -> Iterator[tuple[str, str]]:
        for role in ("outcome", *self._extras):
            name = COLUMNS[role]
            floating = role in self.floating and (self.nan_is_missing or role != "outcome")
            x = number(name, floating=floating)
            if role == "sd":  # the sd of one row says nothing; a missing one is no loss
                x = f"CASE WHEN size = 1 THEN CAST(0 AS DOUBLE) ELSE {x} END"
            yield name, x

    def _measured(self, center: str) -> str:
        """Each row as it is summed: `d` is NULL where the row does not enter."""
        d = f"y - CAST({center} AS DOUBLE)"
        if not self._extras:
            return f"SELECT g, {d} AS d FROM ({self.rows.cast()}) AS c"
        row = {"d": d, **one_way_sums(self.roles).row}
        columns = ", ".join(f"CASE WHEN ok > 0 THEN {sql} END AS {k}" for k, sql in row.items())
        return f"SELECT g, ok, {columns} FROM ({self.rows.judged()}) AS j"
