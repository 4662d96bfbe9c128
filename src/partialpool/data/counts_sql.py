"""Rows of counts in DuckDB to statistics: one GROUP BY; only the groups reach Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool.data.counts import AMONG, UNEXPOSED, CountStatistics, rules, size_name
from partialpool.data.rules import no_rows
from partialpool.data.sql import (
    SOURCE,
    Fetch,
    Grouping,
    checked_types,
    fetch_now,
    quote,
    translated,
)
from partialpool.formula import CountRoles


def reduce(relation: Any, roles: CountRoles, fetch: Fetch = fetch_now) -> CountStatistics:
    """Reduce a DuckDB relation to one record a group; as `sql.reduce`.

    Raises
    ------
    DataError
        If no row is complete, or a value is not a number, or not allowed in its role.
    """
    with translated():
        return _Counting(relation, roles, checked_types(relation, roles), fetch).run()


@dataclass(frozen=True, slots=True)
class _Counting(Grouping):
    roles: CountRoles

    def run(self) -> CountStatistics:
        self._check()
        found = self.query(self._grouped())
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

    def _values(self) -> tuple[str, str]:
        """SQL of events and size; NULL where missing."""
        size = self.roles.size
        return (
            self.number(self.roles.outcome.name, True),
            "CAST(1 AS DOUBLE)" if size is None else self.number(size.name, True),
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
        return self.ordered(
            f"SELECT g, COUNT(*) AS total, COUNT(y) AS n, {sums} FROM ({whole}) AS r GROUP BY g"
        )

    def _check(self) -> None:
        for name, rule in rules(self.roles):
            self.refuse(name, self.number(name, True), rule)
        if self.roles.size is not None:
            y, s = self._values()
            bad = f"{y} > {s}" if self.roles.proportion else f"{y} > 0 AND {s} = 0"
            rule = AMONG if self.roles.proportion else UNEXPOSED
            self.refuse(self.roles.outcome.name, f"CASE WHEN {bad} THEN {y} ELSE NULL END", rule)
