"""From what is known of rows to a `Design`: levels, means and bases.

First every column that the formula can lead to is named, with all levels of each category: sums
of these can be added to those of other rows, which may have other levels. Which of the columns
a model takes follows when all rows are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from partialpool._typing import AnyArray, Ints
from partialpool.design import coding
from partialpool.design.coded_rows import CodedRows
from partialpool.design.coding import Coded, Column, Part, Variable
from partialpool.design.design import (
    Categories,
    Design,
    Effects,
    Factor,
    coded_name,
    column_of,
    number_names,
    reference_level,
    written_levels,
)
from partialpool.design.expressions import Learned
from partialpool.design.labels import are_levels, as_labels, shown, texts
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.formula.tree import Expression, GroupTerm, Name, is_categorical

RESERVED = frozenset({"Intercept", "mu", "beta", "tau", "rho", "sigma"})
"""Names of parameters, which no predictor may have."""
MOST_LEVELS = 1_000
"""A categorical predictor of more levels is refused: groups belong in a group term."""


def expressions(roles: Roles, names: frozenset[str]) -> list[Expression]:
    """The expressions of columns of numbers; those named hold categories."""
    numeric = [
        v
        for v in roles.variables
        if not is_categorical(v) and not (isinstance(v, Name) and v.name in names)
    ]
    return [roles.outcome, *roles.offsets, *numeric]


def complete_columns(
    roles: Roles, categories: Mapping[Variable, Categories], learned: Learned
) -> Design:
    """Name every column that the formula can lead to; the groups are not known yet."""
    variables = coded_variables(roles, categories, learned)
    none = np.array([], dtype=np.intp)
    effects = tuple(
        Effects(
            Factor(term.factor_name, tuple(n.name for n in term.factor), (), none, none),
            coding.complete(term.intercept, term.terms, variables),
            term.correlated,
        )
        for term in roles.groups
    )
    columns = coding.complete(roles.intercept, roles.terms, variables)
    return Design(roles, categories, learned, columns, effects)


def complete_design(
    rows: CodedRows, categories: Mapping[Variable, Categories], learned: Learned
) -> Design:
    """Name every column that the formula can lead to, with all levels of each category."""
    design = complete_columns(rows.roles, categories, learned)
    factors = (
        factor_of(term, keys, rows.labels)
        for term, keys in zip(rows.roles.groups, rows.keys, strict=True)
    )
    effects = (replace(e, factor=f) for e, f in zip(design.effects, factors, strict=True))
    return replace(design, effects=tuple(effects))


def coded_variables(
    roles: Roles, categories: Mapping[Variable, Categories], learned: Learned
) -> dict[Variable, Coded]:
    """What each variable is in columns."""
    return {
        v: categories[v].coded if v in categories else number_names(v, learned)
        for v in roles.variables
    }


def levels(
    roles: Roles, texts_: frozenset[str], labels: Mapping[str, AnyArray], n: Mapping[str, Ints]
) -> dict[Variable, Categories]:
    """Levels of each category, from the labels of its column and how many used rows have each.

    Raises
    ------
    DataError
        If a category has very many levels, holds numbers written as text, or levels that its
        C() does not name.
    """
    return {
        v: _categories(v, labels[column_of(v)], n[column_of(v)])
        for v in roles.variables
        if is_categorical(v) or (isinstance(v, Name) and v.name in texts_)
    }


def _categories(variable: Variable, labels_seen: AnyArray, n: Ints) -> Categories:
    labels, counts = labels_seen[n > 0], n[n > 0]
    _refuse_numbers_in_text(variable, labels, counts)
    if len(labels) > MOST_LEVELS:
        raise DataError(
            f"the predictor {variable} has {len(labels):,} levels; a predictor may have "
            f"{MOST_LEVELS:,}: if it names groups, write (1 | {variable})"
        )
    written = written_levels(variable)
    if written:
        labels, counts = _as_written(variable, written, labels, counts)
    reference = reference_level(variable)
    if reference is not None:
        labels, counts = _from_reference(variable, reference, labels, counts)
    return named_levels(variable, labels, counts)


def named_levels(variable: Variable, labels: AnyArray, counts: Ints) -> Categories:
    """Levels with the names that coefficients give them."""
    return Categories(labels, coded_name(variable, texts(labels).tolist()), counts)


def _refuse_numbers_in_text(variable: Variable, labels: AnyArray, n: Ints) -> None:
    """Numbers with a slip among them ("1.5", "oops") are not meant as categories."""
    texts, words = numbers_and_words(variable, labels)
    few = bool(words) and are_levels(n.tolist())
    if texts and len(words) < len(texts) and not few:
        what = f"numbers and the text {shown(words[:1])}" if words else "numbers stored as text"
        raise DataError(
            f'column "{variable}" holds {what}: correct it, or write C({variable}) if these are '
            "categories"
        )


def numbers_and_words(variable: Variable, labels: AnyArray) -> tuple[list[str], list[str]]:
    """Labels of text that read as numbers, and those that do not; of C() none, which says it."""
    if is_categorical(variable) or labels.dtype.kind not in "OUT":
        return [], []
    texts_ = [v for v in labels.tolist() if isinstance(v, str)]
    numbers = [v for v in texts_ if _reads_as_number(v)]
    return numbers, [v for v in texts_ if v not in set(numbers)]


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_written(
    variable: Variable, written: Sequence[str | float], labels: AnyArray, n: Ints
) -> tuple[AnyArray, Ints]:
    """The levels in the order written, those without a row too; there may be no other."""
    levels = labels.tolist()
    at = [next((i for i, v in enumerate(levels) if same_level(v, w)), -1) for w in written]
    others = [v for i, v in enumerate(levels) if i not in at]
    if others:
        raise DataError(
            f"{variable} does not name {shown(others)}, which the data hold; name every level"
        )
    chosen = [w if i < 0 else levels[i] for i, w in zip(at, written, strict=True)]
    return as_labels(chosen), np.array([0 if i < 0 else n[i] for i in at], dtype=np.intp)


def _from_reference(
    variable: Variable, reference: str | float, labels: AnyArray, n: Ints
) -> tuple[AnyArray, Ints]:
    """The levels with the reference as the first."""
    levels = labels.tolist()
    first = next((i for i, v in enumerate(levels) if same_level(v, reference)), None)
    if first is None:
        level = f"{reference:g}" if isinstance(reference, float) else reference
        raise DataError(
            f"the reference level {shown([level])} is not in the data; the levels of "
            f"{column_of(variable)} are {shown(levels)}"
        )
    order = np.array([first, *(i for i in range(len(levels)) if i != first)])
    return labels[order], n[order]


def same_level(label: object, written: object) -> bool:
    """Whether a label is meant by a level as written."""
    return label == written or (isinstance(written, str) and str(label) == written)


def factor_of(term: GroupTerm, keys: Ints, labels: Mapping[str, AnyArray]) -> Factor:
    """The groups of a term, from the combinations of labels that occur."""
    names = tuple(n.name for n in term.factor)
    every = tuple(labels[n] for n in names)
    rest, parts = keys, []
    for level in reversed(every):
        rest, code = np.divmod(rest, len(level))
        parts.append(level[code])
    parts.reverse()
    return Factor(
        term.factor_name, names, every, keys, parts[0] if len(parts) == 1 else _joined(parts)
    )


def _joined(parts: list[AnyArray]) -> AnyArray:
    """Labels joined by colons, as in ``county:tract``."""
    first, *others = map(texts, parts)
    joined = first
    for text in others:
        joined = np.strings.add(np.strings.add(joined, ":"), text)
    return joined.astype(object)


# which of the columns a model takes -----------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Positions of the columns of X, and of each Z, among those of a complete design."""

    x: Ints
    z: tuple[Ints, ...]


def finished(complete: Design) -> tuple[Design, Chosen]:
    """Choose the columns of a model: categories as differences from their first level.

    Raises
    ------
    DataError
        If a predictor has one level, a level that C() names has no row, or a factor one group.
    """
    for whole in complete.effects:
        if len(whole.factor.keys) < 2:
            raise DataError(
                f'the grouping factor "{whole.factor.name}" has one group only; two or more '
                "are needed"
            )
    for name in (c.name for c in complete.columns if c.parts):
        if name in RESERVED:
            raise DataError(
                f'the predictor "{name}" has the name of a parameter of the model, and tables and '
                f"priors could not tell them apart; write I({name}), or rename the column"
            )
    kept = {v: np.flatnonzero(c.n > 0) for v, c in complete.categories.items()}
    categories = {v: _checked(v, complete.categories[v], k) for v, k in kept.items()}
    roles = complete.roles
    variables = coded_variables(roles, categories, complete.learned)

    def places(columns: Sequence[Column], among: Sequence[Column]) -> Ints:
        at = {frozenset(c.parts): i for i, c in enumerate(among)}
        parts = (
            frozenset(
                Part(p.variable, int(kept[p.variable][p.index]) if p.variable in kept else p.index)
                for p in c.parts
            )
            for c in columns
        )
        return np.array([at[p] for p in parts], dtype=np.intp)

    columns = coding.columns(roles.intercept, roles.terms, variables)
    effects = tuple(
        replace(e, columns=coding.columns(term.intercept, term.terms, variables))
        for e, term in zip(complete.effects, roles.groups, strict=True)
    )
    chosen = Chosen(
        places(columns, complete.columns),
        tuple(
            places(e.columns, whole.columns)
            for e, whole in zip(effects, complete.effects, strict=True)
        ),
    )
    return replace(complete, categories=categories, columns=columns, effects=effects), chosen


def _checked(variable: Variable, categories: Categories, kept: Ints) -> Categories:
    labels = categories.labels[kept]
    if written_levels(variable) and len(kept) < len(categories.labels):
        gone = next(
            v for v, n in zip(categories.labels.tolist(), categories.n, strict=True) if n == 0
        )
        raise DataError(
            f'{variable}: no row used has the level "{gone}"; the levels are '
            f"{shown(labels.tolist())}"
        )
    if len(labels) < 2:
        raise DataError(
            f"the predictor {variable} has one level only, {shown(labels)}, in the rows used; "
            "leave it out"
        )
    return named_levels(variable, labels, categories.n[kept])
