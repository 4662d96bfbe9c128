"""Rows in DuckDB, in parts: labels become numbers there, and one part at a time comes here.

The rows of a part are those whose values hash to it, so that the parts together are all rows
whatever order a query returns them in; memory is that of one part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Ints
from partialpool.data import labels as lab
from partialpool.data.duck import (
    INTEGERS,
    NESTED,
    SOURCE,
    Fetch,
    check_number,
    fetch_now,
    is_plain,
    quote,
    translated,
)
from partialpool.data.frames import check_column
from partialpool.data.source import Chunk, in_chunks, in_order
from partialpool.errors import DataError
from partialpool.formula import Mixed

PART = 4_000_000
"""Rows that come out of the database at once."""
SPARSE = 8
"""Whole numbers are their own codes if their range is at most this many times their number."""


@dataclass(frozen=True, eq=False)
class SqlSource:
    """Rows of a DuckDB relation.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
        The rows.
    labels : mapping
        Distinct labels of each column of groups or categories, sorted.
    texts : frozenset of str
        Predictors that are categories because of what they hold.
    places : mapping
        From a label's place in the order of the database to its place in `labels`.
    query : str
        Selects numbers as `n0`, `n1`, ... and codes as `c0`, `c1`, ...
    numbers, codes : tuple of str
        Names of the columns so selected.
    n_parts : int
        How many parts the rows come in.
    fetch : callable
        How a query is run.
    """

    relation: Any
    labels: Mapping[str, AnyArray]
    texts: frozenset[str]
    places: Mapping[str, Ints]
    query: str
    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    n_parts: int
    fetch: Fetch

    def chunks(self, *, numbered: bool = False) -> Iterator[Chunk]:
        """Go through all rows once, in parts; where there is one part, it is read once."""
        once = self.n_parts == 1 and not numbered
        parts = [self._only] if once else (self._part(k, numbered) for k in range(self.n_parts))
        for part in parts:
            yield from in_chunks(part, self.labels)

    def sample(self) -> Iterator[Chunk]:
        """Some of the rows, chosen by their values."""
        return in_chunks(self._only if self.n_parts == 1 else self._part(0, False), self.labels)

    @cached_property
    def _only(self) -> Chunk:
        return self._part(0, False)

    def _part(self, k: int, numbered: bool) -> Chunk:
        row = "ROW_NUMBER() OVER () - 1" if numbered else "CAST(0 AS BIGINT)"
        sql = self.query.replace("{row}", row)
        if self.n_parts > 1:
            names = [f"n{i}" for i in range(len(self.numbers))]
            names += [f"c{i}" for i in range(len(self.codes))]
            sql = (
                f"SELECT * FROM ({sql}) AS p WHERE HASH({', '.join(names)}) % {self.n_parts} = {k}"
            )
        if numbered:
            sql += " ORDER BY r"
        found = run(self.relation, sql, self.fetch)
        return Chunk(
            {name: _floats(found[f"n{i}"]) for i, name in enumerate(self.numbers)},
            {name: self._codes(found[f"c{i}"], name) for i, name in enumerate(self.codes)},
            found["r"].astype(np.int64) if numbered else None,
        )

    def _codes(self, found: AnyArray, name: str) -> Ints:
        codes = np.ma.filled(found.astype(np.int64), -1)
        return self.places[name][codes]


def _floats(values: AnyArray) -> AnyArray:
    return np.ma.filled(values.astype(np.float64), np.nan)


def run(relation: Any, sql: str, fetch: Fetch = fetch_now) -> dict[str, AnyArray]:
    """Run a query over the rows of a relation.

    Raises
    ------
    DataError
        If the rows cannot be read.
    """
    with translated():
        return fetch(relation.query(SOURCE, sql))


def from_relation(
    relation: Any, roles: Mixed, *, text_labels: bool = False, fetch: Fetch = fetch_now
) -> SqlSource:
    """Prepare to read the columns of a formula from a relation.

    Parameters
    ----------
    relation : duckdb.DuckDBPyRelation
        The rows.
    roles : Mixed
        Which column plays which part.
    text_labels : bool
        Whether group columns were read as text, whatever they hold: whole numbers are then
        turned back into numbers.
    fetch : callable, optional
        How the long query is run.

    Raises
    ------
    ColumnError
        If a column is missing or there twice.
    DataError
        If a column holds something else than it should.
    """
    for column in roles.columns:
        check_column(column.name, relation.columns, column.at)
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    texts = frozenset(n.name for n in roles.plain if _is_category(types[n.name]))
    labelled = (*roles.factors, *roles.categories, *(n for n in roles.plain if n.name in texts))
    measured = (*roles.numbers, *(n for n in roles.plain if n.name not in texts))
    coded = tuple(dict.fromkeys(n.name for n in labelled))
    numbers = tuple(dict.fromkeys(n.name for n in measured))
    _check(relation, types, coded, numbers)
    plain = {n.name for n in roles.labels} if text_labels else set()
    found = {n: _labels(relation, n, types[n], n in plain) for n in coded}
    query = _query(numbers, coded, types, {n: c.low for n, c in found.items()})
    ((total,),) = relation.query(SOURCE, f"SELECT COUNT(*) FROM {SOURCE}").fetchall()
    parts = max(1, -(-total // PART))
    labels = {n: c.labels for n, c in found.items()}
    places = {n: c.place for n, c in found.items()}
    return SqlSource(relation, labels, texts, places, query, numbers, coded, parts, fetch)


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """The labels of a column, sorted.

    Parameters
    ----------
    labels : ndarray
    place : ndarray of int
        From a code of the database to the label's place in `labels`; the last entry is -1.
    low : int, optional
        Where the codes are the labels themselves, whole numbers, less this one.
    """

    labels: AnyArray
    place: Ints
    low: int | None


def _is_category(kind: str) -> bool:
    return kind in ("VARCHAR", "BOOLEAN") or kind.startswith("ENUM")


def _check(
    relation: Any, types: Mapping[str, str], coded: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    for name in coded:
        if types[name].startswith(NESTED) or types[name].endswith("]"):
            raise DataError(
                f'column "{name}" holds {types[name]} values; a label is a single value, such as '
                "text, a number or a date"
            )
    for name in wanted:
        check_number(relation, name, types[name])


def _label_query(name: str, kind: str) -> str:
    """Distinct labels `g` with their places `code` in the order of the database."""
    g = quote(name)
    real = f" AND NOT ISNAN({g})" if kind in ("FLOAT", "DOUBLE") else ""
    return (
        f"SELECT g, ROW_NUMBER() OVER (ORDER BY g) - 1 AS code FROM "
        f"(SELECT DISTINCT {g} AS g FROM {SOURCE} WHERE {g} IS NOT NULL{real}) AS d"
    )


def _labels(relation: Any, name: str, kind: str, plain: bool) -> _Labels:
    result = relation.query(SOURCE, f"{_label_query(name, kind)} ORDER BY code")
    if is_plain(kind):
        found = result.fetchnumpy()["g"]
        labels = lab.as_labels(np.asarray(found.data if np.ma.isMaskedArray(found) else found))
    else:
        labels = lab.as_labels([row[0] for row in result.fetchall()])
    low, high = (int(labels[0]), int(labels[-1])) if kind in INTEGERS and len(labels) else (0, -1)
    if 0 <= high - low <= SPARSE * len(labels):
        place = np.full(high - low + 2, -1, dtype=np.int64)
        place[labels.astype(np.int64) - low] = np.arange(len(labels))
        return _Labels(labels, place, low)
    if labels.dtype.kind == "O" and plain:
        labels = lab.integers_if_plain(labels)
    codes, labels = in_order(np.arange(len(labels)), labels)
    return _Labels(labels, np.append(codes, -1), None)


def _query(
    numbers: tuple[str, ...],
    coded: tuple[str, ...],
    types: Mapping[str, str],
    low: Mapping[str, int | None],
) -> str:
    """Select numbers, and codes: whole numbers as they are, other labels by a join."""
    joined = {n: f"l{i}" for i, n in enumerate(coded) if low[n] is None}
    tables = [f"{t} AS MATERIALIZED ({_label_query(n, types[n])})" for n, t in joined.items()]
    columns = [f"CAST({quote(n)} AS DOUBLE) AS n{i}" for i, n in enumerate(numbers)]
    columns += [f"{quote(n)} AS g{i}" for i, n in enumerate(coded)]
    inner = f"SELECT {{row}} AS r, {', '.join(columns)} FROM {SOURCE}"
    outer = ["r", *(f"n{i}" for i in range(len(numbers)))]
    for i, n in enumerate(coded):
        code = f"{joined[n]}.code" if n in joined else f"CAST(t.g{i} AS BIGINT) - ({low[n]})"
        outer.append(f"{code} AS c{i}")
    joins = " ".join(
        f"LEFT JOIN {joined[n]} ON t.g{i} = {joined[n]}.g"
        for i, n in enumerate(coded)
        if n in joined
    )
    first = f"WITH {', '.join(tables)} " if tables else ""
    return f"{first}SELECT {', '.join(outer)} FROM ({inner}) AS t {joins}"
