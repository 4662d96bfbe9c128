"""Terms to columns: treatment coding, with all levels where a margin is absent.

A category is coded by differences from its first level where the model holds the term without
it, and by one column a level where it does not, so that the columns span the same space as the
terms and no column is redundant by construction.
Source: the rule of S; see Chambers and Hastie (1992), Statistical Models in S, section 2.4.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from partialpool.formula.functions import STATEFUL
from partialpool.formula.tree import Call, Name, Term

Variable = Name | Call


@dataclass(frozen=True, slots=True)
class Part:
    """One factor of a column: a column of a numeric variable, or a level of a category."""

    variable: Variable
    index: int


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the design: the product of its parts; none for the intercept."""

    name: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Coded:
    """What a variable is in columns.

    Parameters
    ----------
    names : tuple of str
        Of each column of a numeric variable, or of each level of a category.
    categorical : bool
        Whether it is a category.
    """

    names: tuple[str, ...]
    categorical: bool


INTERCEPT = Column("Intercept", ())


def columns(
    intercept: bool, terms: Sequence[Term], variables: Mapping[Variable, Coded]
) -> tuple[Column, ...]:
    """Columns of the terms, in order: the intercept, then terms of one variable, of two, ..."""
    used: dict[frozenset[Variable], set[frozenset[Variable]]] = {}
    expanded: list[Column] = []
    if intercept:
        used[frozenset()] = {frozenset()}
        expanded.append(INTERCEPT)
    for term in sorted(terms, key=lambda t: len(t.factors)):
        numeric = frozenset(f for f in term.factors if not variables[f].categorical)
        seen = used.setdefault(numeric, set())
        for coding in _codings(term, numeric, seen):
            expanded.extend(_expand(term, coding, variables))
    return tuple(expanded)


def complete(
    intercept: bool, terms: Sequence[Term], variables: Mapping[Variable, Coded]
) -> tuple[Column, ...]:
    """Every column that `columns` may choose whatever levels there are, each once.

    Categories have a column for each level, and what can be left out of a term (a category, or
    a function that learned its place from the rows) is also left out.
    """
    by_parts: dict[frozenset[Part], Column] = {frozenset(): INTERCEPT} if intercept else {}
    for term in sorted(terms, key=lambda t: len(t.factors)):
        loose = [f for f in term.factors if variables[f].categorical or _learned(f)]
        for k in range(len(loose) + 1):
            for gone in combinations(loose, len(loose) - k):
                part = Term(tuple(f for f in term.factors if f not in gone))
                full = {f: True for f in part.factors if variables[f].categorical}
                for column in _expand(part, full, variables):
                    if column.parts:
                        by_parts.setdefault(frozenset(column.parts), column)
    return tuple(by_parts.values())


def _learned(variable: Variable) -> bool:
    return isinstance(variable, Call) and variable.function in STATEFUL


def _codings(
    term: Term, numeric: frozenset[Variable], seen: set[frozenset[Variable]]
) -> Iterator[dict[Variable, bool]]:
    """Which categories of the term take all their levels: one dict a run of columns."""
    categories = [f for f in term.factors if f not in numeric]
    subsets = [
        frozenset(s) for k in range(len(categories) + 1) for s in combinations(categories, k)
    ]
    fresh = [s for s in subsets if s not in seen]
    seen.update(fresh)
    codings = [dict.fromkeys(s, False) for s in fresh]
    while _absorb(codings):
        pass
    yield from codings


def _absorb(codings: list[dict[Variable, bool]]) -> bool:
    """Join one pair S and S plus a category by differences: S plus the category in full."""
    for short in codings:
        for i, long in enumerate(codings):
            extra = [f for f in long if f not in short]
            same = all(long.get(f) == full for f, full in short.items())
            if len(long) == len(short) + 1 and same and not long[extra[0]]:
                codings[i] = long | {extra[0]: True}
                codings.remove(short)
                return True
    return False


def _expand(
    term: Term, coding: Mapping[Variable, bool], variables: Mapping[Variable, Coded]
) -> Iterator[Column]:
    """Every combination of the columns of the term's variables, the first varying fastest."""
    present = [f for f in term.factors if not variables[f].categorical or f in coding]
    choices: list[Iterable[int]] = [
        range(int(variables[f].categorical and not coding[f]), len(variables[f].names))
        for f in present
    ]
    for chosen in product(*reversed(choices)):
        indices = chosen[::-1]
        name = ":".join(variables[f].names[i] for f, i in zip(present, indices, strict=True))
        parts = (Part(f, i) for f, i in zip(present, indices, strict=True))
        yield Column(name, tuple(parts))
