"""Numbers as text: the one rule by which files are read, in Python and in SQL.

A number is written in ASCII digits with an optional sign, point and exponent ("0005", "+.5",
"1E+05"), or is infinite ("inf", "-Infinity"); "true" and "false" are 1 and 0. White space around
it does not count. A missing word, white space and "nan" are missing values. Anything else
("0x10", "1_000", "69,8") is no number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from partialpool._typing import Floats

MISSING_WORDS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", ".")
"""What counts as a missing value in a file, also where labels are read."""

WHITE = " \t\n\v\f\r"
TRUTH = {"true": 1.0, "false": 0.0}
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


def is_number(text: str) -> bool:
    """Whether a text is a finite number, not a word for a truth value or an infinite one."""
    bare = text.strip(WHITE)
    return _FINITE.fullmatch(bare) is not None and math.isfinite(float(bare))


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
    bare = text.strip(WHITE)
    if _FINITE.fullmatch(bare) or _INFINITE.fullmatch(bare):
        return float(bare)
    if truth and bare.lower() in TRUTH:
        return TRUTH[bare.lower()]
    raise ValueError(f"no number: {text!r}")


def numbers_from(texts: Sequence[str | None], *, truth: bool = True) -> Floats:
    """Read numbers, NaN where they are missing; a ValueError if a text is none."""
    words = ["" if t is None or t in _MISSING else t for t in texts]
    if _PLAIN.fullmatch("\0".join(words)):
        return np.array([float(t) if t else np.nan for t in words], dtype=np.float64)
    return np.array([number_from(t, truth=truth) for t in words], dtype=np.float64)


def number_sql(x: str, *, truth: bool = True, refused: str = "ERROR({x})") -> str:
    """SQL of DuckDB for `number_from`: `refused`, an error, where a text is no number.

    DuckDB's own cast reads the same, but also "1_000" and "+-5".
    """
    refused = refused.format(x=x)
    bare = f"TRIM({x}, '{WHITE}')"
    words = ", ".join(f"'{w}'" for w in MISSING_WORDS)
    truths = "".join(f"WHEN LOWER({bare}) = '{w}' THEN {v} " for w, v in TRUTH.items())
    return (
        f"CASE WHEN {_odd(x)} THEN {refused} ELSE COALESCE(TRY_CAST({x} AS DOUBLE), "
        f"CASE WHEN {x} IS NULL OR {bare} IN ({words}) THEN NULL {truths if truth else ''}"
        f"ELSE {refused} END) END"
    )


def words_sql(x: str, *, refused: str = "ERROR({x})") -> str:
    """SQL of DuckDB for a text; `refused`, an error, where `is_number` holds."""
    number = f"NOT ({_odd(x)}) AND ISFINITE(TRY_CAST({x} AS DOUBLE))"
    return f"CASE WHEN {number} THEN {refused.format(x=x)} ELSE {x} END"


def _odd(x: str) -> str:
    return f"CONTAINS({x}, '_') OR CONTAINS({x}, '+-')"
