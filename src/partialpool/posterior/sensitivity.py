"""The posterior under other priors, and under powers of prior and likelihood.

    p(phi | y) ∝ p(phi)^a p(y | theta)^b p(theta | phi)

A power of the prior of the hyperparameters changes their density only. A power b of the likelihood
makes measurements of variance sigma^2 / w such of variance sigma^2 / (b w), and b y events among
b n trials of y among n: exact from the statistics, what groups are given phi included.
Source: Kallioinen, Paananen, Bürkner and Vehtari (2024), doi:10.1007/s11222-023-10366-5.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np

from partialpool._typing import Floats
from partialpool.errors import PartialPoolError
from partialpool.integrate import Grid, Nested
from partialpool.models import OneWayModel, Priors, one_way_model
from partialpool.models.counts import counts_model
from partialpool.models.prior_menu import menu_of
from partialpool.models.scaled_prior import says_something, scaled_priors, with_errors_scaled
from partialpool.posterior.components import components
from partialpool.posterior.counts import CountsPosterior, counts_posterior
from partialpool.posterior.engine import FullEngine
from partialpool.posterior.left_out import MOST_UNLIKELY, UNLIKELY
from partialpool.posterior.one_way import OneWayPosterior, one_way_posterior
from partialpool.records import GroupStatistics

POWERS = (0.8, 1.25)
"""Powers to either side of one, a fifth of the information off or a quarter more: those of the
source, far enough to see and near enough that the posterior is still about the same question."""

Kind = Literal["fit", "prior", "power of prior", "power of likelihood"]


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """The posterior under one prior, or one power.

    Parameters
    ----------
    kind : {"fit", "prior", "power of prior", "power of likelihood"}
    name : str
        Such as ``"tau ~ half_normal(5)"`` or ``"prior^0.8"``.
    engine : FullEngine or None
        The posterior; None where there is none.
    refused : str
        Why there is none.
    """

    kind: Kind
    name: str
    engine: FullEngine | None
    refused: str = ""


def settings(post: FullEngine) -> Iterator[Setting]:
    """Yield the posterior of the fit, then under other priors of tau, then under powers."""
    yield Setting("fit", _own_words(post), post)
    computed = [post]
    words_of_fit = "" if post.priors.named else f"tau ~ {post.priors.tau}"
    for words, priors in menu_of(post.priors, post.prior_units):
        if words != words_of_fit:
            yield _tried("prior", words, partial(post.under, priors, computed))
    scaled = post.scaled_by_powers
    if "prior" in scaled and (says_something(post.priors) or not post.one_sigma):
        for power in POWERS:
            words = f"prior to the power {power:g}"
            yield _tried("power of prior", words, partial(_to_the_power, post, power, computed))
    if "likelihood" in scaled:
        for power in POWERS:
            words = f"likelihood to the power {power:g}"
            compute = partial(post.under, post.priors, computed, power)
            yield _tried("power of likelihood", words, compute)


def _own_words(post: FullEngine) -> str:
    """The priors of the sds between groups, as they are in the fit."""
    priors = post.priors
    named = [f"{name} ~ {p}" for name, p in priors.named if name.startswith("tau[")]
    return ", ".join([f"tau ~ {priors.tau}", *named])


def _tried(kind: Kind, name: str, compute: Callable[[], FullEngine]) -> Setting:
    """A setting, or why there is no such posterior."""
    try:
        return Setting(kind, name, compute())
    except PartialPoolError as error:
        return Setting(kind, name, None, str(error))


def _to_the_power(post: FullEngine, power: float, computed: list[Any]) -> FullEngine:
    """The posterior with all proper priors to a power."""
    return post.under(scaled_priors(post.priors, power), computed)


# one factor: laying nodes anew costs ten (counts: a hundred) times as much as weighting those of a
# posterior that was computed


def one_way_under(
    post: OneWayPosterior, priors: Priors, computed: list[Any], power: float
) -> OneWayPosterior:
    """Weight nodes of measurements, or lay them; see `FullEngine.under`."""
    s = post.statistics
    if power != 1.0:
        s = replace(s, weight=power * s.weight, ss=power * s.ss)
    rows = power * s.n_used
    model = one_way_model(s, with_errors_scaled(priors, math.sqrt(power)), rows=rows)
    for other in computed:
        if other.model.dimensions == model.dimensions and other.model.axes == model.axes:
            moved = _moved(other, s, model)
            if moved is not None:
                return moved
    posterior = one_way_posterior(s, model.priors, post.accuracy, rows=rows)
    computed.append(posterior)
    return posterior


def counts_under(
    post: CountsPosterior, priors: Priors, computed: list[Any], power: float
) -> CountsPosterior:
    """Weight nodes of counts, or lay them; see `FullEngine.under`."""
    s = post.statistics
    if power != 1.0:
        s = replace(s, y=power * s.y, size=power * s.size)
    model = counts_model(s, priors, post.model.population)
    reference = post.model.typical_ratio / model.typical_ratio
    model = replace(model, priors=with_errors_scaled(priors, reference))
    for other in computed:
        if other.model.axis == model.axis:
            at, old = (other.nodes.inner, other.nodes.outer), other.model
            density = model.log_prior if s is other.statistics else model.log_joint
            of_old = old.log_prior if s is other.statistics else old.log_joint
            moved = _weighted(other.nodes, density(*at) - of_old(*at))
            if moved is not None:
                return CountsPosterior(s, model, moved, post.accuracy)
    posterior = counts_posterior(s, model.priors, post.accuracy, population=model.population)
    computed.append(posterior)
    return posterior


def _moved(
    post: OneWayPosterior, statistics: GroupStatistics, model: OneWayModel
) -> OneWayPosterior | None:
    """The posterior of another model of the same dimensions from the nodes of one."""
    old, grid = post.model, post.grid
    points, shape = grid.points, grid.weight.shape
    same = statistics is post.statistics and model.df == old.df
    if not (same and model.priors.mu == old.priors.mu):
        change = model.log_density(points) - old.log_density(points)
        moved = _weighted(grid, change.reshape(shape))
        if moved is None:
            return None
        return OneWayPosterior(statistics, model, moved, components(model, moved), post.accuracy)
    # only the prior of phi changes, so that what is known given phi stays
    moved = _weighted(grid, (model.log_prior(points) - old.log_prior(points)).reshape(shape))
    if moved is None:
        return None
    c = post.components
    phi = {"tau": np.sqrt(c.lam) * c.sigma, "ratio": np.sqrt(c.lam), "sigma": c.sigma}
    at = np.stack([phi[name] for name in model.dimensions], axis=1)
    change = model.log_prior(at) - old.log_prior(at)
    used = c.weight > 0
    weight = c.weight * np.exp(np.where(used, change - change.max(where=used, initial=-np.inf), 0))
    return OneWayPosterior(
        statistics, model, moved, replace(c, weight=weight / weight.sum()), post.accuracy
    )


Laid = TypeVar("Laid", Grid, Nested)


def _weighted(nodes: Laid, change: Floats) -> Laid | None:
    """The same nodes where the log density changes by so much; None if they miss too much of it."""
    used = nodes.weight > 0
    top = float(change.max(where=used, initial=-math.inf))
    weight = np.where(used, nodes.weight, 0.0)
    weight *= np.exp(np.where(used, change - top, 0.0))
    total = float(weight.sum())
    unlikely = float(weight[nodes.weight < UNLIKELY * nodes.weight.max()].sum())
    if not unlikely <= MOST_UNLIKELY * total:
        return None
    log_total = nodes.log_total + top + math.log(total)
    return replace(nodes, weight=weight / total, log_total=log_total)
