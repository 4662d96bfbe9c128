"""Tokens to a tree. A small grammar, read by recursive descent; nothing is evaluated.

formula   := one {";" noise} | ("bf" | "brmsformula") "(" one {"," noise} ")"
one       := response ["|" addition {"+" addition}] "~" sum
noise     := "sigma" "~" sum
addition  := NAME "(" arguments ")"
sum       := [sign] product {("+" | "-") product}
product   := inter {("*" | "/") inter}
inter     := power {":" power}
power     := unary ["^" NUMBER]
unary     := ("+" | "-") unary | atom
atom      := NAME | NUMBER | TEXT | FUNCTION "(" arguments ")"
           | "(" sum ")" | "(" sum ("|" | "||") sum ")"
arguments := [argument {"," argument}]
argument  := sum [(">" | ">=" | "<" | "<=" | "==" | "!=") sum] | NAME "=" sum

Words of other packages are read as well: see `dialects`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from partialpool.errors import FormulaError, did_you_mean
from partialpool.formula.additions import is_comparison
from partialpool.formula.dialects import (
    INDEPENDENT,
    PROPORTIONS,
    knows_word,
    read_word,
    refused_word,
)
from partialpool.formula.expand import expand
from partialpool.formula.functions import COMPARISONS, FUNCTIONS
from partialpool.formula.scanner import Token, scan
from partialpool.formula.tree import (
    Addition,
    Bar,
    Binary,
    Call,
    Derived,
    Expression,
    Formula,
    Name,
    Number,
    Text,
    Unary,
)

MAX_DEPTH, MAX_OPERATORS = 50, 250
"""Nested parentheses, and operators, of a formula: each is a call on Python's stack (1,000 deep)
wherever the tree is walked, so that a text from a web page cannot exhaust it."""
WRAPPERS = ("bf", "brmsformula")
"""Words of brms around a formula with further formulas."""
SECOND = (
    "a second formula says whose groups differ in noise, sigma ~ 1 + (1 | group) with the group of "
    "the first, and nothing else is fitted"
)
ADDITIONS = ("se", "weights", "trials", "summary", "exposure")
ERRORS = {"var": 1, "vi": 1, "ci": 2}
"""Words for standard errors by variances and by ends of 95% intervals, with their arguments."""
CI_WIDTH = 3.919928
"""Standard errors between the ends of a 95% interval: 2 x 1.959964. With six decimals, as it
stands in the formula that is shown; published ends have fewer digits."""
OTHER_ADDITIONS = {
    "cens": "cens() stands for censored outcomes, which are not fitted here",
    "trunc": "trunc() stands for truncated outcomes, which are not fitted here",
    "mi": "mi() stands for missing outcomes to be imputed; rows without an outcome are left out",
    "subset": "subset() chooses rows: give the data without the others",
}
"""Words of other packages after "|" on the left side, and our way."""


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
    function, arguments, named = parse_named_call(text)
    for name in named:
        raise FormulaError(f"{function}() takes no argument {name}=", text, 0)
    return Call(function, arguments)


def parse_named_call(text: str) -> tuple[str, tuple[Expression, ...], dict[str, Expression]]:
    """Read one function call, such as ``contaminated(0.1, ratio=5)``.

    Returns
    -------
    str, tuple of Expression, dict
        The function's name, and its arguments without and with a name.

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
    arguments, named = parser.arguments()
    if parser.peek.kind != "end":
        parser.fail(f"expected nothing more, found {parser.peek.shown()}", parser.peek)
    return token.value, arguments, named


class _Parser:
    """A cursor over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = scan(text)
        self.index = 0
        self.depth = 0
        self.operators = 0
        self.ids: set[str] = set()

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

    # the formula and its two sides ---------------------------------------------------------

    def formula(self) -> Formula:
        """One formula, and a second one of sigma if there is one."""
        wrapped = self.peek.kind == "name" and self.peek.value in WRAPPERS and self.next_is("(")
        if wrapped:
            self.advance()
            self.advance()
        formula = self.one()
        while self.at_op("," if wrapped else ";"):
            self.advance()
            if self.peek.kind == "end":
                break
            formula = self.noise(formula)
        if wrapped:
            self.expect(")")
        if self.peek.kind != "end":
            way = {
                "name": "; a column name with spaces goes between backquotes: `my column`",
                "op": "; the formula stands alone: data, family and weights are not part of it"
                * self.at_op(","),
            }.get(self.peek.kind, "")
            what = f"expected + or the end of the formula, found {self.peek.shown()}"
            self.fail(what + way, self.peek)
        return formula

    def noise(self, formula: Formula) -> Formula:
        """The formula with the second one, ``sigma ~ 1 + (1 | group)``, read into it."""
        token = self.advance()
        if token.kind != "name" or token.value != "sigma" or not self.at_op("~"):
            self.fail(
                f"{SECOND}; found {token.shown()}; a column name that holds ; or a comma goes "
                "between backquotes",
                token,
            )
        if formula.noise is not None:
            self.fail("sigma has two formulas; write one", token)
        tilde = self.advance().at
        second = expand(self.text, Name("sigma", token.at), (), self.sum(), tilde)
        plain = second.intercept and not second.terms and not second.offsets
        if not plain or len(second.groups) > 1 or any(g.terms for g in second.groups):
            self.fail(f"{SECOND}: predictors, slopes and several terms of sigma are not", token)
        return replace(formula, noise=next(iter(second.groups), None))

    def one(self) -> Formula:
        if self.peek.kind == "end":
            self.fail("the formula is empty; write for example score ~ 1 + (1 | school)", self.peek)
        additions: list[Addition] = []
        response: Name | Call
        if self.peek.kind == "name" and self.peek.value in PROPORTIONS and self.next_is("("):
            response, trials = self.proportion()
            additions.append(trials)
        else:
            response = self.response()
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
        return expand(self.text, response, tuple(additions), right, tilde)

    def next_is(self, op: str) -> bool:
        after = self.tokens[min(self.index + 1, len(self.tokens) - 1)]
        return after.kind == "op" and after.value == op

    def proportion(self) -> tuple[Name, Addition]:
        """``p(events, trials)`` of bambi, ``cbind(events, failures)`` of R."""
        token = self.advance()
        self.expect("(")
        arguments = self.plain_arguments(token)
        events = arguments[0] if arguments else None
        if len(arguments) != 2 or not isinstance(events, Name):
            self.fail(f"{token.value}() of two columns is written events | trials(n)", token)
        size = arguments[1]
        if token.value == "cbind":
            events, size = self.of_cbind(events, size)
        return events, Addition("trials", (size,), token.at)

    def of_cbind(self, events: Name, failures: Expression) -> tuple[Name, Expression]:
        """Events and trials; ``cbind(s, n - s)`` is of n trials."""
        match failures:
            case Binary(operator="-", right=Name()) if failures.right == events:
                return events, failures.left
        return events, Binary("+", events, failures, failures.at)

    def response(self) -> Name | Call:
        token = self.peek
        if self.at_op("~"):
            self.fail('the outcome is missing before "~"', token)
        left = self.sum()
        if isinstance(left, Call) and left.function == "C":
            self.fail(
                f"the outcome is a number each row, not {left}; of an outcome of two words make a "
                "column of 1 (event) and 0",
                token,
            )
        if isinstance(left, Call) and left.function == "I":
            (inside, *more) = left.arguments
            if isinstance(inside, Binary) and inside.operator in COMPARISONS:
                if more or not is_comparison(inside):
                    self.fail(
                        "an outcome that compares is written I(column > number), with arithmetic "
                        'on either side, or I(column == "word")',
                        token,
                    )
                return Derived(str(left), left.at, inside)
        if not isinstance(left, Name | Call):
            self.fail(
                "the outcome is one column, or a function of one such as log(y); "
                "arithmetic goes inside I(), and a share of counts is written s | trials(n)",
                token,
            )
        return left

    def addition(self, before: list[Addition]) -> Addition:
        token = self.peek
        allowed = ", ".join(f"{a}()" for a in ADDITIONS)
        if token.value == "rate" and self.next_is("("):  # brms
            token = Token("name", "exposure", token.at)
        if token.value in OTHER_ADDITIONS:
            self.fail(OTHER_ADDITIONS[token.value], token)
        if token.kind != "name" or token.value not in (*ADDITIONS, *ERRORS):
            hint = did_you_mean(token.value, ADDITIONS) if token.kind == "name" else ""
            self.fail(
                f'after "|" on the left side one of {allowed} is expected, '
                f"found {token.shown()}; {hint}".rstrip("; "),
                token,
            )
        if any(a.kind == ("se" if token.value in ERRORS else token.value) for a in before):
            self.fail(f"{token.value}() is given twice", token)
        self.advance()
        self.expect("(")
        arguments = self.plain_arguments(token)
        if token.value in ERRORS:
            return self.of_error(token, arguments)
        wanted = 2 if token.value == "summary" else 1
        if len(arguments) != wanted:
            example = {"summary": "summary(n, sd)"}.get(token.value, f"{token.value}(column)")
            self.fail(f"{token.value}() is written {example}", token)
        return Addition(token.value, arguments, token.at)

    def of_error(self, token: Token, arguments: tuple[Expression, ...]) -> Addition:
        """Standard errors from variances, ``var(v)``, or ends of 95% intervals, ``ci(a, b)``."""
        if len(arguments) != ERRORS[token.value]:
            self.fail(f"{token.value}() takes {ERRORS[token.value]} column(s)", token)
        expression: Expression = Call("sqrt", arguments[:1], token.at)
        if token.value == "ci":
            width = Binary("-", arguments[1], arguments[0], token.at)
            expression = Binary("/", width, Number(CI_WIDTH, token.at), token.at)
        return Addition("se", (expression,), token.at)

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
            if token.value == "." and self.text[token.at] == ".":
                self.fail('"." stands for all other columns in R; here predictors are named', token)
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

    def call(self, token: Token) -> Expression:
        sentence = refused_word(token.value)
        if sentence is not None:
            self.fail(sentence, token)
        if token.value in INDEPENDENT:
            bar = self.parenthesis()
            if not isinstance(bar, Bar):
                self.fail(f"{token.value}() holds a group term: {token.value}(1 + x | g)", token)
            return replace(bar, correlated=bar.correlated and not INDEPENDENT[token.value])
        if token.value in ADDITIONS:
            self.fail(f'{token.value}() goes on the left side, after "|"', token)
        self.expect("(")
        arguments, keywords = self.arguments()
        call = None
        contrast = token.value == "C" and any(isinstance(a, Call | Name) for a in arguments[1:])
        if (arguments or keywords) and (token.value not in FUNCTIONS or keywords or contrast):
            call = read_word(token.value, arguments, keywords, token.at)
        if isinstance(call, str):
            self.fail(call, token)
        if call is not None:
            return call
        if token.value not in FUNCTIONS and not knows_word(token.value):
            hint = did_you_mean(token.value, FUNCTIONS)
            self.fail(
                f'"{token.value}" is not one of the functions a formula may use; {hint}'
                f"they are {', '.join(FUNCTIONS)}",
                token,
            )
        self.refuse_keywords(token, keywords)
        if not arguments:
            self.fail(f"{token.value}() needs a column", token)
        return Call(token.value, arguments, token.at)

    def refuse_keywords(self, token: Token, keywords: dict[str, Expression]) -> None:
        for name in keywords:
            self.fail(f"{token.value}() takes no argument {name}=", token)

    def plain_arguments(self, token: Token) -> tuple[Expression, ...]:
        """Arguments of which none has a name."""
        arguments, keywords = self.arguments()
        self.refuse_keywords(token, keywords)
        return arguments

    def arguments(self) -> tuple[tuple[Expression, ...], dict[str, Expression]]:
        """Read up to and with the closing parenthesis: arguments without and with a name."""
        arguments: list[Expression] = []
        named: dict[str, Expression] = {}
        if self.at_op(")"):
            self.advance()
            return (), {}
        while True:
            if self.peek.kind == "name" and self.next_is("="):
                token = self.advance()
                if token.value in named:
                    self.fail(f"{token.value}= is given twice", token)
                self.advance()
                named[token.value] = self.argument()
            else:
                arguments.append(self.argument())
            if self.at_op(","):
                self.advance()
                continue
            if not self.at_op(")"):
                self.fail(f'expected "," or ")", found {self.peek.shown()}', self.peek)
            self.advance()
            return tuple(arguments), named

    def argument(self) -> Expression:
        """A sum, or two of them compared."""
        left = self.sum()
        if self.at_op(*COMPARISONS):
            op = self.operator()
            left = Binary(op.value, left, self.sum(), op.at)
        return left

    def parenthesis(self) -> Expression:
        opening = self.advance()
        inner = self.sum()
        if self.at_op("|", "||"):
            bar = self.advance()
            factor = self.sum()
            if self.at_op("|") and isinstance(factor, Name):  # (1 | ID | group) of brms
                self.advance()
                if factor.name in self.ids:
                    self.fail(
                        f"effects of several terms are not correlated by an id ({factor.name}) "
                        "here; write those of one group in one term: (1 + x | group)",
                        bar,
                    )
                self.ids.add(factor.name)
                factor = self.sum()
            if not self.at_op(")"):
                self.fail(f'expected ")" after the group, found {self.peek.shown()}', self.peek)
            self.advance()
            return Bar(inner, factor, bar.value == "|", bar.at)
        if not self.at_op(")"):
            if self.peek.kind == "end":
                self.fail('this "(" is never closed', opening)
            way = "; a comparison is written I(x > 5)" if self.at_op(*COMPARISONS) else ""
            self.fail(f'expected ")", found {self.peek.shown()}{way}', self.peek)
        self.advance()
        return inner
