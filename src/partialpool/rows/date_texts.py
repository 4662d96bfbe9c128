r"""Dates as text in the orders in which people write them, as ISO 8601 text: in Python and in SQL.

The year first, 2024-01-31 or 2024/1/31, is read everywhere. Day or month first, 31.12.2024 and
12/31/2024, are told apart by a whole column, or by the formula. Months may be English words, as in
31 Dec 2024. The patterns mean the same to Python and to DuckDB (RE2).
"""

from __future__ import annotations

import re

YEAR_FIRST = "ymd"
ORDERS = ("dmy", "mdy")
"""Day, month, year; and month, day, year."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WORD = (
    "((?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?))"
)
_BESIDE = r"(?:[-/]|[.,]? ?)"
"""Beside a word for a month there may be nothing."""
_TIME = r"(?:[ T](\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?))?"
_MIDDLE = r"(?:-(\d{1,2})-|/(\d{1,2})/|\. ?(\d{1,2})\. ?)"
_YEAR_LAST = rf"(\d{{1,2}}){_MIDDLE}(\d{{4}}){_TIME}"
PATTERNS = {
    "ymd": (rf"(\d{{4}}){_MIDDLE}(\d{{1,2}}){_TIME}",),
    "dmy": (_YEAR_LAST, rf"(\d{{1,2}}){_BESIDE}{_WORD}{_BESIDE}(\d{{4}}){_TIME}"),
    "mdy": (_YEAR_LAST, rf"{_WORD}{_BESIDE}(\d{{1,2}}){_BESIDE}(\d{{4}}){_TIME}"),
}
"""Of each order a pattern of numbers, whose middle is one of three groups, and one of words."""
_COMPILED = {
    order: tuple(re.compile(p, re.ASCII) for p in each) for order, each in PATTERNS.items()
}


def iso_text(text: str, order: str) -> str | None:
    """A date of this order, or the year first, as ISO text; None if it is none."""
    for each in dict.fromkeys((YEAR_FIRST, order)):
        for pattern in _COMPILED[each]:
            match = pattern.fullmatch(text)
            if match is not None:
                *date, time = match.groups()
                parts = dict(zip(each, (p for p in date if p is not None), strict=True))
                month = parts["m"]
                if not month.isdecimal():
                    month = str(MONTHS.index(month[:3].lower()) + 1)
                day = f"{parts['y']}-{month.zfill(2)}-{parts['d'].zfill(2)}"
                return f"{day} {time.zfill(len(time) + (time[1] == ':'))}" if time else day
    return None


def iso_sql(x: str, order: str, otherwise: str) -> str:
    """SQL of DuckDB for `iso_text`; `otherwise` where a text is no such date."""
    cases = [
        f"WHEN REGEXP_FULL_MATCH({x}, '{pattern}') THEN {_pieces(x, each, pattern)}"
        for each in dict.fromkeys((YEAR_FIRST, order))
        for pattern in PATTERNS[each]
    ]
    return f"CASE {' '.join(cases)} ELSE {otherwise} END"


def _pieces(x: str, order: str, pattern: str) -> str:
    """The groups of a pattern that a text fits, put together as ISO text."""
    groups = re.compile(pattern).groups
    captured = [f"REGEXP_EXTRACT({x}, '{pattern}', {i})" for i in range(1, groups + 1)]
    *date, time = captured
    if len(date) > len(order):  # of the three groups in the middle two are empty
        date = [date[0], f"({' || '.join(date[1:4])})", date[4]]
    parts = dict(zip(order, date, strict=True))
    if _WORD in pattern:
        names = "".join(MONTHS)
        place = f"INSTR('{names}', LOWER(LEFT({parts['m']}, 3)))"
        parts["m"] = f"CAST(({place} + 2) // 3 AS VARCHAR)"
    zero = f"CASE WHEN SUBSTR({time}, 2, 1) = ':' THEN ' 0' WHEN {time} <> '' THEN ' ' ELSE '' END"
    return (
        f"{parts['y']} || '-' || LPAD({parts['m']}, 2, '0') || '-' || LPAD({parts['d']}, 2, '0') "
        f"|| {zero} || {time}"
    )
