"""What a formula learned from the rows: levels, means and bases, kept so that prediction uses them.

A `Design` is frozen: it turns rows, those it learned from or new ones, into the columns of X, of
each Z, and the groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.coding import Coded, Column, Variable
from partialpool.design.expressions import Basis, Learned, evaluate, polynomials
from partialpool.design.labels import as_labels, texts
from partialpool.design.source import Chunk
from partialpool.formula import Roles
from partialpool.formula.tree import Call, Name, Number, Text, is_categorical


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """The groups of a factor: the combinations of labels of its columns that occur.

    Parameters
    ----------
    name : str
        A column, or several joined as in ``county:tract``.
    columns : tuple of str
        The columns.
    levels : tuple of ndarray
        Distinct labels of each column, sorted.
    keys : ndarray of int, shape (L,)
        The combinations that occur, as numbers in mixed radix of the levels, sorted.
    labels : ndarray, shape (L,)
        Labels of the combinations.
    """

    name: str
    columns: tuple[str, ...]
    levels: tuple[AnyArray, ...]
    keys: Ints
    labels: AnyArray

    def index(self, codes: Sequence[Ints]) -> Ints:
        """Positions of rows among the groups, from codes into `levels`; -1 where unknown."""
        key, known = mixed_radix(codes, [len(v) for v in self.levels])
        if len(self.columns) == 1 and len(self.keys) == len(self.levels[0]):
            return np.where(known, key, -1)  # every level occurs: a key is a position
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        return np.where(known & (self.keys[at] == key), at, -1)


def mixed_radix(codes: Sequence[Ints], sizes: Sequence[int]) -> tuple[Ints, AnyArray]:
    """One number for each combination of codes, and whether all codes are known."""
    key, known = codes[0], codes[0] >= 0
    for code, size in zip(codes[1:], sizes[1:], strict=True):
        key = key * size + code
        known = known & (code >= 0)
    return key, known


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The levels of a categorical variable, of which the first is the reference.

    `n` counts the used rows that have each.
    """

    labels: AnyArray
    coded: Coded
    n: Ints

    def codes(self, column: Ints, labels: AnyArray) -> Ints:
        """Codes into the levels, from codes into labels as rows have them; -1 where unknown."""
        return np.append(places_by_text(self.labels, labels), -1)[column]


def places(levels: AnyArray, labels: AnyArray) -> Ints:
    """Where each label stands among distinct levels; -1 where it does not."""
    if levels.dtype == labels.dtype and levels.dtype.kind in "iufM" and len(levels):
        order = np.argsort(levels, kind="stable")
        at = order[np.minimum(np.searchsorted(levels, labels, sorter=order), len(levels) - 1)]
        return np.where(levels[at] == labels, at, -1)
    position = {level: i for i, level in enumerate(levels.tolist())}
    found = (position.get(v, -1) for v in labels.tolist())
    return np.fromiter(found, np.intp, len(labels))


def places_by_text(levels: AnyArray, labels: AnyArray) -> Ints:
    """As `places`; numbers match text that reads the same: files hold 308 as "308"."""
    at = places(levels, labels)
    kinds = [{isinstance(v, str) for v in found.tolist()} for found in (levels, labels)]
    if (at >= 0).any() or kinds not in ([{True}, {False}], [{False}, {True}]):
        return at
    first, second = texts(levels).tolist(), texts(labels).tolist()
    if "b" in (levels.dtype.kind, labels.dtype.kind):  # files write "true", "TRUE" or "True"
        first, second = ([v.lower() for v in side] for side in (first, second))
    return places(as_labels(first), as_labels(second))


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """One group-level term: its factor, and the columns of its Z."""

    factor: Factor
    columns: tuple[Column, ...]
    correlated: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(c.name for c in self.columns)


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Everything needed to turn rows into columns.

    Parameters
    ----------
    roles : Roles
        The formula.
    categories : mapping
        Levels of each categorical variable.
    learned : mapping
        What center(), scale() and poly() learned.
    columns : tuple of Column
        Columns of X.
    effects : tuple of Effects
        Group-level terms.
    """

    roles: Roles
    categories: Mapping[Variable, Categories]
    learned: Learned
    columns: tuple[Column, ...]
    effects: tuple[Effects, ...]

    @property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the columns of X."""
        return tuple(c.name for c in self.columns)

    def frame(self, chunk: Chunk, labels: Mapping[str, AnyArray]) -> Frame:
        """Evaluate every variable once for some rows."""
        values: dict[Variable, Floats | Ints] = {}
        for variable in self.roles.variables:
            if variable in self.categories:
                name = column_of(variable)
                values[variable] = self.categories[variable].codes(chunk.codes[name], labels[name])
            elif isinstance(variable, Call) and variable.function == "poly":
                values[variable] = polynomials(variable, chunk.numbers, self.learned)
            else:
                values[variable] = evaluate(variable, chunk.numbers, self.learned)[:, None]
        return Frame(values, self.categories, len(chunk))

    def matrices(
        self, chunk: Chunk, labels: Mapping[str, AnyArray]
    ) -> tuple[Floats, tuple[tuple[Ints, Floats], ...]]:
        """X of some rows, and of each term the group of each row and its Z."""
        frame = self.frame(chunk, labels)
        z = ((self.groups(e, chunk, labels), frame.matrix(e.columns)) for e in self.effects)
        return frame.matrix(self.columns), tuple(z)

    def outcome(self, chunk: Chunk) -> Floats:
        """The outcome less the offsets."""
        y = evaluate(self.roles.outcome, chunk.numbers, self.learned)
        return y - self.offset(chunk)

    def offset(self, chunk: Chunk) -> Floats:
        """The sum of the offsets."""
        total = np.zeros(len(chunk))
        for expression in self.roles.offsets:
            total = total + evaluate(expression, chunk.numbers, self.learned)
        return total

    def groups(self, effects: Effects, chunk: Chunk, labels: Mapping[str, AnyArray]) -> Ints:
        """The group of each row, from labels as the rows have them; -1 where unknown."""
        codes = []
        for name, levels in zip(effects.factor.columns, effects.factor.levels, strict=True):
            column = chunk.codes[name]
            if labels[name] is not levels:
                column = np.append(places_by_text(levels, labels[name]), -1)[column]
            codes.append(column)
        return effects.factor.index(codes)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The variables of some rows: a matrix of each numeric one, codes of each category."""

    values: Mapping[Variable, Floats | Ints]
    categories: Mapping[Variable, Categories]
    size: int

    def matrix(self, columns: Sequence[Column], shift: Floats | None = None) -> Floats:
        """The columns, less `shift`; shape (N, p)."""
        out = np.empty((self.size, len(columns)))
        for i, column in enumerate(columns):
            out[:, i] = self.column(column, 0.0 if shift is None else shift[i])
        return out

    def column(self, column: Column, shift: float = 0.0) -> Floats:
        """One column, less `shift`; shape (N,)."""
        product: Floats | None = None
        for part in column.parts:
            values = self.values[part.variable]
            if part.variable in self.categories:
                factor = (values == part.index).astype(np.float64)
            else:
                factor = values[:, part.index]
            product = factor if product is None else product * factor
        if product is None:
            product = np.ones(self.size)
        return product - shift if shift else product


def column_of(variable: Variable) -> str:
    """The column behind a categorical variable."""
    column = variable if isinstance(variable, Name) else variable.arguments[0]
    assert isinstance(column, Name)
    return column.name


def coded_name(variable: Variable, labels: Sequence[object]) -> Coded:
    """Names of the levels of a categorical variable: ``sector[private]``."""
    name = f"C({variable.arguments[0]})" if isinstance(variable, Call) else str(variable)
    return Coded(tuple(f"{name}[{v}]" for v in labels), True)


def number_names(variable: Variable, learned: Learned) -> Coded:
    """Names of the columns of a numeric variable."""
    if isinstance(variable, Call) and variable.function == "poly":
        basis = learned[variable]
        assert isinstance(basis, Basis)
        degree = basis.transform.shape[1]
        return Coded(tuple(f"{variable}{k}" for k in range(1, degree + 1)), False)
    return Coded((str(variable),), False)


def reference_level(variable: Variable) -> str | float | None:
    """The level in C(column, ref=...), from which the others are differences."""
    if not is_categorical(variable):
        return None
    assert isinstance(variable, Call)
    for argument in variable.arguments[1:]:
        if isinstance(argument, Call) and isinstance(argument.arguments[0], Text | Number):
            return argument.arguments[0].value
    return None


def written_levels(variable: Variable) -> tuple[str | float, ...]:
    """The levels written in C(column, ...), in order."""
    if not is_categorical(variable):
        return ()
    assert isinstance(variable, Call)
    return tuple(a.value for a in variable.arguments[1:] if isinstance(a, Text | Number))
