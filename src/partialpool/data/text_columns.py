"""Columns of text, as files hold them, to labels and numbers; and the sentences where they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

from partialpool._typing import AnyArray
from partialpool.data import labels as lab
from partialpool.data.text_numbers import (
    MISSING_WORDS,
    is_missing,
    is_number,
    number_from,
    numbers_from,
)
from partialpool.errors import DataError
from partialpool.formula.tree import Name

Kind = Literal["label", "number", "either", "numeric predictor", "text predictor"]
"""What a column of text holds: labels as they are written, numbers, or one or the other; then the
first value decides, and a column of both is refused."""

Kinds = Mapping[str, Kind]

SHOWN = 3
"""Values that a message names."""


class Wanted(Protocol):
    """The columns to read, and what they hold."""

    @property
    def columns(self) -> tuple[Name, ...]:
        """Every column, each once."""

    @property
    def labels(self) -> tuple[Name, ...]:
        """Those that hold labels only, whatever they look like."""

    @property
    def undecided(self) -> tuple[Name, ...]:
        """Those that are numbers or categories, as their values say."""


def kinds_of(wanted: Wanted) -> dict[str, Kind]:
    """What each column holds as far as the formula says it."""
    kinds: dict[str, Kind] = {c.name: "number" for c in wanted.columns}
    return {
        **kinds,
        **{c.name: "either" for c in wanted.undecided},
        **{c.name: "label" for c in wanted.labels},
    }


def decided(kinds: Kinds, first: Callable[[str], str | None]) -> dict[str, Kind]:
    """The same with each predictor decided by its first value that is not missing."""
    return {
        name: _kind_of_text(first(name)) if kind == "either" else kind
        for name, kind in kinds.items()
    }


def _kind_of_text(value: str | None) -> Kind:
    return "numeric predictor" if value is None or is_number(value) else "text predictor"


def is_wrong(text: str | None, kind: Kind) -> bool:
    """Whether a text cannot be read as a column of this kind."""
    if kind == "text predictor":
        return text is not None and is_number(text)
    if kind == "label":
        return False
    try:
        number_from(text, truth=kind == "number")
    except ValueError:
        return True
    return False


def read_column(texts: Sequence[str | None], kind: Kind) -> AnyArray:
    """Read a column: numbers, or labels as objects, None where missing.

    Raises
    ------
    ValueError
        If a text cannot be read so.
    """
    if kind in ("number", "numeric predictor"):
        return numbers_from(texts, truth=kind == "number")
    words = [None if t in MISSING_WORDS else t for t in texts]
    if kind == "text predictor" and any(is_wrong(t, kind) for t in set(words)):
        raise ValueError("text and numbers in one column")
    return lab.as_labels(words)


def read_columns(texts: Mapping[str, Sequence[str | None]], kinds: Kinds) -> dict[str, AnyArray]:
    """Read columns of decided kinds; as `read_column`."""
    return {name: read_column(values, kinds[name]) for name, values in texts.items()}


def first_value(texts: Sequence[str | None]) -> str | None:
    """The first text that is not missing."""
    return next((t for t in texts if not is_missing(t)), None)


Place = tuple[str, str]
"""Where a value stands, in words, and its text."""


def refuse_wrong(rows: Iterable[tuple[str, Mapping[str, str | None]]], kinds: Kinds) -> None:
    """Raise the error for the first columns and rows that cannot be read, if there are any.

    Parameters
    ----------
    rows : iterable of (str, mapping)
        Where a row stands, and its texts by column.
    kinds : mapping
        The decided kind of each column.

    Raises
    ------
    DataError
        If a text cannot be read as its column's kind; the message names the first values.
    """
    wrong: dict[str, list[Place]] = {}
    right: dict[str, Place] = {}
    for where, row in rows:
        for name, text in row.items():
            if is_wrong(text, kinds[name]):
                wrong.setdefault(name, []).append((where, str(text)))
            elif name not in right and not is_missing(text):
                right[name] = where, str(text)
        if any(len(v) == SHOWN for v in wrong.values()):
            break
    for name, found in wrong.items():
        raise (
            _not_numbers(name, found)
            if kinds[name] == "number"
            else _mixed(name, kinds[name], right[name], found[0])
        )


def _not_numbers(name: str, wrong: Sequence[Place]) -> DataError:
    (where, text), *more = wrong
    others = "".join(f", {w} {lab.shown([t])}" for w, t in more)
    return DataError(
        f'column "{name}" must hold numbers; {where} holds the text {lab.shown([text])}{others}: '
        "correct the value (69.8, not 69,8), or leave it empty if it is missing"
    )


def _mixed(name: str, kind: Kind, right: Place, wrong: Place) -> DataError:
    number, text = (right, wrong) if kind == "numeric predictor" else (wrong, right)
    return DataError(
        f'column "{name}" holds numbers ({lab.shown([number[1]])}, {number[0]}) and text '
        f"({lab.shown([text[1]])}, {text[0]}): correct the value, or leave it empty if it is "
        f"missing; if they are categories, write C({name})"
    )
