"""Group labels of any type: numbered, ordered and unified without changing them."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Bools, Ints
from partialpool.errors import DataError

FEW_LEVELS = 20
"""Values of a predictor of numbers and text that may be levels of a category: most scales of
answers and classes of numbers have fewer, and a column of measurements has more."""


def as_labels(values: Any) -> AnyArray:
    """Return the labels as a 1-D array; anything NumPy would convert is kept as objects."""
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return values.astype(object) if values.dtype.kind == "T" else values
    items = list(values)
    kinds = {type(v) for v in items}
    if len(kinds) == 1 and next(iter(kinds)) in (int, float, bool):
        try:
            plain = np.asarray(items)
        except OverflowError:
            plain = np.zeros(0)
        if len(plain) and (int not in kinds or plain.dtype.kind in "iu"):
            return plain  # large integers of both signs would become floats, and some the same
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out


def missing(labels: AnyArray) -> Bools:
    """True where a label is masked, None, NaN, NaT or pandas.NA; shape as given."""
    if isinstance(labels, np.ma.MaskedArray):
        return np.ma.getmaskarray(labels) | missing(labels.data)
    if labels.dtype.kind in "fc":
        return np.isnan(labels)
    if labels.dtype.kind in "mM":
        return np.isnat(labels)
    if labels.dtype.kind == "O":
        items = labels.tolist()
        if not set(map(type, items)) <= NEVER_MISSING:
            return np.fromiter(map(_absent, items), dtype=bool, count=len(labels))
    return np.zeros(len(labels), dtype=bool)


NEVER_MISSING = {str, int, bool, bytes, tuple}


def _absent(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)  # NaN of any type
    except (TypeError, ValueError):
        return False


def number(labels: AnyArray) -> tuple[Ints, AnyArray]:
    """Return a code for each row, shape (N,), and the distinct labels, shape (J,).

    1, 1.0 and True are equal in Python but different labels.
    """
    if labels.dtype.kind in "iufbmM":
        distinct, codes = np.unique(labels, return_inverse=True)
        return codes.astype(np.intp, copy=False), distinct
    seen: dict[Any, int] = {}
    items = labels.tolist()
    keys = items if set(map(type, items)) == {str} else [(type(v), v) for v in items]
    try:
        codes = np.fromiter((seen.setdefault(k, len(seen)) for k in keys), np.intp, len(labels))
    except TypeError as error:
        raise DataError(
            f"a group label is a single value, such as text, a number or a date: {error}, as in "
            f"{shown(_unhashable(items)[:1])}"
        ) from error
    first = np.full(len(seen), -1, dtype=np.intp)
    first[codes[::-1]] = np.arange(len(labels) - 1, -1, -1)
    return codes, labels[first]


def _unhashable(items: list[Any]) -> list[Any]:
    return [v for v in items if not _hashable(v)]


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def sorted_order(labels: AnyArray, order: Sequence[Any] | None = None) -> Ints:
    """Return the natural order of distinct labels: 10 after 9, and "Site 2" before "Site 10".

    By value where they compare, text by `natural_keys`, labels of several types by type and text.
    Missing labels (masked arrays, None) come in any place.

    Parameters
    ----------
    labels : ndarray
        Each once.
    order : sequence, optional
        Every label in the order that is wanted, as ordered categories have one.
    """
    if order is not None:
        place_of = {label: i for i, label in enumerate(order)}
        return np.argsort([place_of[label] for label in labels.tolist()]).astype(np.intp)
    if labels.dtype.kind in "iu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if (
            high - low <= 4 * len(labels) and high < 2**63
        ):  # distinct integers in a short range: place, do not sort
            place = np.full(high - low + 1, -1, dtype=np.intp)
            place[labels.astype(np.int64) - low] = np.arange(len(labels))
            return place[place >= 0]
    if labels.dtype.kind not in "OU":
        return np.argsort(labels, kind="stable").astype(np.intp, copy=False)
    items = labels.tolist()
    if set(map(type, items)) == {str}:
        return natural_order(items)
    try:
        places = sorted(range(len(items)), key=items.__getitem__)
    except TypeError:
        keys = natural_keys([str(item) for item in items])
        places = sorted(
            range(len(items)), key=lambda i: (type(items[i]).__name__, keys[i], str(items[i]))
        )
    return np.asarray(places, dtype=np.intp)


def natural_order(texts_: list[str]) -> Ints:
    """Positions of texts in their natural order, by `natural_keys`; equal ones stay in order."""
    keys = natural_keys(texts_)
    if isinstance(keys, np.ndarray):
        return np.argsort(keys, kind="stable").astype(np.intp, copy=False)
    if len(set(keys)) < len(keys):  # "2" and "02" by their texts
        keys = list(zip(keys, texts_, strict=True))
    return np.array(sorted(range(len(texts_)), key=keys.__getitem__), dtype=np.intp)


LONGEST_NUMBER = 40
"""Digits up to which numbers inside labels are ordered by value; no number in a name has more."""
SMALL_NUMBER = 18
"""Digits of numbers that 64 bits hold: 10^18 < 2^63."""


def natural_keys(texts_: list[str]) -> list[Any] | Ints:
    """What texts are sorted by: numbers by their value, else whole numbers inside a text by theirs.

    Texts such as "Site 1" to "Site 1000000", of one number each between the same words, by this
    number; otherwise zeros are put before shorter numbers. A million labels take 1 to 2 s, by
    their letters 0.7.
    """
    numbers = _values(texts_)
    if numbers is not None:
        return numbers
    joined = "\0".join(texts_)
    shapes = set(joined.translate(_TO_ZERO).split("\0"))
    lengths = {len(zeros) for shape in shapes for zeros in _DIGITS.findall(shape)}
    if len(lengths) < 2 or joined.count("\0") != len(texts_) - 1:
        return texts_
    longest = min(max(lengths), LONGEST_NUMBER)
    around = {tuple(_DIGITS.split(shape)) for shape in shapes}
    if len(around) == 1 and len(next(iter(around))) == 2 and longest <= SMALL_NUMBER:
        before, after = map(len, next(iter(around)))
        middles = np.array([int(text[before : len(text) - after]) for text in texts_])
        if len(np.unique(middles)) == len(middles):
            return middles
    return _DIGITS.sub(lambda digits: digits[0].zfill(longest), joined).split("\0")


_DIGITS = re.compile("[0-9]+")
_TO_ZERO = str.maketrans("123456789", "0" * 9)  # texts of one shape then become equal


def _values(texts_: list[str]) -> list[float] | None:
    """The values of texts that are all numbers, such as "0.5" and "-10"; else None."""
    try:
        numbers = [float(text) for text in texts_]
    except ValueError:  # mostly at the first
        return None
    return None if any(map(math.isnan, numbers)) else numbers


def unify(first: AnyArray, second: AnyArray) -> tuple[AnyArray, tuple[Ints, Ints]]:
    """Return the distinct labels of both, and where each side's labels stand among them."""
    numeric = {first.dtype.kind, second.dtype.kind} <= set("iuf")  # 1 and 1.0 are one label
    same = first.dtype == second.dtype or (numeric and _exact(first) and _exact(second))
    joined = np.concatenate(
        [first, second] if same else [first.astype(object), second.astype(object)]
    )
    codes, distinct = number(joined)
    return distinct, (codes[: len(first)], codes[len(first) :])


def _exact(labels: AnyArray) -> bool:
    """Whether 64-bit floating point holds numbers as they are."""
    return labels.dtype.kind == "f" or not len(labels) or int(np.abs(labels).max()) < 2**53


def is_text(labels: AnyArray) -> bool:
    """Whether every label is text."""
    if labels.dtype.kind == "U":
        return True
    return labels.dtype.kind == "O" and all(isinstance(v, str) for v in labels.tolist())


def spelled_out(labels: AnyArray) -> AnyArray:
    """Whole numbers that were read from text as that text again."""
    return labels if is_text(labels) else as_labels([str(v) for v in labels.tolist()])


def typed(labels: AnyArray, name: str) -> AnyArray:
    """Labels that a file can hold: all of one type."""
    if labels.dtype.kind == "U":
        return labels.astype(object)
    kinds = sorted({type(v).__name__ for v in labels.tolist()}) if labels.dtype == object else []
    if len(kinds) > 1:
        raise DataError(
            f'the labels of "{name}" are of several types ({", ".join(kinds)}); a file holds '
            "one: make them all text"
        )
    return labels


def refuse_unlike(name: str, first: AnyArray, second: AnyArray) -> None:
    """Refuse to keep 7 and "7" apart where one side was read with another type."""
    kinds = [_kind(v) for v in (first, second)]
    if set(kinds) == {"text", "numbers"}:
        raise DataError(
            f'the labels of "{name}" are {kinds[0]} on one side ({shown(first[:2])}) and '
            f"{kinds[1]} on the other ({shown(second[:2])}), so no group would be in both; "
            "convert one of them"
        )


def _kind(labels: AnyArray) -> str:
    if labels.dtype.kind in "iuf":
        return "numbers"
    return "text" if is_text(labels) else "other"


def texts(labels: AnyArray) -> AnyArray:
    """Labels as text, whole numbers without a point: integers with gaps come as floats."""
    if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)):
        labels = labels.astype(np.int64)
    return np.asarray(labels.astype(str))


def shown(labels: Iterable[Any], limit: int = 5) -> str:
    """Name the first few labels in an error message."""
    every = list(labels)
    names = [f'"{_short(label)}"' for label in every[:limit]]
    more = len(every) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _short(label: Any) -> str:
    text = str(label)
    return text if len(text) <= 60 else text[:57] + "..."


def quoted(label: object) -> str:
    """A label of text in quotes, with what cannot be seen spelled out; any other with its type."""
    if not isinstance(label, str):
        return f"{label} ({type(label).__name__})"
    seen = label.isprintable() and label == " ".join(label.split())
    return json.dumps(label, ensure_ascii=not seen)


def integers_if_plain(labels: AnyArray) -> AnyArray:
    """Turn labels into integers if every one is a whole number, as text written plainly ("7").

    Integers of a column with gaps come as floats.
    """
    if labels.dtype.kind == "f":
        whole = np.array_equal(labels, np.rint(labels)) and bool((np.abs(labels) < 2**53).all())
        return labels.astype(np.int64) if whole else labels
    items = labels.tolist()
    try:
        numbers = [int(v) for v in items]
    except (TypeError, ValueError):
        return labels
    plain = all(str(k) == v for k, v in zip(numbers, items, strict=True))
    if not plain or not numbers or max(map(abs, numbers)) >= 2**63:
        return labels
    return np.array(numbers, dtype=np.int64)


NO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))
"""Characters that are not seen, as pages and byte order marks leave them: soft hyphen, space and
joiner of no width, marks of direction. Joiners that change letters are none of them."""
MOST_FOLDED = 100_000
"""Labels up to which equal ones are looked for: 40 ms, and of more nobody reads a list."""


def alike(labels: AnyArray) -> list[list[Any]]:
    """Sets of labels that are one but for white space, capitals, coding, or 1 and "1".

    Equal after Unicode's compatibility composition (NFKC), case folding, without characters of no
    width, and with white space stripped at the ends and single within.
    """
    if labels.dtype.kind not in "OUT" or len(labels) > MOST_FOLDED:
        return []
    by_fold: dict[str, list[str]] = {}
    for label in labels.tolist():
        by_fold.setdefault(folded(str(label)), []).append(label)
    return [
        sorted(each, key=lambda label: (str(label), str(type(label))))
        for each in by_fold.values()
        if len(each) > 1
    ]


FOR_MISSING = frozenset(
    ("", "na", "<na>", "n/a", "n.a.", "nan", "nat", "null", "nil", "none", "missing", "?",
     ".", "-", "--")
)  # fmt: skip
"""What people and programs write for a missing value, folded."""


def for_missing(labels: AnyArray) -> list[str]:
    """Labels that may stand for missing values, as `str` of a whole column leaves "nan"."""
    if labels.dtype.kind not in "OUT" or len(labels) > MOST_FOLDED:
        return []
    texts_ = (label for label in labels.tolist() if isinstance(label, str))
    longest = max(map(len, FOR_MISSING))
    return [t for t in texts_ if len(t.strip()) <= longest and folded(t) in FOR_MISSING]


def folded(label: str) -> str:
    """What is left of a label without white space, capitals and ways of coding a letter."""
    if not label.isascii():
        label = unicodedata.normalize("NFKC", label.translate(NO_WIDTH))
    return " ".join(label.casefold().split())


def are_levels(counts: Collection[int]) -> bool:
    """Whether values that occur so often may be levels of a category: few, and each again."""
    return len(counts) <= FEW_LEVELS and min(counts, default=0) > 1
