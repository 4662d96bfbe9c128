"""Statistics as a Parquet file: one record a group, and what they are in the file's metadata.

What such a file tells about the rows is in ``docs/statistics.md``; keep the two together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from partialpool._typing import AnyArray
from partialpool.data import duck, files
from partialpool.data.counts import CountStatistics
from partialpool.data.csv_files import literal
from partialpool.data.statistics import GroupStatistics
from partialpool.errors import DataError
from partialpool.formula.counts import PROPORTIONS

VERSION = 1
"""Of the columns and the metadata; a file of a later version is refused."""

KEY = "partialpool_statistics"
Groups = GroupStatistics | CountStatistics


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a file of one kind of statistics holds.

    Parameters
    ----------
    kind : type
        Of the statistics.
    numbers : tuple of str
        Columns beside the label, by the names of their attributes.
    facts : tuple of str
        What stands in the metadata.
    """

    kind: type[Groups]
    numbers: tuple[str, ...]
    facts: tuple[str, ...]


ABOUT = ("factor", "outcome", "n_rows", "n_dropped", "labels_from_text", "withheld")
LAYOUTS = {
    "measurements": _Layout(
        GroupStatistics,
        ("n", "weight", "mean", "ss", "log_weight"),
        (*ABOUT, "center", "sigma_known"),
    ),
    "counts": _Layout(
        CountStatistics,
        ("n", "y", "size", "square", "log_constants"),
        (*ABOUT, "family", "size_name"),
    ),
}
"""By the name that stands in the metadata as `model`."""


def write_statistics(statistics: Groups, formula: str, path: str) -> None:
    """Write statistics to a Parquet file, whole or not at all.

    A group without a usable row is a record with n = 0.

    Raises
    ------
    DataError
        If the ending is not .parquet, the labels are of several types, or the file cannot be
        written.
    """
    s = statistics
    model, layout = next((m, x) for m, x in LAYOUTS.items() if isinstance(s, x.kind))
    facts = {name: getattr(s, name) for name in layout.facts}
    facts |= {"model": model, "formula": formula, "records": s.n_groups + len(s.absent)}
    padding = np.zeros(len(s.absent))
    columns = {k: np.concatenate([getattr(s, k), padding]) for k in layout.numbers}
    columns["n"] = columns["n"].astype(np.int64)
    labels = _labels(np.concatenate([s.labels, s.absent.astype(s.labels.dtype)]), s.factor)
    write_records({"label": labels, **columns}, facts, path)


def write_records(columns: dict[str, AnyArray], facts: dict[str, Any], path: str) -> None:
    """Write columns, and facts as metadata, to a Parquet file.

    Raises
    ------
    DataError
        If the ending is not .parquet, or the file cannot be written.
    """
    if not path.lower().endswith(files.PARQUET_ENDINGS):
        raise DataError(f'"{path}": statistics are written as Parquet; end the name in .parquet')
    text = files.text_literal(json.dumps({"version": VERSION, **facts}))
    files.copy_columns(columns, path, f"FORMAT parquet, KV_METADATA {{{KEY}: {text}}}")


def _labels(labels: AnyArray, factor: str) -> AnyArray:
    """Labels that Parquet can hold: all of one type."""
    if labels.dtype.kind == "U":
        return labels.astype(object)
    kinds = sorted({type(v).__name__ for v in labels.tolist()}) if labels.dtype == object else []
    if len(kinds) > 1:
        raise DataError(
            f'the labels of "{factor}" are of several types ({", ".join(kinds)}); a file holds '
            "one: make them all text"
        )
    return labels


def read_statistics_file(path: str) -> tuple[str, Groups]:
    """Return the formula and the statistics that `write_statistics` wrote.

    Raises
    ------
    DataError
        If the file is not there, is truncated, is no statistics file, or is of a later version.
    """
    connection = files.connect()
    with files.readable(path):
        facts = _known_facts(connection, path)
        layout = LAYOUTS.get(facts.get("model", ""))
        relation = connection.read_parquet(literal(path))
        if layout is None or relation.columns != ["label", *layout.numbers]:
            raise _damaged(path)
        kind = str(relation.types[0])
        table = relation.project(f"label AS g, {', '.join(layout.numbers)}")
        found = duck.group_table(table, duck.fetch_now, plain=duck.is_plain(kind), sort=False)
    if not ({"formula", "records", *layout.facts} <= facts.keys()
            and facts["records"] == len(found.labels)
            and _possible(found.sums, facts)):  # fmt: skip
        raise _damaged(path)
    used = found.sums["n"] > 0
    fields: dict[str, Any] = {k: found.sums[k][used] for k in layout.numbers}
    fields |= {k: facts[k] for k in layout.facts}
    fields |= {"labels": found.labels[used], "absent": found.labels[~used]}
    return facts["formula"], layout.kind(**fields | {"withheld": tuple(facts["withheld"])})


def _known_facts(connection: Any, path: str) -> dict[str, Any]:
    """The metadata of a file of statistics of this version."""
    facts = _facts(connection, path)
    if facts is None:
        raise DataError(
            f'"{path}" holds no statistics of partialpool; if it holds rows, fit it with a '
            "formula, or reduce it first: partialpool statistics FILE FORMULA --out FILE"
        )
    if facts.get("version") != VERSION:
        raise DataError(
            f'"{path}" holds statistics of version {facts.get("version")} and this version '
            f"of partialpool reads version {VERSION}; use the same version on both sides"
        )
    return facts


def _possible(numbers: dict[str, AnyArray], facts: dict[str, Any]) -> bool:
    """Whether rows can have given these numbers."""
    used = numbers["n"] > 0
    if not (used.any() and all(np.isfinite(v).all() for v in numbers.values())):
        return False
    if facts["model"] == "measurements":
        return bool((numbers["weight"][used] > 0).all() and _no_negative(numbers, "n", "ss"))
    within = facts.get("family") not in PROPORTIONS or (numbers["y"] <= numbers["size"]).all()
    return bool(within and _no_negative(numbers, "n", "y", "size", "square"))


def _no_negative(numbers: dict[str, AnyArray], *names: str) -> bool:
    return all((numbers[k] >= 0).all() for k in names)


def holds_statistics(path: str) -> bool:
    """True if this is a Parquet file with our metadata; any other file, or none, is not."""
    try:
        with files.readable(path):
            return _facts(files.connect(), path) is not None
    except DataError:
        return False


def _facts(connection: Any, path: str) -> dict[str, Any] | None:
    """What the metadata of a Parquet file says of the statistics in it."""
    sql = "SELECT value FROM parquet_kv_metadata(?) WHERE key = ?"
    found = connection.execute(sql, [literal(path), KEY.encode()]).fetchall()
    if not found:
        return None
    try:
        facts: dict[str, Any] = json.loads(found[0][0])
    except ValueError as error:
        raise _damaged(path) from error
    return facts


def _damaged(path: str) -> DataError:
    return DataError(
        f'"{path}" is damaged: its records are not those that its metadata announces, or hold '
        "numbers that no rows can give; write it again"
    )
