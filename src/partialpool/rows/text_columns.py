"""Columns of text, as files hold them, to labels and numbers; and the sentences where they fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

from partialpool._typing import AnyArray
from partialpool.design import labels as lab
from partialpool.design.labels import FEW_LEVELS, are_levels
from partialpool.errors import DataError
from partialpool.formula.tree import Name
from partialpool.notices import Notice
from partialpool.rows.number_styles import (
    OTHER,
    NumberStyle,
    looks_like_number,
    notices_of,
    styles_of,
)
from partialpool.rows.text_numbers import (
    MISSING_LABELS,
    advice_for,
    is_measured,
    is_missing,
    is_number,
    is_truth,
    number_from,
    numbers_from,
)

Kind = Literal["label", "number", "count", "either", "numbers", "truth values", "text"]
"""What a column of text holds: labels as they are written, numbers, or either of the two. Then its
first value decides whether it holds numbers, truth values or text, and a mixture is refused."""

NUMBERS: tuple[Kind, ...] = ("number", "count", "numbers")
"""Kinds of columns of numbers; percent are no counts."""
Kinds = Mapping[str, Kind]

SHOWN = 5
"""Values that a message names."""
LOOKED_AT = 1_000_000
"""Rows in which wrong values are looked for and counted: 5 s."""


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

    @property
    def counted(self) -> tuple[Name, ...]:
        """Those that hold numbers of events or trials."""


def kinds_of(wanted: Wanted) -> dict[str, Kind]:
    """What each column holds as far as the formula says it."""
    kinds: dict[str, Kind] = {c.name: "number" for c in wanted.columns}
    return {
        **kinds,
        **{c.name: "count" for c in wanted.counted},
        **{c.name: "either" for c in wanted.undecided},
        **{c.name: "label" for c in wanted.labels},
    }


def decided(kinds: Kinds, first: Callable[[str], str | None]) -> dict[str, Kind]:
    """The same with each predictor decided by its first value that is not missing."""
    return {
        name: _kind_of_text(first(name)) if kind == "either" else kind
        for name, kind in kinds.items()
    }


def mixed_categories(kinds: Kinds, texts: Callable[[str], Iterable[str | None]]) -> dict[str, Kind]:
    """The same with predictors such as 0, 1, 2, 3+ as labels.

    A predictor whose values are partly numbers and partly text is a category if these are few and
    each occurs again; else a slip of the pen would make a category of every value of a column of
    numbers, and `refuse_wrong` names it.

    Parameters
    ----------
    kinds : mapping
        Before they are `decided`.
    texts : callable
        The values of a column, or of its first rows.
    """
    kinds_now = dict(kinds)
    for name in (n for n, kind in kinds.items() if kind == "either"):
        times: dict[str, int] = {}
        for text in texts(name):
            if text is not None and (text in times or not is_missing(text)):
                times[text] = times.get(text, 0) + 1
                if len(times) > FEW_LEVELS:
                    break
        read_as = {_kind_of_text(text) for text in times}
        if {"text", "numbers"} <= read_as and are_levels(times.values()):
            kinds_now[name] = "label"
    return kinds_now


def _kind_of_text(value: str | None) -> Kind:
    if value is None or looks_like_number(value):
        return "numbers"
    return "truth values" if is_truth(value) else "text"


def is_wrong(text: str | None, kind: Kind) -> bool:
    """Whether a text cannot be read as a column of this decided kind."""
    if kind == "label":
        return False
    if kind in ("number", "count"):
        try:
            number_from(text)
        except ValueError:
            return True
        return False
    if text is None or is_missing(text):
        return False
    if kind == "text":
        return is_number(text) or is_truth(text)
    return not (is_truth(text) if kind == "truth values" else is_measured(text))


def read_column(texts: Sequence[str | None], kind: Kind) -> AnyArray:
    """Read a column: numbers, or labels as objects, None where missing.

    Raises
    ------
    ValueError
        If a text cannot be read so.
    """
    if kind in NUMBERS:
        return numbers_from(texts, truth=kind != "numbers")
    if kind != "label" and any(is_wrong(t, kind) for t in set(texts)):
        raise ValueError("numbers and text, or truth values, in one column")
    if kind == "truth values":
        return lab.as_labels([None if is_missing(t) else number_from(t) == 1.0 for t in texts])
    return lab.as_labels([None if t in MISSING_LABELS else t for t in texts])


def read_columns(texts: Mapping[str, Sequence[str | None]], kinds: Kinds) -> dict[str, AnyArray]:
    """Read columns of decided kinds; as `read_column`."""
    return {name: read_column(values, kinds[name]) for name, values in texts.items()}


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a file, and what to say about how they were read."""

    table: dict[str, AnyArray]
    notices: tuple[Notice, ...] = ()


class UnreadableError(ValueError):
    """No style of numbers reads the columns.

    Parameters
    ----------
    texts : dict of sequence
        The columns, with the numbers of other styles written plainly.
    styles : dict of NumberStyle
        These styles, by column.
    """

    def __init__(
        self, texts: Mapping[str, Sequence[str | None]], styles: Mapping[str, NumberStyle]
    ) -> None:
        super().__init__("text where numbers belong")
        self.texts = texts
        self.styles = styles


def read_in_any_style(
    texts: Mapping[str, Sequence[str | None]], kinds: Kinds, decimal: str | None = None
) -> Columns:
    """Read columns of decided kinds, whose numbers may be plain or of another style.

    Raises
    ------
    UnreadableError
        If a text cannot be read as its column's kind.
    DataError
        If numbers can be read in two ways, or percent stand where numbers of events belong.
    """
    if decimal is None:  # most files: the search for a style would cost another pass
        try:
            return Columns(read_columns(texts, kinds))
        except ValueError:
            pass
    plain, styles = _restyled(texts, kinds, decimal)
    try:
        return Columns(read_columns(plain, kinds), notices_of(styles, texts))
    except ValueError as error:
        raise UnreadableError(plain, styles) from error


def _restyled(
    texts: Mapping[str, Sequence[str | None]], kinds: Kinds, decimal: str | None
) -> tuple[dict[str, Sequence[str | None]], dict[str, NumberStyle]]:
    """Columns with the numbers of other styles written plainly, and these styles by column."""
    styles = styles_of({n: v for n, v in texts.items() if kinds[n] in NUMBERS}, decimal)
    refuse_percent(styles, kinds)
    columns = {
        name: [styles[name].rewrite(t) for t in values] if name in styles else values
        for name, values in texts.items()
    }
    return columns, styles


def refuse_percent(styles: Mapping[str, NumberStyle], kinds: Kinds) -> None:
    """Raise the error for percent where numbers of events or trials belong."""
    for name, style in styles.items():
        if style.percent and kinds[name] == "count":
            raise DataError(
                f'column "{name}" holds percent where numbers of events or trials belong: give the '
                "events themselves"
            )


def column_name(written: str) -> str:
    """A name without white space, byte order marks and spaces of no width around it."""
    return written.strip().strip(BESIDE_NAMES).strip()


BESIDE_NAMES = "\ufeff\u200b\u2060"


def naming_row(rows: Sequence[Sequence[str]]) -> int | None:
    """Which of the first rows of a table names its columns, where no name is known.

    The first row with as many filled fields as any, and no number; a first column without a name
    (a row index) may be empty. Where there is none, the first row that is not blank.
    """
    filled = [sum(bool(f.strip()) for f in row) for row in rows]
    first = next((i for i, n in enumerate(filled) if n), None)
    for i, row in enumerate(rows):
        unnamed = bool(row) and not row[0].strip()
        full = filled[i] > 1 and filled[i] + unnamed >= max(filled)
        if full and not any(looks_like_number(f) for f in row):
            return i
    return first


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
    for where, row in islice(rows, LOOKED_AT):
        for name, text in row.items():
            if is_wrong(text, kinds[name]):
                wrong.setdefault(name, []).append((where, str(text).removesuffix(OTHER)))
            elif name not in right and not is_missing(text):
                right[name] = where, str(text)
    for name, wrong_values in wrong.items():
        if kinds[name] in ("number", "count") or name not in right:
            raise _not_numbers(name, wrong_values)
        raise _mixed(name, right[name], wrong_values[0])


def _not_numbers(name: str, wrong: Sequence[Place]) -> DataError:
    (where, text), *more = wrong
    others = "".join(f", {w} {lab.shown([t])}" for w, t in more[: SHOWN - 1])
    others += f" and {len(more) - SHOWN + 1:,} more" if len(more) >= SHOWN else ""
    return DataError(
        f'column "{name}" must hold numbers; {where} holds the text {lab.shown([text])}{others}: '
        f"{advice_for(text)}"
    )


def _mixed(name: str, first: Place, other: Place) -> DataError:
    parts = (f"{_kind_of_text(t)} ({lab.shown([t])}, {where})" for where, t in (first, other))
    return DataError(
        f'column "{name}" holds {" and ".join(parts)}: correct the value, or leave it empty if it '
        f"is missing; if they are categories, write C({name})"
    )
