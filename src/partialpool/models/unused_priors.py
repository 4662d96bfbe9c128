"""Refuse, by a PriorError, priors of parameters that a model does not have."""

from __future__ import annotations

from partialpool.errors import PriorError
from partialpool.models.prior_set import Priors
from partialpool.records import CrossProducts

DEFAULT = Priors()


def refuse_sigma(priors: Priors, *, counts: bool) -> None:
    """Refuse a prior of sigma where standard errors are known, or rows are counts."""
    if priors.sigma == DEFAULT.sigma:
        return
    why = "standard errors are given"
    if counts:
        why = "the spread of counts within groups follows from their mean"
    raise PriorError(
        f"sigma ~ {priors.sigma}: {why}, so there is no sigma to give a prior; leave it out"
    )


def refuse_sd_log_sigma(priors: Priors) -> None:
    """Refuse a prior of how groups differ in noise where they do not."""
    if priors.sd_log_sigma != DEFAULT.sd_log_sigma:
        raise PriorError(
            f"sd_log_sigma ~ {priors.sd_log_sigma}: all groups have one sigma here; the second "
            'formula "; sigma ~ 1 + (1 | group)" lets it differ'
        )


def refuse_rho(priors: Priors, statistics: CrossProducts) -> None:
    """Refuse a prior of correlations where effects are not correlated."""
    if priors.rho == DEFAULT.rho:
        return
    if not any(b.correlated and len(b.effects) > 1 for b in statistics.blocks):
        raise PriorError(
            f"rho ~ {priors.rho}: no effects of one term are correlated here, so there is no "
            "correlation to give a prior; leave it out"
        )
