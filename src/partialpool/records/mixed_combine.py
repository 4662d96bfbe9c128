"""Statistics of mixed models of two sets of rows, added.

Either side is first expressed in the columns, levels and groups of both: a level or group that it
does not have is a column or record of zeros, and what center(), scale() and poly() learn from all
rows is a combination of what they learned from some.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.coding import Column, Part, Variable
from partialpool.design.design import Categories, Design, Factor, mixed_radix, places
from partialpool.design.encode import complete_columns, factor_of, named_levels, same_level
from partialpool.design.expressions import in_terms_of, learned_of, same_learned
from partialpool.design.labels import (
    as_labels,
    is_text,
    refuse_unlike,
    sorted_order,
    spelled_out,
    unify,
)
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.formula.tree import Call, calls_in
from partialpool.kernels.merged_means import merged_means
from partialpool.records.cross_products import Block, Crossing, CrossProducts, without_constant
from partialpool.records.group_record import both_withheld
from partialpool.records.mixed_statistics import MixedStatistics
from partialpool.records.shifts import Shifts


def combine(first: MixedStatistics, second: MixedStatistics) -> MixedStatistics:
    """Return the statistics of both sets of rows together.

    Raises
    ------
    DataError
        If the two are not of the same formula, or labels or learned functions cannot meet.
    """
    roles = first.design.roles
    check_roles(roles, second.design.roles)
    both = _spelled_out(first, second), _spelled_out(second, first)
    moments = {call: m.merged(second.moments[call]) for call, m in first.moments.items()}
    learned = {call: learned_of(call, m) for call, m in moments.items()}
    categories = _categories(first.design, second.design)
    labels = {name: union(name, *(s.labels[name] for s in both)) for name in first.labels}
    design = complete_columns(roles, categories, learned)
    keys = [
        [_keys(s.design.effects[t].factor, labels) for s in both] for t in range(len(roles.groups))
    ]
    every = [np.union1d(*pair) for pair in keys]
    factors = (factor_of(t, k, labels) for t, k in zip(roles.groups, every, strict=True))
    effects = (replace(e, factor=f) for e, f in zip(design.effects, factors, strict=True))
    design = replace(design, effects=tuple(effects))
    at = [[np.searchsorted(k, s) for s in pair] for k, pair in zip(every, keys, strict=True)]
    parts = [_expressed(s, design) for s in both]
    shifts = _between(parts)
    moved = [_moved(part, shifts) for part in parts]
    return MixedStatistics(
        design=design,
        products=_added(design, shifts, moved, at),
        moments=moments,
        absent={n: _absent(labels[n], [(s.labels[n], s.absent[n]) for s in both]) for n in labels},
        labels_from_text=first.labels_from_text and second.labels_from_text,
        withheld=both_withheld(first, second),
    )


def check_roles(first: Roles, second: Roles) -> None:
    """Refuse to add rows of different formulas."""
    if replace(first, text="") != replace(second, text=""):
        raise DataError(
            "only statistics of the same formula can be combined, with predictors or several "
            f"factors; received {first.text} and {second.text}"
        )


def _spelled_out(s: MixedStatistics, other: MixedStatistics) -> MixedStatistics:
    """Whole numbers that were read from text as text again where the other side has text."""
    if not s.labels_from_text:
        return s
    names = {n for n, labels in other.labels.items() if is_text(labels)}
    levels = {n: spelled_out(v) if n in names else v for n, v in s.labels.items()}
    effects = tuple(
        replace(e, factor=replace(e.factor, levels=tuple(levels[n] for n in e.factor.columns)))
        for e in s.design.effects
    )
    absent = {n: spelled_out(v) if n in names else v for n, v in s.absent.items()}
    return replace(s, design=replace(s.design, effects=effects), absent=absent)


def union(name: str, first: AnyArray, second: AnyArray) -> AnyArray:
    """The labels of both, sorted."""
    refuse_unlike(name, first, second)
    labels, _ = unify(first, second)
    return labels[sorted_order(labels)]


def _absent(every: AnyArray, sides: Sequence[tuple[AnyArray, AnyArray]]) -> AnyArray:
    present = np.zeros(len(every), dtype=bool)
    for labels, gone in sides:
        here = labels[places(gone, labels) < 0]
        present[places(every, here)] = True
    return every[~present]


def _categories(first: Design, second: Design) -> dict[Variable, Categories]:
    unlike = set(first.categories) ^ set(second.categories)
    if unlike:
        raise categories_on_one_side(min(map(str, unlike)))
    return {v: _levels(v, c, second.categories[v]) for v, c in first.categories.items()}


def categories_on_one_side(name: str) -> DataError:
    """Build the error for a predictor that is a category in some rows only."""
    return DataError(
        f'column "{name}" holds numbers on one side and categories on the other; convert one of '
        "them"
    )


def _levels(variable: Variable, first: Categories, second: Categories) -> Categories:
    """The levels of both: as C() writes them, or sorted."""
    if getattr(variable, "function", "") == "C" and len(variable.arguments) > 1:  # type: ignore[union-attr]
        labels = np.where(first.n > 0, first.labels.astype(object), second.labels.astype(object))
        return named_levels(variable, as_labels(labels.tolist()), first.n + second.n)
    refuse_unlike(str(variable), first.labels, second.labels)
    labels, (a, b) = unify(first.labels, second.labels)
    n = np.zeros(len(labels), dtype=np.intp)
    n[a] += first.n
    n[b] += second.n
    order = sorted_order(labels)
    return named_levels(variable, labels[order], n[order])


def _keys(factor: Factor, labels: Mapping[str, AnyArray]) -> Ints:
    """Combinations of a factor as numbers in mixed radix of other labels."""
    rest, codes = factor.keys, []
    for name, levels in reversed(list(zip(factor.columns, factor.levels, strict=True))):
        rest, code = np.divmod(rest, len(levels))
        codes.append(places(labels[name], levels)[code])
    return mixed_radix(codes[::-1], [len(labels[n]) for n in factor.columns])[0]


# one side in the columns of both --------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Expressed:
    """Cross-products, and what makes columns of both sides of their columns."""

    products: CrossProducts
    x: Floats
    z: tuple[Floats, ...]


def _expressed(s: MixedStatistics, design: Design) -> _Expressed:
    options = _Options(s.design, design)
    return _Expressed(
        s.products,
        options.matrix(s.design.columns, design.columns),
        tuple(
            options.matrix(mine.columns, e.columns)
            for mine, e in zip(s.design.effects, design.effects, strict=True)
        ),
    )


class _Options:
    """How a part of a column of both sides is made of parts of one side."""

    def __init__(self, mine: Design, both: Design) -> None:
        self.level = {
            v: _level_places(v, mine.categories[v], c) for v, c in both.categories.items()
        }
        self.learned = {
            call: in_terms_of(mine.learned[call], new)
            for call, new in both.learned.items()
            if not same_learned(mine.learned[call], new)
        }
        _refuse_inside(both.roles, set(self.learned))

    def of(self, part: Part) -> list[tuple[float, Part | None]]:
        """Weights and parts; None for a constant."""
        variable = part.variable
        if variable in self.level:
            at = int(self.level[variable][part.index])
            return [(1.0, Part(variable, at))] if at >= 0 else []
        if isinstance(variable, Call) and variable in self.learned:
            weights = self.learned[variable][:, part.index]
            combination: list[tuple[float, Part | None]] = [(float(weights[0]), None)]
            return combination + [(float(w), Part(variable, k)) for k, w in enumerate(weights[1:])]
        return [(1.0, part)]

    def matrix(self, mine: Sequence[Column], both: Sequence[Column]) -> Floats:
        """Columns of both sides as combinations of those of one."""
        at = {frozenset(c.parts): i for i, c in enumerate(mine)}
        matrix = np.zeros((len(mine), len(both)))
        for j, column in enumerate(both):
            for chosen in product(*(self.of(p) for p in column.parts)):
                weight = prod(w for w, _ in chosen)
                parts = frozenset(p for _, p in chosen if p is not None)
                if weight and parts not in at:
                    raise DataError(
                        f"{column.name} learned other values from each of the two sets of rows, "
                        "which cannot be brought together without an intercept; keep one, or "
                        "write the numbers into the formula, as in I((x - 3) / 2)"
                    )
                if weight:
                    matrix[at[parts], j] += weight
        return matrix


def _level_places(variable: Variable, mine: Categories, both: Categories) -> Ints:
    at = places(mine.labels, both.labels)
    if getattr(variable, "function", "") == "C":  # a level written, not seen, may be of other type
        levels = mine.labels.tolist()
        for i in np.flatnonzero(at < 0).tolist():
            label = both.labels.tolist()[i]
            same = [k for k, v in enumerate(levels) if same_level(label, v) or str(v) == str(label)]
            at[i] = same[0] if same else -1
    return at


def _refuse_inside(roles: Roles, changed: set[Call]) -> None:
    """Functions that learned within other functions cannot be learned anew without the rows."""
    for node in (roles.outcome, *roles.offsets, *roles.variables):
        within = [c for c in calls_in(node) if c in changed]
        if within and (node not in roles.variables or within[0] != node):
            raise DataError(
                f"{within[0]} in {node} learned other values from each of the two sets of rows, "
                "and the sums cannot be computed anew without the rows; write the numbers into "
                "the formula, as in I((x - 3) / 2)"
            )


def _between(parts: Sequence[_Expressed]) -> Shifts:
    """What both sides take off: the weighted means of what each does."""
    sizes = np.array([float(p.products.blocks[0].weight.sum()) for p in parts])
    share = sizes / sizes.sum()
    x = sum(s * _mean(p.products.shift, p.x) for s, p in zip(share, parts, strict=True))
    y = float(sum(s * p.products.center for s, p in zip(share, parts, strict=True)))
    z = tuple(
        np.asarray(
            sum(
                s * _mean(p.products.blocks[t].shift, p.z[t])
                for s, p in zip(share, parts, strict=True)
            )
        )
        for t in range(len(parts[0].z))
    )
    with_intercept = parts[0].products.coefficients[:1] == ("Intercept",)
    blocks = parts[0].products.blocks
    taken = (b.effects[:1] == ("Intercept",) and b.correlated for b in blocks)
    return Shifts(
        np.asarray(x) * with_intercept,
        y * with_intercept,
        tuple(v * t for v, t in zip(z, taken, strict=True)),
    )


def _mean(shift: Floats, change: Floats) -> Floats:
    """About the means of columns of both sides, from those of one; 0 for the intercept."""
    mean = shift @ change + (change[0] if len(change) else 0.0)
    mean[:1] = 0.0
    return np.asarray(mean)


def _moved(part: _Expressed, to: Shifts) -> CrossProducts:
    """The cross-products of one side in the columns of both, less what both take off.

    Taking another constant off a column adds a multiple of the intercept to it, so both are one
    linear map of ``[X y]`` and one of each Z: products are W' P W, and what lies within groups,
    where an intercept is 0, is not changed by it. Without an intercept nothing is taken off.
    """
    s, p = part.products, part.x.shape[1]
    whole = np.zeros((len(part.x) + 1, p + 1))
    whole[:-1, :-1], whole[-1, -1] = part.x, 1.0
    if s.coefficients[:1] == ("Intercept",):
        whole[0] += np.append(s.shift @ part.x - to.x, s.center - to.y)
    z = [change.copy() for change in part.z]
    for b, change, shift in zip(s.blocks, z, to.z, strict=True):
        if b.effects[:1] == ("Intercept",):
            change[0] += b.shift @ change - shift
    products = whole.T @ s.whole @ whole
    each = zip(s.blocks, z, to.z, strict=True)
    return replace(
        s,
        shift=to.x,
        center=to.y,
        xtx=products[:-1, :-1],
        xty=products[:-1, -1],
        yty=float(products[-1, -1]),
        blocks=tuple(_moved_block(b, change, shift, whole) for b, change, shift in each),
        crossings=tuple(
            replace(c, products=z[c.first].T @ c.products @ z[c.second]) for c in s.crossings
        ),
    )


def _moved_block(b: Block, change: Floats, shift: Floats, whole: Floats) -> Block:
    with_y = np.concatenate([b.ztx, b.zty[:, :, None]], axis=2)
    products = change.T @ with_y @ whole
    x = whole[:-1, :-1]
    used = x != 0
    return replace(
        b,
        shift=shift,
        ztz=change.T @ b.ztz @ change,
        ztx=products[:, :, :-1],
        zty=products[:, :, -1],
        x_mean=b.x_mean @ x,
        constant=np.array([b.constant[used[:, j]].all() for j in range(x.shape[1])], dtype=bool),
        within=None if b.within is None else np.asarray(whole.T @ b.within @ whole),
    )


# sums -----------------------------------------------------------------------------------------


def _added(
    design: Design, shifts: Shifts, sides: Sequence[CrossProducts], at: Sequence[Sequence[Ints]]
) -> CrossProducts:
    first, second = sides
    return replace(
        first,
        coefficients=design.coefficients,
        shift=shifts.x,
        center=shifts.y,
        xtx=first.xtx + second.xtx,
        xty=first.xty + second.xty,
        yty=first.yty + second.yty,
        blocks=tuple(
            _added_blocks([s.blocks[t] for s in sides], at[t], e.factor, e.names)
            for t, e in enumerate(design.effects)
        ),
        crossings=tuple(
            _added_crossings([s.crossings[i] for s in sides], at, design)
            for i in range(len(first.crossings))
        ),
        log_weight=first.log_weight + second.log_weight,
        n_rows=first.n_rows + second.n_rows,
        n_dropped=first.n_dropped + second.n_dropped,
        n_used=first.n_used + second.n_used,
    )


def _added_blocks(
    sides: Sequence[Block], at: Sequence[Ints], factor: Factor, names: tuple[str, ...]
) -> Block:
    size = len(factor.keys)

    def summed(name: str) -> AnyArray:
        values = [getattr(b, name) for b in sides]
        out = np.zeros((size, *values[0].shape[1:]), dtype=values[0].dtype)
        for value, where in zip(values, at, strict=True):
            out[where] += value
        return out

    with_y = all(b.within is not None for b in sides)
    own = [np.column_stack([b.x_mean, b.y_mean]) if with_y else b.x_mean for b in sides]
    weights, means = np.zeros((2, size, 1)), np.zeros((2, size, own[0].shape[1]))
    for i, (b, where) in enumerate(zip(sides, at, strict=True)):
        weights[i, where, 0], means[i, where] = b.weight, own[i]
    both, p = merged_means((weights[0], weights[1]), (means[0], means[1])), sides[0].x_mean.shape[1]
    scale = np.abs(sides[0].shift).max(initial=0.0)
    rounding = 64 * np.finfo(float).eps * (np.abs(means[:, :, :p]).max(axis=(0, 1)) + scale)
    same = (np.abs(both.gap[:, :p]) <= rounding).all(axis=0)
    added = replace(
        sides[0],
        labels=factor.labels,
        effects=names,
        n=summed("n"),
        ztz=summed("ztz"),
        ztx=summed("ztx"),
        zty=summed("zty"),
        weight=summed("weight"),
        x_mean=both.mean[:, :p],
        constant=sides[0].constant & sides[1].constant & same,
    )
    if sides[0].within is None or sides[1].within is None:
        return added
    between = (both.gap * both.harmonic).T @ both.gap
    within = sides[0].within + sides[1].within + between
    return replace(added, within=without_constant(within, added))


def _added_crossings(
    sides: Sequence[Crossing], at: Sequence[Sequence[Ints]], design: Design
) -> Crossing:
    first, second = sides[0].first, sides[0].second
    size = len(design.effects[second].factor.keys)
    keys = [at[first][i][c.i] * size + at[second][i][c.k] for i, c in enumerate(sides)]
    every = np.union1d(*keys)
    products = np.zeros((len(every), *sides[0].products.shape[1:]))
    for key, c in zip(keys, sides, strict=True):
        products[np.searchsorted(every, key)] += c.products
    i, k = np.divmod(every, size)
    return Crossing(first, second, i, k, products)
