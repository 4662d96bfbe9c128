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
from partialpool.data import clusters as within
from partialpool.data.accumulate import Shifts, shifts_of
from partialpool.data.clusters import Clusters
from partialpool.data.coding import Column, Variable
from partialpool.data.cross_products import (
    Block,
    Crossing,
    CrossProducts,
    lost_digits,
    with_within,
    without_constant,
)
from partialpool.data.design import Design, Factor, mixed_radix
from partialpool.data.design_sql import (
    ONE,
    DesignText,
    Given,
    Sums,
    category_means,
    constant,
    staged,
)
from partialpool.data.encode import complete_columns, factor_of, levels
from partialpool.data.encode_sql import (
    Learning,
    checked_means,
    learn,
    means_of_left,
    without_small,
)
from partialpool.data.labels import number
from partialpool.data.labels_sql import (
    Labels,
    category_columns,
    labels_of,
    level_texts,
    prepared,
    read_labels,
)
from partialpool.data.mixed_statistics import MixedStatistics
from partialpool.data.rules import overflow, rows_changed
from partialpool.data.sql import Engine
from partialpool.formula import Roles
from partialpool.formula.tree import GroupTerm

MOST_SUMS = 400
"""Aggregates of one statement; more take several."""
FUSED = 4
"""With at most so many columns of X, one term's pass also sums what all rows need."""


def read(
    engine: Engine, roles: Roles, *, text_labels: bool = False, min_cell: int = 1
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

    Raises
    ------
    DataError, ColumnError
        As `read_mixed`.
    """
    engine, given = prepared(engine, roles)
    checked, withheld = checked_means(engine, given), (0, 0)
    total, used = int(checked["total"]), int(checked["used"])
    if min_cell > 1:
        given, _, withheld = without_small(engine, given, used, min_cell)
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
    reading = Passes(engine, given, design, texts, means_of(design, known))
    blocks = [reading.block(t, fused=reading.fused) for t in range(len(roles.groups))]
    if total > used and not given.rounds:
        names = (n.name for n in roles.factors if n.name not in coded)
        coded |= {n: read_labels(engine, given, n, n in plain) for n in names}
    for found in blocks:
        once = len(found.keys) == 1  # labels of the groups of one column, each once
        coded |= {
            n: labels_of(v, n in plain, once=once) for n, v in found.keys.items() if n not in coded
        }
    if any(reading.rows_in(found) not in (None, known.used) for found in blocks):
        raise rows_changed()
    design, products, within_clusters = reading.assembled(blocks, coded)
    products = replace(products, n_rows=total, n_dropped=total - used)
    absent = {n.name: coded[n.name].labels[coded[n.name].n == 0] for n in roles.factors}
    kept = MixedStatistics(design, products, known.moments, absent, text_labels, withheld)
    return kept, within_clusters


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Sums by group: the labels of the groups, by column, and the sums, by name."""

    keys: dict[str, AnyArray]
    sums: dict[str, Floats]


def means_of(design: Design, known: Learning) -> Shifts:
    """About the mean of each column, where an intercept can take it up.

    Of a product the product of the means.
    """
    shares = category_means(design.categories)

    def mean(column: Column) -> float:
        found = 1.0
        for part in column.parts:
            if part.variable in shares:
                found *= float(shares[part.variable][part.index])
            else:
                found *= known.means.get(part.variable, 0.0)
        return found

    x = np.array([mean(c) for c in design.columns])
    z = [np.array([mean(c) for c in e.columns]) for e in design.effects]
    return shifts_of(design, x, known.outcome_mean, z)


class _Columns:
    """The columns of X and of each Z by name; the same column is computed once."""

    def __init__(self, text: DesignText, shifts: Shifts) -> None:
        self.stage: dict[str, str] = {}
        self._known: dict[tuple[object, str], str] = {}
        self._text = text
        design = text.design
        self.x = [self._name(c, s) for c, s in zip(design.columns, shifts.x, strict=True)]
        self.z = [
            [self._name(c, s) for c, s in zip(e.columns, own, strict=True)]
            for e, own in zip(design.effects, shifts.z, strict=True)
        ]

    def _name(self, column: Column, shift: float) -> str:
        if not column.parts:
            return ONE
        key = (frozenset(column.parts), constant(shift))
        if key not in self._known:
            sql = self._text.column(column)
            name = self._known[key] = f"x{len(self._known)}"
            self.stage[name] = f"({sql}) - {constant(shift)}" if shift else sql
        return self._known[key]


class Passes:
    """The passes by group over the columns of a design."""

    def __init__(
        self,
        engine: Engine,
        given: Given,
        design: Design,
        texts: Mapping[Variable, Sequence[str]],
        shifts: Shifts,
    ) -> None:
        self.engine, self.given, self.design, self.shifts = engine, given, design, shifts
        text = DesignText(given, design, engine.text, texts)
        self.columns = _Columns(text, self.shifts)
        self.rows = staged(text.rows(constant(self.shifts.y)), [self.columns.stage])
        self.extras = given.precision()

    @property
    def fused(self) -> bool:
        """Whether the sums over all rows come with those of the only term."""
        return len(self.design.effects) == 1 and len(self.design.columns) <= FUSED

    # statements

    def statement(
        self, keys: Sequence[str], aggregates: Sequence[str], rows: str | None = None
    ) -> str:
        """Aggregates of the columns by some keys."""
        what = ", ".join([*keys, *aggregates])
        by = f" GROUP BY {', '.join(keys)}" if keys else ""
        return f"SELECT {what} FROM ({rows or self.rows}) AS q{by}"

    def _grouped(
        self, names: Sequence[str], aggregates: Sequence[str], rows: str | None = None
    ) -> Found:
        keys = [self.given.labels[n] for n in names]
        found: dict[str, AnyArray] = {}
        for start in range(0, len(aggregates), MOST_SUMS):
            sql = self.statement(keys, aggregates[start : start + MOST_SUMS], rows)
            part = self.engine.table(sql, keys)
            if found and keys:
                order = _as_before([found[k] for k in keys], [part[k] for k in keys])
                part = {k: v[order] for k, v in part.items()}
            found |= part
        sums = {k: v.astype(np.float64) for k, v in found.items() if k not in keys}
        return Found({n: found[k] for n, k in zip(names, keys, strict=True)}, sums)

    def within_rows(self, t: int, names: Sequence[str]) -> str:
        """The rows with columns, by name, about the means of their groups of a term."""
        by = ", ".join(self.given.labels[n] for n in self.design.effects[t].factor.columns)
        weighted = "w" in self.extras
        size = f"SUM({'w' if weighted else ONE}) OVER (PARTITION BY {by})"
        mean = {
            f"m_{x}": f"SUM({f'w * {x}' if weighted else x}) OVER (PARTITION BY {by}) / {size}"
            for x in names
        }
        return staged(self.rows, [mean, {f"d_{x}": f"{x} - m_{x}" for x in names}])

    def within_sums(self, names: Sequence[str]) -> tuple[Sums, AnyArray]:
        """The sums of their products, and the names of these."""
        sums = Sums("w" in self.extras)
        named = [[sums.of(f"d_{a}", f"d_{b}") for b in names] for a in names]
        if "inside" in self.extras:
            sums.plain("inside")
        return sums, np.array(named, dtype=object)

    @property
    def varying(self) -> list[str]:
        """The columns of X but the intercept, and the outcome, each once."""
        return list(dict.fromkeys([*(x for x in self.columns.x if x != ONE), "y"]))

    def _about_own_means(self, products: CrossProducts) -> CrossProducts:
        """Sum once more about each group's own means where taking them off has cost digits."""
        blocks = list(products.blocks)
        for t in lost_digits(products):
            names = self.varying
            sums, shape = self.within_sums(names)
            found = self._grouped((), list(sums.sql()), self.within_rows(t, names))
            products_of = _filled(shape, found.sums)[0]
            if "inside" in self.extras:
                products_of[-1, -1] += float(found.sums[sums.plain("inside")][0])
            at = np.array([names.index(x) if x != ONE else 0 for x in (*self.columns.x, "y")])
            every = products_of[at[:, None], at]  # the intercept is constant, so left out below
            blocks[t] = replace(blocks[t], within=without_constant(every, blocks[t]))
        return replace(products, blocks=tuple(blocks))

    def block_sums(self, t: int, *, fused: bool) -> list[str]:
        """The aggregates of a term."""
        sums = Sums("w" in self.extras)
        self._of_block(sums, t)
        if fused:
            self._of_all(sums)
        same = [
            f"CASE WHEN MIN({name}) = MAX({name}) THEN 1 ELSE 0 END AS same_{name}"
            for name in dict.fromkeys(self.columns.x)
            if name != ONE
        ]
        return [*sums.sql(), *same]

    def pair_sums(self, first: int, second: int) -> list[str]:
        """The aggregates of a pair of terms."""
        sums = Sums("w" in self.extras)
        self._of_pair(sums, first, second)
        return list(sums.sql())

    def _of_pair(self, sums: Sums, first: int, second: int) -> AnyArray:
        z = self.columns.z
        names = [[sums.of(a, b) for b in z[second]] for a in z[first]]
        return np.array(names, dtype=object).reshape(len(z[first]), len(z[second]))

    def total_sums(self) -> list[str]:
        """The aggregates of all rows."""
        sums = Sums("w" in self.extras)
        self._of_all(sums)
        return list(sums.sql())

    def _of_block(self, sums: Sums, t: int) -> dict[str, AnyArray]:
        """Names of the sums of a term, in the shape of the arrays they fill."""
        x, z = self.columns.x, self.columns.z[t]
        return {
            "n": np.array(sums.plain("w") if "inside" in self.extras else sums.plain()),
            "weight": np.array(sums.of()),
            "x": np.array([sums.of(a) for a in x], dtype=object),
            "zty": np.array([sums.of(a, "y") for a in z], dtype=object),
            "ztz": np.array([[sums.of(a, b) for b in z] for a in z], dtype=object),
            "ztx": np.array([[sums.of(a, b) for b in x] for a in z], dtype=object).reshape(
                len(z), len(x)
            ),
        }

    def _of_all(self, sums: Sums) -> dict[str, AnyArray]:
        """Names of the sums over all rows, and of those within clusters."""
        x = self.columns.x
        found = {
            "xtx": np.array([[sums.of(a, b) for b in x] for a in x], dtype=object).reshape(
                len(x), len(x)
            ),
            "xty": np.array([sums.of(a, "y") for a in x], dtype=object),
            "yty": np.array(sums.of("y", "y")),
            "n": np.array(sums.plain("w") if "inside" in self.extras else sums.plain()),
        }
        return found | {k: np.array(sums.plain(k)) for k in ("lw", "inside") if k in self.extras}

    def block(self, t: int, *, fused: bool) -> Found:
        """The sums of a term."""
        names = self.design.effects[t].factor.columns
        return self._grouped(names, self.block_sums(t, fused=fused))

    # what comes back

    def assembled(
        self, found: Sequence[Found], coded: Mapping[str, Labels]
    ) -> tuple[Design, CrossProducts, Clusters | None]:
        """The groups and the cross-products, from the sums of each term."""
        roles, labels = self.given.roles, {n: v.labels for n, v in coded.items()}
        placed = [_placed(f, term, coded) for f, term in zip(found, roles.groups, strict=True)]
        factors = [
            factor_of(term, keys[order], labels)
            for term, (keys, order) in zip(roles.groups, placed, strict=True)
        ]
        blocks = tuple(
            self._block(t, factors[t], f, order)
            for t, (f, (_, order)) in enumerate(zip(found, placed, strict=True))
        )
        design = replace(
            self.design,
            effects=tuple(
                replace(e, factor=f) for e, f in zip(self.design.effects, factors, strict=True)
            ),
        )
        crossings = tuple(
            self._crossing(first, second, factors, coded)
            for first, second in combinations(range(len(blocks)), 2)
        )
        coarsest = int(np.argmin([len(f.keys) for f in factors]))
        by_group, order = found[0], placed[0][1]
        if not self.fused:
            by_group, order = self._totals(factors[coarsest], roles.groups[coarsest], coded)
        products, clusters = self._products(by_group, order, factors[coarsest], blocks, crossings)
        products = with_within(products)
        return design, self._about_own_means(products), clusters

    def rows_in(self, found: Found) -> int | None:
        """Rows that entered the sums of a term; of summaries this is not known."""
        if "inside" in self.extras:
            return None
        return round(float(found.sums[Sums("w" in self.extras).plain()].sum()))

    def _block(self, t: int, factor: Factor, found: Found, order: Ints) -> Block:
        effects, names = self.design.effects[t], self._of_block(Sums("w" in self.extras), t)
        values = {k: _filled(v, found.sums)[order] for k, v in names.items()}
        same = [x == ONE or bool(found.sums[f"same_{x}"].all()) for x in self.columns.x]
        return Block(
            factor=factor.name,
            labels=factor.labels,
            effects=effects.names,
            correlated=effects.correlated,
            shift=self.shifts.z[t],
            n=np.rint(values["n"]).astype(np.intp),
            ztz=values["ztz"],
            ztx=values["ztx"],
            zty=values["zty"],
            weight=values["weight"],
            x_mean=values["x"] / values["weight"][:, None],
            constant=np.array(same, dtype=bool),
            within=None,
        )

    def _crossing(
        self, first: int, second: int, factors: Sequence[Factor], coded: Mapping[str, Labels]
    ) -> Crossing:
        groups, sums = self.given.roles.groups, Sums("w" in self.extras)
        pairs = self._of_pair(sums, first, second)
        names = dict.fromkeys(n.name for t in (first, second) for n in groups[t].factor)
        found = self._grouped(list(names), list(sums.sql()))
        i, k = (
            np.searchsorted(factors[t].keys, _keys(found, groups[t], coded))
            for t in (first, second)
        )
        order = np.lexsort((k, i))
        products = _filled(pairs, found.sums)[order]
        return Crossing(first, second, i[order], k[order], products)

    def _totals(
        self, factor: Factor, term: GroupTerm, coded: Mapping[str, Labels]
    ) -> tuple[Found, Ints]:
        """The sums over all rows, within clusters where there is room."""
        sums = self.total_sums()
        if not within.fits(len(factor.keys), len(self.columns.x)):
            return self._grouped((), sums), np.zeros(1, dtype=np.intp)
        found = self._grouped(factor.columns, sums)
        return found, _placed(found, term, coded)[1]

    def _products(
        self,
        found: Found,
        order: Ints,
        factor: Factor,
        blocks: tuple[Block, ...],
        crossings: tuple[Crossing, ...],
    ) -> tuple[CrossProducts, Clusters | None]:
        names = self._of_all(Sums("w" in self.extras) if not self.fused else self._fused_sums())
        by = {k: _filled(v, found.sums)[order] for k, v in names.items()}
        total = {k: v.sum(axis=0) for k, v in by.items()}
        yty = float(total["yty"] + total.get("inside", 0.0))
        if not (np.isfinite(total["xtx"]).all() and np.isfinite(yty)):
            raise overflow(self.given.roles)
        products = CrossProducts(
            outcome=str(self.given.roles.outcome),
            coefficients=self.design.coefficients,
            shift=self.shifts.x,
            center=self.shifts.y,
            xtx=total["xtx"],
            xty=total["xty"],
            yty=yty,
            blocks=blocks,
            crossings=crossings,
            log_weight=float(total.get("lw", 0.0)),
            sigma_known=self.given.roles.se is not None,
            n_rows=0,
            n_dropped=0,
            n_used=round(float(total["n"])),
        )
        room = within.fits(len(factor.keys), len(self.columns.x)) and len(order) == len(factor.keys)
        return products, Clusters(factor.name, by["xtx"], by["xty"]) if room else None

    def _fused_sums(self) -> Sums:
        sums = Sums("w" in self.extras)
        self._of_block(sums, 0)
        return sums


def _as_before(first: list[AnyArray], second: list[AnyArray]) -> Ints:
    """The order in which the same keys, in other rows, are those of `first`."""
    codes = [number(np.concatenate(pair))[0] for pair in zip(first, second, strict=True)]
    key, _ = mixed_radix(codes, [int(c.max()) + 1 for c in codes])
    before, after = key[: len(first[0])], key[len(first[0]) :]
    order = np.argsort(after)[np.argsort(np.argsort(before))]
    if len(before) != len(after) or not np.array_equal(after[order], before):
        raise rows_changed()
    return order


def _filled(names: AnyArray, sums: Mapping[str, Floats]) -> Floats:
    """Arrays in place of their names: shape (L, ...)."""
    found = [sums[str(name)] for name in names.ravel()]
    size = len(next(iter(sums.values())))
    stacked = np.stack(found, axis=1) if found else np.empty((size, 0))
    return stacked.reshape(size, *names.shape)


def _keys(found: Found, term: GroupTerm, coded: Mapping[str, Labels]) -> Ints:
    names = [n.name for n in term.factor]
    codes = [coded[n].codes(found.keys[n]) for n in names]
    return mixed_radix(codes, [len(coded[n].labels) for n in names])[0]


def _placed(found: Found, term: GroupTerm, coded: Mapping[str, Labels]) -> tuple[Ints, Ints]:
    """The keys of the groups, and the order that sorts them."""
    keys = _keys(found, term, coded)
    return keys, np.argsort(keys, kind="stable")
