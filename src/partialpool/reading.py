"""What a model needs of the data, without the model: statistics that are kept, added to, shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from partialpool.data import read_counts, read_statistics
from partialpool.data.files import expand
from partialpool.data.labels import shown
from partialpool.data.read import explain_reading
from partialpool.data.statistics_files import Groups, read_statistics_file, write_statistics
from partialpool.errors import ArgumentError, DataError, UnsupportedFormulaError
from partialpool.formula import CountRoles, OneWay, count_family, count_roles, one_way, parse


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """The statistics of a data set for one formula: all that a fit needs, and no rows.

    Parameters
    ----------
    formula : str
        The formula for which they are sufficient.
    groups : GroupStatistics or CountStatistics
        One record a group.

    Examples
    --------
    >>> import partialpool as pp
    >>> old = pp.statistics("y ~ 1 + (1 | g)", {"g": ["a", "a", "b"], "y": [1.0, 2.0, 5.0]})
    >>> new = pp.statistics("y ~ 1 + (1 | g)", {"g": ["b", "c"], "y": [4.0, 3.0]})
    >>> old.combine(new)
    Statistics of y ~ 1 + (1 | g): 5 rows in 3 groups
    """

    formula: str
    groups: Groups

    def combine(self, *others: Statistics) -> Statistics:
        """Return the statistics of all the rows together.

        Raises
        ------
        DataError
            If they are not of the same outcome, group column and kind.
        """
        groups: Any = self.groups
        for other in others:
            _check_kinds(self, other)
            _check_labels(self.groups, other.groups)
            groups = groups.combine(other.groups)
        return Statistics(self.formula, groups.sorted())

    def save(self, path: str | Path, *, min_cell: int = 1) -> Statistics:
        """Write the statistics to a Parquet file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            A name that ends in .parquet.
        min_cell : int
            Groups of fewer rows are left out, and only their number and the number of their
            rows are written. What a file tells about the rows: ``docs/statistics.md``.

        Returns
        -------
        Statistics
            What the file holds.

        Raises
        ------
        ArgumentError, DataError
            If `min_cell` is below 1, no group is left, or the file cannot be written.
        """
        if min_cell < 1:
            raise ArgumentError(f"min_cell must be 1 or more rows a group, not {min_cell}")
        groups = self.groups if min_cell == 1 else self.groups.without_small_groups(min_cell)
        write_statistics(groups, self.formula, os.fspath(path))
        return Statistics(self.formula, groups)

    def __repr__(self) -> str:
        s = self.groups
        rest = f"; small groups left out: {s.withheld[0]:,}" if s.withheld[0] else ""
        return f"Statistics of {self.formula}: {s.n_rows:,} rows in {s.n_groups:,} groups{rest}"


def statistics(
    formula: str,
    data: Any,
    *,
    family: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Statistics:
    """Reduce data to what a fit of the formula needs; `fit_statistics` fits them.

    Parameters
    ----------
    formula, data, family, progress
        As in `fit`.

    Raises
    ------
    FormulaError, ColumnError, DataError
        As in `fit`.
    """
    roles = _roles(formula, family)
    if isinstance(roles, CountRoles):
        return Statistics(formula, read_counts(roles, data, progress=progress).statistics)
    return Statistics(formula, read_statistics(roles, data, progress=progress).statistics)


def load_statistics(paths: str | Path | Sequence[str | Path]) -> Statistics:
    """Read statistics that were saved; those of several files (a glob, a list) are combined.

    Raises
    ------
    DataError
        If a file is not there, is truncated, holds no statistics, or is of another version.
    """
    given = [paths] if isinstance(paths, str | Path) else paths
    names = [name for path in given for name in expand(os.fspath(path))]
    first, *others = [Statistics(*read_statistics_file(name)) for name in names]
    return first.combine(*others)


def explain(formula: str, data: Any, *, family: str | None = None) -> str:
    """Say how the data will be read: the queries that will run, before they run.

    Parameters
    ----------
    formula, data, family
        As in `fit`.

    Returns
    -------
    str
        For files, relations and Spark DataFrames the SQL of each pass; for frames in memory a
        sentence.

    Examples
    --------
    >>> import partialpool as pp
    >>> print(pp.explain("y ~ 1 + (1 | g)", {"g": ["a", "b"], "y": [1.0, 2.0]}))
    In memory (dict): the columns g, y become arrays, the labels are numbered,
    and two passes (numpy.bincount) sum each group about its mean. No query is run.
    """
    return explain_reading(_roles(formula, family), data)


def _roles(formula: str, family: str | None) -> OneWay | CountRoles:
    if not isinstance(formula, str):
        raise ArgumentError(
            f"the first argument is a {type(formula).__name__}, "
            'not a formula such as "score ~ 1 + (1 | school)"'
        )
    parsed = parse(formula)
    counted = count_family(parsed, family)
    if counted is not None:
        return count_roles(parsed, counted)
    roles = one_way(parsed)
    if roles is None:
        raise UnsupportedFormulaError(
            "statistics are kept, and queries explained, for one factor without predictors: "
            "y ~ 1 + (1 | group)",
            formula,
            0,
        )
    return roles


def _check_kinds(first: Statistics, second: Statistics) -> None:
    """Refuse to add rows of one kind to rows of another: their weights mean different things."""
    kinds = [_kind_of_rows(s.formula) for s in (first, second)]
    if type(first.groups) is not type(second.groups) or kinds[0] != kinds[1]:
        raise DataError(
            "only statistics of the same outcome, group column and kind can be combined; received "
            f"{first.formula} and {second.formula}: both must be of counts or of measurements, "
            "and both with the same of se(), weights() or neither"
        )


def _kind_of_rows(formula: str) -> str:
    """What gives rows their precision: se, weights, or nothing; a summary stands for its rows."""
    kinds = {a.kind for a in parse(formula).additions}
    return next(iter(kinds & {"se", "weights"}), "")


def _check_labels(first: Groups, second: Groups) -> None:
    """Refuse to keep 7 and "7" apart where one side was read with another type."""
    kinds = [_kind_of_labels(s) for s in (first, second)]
    if set(kinds) == {"text", "numbers"}:
        raise DataError(
            f'the labels of "{first.factor}" are {kinds[0]} on one side '
            f"({shown(first.labels[:2])}) and {kinds[1]} on the other "
            f"({shown(second.labels[:2])}), so no group would be in both; convert one of them"
        )


def _kind_of_labels(s: Groups) -> str:
    if s.labels_from_text:
        return "either"
    if s.labels.dtype.kind in "iuf":
        return "numbers"
    return "text" if all(isinstance(v, str) for v in s.labels.tolist()) else "other"
