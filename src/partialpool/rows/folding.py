"""Labels that differ only in spaces, capitals or the way a letter is coded, merged: labels="fold".

Done where data are opened, so that everything behind the door sees one label for each group. In
rows in memory labels are replaced; in an engine by a CASE of the labels that change.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Ints
from partialpool.design import labels as lab
from partialpool.errors import ArgumentError, DataError
from partialpool.notices import Notice
from partialpool.rows import frames
from partialpool.rows.sql import Engine, label_counts
from partialpool.rows.text_columns import Wanted

MOST_CHANGED = 1_000
"""Labels that a query may change: each is compared with every row, 1,000 with a million in 2 s."""


@dataclass(frozen=True, slots=True)
class Folded:
    """Data whose labels are to be merged.

    Parameters
    ----------
    data : frame, mapping, path or relation
        As `fit` takes them.
    known : mapping
        Labels of columns that were merged before, whose spelling is kept.
    """

    data: Any
    known: Mapping[str, AnyArray] = field(default_factory=dict)


def folding(data: Any, labels: str | None) -> Any:
    """The data as they are, or to be folded, as the argument `labels` says.

    Raises
    ------
    ArgumentError
        If it is not one of those allowed.
    """
    if labels is None or isinstance(data, Folded):
        return data
    if labels != "fold":
        raise ArgumentError(
            f'labels={labels!r}: it is "fold", which merges labels that differ only in spaces, '
            "capitals or the way a letter is coded, or left out"
        )
    return Folded(data)


Changes = Mapping[str, str]
"""What takes the place of labels that are merged into others, or cleaned."""


def changes(labels: Sequence[Any], n: Sequence[int], known: Sequence[Any] = ()) -> dict[Any, str]:
    """Which labels become which, so that none differ only in spaces, capitals or coding.

    The spelling that stays is the known one, else that of most rows, and of equally many the
    first; without spaces at its ends.

    Parameters
    ----------
    labels, n : sequence
        Distinct labels, and the rows of each.
    known : sequence
        Labels whose spelling stays.
    """
    if not any(isinstance(label, str) for label in (*labels, *known)):
        return {}
    stays = {lab.folded(str(label)): str(label) for label in known}
    rows: dict[str, dict[str, int]] = {}
    for label, count in zip(labels, n, strict=True):
        spelled = rows.setdefault(lab.folded(str(label)), {})
        spelled[clean(str(label))] = spelled.get(clean(str(label)), 0) + int(count)
    for key, spelled in rows.items():
        # by the text where rows are as many, so that the order of rows decides nothing
        stays.setdefault(key, min(spelled, key=lambda text: (-spelled[text], text)))
    spellings = {label: stays[lab.folded(str(label))] for label in labels}
    return {label: text for label, text in spellings.items() if label != text}


def clean(label: str) -> str:
    """A label with single spaces inside only, its letters composed, nothing of no width in it."""
    return " ".join(unicodedata.normalize("NFC", label.translate(lab.NO_WIDTH)).split())


def with_folded(rows: Any, wanted: Wanted, known: Mapping[str, AnyArray]) -> Any:
    """Data that were opened, with labels merged; and a notice of what was.

    Raises
    ------
    DataError
        If so many labels would change that a query cannot hold them.
    """
    names = [n.name for n in (*wanted.labels, *wanted.undecided)]
    if rows.engine is None:
        return _in_memory(rows, wanted, names, known)
    engine = rows.engine
    merged = {}
    for name in names:
        if name in engine.columns and engine.type_of(name)[0] == "text":
            counts = label_counts(engine, name)
            merged[name] = changes(list(counts), [*counts.values()], list(known.get(name, ())))
    merged = {name: each for name, each in merged.items() if each}
    if not merged:
        return rows
    for name, each in merged.items():
        if len(each) > MOST_CHANGED:
            raise DataError(
                f'column "{name}" has {len(each):,} labels to merge; a query merges at most '
                f"{MOST_CHANGED:,}: make them equal first, with LOWER(TRIM({name}))"
            )
    columns = [_column(engine, name, merged.get(name, {})) for name in engine.columns]
    engine = engine.projected(columns)
    said = tuple(_said(name, each) for name, each in merged.items())
    return replace(rows, data=engine.data, engine=engine, notices=(*rows.notices, *said))


def _column(engine: Engine, name: str, changed: Changes) -> str:
    """SQL of a column with the labels that stay."""
    x = engine.quote(name)
    if not changed:
        return x
    arms = " ".join(f"WHEN {engine.text(a)} THEN {engine.text(b)}" for a, b in changed.items())
    return f"CASE CAST({x} AS STRING) {arms} ELSE CAST({x} AS STRING) END AS {x}"


def _in_memory(
    rows: Any, wanted: Wanted, names: Sequence[str], known: Mapping[str, AnyArray]
) -> Any:
    columns = frames.take(rows.data, rows.kind, wanted.columns)
    labels_only = {n.name for n in wanted.labels}
    said = []
    for name in names:
        if name not in labels_only and not frames.holds_categories(columns[name]):
            continue
        codes, labels = frames.label_codes(columns[name])
        n = np.bincount(codes[codes >= 0], minlength=len(labels))
        each = changes(labels.tolist(), n.tolist(), known.get(name, np.array([])).tolist())
        if each:
            columns[name] = _replaced(codes, labels, each)
            said.append(_said(name, each))
    if not said:
        return rows
    return replace(rows, data=columns, kind="mapping", notices=(*rows.notices, *said))


def _replaced(codes: Ints, labels: AnyArray, each: Changes) -> AnyArray:
    """The column with the labels that stay; None where one is missing."""
    new = np.empty(len(labels) + 1, dtype=object)
    new[:-1] = [each.get(label, label) for label in labels.tolist()]
    return new[codes]


SHOWN_CHANGES = 3
"""Merged labels that the notice names: enough to see what kind of difference it was."""


def _said(name: str, each: Changes) -> Notice:
    first = sorted(each.items(), key=lambda pair: str(pair[0]))[:SHOWN_CHANGES]
    pairs = [f"{lab.quoted(old)} became {lab.quoted(new)}" for old, new in first]
    more = f", and {len(each) - SHOWN_CHANGES:,} more" if len(each) > SHOWN_CHANGES else ""
    return Notice(
        "labels_folded",
        "info",
        f"Labels of {name} that differ only in spaces, capitals or the way a letter is coded were "
        f"merged: {', '.join(pairs)}{more}.",
    )
