"""Labels of columns in an engine: which there are, how many used rows have each, their text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray, Ints
from partialpool.design.coding import Variable
from partialpool.design.design import Categories, column_of, places
from partialpool.design.labels import integers_if_plain, number, sorted_order
from partialpool.design.rules import rows_changed
from partialpool.formula import Roles
from partialpool.rows.design_sql import Given
from partialpool.rows.frames import check_column
from partialpool.rows.sql import Engine, check_label, groups_of, number_kinds


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of a column: as the engine gives them, and where each stands among the final ones."""

    as_read: AnyArray
    place: Ints
    labels: AnyArray
    n: Ints

    def codes(self, values: AnyArray) -> Ints:
        """Positions of values among the final labels."""
        if values is self.as_read:
            return self.place
        at = places(self.as_read, values)
        if (at < 0).any():
            raise rows_changed()
        return self.place[at]


def prepared(engine: Engine, roles: Roles) -> tuple[Engine, Given]:
    """The engine with its columns named, and what they are called; their types are checked."""
    for column in roles.columns:
        check_column(column.name, list(engine.columns), column.at)
    given = Given.of(
        roles, lambda n: engine.holds_text(n) or engine.type_of(n)[1].lower() == "boolean"
    )
    for name in given.labels:
        check_label(engine, name)
    engine = engine.naming(given.columns)
    number_kinds(engine, {x: name for name, x in given.numbers.items()})
    floating = frozenset(n for n in given.columns.values() if engine.type_of(n)[0] == "floating")
    return engine, replace(given, floating=floating)


def category_columns(given: Given) -> list[str]:
    """Columns whose labels must be known before sums."""
    names = [n.name for n in given.roles.categories]
    names += [n.name for n in given.roles.plain if n.name in given.texts]
    return list(dict.fromkeys(names))


def labels_statement(given: Given, name: str) -> str:
    """Rows, and used rows, of each label of a column."""
    k = given.labels[name]
    rows = given.used() if given.rounds else given.rows.judged()
    return (
        f"SELECT {k} AS g, COUNT(*) AS total, COUNT(CASE WHEN ok > 0 THEN 1 END) AS n "
        f"FROM ({rows}) AS j GROUP BY {k}"
    )


def read_labels(engine: Engine, given: Given, name: str, plain: bool) -> Labels:
    """The labels of a column, also those without a used row."""
    engine = engine.naming({**given.columns, "g": name})
    grouped = groups_of(engine, labels_statement(given, name))
    return _in_order(grouped.labels, grouped.sums["n"].astype(np.intp), plain)


def labels_of(values: AnyArray, plain: bool, *, once: bool = False) -> Labels:
    """The labels that occur among values; `once` if each does so once."""
    if once:
        return _in_order(values, np.ones(len(values), dtype=np.intp), plain)
    codes, labels = number(values)
    return _in_order(labels, np.bincount(codes, minlength=len(labels)), plain)


def _in_order(as_read: AnyArray, n: Ints, plain: bool) -> Labels:
    labels = integers_if_plain(as_read) if plain or as_read.dtype.kind == "f" else as_read
    order = sorted_order(labels)
    place = np.empty(len(order), dtype=np.intp)
    place[order] = np.arange(len(order))
    return Labels(as_read, place, labels[order], n[order])


def level_texts(
    engine: Engine, given: Given, categories: Mapping[Variable, Categories]
) -> dict[Variable, list[str]]:
    """The levels of each category as the engine casts them to text."""
    texts_of = {}
    for variable, c in categories.items():
        if all(isinstance(v, str) for v in c.labels.tolist()):
            texts_of[variable] = [str(v) for v in c.labels.tolist()]
            continue
        k = given.labels[column_of(variable)]
        rows = f"SELECT DISTINCT {k} FROM ({given.used()}) AS u"
        texts = dict(engine.fetch(f"SELECT {k}, CAST({k} AS STRING) AS t FROM ({rows}) AS d"))
        texts_of[variable] = [str(texts.get(v, v)) for v in c.labels.tolist()]
    return texts_of
