"""Outcomes of two words, such as yes and no: the event, and the formula with it."""

from __future__ import annotations

from typing import Any

from partialpool.design import labels as lab
from partialpool.errors import ArgumentError, DataError
from partialpool.formula import Formula, count_family, parse
from partialpool.formula.families import PROPORTIONS
from partialpool.formula.tree import Derived, Name, Text
from partialpool.notices import Notice
from partialpool.rows import files, frames
from partialpool.rows.csv_files import csv_files, first_value
from partialpool.rows.derived import Source
from partialpool.rows.folding import Folded
from partialpool.rows.read import opened
from partialpool.rows.sql import some_values
from partialpool.rows.text_numbers import is_number, is_truth

EVENTS = (
    "yes", "y", "true", "t", "pass", "passed", "success", "successful", "positive", "pos",
    "present", "presence", "event", "case", "died", "dead", "death", "win", "won", "correct",
    "right", "hit", "responded", "response", "bought", "clicked", "infected",
    "on", "oui", "ja", "si", "sí",
)  # fmt: skip
"""Words that are the event where the other is another word."""
SHOWN_WORDS = 6
"""Words of the outcome that a message lists where there are not two."""


def with_event(
    parsed: Formula, family: str | None, data: Any, event: str | None
) -> tuple[Formula, tuple[Notice, ...]]:
    """Write ``I(result == "Pass")`` for an outcome ``result`` of two words, and say so.

    Raises
    ------
    ArgumentError
        If an event is named where the outcome holds no words.
    DataError
        If the outcome holds more or less than two words.
    """
    counted = count_family(parsed, family)
    column = parsed.response
    asked = isinstance(column, Name) and not isinstance(column, Derived) and not parsed.additions
    if not asked or counted not in PROPORTIONS:
        if event is not None:
            raise ArgumentError(
                'event= names a word of an outcome such as yes or no, of family="binomial" without '
                "trials(); leave it out here"
            )
        return parsed, ()
    assert isinstance(column, Name)
    words = outcome_words(data, column)
    if words is None:
        if event is not None:
            raise ArgumentError(
                f'event="{event}": column "{column.name}" holds no words; leave event out'
            )
        return parsed, ()
    chosen, other = event_of(words, column.name, event)
    text = f"I({column} == {Text(chosen)}) {parsed.text[parsed.tilde :]}"
    way = f'event="{other}" (--event "{other}")'
    notice = Notice(
        "event",
        "info",
        f'{column.name} holds two words: "{chosen}" is counted as the event, "{other}" as none; '
        f"{way} is the other way round.",
    )
    return parse(text), (notice,)


def outcome_words(data: Any, column: Name) -> list[str] | None:
    """The words of a column of text, the first few of them; None if it holds no text."""
    if _begins_with_number(data, column):
        return None
    with opened(data, Source((column,), (), (column,))) as opened_data:
        if opened_data.engine is None:
            values = frames.take(opened_data.data, opened_data.kind, (column,))[column.name]
            if not frames.holds_categories(values):
                return None
            labels = frames.label_codes(values)[1].tolist()
        else:
            frames.check_column(column.name, list(opened_data.engine.columns), column.at)
            if opened_data.engine.type_of(column.name)[0] != "text":
                return None
            values = some_values(opened_data.engine, column.name, SHOWN_WORDS + 1)
            labels = [label for label in values if label is not None]
    if not all(isinstance(label, str) for label in labels):
        return None
    return sorted(label for label in labels)


def _begins_with_number(data: Any, column: Name) -> bool:
    """Whether data are CSV files whose first value of the column is a number: most are."""
    if isinstance(data, Folded):
        return _begins_with_number(data.data, column)
    names = files.csv_names(data)
    if not names:
        return False
    value = first_value(csv_files(names, Source((column,))), column.name)
    return value is None or is_number(value) or is_truth(value)


def event_of(words: list[str], column: str, event: str | None) -> tuple[str, str]:
    """The word that is the event, and the other.

    A word that says yes, else the second in the order of letters, as in R.

    Raises
    ------
    DataError
        If there are not two words.
    ArgumentError
        If `event` is neither.
    """
    if len(words) != 2:
        more = ", ..." if len(words) > SHOWN_WORDS else ""
        raise DataError(
            f'column "{column}" holds the words {lab.shown(words)}{more}: an outcome of events has '
            "two; make a column of 1 (event) and 0"
        )
    if event is not None:
        if event not in words:
            raise ArgumentError(
                f'event="{event}": column "{column}" holds {lab.shown(words)}; give one of them'
            )
        chosen = event
    else:
        positive = [word for word in words if word.strip().casefold() in EVENTS]
        chosen = positive[0] if len(positive) == 1 else words[1]
    return chosen, next(word for word in words if word != chosen)
