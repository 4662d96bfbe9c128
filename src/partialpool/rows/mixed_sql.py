"""Cross-products of rows that stay in an engine that speaks SQL; only sums reach Python.

One pass without groups learns what functions need and means to take off, so that large offsets
cost no digits; then one pass a group term, and one a pair of them, sums products by group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.coding import Column, Variable
from partialpool.design.design import Design, Factor, mixed_radix
from partialpool.design.encode import complete_columns, factor_of, levels
from partialpool.design.labels import number
from partialpool.design.rules import rows_changed
from partialpool.formula import Roles
from partialpool.formula.tree import GroupTerm
from partialpool.notices import Notice
from partialpool.records.clusters import Clusters
from partialpool.records.cross_products import CrossProducts
from partialpool.records.mixed_statistics import MixedStatistics
from partialpool.records.shifts import Shifts, shifts_of
from partialpool.rows.design_sql import DesignText, Given, category_means, constant, staged
from partialpool.rows.encode_sql import (
    Learning,
    checked_means,
    learn,
    means_of_left,
    of_missing,
    without_small,
)
from partialpool.rows.labels_sql import (
    Labels,
    category_columns,
    labels_of,
    level_texts,
    prepared,
    read_labels,
)
from partialpool.rows.plan import (
    ONE,
    Answer,
    Plan,
    Query,
    about_own_means,
    assembled,
    clustered,
    coarsest,
)
from partialpool.rows.sql import Engine

MOST_SUMS = 400
"""Aggregates of one statement; more take several, so that no statement grows with the square of the
columns."""
FUSED_COLUMNS = 4
"""With at most so many columns of X, one term's pass also sums what all rows need."""


def read(
    engine: Engine,
    roles: Roles,
    *,
    text_labels: bool = False,
    min_cell: int = 1,
    said: list[Notice],
) -> tuple[MixedStatistics, Clusters | None]:
    """Reduce the table of an engine to cross-products of every column a formula can lead to.

    Parameters
    ----------
    engine : Engine
        The rows; no column is named yet.
    roles : Roles
        Which column plays which part.
    text_labels : bool
        Whether labels were read as text, whatever they hold.
    min_cell : int
        Rows of groups and levels with fewer rows are left out.
    said : list of Notice
        To which is added what is to be said of missing values.

    Raises
    ------
    DataError, ColumnError
        As `read_mixed`.
    """
    engine, given = prepared(engine, roles)
    checked, withheld = checked_means(engine, given), (0, 0)
    said += of_missing(engine, given, checked)
    total, used = int(checked["total"]), int(checked["used"])
    if min_cell > 1:
        given, withheld = without_small(engine, given, used, min_cell)
        checked = means_of_left(engine, given)
    plain = set(given.labels) if text_labels else set()
    coded = {n: read_labels(engine, given, n, n in plain) for n in category_columns(given)}
    categories = levels(
        roles,
        given.texts,
        {n: v.labels for n, v in coded.items()},
        {n: v.n for n, v in coded.items()},
    )
    known = learn(engine, given, checked)
    design = complete_columns(roles, categories, known.learned)
    texts = level_texts(engine, given, categories)
    reading = Passes.of(engine, given, Plan.of(design, means_of(design, known)), texts)
    blocks = [reading.run(reading.block(t)) for t in range(len(roles.groups))]
    if total > used and not given.rounds:
        names = (n.name for n in roles.factors if n.name not in coded)
        coded |= {n: read_labels(engine, given, n, n in plain) for n in names}
    for answer in blocks:
        once = len(answer.keys) == 1  # labels of the groups of one column, each once
        coded |= {
            n: labels_of(v, n in plain, once=once) for n, v in answer.keys.items() if n not in coded
        }
    if any(reading.rows_in(answer) not in (None, known.used) for answer in blocks):
        raise rows_changed()
    design, products, within_clusters = reading.assembled(blocks, coded)
    products = replace(products, n_rows=total, n_dropped=total - used)
    absent = {n.name: coded[n.name].labels[coded[n.name].n == 0] for n in roles.factors}
    kept = MixedStatistics(design, products, known.moments, absent, text_labels, withheld)
    return kept, within_clusters


def means_of(design: Design, known: Learning) -> Shifts:
    """About the mean of each column, where an intercept can take it up.

    Of a product the product of the means.
    """
    shares = category_means(design.categories)

    def mean(column: Column) -> float:
        product = 1.0
        for part in column.parts:
            if part.variable in shares:
                product *= float(shares[part.variable][part.index])
            else:
                product *= known.means.get(part.variable, 0.0)
        return product

    x = np.array([mean(c) for c in design.columns])
    z = [np.array([mean(c) for c in e.columns]) for e in design.effects]
    return shifts_of(design, x, known.outcome_mean, z)


@dataclass(frozen=True, slots=True, eq=False)
class GroupedSums:
    """What a statement returned: the labels of the groups, by column, and the sums, by name."""

    keys: dict[str, AnyArray]
    sums: dict[str, Floats]

    def in_places(self, query: Query) -> Floats:
        """The sums as the query counts them; shape (K, L)."""
        return np.array([self.sums[f"s{i}"] for i in query.sums.places.values()])


@dataclass(frozen=True, slots=True, eq=False)
class Passes:
    """The statements that answer a plan, and their answers."""

    engine: Engine
    given: Given
    plan: Plan
    rows: str

    @classmethod
    def of(
        cls,
        engine: Engine,
        given: Given,
        plan: Plan,
        texts: Mapping[Variable, Sequence[str]],
    ) -> Passes:
        """Write the rows with every column of a plan."""
        text = DesignText(given, plan.design, engine.text, texts)
        columns = {
            name: f"({text.column(c)}) - {constant(shift)}" if shift else text.column(c)
            for name, (c, shift) in plan.columns.items()
        }
        rows = staged(text.rows(constant(plan.shifts.y)), [columns])
        return cls(engine, given, plan, rows)

    @property
    def fused(self) -> bool:
        """Whether the sums over all rows come with those of the only term."""
        return len(self.plan.z) == 1 and len(self.plan.x) <= FUSED_COLUMNS

    # statements

    def block(self, t: int) -> Query:
        """What is asked of a term."""
        return self.plan.block(t, with_total=self.fused)

    def names(self, terms: Sequence[int]) -> list[str]:
        """The columns by which some terms are grouped."""
        factors = (self.plan.design.effects[t].factor for t in terms)
        return list(dict.fromkeys(n for f in factors for n in f.columns))

    def statement(self, query: Query, rows: str | None = None) -> str:
        """The whole of a query as one statement."""
        keys = [self.given.labels[n] for n in self.names(query.terms)]
        return self._select(keys, aggregates(query), rows)

    def within_rows(self, t: int) -> str:
        """The rows with the varying columns about the means of their groups of a term."""
        by = ", ".join(self.given.labels[n] for n in self.names((t,)))
        weighted = "w" in self.plan.extras
        size = f"SUM({'w' if weighted else ONE}) OVER (PARTITION BY {by})"
        mean = {
            f"m_{x}": f"SUM({f'w * {x}' if weighted else x}) OVER (PARTITION BY {by}) / {size}"
            for x in self.plan.varying
        }
        return staged(self.rows, [mean, {f"d_{x}": f"{x} - m_{x}" for x in self.plan.varying}])

    def _select(self, keys: Sequence[str], what: Sequence[str], rows: str | None) -> str:
        by = f" GROUP BY {', '.join(keys)}" if keys else ""
        return f"SELECT {', '.join([*keys, *what])} FROM ({rows or self.rows}) AS q{by}"

    # what comes back

    def run(self, query: Query, rows: str | None = None) -> GroupedSums:
        """Run a query, in several statements if it asks for very much."""
        names = self.names(query.terms)
        keys = [self.given.labels[n] for n in names]
        what = aggregates(query)
        columns: dict[str, AnyArray] = {}
        for start in range(0, len(what), MOST_SUMS):
            part = self.engine.table(
                self._select(keys, what[start : start + MOST_SUMS], rows), keys
            )
            if columns and keys:
                order = _as_before([columns[k] for k in keys], [part[k] for k in keys])
                part = {k: v[order] for k, v in part.items()}
            columns |= part
        sums = {k: v.astype(np.float64) for k, v in columns.items() if k not in keys}
        return GroupedSums({n: columns[k] for n, k in zip(names, keys, strict=True)}, sums)

    def rows_in(self, answer: GroupedSums) -> int | None:
        """Rows that entered the sums of a term; of summaries this is not known."""
        if "inside" in self.plan.extras:
            return None
        return round(float(answer.sums[f"s{self.block(0).sums.plain()}"].sum()))

    def assembled(
        self, answers: Sequence[GroupedSums], coded: Mapping[str, Labels]
    ) -> tuple[Design, CrossProducts, Clusters | None]:
        """The groups and the cross-products, from the sums of each term."""
        labels = {n: v.labels for n, v in coded.items()}
        terms = self.given.roles.groups
        factors = [
            factor_of(term, np.sort(_keys(f, term, coded)), labels)
            for term, f in zip(terms, answers, strict=True)
        ]
        design = self.plan.design
        effects = zip(design.effects, factors, strict=True)
        design = replace(design, effects=tuple(replace(e, factor=f) for e, f in effects))
        plan = replace(self.plan, design=design)
        blocks = [self._answer(self.block(t), f, coded, factors) for t, f in enumerate(answers)]
        pairs = [
            self._answer(query, self.run(query), coded, factors)
            for query in (plan.pair(i, k) for i, k in combinations(range(len(terms)), 2))
        ]
        total = blocks[0]
        if not self.fused:
            least = coarsest(factors)
            query = plan.total((least,) if clustered(plan, factors[least]) else ())
            total = self._answer(query, self.run(query), coded, factors)
        products, clusters = assembled(plan, blocks, pairs, total)
        return design, about_own_means(plan, products, self._within), clusters

    def _within(self, query: Query, terms: Sequence[int]) -> list[Answer]:
        answers = (self.run(query, self.within_rows(t)) for t in terms)
        return [Answer(query, f.in_places(query)) for f in answers]

    def _answer(
        self,
        query: Query,
        answer: GroupedSums,
        coded: Mapping[str, Labels],
        factors: Sequence[Factor],
    ) -> Answer:
        """The sums in the order of the groups."""
        terms = self.given.roles.groups
        index = [
            np.searchsorted(factors[t].keys, _keys(answer, terms[t], coded)) for t in query.terms
        ]
        if not index:
            return Answer(query, answer.in_places(query))
        order = np.lexsort(index[::-1])
        same = frozenset(x for x in query.compared if answer.sums[f"same_{x}"].all())
        pairs = (index[0][order], index[1][order]) if len(index) == 2 else None
        return Answer(query, answer.in_places(query)[:, order], same, pairs)


def aggregates(query: Query) -> list[str]:
    """The sums of a query in SQL, and whether columns are constant in each group."""
    sums = [
        f"SUM({' * '.join(factors)}) AS s{i}" if factors else f"COUNT(*) AS s{i}"
        for factors, i in query.sums.places.items()
    ]
    same = (f"CASE WHEN MIN({x}) = MAX({x}) THEN 1 ELSE 0 END AS same_{x}" for x in query.compared)
    return [*sums, *same]


def _as_before(first: list[AnyArray], second: list[AnyArray]) -> Ints:
    """The order in which the same keys, in other rows, are those of `first`."""
    codes = [number(np.concatenate(pair))[0] for pair in zip(first, second, strict=True)]
    key, _ = mixed_radix(codes, [int(c.max()) + 1 for c in codes])
    before, after = key[: len(first[0])], key[len(first[0]) :]
    order = np.argsort(after)[np.argsort(np.argsort(before))]
    if len(before) != len(after) or not np.array_equal(after[order], before):
        raise rows_changed()
    return order


def _keys(answer: GroupedSums, term: GroupTerm, coded: Mapping[str, Labels]) -> Ints:
    names = [n.name for n in term.factor]
    codes = [coded[n].codes(answer.keys[n]) for n in names]
    return mixed_radix(codes, [len(coded[n].labels) for n in names])[0]
