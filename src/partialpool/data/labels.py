"""Group labels of any type: numbered, ordered and unified without changing them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Bools, Ints
from partialpool.errors import DataError


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
    """True where a label is None, NaN, NaT or pandas.NA; shape as given."""
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


def sorted_order(labels: AnyArray) -> Ints:
    """Return the order of distinct labels: by value if they compare, else by type and text.

    Missing labels (masked arrays, None) come in any place.
    """
    if labels.dtype.kind in "iu" and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if (
            high - low <= 4 * len(labels) and high < 2**63
        ):  # distinct integers in a short range: place, do not sort
            place = np.full(high - low + 1, -1, dtype=np.intp)
            place[labels.astype(np.int64) - low] = np.arange(len(labels))
            return place[place >= 0]
    if labels.dtype.kind != "O":
        return np.argsort(labels, kind="stable").astype(np.intp, copy=False)
    items = labels.tolist()
    try:
        order = sorted(range(len(items)), key=items.__getitem__)
    except TypeError:
        order = sorted(range(len(items)), key=lambda i: (type(items[i]).__name__, str(items[i])))
    return np.asarray(order, dtype=np.intp)


def unify(first: AnyArray, second: AnyArray) -> tuple[AnyArray, tuple[Ints, Ints]]:
    """Return the distinct labels of both, and where each side's labels stand among them."""
    same = first.dtype == second.dtype
    joined = np.concatenate(
        [first, second] if same else [first.astype(object), second.astype(object)]
    )
    codes, distinct = number(joined)
    return distinct, (codes[: len(first)], codes[len(first) :])


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
    found = list(labels)
    names = [f'"{_short(label)}"' for label in found[:limit]]
    more = len(found) - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")


def _short(label: Any) -> str:
    text = str(label)
    return text if len(text) <= 60 else text[:57] + "..."


def integers_if_plain(labels: AnyArray) -> AnyArray:
    """Turn labels into integers if every one is a whole number, as text written plainly ("7")."""
    if labels.dtype.kind == "f":  # a column that is also a predictor was read as numbers
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


MOST_FOLDED = 100_000
"""Labels up to which equal ones are looked for: 40 ms, and of more nobody reads a list."""


def alike(labels: AnyArray) -> list[list[Any]]:
    """Sets of labels that are one but for white space, capitals, coding, or 1 and "1".

    Equal after Unicode's compatibility composition (NFKC), case folding, and with white space
    stripped at the ends and single within.
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


def folded(label: str) -> str:
    """What is left of a label without white space, capitals and ways of coding a letter."""
    if not label.isascii():
        label = unicodedata.normalize("NFKC", label)
    return " ".join(label.casefold().split())
