"""Cross-products without the rows of one group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.records.clusters import Clusters
from partialpool.records.cross_products import Block, CrossProducts, without_constant


def without_group(s: CrossProducts, clusters: Clusters, group: int) -> CrossProducts:
    """Take the rows of a group out of the sums.

    Parameters
    ----------
    s : CrossProducts
        All of whose terms are of one factor.
    clusters : Clusters
        Sums within the groups of this factor.
    group : int
        Position of the group.
    """
    others = np.arange(len(s.blocks[0].n)) != group
    xtx, xty, yty = clusters.xtx[group], clusters.xty[group], float(clusters.yty[group])
    whole = np.block([[xtx, xty[:, None]], [xty[None], np.full((1, 1), yty)]])
    renumbered = np.cumsum(others) - 1
    return replace(
        s,
        xtx=s.xtx - xtx,
        xty=s.xty - xty,
        yty=s.yty - yty,
        blocks=tuple(_block(b, others, whole) for b in s.blocks),
        crossings=tuple(
            replace(
                c,
                i=renumbered[c.i[others[c.i]]],
                k=renumbered[c.k[others[c.k]]],
                products=c.products[others[c.i]],
            )
            for c in s.crossings
        ),
        log_weight=s.log_weight - float(clusters.log_weight[group]),
        n_used=s.n_used - int(s.blocks[0].n[group]),
    )


def _block(b: Block, others: Bools, whole: Floats) -> Block:
    names = ("labels", "n", "ztz", "ztx", "zty", "weight", "x_mean")
    left = replace(b, **{k: getattr(b, k)[others] for k in names})
    if b.within is None:
        return left
    mean = np.append(b.x_mean[~others][0], b.y_mean[~others][0])
    about_mean = whole - float(b.weight[~others][0]) * np.outer(mean, mean)
    return replace(left, within=without_constant(b.within - about_mean, left))
