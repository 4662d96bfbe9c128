"""How a column of text writes its numbers: decimal comma, thousands marks, percent.

Numbers are plain ("1234.5") unless a whole column says otherwise; then its texts are rewritten as
plain ones, and a notice says so. What can be read in two ways is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from partialpool.design import labels as lab
from partialpool.errors import DataError
from partialpool.notices import Notice
from partialpool.rows.text_numbers import WHITE, is_measured, is_missing, is_truth, missing_sql

SPACES = " \u00a0\u202f\u2019'"
"""Thousands marks that are neither point nor comma: spaces and apostrophes."""


def _pattern(decimal: str, mark: str) -> re.Pattern[str]:
    whole = f"(?:[1-9][0-9]{{0,2}}(?:[{mark}{SPACES}][0-9]{{3}})+|[0-9]+)"
    return re.compile(f"[+-]?{whole}?(?:[{decimal}][0-9]*)?(?:[eE][+-]?[0-9]+)?")


_COMMA, _POINT = _pattern(",", "."), _pattern(".", ",")
_DIGIT = re.compile("[0-9]")
OTHER = "\u200b"
"""What is added to a text of another style than its column's: no rule reads it as a number."""


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How numbers are written: decimal mark, a sign for percent, thousands marks beside points."""

    decimal: str = "."
    percent: bool = False
    marks: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether texts are numbers as they are."""
        return self == PLAIN

    def rewrite(self, text: str | None) -> str | None:
        """The text as a plain number; one that is of another style is marked as no number."""
        if text is None or is_missing(text):
            return text
        bare = text.strip(WHITE)
        if self.percent:
            bare = bare.removesuffix("%").rstrip(WHITE)
        pattern = _COMMA if self.decimal == "," else _POINT
        signed = not self.percent or text.strip(WHITE).endswith("%")
        if not (signed and _DIGIT.search(bare) and pattern.fullmatch(bare)):
            return text + OTHER
        marks = SPACES + ("." if self.decimal == "," else ",")
        return bare.translate(str.maketrans("", "", marks)).replace(",", ".")

    def sql(self, x: str) -> str:
        """SQL of DuckDB for `rewrite`."""
        pattern = (_COMMA if self.decimal == "," else _POINT).pattern.replace("'", "''")
        bare = f"TRIM({x}, '{WHITE}')"
        if self.percent:
            bare = f"RTRIM(RTRIM({bare}, '%'), '{WHITE}')"
        marks = (SPACES + ("." if self.decimal == "," else ",")).replace("'", "''")
        plain = f"REPLACE(TRANSLATE({bare}, '{marks}', ''), ',', '.')"
        signed = f"ENDS_WITH(TRIM({x}, '{WHITE}'), '%') AND " if self.percent else ""
        return (
            f"CASE WHEN {missing_sql(x)} THEN {x} WHEN {signed}REGEXP_MATCHES({bare}, '[0-9]') "
            f"AND REGEXP_FULL_MATCH({bare}, '{pattern}') THEN {plain} ELSE {x} || '{OTHER}' END"
        )

    @property
    def words(self) -> str:
        """What is done, for a notice."""
        parts = ["a decimal comma (points are thousands marks)"] if self.decimal == "," else []
        parts += ["thousands marks"] if self.marks else []
        parts += ["percent, 60.5% as 60.5"] if self.percent else []
        return " and ".join(parts)


PLAIN = NumberStyle()


def looks_like_number(text: str) -> bool:
    """Whether a text is a number in some style."""
    bare = text.strip(WHITE).removesuffix("%").rstrip(WHITE)
    return bool(_DIGIT.search(bare) and (_COMMA.fullmatch(bare) or _POINT.fullmatch(bare)))


def style_of(name: str, texts: Iterable[str | None], decimal: str | None = None) -> NumberStyle:
    """The style of a column: plain where every text is, or where no style reads them all.

    Parameters
    ----------
    name : str
        Of the column, for messages.
    texts : iterable of str or None
    decimal : str, optional
        The decimal mark, if it is known.

    Raises
    ------
    DataError
        If texts such as "1,234" alone could be meant in two ways.
    """
    texts_seen = {t.strip(WHITE) for t in texts if t is not None and not is_missing(t)}
    if decimal is None and all(is_measured(t) or is_truth(t) for t in texts_seen):
        return PLAIN
    percent = bool(texts_seen) and all(t.endswith("%") for t in texts_seen)
    bare = {t.removesuffix("%").rstrip(WHITE) for t in texts_seen} if percent else texts_seen
    # a mark is the decimal one if it reads every value; where both do ("1,234"), or neither, the
    # column says no more, and what follows decides
    fits = {
        mark: all(_DIGIT.search(t) and pattern.fullmatch(t) for t in bare)
        for mark, pattern in ((",", _COMMA), (".", _POINT))
    }
    if decimal is not None:
        marks = decimal == "." and not all(is_measured(t) for t in bare)
        return NumberStyle(decimal, percent, marks) if fits[decimal] else PLAIN
    if fits[","] and fits["."]:
        if percent and all(is_measured(t) for t in bare):
            return NumberStyle(".", True)
        example = next(t for t in sorted(bare) if "," in t or not is_measured(t))
        if "," not in example:  # thousands marks of another kind, and no decimals
            return NumberStyle(".", percent, True)
        raise DataError(
            f'column "{name}" can be read in two ways: {lab.shown([example])} may have a decimal '
            'comma or thousands marks; give the decimal mark: pp.read(path, decimal=",") or "." '
            "(--decimal)"
        )
    if fits[","]:
        return NumberStyle(",", percent)
    marks = not all(is_measured(t) for t in bare)
    return NumberStyle(".", percent, marks) if fits["."] else PLAIN


def styles_of(
    columns: Mapping[str, Sequence[str | None]], decimal: str | None = None
) -> dict[str, NumberStyle]:
    """Styles of columns of numbers of one file.

    Where one column has a decimal comma, points in the others are thousands marks if they can be.
    """
    distinct = {name: set(texts) for name, texts in columns.items()}
    mark = decimal
    styles: dict[str, NumberStyle] = {}
    unclear: list[str] = []
    for name, texts in distinct.items():
        try:
            styles[name] = style_of(name, texts, decimal)
        except DataError:
            unclear.append(name)
    marks = {style.decimal for style in styles.values() if not style.is_plain}
    if mark is None and marks == {","}:
        mark = ","
    for name in unclear:
        styles[name] = style_of(name, distinct[name], mark)
    if mark == ",":
        for name, style in styles.items():
            if style.is_plain:
                styles[name] = style_of(name, distinct[name], ",")
    return {name: style for name, style in styles.items() if not style.is_plain}


def notices_of(
    styles: Mapping[str, NumberStyle], columns: Mapping[str, Sequence[str | None]]
) -> tuple[Notice, ...]:
    """Say how columns with other than plain numbers were read, one notice for all of them."""
    by_words: dict[str, list[str]] = {}
    for name, style in styles.items():
        if all(t is None or is_missing(t) or (is_measured(t) and "." not in t)
               for t in set(columns[name])):  # fmt: skip
            continue
        by_words.setdefault(style.words, []).append(name)
    if not by_words:
        return ()
    listed = "; ".join(f"{', '.join(names)} with {words}" for words, names in by_words.items())
    return (Notice("number_style", "info", f"Numbers were read as written: {listed}."),)
