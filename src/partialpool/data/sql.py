"""Rows in DuckDB to statistics: one GROUP BY; only the groups reach Python.

The statements use COUNT, SUM, MAX, CAST, CASE and joins only, the same text on every engine.
Sums are taken about a pilot value so that a large offset costs no digits; where the result
shows that this was not enough, a second pass takes them about each group's own mean.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import AnyArray
from partialpool.data import labels as lab
from partialpool.data.csv_files import explain
from partialpool.data.frames import check_column, not_a_number
from partialpool.data.rules import LARGEST, RULES, Rule, no_rows, overflow
from partialpool.data.statistics import GroupStatistics, without_rounding
from partialpool.data.table import Table
from partialpool.errors import DataError, MissingExtraError, PartialPoolError
from partialpool.formula import Columns, OneWay

SOURCE = f"partialpool_rows_{uuid.uuid4().hex}"
"""The name of the rows in a query: one that no table or view of the user has."""

PILOT_ROWS = 2048
CANCELLATION = 1e4
"""Largest ratio of shifted to within-group sum of squares before a second pass."""

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
NUMERIC = (*INTEGERS, "UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "BOOLEAN")
NESTED = ("STRUCT", "MAP", "UNION")
PLAIN_LABELS = (*INTEGERS, "FLOAT", "DOUBLE", "BOOLEAN", "VARCHAR", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class _Columns:
    """SQL for the rows: `g`, `y` (NULL when anything is missing), `n`, `w`, `q`, `lw`."""

    select: str
    weighted: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a grouped query returned: labels and sums, (J,), and rows without a label."""

    labels: AnyArray
    sums: dict[str, AnyArray]
    unlabelled: int


def _filled(values: AnyArray) -> AnyArray:
    """Plain numbers, NaN where the database had NULL."""
    if np.ma.isMaskedArray(values):
        return np.ma.filled(values.astype(np.float64), np.nan)
    return values


def quote(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


Fetch = Callable[[Any], dict[str, AnyArray]]
"""Runs a relation and returns its columns as arrays."""


def fetch_now(result: Any) -> dict[str, AnyArray]:
    """Run a relation in this thread."""
    columns: dict[str, AnyArray] = result.fetchnumpy()
    return columns


def reduce(relation: Any, roles: OneWay, fetch: Fetch = fetch_now) -> GroupStatistics:
    """Reduce a DuckDB relation to one record a group.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
        The rows.
    roles : OneWay
        Which column plays which part.
    fetch : callable, optional
        How the long query is run; a caller that shows progress passes its own.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite, not a number, or not allowed in its role.
    """
    with translated():
        return _Reduction(relation, roles, checked_types(relation, roles), fetch).run()


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database as errors of this package."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _translated(error) from error


def checked_types(relation: Any, roles: Columns) -> dict[str, str]:
    """Type of every column; those of the roles are there, once, and can be what they should."""
    for role in roles.columns:
        check_column(role.name, relation.columns, role.at)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    _check_types(relation, roles, types)
    return types


def as_relation(relation: Any, table: Table) -> Any:
    """Return the table as a relation on the same connection as `relation`."""
    partialpool_columns = dict(table)  # DuckDB finds this dict of arrays by its name in the query
    assert partialpool_columns
    return relation.query(SOURCE, "SELECT * FROM partialpool_columns")


def _translated(error: Exception) -> PartialPoolError:
    found = re.search("Required module '(\\w+)' failed to import", str(error))
    if found:
        return MissingExtraError.needs(found[1], "a column of this type")
    prefix = "" if "CSV Error" in str(error) else "the data cannot be read: "
    return DataError(prefix + explain(error))


def _check_types(relation: Any, roles: Columns, types: dict[str, str]) -> None:
    for role in roles.columns:
        name, kind = role.name, types[role.name]
        if role == roles.group and (kind.startswith(NESTED) or kind.endswith("]")):
            raise DataError(
                f'column "{name}" holds {kind} values; a group label is a single value, such as '
                "text, a number or a date"
            )
        if role == roles.group or kind in NUMERIC or kind.startswith("DECIMAL"):
            continue
        if kind != "VARCHAR":
            raise DataError(f'column "{name}" must hold numbers; it holds {kind} values')
        x = quote(name)
        rows = relation.query(
            SOURCE,
            f"SELECT r, x FROM (SELECT ROW_NUMBER() OVER () AS r, {x} AS x FROM {SOURCE}) "
            "WHERE x IS NOT NULL AND TRY_CAST(x AS DOUBLE) IS NULL LIMIT 1",
        ).fetchall()
        if rows:
            raise not_a_number(name, rows[0][1], rows[0][0])
        if relation.query(SOURCE, f"SELECT COUNT({x}) FROM {SOURCE}").fetchall()[0][0]:
            raise DataError(
                f'column "{name}" holds numbers stored as text; convert it to a numeric type'
            )


@dataclass(frozen=True, slots=True)
class Grouping:
    """Rows to be grouped: how statements are written, run and their groups taken out.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
        The rows.
    roles : Columns
        Which column plays which part.
    types : dict
        Type of each column.
    fetch : callable
        Runs a relation.
    """

    relation: Any
    roles: Columns
    types: dict[str, str]
    fetch: Fetch

    def number(self, name: str, nan_is_missing: bool) -> str:
        """SQL of a column as a number; NaN, which some engines have, as missing if asked."""
        x = f"CAST({quote(name)} AS DOUBLE)"
        floating = self.types[name] in ("FLOAT", "DOUBLE")
        return f"CASE WHEN ISNAN({x}) THEN NULL ELSE {x} END" if nan_is_missing and floating else x

    def ordered(self, grouped: str) -> str:
        """Sort by label in the database, unless that is done here."""
        return grouped if self._sorts_here() else f"SELECT * FROM ({grouped}) AS t ORDER BY g ASC"

    def query(self, sql: str) -> _Found:
        """Run a grouped query; groups come sorted, the rows without a label are counted."""
        result = self.relation.query(SOURCE, sql)
        if self._plain_labels():
            columns = self.fetch(result)
            values = columns.pop("g")
            absent = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
            labels = np.asarray(values.data if np.ma.isMaskedArray(values) else values)
        else:  # types that NumPy would change: dates, decimals, times with a zone, ...
            rows = result.fetchall()
            names = [c for c in result.columns if c != "g"]
            labels = lab.as_labels([row[0] for row in rows])
            columns = {k: np.array([r[i] for r in rows], float) for i, k in enumerate(names, 1)}
            absent = None
        gone = lab.missing(labels) if absent is None else absent | lab.missing(labels)
        sums = {k: _filled(v) for k, v in columns.items()}
        unlabelled = int(sums["total"][gone].sum()) if "total" in sums else 0
        if gone.any():
            labels, sums = labels[~gone], {k: v[~gone] for k, v in sums.items()}
        if self._sorts_here():
            order = lab.sorted_order(labels)
            labels, sums = labels[order], {k: v[order] for k, v in sums.items()}
        return _Found(labels, sums, unlabelled)

    def _sorts_here(self) -> bool:
        """Integers are faster sorted here; an ENUM sorts by its own order in the database."""
        kind = self.types[self.roles.group.name]
        return kind in INTEGERS or kind.startswith("ENUM")

    def _plain_labels(self) -> bool:
        kind = self.types[self.roles.group.name]
        return kind in PLAIN_LABELS or kind.startswith("ENUM")

    def refuse(self, name: str, x: str, rule: Rule) -> None:
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


@dataclass(frozen=True, slots=True)
class _Reduction(Grouping):
    roles: OneWay

    def run(self) -> GroupStatistics:
        self._check_rules()
        center = self._pilot()
        for nan_is_missing in (False, True):
            columns = self._columns(nan_is_missing)
            found = self.query(self._grouped(columns, center))
            sums = found.sums
            if np.isfinite(sums["s2"][sums["n"] > 0]).all():
                return self._statistics(found, columns, center)
        self._raise_rule("outcome", RULES["outcome"])
        raise overflow(self.roles)

    # the statements -----------------------------------------------------------------------

    def _columns(self, nan_is_missing: bool) -> _Columns:
        r = self.roles
        y = self.number(r.outcome.name, nan_is_missing)
        group = quote(r.group.name)
        extra = [c for c in (r.se, r.weights, r.count, r.sd) if c is not None]
        if not extra:
            return _Columns(f"SELECT {group} AS g, {y} AS y FROM {SOURCE}", False)
        x = {c.name: self.number(c.name, True) for c in extra}
        n = w = "CAST(1 AS DOUBLE)"
        q = "CAST(0 AS DOUBLE)"
        lw = q
        if r.se is not None:
            s = x[r.se.name]
            w, lw = f"1 / ({s} * {s})", f"-2 * LN({s})"
        elif r.weights is not None:
            w = x[r.weights.name]
            lw = f"LN({w})"
        elif r.count is not None and r.sd is not None:
            n = w = x[r.count.name]
            s = f"CASE WHEN {n} = 1 THEN 0 ELSE {x[r.sd.name]} END"
            q = f"({n} - 1) * ({s}) * ({s})"
        columns = f"{group} AS g, {y} AS y, {n} AS n, {w} AS w, {q} AS q, {lw} AS lw"
        whole = "y IS NOT NULL AND n IS NOT NULL AND w IS NOT NULL AND q IS NOT NULL"
        return _Columns(
            f"SELECT g, CASE WHEN {whole} THEN y ELSE NULL END AS y, n, w, q, lw "
            f"FROM (SELECT {columns} FROM {SOURCE}) AS cast_rows",
            True,
        )

    def _grouped(self, columns: _Columns, center: float) -> str:
        shifted = f"SELECT *, y - CAST({center!r} AS DOUBLE) AS d FROM ({columns.select}) AS r"
        if not columns.weighted:
            sums = "COUNT(d) AS n, SUM(d) AS s1, SUM(d * d) AS s2"
        else:
            here = "SUM(CASE WHEN d IS NOT NULL THEN {0} ELSE 0 END) AS {0}"
            parts = ", ".join(here.format(k) for k in ("n", "w", "q", "lw"))
            sums = f"{parts}, COUNT(d) AS used, SUM(w * d) AS s1, SUM(w * d * d) AS s2"
        grouped = f"SELECT g, COUNT(*) AS total, {sums} FROM ({shifted}) AS s GROUP BY g"
        return self.ordered(grouped)

    def _about_own_mean(self, columns: _Columns, center: float) -> str:
        """Sums about each group's own mean, for data whose group means are far apart."""
        w = "w" if columns.weighted else "CAST(1 AS DOUBLE)"
        d = f"(y - CAST({center!r} AS DOUBLE))"
        return (
            f"WITH r AS ({columns.select}), m AS (SELECT g AS k, SUM({w} * {d}) / SUM({w}) AS a "
            f"FROM r WHERE y IS NOT NULL AND g IS NOT NULL GROUP BY g) "
            + self.ordered(
                f"SELECT g, SUM({w} * ({d} - a)) AS s1, SUM({w} * ({d} - a) * ({d} - a)) AS s2 "
                "FROM r JOIN m ON r.g = m.k WHERE y IS NOT NULL GROUP BY g"
            )
        )

    # running them -------------------------------------------------------------------------

    def _pilot(self) -> float:
        """A value in the middle of the outcome, from its first rows."""
        y = self.number(self.roles.outcome.name, True)
        sql = f"SELECT AVG(y) FROM (SELECT {y} AS y FROM {SOURCE} LIMIT {PILOT_ROWS}) AS p"
        ((value,),) = self.relation.query(SOURCE, sql).fetchall()
        return float(value) if value is not None and abs(value) <= LARGEST else 0.0

    def _statistics(self, found: _Found, columns: _Columns, center: float) -> GroupStatistics:
        total = int(found.sums["total"].sum()) + found.unlabelled
        keep = found.sums["n"] > 0
        if not keep.any():
            raise no_rows(total, self.roles)
        got = found.sums if keep.all() else {k: v[keep] for k, v in found.sums.items()}
        n, w = got["n"], got.get("w", got["n"])
        mean = got["s1"] / w
        square = got["s2"]
        ss = square - mean * got["s1"]
        if square.sum() > CANCELLATION * max(ss.sum(), 0.0) and n.sum() > len(n):
            own = self.query(self._about_own_mean(columns, center)).sums
            slip, square = own["s1"] / w, own["s2"]
            mean, ss = mean + slip, square - w * slip**2
        noise = 8 * np.finfo(float).eps * square
        ss = without_rounding(np.where(ss > noise, ss, 0.0), w, mean, center)
        used = got.get("used", n)
        return GroupStatistics(
            factor=self.roles.group.name,
            outcome=self.roles.outcome.name,
            labels=found.labels if keep.all() else found.labels[keep],
            n=np.rint(n).astype(np.int64),
            weight=w.astype(np.float64),
            mean=mean,
            ss=ss + got.get("q", 0.0),
            center=center,
            log_weight=float(got["lw"].sum()) if "lw" in got else 0.0,
            sigma_known=self.roles.se is not None,
            n_rows=total,
            n_dropped=total - int(used.sum()),
            absent=found.labels[~keep],
        )

    # what went wrong ----------------------------------------------------------------------

    def _check_rules(self) -> None:
        for role in ("se", "weights", "count", "sd"):
            name = getattr(self.roles, role)
            if name is not None:
                self._raise_rule(role, RULES[role])

    def _raise_rule(self, role: str, rule: Rule) -> None:
        name = getattr(self.roles, role).name
        x = self.number(name, True)
        if role == "sd":
            n = self.number(self.roles.count.name, True)  # type: ignore[union-attr]
            x = f"CASE WHEN {n} = 1 THEN 0 ELSE {x} END"
        self.refuse(name, x, rule)
