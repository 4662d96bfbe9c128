"""A one-way model's statistics as those of a linear mixed model."""

from __future__ import annotations

import numpy as np

from partialpool.records.cross_products import Block, CrossProducts
from partialpool.records.measurements import GroupStatistics


def as_cross_products(statistics: GroupStatistics) -> CrossProducts:
    """The cross-products of ``y ~ 1 + (1 | group)``, for the estimators of mixed models."""
    s = statistics
    total = s.weight * s.mean
    ones = np.ones((s.n_groups, 1))
    block = Block(
        factor=s.factor,
        labels=s.labels,
        effects=("Intercept",),
        correlated=True,
        shift=np.zeros(1),
        n=s.n,
        ztz=s.weight[:, None, None],
        ztx=s.weight[:, None, None],
        zty=total[:, None],
        weight=s.weight,
        x_mean=ones,
        constant=np.array([True]),
        within=np.diag([0.0, s.ss.sum()]),
    )
    return CrossProducts(
        outcome=s.outcome,
        coefficients=("Intercept",),
        shift=np.zeros(1),
        center=s.center,
        xtx=np.array([[s.weight.sum()]]),
        xty=np.array([total.sum()]),
        yty=float(s.ss.sum() + total @ s.mean),
        blocks=(block,),
        crossings=(),
        log_weight=float(s.log_weight.sum()),
        sigma_known=s.sigma_known,
        n_rows=s.n_rows,
        n_dropped=s.n_dropped,
        n_used=s.n_used,
    )
