"""Rows of counts to a table of those that differ: in memory, or by an engine that speaks SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from partialpool.design.coded_rows import Usable
from partialpool.design.encode import expressions
from partialpool.design.expressions import stateful_calls
from partialpool.design.row_values import events
from partialpool.design.source import Chunk
from partialpool.formula import Roles
from partialpool.notices import Notice
from partialpool.records.count_table import CountTable, added_up
from partialpool.rows.array_sums import refuse_not_finite
from partialpool.rows.design_sql import Given
from partialpool.rows.encode_sql import checked_means, of_missing
from partialpool.rows.labels_sql import Labels, labels_of, prepared, read_labels
from partialpool.rows.read import Progress, opened
from partialpool.rows.sql import Engine


def read_count_table(
    roles: Roles,
    data: Any,
    *,
    progress: Progress | None = None,
    said: list[Notice] | None = None,
) -> CountTable:
    """Add up rows of counts; rows with a missing value are counted and left out.

    What is to be said about how the data were read is added to `said`.

    Raises
    ------
    DataError, ColumnError
        As `read_mixed`; also for more events than trials.
    """
    said = [] if said is None else said
    with opened(data, roles, progress, passes=True) as opened_data:
        said += opened_data.notices
        if opened_data.engine is not None:
            return _by_sql(opened_data.engine, roles, said, text_labels=opened_data.text_labels)
        rows = opened_data.coded(roles, said)
    for chunk in rows.chunks():
        for node in expressions(roles, rows.coded.texts):
            if not stateful_calls(node):
                refuse_not_finite(rows, chunk, node, {})
    return replace(_added_up(rows), labels_from_text=opened_data.text_labels)


def _added_up(rows: Usable) -> CountTable:
    known = rows.coded
    roles, chunk = known.roles, rows.together()
    numbers, codes = chunk.numbers, chunk.codes
    values = {k: v.of_arrays(roles, numbers) for k, v in events(roles).items()}
    predictors = {n.name: numbers[n.name] for n in roles.predictors if n.name in numbers}
    table = CountTable(
        roles,
        known.labels,
        known.texts,
        Chunk(predictors, codes, count=np.ones(len(values["y"]))),
        values["y"],
        values["size"],
        values["constant"],
        known.n_rows,
        known.n_rows - known.n_used,
    )
    return added_up(table)


# rows in an engine ----------------------------------------------------------------------------


def _by_sql(engine: Engine, roles: Roles, said: list[Notice], *, text_labels: bool) -> CountTable:
    engine, given = prepared(engine, roles)
    checked = checked_means(engine, given)
    said += of_missing(engine, given, checked)
    total, used = int(checked["total"]), int(checked["used"])
    columns = engine.table(grouped_statement(given), list(given.labels.values()))
    plain = set(given.labels) if text_labels else set()
    coded: dict[str, Labels] = {
        n: read_labels(engine, given, n, n in plain)
        if total > used
        else labels_of(columns[k], n in plain)
        for n, k in given.labels.items()
    }
    predictors = {n.name for n in roles.predictors}
    table = CountTable(
        roles,
        {n: v.labels for n, v in coded.items()},
        given.texts,
        Chunk(
            {n: columns[v] for n, v in given.numbers.items() if n in predictors},
            {n: coded[n].codes(columns[k]) for n, k in given.labels.items()},
            count=columns["n"].astype(np.float64),
        ),
        columns["y"],
        columns["size"].astype(np.float64),
        columns["constant"],
        total,
        total - used,
        text_labels,
    )
    return added_up(table)  # which also puts the rows in an order of their own


def grouped_statement(given: Given) -> str:
    """Events and sizes of the rows that are the same in predictors and groups."""
    roles = given.roles
    predictors = {n.name for n in roles.predictors}
    keys = [*given.labels.values(), *(v for n, v in given.numbers.items() if n in predictors)]
    values = {k: v.of_sql(roles, given.numbers) for k, v in events(roles).items()}
    same = [values[k] for k in ("y", "size") if roles.dispersed and (k == "y" or roles.size)]
    sums = ["COUNT(*) AS n", *(f"SUM({values[k]}) AS {k}" for k in ("y", "size", "constant"))]
    by = ", ".join([*keys, *same])
    return f"SELECT {', '.join([*keys, *sums])} FROM ({given.rows.used()}) AS u GROUP BY {by}"
