"""The functions a formula may use: one table, in NumPy and in SQL.

A new function of one number is one line of `ELEMENTWISE`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.errors import DataError

NAN, INFINITY = "CAST('NaN' AS DOUBLE)", "CAST('Infinity' AS DOUBLE)"


@dataclass(frozen=True, slots=True)
class Elementwise:
    """A function of one number: of arrays, and its SQL, which has the same value everywhere."""

    array: Callable[[Floats], Floats]
    sql: Callable[[str], str]


def _logarithm(x: str, base: str = "") -> str:
    """LN, with the values of NumPy at 0 and below, where engines differ or raise."""
    _check_length(x)
    over = f" / LN({base})" if base else ""
    return f"(CASE WHEN {x} > 0 THEN LN({x}){over} WHEN {x} = 0 THEN -{INFINITY} ELSE {NAN} END)"


def _log1p(x: str) -> str:
    """LN(1 + x) times x over what rounding leaves of x in 1 + x, which is right for small x too."""
    # W. Kahan's identity, in the HP-15C Advanced Functions Handbook (1982), appendix
    one_more = f"(1 + {x})"
    return (
        f"(CASE WHEN {one_more} = 1 THEN {x} WHEN {one_more} > 0 AND ABS({x}) < 1 "
        f"THEN LN({one_more}) * {x} / ({one_more} - 1) ELSE {_logarithm(one_more)} END)"
    )


LONGEST = 5000
"""Characters of the SQL of an operand: where it is written three times, each level takes thrice."""


def _check_length(sql: str) -> None:
    if len(sql) > LONGEST:
        raise DataError(
            "an expression of the formula is too long for a query: make a column of a part of it "
            "first"
        )


ELEMENTWISE: dict[str, Elementwise] = {
    "log": Elementwise(np.log, _logarithm),
    "log2": Elementwise(np.log2, lambda x: _logarithm(x, "2")),
    "log10": Elementwise(np.log10, lambda x: _logarithm(x, "10")),
    "log1p": Elementwise(np.log1p, _log1p),
    "exp": Elementwise(np.exp, lambda x: f"EXP({x})"),
    "sqrt": Elementwise(np.sqrt, lambda x: f"(CASE WHEN {x} >= 0 THEN SQRT({x}) ELSE {NAN} END)"),
    "abs": Elementwise(np.abs, lambda x: f"ABS({x})"),
    "I": Elementwise(np.asarray, lambda x: x),
}
STATEFUL = ("center", "scale", "poly")
"""Functions that learn something from the rows, which prediction uses again."""
FUNCTIONS = (*ELEMENTWISE, *STATEFUL, "C", "offset")

COMPARISONS: dict[str, Callable[[Floats, Floats], Floats]] = {
    ">": lambda a, b: np.greater(a, b).astype(np.float64),
    ">=": lambda a, b: np.greater_equal(a, b).astype(np.float64),
    "<": lambda a, b: np.less(a, b).astype(np.float64),
    "<=": lambda a, b: np.less_equal(a, b).astype(np.float64),
    "==": lambda a, b: np.equal(a, b).astype(np.float64),
    "!=": lambda a, b: np.not_equal(a, b).astype(np.float64),
}
"""1 where they hold and 0 where not; inside a function, such as I(x > 5)."""
ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    **COMPARISONS,
}


def binary_sql(operator: str, left: str, right: str) -> str:
    """SQL of two numbers and the operator between them."""
    _check_length(left + right)
    if operator == "^":
        return f"POWER({left}, {right})"
    if operator in COMPARISONS:
        sql = {"==": "=", "!=": "<>"}.get(operator, operator)
        return f"(CASE WHEN {left} {sql} {right} THEN CAST(1 AS DOUBLE) ELSE CAST(0 AS DOUBLE) END)"
    if operator != "/":
        return f"({left} {operator} {right})"
    return (
        f"(CASE WHEN {right} <> 0 THEN {left} / {right} WHEN {left} > 0 THEN {INFINITY} "
        f"WHEN {left} < 0 THEN -{INFINITY} ELSE {NAN} END)"
    )
