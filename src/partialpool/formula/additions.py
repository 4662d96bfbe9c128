"""The columns that say how precise a row is, or out of how many its events are."""

from __future__ import annotations

from typing import TypedDict

from partialpool.errors import FormulaError, UnsupportedFormulaError
from partialpool.formula.families import PROPORTIONS, CountFamily
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


class Precision(TypedDict, total=False):
    """Columns that say how precise a row is."""

    se: Name
    weights: Name
    count: Name
    sd: Name


def precision_columns(formula: Formula) -> Precision:
    """The columns that say how precise a row is, by role: se, weights, count and sd.

    Raises
    ------
    UnsupportedFormulaError
        If two of them are given, or one is no column.
    """
    columns = Precision()
    for addition in formula.additions:
        where = f"{addition.kind}()"
        names = [column_of(formula, a, where, addition.at) for a in addition.arguments]
        match addition.kind:
            case "se":
                columns["se"] = names[0]
            case "weights":
                columns["weights"] = names[0]
            case "summary":
                columns["count"], columns["sd"] = names
    if len(formula.additions) > 1:
        kinds = " and ".join(f"{a.kind}()" for a in formula.additions)
        raise UnsupportedFormulaError(
            f"{kinds} cannot be combined: known standard errors, "
            "weights and summaries each say how precise a row is; keep one",
            formula.text,
            formula.additions[-1].at,
        )
    return columns


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
            f"{where} takes a column, or arithmetic with columns, not {argument}: make it a column",
            formula.text,
            at,
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


def size_columns(formula: Formula, family: CountFamily) -> list[Name]:
    """The columns of trials or exposures that the additions name.

    Raises
    ------
    FormulaError
        If an addition does not go with the family.
    """
    return [_size_column(formula, family, addition) for addition in formula.additions]


def _size_column(formula: Formula, family: CountFamily, addition: Addition) -> Name:
    wanted = "trials" if family in PROPORTIONS else "exposure"
    if addition.kind != wanted:
        raise FormulaError(
            f"{addition.kind}() does not go with the family {family}, which takes {wanted}(column)",
            formula.text,
            addition.at,
        )
    return column_of(formula, addition.arguments[0], f"{wanted}()", addition.at)
