"""Numbers as text: the one rule by which files are read, in Python and in SQL.

A number is written in ASCII digits with an optional sign, point and exponent ("0005", "+.5",
"1E+05"), or is infinite ("inf", "-Infinity"); "true" and "false" are 1 and 0. White space around
it does not count. A missing word, white space and "nan" are missing values. Anything else
("0x10", "1_000", "69,8") is no number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from partialpool._typing import Floats

ERRORS = (
    "#DIV/0!", "#REF!", "#VALUE!", "#NUM!", "#NAME?", "#NULL!", "#SPILL!", "#CALC!", "#ERROR!",
)  # fmt: skip
"""What a spreadsheet shows where a formula fails."""
MISSING_LABELS = ("", "NA", "<NA>", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", *ERRORS)
"""What counts as a missing value in a file, also where labels are read."""
MISSING_WORDS = (*MISSING_LABELS, "None", ".", "-", "--", "missing", "absent")
"""What counts as a missing number; "None" or "absent" may be the name of a group or category."""

ZEROS = re.compile(r"\s*0[0-9]+\s*")
"""A whole number with zeros before it: a label, such as a postal code."""
WHITE = " \t\n\v\f\r"
TRUTH = {"true": 1.0, "false": 0.0}
"""Words of a truth value, in any case, as files write a column of booleans."""
_MISSING = frozenset(MISSING_WORDS)
_NAN = re.compile(r"[+-]?nan", re.ASCII | re.IGNORECASE)
_FINITE = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.ASCII | re.I)
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_PLAIN = re.compile(r"[0-9+\-.eE\0]*")
"""Characters of which `float` reads what the rule reads and nothing more, and a separator."""


def is_missing(text: str | None) -> bool:
    """Whether a text stands for a missing number."""
    if text is None:
        return True
    bare = text.strip(WHITE)
    return bare in _MISSING or _NAN.fullmatch(bare) is not None


NaWords = str | float | Sequence[str | float]
"""What a reader says of missing values: words and numbers, or one of them."""
MissingTest = Callable[[str | None], bool]
"""Whether a text stands for a missing value, as a reader says."""


def missing_words(na: NaWords) -> MissingTest:
    """The test for words and numbers of a reader's own.

    White space around a word does not count, and -999 is also -999.0; but not 0099, a label.
    """
    listed = [na] if isinstance(na, str | int | float) else na
    words = {str(word).strip(WHITE) for word in listed}
    numbers = {float(word) for word in words if is_number(word)}

    def test(text: str | None) -> bool:
        bare = None if text is None else text.strip(WHITE)
        if bare is None or bare in words:
            return bare is not None
        coded = bool(numbers) and is_number(bare) and not ZEROS.fullmatch(bare)
        return coded and float(bare) in numbers

    return test


def is_number(text: str) -> bool:
    """Whether a text is a finite number, not a word for a truth value or an infinite one."""
    bare = text.strip(WHITE)
    return _FINITE.fullmatch(bare) is not None and math.isfinite(float(bare))


def is_truth(text: str) -> bool:
    """Whether a text is a word for a truth value."""
    return text.strip(WHITE).lower() in TRUTH


def is_measured(text: str) -> bool:
    """Whether a text is a number, finite or not, and no word for a truth value."""
    bare = text.strip(WHITE)
    return (_FINITE.fullmatch(bare) or _INFINITE.fullmatch(bare)) is not None


def number_from(text: str | None, *, truth: bool = True) -> float:
    """Read a number; NaN where it is missing.

    Parameters
    ----------
    text : str or None
        As a file writes it.
    truth : bool
        Whether "true" and "false" are numbers.

    Raises
    ------
    ValueError
        If it is no number.
    """
    if text is None or is_missing(text):
        return float("nan")
    if is_measured(text):
        return float(text.strip(WHITE))
    if truth and is_truth(text):
        return TRUTH[text.strip(WHITE).lower()]
    raise ValueError(f"no number: {text!r}")


def numbers_from(texts: Sequence[str | None], *, truth: bool = True) -> Floats:
    """Read numbers, NaN where they are missing; a ValueError if a text is none."""
    words = ["" if t is None or t in _MISSING else t for t in texts]
    if _PLAIN.fullmatch("\0".join(words)):
        return np.array([float(t) if t else np.nan for t in words], dtype=np.float64)
    return np.array([number_from(t, truth=truth) for t in words], dtype=np.float64)


def advice_for(text: object) -> str:
    """What to do about a text where a number belongs."""
    if isinstance(text, str) and not any(c.isdigit() for c in text):
        return (
            "correct the value, or leave it empty if it is missing; an outcome of two words is "
            'fitted with family="binomial" (--family binomial)'
        )
    way = "correct the value (69.8, not 69,8)" if "," in str(text) else "correct the value"
    return f"{way}, or leave it empty if it is missing"


REFUSED = "ERROR({x})"
"""SQL of DuckDB that ends a query."""


def number_sql(x: str, *, truth: bool = True, refused: str = REFUSED) -> str:
    """SQL of DuckDB for `number_from`: `refused`, an error, where a text is no number.

    DuckDB's own cast reads the same, but also "1_000" and "+-5".
    """
    refused = refused.format(x=x)
    truths = f"WHEN {_is_truth(x)} THEN CAST({_bare(x)} AS BOOLEAN)::DOUBLE " if truth else ""
    return (
        f"CASE WHEN {_is_odd(x)} THEN {refused} ELSE COALESCE(TRY_CAST({x} AS DOUBLE), "
        f"CASE WHEN {missing_sql(x)} THEN NULL {truths}ELSE {refused} END) END"
    )


def truth_sql(x: str, *, refused: str = REFUSED) -> str:
    """SQL of DuckDB for a truth value: NULL where missing, `refused` where `is_truth` fails."""
    return (
        f"CASE WHEN {_is_truth(x)} THEN CAST({_bare(x)} AS BOOLEAN) "
        f"WHEN {missing_sql(x)} OR REGEXP_FULL_MATCH({_bare(x)}, '[+-]?nan', 'i') THEN NULL "
        f"ELSE {refused.format(x=x)} END"
    )


def words_sql(x: str, *, refused: str = REFUSED) -> str:
    """SQL of DuckDB for a text; `refused`, an error, where `is_number` or `is_truth` holds."""
    first = f"ASCII(LTRIM({x}, '{WHITE}'))"  # most texts are told by it, and quickly
    number = f"NOT ({_is_odd(x)}) AND ISFINITE(TRY_CAST({x} AS DOUBLE))"
    return (
        f"CASE WHEN {first} <= ASCII('9') AND {number} THEN {refused.format(x=x)} "
        f"WHEN {first} IN ({', '.join(str(ord(c)) for c in 'tTfF')}) AND {_is_truth(x)} "
        f"THEN {refused.format(x=x)} ELSE {x} END"
    )


def _bare(x: str) -> str:
    return f"TRIM({x}, '{WHITE}')"


def _is_odd(x: str) -> str:
    return f"CONTAINS({x}, '_') OR CONTAINS({x}, '+-')"


def missing_sql(x: str) -> str:
    """SQL that is true where a text stands for a missing number."""
    words = ", ".join(f"'{w}'" for w in MISSING_WORDS)
    return f"{x} IS NULL OR {_bare(x)} IN ({words})"


def _is_truth(x: str) -> str:
    return f"LOWER({_bare(x)}) IN ({', '.join(repr(w) for w in TRUTH)})"
