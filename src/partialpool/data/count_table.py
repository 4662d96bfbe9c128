"""Rows of counts added up where predictors and groups are the same: in memory, or by an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.data import structure
from partialpool.data.array_sums import refuse_not_finite
from partialpool.data.coded_rows import CodedRows, Usable, code_rows, keys_of
from partialpool.data.design import places
from partialpool.data.design_sql import Given
from partialpool.data.encode import expressions
from partialpool.data.encode_sql import checked_means, of_missing
from partialpool.data.equal_rows import equal_rows
from partialpool.data.group_record import both_withheld
from partialpool.data.labels import is_text, spelled_out
from partialpool.data.labels_sql import Labels, labels_of, prepared, read_labels
from partialpool.data.mixed_combine import categories_on_one_side, check_roles, union
from partialpool.data.read import Progress, opened
from partialpool.data.row_values import events
from partialpool.data.source import Chunk, MemorySource, from_frame
from partialpool.data.sql import Engine
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.formula.functions import STATEFUL
from partialpool.formula.tree import calls_in
from partialpool.notices import Notice


@dataclass(frozen=True, slots=True, eq=False)
class CountTable:
    """Rows of counts that differ in something other than events and sizes.

    Parameters
    ----------
    roles : Roles
        Which column plays which part, with a family.
    labels : mapping
        Distinct labels of each column of groups or categories, sorted.
    texts : frozenset of str
        Predictors that are categories because of what they hold.
    data : Chunk
        Predictors and labels of each; `data.count` is how many rows it stands for.
    y, size : ndarray, shape (N,)
        Events; trials or exposure.
    log_constants : ndarray, shape (N,)
        Sum over its rows of the parts of the log likelihood that no parameter changes.
    n_rows, n_dropped : int
        Rows received, and of these, rows left out because a value was missing.
    labels_from_text, withheld
        As in `MixedStatistics`.
    """

    roles: Roles
    labels: Mapping[str, AnyArray]
    texts: frozenset[str]
    data: Chunk
    y: Floats
    size: Floats
    log_constants: Floats
    n_rows: int
    n_dropped: int
    labels_from_text: bool = False
    withheld: tuple[int, int] = (0, 0)

    @property
    def proportion(self) -> bool:
        """Whether sizes count trials, not exposure."""
        return self.roles.proportion

    @property
    def count(self) -> Floats:
        """Rows that each stands for."""
        assert self.data.count is not None
        return self.data.count

    @property
    def size_name(self) -> str:
        """What sizes are called."""
        if self.roles.size is not None:
            return self.roles.size.name
        return "trials" if self.proportion else "rows"

    def usable(self) -> Usable:
        """The rows as a source."""
        counts = {
            name: np.bincount(codes, self.count, len(self.labels[name])).astype(np.intp)
            for name, codes in self.data.codes.items()
        }
        keys = tuple(keys_of(self.data, term, self.labels) for term in self.roles.groups)
        used = self.n_rows - self.n_dropped
        known = CodedRows(self.roles, self.labels, self.texts, self.n_rows, used, counts, keys)
        return Usable(MemorySource(self.labels, self.texts, self.data), known)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of groups of each factor."""
        terms = zip(self.roles.groups, self.usable().coded.keys, strict=True)
        return {t.factor_name: len(k) for t, k in terms}

    def combine(self, other: CountTable) -> CountTable:
        """Return the rows of both, added up.

        Raises
        ------
        DataError
            If the two are not of the same formula, or labels cannot meet.
        """
        check_roles(self.roles, other.roles)
        unlike = sorted(self.texts ^ other.texts)
        if unlike:
            raise categories_on_one_side(unlike[0])
        mine, theirs = _spelled_out(self, other), _spelled_out(other, self)
        labels = {n: union(n, v, theirs.labels[n]) for n, v in mine.labels.items()}
        sides = [_recoded(s, labels) for s in (mine, theirs)]

        def both(values: Callable[[CountTable], AnyArray]) -> AnyArray:
            return np.concatenate([values(s) for s in sides])

        data = Chunk(
            {k: both(lambda s, k=k: s.data.numbers[k]) for k in mine.data.numbers},  # type: ignore[misc]
            {k: both(lambda s, k=k: s.data.codes[k]) for k in mine.data.codes},  # type: ignore[misc]
            count=both(lambda s: s.count),
        )
        table = replace(
            self,
            labels=labels,
            data=data,
            y=both(lambda s: s.y),
            size=both(lambda s: s.size),
            log_constants=both(lambda s: s.log_constants),
            n_rows=self.n_rows + other.n_rows,
            n_dropped=self.n_dropped + other.n_dropped,
            labels_from_text=self.labels_from_text and other.labels_from_text,
            withheld=both_withheld(self, other),
        )
        return added_up(table)

    def without_small_cells(self, least: int) -> CountTable:
        """Return the rows that stand for at least so many; the rest is counted.

        Raises
        ------
        DataError
            If none does.
        """
        small = self.count < least
        if small.all():
            raise DataError(
                f"no {least} rows are the same in predictors and groups (at most "
                f"{self.count.max():.0f} are), so nothing is left to share; choose a smaller "
                "number, or predictors with fewer values"
            )
        table = replace(
            self,
            data=self.data.part(~small),
            y=self.y[~small],
            size=self.size[~small],
            log_constants=self.log_constants[~small],
            withheld=(
                self.withheld[0] + int(small.sum()),
                self.withheld[1] + int(self.count[small].sum()),
            ),
        )
        kept = {n: np.unique(c) for n, c in table.data.codes.items()}
        return _recoded(table, {n: v[kept[n]] for n, v in self.labels.items()})


def _spelled_out(s: CountTable, other: CountTable) -> CountTable:
    """Whole numbers that were read from text as text again where the other side has text."""
    if not s.labels_from_text:
        return s
    text = {n: spelled_out(v) for n, v in s.labels.items() if is_text(other.labels[n])}
    return replace(s, labels={**s.labels, **text})


def _recoded(s: CountTable, labels: Mapping[str, AnyArray]) -> CountTable:
    """The same rows with codes into other labels."""
    codes = {n: places(labels[n], s.labels[n])[c] for n, c in s.data.codes.items()}
    return replace(s, labels=labels, data=replace(s.data, codes=codes))


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
    with opened(data, roles, progress, passes=True) as opened_data:
        if said is not None:
            said += opened_data.notices
        if opened_data.engine is not None:
            return _by_sql(opened_data.engine, roles, said, text_labels=opened_data.text_labels)
        source = from_frame(
            opened_data.data, opened_data.kind, roles, text_labels=opened_data.text_labels
        )
        rows = code_rows(source, roles)
    if said is not None:
        said += structure.of_missing(rows)
    for chunk in rows.chunks():
        for node in expressions(roles, rows.coded.texts):
            if not any(c.function in STATEFUL for c in calls_in(node)):
                refuse_not_finite(rows, chunk, node, {})
    return replace(_added_up(rows), labels_from_text=opened_data.text_labels)


def _added_up(rows: Usable) -> CountTable:
    known = rows.coded
    roles, chunks = known.roles, list(rows.chunks())
    numbers = {k: np.concatenate([c.numbers[k] for c in chunks]) for k in chunks[0].numbers}
    codes = {k: np.concatenate([c.codes[k] for c in chunks]) for k in chunks[0].codes}
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


def added_up(table: CountTable) -> CountTable:
    """Add up rows of a table that are the same.

    Of a family with a dispersion in events and size too: the likelihood of two rows is then not
    that of their sums.
    """
    data = table.data
    columns = [v[k] for v in (data.numbers, data.codes) for k in sorted(v)]
    if table.roles.dispersed:
        columns += [table.y / table.count, table.size / table.count]
    first, place = equal_rows(columns)

    def sums(values: Floats) -> Floats:
        return np.bincount(place, values, len(first)).astype(np.float64, copy=False)

    return replace(
        table,
        data=replace(data.part(first), count=sums(table.count)),
        y=sums(table.y),
        size=sums(table.size),
        log_constants=sums(table.log_constants),
    )


# rows in an engine ----------------------------------------------------------------------------


def _by_sql(
    engine: Engine, roles: Roles, said: list[Notice] | None, *, text_labels: bool
) -> CountTable:
    engine, given = prepared(engine, roles)
    checked = checked_means(engine, given)
    if said is not None:
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


def no_exposure(table: CountTable) -> DataError:
    """Build the error for sizes that are all 0."""
    return DataError(
        f'column "{table.size_name}" is 0 in every row: there is nothing to learn from'
    )
