"""Which column plays which part: a Formula read as a one-way model, where it is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from partialpool.errors import FormulaError, UnsupportedFormulaError
from partialpool.formula.functions import ARITHMETIC, ELEMENTWISE
from partialpool.formula.tree import (
    Addition,
    Binary,
    Call,
    Derived,
    Expression,
    Formula,
    Name,
    Number,
    Text,
    Unary,
    names_in,
)

CountFamily = Literal["binomial", "poisson", "beta_binomial", "gamma_poisson"]
"""How events are distributed."""


@dataclass(frozen=True, slots=True)
class OneWay:
    """The columns of ``outcome | additions ~ 1 + (1 | group)``.

    At most one of `se` and the pair (`count`, `sd`) is given.

    Parameters
    ----------
    outcome, group : Name
        The outcome and the grouping factor.
    se : Name, optional
        Known standard errors of the outcome (same units as the outcome).
    weights : Name, optional
        Precision weights: row i has variance sigma^2 / w_i.
    count, sd : Name, optional
        Each row is a summary: number of rows, and their standard deviation.
    """

    outcome: Name
    group: Name
    se: Name | None = None
    weights: Name | None = None
    count: Name | None = None
    sd: Name | None = None

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column that is read, each once, the group first."""
        found = (self.group, self.outcome, self.se, self.weights, self.count, self.sd)
        return tuple({c.name: c for c in found if c is not None}.values())

    @property
    def labels(self) -> tuple[Name, ...]:
        """The columns that hold labels only, whatever they look like."""
        return (self.group,)

    @property
    def undecided(self) -> tuple[Name, ...]:
        """The predictors that are numbers or categories, as their values say: none."""
        return ()

    @property
    def counted(self) -> tuple[Name, ...]:
        """The columns that hold numbers of events or trials: none."""
        return ()


def one_way(formula: Formula) -> OneWay | None:
    """Read a formula as a one-way model with an intercept; None if it says more than that.

    Raises
    ------
    UnsupportedFormulaError
        If an addition is not supported; the message says which.
    FormulaError
        If the group is also the outcome or says how precise a row is.
    """
    more = formula.terms or formula.offsets or not formula.intercept or len(formula.groups) != 1
    if more or not isinstance(formula.response, Name):
        return None
    (group,) = formula.groups
    if group.terms or len(group.factor) > 1:
        return None
    roles = OneWay(formula.response, group.factor[0], **additions(formula))
    for other in (roles.outcome, roles.se, roles.weights, roles.count, roles.sd):
        if other == roles.group:
            raise FormulaError(
                f'the column "{other.name}" cannot be both the group and a number of each row',
                formula.text,
                roles.group.at,
            )
    return roles


def additions(formula: Formula) -> dict[str, Name]:
    """The columns that say how precise a row is, by role: se, weights, count and sd.

    Raises
    ------
    UnsupportedFormulaError
        If an addition is not supported, or two of them are given.
    """
    columns: dict[str, Name] = {}
    for addition in formula.additions:
        if addition.kind in ("trials", "exposure"):
            raise UnsupportedFormulaError(
                f"{addition.kind}() (counts and proportions) is not yet supported here; "
                "this version fits measurements and estimates with known standard errors",
                formula.text,
                addition.at,
            )
        names = _names(formula, addition)
        if addition.kind == "summary":
            columns["count"], columns["sd"] = names
        else:
            columns[addition.kind] = names[0]
    kinds = {a.kind: a for a in formula.additions}
    if len(kinds) > 1:
        last = formula.additions[-1]
        raise UnsupportedFormulaError(
            f"{' and '.join(f'{k}()' for k in kinds)} cannot be combined: known standard errors, "
            "weights and summaries each say how precise a row is; keep one",
            formula.text,
            last.at,
        )
    return columns


def _names(formula: Formula, addition: Addition) -> list[Name]:
    names: list[Name] = []
    for argument in addition.arguments:
        names.append(column_of(formula, argument, f"{addition.kind}()", addition.at))
    return names


def column_of(formula: Formula, argument: Expression, where: str, at: int) -> Name:
    """The column that an argument names, or one that is computed from others.

    Raises
    ------
    UnsupportedFormulaError
        If it is anything but columns, numbers, arithmetic and functions of one number.
    """
    if isinstance(argument, Name):
        return argument
    if not _is_arithmetic(argument) or not any(True for _ in names_in(argument)):
        raise UnsupportedFormulaError(
            f"{where} takes a column, or arithmetic with columns, not {argument}", formula.text, at
        )
    return Derived(str(argument), at, argument)


def is_comparison(node: Binary) -> bool:
    """Whether two numbers of columns are compared, or a column and a word."""
    sides = node.left, node.right
    if any(isinstance(side, Text) for side in sides):
        named = any(isinstance(side, Name) for side in sides)
        return named and node.operator in ("==", "!=")
    columns = any(True for _ in names_in(node))
    return columns and all(_is_arithmetic(side) for side in sides)


def _is_arithmetic(node: Expression) -> bool:
    match node:
        case Name() | Number():
            return True
        case Unary():
            return _is_arithmetic(node.operand)
        case Binary():
            inside = _is_arithmetic(node.left) and _is_arithmetic(node.right)
            return node.operator in ARITHMETIC and inside
        case Call():
            one = node.function in ELEMENTWISE and len(node.arguments) == 1
            return one and _is_arithmetic(node.arguments[0])
    return False
