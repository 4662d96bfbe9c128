"""The plan of reading for models with predictors or several factors, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np

from partialpool.design.coding import Variable
from partialpool.design.design import Categories, written_levels
from partialpool.design.encode import complete_columns, named_levels
from partialpool.design.expressions import Basis, Moments, Standard, degree_of
from partialpool.design.labels import as_labels
from partialpool.formula import Roles
from partialpool.formula.tree import Call, Name, is_categorical
from partialpool.records.shifts import Shifts
from partialpool.rows.count_rows import grouped_statement
from partialpool.rows.design_sql import Given, Unknown
from partialpool.rows.encode_sql import (
    calls_that_learn,
    first_expressions,
    means_statement,
    squares_statement,
)
from partialpool.rows.labels_sql import category_columns, labels_statement, prepared
from partialpool.rows.mixed_sql import Passes
from partialpool.rows.plan import Plan
from partialpool.rows.sql import Engine


def plan(engine: Engine, roles: Roles) -> Iterator[tuple[str, str]]:
    """Yield what each statement is for, and the statement, in the order in which they run."""
    engine, given = prepared(engine, roles)
    first, _ = means_statement(given, first_expressions(given), {}, first_pass=True)
    yield "rows, values that are not allowed, means", engine.shown(first)
    if roles.family is not None:
        yield (
            "rows that are the same"
            if roles.dispersed
            else "events of the rows that are otherwise the same",
            engine.shown(grouped_statement(given)),
        )
        return
    for name in category_columns(given):
        yield f"the levels of {name}", engine.shown(labels_statement(given, name))
    moments = _moments(given)
    if any(call.function != "center" for call in moments):
        squares, _ = squares_statement(given, moments)
        yield "what scale() and poly() learn", engine.shown(squares[0])
    passes = _passes(engine, given, moments)
    factors = [term.factor_name for term in roles.groups]
    for t, factor in enumerate(factors):
        yield f"the sums of each {factor}", engine.shown(passes.statement(passes.block(t)))
    for i, k in combinations(range(len(factors)), 2):
        sql = passes.statement(passes.plan.pair(i, k))
        yield f"the rows that {factors[i]} and {factors[k]} share", engine.shown(sql)
    if not passes.fused:
        yield (
            "the sums of all rows, by the factor with fewest groups if there is room",
            engine.shown(passes.statement(passes.plan.total(()))),
        )
    for t, factor in enumerate(factors):
        sql = passes.statement(passes.plan.within(), passes.within_rows(t))
        yield (
            f"only where groups are far apart: the sums about the means of each {factor}",
            engine.shown(sql),
        )
    names = (n.name for n in roles.factors if n.name not in category_columns(given))
    for name in names:
        sql = labels_statement(given, name)
        yield f"only where rows are incomplete: labels of {name} without one", engine.shown(sql)


def _moments(given: Given) -> dict[Call, Moments]:
    return {c: _Unknown(f"{c.arguments[0]}") for c in calls_that_learn(given)}


class _Unknown(Moments):
    """Moments that a pass over the rows will find."""

    def __init__(self, name: str) -> None:
        super().__init__(mean=Unknown(f"mean[{name}]"))
        self.name = name

    @property
    def place(self) -> tuple[float, float]:
        return Unknown(f"middle[{self.name}]"), Unknown(f"half_range[{self.name}]")


def _passes(engine: Engine, given: Given, moments: dict[Call, Moments]) -> Passes:
    learned = {call: _learned(call, m) for call, m in moments.items()}
    categories: dict[Variable, Categories] = {}
    for v in given.roles.variables:
        if is_categorical(v) or (isinstance(v, Name) and v.name in given.texts):
            written = written_levels(v) or ("level 1", "level 2")
            categories[v] = named_levels(v, as_labels(list(written)), np.ones(len(written), int))
    design = complete_columns(given.roles, categories, learned)
    texts = {v: [str(x) for x in c.labels.tolist()] for v, c in categories.items()}

    def means(columns: Any) -> Any:
        return np.array([Unknown(f"mean[{c.name}]") if c.parts else 0.0 for c in columns], object)

    x = means(design.columns)
    z = tuple(means(e.columns) for e in design.effects)
    y = Unknown(f"mean[{given.roles.outcome}]")
    return Passes.of(engine, given, Plan.of(design, Shifts(x, y, z)), texts)


def _learned(call: Call, m: Moments) -> Standard | Basis:
    if call.function != "poly":
        return Standard(
            m.mean, Unknown(f"sd[{call.arguments[0]}]") if call.function == "scale" else 1.0
        )
    d = degree_of(call)
    names = [[Unknown(f"weight_{k}_{j}") for j in range(1, d + 1)] for k in range(d + 1)]
    return Basis(*m.place, np.array(names, dtype=object))
