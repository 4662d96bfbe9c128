"""What to say about a design: reference levels, how factors lie to each other, slopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from partialpool._typing import AnyArray
from partialpool.data.cross_products import Block, CrossProducts
from partialpool.data.design import Design
from partialpool.data.labels import shown
from partialpool.notices import Notice


def notices(
    design: Design, statistics: CrossProducts, absent: Mapping[str, AnyArray]
) -> Iterator[Notice]:
    """Yield what the user should know about coding and groups.

    `absent` holds the labels without a complete row of each column.
    """
    yield from _absent_groups(design, absent)
    yield from _factors(design, statistics)
    yield from _reused_labels(design)
    for block in statistics.blocks:
        yield from _slopes(block)
    yield from _references(design)
    yield from _split(design)


def withheld(groups: int, rows: int) -> Iterator[Notice]:
    """A warning if statistics were saved without their small groups."""
    if groups:
        yield Notice(
            "groups_withheld",
            "warning",
            "Small groups were left out of the statistics when they were saved: "
            f"{groups:,} with {rows:,} rows in all. If small groups differ from large ones, the "
            "result is biased.",
        )


def _references(design: Design) -> Iterator[Notice]:
    """Say the first level of each category that is coded by differences from it."""
    columns = [*design.columns, *(c for e in design.effects for c in e.columns)]
    for variable, categories in design.categories.items():
        levels: dict[frozenset[object], set[int]] = {}  # of this variable, in each kind of product
        for column in columns:
            kind = frozenset(p.variable for p in column.parts)
            own = (p.index for p in column.parts if p.variable == variable)
            levels.setdefault(kind, set()).update(own)
        if any(used and 0 not in used for used in levels.values()):
            yield Notice(
                "reference_level",
                "info",
                f"The coefficients of {variable} are differences from its first level, "
                f"{shown(categories.labels[:1].tolist())}; C() sets another order.",
            )


def _split(design: Design) -> Iterator[Notice]:
    for effects in design.effects:
        many = [c.name for c in effects.columns if any(p.variable in design.categories
                                                       for p in c.parts)]  # fmt: skip
        if not effects.correlated and many:
            yield Notice(
                "independent_levels",
                "info",
                f"In the independent effects (||) of {effects.factor.name}, each level of a "
                f"category varies by itself: {shown(many)}.",
            )


def _absent_groups(design: Design, absent: Mapping[str, AnyArray]) -> Iterator[Notice]:
    for name in dict.fromkeys(n for e in design.effects for n in e.factor.columns):
        gone = absent[name]
        if len(gone):
            what = "1 group" if len(gone) == 1 else f"{len(gone):,} groups"
            yield Notice(
                "groups_without_rows",
                "warning",
                f"{what} of {name} without a complete row "
                f"{'is' if len(gone) == 1 else 'are'} not in the result: "
                f"{shown(gone.tolist())}.",
            )


def _factors(design: Design, statistics: CrossProducts) -> Iterator[Notice]:
    """Two factors of one column each: one nested in the other by its labels, or crossed."""
    single = [len(e.factor.columns) == 1 for e in design.effects]
    pairs = {(c.first, c.second): c for c in statistics.crossings}
    for first, second in combinations(range(len(single)), 2):
        a, b = statistics.blocks[first], statistics.blocks[second]
        if a.factor == b.factor or not (single[first] and single[second]):
            continue
        shared = len(pairs[first, second].i)
        outer, inner = (a, b) if len(a.labels) <= len(b.labels) else (b, a)
        if shared == len(inner.labels) == len(outer.labels):
            yield Notice(
                "factors_alike",
                "warning",
                f"{a.factor} and {b.factor} divide the rows into the same groups, so the data "
                "cannot tell their spreads apart: leave one out.",
            )
        elif shared == len(inner.labels):
            yield Notice(
                "factors_nested",
                "info",
                f"Each {inner.factor} lies in one {outer.factor} only, so {inner.factor} is taken "
                f"as nested in {outer.factor}.",
            )
        else:
            yield Notice(
                "factors_crossed",
                "info",
                f"{outer.factor} and {inner.factor} are taken as crossed: the same label of "
                f"{inner.factor} is the same one in every {outer.factor} ({shared:,} pairs). If "
                f"labels start anew in each {outer.factor}, write "
                f"(1 | {outer.factor}/{inner.factor}).",
            )


def _reused_labels(design: Design) -> Iterator[Notice]:
    """Say that labels of a nested factor start anew in each group of the outer one."""
    for factor in {e.factor.name: e.factor for e in design.effects}.values():
        *outer, inner = factor.columns
        labels = len(np.unique(factor.keys % len(factor.levels[-1])))
        if outer and labels < len(factor.labels):
            yield Notice(
                "labels_start_anew",
                "info",
                f"The {labels:,} labels of {inner} occur in several groups of {':'.join(outer)}: "
                f"the same label there is another group, so that {factor.name} has "
                f"{len(factor.labels):,}.",
            )


def _slopes(block: Block) -> Iterator[Notice]:
    """Slopes of a predictor that has one value in each group."""
    if block.effects[:1] != ("Intercept",):
        return
    between = block.ztz[:, 0, :] ** 2 / block.weight[:, None]
    square = np.diagonal(block.ztz, axis1=1, axis2=2)
    within = (square - between).sum(axis=0)
    flat = within <= 1e-12 * square.sum(axis=0)
    names = [n for n, f in zip(block.effects[1:], flat[1:], strict=True) if f]
    if names:
        yield Notice(
            "slope_without_variation",
            "warning",
            f"{shown(names)} has one value in each {block.factor}: the data cannot tell a slope "
            f"that varies by {block.factor} from an intercept that does. Leave it out of the "
            f"term of {block.factor}.",
        )
