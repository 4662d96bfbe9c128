"""Columns that a formula asks for and the data do not hold: ``trials(s + f)``, ``se(sqrt(v))``.

They are added where data are opened, so that everything behind the door sees plain columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool.data import frames
from partialpool.data.expressions import evaluate
from partialpool.data.text_columns import Wanted
from partialpool.errors import DataError
from partialpool.formula.functions import ELEMENTWISE, binary_sql
from partialpool.formula.tree import (
    Binary,
    Call,
    Derived,
    Expression,
    Name,
    Number,
    Unary,
    names_in,
)


@dataclass(frozen=True, slots=True)
class Source:
    """The columns that are read: those of a formula, with what its derived ones are made of."""

    columns: tuple[Name, ...]
    labels: tuple[Name, ...]
    undecided: tuple[Name, ...]


def derived_of(wanted: Wanted) -> tuple[Derived, ...]:
    """The derived columns of a formula."""
    return tuple(c for c in wanted.columns if isinstance(c, Derived))


def source_of(wanted: Wanted) -> Wanted:
    """What must be read for a formula: the same where no column is derived."""
    derived = derived_of(wanted)
    if not derived:
        return wanted
    inside = [name for d in derived for name in names_in(d.expression)]
    columns = [c for c in wanted.columns if not isinstance(c, Derived)]
    used = {n.name for n in inside}
    return Source(
        tuple({n.name: n for n in (*columns, *inside)}.values()),
        wanted.labels,
        tuple(n for n in wanted.undecided if n.name not in used),
    )


def with_derived(data: Any, kind: str, wanted: Wanted) -> dict[str, Any]:
    """Columns of rows in memory, the derived ones computed."""
    source = source_of(wanted)
    columns = frames.take(data, kind, source.columns)
    derived = derived_of(wanted)
    inside = {name.name for d in derived for name in names_in(d.expression)}
    numbers = {name: frames.numbers(columns[name], name) for name in inside}
    frames.check_lengths({name: len(values) for name, values in numbers.items()})
    for each in derived:
        values = np.asarray(evaluate(each.expression, numbers, {}), dtype=np.float64)
        columns[each.name] = np.broadcast_to(values, (len(next(iter(numbers.values()))),))
    return columns


def derived_sql(
    wanted: Wanted, quote: Callable[[str], str], is_number: Callable[[str], bool]
) -> list[str]:
    """SQL of each derived column, with its name.

    Raises
    ------
    DataError
        If a column of which one is made does not hold numbers.
    """
    found = []
    for each in derived_of(wanted):
        for name in names_in(each.expression):
            if not is_number(name.name):
                raise DataError(f'column "{name.name}" must hold numbers, for {each.name}')
        found.append(f"{_sql(each.expression, quote)} AS {quote(each.name)}")
    return found


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
