"""Groups' effects as linear combinations, and the groups' own values without pooling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.design.new_rows import NEW
from partialpool.errors import ArgumentError
from partialpool.kernels import batched_linalg
from partialpool.models import MixedModel
from partialpool.posterior.linear import Rows
from partialpool.records.cross_products import Block, CrossProducts
from partialpool.records.population import population_weights


def features(model: MixedModel, points: Floats) -> Floats:
    """Smooth, bounded functions of phi on which the groups' effects depend; (C, d)."""
    out = points.copy()
    sigma = model.sigma(points)
    if model.has_sigma:
        out[:, 0] = np.log(sigma)
    at = 1 if model.has_sigma else 0
    for term in model.terms:
        ratio = points[:, term.sds] / (sigma[:, None] * term.reference)
        out[:, term.sds] = ratio / np.sqrt(1.0 + ratio**2)
        at = (term.partial or term.sds).stop
    out[:, at:] = 1.0 / (1.0 + points[:, at:])
    return out


def growing(model: MixedModel, points: Floats, scale: Floats) -> Floats:
    """Variances of rows and of groups' effects, which grow without limit; (C, e)."""
    sds = np.concatenate([points[:, t.sds] for t in model.terms], axis=1)
    if model.df is not None:
        sds = sds * scale[:, None]
    return np.concatenate([np.square(sds), np.square(scale)[:, None]], axis=1)


def group_rows(model: MixedModel, block: int, *, whole: bool) -> Rows:
    """Every effect of every group of a term, (L q) rows.

    If `whole`, with its population value and the same effect of the groups in which it lies.
    """
    s = model.statistics
    groups, q = s.blocks[block].zty.shape
    x = np.zeros((groups, q, len(s.coefficients)))
    terms = {block: (np.repeat(np.arange(groups), q), np.tile(np.eye(q), (groups, 1)))}
    if whole:
        x = population_weights(s, block)
        for outer, place in enclosing(s, block).items():
            same = _same_effects(s.blocks[block], s.blocks[outer])
            terms[outer] = (np.repeat(place, q), np.tile(same, (groups, 1)))
    return linear_rows(model, x.reshape(groups * q, -1), terms, None)


def new_group_row(model: MixedModel, block: int, effect: int) -> Rows:
    """One effect of a group of a term that is not in the data, with its population value.

    All other predictors are at zero; the groups in which it lies are not in the data either.
    """
    s = model.statistics
    mine, new = s.blocks[block], np.full(1, NEW)
    x = np.array([[float(name == mine.effects[effect]) for name in s.coefficients]])
    terms = {block: (new, np.eye(len(mine.effects))[[effect]])}
    for outer in enclosing(s, block):
        terms[outer] = (new, _same_effects(mine, s.blocks[outer])[[effect]])
    return linear_rows(model, x, terms, None)


def enclosing(s: CrossProducts, block: int) -> dict[int, Ints]:
    """Terms within whose groups those of a term lie: the outer group of each group, (L,)."""
    enclosing_blocks, mine = {}, s.blocks[block]
    for c in s.crossings:
        if block not in (c.first, c.second):
            continue
        outer, place, own_groups = (c.second, c.k, c.i) if c.first == block else (c.first, c.i, c.k)
        sizes = len(s.blocks[outer].labels), len(mine.labels)
        shared = _same_effects(mine, s.blocks[outer])
        if len(own_groups) == sizes[1] > sizes[0] and shared.any():
            enclosing_blocks[outer] = place[np.argsort(own_groups)]
    return enclosing_blocks


def _same_effects(inner: Block, outer: Block) -> Floats:
    """One where an effect of the inner term, a row, is one of the outer term, a column."""
    return np.array([[float(a == b) for b in outer.effects] for a in inner.effects])


def linear_rows(
    model: MixedModel,
    x: Floats,
    groups: Mapping[int, tuple[Ints, Floats]],
    noise: Floats | float | None,
) -> Rows:
    """Rows in the columns as named to rows in the kernels' terms; see `MixedPosterior.linear`."""
    s = model.statistics
    if x.ndim != 2 or x.shape[1] != len(s.coefficients):
        raise ArgumentError(
            f"x needs one column a coefficient ({len(s.coefficients)}); its shape is {x.shape}"
        )
    size = len(x)
    matrix, offset = model.system.named
    index, z = model.system.weights(size, groups)
    extra = np.zeros(size) if noise is None else 1.0 / np.broadcast_to(noise, (size,))
    return Rows(x @ offset, x @ matrix, index, z, extra)


def raw(model: MixedModel, block: int) -> Floats:
    """The groups' own effects by least squares, without pooling; (L, q), nan where not known.

    Coefficients of predictors that vary within groups beside the effects are at their
    within-group estimates.
    """
    s, system = model.statistics, model.system
    level = next(each for each in system.levels if block in each.terms)
    p = system.p
    ztz, ztr = level.ztz.transpose(1, 2, 0), level.ztr.transpose(1, 2, 0)
    lower = batched_linalg.semidefinite_cholesky(ztz)
    scaled = batched_linalg.solve_semidefinite(lower, ztr)
    within = level.unexplained(system.total)
    beta, named = _within(model, within)
    left = scaled[:, p] - np.einsum("qpl,p->ql", scaled[:, :p], beta)
    shifted = _back(lower, left)
    known = np.stack([lower[k, k] > 0 for k in range(len(lower))]).all(axis=0)
    b = s.blocks[block]
    values = shifted[level.columns[level.terms.index(block)]].T.copy()  # (L, q), columns as shifted
    if b.effects[0] == "Intercept":
        values[:, 0] += s.center - values @ b.shift - float(named @ s.shift)
    values[~known] = np.nan
    return values


def _within(model: MixedModel, within: Floats) -> tuple[Floats, Floats]:
    """Within-group estimates of the coefficients, in the basis and as named.

    Zero for those that the groups' own effects already hold.
    """
    p = model.system.p
    basis = model.system.basis[:p, :p]
    back = np.linalg.inv(basis) if p else basis
    squares = back.T @ within[:p, :p] @ back  # of the columns as shifted
    size = np.diag(model.statistics.xtx)
    used = np.diag(squares) > 1e-9 * size
    right = back.T @ (within[:p, p] - within[:p, :p] @ _offset(model))
    named = np.zeros(p)
    if used.any():
        inner = squares[np.ix_(used, used)]
        named[used] = np.linalg.lstsq(inner, right[used], rcond=1e-10)[0]
    return back @ named + _offset(model), named


def _offset(model: MixedModel) -> Floats:
    """Beta of the basis at which the coefficients of the shifted columns are zero."""
    p = model.system.p
    basis = model.system.basis
    return np.asarray(np.linalg.solve(basis[:p, :p], basis[:p, p])) if p else np.zeros(0)


def _back(lower: Floats, left: Floats) -> Floats:
    """Solve C'x = left for (q, q, L) and (q, L); zero where C is."""
    out = np.zeros_like(left)
    for i in reversed(range(len(lower))):
        rest = left[i] - sum(lower[m, i] * out[m] for m in range(i + 1, len(lower)))
        good = lower[i, i] > 0
        out[i] = np.where(good, rest / np.where(good, lower[i, i], 1.0), 0.0)
    return out
