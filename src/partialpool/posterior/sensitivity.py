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
from functools import partial, singledispatch
from typing import Any, Literal, TypeVar

import numpy as np

from partialpool._typing import Floats
from partialpool.data import CountStatistics, GroupStatistics
from partialpool.errors import PartialPoolError
from partialpool.integrate import Grid, Lattice, Nested
from partialpool.models import OneWayModel, Priors, one_way_model
from partialpool.models.counts import CountsModel, counts_model
from partialpool.models.heteroscedastic import heteroscedastic_model
from partialpool.models.mixed import sd_name
from partialpool.models.prior_menu import menu_of, rounded_unit
from partialpool.models.scaled_prior import says_something, scaled_priors
from partialpool.posterior.components import components
from partialpool.posterior.counts import CountsPosterior, counts_posterior
from partialpool.posterior.engine import FullEngine
from partialpool.posterior.generalized import GeneralizedPosterior, generalized_posterior
from partialpool.posterior.heteroscedastic import (
    HeteroscedasticPosterior,
    heteroscedastic_posterior,
)
from partialpool.posterior.integrated import mixed_posterior
from partialpool.posterior.left_out import MOST_UNLIKELY, UNLIKELY
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.one_way import OneWayPosterior, one_way_posterior
from partialpool.posterior.population import PopulationPosterior, population_posterior

POWERS = (0.8, 1.25)
"""Powers to either side of one, a fifth of the information off or a quarter more: those of the
source, far enough to see and near enough that the posterior is still about the same question."""

OUTERMOST, MOST_OUTERMOST = 5e-3, 0.02
"""Nodes of a lattice of less weight than the first (of the heaviest), and the probability that they
may hold under another prior: more could lie where no nodes are."""

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
    """Yield the posterior of the fit, then under other priors of tau, then under powers.

    Parameters
    ----------
    post : OneWayPosterior, CountsPosterior, MixedPosterior, PopulationPosterior, ...
    """
    yield Setting("fit", _own_words(post), post)
    nodes = _Nodes([post])
    words_of_fit = "" if post.priors.named else f"tau ~ {post.priors.tau}"
    for words, priors in menu_of(post.priors, _units(post)):
        if words != words_of_fit:
            yield _tried("prior", words, partial(_under, post, priors, nodes))
    if isinstance(post, PopulationPosterior):  # a power would be of what it learns as well
        return
    if says_something(post.priors) or not post.one_sigma:
        for power in POWERS:
            words = f"prior to the power {power:g}"
            yield _tried("power of prior", words, partial(_to_the_power, post, power, nodes))
    if not isinstance(post, GeneralizedPosterior):
        for power in POWERS:
            words = f"likelihood to the power {power:g}"
            compute = partial(_under, post, post.priors, nodes, power)
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


def _to_the_power(post: FullEngine, power: float, nodes: _Nodes) -> FullEngine:
    """The posterior with all proper priors to a power."""
    return _under(post, scaled_priors(post.priors, power), nodes)


# scales of the menu ---------------------------------------------------------------------------


@singledispatch
def _units(post: Any) -> dict[str, float]:
    """Scale of the priors of each sd between groups, by its name."""
    raise TypeError(f"_units of a {type(post).__name__}")


@_units.register(OneWayPosterior)
@_units.register(HeteroscedasticPosterior)
def _units_of_measurements(post: OneWayPosterior | HeteroscedasticPosterior) -> dict[str, float]:
    """The sd of the groups' own estimates: tau and their errors together."""
    spread = float(post.statistics.mean.std(ddof=1))
    return {f"tau[{post.statistics.factor}]": rounded_unit(spread)}


@_units.register
def _units_of_population(post: PopulationPosterior) -> dict[str, float]:
    """As of measurements, or of counts, from a normal population."""
    s = post.statistics
    spread = 1.0 if isinstance(s, CountStatistics) else rounded_unit(float(s.mean.std(ddof=1)))
    return {f"tau[{s.factor}]": spread}


@_units.register
def _units_of_counts(post: CountsPosterior) -> dict[str, float]:
    """One, on the log scale a factor of e, and of conjugate families a coefficient of variation."""
    return {f"tau[{post.statistics.factor}]": 1.0}


@_units.register
def _units_of_mixed(post: MixedPosterior) -> dict[str, float]:
    """About the sd of the groups' own effects: of moments, and a typical error of these."""
    if isinstance(post, GeneralizedPosterior):
        return dict.fromkeys(post.taus, 1.0)
    model = post.model
    out = {}
    for term, ratios in zip(model.terms, model.likelihood.moment_ratios(), strict=True):
        sds = model.sigma_guess * np.hypot(ratios, term.reference)
        for effect, sd in zip(term.effects, sds.tolist(), strict=True):
            out[sd_name(term.factor, effect)] = rounded_unit(sd)
    return out


# other priors, and powers of the likelihood -----------------------------------------------------


@dataclass(eq=False)
class _Nodes:
    """Posteriors of one factor that were computed: their nodes serve other priors too.

    Laying nodes anew costs ten (counts: a hundred) times as much as weighting those there are.
    """

    fitted: list[Any]

    def one_way(self, statistics: GroupStatistics, priors: Priors, rows: float) -> OneWayPosterior:
        """Weight nodes of measurements, or lay them."""
        model = one_way_model(statistics, priors, rows=rows)
        for post in self.fitted:
            if post.model.dimensions == model.dimensions and post.model.axes == model.axes:
                moved = _moved(post, statistics, model)
                if moved is not None:
                    return moved
        posterior = one_way_posterior(statistics, priors, self.fitted[0].accuracy, rows=rows)
        self.fitted.append(posterior)
        return posterior

    def counts(self, statistics: CountStatistics, model: CountsModel) -> CountsPosterior:
        """Weight nodes of counts, or lay them."""
        for post in self.fitted:
            if post.model.axis == model.axis:
                at, old = (post.nodes.inner, post.nodes.outer), post.model
                density = model.log_prior if statistics is post.statistics else model.log_joint
                of_old = old.log_prior if statistics is post.statistics else old.log_joint
                moved = _weighted(post.nodes, density(*at) - of_old(*at))
                if moved is not None:
                    return CountsPosterior(statistics, model, moved, post.accuracy)
        accuracy, population = self.fitted[0].accuracy, model.population
        posterior = counts_posterior(statistics, model.priors, accuracy, population=population)
        self.fitted.append(posterior)
        return posterior

    def heteroscedastic(
        self, statistics: GroupStatistics, priors: Priors, power: float
    ) -> HeteroscedasticPosterior:
        """Weight nodes of groups that differ in noise, or lay them."""
        first = self.fitted[0]
        model = heteroscedastic_model(statistics, priors, power=power)
        if power == 1.0 and priors.mu == first.priors.mu and model.axes == first.model.axes:
            at = first.lattice.points
            moved = _weighted_lattice(
                first.lattice, model.log_prior(at) - first.model.log_prior(at)
            )
            if moved is not None:
                return HeteroscedasticPosterior(statistics, model, moved, first.accuracy)
        return heteroscedastic_posterior(statistics, priors, first.accuracy, power=power)


def _weighted_lattice(lattice: Lattice, change: Floats) -> Lattice | None:
    """The same lattice where the log density, which it carries along, changes by so much.

    None where too much lies on its outermost nodes, beyond which there are none.
    """
    outermost = lattice.weight < OUTERMOST * lattice.weight.max()
    moved = _weighted(lattice, change)
    if moved is None or moved.weight[outermost].sum() > MOST_OUTERMOST:
        return None
    return replace(moved, carried=lattice.carried + change[:, None])


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


Laid = TypeVar("Laid", Grid, Nested, Lattice)


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


def _under(post: FullEngine, priors: Priors, nodes: _Nodes, power: float = 1.0) -> FullEngine:
    """The posterior under other priors, with the likelihood to a power.

    Priors that are relative to standard errors stay relative to those that there are.
    """
    root = math.sqrt(power)  # by which a power of the likelihood divides standard errors
    s = post.statistics
    if isinstance(post, OneWayPosterior):
        if power != 1.0:
            s = replace(s, weight=power * s.weight, ss=power * s.ss)
        return nodes.one_way(s, _unmoved(priors, root), power * s.n_used)
    if isinstance(post, PopulationPosterior):
        return population_posterior(s, priors, post.population, post.accuracy)
    if isinstance(post, HeteroscedasticPosterior):
        return nodes.heteroscedastic(s, _unmoved(priors, root), power)
    if isinstance(post, CountsPosterior):
        if power != 1.0:
            s = replace(s, y=power * s.y, size=power * s.size)
        model = counts_model(s, priors, post.model.population)
        reference = post.model.typical_error / model.typical_error
        return nodes.counts(s, replace(model, priors=_unmoved(priors, reference)))
    if isinstance(post, GeneralizedPosterior):
        return generalized_posterior(s, priors, post.accuracy)
    if power != 1.0:
        s = s.to_the_power(power)
    return mixed_posterior(s, _unmoved(priors, root), post.accuracy)


def _unmoved(priors: Priors, reference: float) -> Priors:
    """Relative priors as relative to what they were before the standard errors changed."""
    every = [priors.tau, *(p for _, p in priors.named)]
    relative = reference != 1.0 and any(getattr(p, "relative", False) for p in every)
    return scaled_priors(priors, reference=reference) if relative else priors
