"""Rows of counts in an engine that speaks SQL: one GROUP BY; only the groups reach Python."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from partialpool.data.count_statements import CountStatements
from partialpool.data.counts import CountStatistics, size_name
from partialpool.data.rules import no_rows
from partialpool.data.sql import Engine, Groups, broken_rule, checked_types
from partialpool.formula import Roles


def reduce(engine: Engine, roles: Roles) -> CountStatistics:
    """Reduce the table of an engine to one record a group; as `sql.reduce`.

    Raises
    ------
    DataError
        If no row is complete, or a value is not a number, or not allowed in its role.
    """
    statements = _statements(engine, roles)
    found = engine.groups(statements.grouped())
    if found.sums["refused"].any():
        error = broken_rule(engine, statements.rows)
        if error is not None:
            raise error
    return _statistics(found, roles)


def plan(engine: Engine, roles: Roles) -> Iterator[tuple[str, str]]:
    """Yield what each statement is for, and the statement, in the order in which they run."""
    yield "the sums of each group", engine.shown(_statements(engine, roles).grouped())


def _statements(engine: Engine, roles: Roles) -> CountStatements:
    kinds = checked_types(engine, roles)
    return CountStatements(roles, frozenset(x for x, kind in kinds.items() if kind == "floating"))


def _statistics(found: Groups, roles: Roles) -> CountStatistics:
    total = found.total
    keep = found.sums["n"] > 0
    if not keep.any():
        raise no_rows(total, roles)
    got = {k: v[keep].astype(np.float64) for k, v in found.sums.items()}
    n = np.rint(got["n"]).astype(np.intp)
    return CountStatistics(
        family=roles.count_family,
        factor=roles.group.name,
        outcome=roles.outcome_column.name,
        size_name=size_name(roles),
        labels=found.labels[keep],
        n=n,
        y=got["y"],
        size=got["size"],
        square=got["square"],
        log_constants=got["constant"],
        n_rows=total,
        n_dropped=total - int(n.sum()),
        absent=found.labels[~keep],
    )
