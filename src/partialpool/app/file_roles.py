"""Which column of a file plays which part, as far as names and values tell; and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.rows.preview import Column
from partialpool.rows.text_numbers import is_measured, number_from

MOST_LEVELS = 30
"""With more values a column of text is no category to predict from, unless somebody says so."""
EXAMPLES = 3
"""Values of a column that are shown."""
WORDS = {
    "outcome": (
        "score y outcome result value response effect estimate yi mean rate yield weight reaction "
        "passed pass died death dead success bought event events count counts hits cases deaths"
    ),
    "group": (
        "school site group clinic hospital player county region team store segment subject batch "
        "class center centre country species plot plate district tract study rat herd city branch"
    ),
    "se": "se sei stderr std_err std_error standard_error se_effect",
    "sd": "sd sdi stdev std stddev standard_deviation",
    "size": "n ni count rows size number pupils students patients",
    "trials": (
        "trials n at_bats visits attempts total size denominator ab shots patients tested emails "
        "operations seeds"
    ),
    "exposure": "exposure hours person_years time effort area expected years days",
    "events": (
        "count counts events cases deaths birds hits incidence reversions accidents claims calls"
    ),
}
"""What people call a column of a part: names order candidates and never overrule values."""
NAMES = {part: frozenset(words.split()) for part, words in WORDS.items()}


@dataclass(frozen=True, eq=False)
class Seen:
    """A column with what its values allow.

    Parameters
    ----------
    column : Column
    at : int
        Its place in the file.
    """

    column: Column
    at: int

    @property
    def name(self) -> str:
        return self.column.name

    @cached_property
    def codes(self) -> Ints:
        """Which value each row has; -1 where missing."""
        places: dict[str | None, int] = {None: -1}
        codes = [places.setdefault(t, len(places) - 1) for t in self.column.texts]
        return np.array(codes, dtype=np.intp)

    @cached_property
    def distinct(self) -> int:
        return len(set(self.column.present))

    @property
    def missing(self) -> int:
        return int((self.codes < 0).sum())

    @cached_property
    def numbers(self) -> Floats:
        """Its values; nan where missing. Only of columns of numbers and truth values."""
        try:
            return np.array([number_from(t) for t in self.column.texts])
        except ValueError:  # of a column that can be read in two ways: as if marks were thousands
            digits = [re.sub(r"[^0-9eE+-]", "", t or "") for t in self.column.texts]
            return np.array([float(t) if re.search("[0-9]", t) else np.nan for t in digits])

    @property
    def numeric(self) -> bool:
        return self.column.kind == "number"

    @cached_property
    def whole(self) -> bool:
        """Whether it holds whole numbers that are not negative."""
        if not self.numeric or not all(map(is_measured, self.column.present)):
            return False
        known = self.numbers[~np.isnan(self.numbers)]
        return bool(((known >= 0) & (known == np.floor(known))).all())

    @property
    def two_valued(self) -> bool:
        return self.distinct == 2 and (
            self.column.kind in ("text", "yes/no") or set(self.column.present) <= {"0", "1"}
        )

    @cached_property
    def repeats(self) -> bool:
        """Whether some value stands in several rows."""
        return self.distinct < len(self.column.present)

    @property
    def is_id(self) -> bool:
        """Whether it only numbers or names the rows: distinct whole numbers, or distinct texts."""
        kind = self.column.kind
        return not self.repeats and (kind in ("text", "date") or (kind == "number" and self.whole))

    def called(self, part: str) -> bool:
        """Whether its name is one of those of a part."""
        bare = re.sub(r"[\W_]+", "_", self.name.casefold()).strip("_")
        ends = bare.rsplit("_", 1)[-1] if part != "group" else bare.removesuffix("_id")
        return bool({bare, ends, bare.rstrip("s")} & NAMES[part])

    def varies_within(self, group: Seen) -> bool:
        """Whether rows of one group differ in it."""
        pairs = {*zip(group.codes.tolist(), self.codes.tolist(), strict=True)}
        return len({(g, v) for g, v in pairs if g >= 0 and v >= 0}) > group.distinct


def guessed(columns: Sequence[Column]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Each column with its part and why; and the choices that follow.

    Returns
    -------
    list of dict, dict
        name, kind, distinct, missing, examples, role and why of each column; and choices as
        `model_of` of `app.file_formula` takes them, as far as there is something to guess.
    """
    seen = [Seen(c, i) for i, c in enumerate(columns)]
    parts = _Parts(seen)
    roles, choices = parts.roles, parts.choices
    listed = [
        {
            "name": s.name,
            "kind": s.column.kind,
            "distinct": s.distinct,
            "missing": s.missing,
            "examples": list(dict.fromkeys(s.column.present))[:EXAMPLES],
            "two_valued": s.two_valued,
            "role": roles.get(s.name, ("", ""))[0],
            "why": roles.get(s.name, ("", ""))[1],
        }
        for s in seen
    ]
    return listed, choices


class _Parts:
    """The parts, guessed one after another: groups, what says how precise a row is, outcome."""

    def __init__(self, seen: list[Seen]) -> None:
        self.all = [s for s in seen if s.distinct]
        self.seen = [s for s in self.all if s.distinct > 1]
        self.roles: dict[str, tuple[str, str]] = {}
        self.choices: dict[str, Any] = {"outcomeKind": "measurement", "groups": [], "nested": False}
        self.groups = self._groups()
        self._precision()
        self._outcome()
        for s in self.seen:
            if s.name not in self.roles and s.is_id:
                what = "numbers the rows" if s.numeric else "no value stands twice"
                self.roles[s.name] = "id", f"{what}, so it is neither outcome nor group"

    def _groups(self) -> list[Seen]:
        """The grouping column, or the inner and the outer one."""
        several = [s for s in self.seen if self._may_group(s)]
        order: Callable[[Seen], Any] = lambda s: (not s.called("group"), s.numeric, s.at)  # noqa: E731
        several.sort(key=order)
        if several:
            first = several[0]
            rows = len(first.column.present)
            why = f"{first.distinct:,} values in {rows:,} rows, each in {rows / first.distinct:.3g}"
            self._play(first, "group", f"{why} on average")
            outer = self._outer(first, several[1:])
            names = [s.name for s in (first, *outer)]
            self.choices |= {"groups": names, "nested": bool(outer)}
            return [first, *outer]
        alone = [s for s in self.seen if s.is_id and s.column.kind in ("text", "number")]
        alone = [s for s in alone if s.column.kind == "text" or s.called("group")]
        alone.sort(key=order)
        for s in alone[:1]:
            self._play(s, "group", "every row has a name of its own: one row a group")
            self.choices["groups"] = [s.name]
        return alone[:1]

    def _may_group(self, s: Seen) -> bool:
        present = len(s.column.present)
        if s.column.kind not in ("text", "number") or not s.repeats or s.distinct < 3:
            return False
        if s.column.kind == "text":
            return s.distinct <= 0.75 * present
        return (
            s.whole and s.distinct <= present / 2 and (s.called("group") or s.at == 0 or _ided(s))
        )

    def _outer(self, inner: Seen, others: Sequence[Seen]) -> list[Seen]:
        """A grouping of which every value holds several of the inner groups, each wholly."""
        for s in others:
            pairs = set(zip(inner.codes.tolist(), s.codes.tolist(), strict=True))
            if len(pairs) == inner.distinct and 3 <= s.distinct <= inner.distinct / 2:
                self._play(s, "group", f"holds the values of {inner.name}, each in one of its own")
                return [s]
        return []

    def _precision(self) -> None:
        """Standard errors; n and sd; trials; exposure."""
        single = bool(self.groups) and not self.groups[0].repeats
        free = [s for s in self.seen if s.name not in self.roles and s.numeric]
        for s in _first(free, lambda s: s.called("se") and _positive(s)):
            self._choose(s, "se", "estimate", "a positive number with such a name")
            return
        sd = _first(free, lambda s: s.called("sd") and _positive(s))
        size = _first(free, lambda s: s.called("size") and s.whole)
        if single and sd and size:
            self._choose(sd[0], "sd", "summary", "a positive number with such a name")
            self._choose(size[0], "n", "summary", "whole numbers with such a name")
            return
        events = [
            s for s in free if s.whole and not (s.called("trials") or s.two_valued or s.is_id)
        ]
        measured = any(s.called("outcome") and not s.whole for s in free)
        alike = [s for s in self.all if s.numeric and s.distinct == 1]  # as 45 at bats of each
        for s in _first([*free, *alike], lambda s: s.called("trials") and s.whole and not measured):
            below = [e for e in events if _holds(e.numbers <= s.numbers, e, s)]
            if below:
                self._choose(s, "trials", "proportion", f"{below[0].name} is never above it")
                return
        for s in _first(free, lambda s: s.called("exposure") and _positive(s)):
            if any(e.called("events") for e in events if e is not s):
                self._choose(s, "exposure", "count", "a positive number with such a name")
                return

    def _outcome(self) -> None:
        free = [s for s in self.seen if s.name not in self.roles and not s.is_id]
        kind = self.choices["outcomeKind"]
        group = self.groups[0] if self.groups else None
        if group is not None and group.repeats and kind not in ("proportion", "count"):
            free = [s for s in free if s.varies_within(group)]
        numbers = [s for s in free if s.numeric and not s.two_valued]
        if kind in ("proportion", "count"):
            trials = next((s for s in self.all if s.name == self.choices.get("trials")), None)
            numbers = [s for s in numbers if s.whole]
            if trials is not None:
                numbers = [s for s in numbers if _holds(s.numbers <= trials.numbers, s, trials)]
        words = [s for s in free if s.two_valued] if kind == "measurement" else []
        ranked = sorted(
            [*numbers, *words],
            key=lambda s: (not s.called("outcome"), s.two_valued, s.whole, s.at),
        )
        for s in ranked[:1]:
            why = "has two values" if s.two_valued else "holds numbers"
            why += f" and varies within {group.name}" if group is not None and group.repeats else ""
            self._play(s, "outcome", why)
            self.choices["outcome"] = s.name
            if s.two_valued:
                self.choices["outcomeKind"] = "binary"
            elif kind == "measurement" and s.whole and s.called("events"):
                self.choices["outcomeKind"] = "count"

    def _choose(self, s: Seen, role: str, kind: str, why: str) -> None:
        self._play(s, role, why)
        self.choices |= {role: s.name, "outcomeKind": kind}

    def _play(self, s: Seen, role: str, why: str) -> None:
        self.roles[s.name] = role, why


def _first(seen: Iterable[Seen], fits: Callable[[Seen], bool]) -> list[Seen]:
    return [s for s in seen if fits(s)][:1]


def _ided(s: Seen) -> bool:
    return re.search(r"(?:^|[\W_])(?:id|no|nr|code|number)$|Id$", s.name) is not None


def _positive(s: Seen) -> bool:
    known = s.numbers[~np.isnan(s.numbers)]
    return bool(len(known) and (known > 0).all())


def _holds(condition: Any, *columns: Seen) -> bool:
    """Whether a condition holds in every row where no column is missing, and differs somewhere."""
    known = ~np.isnan(np.sum([s.numbers for s in columns], axis=0))
    return columns[0] is not columns[-1] and bool(known.any()) and bool(condition[known].all())
