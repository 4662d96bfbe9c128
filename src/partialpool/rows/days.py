"""Dates as numbers: days since an origin, the earliest date of the column, which the formula keeps.

A predictor that holds dates is written ``days(date, "2024-01-31")`` in the formula of the fit, so
that new rows, more rows and the rows of others count from the same day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.design import labels as lab
from partialpool.errors import DataError
from partialpool.formula.dialects import days_since
from partialpool.formula.tree import (
    Binary,
    Call,
    Derived,
    Expression,
    Formula,
    Name,
    Term,
    Text,
    Unary,
    calls_in,
    is_categorical,
    names_in,
)
from partialpool.rows import frames
from partialpool.rows.date_texts import ORDERS, YEAR_FIRST, iso_sql, iso_text
from partialpool.rows.text_numbers import is_missing, missing_sql

UNIX_EPOCH = dt.datetime(1970, 1, 1)
"""The origin of days in which all three engines store times."""
SECONDS_A_DAY = 86_400.0
"""Times without a zone know no leap seconds: NumPy, DuckDB and Spark all count such days."""
FORMAT = "a date such as 2024-01-31, or 2024-01-31 08:30"


@dataclass(frozen=True, slots=True)
class Since:
    """The day from which days are counted, and the order in which texts write dates."""

    origin: str
    order: str = YEAR_FIRST

    @property
    def day(self) -> float:
        """Days of the origin since 1970."""
        days = _days(self.origin, YEAR_FIRST)
        assert days is not None  # the parser takes nothing else
        return days

    @property
    def written(self) -> str:
        """What a text must be."""
        return FORMAT if self.order == YEAR_FIRST else f"{EXAMPLES[self.order]}, or {FORMAT}"


EXAMPLES = {"dmy": "a date such as 31.12.2024", "mdy": "a date such as 12/31/2024"}
EPOCH = Since("1970-01-01")


def is_date(value: object) -> bool:
    """Whether a value is a date, or a text that is one with the year first."""
    if isinstance(value, str):
        return not is_missing(value) and _days(value, YEAR_FIRST) is not None
    return isinstance(value, dt.date | np.datetime64)


def may_be_date(value: object) -> bool:
    """Whether a value is a text that is a date in another order."""
    return isinstance(value, str) and any(
        iso_text(value.strip(), order) is not None for order in ORDERS
    )


def days_of(column: Any, name: str, since: Since) -> Floats:
    """Days of a column of dates, or of texts that are dates, since the origin; NaN where missing.

    Times with a zone count in UTC.

    Raises
    ------
    DataError
        If a value is no date; the message says in which row.
    """
    values = _plain_times(column)
    if values is not None:
        passed = values.astype("datetime64[us]") - np.datetime64(UNIX_EPOCH, "us")
        since_1970 = passed.astype(np.float64) / (SECONDS_A_DAY * 1e6)
        return np.where(np.isnat(values), np.nan, since_1970) - since.day
    codes, labels = frames.label_codes(column)
    days = [_days(label, since.order) for label in labels.tolist()]
    wrong = [i for i, day in enumerate(days) if day is None]
    if wrong:
        row = int(np.flatnonzero(np.isin(codes, wrong))[0])
        label = labels[codes[row]]
        raise DataError(
            f'column "{name}" must hold dates; row {row + 1} holds {lab.shown([label])} '
            f"({type(label).__name__}): it is {since.written}, or empty"
        )
    return np.array([*(day for day in days if day is not None), np.nan])[codes] - since.day


def _plain_times(column: Any) -> AnyArray | None:
    """Dates as an array of NumPy's, times with a zone in UTC; None if they are none."""
    library = type(column).__module__.partition(".")[0]
    if library == "pandas" and str(column.dtype).startswith("datetime64"):
        zone = getattr(column.dtype, "tz", None)
        return np.asarray((column if zone is None else column.dt.tz_convert(None)).to_numpy())
    if library == "polars" and str(column.dtype).startswith(("Date", "Datetime")):
        return np.asarray(column.to_numpy())
    if library == "pyarrow" and str(column.type).startswith(("date", "timestamp")):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return column
    return None


def _days(value: object, order: str) -> float | None:
    """Days of a single date since 1970; NaN where missing, None if it is no date."""
    if isinstance(value, str):
        if is_missing(value):
            return float("nan")
        iso = iso_text(value.strip(), order)
        if iso is None:
            return None
        try:
            value = dt.datetime.fromisoformat(iso)
        except ValueError:  # the 31st of June
            return None
    if isinstance(value, dt.datetime):
        plain = value if value.tzinfo is None else value.astimezone(dt.UTC).replace(tzinfo=None)
        return (plain - UNIX_EPOCH).total_seconds() / SECONDS_A_DAY
    if isinstance(value, dt.date):
        return float((value - UNIX_EPOCH.date()).days)
    return None


def words_of(derived: Derived) -> tuple[Name, Since] | None:
    """The column of dates from which a column counts days, and since when; None of any other."""
    match derived.expression:
        case Call(function="days", arguments=(Name() as column, Text() as origin, *order)):
            return column, Since(origin.value, *(o.value for o in order if isinstance(o, Text)))
    return None


def duck_days(x: str, kind: str, since: Since) -> str:
    """SQL of DuckDB for `days_of`."""
    time = f"CAST({x} AS TIMESTAMP)"
    if kind == "VARCHAR" or kind.startswith("ENUM"):
        text = f"TRIM(CAST({x} AS VARCHAR))"
        like = "as 2024-01-31, or 2024-01-31 08:30" if since.order == YEAR_FIRST else since.order
        error = f"ERROR('a date is written {like}, not ' || {text})"
        missing = missing_sql(f"CAST({x} AS VARCHAR)")
        iso = iso_sql(text, since.order, error)
        time = f"CASE WHEN {missing} THEN NULL ELSE CAST({iso} AS TIMESTAMP) END"
    if kind == "TIMESTAMP WITH TIME ZONE":
        time = x
    return f"EPOCH({time}) / CAST({SECONDS_A_DAY!r} AS DOUBLE) - CAST({since.day!r} AS DOUBLE)"


def spark_days(x: str, kind: str, since: Since) -> str:
    """SQL of Spark for `days_of`; a DataError of texts in another order than the year first."""
    start = f"CAST({since.day!r} AS DOUBLE)"
    if kind == "date":
        return f"CAST(UNIX_DATE({x}) AS DOUBLE) - {start}"
    if kind == "timestamp":  # a point in time
        return (
            f"CAST(UNIX_MICROS({x}) AS DOUBLE) / CAST({SECONDS_A_DAY * 1e6!r} AS DOUBLE) - {start}"
        )
    if kind == "string" and since.order != YEAR_FIRST:
        raise DataError(
            "texts of a Spark DataFrame are read as dates with the year first, 2024-12-31: make a "
            "column of dates of them, with TO_DATE; for categories write C()"
        )
    time = f"CAST({x} AS TIMESTAMP_NTZ)"
    seconds = f"HOUR({time}) * 3600 + MINUTE({time}) * 60 + EXTRACT(SECOND FROM {time})"
    return (
        f"CAST(UNIX_DATE(CAST({time} AS DATE)) AS DOUBLE) + CAST({seconds} AS DOUBLE) / "
        f"CAST({SECONDS_A_DAY!r} AS DOUBLE) - {start}"
    )


# dates in a formula -----------------------------------------------------------------------------


def predictors(parsed: Formula) -> tuple[Name, ...]:
    """Columns that are predictors, numbers or categories, but for those inside C()."""
    names = (n for node in _inside(parsed) if not is_categorical(node) for n in names_in(node))
    response = names_in(parsed.response) if _asks(parsed.response) else ()
    every = {n.name: n for n in chain(names, response) if not isinstance(n, Derived)}
    return tuple(every.values())


def _inside(parsed: Formula) -> Iterator[Expression]:
    """What terms and offsets are made of."""
    terms = chain(parsed.terms, *(group.terms for group in parsed.groups))
    return chain((f for term in terms for f in term.factors), parsed.offsets)


def _asks(node: Expression) -> bool:
    return isinstance(node, Call) and node.function == "days"


def with_origins(parsed: Formula, origins: Mapping[str, Since]) -> Formula:
    """The formula with these columns of dates as days since their origins."""
    writer = _Writer(origins)
    return replace(
        parsed,
        response=writer.node(parsed.response) if _asks(parsed.response) else parsed.response,
        terms=tuple(map(writer.term, parsed.terms)),
        groups=tuple(
            replace(group, terms=tuple(map(writer.term, group.terms))) for group in parsed.groups
        ),
        offsets=tuple(map(writer.node, parsed.offsets)),
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """Puts days() in place of columns of dates."""

    origins: Mapping[str, Since]

    def term(self, term: Term) -> Term:
        return Term(tuple(f if is_categorical(f) else self.node(f) for f in term.factors))

    def node(self, node: Expression) -> Any:
        match node:
            case Derived():
                return node
            case Name() if node.name in self.origins:
                since = self.origins[node.name]
                return days_since(Name(node.name), since.origin, since.order, node.at)
            case Call(function="days"):
                return self.node(node.arguments[0])
            case Call():
                return replace(node, arguments=tuple(map(self.node, node.arguments)))
            case Unary():
                return replace(node, operand=self.node(node.operand))
            case Binary():
                return replace(node, left=self.node(node.left), right=self.node(node.right))
        return node


def asked_for(parsed: Formula) -> dict[str, str | None]:
    """Columns inside a days() without an origin, and the order of their texts where it is said."""
    calls = (c for node in (*_inside(parsed), parsed.response) for c in calls_in(node))
    return {
        n.name: next((o.value for o in call.arguments if isinstance(o, Text)), None)
        for call in calls
        if _asks(call)
        for n in names_in(call)
    }
