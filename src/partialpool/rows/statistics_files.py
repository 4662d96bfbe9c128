"""Statistics as a Parquet file: one record a group, and what they are in the file's metadata.

What such a file tells about the rows is in ``docs/statistics.md``; keep the two together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from partialpool._typing import AnyArray
from partialpool.design.labels import typed
from partialpool.errors import DataError
from partialpool.formula import Roles, parse, read_roles
from partialpool.formula.families import EARLIER_STATISTICS
from partialpool.records.count_table import CountTable
from partialpool.records.counts import CountStatistics
from partialpool.records.digests import digest_of_file, digest_of_part
from partialpool.records.measurements import GroupStatistics
from partialpool.records.mixed_files import (
    mixed_parts,
    read_mixed_parts,
    read_table_parts,
    table_parts,
)
from partialpool.records.mixed_statistics import MixedStatistics
from partialpool.records.possible import has_types, is_possible
from partialpool.rows import duck, files, one_way
from partialpool.rows.csv_files import literal

VERSION = 2
"""Of the columns and the metadata; a file of a later version is refused. Files of version 1 have no
digest, no `zeros` and no `reciprocal`, and are read."""

KEY = "partialpool_statistics"
Groups = GroupStatistics | CountStatistics
Kept = Groups | MixedStatistics | CountTable


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
    optional : tuple of str
        Columns that are not there where they are not known.
    """

    kind: type[Groups]
    numbers: tuple[str, ...]
    facts: tuple[str, ...]
    optional: tuple[str, ...] = ()


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
        optional=("zeros", "reciprocal"),
    ),
}
"""By the name that stands in the metadata as `model`."""


def write_statistics(
    statistics: Kept, formula: str, path: str, population: str | None = None
) -> None:
    """Write statistics to a Parquet file, whole or not at all.

    A group without a usable row is a record with n = 0. A population is one that the formula does
    not name, of files of earlier versions.

    Raises
    ------
    DataError
        If the ending is not .parquet, the labels are of several types, or the file cannot be
        written.
    """
    s = statistics
    if isinstance(s, MixedStatistics | CountTable):
        _write_parts(s, formula, path)
        return
    model, layout = next((m, x) for m, x in LAYOUTS.items() if isinstance(s, x.kind))
    facts = {name: getattr(s, name) for name in layout.facts}
    facts |= {"model": model, "formula": formula, "records": s.n_groups + len(s.absent)}
    facts |= {"population": population} if population else {}
    padding = np.zeros(len(s.absent))
    known = (k for k in layout.optional if np.isfinite(getattr(s, k)).all())
    columns = {k: np.concatenate([getattr(s, k), padding]) for k in (*layout.numbers, *known)}
    columns["n"] = columns["n"].astype(np.intp)
    labels = typed(np.concatenate([s.labels, s.absent.astype(s.labels.dtype)]), s.factor)
    write_records([{"label": labels, **columns}], facts, path)


def _write_parts(s: MixedStatistics | CountTable, formula: str, path: str) -> None:
    if isinstance(s, MixedStatistics):
        model, family = "mixed", None
        parts, facts = mixed_parts(s)
    else:
        model, family = "mixed_counts", s.roles.family
        parts, facts = table_parts(s)
    records = sum(len(p["i"]) for p in parts)
    facts |= {"model": model, "formula": formula, "family": family, "records": records}
    write_records(parts, facts, path)


def write_records(parts: list[dict[str, AnyArray]], facts: dict[str, Any], path: str) -> None:
    """Write columns, and facts as metadata, to a Parquet file.

    Raises
    ------
    DataError
        If the ending is not .parquet, or the file cannot be written.
    """
    if not path.lower().endswith(files.PARQUET_ENDINGS):
        raise DataError(f'"{path}": statistics are written as Parquet; end the name in .parquet')
    facts = json.loads(json.dumps({"version": VERSION, **facts}))
    digests = {_name_of(part): digest_of_part(*_digested(part)) for part in parts if _size(part)}
    facts["digest"] = digest_of_file(facts, digests)
    text = duck.text_literal(json.dumps(facts))
    files.copy_columns(parts, path, f"FORMAT parquet, KV_METADATA {{{KEY}: {text}}}")


NAMES = ("part", "i", "column")
"""Columns that say where numbers stand; `column` names columns that the facts name too."""


def _size(part: Mapping[str, AnyArray]) -> int:
    return len(next(iter(part.values())))


def _name_of(part: Mapping[str, AnyArray]) -> str:
    return str(part["part"][0]) if "part" in part else ""


def _digested(part: Mapping[str, AnyArray]) -> tuple[dict[str, AnyArray], list[str]]:
    """What a digest is of: numbers and labels, and which columns are labels."""
    columns = {name: values for name, values in part.items() if name not in NAMES}
    return columns, [name for name in columns if name.startswith(LABELS)]


LABELS = ("label", "level_")
"""How columns of labels begin."""


def read_statistics_file(path: str) -> tuple[Roles, Kept]:
    """Return the roles of the formula and the statistics that `write_statistics` wrote.

    Raises
    ------
    DataError
        If the file is not there, is truncated, is no statistics file, is of a later version, or
        holds what no rows can give.
    """
    connection = files.connect()
    with files.readable(path):
        facts = _known_facts(connection, path)
        try:
            roles, kept, digests = _read_kept(connection, path, facts)
            has_digest = facts["version"] > 1 or "digest" in facts
            if has_digest and facts["digest"] != digest_of_file(facts, digests):
                raise _damaged(path)
            if not is_possible(kept, roles):
                raise _damaged(path)
        except IMPOSSIBLE as error:
            if isinstance(error, DataError):
                raise
            raise _damaged(path) from error
    return roles, kept


IMPOSSIBLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, AssertionError)
"""What reading facts, labels or numbers raises that are not those that were written."""


def _read_kept(
    connection: Any, path: str, facts: dict[str, Any]
) -> tuple[Roles, Kept, dict[str, str]]:
    """The roles, the statistics and the digest of each part, by its name."""
    if not has_types(facts):
        raise _damaged(path)
    family, population = facts.get("family"), facts.get("population")
    if facts.get("model") == "counts" and family in EARLIER_STATISTICS:
        family, population = EARLIER_STATISTICS[family]
        facts = facts | {"family": family}
    roles = read_roles(parse(facts["formula"]), family)
    roles = replace(roles, population=population or roles.population)
    if facts.get("model") in ("mixed", "mixed_counts"):
        return roles, *_read_parts(connection, path, facts, roles)
    return roles, *_read_groups(connection, path, facts)


def _read_groups(
    connection: Any, path: str, facts: dict[str, Any]
) -> tuple[Groups, dict[str, str]]:
    layout = LAYOUTS[facts["model"]]
    relation = connection.read_parquet(literal(path))
    names = [*layout.numbers, *(k for k in layout.optional if k in relation.columns)]
    if relation.columns != ["label", *names]:
        raise _damaged(path)
    kind, *kinds = map(str, relation.types)
    if not all(k in (*duck.FLOATS, *duck.INTEGERS) for k in kinds):
        raise _damaged(path)
    table = relation.project(f"label AS g, {', '.join(names)}")
    columns = duck.fetch_table(table, ["g"], duck.fetch_now, plain=duck.is_plain(kind))
    groups = one_way.Groups.of(columns, in_order=False)
    numbers = groups.sums
    finite = all(np.isfinite(v).all() for v in numbers.values())
    whole = bool((numbers["n"] == np.rint(numbers["n"])).all() and (numbers["n"] >= 0).all())
    if facts["records"] != len(groups.labels) or not (finite and whole):
        raise _damaged(path)
    used = numbers["n"] > 0
    if any(v[~used].any() for v in numbers.values()):
        raise _damaged(path)
    unknown = np.full(int(used.sum()), np.nan)
    fields: dict[str, Any] = {k: numbers[k][used] for k in names}
    fields |= {k: unknown for k in layout.optional if k not in names}
    fields["n"] = fields["n"].astype(np.intp)
    fields |= {k: facts[k] for k in layout.facts}
    fields |= {"labels": groups.labels[used], "absent": groups.labels[~used]}
    digest = digest_of_part({"label": groups.labels, **numbers}, ["label"])
    return layout.kind(**fields | {"withheld": tuple(facts["withheld"])}), {"": digest}


def _read_parts(
    connection: Any, path: str, facts: dict[str, Any], roles: Roles
) -> tuple[MixedStatistics | CountTable, dict[str, str]]:
    table = connection.read_parquet(literal(path))
    kinds = dict(zip(table.columns, map(str, table.types), strict=True))
    seen = 0
    digests: dict[str, str] = {}

    def read(part: str, columns: Sequence[str]) -> dict[str, AnyArray]:
        nonlocal seen
        if not {"part", "i", *columns} <= kinds.keys():
            raise _damaged(path)
        labels = [c for c in columns if c.startswith(LABELS)]
        sql = (
            f"SELECT {', '.join(duck.quote(c) for c in columns)} FROM {duck.SOURCE} "
            f"WHERE part = {duck.text_literal(part)} ORDER BY i"
        )
        plain = all(duck.is_plain(kinds[c]) for c in labels)
        values = duck.fetch_table(
            table.query(duck.SOURCE, sql), labels, duck.fetch_now, plain=plain
        )
        numbers = [v for c, v in values.items() if v.dtype.kind == "f"]
        if not all(np.isfinite(v).all() for v in numbers):
            raise _damaged(path)
        seen += _size(values)
        if _size(values):
            digests[part] = digest_of_part(values, labels)
        return values

    statistics: MixedStatistics | CountTable
    if facts["model"] == "mixed":
        statistics = read_mixed_parts(roles, facts, read)
    else:
        statistics = read_table_parts(roles, facts, read)
    if seen != facts["records"]:
        raise _damaged(path)
    return statistics, digests


def _known_facts(connection: Any, path: str) -> dict[str, Any]:
    """The metadata of a file of statistics of this version."""
    facts = _facts(connection, path)
    if facts is None:
        raise DataError(
            f'"{path}" holds no statistics of partialpool; if it holds rows, fit it with a '
            "formula, or reduce it first: partialpool statistics FILE FORMULA --out FILE"
        )
    version = facts.get("version")
    if not isinstance(version, int) or not 1 <= version <= VERSION:
        raise DataError(
            f'"{path}" holds statistics of version {version} and this version '
            f"of partialpool reads up to version {VERSION}; use the same version on both sides"
        )
    return facts


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
    rows = connection.execute(sql, [literal(path), KEY.encode()]).fetchall()
    if not rows:
        return None
    try:
        facts: dict[str, Any] = json.loads(rows[0][0])
    except ValueError as error:
        raise _damaged(path) from error
    return facts if isinstance(facts, dict) else {}


def _damaged(path: str) -> DataError:
    return DataError(
        f'"{path}" is damaged: its records are not those that its metadata announces, or hold '
        "numbers that no rows can give; write it again"
    )
