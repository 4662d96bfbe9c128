"""Is there a trend or curve, along a predictor or a column left out, that the model leaves.

Each is a further column of the model, whose score test is averaged over draws of the variances. Of
counts the outcome is the working response at the fitted means.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from partialpool._normal import ENDS_AND_MEDIAN
from partialpool._typing import AnyArray, Floats, Ints
from partialpool.design.rows_again import RowsAgain
from partialpool.kernels.compared import Compared, with_normal
from partialpool.kernels.families import LOGIT
from partialpool.kernels.row_moments import inflation
from partialpool.kernels.score_tests import Linear
from partialpool.posterior.count_misfit import FittedExcess, median_dispersion
from partialpool.posterior.counts import CountsPosterior
from partialpool.posterior.generalized import GeneralizedPosterior
from partialpool.posterior.mixed import MixedPosterior

DRAWS, FEWEST_DRAWS = 25, 3
"""Draws of the variances over which p-values are averaged: four seeds gave .043, .047, .049 and
.052 for the slope of the group means of radon."""
CELLS = 2**23
"""Numbers that all draws together may work on; with more rows there are fewer draws, as the
variances are then better known."""

Comparison = tuple[str, str, Compared]
"""Name of a check, what it is of, and how it compares."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Columns that the model may lack: which check they are, of what, and their values (N, k)."""

    check: str
    of: str
    values: Floats


def compared(
    linear: Linear, candidates: Sequence[Candidate], draws: Sequence[Sequence[Floats]]
) -> Iterator[Comparison]:
    """Compare each candidate with none; those that the predictors hold already are left out."""
    if not candidates:
        return
    added = np.column_stack([c.values for c in candidates])
    ends = np.cumsum([0, *(c.values.shape[1] for c in candidates)]).tolist()
    places = [slice(a, b) for a, b in itertools.pairwise(ends)]
    p, df, sign = np.zeros(len(places)), [0] * len(places), np.zeros(len(places))
    for factors in draws:
        scores = linear.score(added, factors)
        for i, at in enumerate(places):
            _, df[i], value = scores.p_value(at)
            p[i] += value / len(draws)
            sign[i] += float(np.sign(scores.score[at.start]))
    for i, candidate in enumerate(candidates):
        if df[i]:
            yield candidate.check, candidate.of, _told(float(p[i]), df[i], float(sign[i]))


def _told(p: float, df: int, sign: float) -> Compared:
    """As a z of one column, and of several as a chi-square over its degrees of freedom."""
    p = max(p, 1e-300)
    if df == 1:
        return with_normal(float(np.copysign(special.ndtri(0.5 * p), sign)))
    lower, middle, upper = (special.chdtri(df, 1.0 - ENDS_AND_MEDIAN) / df).tolist()
    return Compared(float(special.chdtri(df, p)) / df, middle, lower, upper, p)


# what the model may lack ----------------------------------------------------------------------


def of_predictors(
    columns: Mapping[str, Floats], factors: Mapping[str, Ints], weight: Floats
) -> Iterator[Candidate]:
    """A curve along each predictor, and another slope between the groups than within them.

    Parameters
    ----------
    columns : mapping
        Numeric predictors, (N,) each.
    factors : mapping
        The group of each row of every factor whose intercept varies.
    weight : ndarray, shape (N,)
    """
    for name, values in columns.items():
        u = _standard(values)
        if len(np.unique(values)) > 2:
            yield Candidate("curve", f"rows by {name}", (u * u)[:, None])
        for factor, index in factors.items():
            total = np.bincount(index, weight)
            mean = np.bincount(index, weight * u) / np.where(total > 0, total, 1.0)
            what = f"{name} between and within {factor}"
            yield Candidate("slope of group means", what, mean[index][:, None])


def of_columns_left_out(
    numbers: Mapping[str, Floats], labels: Mapping[str, tuple[Ints, AnyArray]]
) -> Iterator[Candidate]:
    """Columns of the data that are not in the model: a line and a curve, or levels."""
    for name, values in numbers.items():
        known = np.isfinite(values)
        distinct = np.unique(values[known])
        if len(distinct) > 1:
            u = np.where(known, _standard(np.where(known, values, values[known].mean())), 0.0)
            both = np.column_stack([u, u * u] if len(distinct) > 2 else [u])
            yield Candidate("column left out", f"rows by {name}", both)
    for name, (codes, levels) in labels.items():
        yield Candidate(
            "column left out", f"rows by {name}", 1.0 * (codes[:, None] == np.arange(len(levels)))
        )


def _standard(values: Floats) -> Floats:
    sd = float(values.std())
    return np.asarray((values - values.mean()) / sd if sd > 0 else np.zeros(len(values)))


def _numeric(names: Sequence[str], x: Floats) -> dict[str, Floats]:
    """Columns of predictors that are numbers by themselves: no levels, products or polynomials."""
    plain = [n != "Intercept" and not any(c in n for c in ("[", ":", "poly(")) for n in names]
    return {n: x[:, i] for i, n in enumerate(names) if plain[i]}


# the models -----------------------------------------------------------------------------------


def of_count_rows(post: GeneralizedPosterior, rng: np.random.Generator) -> Iterator[Comparison]:
    """Of counts with predictors: their rows are at hand."""
    s = post.statistics
    rows, blocks = s.rows, s.blocks
    groups = [*zip(rows.group, rows.z, strict=True)]
    linear, _ = _working(post, rows.y, rows.size, rows.offset, rows.x, groups, rows.count)
    factors = {
        b.factor: g
        for b, g in zip(blocks, rows.group, strict=True)
        if b.effects[0] == "Intercept" and len(b.n) < len(rows.y)
    }
    candidates = [*of_predictors(_numeric(s.coefficients, rows.x), factors, rows.size)]
    yield from compared(linear, candidates, post.drawn_roots(_draws(linear, candidates), rng))


def fitted_sd(post: GeneralizedPosterior, excess: FittedExcess, rng: np.random.Generator) -> float:
    """Sd of an excess, means fitted.

    What is left of ``a' r`` when coefficients and groups are fitted has variance ``a' P a`` times
    the square of the weights. Source: van den Broek (1995), doi:10.2307/2532959, whose test this is
    of zeros where there are no groups.
    """
    rows = post.statistics.rows
    groups = [*zip(rows.group, rows.z, strict=True)]
    linear, wider = _working(post, rows.y, rows.size, rows.offset, rows.x, groups, rows.count)
    (factors,) = post.drawn_roots(1, rng)
    # weights are over the wider variance, and the events beyond their means are not
    left = float(linear.score((wider * excess.along)[:, None], factors).information[0, 0])
    return float(np.sqrt(excess.free + max(left, 0.0)))


def of_group_means(post: MixedPosterior, rng: np.random.Generator) -> Iterator[Comparison]:
    """Of measurements, from sums: where the intercept of one factor varies, and nothing else.

    The means of the groups tell of what lies between them; a root of the cross-products within them
    stands in for the rows, of which it has the same sums.
    """
    s, b = post.statistics, post.statistics.blocks[0]
    if len(s.blocks) != 1 or b.effects != ("Intercept",) or b.within is None:
        return
    size, axes = np.linalg.eigh(b.within)
    root = np.sqrt(np.maximum(size, 0.0))[:, None] * axes.T
    x = np.vstack([b.x_mean, root[:, :-1]])
    y = np.append(b.y_mean, root[:, -1])
    none = np.zeros(len(root))
    weight = np.append(b.weight, none + 1.0)
    index = np.append(np.arange(len(b.n)), none.astype(np.intp) - 1)
    df = np.inf if s.sigma_known else float(s.n_used - len(s.coefficients))
    linear = Linear(y, weight, x, [(index, np.ones((len(y), 1)))], df)
    candidates = []
    for name, mean in _numeric(s.coefficients, b.x_mean).items():
        u = _standard(mean)
        if not b.constant[s.coefficients.index(name)]:
            column = np.append(u, none)[:, None]
            what = f"{name} between and within {b.factor}"
            candidates.append(Candidate("slope of group means", what, column))
        elif len(np.unique(mean)) > 2:
            column = np.append(u * u, none)[:, None]
            candidates.append(Candidate("curve", f"groups by {name}", column))
    yield from compared(linear, candidates, post.drawn_roots(_draws(linear, candidates), rng))


def of_rows(
    post: Any,
    names: Sequence[str],
    factors: Sequence[str],
    rows: RowsAgain,
    rng: np.random.Generator,
) -> Iterator[Comparison]:
    """Of any model, where the rows are given again.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior, MixedPosterior
    names : sequence of str
        Of the columns of X.
    factors : sequence of str
        Of each term its factor, or "" where its intercept does not vary.
    rows : RowsAgain
    rng : numpy.random.Generator
    """
    if rows.size is None:
        known = post.statistics.sigma_known
        df = np.inf if known else float(len(rows.y) - rows.x.shape[1])
        linear = Linear(rows.y, rows.weight, rows.x, rows.groups, df)
    else:
        linear, _ = _working(post, rows.y, rows.size, rows.offset, rows.x, rows.groups)
    by = {f: g for f, (g, _) in zip(factors, rows.groups, strict=True) if f}
    by = {f: g for f, g in by.items() if int(g.max()) + 1 < len(g)}
    weight = rows.weight if rows.size is None else rows.size
    candidates = [
        *of_predictors(_numeric(names, rows.x), by, weight),
        *of_columns_left_out(rows.other_numbers, rows.other_labels),
    ]
    yield from compared(linear, candidates, post.drawn_roots(_draws(linear, candidates), rng))


def _working(
    post: CountsPosterior | GeneralizedPosterior,
    y: Floats,
    size: Floats,
    offset: Floats,
    x: Floats,
    groups: Sequence[tuple[Ints, Floats]],
    count: Floats | float = 1.0,
) -> tuple[Linear, Floats | float]:
    """Counts as measurements about the fitted predictor, with known errors.

    Also returned is the variance of each row over that of a Poisson or binomial one.
    """
    link, eta = post.link, post.fitted_predictor(offset, x, groups)
    dispersion = median_dispersion(post)
    _, mean, slope = link.cumulants(eta)
    weight = size * slope
    weight = np.maximum(weight, 1e-9 * float(weight.max()))
    wider = inflation(size / count, mean, dispersion, proportion=link is LOGIT)
    response = eta - offset + (y - size * mean) / weight
    return Linear(response, weight / wider, x, groups, np.inf), wider


def _draws(linear: Linear, candidates: Sequence[Candidate]) -> int:
    columns = linear.x.shape[1] + 1 + sum(c.values.shape[1] for c in candidates)
    return int(np.clip(CELLS // (len(linear.y) * columns), FEWEST_DRAWS, DRAWS))
