"""The plan of a regression's sums: which columns, by which groups, which products; for any rows.

A plan asks for sums of products of columns (`Query`); an interpreter goes through the rows and
answers: `array_sums` in memory, `sql_sums` in an engine. What the answers become is said here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.coding import Column
from partialpool.design.design import Design, Factor
from partialpool.design.row_values import precision
from partialpool.design.rules import overflow
from partialpool.records.clusters import Clusters, fits
from partialpool.records.cross_products import (
    Block,
    Crossing,
    CrossProducts,
    lost_digits,
    with_within,
    without_constant,
)
from partialpool.records.shifts import Shifts

ONE = "1"
"""The column of the intercept, which is left out of products."""


# what is asked --------------------------------------------------------------------------------


class Sums:
    """Sums of products of columns, each once: factors in, the place of their sum out."""

    def __init__(self, weighted: bool) -> None:
        self.weights = ("w",) if weighted else ()
        self.places: dict[tuple[str, ...], int] = {}

    def of(self, *factors: str) -> int:
        """The sum of w times these columns; ONE is left out."""
        return self.plain(*self.weights, *sorted(f for f in factors if f != ONE))

    def plain(self, *factors: str) -> int:
        """The sum of a product without the weight; of nothing, the number of rows."""
        return self.places.setdefault(factors, len(self.places))


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """Sums of products over rows, in all or by group.

    Parameters
    ----------
    terms : tuple of int
        The group terms by whose groups is summed: none, one, or a pair.
    sums : Sums
        The products.
    shapes : mapping
        Places of sums in the shape of the arrays they fill, (...).
    compared : tuple of str
        Columns of which is asked whether they are constant within every group.
    """

    terms: tuple[int, ...]
    sums: Sums
    shapes: Mapping[str, Ints]
    compared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What an interpreter found.

    Parameters
    ----------
    query : Query
    sums : ndarray, shape (K, L)
        Each of the sums, by group in their order; L is 1 for all rows.
    constant : frozenset of str
        Which of the columns compared are constant within every group.
    pairs : tuple of ndarray of int, shape (L,)
        The groups of the first and of the second term, of a pair; sorted.
    """

    query: Query
    sums: Floats
    constant: frozenset[str] = frozenset()
    pairs: tuple[Ints, Ints] | None = None

    def arrays(self) -> dict[str, Floats]:
        """The arrays that the sums fill; shape (L, ...)."""
        by_group = np.ascontiguousarray(self.sums.T)
        return {k: by_group.take(places, axis=1) for k, places in self.query.shapes.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The columns of a design by name, and what is asked of their rows.

    Parameters
    ----------
    design : Design
        The columns of X and of each Z.
    shifts : Shifts
        What is taken off each.
    columns : mapping
        The distinct columns and what is taken off them, by name; the intercept has none. The
        outcome, less its shift and the offsets, is `y`.
    x : tuple of str
    z : tuple of tuple of str
        Names of the columns of X and of each Z.
    """

    design: Design
    shifts: Shifts
    columns: Mapping[str, tuple[Column, float]]
    x: tuple[str, ...]
    z: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, design: Design, shifts: Shifts) -> Plan:
        """Name the columns; the same column with the same shift has one name."""
        names: dict[tuple[object, float], str] = {}
        columns = {}

        def name(column: Column, shift: float) -> str:
            if not column.parts:
                return ONE
            key = (frozenset(column.parts), shift)
            if key not in names:
                names[key] = f"x{len(names)}"
                columns[names[key]] = (column, shift)
            return names[key]

        def named(each: Sequence[Column], shift: Floats) -> tuple[str, ...]:
            return tuple(name(c, s) for c, s in zip(each, shift.tolist(), strict=True))

        x = named(design.columns, shifts.x)
        z = tuple(named(e.columns, s) for e, s in zip(design.effects, shifts.z, strict=True))
        return cls(design, shifts, columns, x, z)

    @property
    def extras(self) -> Mapping[str, object]:
        """What gives rows that are not plain their precision: `w`, `lw`, `inside`."""
        return precision(self.design.roles)

    def means(self) -> Query:
        """The sum of every column."""
        sums = self._sums()
        shapes = {"x": _named(sums, self.x), "y": np.array(sums.of("y")), "w": np.array(sums.of())}
        shapes |= {f"z{t}": _named(sums, z) for t, z in enumerate(self.z)}
        return Query((), sums, shapes)

    def block(self, t: int, *, with_total: bool) -> Query:
        """The sums by the groups of a term, with those over all rows where asked."""
        sums, z = self._sums(), self.z[t]
        shapes = {
            "n": self._rows(sums),
            "weight": np.array(sums.of()),
            "x": _named(sums, self.x),
            "zty": _named(sums, z, "y"),
            "ztz": _products(sums, z, z),
            "ztx": _products(sums, z, self.x),
        }
        if with_total:
            shapes |= self._of_all(sums)
        return Query((t,), sums, shapes, tuple(dict.fromkeys(x for x in self.x if x != ONE)))

    def pair(self, first: int, second: int) -> Query:
        """The sums by the pairs of groups of two terms."""
        sums = self._sums()
        return Query(
            (first, second), sums, {"products": _products(sums, self.z[first], self.z[second])}
        )

    def total(self, terms: tuple[int, ...]) -> Query:
        """The sums over all rows, by the groups of a term (for clusters) or in all."""
        sums = self._sums()
        return Query(terms, sums, self._of_all(sums))

    @property
    def varying(self) -> list[str]:
        """The columns of X but the intercept, and the outcome, each once."""
        return list(dict.fromkeys([*(x for x in self.x if x != ONE), "y"]))

    def within(self) -> Query:
        """The products of `d_x` for each varying column x: x about the mean of its group."""
        sums = self._sums()
        about = [f"d_{x}" for x in self.varying]
        shapes = {"products": _products(sums, about, about)}
        if "inside" in self.extras:
            shapes["inside"] = np.array(sums.plain("inside"))
        return Query((), sums, shapes)

    def _sums(self) -> Sums:
        return Sums("w" in self.extras)

    def _rows(self, sums: Sums) -> Ints:
        """The number of rows, or of those that summaries stand for."""
        return np.array(sums.plain("w") if "inside" in self.extras else sums.plain())

    def _of_all(self, sums: Sums) -> dict[str, Ints]:
        found = {
            "xtx": _products(sums, self.x, self.x),
            "xty": _named(sums, self.x, "y"),
            "yty": np.array(sums.of("y", "y")),
            "n": self._rows(sums),
        }
        return found | {k: np.array(sums.plain(k)) for k in ("lw", "inside") if k in self.extras}


def _named(sums: Sums, columns: Sequence[str], *others: str) -> Ints:
    return np.array([sums.of(a, *others) for a in columns], dtype=np.intp)


def _products(sums: Sums, first: Sequence[str], second: Sequence[str]) -> Ints:
    places = [[sums.of(a, b) for b in second] for a in first]
    return np.array(places, dtype=np.intp).reshape(len(first), len(second))


# what answers become --------------------------------------------------------------------------


def coarsest(factors: Sequence[Factor]) -> int:
    """The term with fewest groups, which are the clusters."""
    return int(np.argmin([len(f.keys) for f in factors]))


def clustered(plan: Plan, factor: Factor) -> bool:
    """Whether there is room for the sums within the groups of a factor."""
    return fits(len(factor.keys), len(plan.x))


def assembled(
    plan: Plan, blocks: Sequence[Answer], pairs: Sequence[Answer], total: Answer
) -> tuple[CrossProducts, Clusters | None]:
    """The cross-products, and those within clusters if `total` is by their groups.

    Raises
    ------
    DataError
        If squares overflow.
    """
    design = plan.design
    by_group = total.arrays()
    whole = {k: v.sum(axis=0) for k, v in by_group.items()}
    yty = float(whole["yty"] + whole.get("inside", 0.0))
    if not (np.isfinite(whole["xtx"]).all() and np.isfinite(yty)):
        raise overflow(design.roles)
    products = CrossProducts(
        outcome=str(design.roles.outcome),
        coefficients=design.coefficients,
        shift=plan.shifts.x,
        center=plan.shifts.y,
        xtx=whole["xtx"],
        xty=whole["xty"],
        yty=yty,
        blocks=tuple(_block(plan, answer) for answer in blocks),
        crossings=tuple(_crossing(answer) for answer in pairs),
        log_weight=float(whole.get("lw", 0.0)),
        sigma_known=design.roles.se is not None,
        n_rows=0,
        n_dropped=0,
        n_used=round(float(whole["n"])),
    )
    return with_within(products), _clusters(plan, total, by_group)


def _clusters(plan: Plan, total: Answer, by_group: Mapping[str, Floats]) -> Clusters | None:
    factors = [e.factor for e in plan.design.effects]
    t = coarsest(factors)
    if total.query.terms != (t,) or not clustered(plan, factors[t]):
        return None
    return Clusters(
        factors[t].name,
        by_group["xtx"],
        by_group["xty"],
        by_group["yty"] + by_group.get("inside", 0.0),
        np.broadcast_to(by_group.get("lw", 0.0), by_group["yty"].shape),
    )


def _block(plan: Plan, answer: Answer) -> Block:
    (t,) = answer.query.terms
    effects, values = plan.design.effects[t], answer.arrays()
    return Block(
        factor=effects.factor.name,
        labels=effects.factor.labels,
        effects=effects.names,
        correlated=effects.correlated,
        shift=plan.shifts.z[t],
        n=np.rint(values["n"]).astype(np.intp),
        ztz=values["ztz"],
        ztx=values["ztx"],
        zty=values["zty"],
        weight=values["weight"],
        x_mean=values["x"] / values["weight"][:, None],
        constant=np.array([x == ONE or x in answer.constant for x in plan.x], dtype=bool),
        within=None,
    )


def _crossing(answer: Answer) -> Crossing:
    assert answer.pairs is not None
    first, second = answer.query.terms
    return Crossing(first, second, *answer.pairs, answer.arrays()["products"])


def about_own_means(
    plan: Plan, products: CrossProducts, ask: Callable[[Query, Sequence[int]], Sequence[Answer]]
) -> CrossProducts:
    """Sum once more about each group's own means where taking them off has cost digits.

    Parameters
    ----------
    ask : callable
        Answers the query of `Plan.within` for each of the terms given.
    """
    terms = lost_digits(products)
    if not terms:
        return products
    blocks, names = list(products.blocks), plan.varying
    # the intercept is constant, so any place will do: it is left out below
    at = np.array([names.index(x) if x != ONE else 0 for x in (*plan.x, "y")])
    for t, answer in zip(terms, ask(plan.within(), terms), strict=True):
        values = answer.arrays()
        within = values["products"][0][at[:, None], at]
        within[-1, -1] += float(values["inside"][0]) if "inside" in values else 0.0
        blocks[t] = replace(blocks[t], within=without_constant(within, blocks[t]))
    return replace(products, blocks=tuple(blocks))
