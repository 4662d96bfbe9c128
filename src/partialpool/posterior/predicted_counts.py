"""Events to expect in new trials or exposure, from the densities of the groups."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy import special

from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.kernels.discrete import smallest_count
from partialpool.kernels.families import LOGIT
from partialpool.models import CountsModel
from partialpool.posterior.dispersed_events import (
    beta_binomial_ends,
    dispersion_nodes,
    largest_count,
    negative_binomial_cdf,
    spread_of_events,
)
from partialpool.posterior.distributions import Distribution, check_level
from partialpool.posterior.pairs import Densities
from partialpool.records import CountStatistics

CELLS_AT_ONCE = 2**20
"""Elements of arrays worked on at once (8 MiB)."""
AVERAGED_QUANTILES = 64
"""Quantiles of a probability or rate over which new events are averaged: Gauss and Legendre, so
that a smooth distribution function is averaged to all printed digits."""


class Source(Protocol):
    """What is needed of a posterior."""

    @property
    def statistics(self) -> CountStatistics: ...

    @property
    def model(self) -> CountsModel: ...

    @property
    def value(self) -> Distribution: ...

    @property
    def densities(self) -> list[Densities]: ...


def expected_counts(post: Source, size: Any, level: float) -> Table:
    """Mean, sd and interval of the events of every group in new trials or exposure.

    Raises
    ------
    ArgumentError
        If a size is negative, not finite, or a broken number of trials.
    """
    check_level(level)
    new = _checked(size, post.statistics.n_groups, post.model.link is LOGIT)
    mean, sd = post.value.mean, post.value.sd
    # E p (1 - p), or E rate
    each = mean - mean**2 - sd**2 if post.model.link is LOGIT else mean  # variance of one
    return Table(
        group=post.statistics.labels,
        size=new,
        mean=new * mean,
        sd=np.sqrt(new * each + (new * sd) ** 2),
        lower=_quantiles(post, new, 0.5 - level / 2),
        upper=_quantiles(post, new, 0.5 + level / 2),
    )


def _checked(size: Any, groups: int, trials: bool) -> Floats:
    try:
        new = np.broadcast_to(np.asarray(size, dtype=np.float64), (groups,))
    except (TypeError, ValueError):
        raise ArgumentError(
            f"size must be one number, or one for each of the {groups} groups; received {size!r}"
        ) from None
    broken = trials and (new != np.rint(new)).any()
    if not (np.isfinite(new) & (new >= 0)).all() or broken:
        raise ArgumentError(
            f"new sizes must be finite and 0 or more, and trials whole numbers; received {size!r}"
        )
    return new


def _quantiles(post: Source, size: Floats, p: float) -> Floats:
    """Smallest counts that new events stay at or below with probability p, by bisection."""
    if post.model.link is LOGIT:
        high = size.copy()
    else:
        most = size * post.value.quantile(1.0 - 1e-12)
        # beyond eight sds of Poisson events of the largest rate: bisection needs an upper end
        high = np.ceil(most + 8.0 * np.sqrt(most) + 40.0)
    return smallest_count(lambda count: _cdf(post, count, size), high, p)


def _cdf(post: Source, count: Floats, size: Floats) -> Floats:
    """P(new events <= count) of every group; shape (J,)."""
    member, link = post.model.member, post.model.link
    out = np.empty(len(count))
    for d in post.densities:
        groups = np.flatnonzero((member >= d.part.start) & (member < d.part.stop))
        step = max(1, CELLS_AT_ONCE // d.mass.shape[1])
        for i in range(0, len(groups), step):
            at = groups[i : i + step]
            rows = member[at] - d.part.start
            value = link.natural(d.theta if len(d.theta) == 1 else d.theta[rows])
            k, n = count[at, None], size[at, None]
            below = _binomial(k, n, value) if link is LOGIT else special.pdtr(k, n * value)
            out[at] = (below * d.mass[rows]).sum(axis=1)
    return out


def _binomial(k: Floats, n: Floats, p: Floats) -> Floats:
    """P(Binomial(n, p) <= k); shapes broadcast."""
    inside = (k >= 0) & (k < n)
    a, b = np.where(inside, n - k, 1.0), np.where(inside, k + 1.0, 1.0)
    return np.where(k >= n, 1.0, special.betainc(a, b, 1.0 - p))


def new_events(
    value: Distribution,
    size: Floats,
    proportion: bool,
    level: float,
    dispersion: Distribution | None = None,
) -> Table:
    """Events to expect in new trials or exposure, of any probabilities or rates.

    The distribution of events is averaged over quantiles of each probability or rate.

    Parameters
    ----------
    value : Distribution, shape (R,)
        Probabilities, or rates of one unit of exposure.
    size : ndarray, shape (R,)
        New trials or exposure.
    proportion : bool
        Whether sizes are trials.
    level : float
        Probability of the prediction intervals, of equal tails.
    dispersion : Distribution, optional
        Of rows that vary more than Poisson or binomial ones.

    Returns
    -------
    Table
        estimate, sd, lower, upper: of the number of events.
    """
    node, share = np.polynomial.legendre.leggauss(AVERAGED_QUANTILES)
    # Gauss and Legendre over probabilities
    rates = value.quantile(0.5 + 0.5 * node)  # (AVERAGED_QUANTILES, R)
    share = 0.5 * share
    mean, sd = np.asarray(value.mean), np.asarray(value.sd)
    tails = 0.5 - level / 2, 0.5 + level / 2
    if dispersion is not None:
        lower, upper = _dispersed_ends(size, rates, share, proportion, tails, dispersion)
        spread = spread_of_events(size, mean, sd, dispersion, proportion=proportion)
        return Table(estimate=size * mean, sd=spread, lower=lower, upper=upper)
    each = mean - mean**2 - sd**2 if proportion else mean

    def cdf(count: Floats) -> Floats:
        below = _binomial(count, size, rates) if proportion else special.pdtr(count, size * rates)
        return share @ below

    most = size * rates.max(axis=0)
    high = size if proportion else np.ceil(most + 8.0 * np.sqrt(most) + 40.0)
    lower, upper = (smallest_count(cdf, high, p) for p in tails)
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.maximum(size * each, 0.0) + (size * sd) ** 2)
    return Table(estimate=size * mean, sd=spread, lower=lower, upper=upper)


def _dispersed_ends(
    size: Floats,
    rates: Floats,
    share: Floats,
    proportion: bool,
    tails: tuple[float, float],
    dispersion: Distribution,
) -> tuple[Floats, Floats]:
    """Ends of the intervals of rows that vary more."""
    values, of_each = dispersion_nodes(dispersion)
    if proportion:
        return beta_binomial_ends(size, rates, share, (values, of_each), tails)

    def cdf(count: Floats) -> Floats:
        below = negative_binomial_cdf(count, size * rates, values)
        return np.asarray(np.einsum("d,m,dmr->r", of_each, share, below))

    high = largest_count(size * rates.max(axis=0), values)
    lower, upper = (smallest_count(cdf, high, p) for p in tails)
    return lower, upper
