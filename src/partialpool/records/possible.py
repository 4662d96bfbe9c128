"""Whether statistics are those that some rows can give; files of others are refused.

What is checked: types, labels that occur once, counts of rows that agree everywhere, sums of
squares that are not negative, cross-products that are positive semidefinite in all and within
groups, and sums over groups and pairs of groups that are those of all rows. What rows with other
values could have given (another mean, say) cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.design.labels import missing
from partialpool.design.row_values import CONSTANT
from partialpool.design.rules import LARGEST_VALUE
from partialpool.formula import Roles
from partialpool.records.count_table import CountTable
from partialpool.records.counts import CountStatistics
from partialpool.records.cross_products import Block, Crossing, CrossProducts
from partialpool.records.measurements import GroupStatistics
from partialpool.records.mixed_statistics import MixedStatistics

ROUNDING = 1e-6
"""Share of a sum that rounding may cost: sums about a centre lose eight digits where groups lie
10,000 sds apart, and sums of several files are moved to one centre."""
WHOLE = {"n_rows", "n_dropped", "n_used", "records"}
NUMBERS = {"center", "yty", "log_weight"}
TEXTS = {"factor", "outcome", "formula", "model", "size_name"}
TRUTHS = {"labels_from_text", "sigma_known"}


def has_types(facts: Mapping[str, Any]) -> bool:
    """Whether the facts of a file are of the types that they should be."""
    for name, value in facts.items():
        if name in WHOLE and not (_is_whole(value) and value >= 0):
            return False
        if name in NUMBERS and not (_is_number(value) and abs(value) <= LARGEST_VALUE**2):
            return False
        if name in TEXTS and not isinstance(value, str):
            return False
        if name in TRUTHS and not isinstance(value, bool):
            return False
        if name in ("family", "population") and not (value is None or isinstance(value, str)):
            return False
        if name == "withheld" and not (
            isinstance(value, list)
            and len(value) == 2
            and all(_is_whole(v) and v >= 0 for v in value)
            and value[1] >= value[0]
        ):
            return False
    return True


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def is_possible(statistics: Any, roles: Roles) -> bool:
    """Whether rows can have given these statistics for this formula."""
    if isinstance(statistics, MixedStatistics) and roles.family is None:
        return _mixed(statistics, roles)
    if isinstance(statistics, CountTable) and roles.family is not None:
        return _table(statistics)
    if isinstance(statistics, GroupStatistics) and roles.one_way and roles.family is None:
        return _measurements(statistics, roles)
    if isinstance(statistics, CountStatistics) and roles.one_way and roles.family is not None:
        return _counts(statistics, roles)
    return False


def _once(*labels: AnyArray) -> bool:
    """Whether no label is there twice or missing."""
    items = [v for each in labels for v in each.tolist()]
    return len(set(items)) == len(items) and not any(missing(each).any() for each in labels)


def _rows_agree(statistics: Any, used: float) -> bool:
    """Whether the rows received are those used, left out and withheld."""
    return bool(statistics.n_rows == used + statistics.n_dropped + statistics.withheld[1])


def _is_close(a: Any, b: Any, scale: Any) -> bool:
    return bool((np.abs(np.asarray(a) - b) <= ROUNDING * np.asarray(scale)).all())


def _whole_numbers(*values: AnyArray) -> bool:
    return all(bool((v == np.rint(v)).all()) for v in values)


# one factor, no predictors ------------------------------------------------------------------------


def _measurements(s: GroupStatistics, roles: Roles) -> bool:
    weighted = roles.se is not None or roles.weights is not None
    summaries = roles.count is not None
    names = s.factor == roles.group.name and s.outcome == roles.outcome_column.name
    rows = _rows_agree(s, s.n_used) or (summaries and s.n_rows <= s.n_used + s.n_dropped
                                        + s.withheld[1])  # fmt: skip
    sizes = s.n_groups >= 1 and bool((s.n >= 1).all() and (s.weight > 0).all())
    values = bool((np.abs(s.mean) + abs(s.center) <= 2 * LARGEST_VALUE).all() and (s.ss >= 0).all())
    if not (names and rows and sizes and values and _once(s.labels, s.absent)):
        return False
    spread = (s.mean + s.center) ** 2 * s.weight + s.ss.sum()
    single = s.n == 1
    if not _is_close(s.ss[single], 0.0, spread[single]):
        return False
    if s.sigma_known != (roles.se is not None):
        return False
    if not weighted:
        return bool((s.weight == s.n).all() and (s.log_weight == 0).all())
    most = s.n * np.log(s.weight / s.n)  # the mean of logarithms is at most that of the mean
    enough = s.log_weight <= most + ROUNDING * (1 + np.abs(most))
    return bool(enough.all()) and _is_close(
        s.log_weight[single], most[single], 1 + np.abs(most[single])
    )


def _counts(s: CountStatistics, roles: Roles) -> bool:
    names = s.factor == roles.group.name and s.outcome == roles.outcome_column.name
    if not (names and s.family == roles.family and _rows_agree(s, s.n_used)):
        return False
    numbers = (s.n, s.y, s.size, s.square)
    known = s.n_groups >= 1 and bool((s.n >= 1).all()) and all((v >= 0).all() for v in numbers)
    if not (known and _once(s.labels, s.absent) and _whole_numbers(s.y)):
        return False
    if roles.size is None and not (s.size == s.n).all():
        return False
    if not (_events_fit(s.y, s.size, s.proportion) and _zeros_fit(s)):
        return False
    exposed = s.size > 0
    least = s.y[exposed] ** 2 / s.size[exposed]  # by Cauchy and Schwarz
    if not (s.square[exposed] >= least * (1 - ROUNDING)).all() or s.square[~exposed].any():
        return False
    if s.proportion and not (s.square <= s.y * (1 + ROUNDING)).all():
        return False
    return _constants_fit(s.log_constants, s.n, s.y, s.size, s.proportion)


def _zeros_fit(s: CountStatistics) -> bool:
    """Whether rows without an event are as many as events leave; they may be unknown."""
    if np.isnan(s.zeros).all():
        return True
    most = np.where(s.y > 0, s.n - 1, s.n)
    fewest = np.where(s.size == s.n, s.n - s.y, 0.0)  # each event takes one row at most
    counted = bool(((s.zeros >= fewest) & (s.zeros <= most)).all()) and _whole_numbers(s.zeros)
    if np.isnan(s.reciprocal).all():
        return counted
    # the mean of 1 / size is at least 1 / mean of the rows that have any
    return counted and bool((s.reciprocal >= 0).all() and np.isfinite(s.reciprocal).all())


def _events_fit(y: Floats, size: Floats, proportion: bool) -> bool:
    if proportion:
        return bool((y <= size).all()) and _whole_numbers(size)
    return not (y[size == 0] > 0).any()


def _constants_fit(
    constants: Floats, n: AnyArray, y: Floats, size: Floats, proportion: bool
) -> bool:
    """Whether logarithms of coefficients are those of such rows.

    Of trials, those of several rows are at most that of one row with all of them; of one row it is
    known.
    """
    single = n == 1
    one = CONSTANT[proportion].array(y, size)
    scale = 1 + np.abs(one)
    if not _is_close(constants[single], one[single], scale[single]):
        return False
    if proportion:
        return bool(((constants >= -ROUNDING) & (constants <= one + ROUNDING * scale)).all())
    most = np.where(size > 0, y * np.log(np.maximum(size, 1e-300)), 0.0)
    return bool((constants <= most + ROUNDING * (1 + np.abs(most))).all())


# rows of counts that differ -----------------------------------------------------------------------


def _table(s: CountTable) -> bool:
    n = s.count
    if not (len(n) and _whole_numbers(n) and (n >= 1).all() and _rows_agree(s, float(n.sum()))):
        return False
    if not all(_once(v) for v in s.labels.values()):
        return False
    coded = {name.name for name in (*s.roles.factors, *s.roles.categories)}
    plain = {name.name for name in s.roles.plain}
    if not (coded <= set(s.data.codes) and s.texts <= plain & set(s.data.codes)):
        return False
    if not all(np.isfinite(v).all() for v in (*s.data.numbers.values(), s.y, s.size)):
        return False
    if not ((s.y >= 0).all() and (s.size >= 0).all() and _whole_numbers(s.y)):
        return False
    if s.roles.size is None and not (s.size == n).all():
        return False
    fits = _events_fit(s.y, s.size, s.proportion)
    return fits and _constants_fit(s.log_constants, n, s.y, s.size, s.proportion)


# regressions --------------------------------------------------------------------------------------


def _mixed(s: MixedStatistics, roles: Roles) -> bool:
    p = s.products
    if not (p.n_used >= 1 and p.n_used == p.n_rows - p.n_dropped - s.withheld[1]):
        return False
    if p.sigma_known != (roles.se is not None):
        return False
    labels = [s.labels[n] for n in s.labels]
    if not all(_once(v) for v in labels):
        return False
    for c in s.design.categories.values():
        if not (_once(c.labels) and (c.n >= 0).all() and c.n.sum() == _rows_used(p, roles)):
            return False
    plain = not (roles.se or roles.weights or roles.count)
    if plain and p.log_weight != 0:
        return False
    if not all(np.isfinite(v).all() for v in (p.shift, p.whole)):
        return False
    whole = p.whole
    if not (_is_semidefinite(whole, np.diag(whole)) and _moments(s)):
        return False
    blocks = all(_block(p, b, whole, plain) for b in p.blocks)
    return blocks and all(_crossing(p, c) for c in p.crossings)


def _rows_used(p: CrossProducts, roles: Roles) -> int:
    """Rows that have a level: of summaries each row stands for several."""
    return int(p.blocks[0].n.sum()) if roles.count is not None else p.n_used


def _is_semidefinite(sums: Floats, scale: Floats) -> bool:
    """Whether cross-products are symmetric and no combination has a negative sum of squares."""
    if not np.isfinite(sums).all() or (np.diagonal(sums, 0, -2, -1) < -ROUNDING * scale).any():
        return False
    sd = np.sqrt(np.maximum(scale, np.finfo(float).tiny))
    scaled = sums / (sd[..., :, None] * sd[..., None, :])
    if not (np.abs(scaled - np.swapaxes(scaled, -1, -2)) <= ROUNDING).all():
        return False
    return bool((np.linalg.eigvalsh(scaled) >= -ROUNDING * scaled.shape[-1]).all())


def _moments(s: MixedStatistics) -> bool:
    for m in s.moments.values():
        numbers = [m.n, m.mean, m.square, m.low, m.high]
        if not all(map(_is_number, numbers)) or m.n < 1 or not m.low <= m.high:
            return False
        span = abs(m.low) + abs(m.high)
        if not m.low - ROUNDING * span <= m.mean <= m.high + ROUNDING * span or m.square < 0:
            return False
        if m.square > m.n * (m.high - m.low) ** 2 / 4 * (1 + ROUNDING):
            return False
        if m.gram is not None and not _is_semidefinite(m.gram, np.diag(m.gram)):
            return False
    return True


def _block(p: CrossProducts, b: Block, whole: Floats, plain: bool) -> bool:
    """Sums of each group: semidefinite, and together those of all rows."""
    arrays = (b.shift, b.ztz, b.ztx, b.zty, b.weight, b.x_mean)
    if not all(np.isfinite(v).all() for v in arrays) or (b.n < 1).any() or (b.weight <= 0).any():
        return False
    if len(b.constant) != len(p.coefficients) or len(b.shift) != len(b.effects):
        return False
    if plain and not (b.weight == b.n).all():
        return False
    if not _once(b.labels) or b.n.sum() < p.n_used or (plain and b.n.sum() != p.n_used):
        return False
    own = np.diagonal(b.ztz, 0, -2, -1)
    if not _is_semidefinite(b.ztz, np.maximum(own, ROUNDING * own.max(axis=-1, keepdims=True))):
        return False
    sums = np.concatenate([b.ztx, b.zty[:, :, None]], axis=2)
    explained = np.swapaxes(sums, 1, 2) @ np.linalg.pinv(b.ztz, rcond=1e-9, hermitian=True) @ sums
    if not _is_semidefinite(whole - explained.sum(axis=0), np.diag(whole)):
        return False
    if b.effects[:1] != ("Intercept",):
        return b.within is None
    return _intercepts(p, b, whole, sums)


def _intercepts(p: CrossProducts, b: Block, whole: Floats, sums: Floats) -> bool:
    """Sums of a term with an intercept: of group means, and what lies within groups."""
    size = np.sqrt(np.diag(whole))
    if not _is_close(b.ztz[:, 0, 0], b.weight, b.weight):
        return False
    at_mean = b.x_mean * b.weight[:, None]
    if not _is_close(sums[:, 0, :-1], at_mean, size[:-1] * np.sqrt(b.weight.sum())):
        return False
    if p.coefficients[:1] == ("Intercept",):
        total = b.weight.sum()
        if not _is_close(whole[0, 0], total, total):
            return False
        if not _is_close(sums[:, 0].sum(axis=0), whole[0], size * np.sqrt(total)):
            return False
    if b.within is None:
        return False
    between = np.swapaxes(sums[:, :1], 1, 2) @ sums[:, :1] / b.weight[:, None, None]
    rest = whole - between.sum(axis=0)
    rest[:-1][b.constant] = 0.0
    rest[:, :-1][:, b.constant] = 0.0
    if not _is_close(b.within, rest, size[:, None] * size):
        return False
    return _is_semidefinite(b.within, np.diag(whole))


def _crossing(p: CrossProducts, c: Crossing) -> bool:
    """Pairs of groups: each once, and their sums those of the groups."""
    first, second = p.blocks[c.first], p.blocks[c.second]
    if not np.isfinite(c.products).all() or not len(c.i):
        return False
    inside = (c.i >= 0) & (c.i < len(first.n)) & (c.k >= 0) & (c.k < len(second.n))
    if not inside.all() or len(np.unique(c.i * len(second.n) + c.k)) < len(c.i):
        return False
    for b, at, other, products in (
        (first, c.i, second, c.products),
        (second, c.k, first, np.swapaxes(c.products, 1, 2)),
    ):
        if other.effects[:1] != ("Intercept",) or b.effects[:1] != ("Intercept",):
            continue
        sums = np.zeros((len(b.n), len(b.effects)))
        np.add.at(sums, at, products[:, :, 0])
        scale = np.sqrt(b.weight[:, None] * np.diagonal(b.ztz, 0, 1, 2))
        if not _is_close(sums, b.ztz[:, :, 0], scale + ROUNDING):
            return False
    return True
