"""Tokens to a tree. A small grammar, read by recursive descent; nothing is evaluated.

formula   := response ["|" addition {"+" addition}] "~" sum
addition  := NAME "(" arguments ")"
sum       := [sign] product {("+" | "-") product}
product   := inter {("*" | "/") inter}
inter     := power {":" power}
power     := unary ["^" NUMBER]
unary     := ("+" | "-") unary | atom
atom      := NAME | NUMBER | TEXT | FUNCTION "(" arguments ")"
           | "(" sum ")" | "(" sum ("|" | "||") sum ")"
"""

from __future__ import annotations

from typing import NoReturn

from partialpool.errors import FormulaError, did_you_mean
from partialpool.formula.expand import expand
from partialpool.formula.scanner import Token, scan
from partialpool.formula.tree import (
    Addition,
    Bar,
    Binary,
    Call,
    Expression,
    Formula,
    Name,
    Number,
    Text,
    Unary,
)

MAX_DEPTH = 50
MAX_OPERATORS = 250
FUNCTIONS = ("log", "exp", "sqrt", "center", "scale", "poly", "C", "I", "offset")
ADDITIONS = ("se", "weights", "trials", "summary", "exposure")


def parse(text: str) -> Formula:
    """Read a formula such as ``"score ~ 1 + ses + (1 | school)"``.

    Parameters
    ----------
    text : str
        The formula. Names are columns; names with spaces or signs go between backquotes.

    Returns
    -------
    Formula
        The tree, with every shorthand expanded.

    Raises
    ------
    FormulaError
        If the text is not a formula; the message points at the character.

    Examples
    --------
    >>> str(parse("score ~ ses * sector + (1 | district/school)"))
    'score ~ 1 + ses + sector + ses:sector + (1 | district) + (1 | district:school)'
    """
    if not isinstance(text, str):
        raise FormulaError(
            f"a formula is a string such as 'score ~ 1 + (1 | school)', not {type(text).__name__}",
            "",
            0,
        )
    return _Parser(text).formula()


def parse_call(text: str) -> Call:
    """Read one function call with number arguments, such as ``half_t(3, 5)``.

    Raises
    ------
    FormulaError
        If the text is anything else.
    """
    parser = _Parser(text)
    token = parser.peek
    if token.kind != "name":
        parser.fail(f"expected a name such as half_normal(5), found {token.shown()}", token)
    parser.advance()
    parser.expect("(")
    call = Call(token.value, parser.arguments(), token.at)
    if parser.peek.kind != "end":
        parser.fail(f"expected nothing more, found {parser.peek.shown()}", parser.peek)
    return call


class _Parser:
    """A cursor over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = scan(text)
        self.index = 0
        self.depth = 0
        self.operators = 0

    @property
    def peek(self) -> Token:
        return self.tokens[self.index]

    def advance(self) -> Token:
        token = self.tokens[self.index]
        self.index = min(self.index + 1, len(self.tokens) - 1)
        return token

    def at_op(self, *ops: str) -> bool:
        return self.peek.kind == "op" and self.peek.value in ops

    def expect(self, op: str) -> Token:
        if not self.at_op(op):
            self.fail(f'expected "{op}", found {self.peek.shown()}', self.peek)
        return self.advance()

    def fail(self, problem: str, token: Token) -> NoReturn:
        raise FormulaError(problem, self.text, token.at)

    # the formula's two sides -------------------------------------------------------------

    def formula(self) -> Formula:
        if self.peek.kind == "end":
            self.fail("the formula is empty; write for example score ~ 1 + (1 | school)", self.peek)
        response = self.response()
        additions: list[Addition] = []
        if self.at_op("|"):
            self.advance()
            additions.append(self.addition(additions))
            while self.at_op("+"):
                self.advance()
                additions.append(self.addition(additions))
        if not self.at_op("~"):
            self.fail(
                f'expected "~" between the outcome and the model, found {self.peek.shown()}; '
                "a column name with spaces goes between backquotes: `Test score` ~ ...",
                self.peek,
            )
        tilde = self.advance().at
        right = self.sum()
        if self.at_op("~"):
            self.fail('a formula has one "~"', self.peek)
        if self.at_op("|", "||"):
            self.fail("a group term stands in parentheses: (1 | school)", self.peek)
        if self.peek.kind != "end":
            self.fail(f"expected + or the end of the formula, found {self.peek.shown()}", self.peek)
        return expand(self.text, response, tuple(additions), right, tilde)

    def response(self) -> Name | Call:
        token = self.peek
        if self.at_op("~"):
            self.fail('the outcome is missing before "~"', token)
        left = self.sum()
        if not isinstance(left, Name | Call):
            self.fail(
                "the outcome is one column, or a function of one such as log(y); "
                "arithmetic goes inside I()",
                token,
            )
        return left

    def addition(self, before: list[Addition]) -> Addition:
        token = self.peek
        allowed = ", ".join(f"{a}()" for a in ADDITIONS)
        if token.kind != "name" or token.value not in ADDITIONS:
            hint = did_you_mean(token.value, ADDITIONS) if token.kind == "name" else ""
            self.fail(
                f'after "|" on the left side one of {allowed} is expected, '
                f"found {token.shown()}; {hint}".rstrip("; "),
                token,
            )
        if any(a.kind == token.value for a in before):
            self.fail(f"{token.value}() is given twice", token)
        self.advance()
        self.expect("(")
        arguments = self.arguments()
        wanted = 2 if token.value == "summary" else 1
        if len(arguments) != wanted:
            example = {"summary": "summary(n, sd)"}.get(token.value, f"{token.value}(column)")
            self.fail(f"{token.value}() is written {example}", token)
        return Addition(token.value, arguments, token.at)

    def operator(self) -> Token:
        """Take an operator; their number is limited so that no tree is too deep to walk."""
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            self.fail(f"more than {MAX_OPERATORS} operators in one formula", self.peek)
        return self.advance()

    # expressions, loosest first -----------------------------------------------------------

    def sum(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} nested parentheses", self.peek)
        left = self.product()
        while self.at_op("+", "-"):
            op = self.operator()
            left = Binary(op.value, left, self.product(), op.at)
        self.depth -= 1
        return left

    def product(self) -> Expression:
        left = self.interaction()
        while self.at_op("*", "/"):
            op = self.operator()
            left = Binary(op.value, left, self.interaction(), op.at)
        return left

    def interaction(self) -> Expression:
        left = self.unary()
        while self.at_op(":"):
            op = self.operator()
            left = Binary(":", left, self.unary(), op.at)
        return left

    def unary(self) -> Expression:
        """Signs bind less tightly than a power: -x^2 is -(x^2)."""
        signs: list[Token] = []
        while self.at_op("+", "-"):
            signs.append(self.operator())
        value = self.power()
        for sign in reversed(signs):
            value = Unary(sign.value, value, sign.at)
        return value

    def power(self) -> Expression:
        base = self.atom()
        if self.at_op("^"):
            op = self.advance()
            sign = self.advance() if self.at_op("-") else None
            exponent = self.peek
            if exponent.kind != "number":
                self.fail(f'expected a number after "^", found {exponent.shown()}', exponent)
            self.advance()
            value = float(exponent.value) * (-1.0 if sign else 1.0)
            base = Binary("^", base, Number(value, exponent.at), op.at)
        return base

    def atom(self) -> Expression:
        token = self.peek
        if token.kind == "name":
            self.advance()
            if self.at_op("("):
                return self.call(token)
            return Name(token.value, token.at)
        if token.kind == "number":
            self.advance()
            return Number(float(token.value), token.at)
        if token.kind == "text":
            self.advance()
            return Text(token.value, token.at)
        if self.at_op("("):
            return self.parenthesis()
        self.fail(f"expected a column name, found {token.shown()}", token)

    def call(self, token: Token) -> Call:
        if token.value not in FUNCTIONS:
            hint = did_you_mean(token.value, FUNCTIONS)
            if token.value in ADDITIONS:
                hint = f'{token.value}() goes on the left side, after "|"; '
            self.fail(
                f'"{token.value}" is not one of the functions a formula may use; {hint}'
                f"they are {', '.join(FUNCTIONS)}",
                token,
            )
        self.expect("(")
        arguments = self.arguments()
        if not arguments:
            self.fail(f"{token.value}() needs a column", token)
        return Call(token.value, arguments, token.at)

    def arguments(self) -> tuple[Expression, ...]:
        """Read up to and with the closing parenthesis."""
        found: list[Expression] = []
        if self.at_op(")"):
            self.advance()
            return ()
        while True:
            found.append(self.sum())
            if self.at_op(","):
                self.advance()
                continue
            if not self.at_op(")"):
                self.fail(f'expected "," or ")", found {self.peek.shown()}', self.peek)
            self.advance()
            return tuple(found)

    def parenthesis(self) -> Expression:
        opening = self.advance()
        inner = self.sum()
        if self.at_op("|", "||"):
            bar = self.advance()
            factor = self.sum()
            if not self.at_op(")"):
                self.fail(f'expected ")" after the group, found {self.peek.shown()}', self.peek)
            self.advance()
            return Bar(inner, factor, bar.value == "|", bar.at)
        if not self.at_op(")"):
            if self.peek.kind == "end":
                self.fail('this "(" is never closed', opening)
            self.fail(f'expected ")", found {self.peek.shown()}', self.peek)
        self.advance()
        return inner
