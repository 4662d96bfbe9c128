"""What is known of rows before a design: how many are used, labels and combinations of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.design.design import mixed_radix
from partialpool.design.labels import shown
from partialpool.design.row_values import Condition, conditions, filled, replaced
from partialpool.design.rules import no_rows, nothing_left
from partialpool.design.source import Chunk, MemorySource
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.formula.tree import GroupTerm


@dataclass(frozen=True, slots=True, eq=False)
class CodedRows:
    """Labels of the rows, and how many of the rows that miss nothing have each.

    Parameters
    ----------
    roles : Roles
        Which column plays which part.
    labels : mapping
        Distinct labels of each column of groups or categories, sorted.
    texts : frozenset of str
        Predictors that are categories because of what they hold.
    n_rows, n_used : int
        Rows, and rows that miss nothing.
    counts : mapping
        Used rows of each label of each column of labels.
    keys : tuple of ndarray
        For each group term, the combinations of labels that occur among the used rows.
    """

    roles: Roles
    labels: Mapping[str, AnyArray]
    texts: frozenset[str]
    n_rows: int
    n_used: int
    counts: Mapping[str, Ints]
    keys: tuple[Ints, ...]

    @property
    def absent(self) -> dict[str, AnyArray]:
        """Labels of each column of groups of which no row could be used."""
        names = (n.name for n in self.roles.factors)
        return {n: self.labels[n][self.counts[n] == 0] for n in names}


@dataclass(frozen=True, slots=True, eq=False)
class Usable:
    """The rows of a source that miss nothing, and what is known of them."""

    source: MemorySource
    coded: CodedRows

    def chunks(self) -> Iterator[Chunk]:
        """Go through the used rows once."""
        return used_rows(self.source.chunks(), self.coded.roles)

    def together(self) -> Chunk:
        """The used rows in one part."""
        if self.coded.n_used == self.coded.n_rows:
            return _filled(self.source.data, self.coded.roles)
        return next(used_rows([self.source.data], self.coded.roles))

    @property
    def used_by_group(self) -> Ints:
        """How many rows of each label of the first grouping column are used."""
        return self.coded.counts[self.coded.roles.group.name]


def used_rows(chunks: Iterable[Chunk], roles: Roles) -> Iterator[Chunk]:
    """Go through the rows that miss nothing; the sd of a summary of one row is not missing."""
    for chunk in chunks:
        ready = _filled(chunk, roles)
        keep = ready.whole()
        yield ready if keep.all() else ready.part(keep)


def _filled(chunk: Chunk, roles: Roles) -> Chunk:
    return replace(chunk, numbers=filled(roles, chunk.numbers)) if replaced(roles) else chunk


def code_rows(source: MemorySource, roles: Roles) -> Usable:
    """Check every value of the rows, and count labels and combinations of them.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite or not allowed in its role; the message
        says which rows.
    """
    total, used = len(source.data), 0
    counts = {name: np.zeros(len(v), dtype=np.intp) for name, v in source.labels.items()}
    keys: list[list[Ints]] = [[] for _ in roles.groups]
    checks = conditions(roles, source.texts)
    for chunk in used_rows(source.chunks(), roles):
        used += len(chunk)
        for condition in checks:
            if condition.broken(chunk.numbers).any():
                raise _explained(source, roles, condition)
        for name, codes in chunk.codes.items():
            counts[name] += np.bincount(codes, minlength=len(counts[name]))
        for key_parts, term in zip(keys, roles.groups, strict=True):
            if len(term.factor) > 1:
                key_parts.append(keys_of(chunk, term, source.labels))
    if used == 0:
        raise no_rows(total, roles)
    distinct = tuple(
        np.unique(np.concatenate(parts)) if parts else np.flatnonzero(counts[t.factor[0].name])
        for parts, t in zip(keys, roles.groups, strict=True)
    )
    known = CodedRows(roles, source.labels, source.texts, total, used, counts, distinct)
    return Usable(source, known)


def _explained(source: MemorySource, roles: Roles, condition: Condition) -> DataError:
    """The error that names the first rows that break a condition."""
    name = condition.columns[0]
    rows, values, labels = find(
        source, roles, lambda c: condition.broken(c.numbers), lambda c: c.numbers[name]
    )
    return condition.rule.broken(name, *first_of(rows, values, labels))


def first_of(
    rows: Ints | None, values: Floats, labels: AnyArray
) -> tuple[list[float], list[int] | None, int, str]:
    """The first values, numbers of their rows, how many there are, and their groups."""
    at = None if rows is None else (rows[:5] + 1).tolist()
    return values[:5].tolist(), at, len(values), shown(labels[:5])


def find(
    source: MemorySource,
    roles: Roles,
    bad: Callable[[Chunk], Bools],
    value: Callable[[Chunk], Floats],
) -> tuple[Ints | None, Floats, AnyArray]:
    """Positions of bad rows where they are known, a value of each, the labels of their groups."""
    group = roles.factors[0].name
    bad_rows = []
    for chunk in used_rows(source.chunks(), roles):
        part = chunk.part(bad(chunk))
        at = np.zeros(0, dtype=np.intp) if part.rows is None else part.rows
        bad_rows.append((at, value(part), source.labels[group][part.codes[group]]))
    rows, values, labels = (np.concatenate(v) for v in zip(*bad_rows, strict=True))
    return (rows if len(rows) == len(values) else None), values, labels


def cell_columns(roles: Roles, labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Columns whose combinations must not be small: of each group term, and each category."""
    names = [tuple(n.name for n in term.factor) for term in roles.groups]
    factors = {n.name for n in roles.factors}
    return list(dict.fromkeys([*names, *((n,) for n in labels if n not in factors)]))


def without_small(rows: Usable, least: int) -> tuple[Usable, tuple[int, int]]:
    """Leave out the rows of groups and levels that have too few, until none has.

    Returns
    -------
    Usable
        The rows that are left; labels of others are not known any more.
    tuple of int
        Groups and levels, and rows, that were left out.

    Raises
    ------
    DataError
        If no row is left.
    """
    known, labels, chunk = rows.coded, rows.source.labels, rows.together()
    cells = [
        np.unique(mixed_radix([chunk.codes[n] for n in c], [len(labels[n]) for n in c])[0],
                  return_inverse=True)[1]
        for c in cell_columns(known.roles, labels)
    ]  # fmt: skip
    keep = np.ones(len(chunk), dtype=bool)
    while True:
        enough = [np.bincount(c, keep, minlength=1 + c.max())[c] >= least for c in cells]
        fewer = keep & np.all(enough, axis=0)
        if fewer.sum() == keep.sum():
            break
        keep = fewer
    if not keep.any():
        raise nothing_left(least)
    gone = sum(int(c.max()) + 1 - len(np.unique(c[keep])) for c in cells)
    left = chunk.part(keep)
    here = {n: np.unique(c, return_inverse=True) for n, c in left.codes.items()}
    source = MemorySource(
        {n: labels[n][codes] for n, (codes, _) in here.items()},
        rows.source.texts,
        replace(left, codes={n: codes for n, (_, codes) in here.items()}),
    )
    return code_rows(source, known.roles), (gone, len(chunk) - int(keep.sum()))


def keys_of(chunk: Chunk, term: GroupTerm, labels: Mapping[str, AnyArray]) -> Ints:
    """The combinations of labels of a group term that occur in some rows."""
    names = [n.name for n in term.factor]
    sizes = [len(labels[n]) for n in names]
    key, _ = mixed_radix([chunk.codes[n] for n in names], sizes)
    if len(names) == 1:
        return np.flatnonzero(np.bincount(key, minlength=sizes[0]))
    return np.unique(key)
