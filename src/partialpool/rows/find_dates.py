"""Predictors that hold dates, in data of any kind: which, and the earliest date of each."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from partialpool.design import labels as lab
from partialpool.errors import DataError
from partialpool.formula import Formula, parse
from partialpool.formula.dialects import days_since
from partialpool.formula.tree import Name
from partialpool.notices import Notice
from partialpool.rows import csv_files as csv
from partialpool.rows import duck, files, frames
from partialpool.rows.date_texts import ORDERS, YEAR_FIRST
from partialpool.rows.days import (
    EPOCH,
    FORMAT,
    UNIX_EPOCH,
    Since,
    asked_for,
    days_of,
    is_date,
    may_be_date,
    predictors,
    with_origins,
)
from partialpool.rows.derived import Source
from partialpool.rows.excel import is_workbook, read_sheet
from partialpool.rows.folding import Folded
from partialpool.rows.read import FIRST_ROWS, Opened, opened
from partialpool.rows.sql import first_value

DATES = ("date", "datetime", "timestamp")
"""How the types of dates begin, in any library and engine."""
TEXTS = ("str", "object", "large_string", "cat", "<u", "dict")
"""How the types of columns begin that can hold texts that are dates."""


def with_days(parsed: Formula, data: Any) -> tuple[Formula, tuple[Notice, ...]]:
    """Write ``days(date, "2024-01-31")`` for a predictor that holds dates, and say so.

    Raises
    ------
    DataError
        If a column inside days() holds no dates.
    """
    data = data.data if isinstance(data, Folded) else data
    asked = asked_for(parsed)
    names = predictors(parsed)
    firsts = _first_values(data, names) if names else {}
    origins = {n.name: _since(data, n, firsts.get(n.name), asked.get(n.name)) for n in names}
    dates = {name: since for name, since in origins.items() if since is not None}
    for name in set(asked) - set(dates):
        raise DataError(f'column "{name}" holds no dates, which days() counts: it needs {FORMAT}')
    if not dates:
        return parsed, ()
    formula = parse(str(with_origins(parsed, dates)))
    said = [
        f"{days_since(Name(n), since.origin, since.order, 0)} counts days since {since.origin}"
        for n, since in dates.items()
    ]
    many = len(dates) > 1
    orders = {since.order for since in dates.values()} - {YEAR_FIRST}
    read = "".join(f" Texts are read as {IN_WORDS[order]}." for order in sorted(orders))
    notice = Notice(
        "dates",
        "info",
        f"{lab.shown(dates)} {'hold' if many else 'holds'} dates: {'; '.join(said)}, the earliest."
        f"{read} For categories write C().",
    )
    return formula, (notice,)


IN_WORDS = {"dmy": "day, month, year", "mdy": "month, day, year"}


def _since(data: Any, column: Name, first: object, asked: str | None) -> Since | None:
    """The earliest day of a column of dates, and how its texts are written; None if it holds none.

    Raises
    ------
    DataError
        If its texts can be read in two ways.
    """
    if asked is not None and isinstance(first, str):
        return _earliest(data, column, asked)
    if is_date(first):
        return _earliest(data, column, YEAR_FIRST)
    if not may_be_date(first):
        return None
    ways = [w for order in ORDERS if (w := _earliest(data, column, order)) is not None]
    if len(ways) > 1 and "." not in str(first):
        raise DataError(
            f'column "{column.name}" holds dates such as {str(first).strip()}, of which none says '
            f'whether the day or the month comes first: write days({column}, "dmy") or '
            f'days({column}, "mdy") in the formula'
        )
    return ways[0] if ways else None  # with points the day comes first wherever they are written


def _earliest(data: Any, column: Name, order: str) -> Since | None:
    """The earliest day of a column of dates in this order; None if it holds anything else."""
    since = Since(EPOCH.origin, order)
    with opened(data, Source((column,), (column,))) as rows:
        if rows.engine is None:
            values = frames.take(rows.data, rows.kind, (column,))[column.name]
            try:
                days = days_of(values, column.name, since)
            except DataError:
                return None  # a category whose first label reads as a date
            earliest = float(np.nanmin(days))
        else:
            first_day = _in_engine(rows, column.name, since)
            if first_day is None:
                return None
            earliest = first_day
    day = (UNIX_EPOCH + dt.timedelta(math.floor(earliest))).date().isoformat()
    return Since(day, order)


def _in_engine(rows: Opened, name: str, since: Since) -> float | None:
    """The earliest day of a column; None if no row has one, or DuckDB takes a text for none."""
    assert rows.engine is not None
    days = rows.engine.projected([f"{rows.engine.days(name, since)} AS x"]).naming({"x": "x"})
    try:
        with duck.translated() if rows.kind == "duckdb" else nullcontext():
            ((earliest,),) = days.fetch("SELECT MIN(x) AS x FROM {rows}")
    except DataError:
        return None
    return None if earliest is None or math.isnan(earliest) else float(earliest)


def _first_values(data: Any, columns: tuple[Name, ...]) -> dict[str, object]:
    """The first value of each column that is not missing, as far as it is cheap to find."""
    if is_workbook(data):
        wanted = {c.name for c in columns}
        cells = read_sheet(files.existing(data), wanted=wanted, most=FIRST_ROWS).columns
        return {name: _first_of(cells.get(name, ())) for name in wanted}
    names = files.csv_names(data)
    if names:
        parsed_files = csv.csv_files(names, Source(columns))
        return {c.name: csv.first_value(parsed_files, c.name) for c in columns}
    kind = None if files.are_paths(data) else frames.kind_of(data)
    if kind in ("mapping", "pandas", "polars", "pyarrow"):
        return {c.name: _first_in_frame(data, kind, c) for c in columns}
    return _first_in_engine(data, columns)


def _first_in_engine(data: Any, columns: tuple[Name, ...]) -> dict[str, object]:
    values: dict[str, object] = {}
    with opened(data, Source(columns, columns)) as rows:
        engine = rows.engine
        assert engine is not None  # frames and CSV files are looked at without
        for column in columns:
            frames.check_column(column.name, list(engine.columns), column.at)
            kind, its_name = engine.type_of(column.name)
            if its_name.lower().startswith(DATES):
                values[column.name] = UNIX_EPOCH
            elif kind == "text":
                values[column.name] = first_value(engine, column.name)
    return values


def _first_in_frame(data: Any, kind: str, column: Name) -> object:
    if column.name not in frames.column_names(data, kind):
        return None  # which is an error, of whoever takes the columns
    if kind == "polars" and type(data).__name__ == "LazyFrame":
        described = str(data.collect_schema()[column.name]).lower()
        if described.startswith(DATES):
            return UNIX_EPOCH
        if not described.startswith("str"):
            return None
        return _first_of(data.select(column.name).drop_nulls().head(1).collect().to_series())
    if kind == "mapping" and not hasattr(data[column.name], "__len__"):
        return None  # a generator, which is read once
    values = frames.take(data, kind, (column,))[column.name]
    described = str(getattr(values, "dtype", getattr(values, "type", ""))).lower()
    if described.startswith(DATES):
        return UNIX_EPOCH
    if described and not described.startswith(TEXTS):
        return None
    if hasattr(values, "to_pylist"):
        return _first_of(value.as_py() for value in values)
    return _first_of(values)


def _first_of(values: Sequence[Any] | Any) -> object:
    return next((v for v in values if v is not None and v == v and v != ""), None)
