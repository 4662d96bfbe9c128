"""Rows of counts added up where predictors and groups are the same: in memory, or by an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray, Floats
from partialpool.design.coded_rows import CodedRows, Usable, keys_of
from partialpool.design.design import places
from partialpool.design.labels import is_text, spelled_out
from partialpool.design.source import Chunk, MemorySource
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.records.counts import size_name
from partialpool.records.equal_rows import equal_rows
from partialpool.records.group_record import both_withheld
from partialpool.records.mixed_combine import categories_on_one_side, check_roles, union


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
        return size_name(self.roles)

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


def no_exposure(table: CountTable) -> DataError:
    """Build the error for sizes that are all 0."""
    return DataError(
        f'column "{table.size_name}" is 0 in every row: there is nothing to learn from'
    )
