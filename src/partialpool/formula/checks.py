"""Whether the functions of a formula are used as they are meant."""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.errors import FormulaError
from partialpool.formula.dialects import MAX_DEGREE
from partialpool.formula.functions import COMPARISONS, ELEMENTWISE, STATEFUL
from partialpool.formula.tree import (
    Bar,
    Binary,
    Call,
    Expression,
    Name,
    Number,
    Text,
    Unary,
    calls_in,
    names_in,
)


@dataclass(frozen=True, slots=True)
class FunctionChecks:
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
                raise self.fail(
                    "a string can only stand inside C(); a column name goes between backquotes",
                    node.at,
                )
            case Bar():
                raise self.fail("a group term cannot stand inside a function", node.at)

    def _function(self, node: Call) -> None:
        if node.function not in (*ELEMENTWISE, "center", "scale"):
            raise self.fail(
                f"{node.function}() makes no single number a row and cannot stand here", node.at
            )
        if len(node.arguments) != 1:
            base = "; for another base write log2(x) or log10(x)" * (node.function == "log")
            raise self.fail(f"{node.function}() takes one argument{base}", node.at)
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
