"""What a model needs of the data, without the model: statistics that are kept, added to, shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from partialpool.design.labels import refuse_unlike
from partialpool.design.source import ROW
from partialpool.errors import ArgumentError, DataError
from partialpool.formula import Formula, Roles, parse, read_roles
from partialpool.records.count_table import CountTable
from partialpool.records.counts import CountStatistics
from partialpool.records.measurements import GroupStatistics
from partialpool.records.mixed_statistics import MixedStatistics
from partialpool.rows import read_counts, read_statistics
from partialpool.rows.count_rows import read_count_table
from partialpool.rows.files import expand
from partialpool.rows.find_dates import with_days
from partialpool.rows.folding import folding
from partialpool.rows.foreign_frames import known_frame
from partialpool.rows.outcome_words import with_event
from partialpool.rows.read import explain_reading, stored_columns
from partialpool.rows.statistics_files import Groups, Kept, read_statistics_file, write_statistics


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """The statistics of a data set for one formula: all that a fit needs, and no rows.

    Parameters
    ----------
    roles : Roles
        Which column plays which part in the formula for which they are sufficient.
    groups : GroupStatistics, CountStatistics, MixedStatistics or CountTable
        One record a group; with predictors, slopes or several factors cross-products in all and
        by group, and of counts one record for the rows that are the same but for their events.

    Examples
    --------
    >>> import partialpool as pp
    >>> old = pp.statistics("y ~ 1 + (1 | g)", {"g": ["a", "a", "b"], "y": [1.0, 2.0, 5.0]})
    >>> new = pp.statistics("y ~ 1 + (1 | g)", {"g": ["b", "c"], "y": [4.0, 3.0]})
    >>> old.combine(new)
    Statistics of y ~ 1 + (1 | g): 5 rows in 3 groups
    """

    roles: Roles
    groups: Kept

    @property
    def formula(self) -> str:
        """The formula for which they are sufficient."""
        return self.roles.text

    @property
    def separable(self) -> bool:
        """Whether small groups can be left out later; else only while the rows are read."""
        return not isinstance(self.groups, MixedStatistics)

    def combine(self, *others: Statistics) -> Statistics:
        """Return the statistics of all the rows together.

        Levels and groups need not be the same on both sides; center(), scale() and poly() learn
        anew from all the rows.

        Raises
        ------
        DataError
            If they are not of the same outcome, group column and kind; with predictors or
            several factors, of the same formula.

        Examples
        --------
        >>> import partialpool as pp
        >>> s = pp.statistics("y ~ 1 + (1 | g)", {"g": ["a", "a", "b"], "y": [1.0, 2.0, 5.0]})
        >>> s.combine(pp.statistics("y ~ 1 + (1 | g)", {"g": ["b", "c"], "y": [4.0, 3.0]}))
        Statistics of y ~ 1 + (1 | g): 5 rows in 3 groups
        """
        groups, population = self.groups, self.roles.population
        for other in others:
            _check_kinds(self, other)
            groups = _combined(groups, other.groups)
            population = population or other.roles.population
        return Statistics(replace(self.roles, population=population), groups)

    def save(self, path: str | Path, *, min_cell: int = 1) -> Statistics:
        """Write the statistics to a Parquet file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            A name that ends in .parquet.
        min_cell : int
            Groups of fewer rows are left out, and only their number and the number of their
            rows are written. From sums of regressions groups cannot be taken out again: they
            are refused if a group or a level of a category has fewer rows, and `statistics`
            leaves these out while it reads. What a file tells about the rows:
            ``docs/statistics.md``.

        Returns
        -------
        Statistics
            What the file holds.

        Raises
        ------
        ArgumentError, DataError
            If `min_cell` is below 1, no group is left, or the file cannot be written.

        Examples
        --------
        >>> import partialpool as pp
        >>> s = pp.statistics("y ~ 1 + (1 | g)", {"g": ["a", "a", "b"], "y": [1.0, 2.0, 5.0]})
        >>> import tempfile
        >>> from pathlib import Path
        >>> s.save(Path(tempfile.mkdtemp(), "s.parquet"))
        Statistics of y ~ 1 + (1 | g): 3 rows in 2 groups
        """
        groups = _without_small(self.groups, _checked_cell(min_cell))
        write_statistics(groups, self.formula, os.fspath(path), self.roles.population)
        return Statistics(self.roles, groups)

    def __repr__(self) -> str:
        s = self.groups
        if isinstance(s, GroupStatistics | CountStatistics):
            sizes = f"{s.n_groups:,} groups"
        else:
            sizes = ", ".join(f"{n:,} groups of {name}" for name, n in s.sizes.items())
        rest = f"; small groups left out: {s.withheld[0]:,}" if s.withheld[0] else ""
        return f"Statistics of {self.formula}: {s.n_rows:,} rows in {sizes}{rest}"


def _combined(first: Kept, second: Kept) -> Kept:
    if isinstance(first, MixedStatistics) and isinstance(second, MixedStatistics):
        from partialpool.records.mixed_combine import combine as combine_mixed

        return combine_mixed(first, second)
    if isinstance(first, CountTable) and isinstance(second, CountTable):
        return first.combine(second)
    one, other = _one_way_pair(first, second)
    if not (one.labels_from_text or other.labels_from_text):
        refuse_unlike(one.factor, one.labels, other.labels)
    both: Any = one
    sums: Kept = both.combine(other).sorted()
    return sums


def _one_way_pair(first: Kept, second: Kept) -> tuple[Groups, Groups]:
    assert isinstance(first, GroupStatistics | CountStatistics)
    assert isinstance(second, GroupStatistics | CountStatistics)
    return first, second


def _without_small(groups: Kept, least: int) -> Kept:
    if least == 1:
        return groups
    if isinstance(groups, CountTable):
        return groups.without_small_cells(least)
    if not isinstance(groups, MixedStatistics):
        return groups.without_small_groups(least)
    small = {k: int((n < least).sum()) for k, n in groups.cells().items()}
    few = [f"{n:,} of {name}" for name, n in small.items() if n]
    if few:
        raise DataError(
            f"some groups or levels have fewer than {least} rows ({', '.join(few)}), and cannot "
            "be taken out of these sums; leave them out while the rows are read: "
            f"partialpool.statistics(formula, data, min_cell={least})"
        )
    return replace(groups, absent={k: v[:0] for k, v in groups.absent.items()})


def _checked_cell(min_cell: int) -> int:
    if min_cell < 1:
        raise ArgumentError(f"min_cell must be 1 or more rows a group, not {min_cell}")
    return min_cell


def statistics(
    formula: str,
    data: Any,
    *,
    family: str | None = None,
    event: str | None = None,
    labels: Literal["fold"] | None = None,
    min_cell: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Statistics:
    """Reduce data to what a fit of the formula needs; `fit_statistics` fits them.

    Parameters
    ----------
    formula, data, family, event, labels, progress
        As in `fit`.
    min_cell : int
        Groups (of counts with predictors: rows that are the same) of fewer rows are left out,
        with predictors or several factors also levels of categories, until none is left.

    Raises
    ------
    FormulaError, ColumnError, DataError
        As in `fit`.

    Examples
    --------
    >>> import partialpool as pp
    >>> s = pp.statistics("y ~ 1 + (1 | g)", {"g": ["a", "a", "b"], "y": [1.0, 2.0, 5.0]})
    >>> s
    Statistics of y ~ 1 + (1 | g): 3 rows in 2 groups
    """
    data = folding(known_frame(data), labels)
    parsed, _ = with_event(_parsed(formula), family, data, event)
    parsed, _ = with_days(parsed, data)
    least = _checked_cell(min_cell)
    return _reduced(read_roles(parsed, family), data, least, progress)


def _reduced(
    roles: Roles, data: Any, least: int, progress: Callable[[float], None] | None
) -> Statistics:
    _refuse_row_numbers(roles, data)
    counts = roles.family is not None
    if not roles.one_way and not counts:
        from partialpool.rows.mixed_read import read_kept

        sums, _ = read_kept(roles, data, progress=progress, min_cell=least)
        return Statistics(roles, sums)
    if not roles.one_way:
        groups: Kept = read_count_table(roles, data, progress=progress)
    elif counts:
        groups = read_counts(roles, data, progress=progress).statistics
    else:
        groups = read_statistics(roles, data, progress=progress).statistics
    return Statistics(roles, _without_small(groups, least))


def with_more(
    statistics: Statistics, data: Any, progress: Callable[[float], None] | None
) -> Statistics:
    """The statistics of these rows and those of more data together."""
    roles = statistics.roles
    if isinstance(statistics.groups, CountTable):  # also of one factor, for maximum likelihood
        _refuse_row_numbers(roles, data)
        table = read_count_table(roles, data, progress=progress)
        return statistics.combine(Statistics(roles, table))
    return statistics.combine(_reduced(roles, data, 1, progress))


def _refuse_row_numbers(roles: Roles, data: Any) -> None:
    """Rows of several readings cannot be told apart by their numbers."""
    if any(n.name == ROW for n in roles.labels) and ROW not in stored_columns(data, roles):
        raise DataError(
            "(1 | row) numbers the rows of one fit; statistics that are kept or added to need a "
            'column "row" that names each row'
        )


def load_statistics(paths: str | Path | Sequence[str | Path]) -> Statistics:
    """Read statistics that were saved; those of several files (a glob, a list) are combined.

    Raises
    ------
    DataError
        If a file is not there, is truncated, holds no statistics, or is of another version.

    Examples
    --------
    >>> import partialpool as pp
    >>> s = pp.statistics("y ~ 1 + (1 | g)", {"g": ["a", "a", "b"], "y": [1.0, 2.0, 5.0]})
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp(), "s.parquet")
    >>> saved = s.save(path)
    >>> pp.load_statistics(path)
    Statistics of y ~ 1 + (1 | g): 3 rows in 2 groups
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
    data = known_frame(data)
    parsed, _ = with_event(_parsed(formula), family, data, None)
    parsed, _ = with_days(parsed, data)
    return explain_reading(read_roles(parsed, family), data)


def _parsed(formula: str) -> Formula:
    if not isinstance(formula, str):
        raise ArgumentError(
            f"the first argument is a {type(formula).__name__}, "
            'not a formula such as "score ~ 1 + (1 | school)"'
        )
    return parse(formula)


def _check_kinds(first: Statistics, second: Statistics) -> None:
    """Refuse to add rows of one kind to rows of another: their weights mean different things."""
    kinds = [_precision(s.roles) for s in (first, second)]
    if type(first.groups) is not type(second.groups) or kinds[0] != kinds[1]:
        raise DataError(
            "only statistics of the same outcome, group column and kind can be combined; received "
            f"{first.formula} and {second.formula}: both must be of counts or of measurements, "
            "both with the same predictors and group terms, and both with the same of se(), "
            "weights() or neither"
        )


def _precision(roles: Roles) -> tuple[bool, bool]:
    """What gives rows their precision: se, weights, or neither; a summary stands for its rows."""
    return roles.se is not None, roles.weights is not None
