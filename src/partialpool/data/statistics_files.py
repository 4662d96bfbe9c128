"""Statistics as a Parquet file: one record a group, and what they are in the file's metadata.

What such a file tells about the rows is in ``docs/statistics.md``; keep the two together.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from partialpool._typing import AnyArray
from partialpool.data import duck, files
from partialpool.data.csv_files import literal
from partialpool.data.statistics import GroupStatistics
from partialpool.errors import DataError

VERSION = 1
"""Of the columns and the metadata; a file of a later version is refused."""

KEY = "partialpool_statistics"
NUMBERS = ("n", "weight", "mean", "ss", "log_weight")
FACTS = (
    "factor", "outcome", "center", "sigma_known", "n_rows", "n_dropped", "labels_from_text",
    "withheld",
)  # fmt: skip


def write_statistics(statistics: GroupStatistics, formula: str, path: str) -> None:
    """Write statistics to a Parquet file, whole or not at all.

    A group without a usable row is a record with n = 0.

    Raises
    ------
    DataError
        If the ending is not .parquet, the labels are of several types, or the file cannot be
        written.
    """
    if not path.lower().endswith(files.PARQUET_ENDINGS):
        raise DataError(f'"{path}": statistics are written as Parquet; end the name in .parquet')
    s = statistics
    facts = {name: getattr(s, name) for name in FACTS}
    facts |= {"version": VERSION, "formula": formula, "records": s.n_groups + len(s.absent)}
    padding = np.zeros(len(s.absent))
    columns = {k: np.concatenate([getattr(s, k), padding]) for k in NUMBERS}
    columns["n"] = columns["n"].astype(np.int64)
    labels = _labels(np.concatenate([s.labels, s.absent.astype(s.labels.dtype)]), s.factor)
    metadata = f"KV_METADATA {{{KEY}: {files.text_literal(json.dumps(facts))}}}"
    files.copy_columns({"label": labels, **columns}, path, f"FORMAT parquet, {metadata}")


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


def read_statistics_file(path: str) -> tuple[str, GroupStatistics]:
    """Return the formula and the statistics that `write_statistics` wrote.

    Raises
    ------
    DataError
        If the file is not there, is truncated, is no statistics file, or is of a later version.
    """
    connection = files.connect()
    with files.readable(path):
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
        relation = connection.read_parquet(literal(path))
        if relation.columns != ["label", *NUMBERS]:
            raise _damaged(path)
        kind = str(relation.types[0])
        table = relation.project(f"label AS g, {', '.join(NUMBERS)}")
        found = duck.group_table(table, duck.fetch_now, plain=duck.is_plain(kind), sort=False)
    return _checked(path, facts, found.labels, found.sums)


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


def _checked(
    path: str, facts: dict[str, Any], labels: AnyArray, numbers: dict[str, AnyArray]
) -> tuple[str, GroupStatistics]:
    """Build the statistics; refuse numbers that no rows can have given."""
    n, used = numbers["n"], numbers["n"] > 0
    if not ({"formula", "records", *FACTS} <= facts.keys() and facts["records"] == len(n)):
        raise _damaged(path)
    finite = all(np.isfinite(numbers[k]).all() for k in NUMBERS)
    positive = (n >= 0).all() and (numbers["weight"][used] > 0).all() and used.any()
    if not (finite and positive and (numbers["ss"] >= 0).all()):
        raise _damaged(path)
    return facts["formula"], GroupStatistics(
        labels=labels[used],
        n=n[used],
        weight=numbers["weight"][used],
        mean=numbers["mean"][used],
        ss=numbers["ss"][used],
        log_weight=numbers["log_weight"][used],
        absent=labels[~used],
        **{k: facts[k] for k in FACTS if k != "withheld"},
        withheld=tuple(facts["withheld"]),
    )
