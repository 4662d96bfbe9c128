"""The plan of a regression's sums on rows in memory, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.coded_rows import Usable, find, first_of
from partialpool.design.design import Design, Frame
from partialpool.design.expressions import Learned, evaluate
from partialpool.design.row_values import precision
from partialpool.design.rules import not_finite
from partialpool.design.source import CHUNK, Chunk
from partialpool.formula.tree import Expression
from partialpool.records.clusters import Clusters
from partialpool.records.cross_products import CrossProducts
from partialpool.records.shifts import Shifts, shifts_of, unshifted
from partialpool.rows.plan import (
    Answer,
    Plan,
    Query,
    about_own_means,
    assembled,
    clustered,
    coarsest,
)

CELLS = 2**23
"""Numbers in a part's columns: 64 MiB, beside which a design of many columns needs little more."""


@np.errstate(over="ignore", invalid="ignore")  # seen in the result
def cross_products(design: Design, rows: Usable) -> tuple[CrossProducts, Clusters | None]:
    """Sum the products of a design's columns over rows, in all and within clusters.

    Clusters are the groups of the factor with fewest; None where there are too many numbers.

    Raises
    ------
    DataError
        If a function of the formula is not finite in some row, or squares overflow.
    """
    parts = _Parts(design, rows)
    plan = Plan.of(design, _means(design, parts))
    factors = [e.factor for e in design.effects]
    least = coarsest(factors)
    room = clustered(plan, factors[least])
    terms = range(len(factors))
    queries = [plan.block(t, with_total=room and t == least) for t in terms]
    queries += [plan.pair(first, second) for first, second in combinations(terms, 2)]
    answers = _answers(plan, parts, queries if room else [*queries, plan.total(())])
    blocks, pairs = answers[: len(factors)], answers[len(factors) : len(queries)]
    products, clusters = assembled(plan, blocks, pairs, blocks[least] if room else answers[-1])
    known = rows.coded
    products = replace(products, n_rows=known.n_rows, n_dropped=known.n_rows - known.n_used)
    own = about_own_means(plan, products, lambda q, lost: _within(plan, parts, products, q, lost))
    return own, clusters


def _means(design: Design, parts: _Parts) -> Shifts:
    """Weighted means of the columns, where an intercept can take them up."""
    plan = Plan.of(design, unshifted(design))
    (answer,) = _answers(plan, parts, [plan.means()])
    sums = {k: v[0] for k, v in answer.arrays().items()}
    means = {k: v / sums["w"] for k, v in sums.items()}
    z = [means[f"z{t}"] for t in range(len(plan.z))]
    return shifts_of(design, means["x"], float(means["y"]), z)


def _within(
    plan: Plan, parts: _Parts, products: CrossProducts, query: Query, terms: Sequence[int]
) -> list[Answer]:
    """Answer about the means of the groups of each of some terms."""
    totals = [_Whole(query) for _ in terms]
    # as they are: a value less the mean of its group is exact, less a shift it may be rounded
    named = {name: (column, 0.0) for name, (column, _) in plan.columns.items()}
    for part in parts.of(replace(plan, columns=named, shifts=unshifted(plan.design))):
        for t, total in zip(terms, totals, strict=True):
            block = products.blocks[t]
            mean = block.x_mean + plan.shifts.x
            means = {x: mean[:, i] for i, x in enumerate(plan.x)}
            means["y"] = block.y_mean + plan.shifts.y
            about = {f"d_{x}": part.columns[x] - means[x][part.group[t]] for x in plan.varying}
            total.add(replace(part, columns={**part.columns, **about}))
    return [total.answer() for total in totals]


# rows in parts --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some rows: columns by name, and their groups of each term."""

    columns: Mapping[str, Floats]
    group: tuple[Ints, ...]
    size: int

    def products(self, query: Query) -> Iterator[tuple[Floats | None, Floats | None]]:
        """Of each sum, the two columns whose product is summed; None for ones."""
        begun: dict[tuple[str, ...], Floats] = {}
        for factors in query.sums.places:
            last = self.columns[factors[-1]] if factors else None
            yield self._product(factors[:-1], begun), last

    def _product(
        self, factors: tuple[str, ...], known: dict[tuple[str, ...], Floats]
    ) -> Floats | None:
        """A product of columns, computed once for all sums that begin with it."""
        if not factors:
            return None
        if factors not in known:
            before, last = self._product(factors[:-1], known), self.columns[factors[-1]]
            known[factors] = last if before is None else before * last
        return known[factors]


@dataclass(frozen=True, slots=True, eq=False)
class _Evaluated:
    """Some rows with every variable evaluated, of which columns are products."""

    frame: Frame
    outcome: Floats
    worth: Mapping[str, Floats]
    group: tuple[Ints, ...]

    def part(self, plan: Plan) -> _Part:
        """The columns of a plan."""
        columns = {k: self.frame.column(c, shift) for k, (c, shift) in plan.columns.items()}
        columns["y"] = self.outcome - plan.shifts.y
        return _Part({**columns, **self.worth}, self.group, len(self.outcome))


class _Parts:
    """The used rows, in parts of bounded size; if one part holds them all it is evaluated once."""

    def __init__(self, design: Design, rows: Usable) -> None:
        self.design, self.rows = design, rows
        width = len(design.columns) + sum(len(e.columns) for e in design.effects)
        self.step = max(1, CELLS // max(width, 1))
        self.evaluated: list[_Evaluated] = []

    def of(self, plan: Plan) -> Iterator[_Part]:
        """Go through the rows once."""
        if self.evaluated:
            yield from (e.part(plan) for e in self.evaluated)
            return
        few = len(self.rows.source.data) <= min(self.step, CHUNK)
        for chunk in self.rows.chunks():
            for start in range(0, len(chunk), self.step):
                evaluated = self._evaluate(chunk.part(slice(start, start + self.step)))
                if few:
                    self.evaluated.append(evaluated)
                yield evaluated.part(plan)

    def _evaluate(self, chunk: Chunk) -> _Evaluated:
        design, roles, labels = self.design, self.design.roles, self.rows.source.labels
        numeric = [v for v in roles.variables if v not in design.categories]
        inside = [v.arguments[0] if getattr(v, "function", "") == "poly" else v for v in numeric]  # type: ignore[union-attr]
        for node in (roles.outcome, *roles.offsets, *inside):
            refuse_not_finite(self.rows, chunk, node, design.learned)
        return _Evaluated(
            design.frame(chunk, labels),
            design.outcome(chunk),
            {k: v.of_arrays(roles, chunk.numbers) for k, v in precision(roles).items()},
            tuple(design.groups(e, chunk, labels) for e in design.effects),
        )


def refuse_not_finite(rows: Usable, chunk: Chunk, node: Expression, learned: Learned) -> None:
    """Refuse an expression that is not finite in some row of a part; the message says which."""
    if np.isfinite(evaluate(node, chunk.numbers, learned)).all():
        return

    def value(chunk: Chunk) -> Floats:
        return evaluate(node, chunk.numbers, learned)

    roles = rows.coded.roles
    at, values, labels = find(rows.source, roles, lambda c: ~np.isfinite(value(c)), value)
    raise not_finite(str(node), *first_of(at, values, labels))


# sums -----------------------------------------------------------------------------------------


def _answers(plan: Plan, parts: _Parts, queries: Sequence[Query]) -> list[Answer]:
    """Answer queries in one pass over the rows."""
    totals = [_total(plan, q) for q in queries]
    for part in parts.of(plan):
        for total in totals:
            total.add(part)
    return [total.answer() for total in totals]


class _Total(Protocol):
    """Running sums of one query."""

    def add(self, part: _Part) -> None:
        """Add some rows."""

    def answer(self) -> Answer:
        """The sums of all rows."""


def _total(plan: Plan, query: Query) -> _Total:
    sizes = [len(plan.design.effects[t].factor.keys) for t in query.terms]
    if not sizes:
        return _Whole(query)
    return _ByGroup(query, sizes[0]) if len(sizes) == 1 else _ByPair(query, sizes[1])


class _Whole:
    """Running sums over all rows."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.sums = np.zeros((len(query.sums.places), 1))

    def add(self, part: _Part) -> None:
        for i, (first, last) in enumerate(part.products(self.query)):
            if last is None:
                self.sums[i] += part.size
            else:
                self.sums[i] += last.sum() if first is None else first @ last

    def answer(self) -> Answer:
        return Answer(self.query, self.sums)


def _by_place(part: _Part, query: Query, place: Ints, size: int) -> Iterator[AnyArray]:
    """Each of the sums of a part, by the place of its rows among `size`."""
    for first, last in part.products(query):
        values = last if first is None or last is None else first * last
        yield np.bincount(place, values, size)


class _ByGroup:
    """Running sums by the groups of one term."""

    def __init__(self, query: Query, size: int) -> None:
        self.query = query
        self.sums = np.zeros((len(query.sums.places), size))
        self.seen = np.zeros(size, dtype=bool)
        self.first = {x: np.zeros(size) for x in query.compared}

    def add(self, part: _Part) -> None:
        group = part.group[self.query.terms[0]]
        for i, sums in enumerate(_by_place(part, self.query, group, self.sums.shape[1])):
            self.sums[i] += sums
        self._compare(part.columns, group)

    def _compare(self, columns: Mapping[str, Floats], group: Ints) -> None:
        """Leave out the columns that differ from the first value seen in a group."""
        fresh = np.flatnonzero(~self.seen[group])[::-1]  # the first row of a group is set last
        self.seen[group] = True
        for x, first in list(self.first.items()):
            first[group[fresh]] = columns[x][fresh]
            if not np.array_equal(first[group], columns[x]):
                del self.first[x]

    def answer(self) -> Answer:
        return Answer(self.query, self.sums, frozenset(self.first))


class _ByPair:
    """Running sums by the pairs of groups of two terms that share rows."""

    def __init__(self, query: Query, size: int) -> None:
        self.query, self.size = query, size
        self.keys: list[Ints] = []
        self.sums: list[Floats] = []
        self.pending = 0

    def add(self, part: _Part) -> None:
        first, second = (part.group[t] for t in self.query.terms)
        # a pair of groups as one number, so that pairs sort by the first and then by the second
        keys, place = np.unique(first * self.size + second, return_inverse=True)
        self._append(keys, np.array([*_by_place(part, self.query, place, len(keys))], float))
        # only once more waits than has been merged: each pair is then merged a few times at most
        if self.pending > 2 * len(self.keys[0]):
            self._merge()

    def _append(self, keys: Ints, sums: Floats) -> None:
        self.keys.append(keys)
        self.sums.append(sums)
        self.pending += len(keys) if len(self.keys) > 1 else 0

    def _merge(self) -> None:
        keys, place = np.unique(np.concatenate(self.keys), return_inverse=True)
        values = np.concatenate(self.sums, axis=1)
        self.keys, self.sums, self.pending = [], [], 0
        self._append(keys, np.array([np.bincount(place, v, len(keys)) for v in values], float))

    def answer(self) -> Answer:
        if len(self.keys) > 1:
            self._merge()
        i, k = np.divmod(self.keys[0], self.size)
        return Answer(self.query, self.sums[0], pairs=(i, k))
