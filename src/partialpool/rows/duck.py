"""DuckDB as the engine: relations, and the files that DuckDB reads."""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.errors import DataError, MissingExtraError
from partialpool.rows.csv_files import explain
from partialpool.rows.days import Since, duck_days
from partialpool.rows.sql import Kind

SOURCE = f"partialpool_rows_{uuid.uuid4().hex}"
"""The name of the rows in a query: one that no table or view of the user has."""

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FLOATS = ("FLOAT", "DOUBLE")
NUMERIC = (*INTEGERS, "UBIGINT", "HUGEINT", "UHUGEINT", "BOOLEAN")
NESTED = ("STRUCT", "MAP", "UNION")
PLAIN_LABELS = (*INTEGERS, *FLOATS, "BOOLEAN", "VARCHAR", "TIMESTAMP")

Fetch = Callable[[Any], dict[str, AnyArray]]
"""Runs a relation and returns its columns as arrays."""


def fetch_now(result: Any) -> dict[str, AnyArray]:
    """Run a relation in this thread."""
    columns: dict[str, AnyArray] = result.fetchnumpy()
    return columns


def quote(name: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def is_number(kind: str) -> bool:
    """True for the name of a type that is cast to DOUBLE without a doubt."""
    return kind in FLOATS or kind in NUMERIC or kind.startswith("DECIMAL")


def is_plain(kind: str) -> bool:
    """True for the name of a type whose values NumPy holds as they are."""
    return kind in PLAIN_LABELS or kind.startswith("ENUM")


def as_relation(relation: Any, table: Table) -> Any:
    """Return the table as a relation on the same connection as `relation`."""
    partialpool_columns = dict(table)  # DuckDB finds this dict of arrays by its name in the query
    assert partialpool_columns
    return relation.query(SOURCE, "SELECT * FROM partialpool_columns")


def is_installed() -> bool:
    """Whether DuckDB is there; in a browser it need not be."""
    try:
        import duckdb  # noqa: F401
    except ImportError:
        return False
    return True


def library(purpose: str) -> Any:
    """Import DuckDB.

    Parameters
    ----------
    purpose : str
        What needs it, such as "a Parquet file".

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError.needs("duckdb", purpose) from error
    return duckdb


@contextmanager
def translated() -> Iterator[None]:
    """Raise what DuckDB raises as one of our errors, in one sentence."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        module = re.search("Required module '(\\w+)' failed to import", str(error))
        if module:
            raise MissingExtraError.needs(module[1], "a column of this type") from error
        prefix = "" if "CSV Error" in str(error) else "the data cannot be read: "
        raise DataError(prefix + explain(error)) from error


@dataclass(frozen=True, slots=True)
class DuckDB:
    """A relation as an engine; see `rows.sql.Engine`.

    Parameters
    ----------
    data : duckdb.DuckDBPyRelation
        The rows.
    given : mapping
        The user's column for each column that the statements name.
    run : callable, optional
        How the long queries are run; a caller that shows progress passes its own.
    """

    data: Any
    given: Mapping[str, str] = field(default_factory=dict)
    run: Fetch = fetch_now

    numbered: ClassVar[bool] = True
    row_number: ClassVar[str] = "ROW_NUMBER() OVER ()"
    nan_plans: ClassVar[tuple[bool, ...]] = (False, True)

    @property
    def columns(self) -> list[str]:
        names: list[str] = self.data.columns
        return names

    def naming(self, given: Mapping[str, str]) -> DuckDB:
        return replace(self, given=given)

    def projected(self, columns: Sequence[str]) -> DuckDB:
        return replace(self, data=self.data.project(", ".join(columns)))

    def holds_text(self, name: str) -> bool:
        return self.type_of(name)[1].startswith(("VARCHAR", "ENUM"))

    def quote(self, name: str) -> str:
        return quote(name)

    def text(self, value: str) -> str:
        return text_literal(value)

    def days(self, name: str, since: Since) -> str:
        return duck_days(quote(name), self.type_of(name)[1], since)

    def type_of(self, name: str) -> tuple[Kind, str]:
        kind = str(self.data.types[self.columns.index(name)])
        if kind.startswith(NESTED) or kind.endswith("]"):
            return "nested", kind
        if kind in FLOATS:
            return "floating", kind
        if is_number(kind):
            return "number", kind
        return ("text" if kind == "VARCHAR" else "other"), kind

    def table(self, sql: str, labels: Sequence[str]) -> dict[str, AnyArray]:
        plain = all(is_plain(self.type_of(self.given[k])[1]) for k in labels)
        return fetch_table(self._query(sql), labels, self.run, plain=plain)

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self._query(sql).fetchall()
        return rows

    def shown(self, sql: str) -> str:
        return sql.format(rows=self._rows("the_rows"))

    def _query(self, sql: str) -> Any:
        return self.data.query(SOURCE, sql.format(rows=self._rows(SOURCE)))

    def _rows(self, source: str) -> str:
        """The user's columns, named as the statements name them."""
        columns = [f"{quote(name)} AS {role}" for role, name in self.given.items()]
        return f"(SELECT {', '.join(columns)} FROM {source})"


def fetch_table(
    result: Any, labels: Sequence[str], run: Fetch, *, plain: bool
) -> dict[str, AnyArray]:
    """Fetch a relation of labels, in the columns named, and numbers.

    Parameters
    ----------
    result : duckdb.DuckDBPyRelation
    labels : sequence of str
        Columns of labels: masked, or None, where missing.
    run : callable
        How it is run.
    plain : bool
        True if NumPy can hold the labels as they are; it would change dates, decimals, ...
    """
    if plain:
        return {k: _label(v) if k in labels else _filled(v) for k, v in run(result).items()}
    rows = list(zip(*result.fetchall(), strict=True)) or [()] * len(result.columns)
    return {
        k: lab.as_labels(v) if k in labels else np.array(v, float)
        for k, v in zip(result.columns, rows, strict=True)
    }


@dataclass(frozen=True, slots=True)
class _Storing:
    """Something to run that stores a relation as a table."""

    relation: Any
    name: str

    def fetchnumpy(self) -> dict[str, AnyArray]:
        self.relation.create(self.name)
        return {}


def stored(connection: Any, relation: Any, run: Fetch) -> Any:
    """Run a relation and keep its rows in a table of the connection, which is our own.

    Beyond the memory that DuckDB may use, the table goes to the folder of temporary files.
    """
    connection.execute(f"SET temp_directory = {text_literal(tempfile.gettempdir())}")
    run(_Storing(relation, SOURCE))
    return connection.table(SOURCE)


def columns_of(relation: Any, names: Sequence[str]) -> dict[str, AnyArray]:
    """Fetch columns; values that NumPy would change, such as decimals, are objects."""
    chosen = relation.project(", ".join(quote(n) for n in names))
    plain = [n for n, kind in zip(names, chosen.types, strict=True) if is_plain(str(kind))]
    others = [n for n in names if n not in plain]
    columns: dict[str, AnyArray] = {}
    if plain:
        columns |= chosen.project(", ".join(quote(n) for n in plain)).fetchnumpy()
    if others:
        rows = chosen.project(", ".join(quote(n) for n in others)).fetchall()
        columns |= {n: lab.as_labels([row[i] for row in rows]) for i, n in enumerate(others)}
    return columns


def _label(values: AnyArray) -> AnyArray:
    """Labels, masked only where one is missing."""
    return values if np.ma.is_masked(values) else np.asarray(values)


def _filled(values: AnyArray) -> AnyArray:
    """Plain numbers, NaN where the database had NULL."""
    if np.ma.isMaskedArray(values):
        return np.ma.filled(values.astype(np.float64), np.nan)
    return values
