"""Counts with predictors: distinct rows in memory, and the cross-products of working responses.

Rows with the same predictors, groups and offset count as one: their events and sizes add up. A
fit without groups gives every row a weight and a working response (iterated weighted least
squares); their cross-products tell typical errors, starts and starting spreads as in a linear
mixed model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from partialpool._table import Table
from partialpool._typing import Floats, Ints
from partialpool.design.coded_rows import Usable
from partialpool.design.design import Design
from partialpool.design.encode import finished
from partialpool.design.expressions import evaluate
from partialpool.design.source import MemorySource
from partialpool.errors import DataError
from partialpool.formula import Roles
from partialpool.formula.families import WITHOUT_DISPERSION
from partialpool.formula.tree import Name
from partialpool.kernels.families import LOG, LOGIT, Link
from partialpool.kernels.row_moments import inflation
from partialpool.notices import Notice
from partialpool.records import design_notices
from partialpool.records.clusters import Clusters
from partialpool.records.count_products import CountProducts, CountRows
from partialpool.records.count_table import CountTable, no_exposure
from partialpool.records.cross_products import DISPERSION, CrossProducts
from partialpool.records.redundancy import without_redundant
from partialpool.rows.array_sums import cross_products
from partialpool.rows.count_rows import read_count_table
from partialpool.rows.mixed_read import MixedReading, learned_design
from partialpool.rows.read import Progress, handing_back

RESPONSE, ERROR = Name("working response"), Name("working error")
MOST_STEPS = 60
"""Steps of iterated least squares, at most: eight do for three sets of counts, one of them nearly
separated, after four estimates move by 2e-4 sd (benchmarks/constants.py); with a flat direction,
which has no maximum, they go on to the last."""
WIDE_OFFSET, WIDEST_OFFSET = 6.0, 30.0
"""Range of an offset on the link scale, a factor of 400, from which on it is noticed where it is
no logarithm; and the one beyond which it is refused, a factor of 1e13. Exposures logged as they
should be varied by at most 12 in every data set at hand."""
LEAST_WEIGHT = 1e-9
"""Least weight of a row, relative to the largest it can have."""
EMPTY_WEIGHT = 1e-18
"""And that of a row without trials or exposure, which says nothing."""
UNLIMITED_SHARE = 1e-6
"""Information left of a combination of coefficients, relative to that at the start, below which
the data set it no limit."""
LEAST_GUESS, LARGEST_GUESS = 0.1, 2.0
"""Bounds on the guess of a dispersion, from which searches start."""
RIDGE_SHARE = 0.05
"""Share of the information at the start that stands in where they set none."""


def read_count_rows(roles: Roles, data: Any, *, progress: Progress | None = None) -> MixedReading:
    """Read counts with predictors; rows with a missing value are counted and left out.

    Parameters
    ----------
    roles : Roles
        Which column plays which part, with a family.
    data : frame, mapping, path or relation
    progress : callable, optional

    Raises
    ------
    DataError, ColumnError
        As `read_mixed`; also for more events than trials.
    """
    said: list[Notice] = []
    table = read_count_table(roles, data, progress=progress, said=said)
    reading = counted(table, handing_back(data, roles.factors))
    return replace(reading, notices=(*said, *reading.notices))


def counted(table: CountTable, like: Callable[[Table], Any]) -> MixedReading:
    """What a model needs, from rows that are added up.

    Raises
    ------
    DataError
        If a predictor has one level only, a factor one group, or every size is 0.
    """
    if not table.size.any():
        raise no_exposure(table)
    rows = table.usable()
    complete, _ = learned_design(rows)
    odd = list(_odd_offsets(table, complete))
    learned, _ = finished(complete)
    working = _Working(rows, table)
    about_mean, _ = working.products(learned, np.full(len(table.y), _mean(table)))
    learned, _, _, left_out = without_redundant(learned, about_mean, None)
    with_columns = _columns(table, learned)
    _check_dispersion(table, learned.coefficients)
    eta, unlimited = _without_groups(with_columns, learned.coefficients, _link(table.roles))
    dispersion = _rough_dispersion(table, eta)
    products, clusters = working.products(learned, eta, dispersion)
    statistics = _statistics(table, with_columns, products, unlimited, dispersion)
    of_design = design_notices.notices(learned, statistics, rows.coded.absent)
    confounded = _same_as_dispersion(statistics)
    notices = (*odd, *left_out, *of_design, *confounded, *design_notices.withheld(*table.withheld))
    return MixedReading(statistics, clusters, learned, notices, like, table)


def _check_dispersion(table: CountTable, coefficients: tuple[str, ...]) -> None:
    """Refuse rows that cannot tell their dispersion, and a coefficient of its name."""
    family = table.roles.family
    if not table.roles.dispersed:
        return
    if DISPERSION in coefficients:
        raise DataError(
            f'the predictor "{DISPERSION}" has the name of a parameter of family="{family}"; '
            "rename the column"
        )
    if table.proportion and (table.size <= table.count).all():
        raise DataError(
            "every row is one trial, and single trials cannot vary more than binomial ones: "
            'use family="binomial", or rows of several trials, y | trials(n)'
        )


def _same_as_dispersion(s: CountProducts) -> Iterator[Notice]:
    """Say where spread between groups and dispersion of rows are hardly distinguished."""
    for block in s.blocks:
        if s.dispersed is None or block.effects[0] != "Intercept" or (block.n > 1).any():
            continue
        yield Notice(
            "dispersion_of_single_rows",
            "warning",
            f"Every group of {block.factor} has one row, so tau[{block.factor}] and the "
            "dispersion, which both say how much rows differ, are told apart by their shapes "
            f'only: family="{WITHOUT_DISPERSION[s.dispersed]}" has one of the two.',
        )


def _odd_offsets(table: CountTable, design: Design) -> Iterator[Notice]:
    """Say which offsets look like numbers of which the logarithm was forgotten.

    Raises
    ------
    DataError
        If it can be nothing else.
    """
    roles = table.roles
    for expression in roles.offsets:
        values = evaluate(expression, table.data.numbers, design.learned)
        low, high = float(values.min()), float(values.max())
        if high - low <= WIDE_OFFSET or ("log(" in str(expression) and high - low <= WIDEST_OFFSET):
            continue
        scale = "log-odds" if table.proportion else "log rate"
        way = f"write offset(log({expression}))"
        if not table.proportion:
            way += f" or {roles.outcome} | exposure({expression})"
        what = (
            f"offset({expression}) is added to the {scale} and goes from {low:,.4g} to "
            f"{high:,.4g}, a factor of exp({high - low:,.4g})"
        )
        if high - low > WIDEST_OFFSET:
            raise DataError(f"{what}: {way}")
        yield Notice("offset_not_logged", "warning", f"{what}. If its logarithm is meant, {way}.")


def _statistics(
    table: CountTable,
    counted: CountRows,
    products: CrossProducts,
    unlimited: list[str],
    dispersion: float,
) -> CountProducts:
    blocks, inside, raw = [], [], []
    exposed = counted.size if table.proportion else counted.size * np.exp(counted.offset)
    for block, group in zip(products.blocks, counted.group, strict=True):
        size = len(block.n)
        blocks.append(replace(block, n=_sums(group, table.count, size).astype(np.intp)))
        y = _sums(group, counted.y, size)
        n = _sums(group, exposed, size)
        varies = (y > 0) & (y < n) if table.proportion else y > 0
        inside.append(int(varies.sum()))
        raw.append(np.divide(y, n, out=np.full(size, np.nan), where=n > 0))
    given = {f.name: getattr(products, f.name) for f in fields(CrossProducts)}
    given |= {
        "outcome": str(table.roles.outcome),
        "blocks": tuple(blocks),
        "n_rows": table.n_rows,
        "n_dropped": table.n_dropped,
        "n_used": table.n_rows - table.n_dropped,
    }
    assert table.roles.family is not None
    return CountProducts(
        **given,
        family=table.roles.family,
        size_name=table.size_name,
        rows=counted,
        log_constant=float(table.log_constants.sum()),
        unlimited=tuple(unlimited),
        inside=tuple(inside),
        raw=tuple(raw),
        rough_dispersion=dispersion,
    )


def _sums(group: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(group, values, size).astype(np.float64, copy=False)


def _link(roles: Roles) -> Link:
    return LOGIT if roles.proportion else LOG


def _mean(table: CountTable) -> float:
    """Linear predictor of all rows together, half an event added."""
    y, size = float(table.y.sum()) + 0.5, float(table.size.sum()) + table.proportion
    return float(_link(table.roles).linked(np.array(y / size)))


def _columns(table: CountTable, learned: Design) -> CountRows:
    """X, groups and Z of the rows."""
    x, groups = learned.matrices(table.data, table.labels)
    return CountRows(
        table.y,
        table.size,
        learned.offset(table.data),
        x,
        tuple(group for group, _ in groups),
        tuple(z for _, z in groups),
        table.count,
        table.log_constants,
    )


# the fit without groups -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Working:
    """Rows as working responses with known errors."""

    rows: Usable
    table: CountTable

    def products(
        self, learned: Design, eta: Floats, dispersion: float = 0.0
    ) -> tuple[CrossProducts, Clusters | None]:
        """Cross-products of the working responses at a linear predictor, offsets taken off."""
        table, roles = self.table, self.table.roles
        offset = learned.offset(table.data)
        link = _link(roles)
        _, mean, slope = link.cumulants(eta)
        weight = _weights(table.size, slope, table.proportion)
        response = eta - offset + (table.y - table.size * mean) / weight
        if dispersion:
            one = table.size / table.count
            weight = weight / inflation(one, mean, dispersion, proportion=table.proportion)
        numbers = {**table.data.numbers, RESPONSE.name: response, ERROR.name: weight**-0.5}
        source = MemorySource(table.labels, table.texts, replace(table.data, numbers=numbers))
        normal = replace(roles, outcome=RESPONSE, se=ERROR, offsets=(), family=None, size=None)
        usable = Usable(source, replace(self.rows.coded, roles=normal))
        return cross_products(replace(learned, roles=normal), usable)


def _weights(size: Floats, slope: Floats, proportion: bool) -> Floats:
    """Working weights, never quite zero."""
    largest = float(size.max()) * (0.25 if proportion else float(slope.max()))
    return np.asarray(
        np.maximum(size * slope, np.where(size > 0, LEAST_WEIGHT, EMPTY_WEIGHT) * largest)
    )


def _rough_dispersion(table: CountTable, eta: Floats) -> float:
    """Dispersion by moments of Pearson residuals about the fit without groups; 0 without one.

    Half of what rows vary by more is put down to the groups, which that fit does not know.
    """
    if not table.roles.dispersed:
        return 0.0
    _, mean, slope = _link(table.roles).cumulants(eta)
    size, count = table.size / table.count, table.count
    variance = np.maximum(size * slope, 1e-12)
    # the square of each row's residual over its variance as expected without a dispersion
    excess = float(count @ ((table.y / count - size * mean) ** 2 / variance - 1.0))
    if table.proportion:
        share = excess / max(float(count @ np.maximum(size - 1.0, 0.0)), 1e-12)
        square = share / max(1.0 - share, 0.1)
    else:
        square = excess / max(float(count @ variance), 1e-12)
    return float(np.clip(math.sqrt(max(0.5 * square, 0.0)), LEAST_GUESS, LARGEST_GUESS))


def _without_groups(
    rows: CountRows, names: tuple[str, ...], link: Link
) -> tuple[Floats, list[str]]:
    """Linear predictor of complete pooling, and the coefficients to which the data set no limit."""
    if not names:
        return rows.offset, []
    q, r = np.linalg.qr(rows.x)
    scale = np.sqrt(len(q))
    q, r = q * scale, r / scale
    plain, curvature = _ascent(rows, q, link, 0.0)
    begin = _information(q, rows.size * link.cumulants(np.full(len(q), 0.0))[2])
    size, axes = np.linalg.eigh(curvature)
    along = np.einsum("ik,ij,jk->k", axes, begin, axes)
    free = size < UNLIMITED_SHARE * np.maximum(along, 1e-300)
    if not free.any() and np.isfinite(plain).all():
        return rows.offset + q @ plain, []
    ridge = RIDGE_SHARE * float(np.trace(begin)) / len(begin)
    held, _ = _ascent(rows, q, link, ridge)
    moved = np.abs(np.linalg.solve(r, axes[:, free])).max(axis=1) * rows.x.std(axis=0).clip(1e-12)
    if "Intercept" in names:
        moved[0] = np.abs(np.linalg.solve(r, axes[:, free]))[0].max()
    chosen = [n for n, m in zip(names, moved, strict=True) if m > 0.1 * moved.max()]
    return rows.offset + q @ held, chosen


def _information(q: Floats, weight: Floats) -> Floats:
    return np.asarray((q * weight[:, None]).T @ q)


def _ascent(rows: CountRows, q: Floats, link: Link, ridge: float) -> tuple[Floats, Floats]:
    """Coefficients of the columns q by iterated weighted least squares; the curvature there."""
    beta = np.zeros(q.shape[1])
    if link is LOG:  # start at the mean
        rate = (rows.y.sum() + 0.5) / (rows.size * np.exp(rows.offset)).sum()
        beta[:] = np.linalg.lstsq(q, np.full(len(q), np.log(rate)), rcond=None)[0]
    best = -np.inf
    step, curvature = np.zeros_like(beta), np.eye(len(beta))
    for _ in range(MOST_STEPS):
        eta = rows.offset + q @ beta
        a, mean, slope = link.cumulants(eta)
        value = float((rows.y * eta - rows.size * a).sum() - 0.5 * ridge * beta @ beta)
        if not value >= best - 1e-9 * abs(best):
            step = 0.5 * step
            beta = np.asarray(beta - step)
            continue
        best = max(value, best)
        curvature = _information(q, rows.size * slope) + ridge * np.eye(len(beta))
        gradient = q.T @ (rows.y - rows.size * mean) - ridge * beta
        step = np.asarray(np.linalg.lstsq(curvature, gradient, rcond=1e-14)[0], dtype=np.float64)
        if gradient @ step < 1e-10 * max(1.0, abs(value) * 1e-6):
            break
        reach = max(5.0, float(np.abs(q @ beta).max()))  # grows where there is no limit
        step = step * min(1.0, reach / max(float(np.abs(q @ step).max()), 1e-300))
        beta = np.asarray(beta + step)
    return beta, curvature
