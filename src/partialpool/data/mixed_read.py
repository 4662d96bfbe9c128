"""One door for the data of a linear mixed model: `read_mixed(roles, data)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from partialpool.data import duck, files, sql_source, structure
from partialpool.data.accumulate import cross_products
from partialpool.data.clusters import Clusters
from partialpool.data.cross_products import CrossProducts
from partialpool.data.design import Design
from partialpool.data.excel import is_workbook, read_excel
from partialpool.data.learning import design, survey
from partialpool.data.read import Progress, checked_kind, handing_back
from partialpool.data.redundancy import without_redundant
from partialpool.data.source import Source, from_frame
from partialpool.data.table import Table
from partialpool.errors import DataError
from partialpool.formula import Mixed
from partialpool.notices import Notice


@dataclass(frozen=True, slots=True, eq=False)
class MixedReading:
    """What was read.

    Parameters
    ----------
    statistics : CrossProducts
        The sums a linear mixed model needs.
    clusters : Clusters or None
        Cross-products within the groups of the factor with fewest, where there is room.
    design : Design
        What was learned: levels, means, bases, groups.
    notices : tuple of Notice
        What to know about the coding and the groups.
    like : callable
        Hands results back in the kind of frame that came in.
    """

    statistics: CrossProducts
    clusters: Clusters | None
    design: Design
    notices: tuple[Notice, ...]
    like: Callable[[Table], Any]


def read_mixed(roles: Mixed, data: Any, *, progress: Progress | None = None) -> MixedReading:
    """Reduce data to cross-products; rows with a missing value are counted and left out.

    Parameters
    ----------
    roles : Mixed
        Which column plays which part.
    data : frame, mapping, path or relation
        As in `read_statistics`.
    progress : callable, optional
        Called with a fraction in [0, 1] while a file is read.

    Raises
    ------
    DataError
        If the data cannot be read or a value is not allowed; the message says which rows.
    ColumnError
        If a column of the formula is missing.
    """
    rows = survey(_source(roles, data, progress), roles)
    learned = design(rows)
    found, clusters = cross_products(learned, rows)
    learned, found, clusters, left_out = without_redundant(learned, found, clusters)
    notices = (*left_out, *structure.notices(learned, found, rows))
    return MixedReading(found, clusters, learned, notices, handing_back(data))


def _source(roles: Mixed, data: Any, progress: Progress | None) -> Source:
    if is_workbook(data):
        return from_frame(read_excel(files.existing(data)), "mapping", roles)
    if files.are_paths(data):
        opened = files.open_file(data, roles)
        fetch = files.watched(opened.connection, progress) if progress else duck.fetch_now
        return sql_source.from_relation(
            opened.relation, roles, text_labels=opened.text_labels, fetch=fetch
        )
    kind = checked_kind(data)
    if kind == "duckdb":
        return sql_source.from_relation(data, roles)
    if kind == "pyspark":
        raise DataError(
            "a Spark DataFrame is reduced where it is for one group term without predictors; for "
            "this formula give what it collects to, data.toArrow(), or write it to Parquet files"
        )
    return from_frame(data, kind, roles)
