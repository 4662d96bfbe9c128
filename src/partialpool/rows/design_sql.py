"""The columns of a formula as SQL: one text for every engine.

The statements use arithmetic, CASE, LN, EXP, SQRT and POWER, and write out what engines take
differently: logarithms of zero and division by it are what they are in floating point.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from partialpool._typing import Floats
from partialpool.design.coded_rows import cell_columns
from partialpool.design.coding import Column, Part, Variable
from partialpool.design.design import Categories, Design, column_of
from partialpool.design.expressions import Basis, Learned, Standard
from partialpool.design.row_values import precision
from partialpool.formula import Roles
from partialpool.formula.functions import ELEMENTWISE, INFINITY, binary_sql
from partialpool.formula.tree import Binary, Call, Expression, Name, Number, Unary
from partialpool.rows.checked_rows import CheckedRows, checks, numbers
from partialpool.rows.plan import ONE


class Unknown(float):
    """A number that a pass over the rows will find, by name; for plans of what will run."""

    name: str

    def __new__(cls, name: str) -> Unknown:
        """Name it; as a number it is not a number."""
        found = super().__new__(cls, float("nan"))
        found.name = name
        return found

    def __eq__(self, other: object) -> bool:
        """Numbers of the same name are the same."""
        return isinstance(other, Unknown) and self.name == other.name

    def __hash__(self) -> int:
        """As they compare."""
        return hash(self.name)


def constant(value: float) -> str:
    """SQL of a number, to its last digit."""
    if isinstance(value, Unknown):
        return value.name
    return f"CAST('{float(value)!r}' AS DOUBLE)"


@dataclass(frozen=True, slots=True)
class Given:
    """What the statements call the columns of a formula.

    Parameters
    ----------
    roles : Roles
        Which column plays which part.
    labels : mapping
        `k0`, `k1`, ... by the names of columns of groups and categories, groups first.
    numbers : mapping
        `v0`, `v1`, ... by the names of columns of numbers.
    texts : frozenset of str
        Predictors that are categories because of what they hold.
    floating : frozenset of str
        Columns that can hold NaN.
    least, rounds : int
        Rows of groups and levels that have fewer rows are left out, so many times over.
    """

    roles: Roles
    labels: Mapping[str, str]
    numbers: Mapping[str, str]
    texts: frozenset[str]
    floating: frozenset[str] = frozenset()
    least: int = 1
    rounds: int = 0

    @classmethod
    def of(cls, roles: Roles, is_category: Callable[[str], bool]) -> Given:
        """Name the columns; a plain predictor is a category if it holds text or truth values."""
        texts = frozenset(n.name for n in roles.plain if is_category(n.name))
        coded = [*roles.factors, *roles.categories, *(n for n in roles.plain if n.name in texts)]
        measured = [*roles.numbers, *(n for n in roles.plain if n.name not in texts)]
        return cls(
            roles,
            {name: f"k{i}" for i, name in enumerate(dict.fromkeys(n.name for n in coded))},
            {name: f"v{i}" for i, name in enumerate(dict.fromkeys(n.name for n in measured))},
            texts,
        )

    @property
    def columns(self) -> dict[str, str]:
        """The user's column for each column that the statements name."""
        return {x: name for name, x in (*self.labels.items(), *self.numbers.items())}

    @property
    def rows(self) -> CheckedRows:
        """The rows as labels and numbers, and what these may be."""
        keys = {k: self._key(name, k) for name, k in self.labels.items()}
        return CheckedRows(
            keys,
            numbers(self.roles, self.numbers, lambda column: column in self.floating),
            checks(self.roles, self.numbers, self.texts),
        )

    @property
    def cells(self) -> list[str]:
        """Keys of the groups of each term, and of the levels of each category."""
        cells = cell_columns(self.roles, self.labels)
        return [", ".join(self.labels[n] for n in cell) for cell in cells]

    def used(self) -> str:
        """The rows that are complete and allowed, without those of small groups and levels."""
        rows = self.rows.used()
        for r in range(self.rounds):
            counts = [f"COUNT(*) OVER (PARTITION BY {k})" for k in self.cells]
            named = ", ".join(f"{c} AS n{r}_{i}" for i, c in enumerate(counts))
            enough = " AND ".join(f"n{r}_{i} >= {self.least}" for i in range(len(counts)))
            rows = f"SELECT * FROM (SELECT *, {named} FROM ({rows}) AS u{r}) AS w{r} WHERE {enough}"
        return rows

    def _key(self, name: str, k: str) -> str:
        return f"CASE WHEN ISNAN({k}) THEN NULL ELSE {k} END" if name in self.floating else k

    def value(self, node: Expression, learned: Learned) -> str:
        """SQL of an expression of columns."""
        match node:
            case Name():
                return self.numbers[node.name]
            case Number():
                return constant(node.value)
            case Unary():
                inside = self.value(node.operand, learned)
                return f"(-{inside})" if node.operator == "-" else inside
            case Binary():
                return binary_sql(
                    node.operator, self.value(node.left, learned), self.value(node.right, learned)
                )
            case Call():
                inside = self.value(node.arguments[0], learned)
                if node in learned:
                    standard = learned[node]
                    assert isinstance(standard, Standard)
                    return standardized(inside, standard)
                return ELEMENTWISE[node.function].sql(inside)
        raise TypeError(f"{node} is not a number")

    def precision(self) -> dict[str, str]:
        """What gives rows that are not plain their precision."""
        values = precision(self.roles).items()
        return {k: v.of_sql(self.roles, self.numbers) for k, v in values}


def standardized(x: str, standard: Standard) -> str:
    """SQL of a value less its mean, over its sd."""
    centered = f"({x} - {constant(standard.mean)})"
    return centered if standard.sd == 1.0 else f"({centered} / {constant(standard.sd)})"


def is_finite(x: str) -> str:
    """SQL that is true where a number is finite; NaN is larger than any number."""
    return f"ABS({x}) < {INFINITY}"


def staged(rows: str, stages: Sequence[Mapping[str, str]]) -> str:
    """The rows with more columns, each stage from those before."""
    for i, stage in enumerate(s for s in stages if s):
        columns = ", ".join(f"{sql} AS {name}" for name, sql in stage.items())
        rows = f"SELECT *, {columns} FROM ({rows}) AS t{i}"
    return rows


def legendre(place: Mapping[str, tuple[str, float, float]], degree: Mapping[str, int]) -> list[
    dict[str, str]
]:  # fmt: skip
    """Stages with Legendre polynomials ``{name}_1``, ``{name}_2``, ... of (x - middle) / half.

    By their recurrence, a stage a degree. Source: Abramowitz and Stegun (1964), Handbook of
    Mathematical Functions, 22.7.10.

    Parameters
    ----------
    place : mapping
        SQL of x, middle and half by name.
    degree : mapping
        The highest degree by name.
    """
    first = {
        f"{k}_1": f"({x} - {constant(middle)}) / {constant(half)}"
        for k, (x, middle, half) in place.items()
    }
    stages = [first]
    for d in range(2, max(degree.values(), default=1) + 1):
        stages.append(
            {
                f"{k}_{d}": f"({2 * d - 1} * {k}_1 * {k}_{d - 1} - {d - 1} * "
                f"{f'{k}_{d - 2}' if d > 2 else ONE}) / {d}"
                for k in place
                if degree[k] >= d
            }
        )
    return stages


@dataclass(frozen=True, slots=True, eq=False)
class DesignText:
    """The columns of a design as SQL.

    Parameters
    ----------
    given : Given
        What the columns of the data are called.
    design : Design
        The columns; its groups are not used.
    text : callable
        Writes a text as the engine does.
    level_texts : mapping
        For each category, its levels as text, in the order of the design.
    """

    given: Given
    design: Design
    text: Callable[[str], str]
    level_texts: Mapping[Variable, Sequence[str]]
    _names: dict[Variable, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._names.update({v: f"f{i}" for i, v in enumerate(self.design.roles.variables)})

    def rows(self, center: str) -> str:
        """The used rows with the outcome `y`, what gives them precision, and every variable."""
        roles, learned = self.design.roles, self.design.learned
        y = self.given.value(roles.outcome, learned)
        for offset in roles.offsets:
            y += f" - {self.given.value(offset, learned)}"
        first = {"y": f"({y}) - {center}", **self.given.precision(), **dict(self._variables())}
        return staged(self.given.used(), [first, *self._polynomials()])

    def _variables(self) -> Iterator[tuple[str, str]]:
        for variable, name in self._names.items():
            if variable in self.design.categories:
                key = self.given.labels[column_of(variable)]
                levels = map(self.text, self.level_texts[variable])
                arms = " ".join(f"WHEN {level} THEN {i}" for i, level in enumerate(levels))
                arms = arms.replace("{", "{{").replace("}", "}}")  # {rows} is put in later
                yield name, f"CASE CAST({key} AS STRING) {arms} END"
            elif self._basis(variable) is None:
                yield name, self.given.value(variable, self.design.learned)

    def _basis(self, variable: Variable) -> Basis | None:
        found = self.design.learned.get(variable) if isinstance(variable, Call) else None
        return found if isinstance(found, Basis) else None

    def _polynomials(self) -> list[dict[str, str]]:
        bases: dict[str, tuple[Call, Basis]] = {}
        for variable, name in self._names.items():
            basis = self._basis(variable)
            if isinstance(variable, Call) and basis is not None:
                bases[name] = (variable, basis)
        place = {
            k: (self.given.value(v.arguments[0], {}), b.middle, b.half)
            for k, (v, b) in bases.items()
        }
        degree = {k: b.transform.shape[1] for k, (_, b) in bases.items()}
        columns = {
            f"{k}_p{j}": _combination(k, b.transform[:, j])
            for k, (_, b) in bases.items()
            for j in range(degree[k])
        }
        return [*legendre(place, degree), columns] if bases else []

    def column(self, column: Column) -> str:
        """SQL of a column of the design."""
        levels, factors = [], []
        for part in column.parts:
            name = self._names[part.variable]
            if part.variable in self.design.categories:
                levels.append(f"{name} = {part.index}")
            else:
                factors.append(self._numeric(part, name))
        product = " * ".join(factors) or "CAST(1 AS DOUBLE)"
        if not levels:
            return product
        return f"CASE WHEN {' AND '.join(levels)} THEN {product} ELSE CAST(0 AS DOUBLE) END"

    def _numeric(self, part: Part, name: str) -> str:
        return name if self._basis(part.variable) is None else f"{name}_p{part.index}"


def _combination(name: str, weights: Floats) -> str:
    terms = [constant(weights[0])]
    terms += [f"{constant(c)} * {name}_{k}" for k, c in enumerate(weights[1:], 1)]
    return " + ".join(terms)


def category_means(categories: Mapping[Variable, Categories]) -> dict[Variable, Floats]:
    """The share of each level."""
    return {v: np.asarray(c.n / c.n.sum()) for v, c in categories.items()}
