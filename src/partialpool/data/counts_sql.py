"""Rows of counts in DuckDB to statistics: one GROUP BY; only the groups reach Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool.data import labels as lab
from partialpool.data.counts import AMONG, UNEXPOSED, CountStatistics, rules, size_name
from partialpool.data.duck import (
    FLOATS,
    INTEGERS,
    NESTED,
    SOURCE,
    Fetch,
    check_number,
    fetch_now,
    group_table,
    is_plain,
    quote,
    translated,
)
from partialpool.data.frames import check_column
from partialpool.data.rules import Rule, no_rows
from partialpool.data.sql import Groups
from partialpool.errors import DataError
from partialpool.formula import CountRoles


def reduce(relation: Any, roles: CountRoles, fetch: Fetch = fetch_now) -> CountStatistics:
    """Reduce a DuckDB relation to one record a group; as `sql.reduce`.

    Raises
    ------
    DataError
        If no row is complete, or a value is not a number, or not allowed in its role.
    """
    with translated():
        return _Counting(relation, roles, _checked_types(relation, roles), fetch).run()


def _checked_types(relation: Any, roles: CountRoles) -> dict[str, str]:
    """Type of every column; those of the roles are there, once, and can be what they should."""
    for role in roles.columns:
        check_column(role.name, relation.columns, role.at)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    for role in roles.columns:
        kind = types[role.name]
        if role != roles.group:
            check_number(relation, role.name, kind)
        elif kind.startswith(NESTED) or kind.endswith("]"):
            raise DataError(
                f'column "{role.name}" holds {kind} values; a group label is a single value, such '
                "as text, a number or a date"
            )
    return types


@dataclass(frozen=True, slots=True)
class _Counting:
    """Rows of counts to be grouped.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
        The rows.
    roles : CountRoles
        Which column plays which part.
    types : dict
        Type of each column.
    fetch : callable
        Runs a relation.
    """

    relation: Any
    roles: CountRoles
    types: dict[str, str]
    fetch: Fetch

    def run(self) -> CountStatistics:
        self._check()
        found = self._query(self._grouped())
        total = int(found.sums["total"].sum()) + found.unlabelled
        keep = found.sums["n"] > 0
        if not keep.any():
            raise no_rows(total, self.roles)
        got = {k: v[keep].astype(np.float64) for k, v in found.sums.items()}
        n = np.rint(got["n"]).astype(np.int64)
        return CountStatistics(
            family=self.roles.family,
            factor=self.roles.group.name,
            outcome=self.roles.outcome.name,
            size_name=size_name(self.roles),
            labels=found.labels[keep],
            n=n,
            y=got["y"],
            size=got["size"],
            square=got["square"],
            log_constant=float(got["constant"].sum()),
            n_rows=total,
            n_dropped=total - int(n.sum()),
            absent=found.labels[~keep],
        )

    def _number(self, name: str) -> str:
        """SQL of a column as a number; NaN is missing."""
        x = f"CAST({quote(name)} AS DOUBLE)"
        return f"CASE WHEN ISNAN({x}) THEN NULL ELSE {x} END" if self.types[name] in FLOATS else x

    def _query(self, grouped: str) -> Groups:
        kind = self.types[self.roles.group.name]
        sort_here = kind in INTEGERS or kind.startswith("ENUM")
        sql = grouped if sort_here else f"SELECT * FROM ({grouped}) AS t ORDER BY g ASC"
        result = self.relation.query(SOURCE, sql)
        return group_table(result, self.fetch, plain=is_plain(kind), sort=sort_here)

    def _refuse(self, name: str, x: str, rule: Rule) -> None:
        """Raise the error that names the first rows in which the value x breaks a rule, if any."""
        group = quote(self.roles.group.name)
        numbered = f"SELECT ROW_NUMBER() OVER () AS r, {group} AS g, {x} AS x FROM {SOURCE}"
        bad = f"x IS NOT NULL AND g IS NOT NULL AND {rule.bad_sql.format(x='x')}"
        ((count,),) = self.relation.query(
            SOURCE,
            f"SELECT COUNT(*) FROM (SELECT {group} AS g, {x} AS x FROM {SOURCE}) AS c WHERE {bad}",
        ).fetchall()
        if count:
            rows = self.relation.query(
                SOURCE, f"SELECT r, g, x FROM ({numbered}) AS c WHERE {bad} ORDER BY r LIMIT 5"
            ).fetchall()
            raise rule.broken(
                name,
                [r[2] for r in rows],
                [r[0] for r in rows],
                count,
                lab.shown([r[1] for r in rows]),
            )

    def _values(self) -> tuple[str, str]:
        """SQL of events and size; NULL where missing."""
        size = self.roles.size
        return (
            self._number(self.roles.outcome.name),
            "CAST(1 AS DOUBLE)" if size is None else self._number(size.name),
        )

    def _grouped(self) -> str:
        y, s = self._values()
        columns = f"{quote(self.roles.group.name)} AS g, {y} AS y, {s} AS s"
        both = f"SELECT {columns} FROM {SOURCE}"
        whole = f"SELECT g, CASE WHEN s IS NULL THEN NULL ELSE y END AS y, s FROM ({both}) AS b"
        if self.roles.proportion:
            constant = "LGAMMA(s + 1) - LGAMMA(y + 1) - LGAMMA(s - y + 1)"
        else:
            constant = "CASE WHEN y > 0 THEN y * LN(s) ELSE 0 END - LGAMMA(y + 1)"
        terms = {
            "y": "y",
            "size": "s",
            "square": "CASE WHEN s > 0 THEN y * y / s ELSE 0 END",
            "constant": constant,
        }
        sums = ", ".join(
            f"SUM(CASE WHEN y IS NOT NULL THEN {term} ELSE 0 END) AS {name}"
            for name, term in terms.items()
        )
        return f"SELECT g, COUNT(*) AS total, COUNT(y) AS n, {sums} FROM ({whole}) AS r GROUP BY g"

    def _check(self) -> None:
        for name, rule in rules(self.roles):
            self._refuse(name, self._number(name), rule)
        if self.roles.size is not None:
            y, s = self._values()
            bad = f"{y} > {s}" if self.roles.proportion else f"{y} > 0 AND {s} = 0"
            rule = AMONG if self.roles.proportion else UNEXPOSED
            self._refuse(self.roles.outcome.name, f"CASE WHEN {bad} THEN {y} ELSE NULL END", rule)
