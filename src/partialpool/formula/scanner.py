"""Text to tokens. Names may hold any letters; backquotes allow any character in a name."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from partialpool.errors import FormulaError

MAX_LENGTH = 10_000
"""Characters: a guard against texts that are no formula; long ones have some hundreds."""
DIGITS = tuple("0123456789")
OPERATORS = (
    "||", "**", "==", "!=", ">=", "<=", ">", "<", "~", "|", "+", "-", "*", "/", ":", "^", "(", ")",
    ",", "=", ";",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One token: its kind (name, number, text, op, end), its value, and where it starts."""

    kind: str
    value: str
    at: int

    def shown(self) -> str:
        """The token as an error message shows it."""
        return "the end of the formula" if self.kind == "end" else f'"{self.value}"'


def scan(text: str) -> list[Token]:
    """Split a formula into tokens, the last of kind ``end``.

    Raises
    ------
    FormulaError
        If the text is too long, or a character or quote cannot be read.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"the formula has {len(text)} characters; at most {MAX_LENGTH} are allowed",
            text[:200],
            0,
        )
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _next(text, at)
        tokens.append(token)
    tokens.append(Token("end", "", len(text)))
    return tokens


def starts_name(text: str, at: int = 0) -> bool:
    """Whether a name that needs no backquotes starts here."""
    char = text[at]
    if char == ".":
        return text[at + 1 : at + 2] not in DIGITS
    return char.isidentifier() or char.isalpha()


def is_plain_name(text: str) -> bool:
    """Whether a column can be named in a formula without backquotes."""
    return text not in ("", ".") and starts_name(text) and all(map(_continues_name, text))


def _continues_name(char: str) -> bool:
    """Letters of every script with their marks, digits, _ and the point."""
    return char == "." or char.isalnum() or ("a" + char).isidentifier()


def _next(text: str, at: int) -> tuple[Token, int]:
    char = text[at]
    if char == "`":
        value, end = _quoted(text, at, "a column name")
        return Token("name", value, at), end
    if char in "\"'":
        value, end = _quoted(text, at, "a string")
        return Token("text", value, at), end
    if char in DIGITS or (char == "." and text[at + 1 : at + 2] in DIGITS):
        return _number(text, at)
    if starts_name(text, at):
        end = at + 1
        while end < len(text) and _continues_name(text[end]):
            end += 1
        if text[end : end + 1] == "$" and end + 1 < len(text):  # data$y of R
            return _next(text, end + 1)
        if _OF_PACKAGE.match(text, end):  # base::log(x) of R
            return _next(text, end + 2)
        return Token("name", text[at:end], at), end
    for op in OPERATORS:
        if text.startswith(op, at):
            return Token("op", "^" if op == "**" else op, at), at + len(op)
    meant = next((sign for sign, alike in LOOK_ALIKES.items() if char in alike), None)
    way = f"write {meant} for it, or " if meant else WAYS.get(char, "")
    raise FormulaError(
        f'the character "{char}" cannot stand in a formula; '
        f"{way}put a column name that holds it between backquotes",
        text,
        at,
    )


_OF_PACKAGE = re.compile(r"::[A-Za-z.][A-Za-z0-9._]*\s*\(")
LOOK_ALIKES = {
    "~": "\u223c\u02dc\uff5e", "*": "\u00d7\u2217\u22c5",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2212",
    "|": "\u2223\uff5c\u00a6", "(": "\uff08", ")": "\uff09", "+": "\uff0b", ":": "\uff1a",
    '"': "\u201c\u201d\u201e\u00ab\u00bb", "'": "\u2018\u2019\u00b4",
}  # fmt: skip
"""Signs, and what word processors and web pages write for them."""
WAYS = {
    "[": 'an event among two words is event="yes" (--event yes), levels are written C(x, "first", '
    '"second"); else ',
    "{": "arithmetic goes inside I(), such as I(x^2); else ",
    "%": "b %in% a is written a:b, and (1 | a/b) for groups in others; else ",
    "&": "make a column of two conditions first; else ",
    "!": "make a column of the condition first, or write I(x <= 5) for the opposite; else ",
    "#": "a formula holds no comments; else ",
}
"""What to write for signs of other packages."""


def _number(text: str, at: int) -> tuple[Token, int]:
    end = at
    while end < len(text) and text[end] in "0123456789.":
        end += 1
    if text[end : end + 1] in ("e", "E"):
        power = end + 1
        if text[power : power + 1] in ("+", "-"):
            power += 1
        if text[power : power + 1] in DIGITS:
            end = power
            while end < len(text) and text[end] in "0123456789":
                end += 1
    plain = text[at:end].count(".") <= 1 and not (end < len(text) and starts_name(text, end))
    if not plain or not math.isfinite(float(text[at:end])):
        raise FormulaError(
            f'"{text[at : end + (not plain)]}" is neither a finite number nor a name; '
            "put a column name that starts with a digit between backquotes",
            text,
            at,
        )
    return Token("number", text[at:end], at), end


def _quoted(text: str, at: int, what: str) -> tuple[str, int]:
    """Read to the closing quote; the quote doubled stands for itself."""
    quote = text[at]
    parts: list[str] = []
    start = at + 1
    while True:
        end = text.find(quote, start)
        if end < 0:
            raise FormulaError(f"{what} opens with {quote} and never closes", text, at)
        parts.append(text[start:end])
        if text[end + 1 : end + 2] != quote:
            break
        parts.append(quote)
        start = end + 2
    value = "".join(parts)
    if quote == "`" and not value:
        raise FormulaError("a column name between backquotes is empty", text, at)
    return value, end + 1
