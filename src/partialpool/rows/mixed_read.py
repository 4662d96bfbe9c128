"""One door for the data of a linear mixed model: `read_mixed(roles, data)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from partialpool._table import Table
from partialpool.design.coded_rows import CodedRows, Usable, without_small
from partialpool.design.coding import Variable
from partialpool.design.design import Categories, Design
from partialpool.design.encode import complete_design, expressions, finished, levels
from partialpool.design.expressions import Moments, learn, learned_of
from partialpool.formula import Roles
from partialpool.formula.tree import Call
from partialpool.notices import Notice
from partialpool.records import design_notices
from partialpool.records.clusters import Clusters
from partialpool.records.count_table import CountTable
from partialpool.records.cross_products import CrossProducts
from partialpool.records.mixed_statistics import MixedStatistics
from partialpool.records.redundancy import without_redundant
from partialpool.rows import mixed_sql, outlying_rows
from partialpool.rows.array_sums import cross_products
from partialpool.rows.read import Progress, handing_back, opened


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
    kept : MixedStatistics or CountTable
        What more rows can be added to.
    """

    statistics: CrossProducts
    clusters: Clusters | None
    design: Design
    notices: tuple[Notice, ...]
    like: Callable[[Table], Any]
    kept: MixedStatistics | CountTable


def read_mixed(roles: Roles, data: Any, *, progress: Progress | None = None) -> MixedReading:
    """Reduce data to cross-products; rows with a missing value are counted and left out.

    Parameters
    ----------
    roles : Roles
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
    said: list[Notice] = []
    kept, clusters = read_kept(roles, data, progress=progress, said=said)
    read = reading(kept, clusters, handing_back(data, roles.factors))
    return replace(read, notices=(*said, *read.notices))


def read_kept(
    roles: Roles,
    data: Any,
    *,
    progress: Progress | None = None,
    min_cell: int = 1,
    said: list[Notice] | None = None,
) -> tuple[MixedStatistics, Clusters | None]:
    """Reduce data to statistics to which those of other rows can be added; as `read_mixed`.

    Rows of groups, and of levels of categories, of fewer than `min_cell` rows are left out. What
    is to be said about how the data were read is added to `said`.
    """
    notices: list[Notice] = [] if said is None else said
    with opened(data, roles, progress, passes=True) as opened_data:
        notices += opened_data.notices
        if opened_data.engine is not None:
            return mixed_sql.read(
                opened_data.engine,
                roles,
                text_labels=opened_data.text_labels,
                min_cell=min_cell,
                said=notices,
            )
        rows = opened_data.coded(roles, notices)
    known, withheld = rows.coded, (0, 0)
    if min_cell > 1:
        rows, withheld = without_small(rows, min_cell)
    design, moments = learned_design(rows)
    products, clusters = cross_products(design, rows)
    if said is not None:  # it costs as much as reading a few rows
        notices += outlying_rows.of_design(design, rows)
    dropped = known.n_rows - known.n_used
    products = replace(products, n_rows=known.n_rows, n_dropped=dropped)
    absent = rows.coded.absent
    kept = MixedStatistics(design, products, moments, absent, opened_data.text_labels, withheld)
    return kept, clusters


def learned_design(rows: Usable) -> tuple[Design, dict[Call, Moments]]:
    """Every column that the formula can lead to, learned from rows in memory."""
    known = rows.coded
    categories = levels_of(known)
    nodes = expressions(known.roles, known.texts)
    moments = learn(nodes, lambda: ((c.numbers, c.count) for c in rows.chunks()))
    learned = {call: learned_of(call, m) for call, m in moments.items()}
    return complete_design(known, categories, learned), moments


def levels_of(known: CodedRows) -> dict[Variable, Categories]:
    """Levels of each category."""
    return levels(known.roles, known.texts, known.labels, known.counts)


def reading(
    kept: MixedStatistics, clusters: Clusters | None, like: Callable[[Table], Any]
) -> MixedReading:
    """Choose the columns of the model, and say what is to be known about them.

    Raises
    ------
    DataError
        If a predictor has one level only, or a factor one group.
    """
    learned, chosen = finished(kept.design)
    products = kept.products.only(chosen.x, chosen.z)
    fewer = None if clusters is None else clusters.only(chosen.x)
    learned, products, fewer, left_out = without_redundant(learned, products, fewer)
    of_design = design_notices.notices(learned, products, kept.absent)
    notices = (*left_out, *of_design, *design_notices.withheld(*kept.withheld))
    return MixedReading(products, fewer, learned, notices, like, kept)
