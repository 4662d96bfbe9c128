"""What to say about a design: reference levels, how factors lie to each other, slopes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design import labels as lab
from partialpool.design.coded_rows import Usable
from partialpool.design.design import Design
from partialpool.design.encode import numbers_and_words
from partialpool.design.labels import quoted, shown
from partialpool.design.row_values import replaced
from partialpool.notices import Notice
from partialpool.records.cross_products import Block, Crossing, CrossProducts


def notices(
    design: Design, statistics: CrossProducts, absent: Mapping[str, AnyArray]
) -> Iterator[Notice]:
    """Yield what the user should know about coding and groups.

    `absent` holds the labels without a complete row of each column.
    """
    yield from _absent_groups(design, absent)
    yield from _labels(design)
    yield from _factors(design, statistics)
    yield from _reused_labels(design)
    for block in {b.factor: b for b in reversed(statistics.blocks)}.values():
        yield from summary_rows(block.factor, block.labels, block.n)
    for block in statistics.blocks:
        yield from _slopes(block)
    yield from _references(design)
    yield from _numbers_among_words(design)
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


def _labels(design: Design) -> Iterator[Notice]:
    factors = [e.factor for e in design.effects]
    columns = {n: v for f in factors for n, v in zip(f.columns, f.levels, strict=True)}
    columns |= {str(v): c.labels for v, c in design.categories.items()}
    for name, labels in columns.items():
        yield from of_labels(name, labels)


def of_labels(name: str, labels: AnyArray) -> Iterator[Notice]:
    """What is odd about the labels of a column."""
    yield from alike_labels(name, labels)
    odd = lab.for_missing(labels)
    if odd:
        listed = " and ".join(map(lab.quoted, odd))
        yield Notice(
            "labels_for_missing",
            "info",
            f"{listed} {'is a label' if len(odd) == 1 else 'are labels'} of {name} here: if a "
            "value was missing there, leave these rows out (--na WORD), or make them missing.",
        )


def alike_labels(name: str, labels: AnyArray) -> Iterator[Notice]:
    """A warning of labels of a column that differ only in white space, capitals or spelling."""
    alike = lab.alike(labels)
    if not alike:
        return
    listed = "; ".join(" and ".join(map(lab.quoted, each)) for each in alike[:3])
    more = f", and {len(alike) - 3:,} more" if len(alike) > 3 else ""
    yield Notice(
        "labels_alike",
        "warning",
        f"Labels of {name} differ only in spaces, capitals or the way a letter is coded: "
        f'{listed}{more}. They are taken as different; labels="fold" (--labels fold) merges '
        "them.",
    )


TOTALS = (
    "total", "totals", "grand total", "subtotal", "sum", "mean", "average", "avg", "overall", "all",
    "gesamt", "summe", "mittelwert", "durchschnitt", "moyenne", "somme", "media", "totale",
)  # fmt: skip
"""Labels of a row that sums up the others, in some languages."""


def summary_rows(name: str, labels: AnyArray, n: Ints) -> Iterator[Notice]:
    """A warning of a group of one row that is called Total or the like, beside larger ones."""
    if len(n) < 3 or float(np.median(n)) < 2:
        return
    for place in np.flatnonzero(n == 1).tolist():
        label = labels[place]
        if isinstance(label, str) and lab.folded(label) in TOTALS:
            yield Notice(
                "summary_row",
                "warning",
                f'"{label}" has one row and is taken as a group of {name}: if the row sums up the '
                f'others, leave it out (--na "{label}").',
            )


def dropped(
    n_dropped: int,
    n_rows: int,
    missing: Mapping[str, int] | None = None,
    unless: frozenset[str] = frozenset(),
) -> Iterator[Notice]:
    """A notice of rows with missing values; `missing` says how many each column misses.

    Columns in `unless` are no reason to leave a row out.
    """
    if not n_dropped:
        return
    verb = "rows was" if n_dropped == 1 else "rows were"
    counts = {name: n for name, n in (missing or {}).items() if n and name not in unless}
    where = (
        f" ({', '.join(f'{name}: {count:,}' for name, count in counts.items())})" if counts else ""
    )
    yield Notice(
        "rows_dropped",
        "warning" if n_dropped > 0.05 * n_rows else "info",
        f"{n_dropped:,} of {n_rows:,} {verb} left out because a value was missing{where}. "
        "If values are missing for a reason, the result is biased.",
    )


def of_missing(rows: Usable) -> Iterator[Notice]:
    """Notices of rows in memory: missing values by column, and codes for them."""
    known, chunk = rows.coded, rows.source.data
    counted = {n.name for n in known.roles.counted}
    if known.roles.one_way:  # what gives rows precision is not looked at, nor an exposure
        counted = {n.name for n in known.roles.precision} | counted
    yield from codes_for_missing({k: v for k, v in chunk.numbers.items() if k not in counted})
    if known.n_used == known.n_rows:
        return
    values = {**chunk.codes, **chunk.numbers}
    missing = {
        name: int((v < 0).sum() if name in chunk.codes else np.isnan(v).sum())
        for name, v in values.items()
    }
    unless = frozenset(replaced(known.roles))
    yield from dropped(known.n_rows - known.n_used, known.n_rows, missing, unless)


MISSING_CODES = frozenset(
    sign * value for value in (9, 99, 999, 9999, 99999, 888, 777) for sign in (-1.0, 1.0)
)
"""Numbers that often stand for a missing value: nines, eights and sevens, as surveys code
refusals."""
FAR_RANGES = 3.0
"""A code is noticed that lies this many ranges of all other values beyond them: of 1,000 normal
samples of 30 rows none has its own extreme a third as far."""


FEWEST_OTHERS = 5
"""Values that are no code, of which fewer have no range to speak of."""


def codes_for_missing(numbers: Mapping[str, Floats]) -> Iterator[Notice]:
    """A warning of columns whose extreme value is a code such as -999, far from all others."""
    for name, values in numbers.items():
        known = values[~np.isnan(values)] if np.isnan(values).any() else values
        for extreme in (known.min(), known.max()) if len(known) else ():
            if float(extreme) not in MISSING_CODES:
                continue
            others = known[known != extreme]
            if not len(others):
                continue
            times = len(known) - len(others)
            low, high = float(others.min()), float(others.max())
            yield from code_for_missing(name, float(extreme), times, len(others), low, high)


def code_for_missing(
    name: str, code: float, times: int, others: int, low: float, high: float
) -> Iterator[Notice]:
    """A warning of a code that a column holds so often, far from the range of the other values."""
    beyond = max(low - code, code - high)
    if others >= FEWEST_OTHERS and high > low and beyond > FAR_RANGES * (high - low):
        yield Notice(
            "code_for_missing",
            "warning",
            f"{name} is {code:g} in {times:,} {'row' if times == 1 else 'rows'} and from {low:g} "
            f"to {high:g} in all others: if {code:g} stands for a missing value, leave it out "
            f"(--na {code:g}).",
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


def _numbers_among_words(design: Design) -> Iterator[Notice]:
    """Say of which category some levels read as numbers: a word for a missing one may be in it."""
    for variable, categories in design.categories.items():
        numbers, words = numbers_and_words(variable, categories.labels)
        if numbers and words:
            yield Notice(
                "numbers_among_words",
                "info",
                f"{variable} holds numbers and {shown(words)}, and is taken as a category, each "
                f"value a level. A word for a missing number is left out by --na "
                f"{quoted(words[0])}; C({variable}) says that a category is meant.",
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
    crossed: list[tuple[Block, Block, int]] = []
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
            around, within = _outer_and_inner(a, b, pairs[first, second])
            crossed.append((around, within, shared))
    if crossed:
        yield _crossed(crossed)


def _crossed(pairs: list[tuple[Block, Block, int]]) -> Notice:
    """One notice of all crossed factors: the outer and the inner one, and their pairs of labels."""
    if len(pairs) == 1:
        ((outer, inner, shared),) = pairs
        what = (
            f"{outer.factor} and {inner.factor} are taken as crossed: the same label of "
            f"{inner.factor} is the same one in every {outer.factor} ({shared:,} pairs). If "
            f"labels of {inner.factor} start anew in each {outer.factor}, write"
        )
    else:
        listed = ", ".join(f"{a.factor} and {b.factor} ({n:,} pairs)" for a, b, n in pairs)
        what = (
            f"Factors are taken as crossed, the same label being the same group everywhere: "
            f"{listed}. Where labels of one start anew in each group of the other, write"
        )
    ways = dict.fromkeys(f"(1 | {a.factor}/{b.factor})" for a, b, _ in pairs)
    return Notice("factors_crossed", "info", f"{what} {' or '.join(ways)}.")


def _outer_and_inner(a: Block, b: Block, crossing: Crossing) -> tuple[Block, Block]:
    """Which of two crossed factors would be the outer one if the other's labels start anew.

    Labels that start anew are a counter (1, 2, 3, ... or A, B, ...), of which each outer group
    has the first so many; where both say as much, the factor with fewer labels is the inner one.
    """
    i, k = crossing.i, crossing.k
    b_inner = 2 * _first_of_each(k, i, len(b.labels)) + _is_counter(b.labels)
    a_inner = 2 * _first_of_each(i, k, len(a.labels)) + _is_counter(a.labels)
    if b_inner == a_inner:
        return (a, b) if len(b.labels) < len(a.labels) else (b, a)
    return (a, b) if b_inner > a_inner else (b, a)


def look_started_anew(
    first: Block, second: Block, crossing: Crossing
) -> tuple[Block, Block] | None:
    """Outer and inner one of two crossed factors if the inner one's labels look started anew.

    They do if they count, and each outer group has the first so many; None if they do not.
    """
    outer, inner = _outer_and_inner(first, second, crossing)
    mine, other = (crossing.k, crossing.i) if inner is second else (crossing.i, crossing.k)
    counts = _is_counter(inner.labels) and _first_of_each(mine, other, len(inner.labels))
    return (outer, inner) if counts and len(inner.labels) > 1 else None


def _first_of_each(inner: Ints, outer: Ints, labels: int) -> bool:
    """Whether each outer group holds the first so many labels, from the most frequent on.

    If labels count anew in each outer group, the label 1 is in all of them, 2 in all that have
    two or more, and so on: the number of labels of a group is then the rank of its rarest one.
    """
    often = np.bincount(inner, minlength=labels)
    rank = np.empty(labels, dtype=np.intp)
    rank[np.argsort(-often, kind="stable")] = np.arange(labels)
    size, last = np.bincount(outer), np.zeros(int(outer.max()) + 1, dtype=np.intp)
    np.maximum.at(last, outer, rank[inner])
    return bool((last + 1 == size)[size > 0].all())


def _is_counter(labels: AnyArray) -> bool:
    """Whether labels count from 0 or 1, or are single letters."""
    texts = [str(label) for label in labels.tolist()]
    if all(text.isdecimal() for text in texts):
        numbers = sorted(int(text) for text in texts)
        return numbers[0] in (0, 1) and numbers[-1] - numbers[0] < len(numbers)
    return all(len(text) == 1 for text in texts)


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
