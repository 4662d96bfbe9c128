"""Columns that a formula asks for and the data do not hold: ``trials(s + f)``, ``se(sqrt(v))``.

They are added where data are opened, so that everything behind the door sees plain columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.design import labels as lab
from partialpool.design.expressions import evaluate
from partialpool.design.source import ROW
from partialpool.errors import DataError
from partialpool.formula.functions import ELEMENTWISE, binary_sql
from partialpool.formula.tree import (
    Binary,
    Call,
    Derived,
    Expression,
    Name,
    Number,
    Text,
    Unary,
    names_in,
)
from partialpool.rows import frames
from partialpool.rows.days import days_of, words_of
from partialpool.rows.sql import NUMERIC, Engine, first_value, some_values
from partialpool.rows.text_columns import Wanted


@dataclass(frozen=True, slots=True)
class Source:
    """The columns that are read: those of a formula, with what its derived ones are made of."""

    columns: tuple[Name, ...] = ()
    labels: tuple[Name, ...] = ()
    undecided: tuple[Name, ...] = ()
    counted: tuple[Name, ...] = ()


def derived_of(wanted: Wanted) -> tuple[Derived, ...]:
    """The derived columns of a formula."""
    return tuple(c for c in wanted.columns if isinstance(c, Derived))


def source_of(wanted: Wanted) -> Wanted:
    """What must be read for a formula: the same where no column is derived."""
    derived = derived_of(wanted)
    if not derived:
        return wanted
    inside = [name for d in derived for name in names_in(d.expression)]
    words = [name for d in derived if reads_labels(d) for name in names_in(d.expression)]
    columns = [c for c in wanted.columns if not isinstance(c, Derived)]
    used = {n.name for n in inside}
    return Source(
        tuple({n.name: n for n in (*columns, *inside)}.values()),
        tuple({n.name: n for n in (*_stored(wanted.labels), *words)}.values()),
        tuple(n for n in _stored(wanted.undecided) if n.name not in used),
        _stored(wanted.counted),
    )


def _stored(names: tuple[Name, ...]) -> tuple[Name, ...]:
    """Those that are columns of the data."""
    return tuple(n for n in names if not isinstance(n, Derived))


def row_numbered(wanted: Wanted, stored: Sequence[str]) -> Wanted:
    """The same columns, with "row" as one that is computed where the data have none."""
    if ROW in stored or not any(c.name == ROW for c in wanted.labels):
        return wanted

    def numbered(columns: tuple[Name, ...]) -> tuple[Name, ...]:
        number = Call(ROW, ())
        return tuple(Derived(ROW, c.at, number) if c.name == ROW else c for c in columns)

    return Source(
        numbered(wanted.columns), numbered(wanted.labels), wanted.undecided, wanted.counted
    )


def is_row_number(derived: Derived) -> bool:
    """Whether a computed column is the number of the row."""
    return isinstance(derived.expression, Call) and derived.expression.function == ROW


def with_derived(data: Any, kind: str, wanted: Wanted) -> dict[str, Any]:
    """Columns of rows in memory, the derived ones computed."""
    source = source_of(wanted)
    columns = frames.take(data, kind, source.columns)
    derived = derived_of(wanted)
    inside = {n.name for d in derived if not reads_labels(d) for n in names_in(d.expression)}
    numbers = {name: frames.numbers(columns[name], name) for name in inside}
    frames.check_lengths({name: len(values) for name, values in numbers.items()})
    for each in derived:
        if is_row_number(each):
            columns[each.name] = np.arange(1, len(next(iter(columns.values()))) + 1)
            continue
        if is_of_words(each):
            columns[each.name] = _compared(each, columns)
            continue
        counted = words_of(each)
        if counted is not None:
            column, since = counted
            columns[each.name] = days_of(columns[column.name], column.name, since)
            continue
        values = np.asarray(evaluate(each.expression, numbers, {}), dtype=np.float64)
        gaps = np.any([np.isnan(numbers[n.name]) for n in names_in(each.expression)], axis=0)
        columns[each.name] = np.where(gaps, np.nan, values)
    return columns


def is_of_words(derived: Derived) -> bool:
    """Whether a column compares labels with a word, as ``I(result == "Pass")`` does."""
    node = derived.expression
    return isinstance(node, Binary) and Text in (type(node.left), type(node.right))


def reads_labels(derived: Derived) -> bool:
    """Whether a column is computed from what stands in another as it is, not from numbers."""
    return is_of_words(derived) or words_of(derived) is not None


def _word_of(derived: Derived) -> tuple[Name, str, bool]:
    """The column, the word, and whether equal labels count."""
    node = derived.expression
    assert isinstance(node, Binary)
    sides = (node.right, node.left) if isinstance(node.left, Text) else (node.left, node.right)
    column, word = sides
    assert isinstance(column, Name)  # the parser takes nothing else
    assert isinstance(word, Text)
    return column, word.value, node.operator == "=="


def _compared(derived: Derived, columns: Mapping[str, Any]) -> Floats:
    """1 where a label is the word and 0 where it is another, NaN where it is missing."""
    column, word, equal = _word_of(derived)
    codes, labels = frames.label_codes(columns[column.name])
    if not all(isinstance(label, str) for label in labels.tolist()):
        raise not_words(column.name, derived)
    compared = np.array([*((str(label) == word) == equal for label in labels.tolist()), np.nan])
    if not (compared[:-1] == float(equal)).any():
        raise no_such_word(column.name, word, labels.tolist())
    return np.asarray(compared[codes], dtype=np.float64)


def not_words(name: str, derived: Derived) -> DataError:
    """The error for a word that is compared with something else than text."""
    return DataError(
        f'column "{name}" holds no text, which {derived.name} compares it with; numbers are '
        "compared without quotes: I(column == 1)"
    )


def no_such_word(name: str, word: str, labels: Iterable[Any]) -> DataError:
    """The error for a word that no row holds."""
    return DataError(
        f'no row of column "{name}" holds the word "{word}"; it holds {lab.shown(labels)}'
    )


def with_derived_sql(engine: Engine, wanted: Wanted) -> Engine:
    """Rows in an engine, with the derived columns.

    Raises
    ------
    ColumnError, DataError
        If a column of which one is made is missing, or does not hold what it should.
    """
    derived = derived_of(wanted)
    if not derived:
        return engine
    for name in source_of(wanted).columns:
        frames.check_column(name.name, list(engine.columns), name.at)
    columns = [f"{_column_sql(each, engine)} AS {engine.quote(each.name)}" for each in derived]
    for column, word, _ in (_word_of(each) for each in derived if is_of_words(each)):
        holds = f"CAST({engine.quote(column.name)} AS STRING) = {engine.text(word)}"
        compared = engine.projected([f"CASE WHEN {holds} THEN 1 END AS x"])
        if first_value(compared, "x") is None:
            raise no_such_word(column.name, word, some_values(engine, column.name, 6))
    return engine.projected(["*", *columns])


def _column_sql(derived: Derived, engine: Engine) -> str:
    """SQL of a derived column; a DataError if what it is made of is not what it should be."""
    if is_row_number(derived):
        return engine.row_number
    if is_of_words(derived):
        column, word, equal = _word_of(derived)
        x = engine.quote(column.name)
        if not engine.holds_text(column.name):
            raise not_words(column.name, derived)
        return (
            f"CASE WHEN {x} IS NULL THEN CAST(NULL AS DOUBLE) "
            f"WHEN CAST({x} AS STRING) = {engine.text(word)} "
            f"THEN CAST({float(equal)} AS DOUBLE) ELSE CAST({float(not equal)} AS DOUBLE) END"
        )
    counted = words_of(derived)
    if counted is not None:
        dates, since = counted
        return engine.days(dates.name, since)
    names = [name.name for name in names_in(derived.expression)]
    for name in names:
        if engine.type_of(name)[0] not in NUMERIC:
            raise DataError(f'column "{name}" must hold numbers, for {derived.name}')
    inside = dict.fromkeys(map(engine.quote, names))
    gaps = " OR ".join(f"{x} IS NULL OR ISNAN(CAST({x} AS DOUBLE))" for x in inside)
    value = _sql(derived.expression, engine.quote)
    return f"CASE WHEN {gaps} THEN CAST(NULL AS DOUBLE) ELSE {value} END"


def _sql(node: Expression, quote: Callable[[str], str]) -> str:
    match node:
        case Name():
            return f"CAST({quote(node.name)} AS DOUBLE)"
        case Number():
            return f"CAST({node.value!r} AS DOUBLE)"
        case Unary():
            return f"({node.operator}{_sql(node.operand, quote)})"
        case Binary():
            return binary_sql(node.operator, _sql(node.left, quote), _sql(node.right, quote))
        case Call():
            return ELEMENTWISE[node.function].sql(_sql(node.arguments[0], quote))
    raise TypeError(f"{node} is not a number")
