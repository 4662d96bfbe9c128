"""The frozen tree of a formula: what the parser builds and every other room reads.

Positions (`at`) point into the formula's text; they do not take part in comparisons.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from partialpool.formula.scanner import is_plain_name

NOT_IN_FORMULA = -1
"""The place of a column that only new rows or cells have."""


@dataclass(frozen=True, slots=True)
class Name:
    """A column; `at` is its place in the formula, negative where it is in none."""

    name: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.name if is_plain_name(self.name) else "`" + self.name.replace("`", "``") + "`"


@dataclass(frozen=True, slots=True)
class Derived(Name):
    """A column that is computed from others where data are opened, as in ``trials(s + f)``."""

    expression: Expression = field(default_factory=lambda: Name(""), compare=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Number:
    """A number written in the formula."""

    value: float
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return repr(self.value).removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string, as in ``C(x, "low", "high")``."""

    value: str
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return '"' + self.value.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Call:
    """A function from the fixed list, applied to its arguments."""

    function: str
    arguments: tuple[Expression, ...]
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Unary:
    """A sign before an expression."""

    operator: str
    operand: Expression
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.operator}{_within(self.operand, BINDING['sign'])}"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions and the operator between them."""

    operator: str
    left: Expression
    right: Expression
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        binding = BINDING[self.operator]
        left = _within(self.left, binding + (self.operator == "^"))
        right = _within(self.right, binding + 1)
        space = " " if binding <= BINDING["+"] else ""
        return f"{left}{space}{self.operator}{space}{right}"


@dataclass(frozen=True, slots=True)
class Bar:
    """``(effects | factor)`` or ``(effects || factor)`` as written."""

    effects: Expression
    factor: Expression
    correlated: bool
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"({self.effects} {'|' if self.correlated else '||'} {self.factor})"


Expression = Name | Number | Text | Call | Unary | Binary | Bar

BINDING = {
    **dict.fromkeys((">", ">=", "<", "<=", "==", "!="), 0),
    "+": 1,
    "-": 1,
    "*": 2,
    "/": 2,
    ":": 3,
    "sign": 4,
    "^": 5,
}
"""How tightly each operator binds; operators of equal strength are read from the left."""


def _within(node: Expression, binding: int) -> str:
    """An operand as text, in parentheses if its own operator binds less tightly."""
    operator = {Unary: "sign", Binary: getattr(node, "operator", None)}.get(type(node))
    return f"({node})" if operator and BINDING[operator] < binding else str(node)


@dataclass(frozen=True, slots=True)
class Term:
    """A main effect (one factor) or an interaction (several); compared as a set."""

    factors: tuple[Name | Call, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Term) and frozenset(self.factors) == frozenset(other.factors)

    def __hash__(self) -> int:
        return hash(frozenset(self.factors))

    def __str__(self) -> str:
        return ":".join(map(str, self.factors))


@dataclass(frozen=True, slots=True)
class GroupTerm:
    """Effects that vary by a grouping factor: ``(1 + x | county:tract)``.

    `factor` holds one column, or several whose combinations are the groups; `population` is what
    they come from, where the formula says it.
    """

    intercept: bool
    terms: tuple[Term, ...]
    factor: tuple[Name, ...]
    correlated: bool
    at: int = field(default=0, compare=False)
    population: str | None = None

    @property
    def factor_name(self) -> str:
        """The grouping factor as one word, such as ``county:tract``."""
        return ":".join(n.name for n in self.factor)

    def __str__(self) -> str:
        effects = " + ".join(["1" if self.intercept else "0", *map(str, self.terms)])
        factor = ":".join(map(str, self.factor))
        if self.population is not None:
            factor = f"gr({factor}, dist = {Text(self.population)})"
        return f"({effects} {'|' if self.correlated else '||'} {factor})"


@dataclass(frozen=True, slots=True)
class Addition:
    """What stands after ``|`` on the left side: ``se(x)``, ``weights(w)``, ``trials(n)``."""

    kind: str
    arguments: tuple[Expression, ...]
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula, fully expanded: ``a*b`` is a, b and a:b; ``g/h`` is g and g:h.

    Parameters
    ----------
    text : str
        What the user wrote.
    response : Name or Call
        The outcome column, or a function of it.
    additions : tuple of Addition
        ``se()``, ``weights()``, ``trials()``, ``summary()``, ``exposure()``.
    intercept : bool
        Whether the population part has an intercept.
    terms : tuple of Term
        Population-level terms in the order written.
    groups : tuple of GroupTerm
        Group-level terms in the order written.
    offsets : tuple of Expression
        Arguments of ``offset()``.
    tilde : int
        Where the ``~`` stands in `text`.
    noise : GroupTerm, optional
        The term of a second formula, ``sigma ~ 1 + (1 | group)``: whose groups differ in sigma.
    """

    text: str = field(compare=False)
    response: Name | Call
    additions: tuple[Addition, ...]
    intercept: bool
    terms: tuple[Term, ...]
    groups: tuple[GroupTerm, ...]
    offsets: tuple[Expression, ...]
    tilde: int = field(default=0, compare=False)
    noise: GroupTerm | None = None

    def __str__(self) -> str:
        left = str(self.response)
        if self.additions:
            left += " | " + " + ".join(map(str, self.additions))
        right = ["1" if self.intercept else "0", *map(str, self.terms)]
        right += [f"offset({o})" for o in self.offsets]
        right += map(str, self.groups)
        second = "" if self.noise is None else f"; sigma ~ 1 + {self.noise}"
        return f"{left} ~ {' + '.join(right)}{second}"


def names_in(node: Expression) -> Iterator[Name]:
    """Yield the columns of an expression."""
    match node:
        case Name():
            yield node
        case Call():
            for argument in node.arguments:
                yield from names_in(argument)
        case Unary():
            yield from names_in(node.operand)
        case Binary():
            yield from names_in(node.left)
            yield from names_in(node.right)


def calls_in(node: Expression) -> Iterator[Call]:
    """Yield the function calls of an expression, the outermost first."""
    match node:
        case Call():
            yield node
            for argument in node.arguments:
                yield from calls_in(argument)
        case Unary():
            yield from calls_in(node.operand)
        case Binary():
            yield from calls_in(node.left)
            yield from calls_in(node.right)


def is_categorical(node: Expression) -> bool:
    """Whether this is C(column, ...)."""
    return isinstance(node, Call) and node.function == "C"
