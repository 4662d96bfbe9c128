"""Variance explained per level: how much predictors and groups account for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.design.labels import as_labels
from partialpool.models.mixed import sd_name
from partialpool.posterior import MixedDraws, MixedPosterior
from partialpool.records import CrossProducts
from partialpool.records.cross_products import Block

MOST_DRAWS, MOST_CELLS = 1000, 20_000_000
"""Draws from which shares of variance are read, whose means are then right to a thirtieth of their
posterior sds; fewer, so that draws times groups stay within 160 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class VarianceExplained:
    """Shares of variance, by posterior means over draws.

    Parameters
    ----------
    levels : Table
        level ("rows", a factor, or a factor and a slope); share (of the variance of a row, the
        population part left out; the ICC of the level); r2 (Gelman and Pardoe: share of the
        variance of the level's values that its predictors account for; nan for slopes); pooling
        (Gelman and Pardoe: 0 no pooling, 1 complete; nan for rows). Of counts on the link scale,
        as of `GeneralizedPosterior.icc`; r2 of rows is nan.
    marginal, conditional : tuple of float
        Nakagawa's R2: the share of a row's variance that predictors account for, and predictors
        and groups together; mean, and ends of the 95% interval.
    """

    levels: Table
    marginal: tuple[float, float, float]
    conditional: tuple[float, float, float]

    @property
    def text(self) -> str:
        """Marginal and conditional R2 in words."""

        def said(name: str, value: tuple[float, float, float]) -> str:
            return f"{name} {value[0]:.2f} (95% {value[1]:.2f} to {value[2]:.2f})"

        return (
            f"Share of a row's variance: {said('predictors', self.marginal)}, "
            f"{said('predictors and groups', self.conditional)}"
        )

    def __repr__(self) -> str:
        return f"{self.levels!r}\n\n{self.text}"

    def as_html(self) -> str:
        """The table and its sentence as HTML."""
        table = self.levels.as_html("Variance by level")
        return table + paragraph(f"{self.text}.")

    def _repr_html_(self) -> str:
        return output(self.as_html())


def variance_explained(post: MixedPosterior) -> VarianceExplained:
    """Compute shares of variance at every level.

    Sources: Gelman and Pardoe (2006), doi:10.1198/004017005000000517; Nakagawa and Schielzeth
    (2013), doi:10.1111/j.2041-210x.2012.00261.x; with slopes, Johnson (2014),
    doi:10.1111/2041-210X.12225.

    Parameters
    ----------
    post : MixedPosterior
        The fitted model.
    """
    s = post.statistics
    size = sum(b.zty.size for b in s.blocks)
    count = int(np.clip(MOST_CELLS // max(size, 1), 50, MOST_DRAWS))
    draws = post.draws(count, np.random.default_rng(0))
    fixed = _fixed(s, draws)
    groups = [_between(b, draws) for b in s.blocks]  # each (S, q)
    rows = post.drawn_variance_of_row(draws)
    between = sum(g.sum(axis=1) for g in groups)
    total = between + rows
    r2 = np.nan if post.counts else _r2_of_rows(s, draws)
    levels = [("rows", float((rows / total).mean()), r2, np.nan)]
    for block, variance, effects in zip(s.blocks, groups, draws.effects, strict=True):
        levels += _levels(s, block, variance / total[:, None], effects, draws)
    names, share, within, pooling = zip(*levels, strict=True)
    table = Table(
        level=as_labels(names),
        share=np.array(share),
        r2=np.array(within),
        pooling=np.array(pooling),
    )
    whole = fixed + total
    return VarianceExplained(table, _told(fixed / whole), _told((fixed + between) / whole))


def _told(values: Floats) -> tuple[float, float, float]:
    lower, upper = np.quantile(values, [0.025, 0.975])
    return float(values.mean()), float(lower), float(upper)


def _fixed(s: CrossProducts, draws: MixedDraws) -> Floats:
    """Variance of X beta over rows; (S,)."""
    total = float(s.blocks[0].weight.sum())
    mean = s.blocks[0].weight @ s.blocks[0].x_mean / total
    covariance = s.xtx / total - np.outer(mean, mean)
    return np.asarray(np.einsum("si,ij,sj->s", draws.coefficients, covariance, draws.coefficients))


def _between(block: Block, draws: MixedDraws) -> Floats:
    """Variance over rows of z'b of new groups, by effect: correlations go to the later; (S, q)."""
    mean = block.ztz.sum(axis=0) / block.weight.sum()
    if block.shift.any():
        up = np.eye(len(block.effects))
        up[:, 0] += block.shift
        mean = up @ mean @ up.T
    sds = [draws.tau[sd_name(block.factor, e)] for e in block.effects]
    out = np.stack([sd**2 * mean[k, k] for k, sd in enumerate(sds)], axis=1)
    for i, late in enumerate(block.effects):
        for k, early in enumerate(block.effects[:i]):
            rho = draws.rho.get(f"rho[{block.factor}, {early}, {late}]")
            if rho is not None:
                out[:, i] += 2.0 * rho * sds[i] * sds[k] * mean[i, k]
    return out


def _r2_of_rows(s: CrossProducts, draws: MixedDraws) -> float:
    """1 - E(residual sum of squares) / total sum of squares."""
    return _explained(float(_residual_squares(s, draws).mean()), s.yty)


def _explained(left: float, whole: float) -> float:
    """Share of a variance that is not left; nan where there is none."""
    return 1.0 - left / whole if whole > 0 else math.nan


def _residual_squares(s: CrossProducts, draws: MixedDraws) -> Floats:
    """(y - X beta - Z b)'W(y - X beta - Z b) of each draw, in shifted columns; (S,)."""
    beta = draws.coefficients.copy()
    if s.coefficients[:1] == ("Intercept",):
        beta[:, 0] += beta @ s.shift - s.center
    effects = []
    for block, b in zip(s.blocks, draws.effects, strict=True):
        shifted = b.copy()
        shifted[:, :, 0] += b @ block.shift
        effects.append(shifted)
    total = s.yty - 2.0 * beta @ s.xty + np.einsum("si,ij,sj->s", beta, s.xtx, beta)
    for block, b in zip(s.blocks, effects, strict=True):
        total -= 2.0 * np.einsum("slq,lq->s", b, block.zty)
        total += 2.0 * np.einsum("slq,lqp,sp->s", b, block.ztx, beta, optimize=True)
        total += np.einsum("sla,lab,slb->s", b, block.ztz, b, optimize=True)
    for c in s.crossings:
        first, second = effects[c.first][:, c.i], effects[c.second][:, c.k]
        total += 2.0 * np.einsum("sma,mab,smb->s", first, c.products, second, optimize=True)
    return np.asarray(np.maximum(total, 0.0))


def _levels(
    s: CrossProducts, block: Block, share: Floats, effects: Floats, draws: MixedDraws
) -> Iterator[tuple[str, float, float, float]]:
    for k, effect in enumerate(block.effects):
        error = effects[:, :, k]  # (S, L)
        spread = float(error.var(axis=1).mean())
        name = block.factor if effect == "Intercept" else f"{block.factor}, {effect}"
        pooling = _explained(float(error.mean(axis=0).var()), spread)
        r2 = np.nan
        if effect == "Intercept":
            at = block.constant
            predicted = draws.coefficients[:, at] @ (block.x_mean + s.shift)[:, at].T
            r2 = _explained(spread, float((predicted + error).var(axis=1).mean()))
        yield name, float(share[:, k].mean()), r2, pooling
