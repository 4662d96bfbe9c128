"""From rows to a `Design`: levels, means and bases learned from the rows that are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.data import coding
from partialpool.data.coding import Coded, Variable
from partialpool.data.counts import event_rules
from partialpool.data.design import (
    Categories,
    Design,
    Effects,
    Factor,
    coded_name,
    column_of,
    mixed_radix,
    number_names,
    written_levels,
)
from partialpool.data.expressions import learn
from partialpool.data.labels import as_labels, shown, texts
from partialpool.data.rules import LARGEST, RULES, Rule, no_rows
from partialpool.data.source import Chunk, Source
from partialpool.errors import DataError
from partialpool.formula import Mixed
from partialpool.formula.counts import PROPORTIONS
from partialpool.formula.mixed import is_categorical
from partialpool.formula.tree import GroupTerm, Name

MOST_LEVELS = 1_000
"""A categorical predictor of more levels is refused: groups belong in a group term."""


@dataclass(frozen=True, slots=True, eq=False)
class Usable:
    """The rows of a source that miss nothing, and how many there are of each label.

    Parameters
    ----------
    source : Source
        All rows.
    roles : Mixed
        Which column plays which part.
    n_rows, n_used : int
        Rows, and rows that miss nothing.
    counts : mapping
        Used rows of each label of each column of labels.
    keys : tuple of ndarray
        For each group term, the combinations of labels that occur among the used rows.
    """

    source: Source
    roles: Mixed
    n_rows: int
    n_used: int
    counts: Mapping[str, Ints]
    keys: tuple[Ints, ...]

    def chunks(self) -> Iterator[Chunk]:
        """Go through the used rows once."""
        return used_rows(self.source.chunks(), self.roles)

    def sample(self) -> Iterator[Chunk]:
        """Go through enough of the used rows for rough means."""
        return used_rows(self.source.sample(), self.roles)


def used_rows(chunks: Iterable[Chunk], roles: Mixed) -> Iterator[Chunk]:
    """Go through the rows that miss nothing; the sd of a summary of one row is not missing."""
    for chunk in chunks:
        filled = _fill_unused_sd(chunk, roles)
        keep = filled.whole()
        yield filled if keep.all() else filled.part(keep)


def _fill_unused_sd(chunk: Chunk, roles: Mixed) -> Chunk:
    if roles.count is None or roles.sd is None:
        return chunk
    n, sd = chunk.numbers[roles.count.name], chunk.numbers[roles.sd.name]
    return replace(chunk, numbers={**chunk.numbers, roles.sd.name: np.where(n == 1, 0.0, sd)})


def survey(source: Source, roles: Mixed) -> Usable:
    """Check every value of the rows, and count labels and combinations of them.

    Raises
    ------
    DataError
        If no row is complete, or a value is infinite or not allowed in its role; the message
        says which rows.
    """
    total = used = 0
    counts = {name: np.zeros(len(v), dtype=np.int64) for name, v in source.labels.items()}
    keys: list[list[Ints]] = [[] for _ in roles.groups]
    rules = _rules(roles)
    for whole in source.chunks():
        total += len(whole)
        filled = _fill_unused_sd(whole, roles)
        chunk = filled.part(filled.whole())
        used += len(chunk)
        for name, rule in rules:
            if _broken(chunk, name, rule).any():
                raise _explained(source, roles, name, rule)
        for name, codes in chunk.codes.items():
            counts[name] += np.bincount(codes, minlength=len(counts[name]))
        for found, term in zip(keys, roles.groups, strict=True):
            found.append(_keys(chunk, term, source.labels))
    if used == 0:
        raise no_rows(total, roles)
    distinct = tuple(np.unique(np.concatenate(found)) for found in keys)
    return Usable(source, roles, total, used, counts, distinct)


def _rules(roles: Mixed) -> list[tuple[str, Rule]]:
    if roles.family is not None:
        assert isinstance(roles.outcome, Name)
        size = None if roles.size is None else roles.size.name
        special = event_rules(roles.outcome.name, size, proportion=roles.family in PROPORTIONS)
        others = [n.name for n in (*roles.numbers, *roles.plain)]
        known = dict(special)
        return special + [
            (name, RULES["outcome"]) for name in dict.fromkeys(others) if name not in known
        ]
    by_role = {k: getattr(roles, k) for k in ("se", "weights", "count", "sd")}
    special = [(name.name, RULES[role]) for role, name in by_role.items() if name is not None]
    others = [n.name for n in (*roles.numbers, *roles.plain) if n not in roles.precision]
    return special + [(name, RULES["outcome"]) for name in dict.fromkeys(others)]


def _broken(chunk: Chunk, name: str, rule: Rule) -> Bools:
    if name not in chunk.numbers:  # a category
        return np.zeros(len(chunk), dtype=bool)
    values = chunk.numbers[name]
    return ~(rule.holds(values) & (np.abs(values) <= LARGEST))


def _explained(source: Source, roles: Mixed, name: str, rule: Rule) -> DataError:
    """The error that names the first rows that break a rule."""
    rows, values, labels = find(
        source, roles, lambda c: _broken(c, name, rule), lambda c: c.numbers[name]
    )
    first = slice(5)
    return rule.broken(
        name, values[first].tolist(), (rows[first] + 1).tolist(), len(rows), shown(labels[first])
    )


def find(
    source: Source,
    roles: Mixed,
    bad: Callable[[Chunk], Bools],
    value: Callable[[Chunk], Floats],
) -> tuple[Ints, Floats, AnyArray]:
    """Positions of bad rows in order, a value of each, and the labels of their groups."""
    group = roles.factors[0].name
    found = []
    for chunk in used_rows(source.chunks(numbered=True), roles):
        part = chunk.part(bad(chunk))
        assert part.rows is not None
        found.append((part.rows, value(part), source.labels[group][part.codes[group]]))
    rows, values, labels = (np.concatenate(v) for v in zip(*found, strict=True))
    order = np.argsort(rows, kind="stable")
    return rows[order], values[order], labels[order]


def _keys(chunk: Chunk, term: GroupTerm, labels: Mapping[str, AnyArray]) -> Ints:
    names = [n.name for n in term.factor]
    sizes = [len(labels[n]) for n in names]
    key, _ = mixed_radix([chunk.codes[n] for n in names], sizes)
    if len(names) == 1:
        return np.flatnonzero(np.bincount(key, minlength=sizes[0]))
    return np.unique(key)


# levels and columns ---------------------------------------------------------------------------


def design(rows: Usable) -> Design:
    """Learn a design from the rows that are used.

    Raises
    ------
    DataError
        If a predictor has one level or very many, or a function is not finite in some row.
    """
    roles, labels = rows.roles, rows.source.labels
    categories: dict[Variable, Categories] = {
        v: _categories(v, rows)
        for v in roles.variables
        if is_categorical(v) or (isinstance(v, Name) and v.name in rows.source.texts)
    }
    numeric = [v for v in roles.variables if v not in categories]
    learned = learn(
        [roles.outcome, *roles.offsets, *numeric], lambda: (c.numbers for c in rows.chunks())
    )
    variables: dict[Variable, Coded] = {
        v: categories[v].coded if v in categories else number_names(v, learned)
        for v in roles.variables
    }
    effects = tuple(
        Effects(
            _factor(term, keys, labels),
            coding.columns(term.intercept, term.terms, variables),
            term.correlated,
        )
        for term, keys in zip(roles.groups, rows.keys, strict=True)
    )
    columns = coding.columns(roles.intercept, roles.terms, variables)
    return Design(roles, categories, learned, columns, effects)


def _categories(variable: Variable, rows: Usable) -> Categories:
    name = column_of(variable)
    found = rows.source.labels[name]
    labels = found[rows.counts[name] > 0]
    _refuse_numbers_in_text(variable, labels)
    written = written_levels(variable)
    if written:
        labels = _as_written(variable, written, labels)
    if len(labels) < 2:
        raise DataError(
            f"the predictor {variable} has one level only, {shown(labels)}, in the rows used; "
            "leave it out"
        )
    if len(labels) > MOST_LEVELS:
        raise DataError(
            f"the predictor {variable} has {len(labels):,} levels; a predictor may have "
            f"{MOST_LEVELS:,}: if it names groups, write (1 | {variable})"
        )
    return Categories(labels, coded_name(variable, texts(labels).tolist()))


def _refuse_numbers_in_text(variable: Variable, labels: AnyArray) -> None:
    """Numbers with a slip among them ("1.5", "oops") are not meant as categories."""
    if is_categorical(variable) or labels.dtype.kind not in "OUT":
        return
    found = [v for v in labels.tolist() if isinstance(v, str)]
    words = [v for v in found if not _reads_as_number(v)]
    if found and 2 * len(words) < len(found):
        what = f"numbers and the text {shown(words[:1])}" if words else "numbers stored as text"
        raise DataError(
            f'column "{variable}" holds {what}: correct it, or write C({variable}) if these are '
            "categories"
        )


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_written(variable: Variable, written: tuple[str | float, ...], labels: AnyArray) -> AnyArray:
    """The levels in the order written; each must be in the data, and no other."""
    found = labels.tolist()
    chosen = []
    for level in written:
        same = [v for v in found if v == level or (isinstance(level, str) and str(v) == level)]
        if not same:
            raise DataError(
                f'{variable}: no row used has the level "{level}"; the levels are {shown(found)}'
            )
        chosen.append(same[0])
    others = [v for v in found if v not in chosen]
    if others:
        raise DataError(
            f"{variable} does not name {shown(others)}, which the data hold; name every level"
        )
    return as_labels(chosen)


def _factor(term: GroupTerm, keys: Ints, labels: Mapping[str, AnyArray]) -> Factor:
    names = tuple(n.name for n in term.factor)
    levels = tuple(labels[n] for n in names)
    if len(keys) < 2:
        raise DataError(
            f'the grouping factor "{term.factor_name}" has one group only; two or more are needed'
        )
    rest, parts = keys, []
    for level in reversed(levels):
        rest, code = np.divmod(rest, len(level))
        parts.append(level[code])
    parts.reverse()
    return Factor(
        term.factor_name, names, levels, keys, parts[0] if len(parts) == 1 else _joined(parts)
    )


def _joined(parts: list[AnyArray]) -> AnyArray:
    """Labels joined by colons, as in ``county:tract``."""
    first, *others = map(texts, parts)
    joined = first
    for text in others:
        joined = np.strings.add(np.strings.add(joined, ":"), text)
    return joined.astype(object)
