"""Which column plays which part: a Formula read as a linear mixed model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain

from partialpool.errors import FormulaError, UnsupportedFormulaError
from partialpool.formula.dialects import MAX_DEGREE
from partialpool.formula.functions import COMPARISONS, ELEMENTWISE, STATEFUL
from partialpool.formula.roles import CountFamily, additions
from partialpool.formula.tree import (
    Bar,
    Binary,
    Call,
    Expression,
    Formula,
    GroupTerm,
    Name,
    Number,
    Term,
    Text,
    Unary,
    names_in,
)


@dataclass(frozen=True, slots=True)
class Mixed:
    """The parts of ``outcome | additions ~ predictors + (effects | factor) + ...``.

    Parameters
    ----------
    outcome : Name or Call
        The outcome, or a function of it.
    intercept : bool
        Whether the population part has one.
    terms : tuple of Term
        Predictors and interactions.
    groups : tuple of GroupTerm
        Group-level terms; terms of one effect each and of the same factor are put together as
        one with independent effects.
    offsets : tuple of Expression
        What is taken off the outcome.
    se, weights, count, sd : Name, optional
        As in `OneWay`.
    text : str
        The formula as written, for error messages.
    family : str, optional
        Of counts; None for measurements.
    size : Name, optional
        Trials or exposure of each row, where it counts events.
    """

    outcome: Name | Call
    intercept: bool
    terms: tuple[Term, ...]
    groups: tuple[GroupTerm, ...]
    offsets: tuple[Expression, ...]
    se: Name | None
    weights: Name | None
    count: Name | None
    sd: Name | None
    text: str
    family: CountFamily | None = None
    size: Name | None = None

    @property
    def factors(self) -> tuple[Name, ...]:
        """The grouping columns, each once."""
        return _once(name for group in self.groups for name in group.factor)

    @property
    def variables(self) -> tuple[Name | Call, ...]:
        """What terms are made of, each once: columns and functions of columns."""
        every = chain(self.terms, *(g.terms for g in self.groups))
        return tuple(dict.fromkeys(f for term in every for f in term.factors))

    @property
    def plain(self) -> tuple[Name, ...]:
        """Columns that are predictors as they are: numbers, or categories."""
        return tuple(v for v in self.variables if isinstance(v, Name))

    @property
    def categories(self) -> tuple[Name, ...]:
        """Columns inside C(): categories, whatever they hold."""
        return _once(
            name for v in self.variables if is_categorical(v) for name in names_in(v)
        )  # fmt: skip

    @property
    def precision(self) -> tuple[Name, ...]:
        """Columns of the additions."""
        every = (self.se, self.weights, self.count, self.sd, self.size)
        return tuple(n for n in every if n is not None)

    @property
    def numbers(self) -> tuple[Name, ...]:
        """Columns that must hold numbers: of the outcome, of functions, and of the additions."""
        calls = (v for v in self.variables if isinstance(v, Call) and not is_categorical(v))
        inside = chain([self.outcome], calls, self.offsets)
        return _once(chain((n for e in inside for n in names_in(e)), self.precision))

    @property
    def predictors(self) -> tuple[Name, ...]:
        """Every column a prediction needs, but for the groups."""
        inside = chain(self.variables, self.offsets)
        return _once(n for e in inside for n in names_in(e))

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column that is read, each once, the groups first."""
        return _once(chain(self.factors, names_in(self.outcome), self.predictors, self.precision))

    @property
    def labels(self) -> tuple[Name, ...]:
        """The columns that hold labels only, whatever they look like."""
        used = {n.name for n in (*self.plain, *self.numbers)}
        return _once(n for n in (*self.factors, *self.categories) if n.name not in used)

    @property
    def counted(self) -> tuple[Name, ...]:
        """The columns that hold numbers of events or trials, of counts."""
        if self.family is None:
            return ()
        trials = self.size if self.family in ("binomial", "beta_binomial") else None
        return tuple(n for n in (self.outcome, trials) if isinstance(n, Name))

    @property
    def undecided(self) -> tuple[Name, ...]:
        """The predictors that are numbers or categories, as their values say."""
        numbers = {n.name for n in self.numbers}
        return _once(n for n in self.plain if n.name not in numbers)


def _once(names: Iterator[Name] | chain[Name]) -> tuple[Name, ...]:
    first: dict[str, Name] = {}
    for name in names:
        first.setdefault(name.name, name)
    return tuple(first.values())


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


def mixed(formula: Formula) -> Mixed:
    """Read a formula as a linear mixed model.

    Raises
    ------
    UnsupportedFormulaError
        If there is no group term, or an addition is not supported.
    FormulaError
        If a function is not used as it is meant, or the outcome is also a predictor.
    """
    if not formula.groups:
        raise _no_groups(formula)
    given = additions(formula)
    roles = Mixed(
        outcome=formula.response,
        intercept=formula.intercept,
        terms=formula.terms,
        groups=_merged(formula),
        offsets=formula.offsets,
        se=given.get("se"),
        weights=given.get("weights"),
        count=given.get("count"),
        sd=given.get("sd"),
        text=formula.text,
    )
    check_roles(roles)
    return roles


def check_roles(roles: Mixed) -> None:
    """Check that functions are used as they are meant, and that no column plays two parts.

    Raises
    ------
    FormulaError
        If they are not, or one does.
    """
    check = _Checker(roles.text)
    for variable in roles.variables:
        check.variable(variable)
    for expression in (roles.outcome, *roles.offsets):
        check.numeric(expression)
    _check_columns(roles, roles.text)


def _no_groups(formula: Formula) -> UnsupportedFormulaError:
    hint = ""
    if len(formula.terms) == 1:
        hint = f", such as (1 | {formula.terms[0]}) if {formula.terms[0]} names the groups"
    return UnsupportedFormulaError(
        "the formula has no group term: add (1 | group) with the column that names the groups"
        + hint,
        formula.text,
        len(formula.text),
    )


def _merged(formula: Formula) -> tuple[GroupTerm, ...]:
    """Independent terms of the same factor, as ``(1 | g) + (0 + x | g)``, as one: ``(x || g)``."""
    found: list[GroupTerm] = []
    for group in formula.groups:
        for i, other in enumerate(found):
            if other.factor != group.factor:
                continue
            if (other.intercept and group.intercept) or set(other.terms) & set(group.terms):
                raise FormulaError(
                    f"{other} and {group} let the same effect vary by {group.factor_name} twice; "
                    "the data cannot tell the two apart: leave one out",
                    formula.text,
                    group.at,
                )
            if _independent(other) and _independent(group):
                found[i] = replace(
                    other,
                    intercept=other.intercept or group.intercept,
                    terms=other.terms + group.terms,
                    correlated=False,
                )
                break
        else:
            found.append(group)
    return tuple(found)


def _independent(group: GroupTerm) -> bool:
    return not group.correlated or group.intercept + len(group.terms) == 1


def _check_columns(roles: Mixed, text: str) -> None:
    outcome = {n.name: n for n in names_in(roles.outcome)}
    for name in chain(roles.predictors, roles.factors):
        if name.name in outcome:
            what = "a group" if name in roles.factors else "a predictor"
            raise FormulaError(
                f'the column "{name.name}" cannot be both the outcome and {what}', text, name.at
            )
    for name in roles.factors:
        if name in roles.precision:
            raise FormulaError(
                f'the column "{name.name}" cannot be both the group and a number of each row',
                text,
                name.at,
            )


@dataclass(frozen=True, slots=True)
class _Checker:
    """Whether functions are used as they are meant."""

    text: str

    def fail(self, problem: str, at: int) -> FormulaError:
        return FormulaError(problem, self.text, at)

    def variable(self, node: Name | Call) -> None:
        """A factor of a term: a column, C(column, levels), poly(column, degree), or numbers."""
        if isinstance(node, Call) and node.function == "C":
            self._categories(node)
        elif isinstance(node, Call) and node.function == "poly":
            self._poly(node)
        else:
            self.numeric(node)

    def numeric(self, node: Expression) -> None:
        """An expression that is one number a row."""
        match node:
            case Name() | Number():
                return
            case Unary():
                self.numeric(node.operand)
            case Binary(operator=":"):
                raise self.fail('":" is for terms; inside a function multiply with *', node.at)
            case Binary():
                if node.operator in COMPARISONS and Text in (type(node.left), type(node.right)):
                    raise self.fail(
                        f"{node} compares text: make a column of 1 and 0, or write C() of the "
                        "column for a coefficient of each level",
                        node.at,
                    )
                self.numeric(node.left)
                self.numeric(node.right)
            case Call():
                self._function(node)
            case Text():
                raise self.fail("a string can only stand inside C()", node.at)
            case Bar():
                raise self.fail("a group term cannot stand inside a function", node.at)

    def _function(self, node: Call) -> None:
        if node.function not in (*ELEMENTWISE, "center", "scale"):
            raise self.fail(
                f"{node.function}() makes no single number a row and cannot stand here", node.at
            )
        if len(node.arguments) != 1:
            raise self.fail(f"{node.function}() takes one argument", node.at)
        (inside,) = node.arguments
        self.numeric(inside)
        if not any(True for _ in names_in(inside)):
            raise self.fail(f"{node} holds no column", node.at)
        nested = [c for c in calls_in(inside) if c.function in STATEFUL]
        if node.function in STATEFUL and nested:
            raise self.fail(f"{node.function}() cannot hold {nested[0].function}()", node.at)

    def _poly(self, node: Call) -> None:
        degree = node.arguments[1] if len(node.arguments) == 2 else Number(0.0)
        if (
            not isinstance(degree, Number)
            or degree.value != int(degree.value)
            or not 1 <= degree.value <= MAX_DEGREE
        ):
            raise self.fail(
                f"poly() is written poly(column, degree) with a degree from 1 to {MAX_DEGREE}",
                node.at,
            )
        self.numeric(node.arguments[0])
        if any(c.function in STATEFUL for c in calls_in(node.arguments[0])):
            raise self.fail("poly() holds a column, or a function such as log of one", node.at)

    def _categories(self, node: Call) -> None:
        column, *levels = node.arguments
        if len(levels) == 1 and isinstance(levels[0], Call) and levels[0].function == "ref":
            levels = list(levels[0].arguments)
        if not isinstance(column, Name):
            raise self.fail(
                'C() is written C(column) or C(column, "first", "second", ...)', node.at
            )
        for level in levels:
            if not isinstance(level, Text | Number):
                raise self.fail(
                    f"the levels in C() are written in quotes or as numbers, not {level}", node.at
                )
        repeated = [str(v) for i, v in enumerate(levels) if v in levels[:i]]
        if repeated:
            raise self.fail(f"C() names the level {repeated[0]} twice", node.at)
