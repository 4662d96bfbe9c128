"""Statistics and how they are fitted become the engine that computes the posterior, or estimates.

The record of the data, the population and the method say which engine; here alone it is chosen.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal

from partialpool.errors import ArgumentError
from partialpool.models import PriorLike, Priors, parameter_names, priors
from partialpool.models.population_model import default_priors
from partialpool.models.population_text import AnyPopulation
from partialpool.models.populations import Population
from partialpool.models.unused_priors import refuse_rho, refuse_sd_log_sigma, refuse_sigma
from partialpool.posterior.counts import counts_posterior
from partialpool.posterior.estimated import Estimated, estimated, estimated_counts
from partialpool.posterior.generalized import generalized_posterior
from partialpool.posterior.heteroscedastic import heteroscedastic_posterior
from partialpool.posterior.integrated import mixed_posterior
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.one_way import one_way_posterior
from partialpool.posterior.population import population_posterior
from partialpool.posterior.posterior import Engine, OneFactor
from partialpool.records import CountProducts, CountStatistics, CrossProducts, GroupStatistics
from partialpool.records.one_way_products import as_cross_products
from partialpool.threads import one_blas_thread

Method = Literal["posterior", "reml", "ml"]
AnyStatistics = GroupStatistics | CrossProducts | CountStatistics


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How statistics are fitted; as in `fit`."""

    prior: PriorLike = None
    method: Method = "posterior"
    population: AnyPopulation = "normal"
    quadrature: int | None = None
    accuracy: float | None = None


def fit_engine(s: AnyStatistics, how: EngineOptions, *, noise_by_group: bool = False) -> Engine:
    """Fit statistics.

    Parameters
    ----------
    s : GroupStatistics, CountStatistics, CrossProducts or CountProducts
    how : EngineOptions
    noise_by_group : bool
        Whether each group has a sigma of its own.

    Raises
    ------
    ArgumentError, PriorError
        If method or prior do not apply.
    DataError, ImproperPosteriorError
        If data and priors leave no proper posterior, or the likelihood has no maximum.
    """
    if how.method != "posterior":
        return _estimates(s, how, noise_by_group)
    with blas_threads(s):
        if isinstance(s, CrossProducts):
            return _several_effects(s, how)
        return _one_factor(s, how, noise_by_group)


def _estimates(s: AnyStatistics, how: EngineOptions, noise_by_group: bool) -> Estimated:
    if noise_by_group:
        raise ArgumentError(
            f'method="{how.method}" is for one sigma of all groups; groups that differ in noise '
            '(sigma ~ 1 + (1 | group)) are fitted with method="posterior"'
        )
    products = as_cross_products(s) if isinstance(s, GroupStatistics) else s
    assert isinstance(products, CrossProducts)  # the door reads counts as these for this method
    with blas_threads(products):
        if isinstance(products, CountProducts):
            nodes = 1 if how.quadrature is None else how.quadrature
            return estimated_counts(products, quadrature=nodes)
        return estimated(products, restricted=how.method == "reml")


def _one_factor(
    s: GroupStatistics | CountStatistics, how: EngineOptions, noise_by_group: bool
) -> OneFactor:
    chosen = _one_factor_priors(how.prior, s.factor, how.population)
    if noise_by_group:
        assert isinstance(s, GroupStatistics)
        return heteroscedastic_posterior(s, chosen, how.accuracy)
    if s.sigma_known:
        refuse_sigma(chosen, counts=False)
    refuse_sd_log_sigma(chosen)
    if isinstance(how.population, Population):
        return population_posterior(s, chosen, how.population, how.accuracy)
    if isinstance(s, GroupStatistics):
        return one_way_posterior(s, chosen, how.accuracy)
    return counts_posterior(s, chosen, how.accuracy, population=how.population)


def _one_factor_priors(prior: PriorLike, factor: str, population: AnyPopulation) -> Priors:
    """Priors with the defaults of the population, under some of which tau cannot be flat."""
    base = default_priors(population) if isinstance(population, Population) else Priors()
    if not isinstance(prior, Priors):
        return priors(prior, factor=factor, default=base)
    return replace(prior, tau=base.tau) if prior.tau == Priors().tau else prior


def _several_effects(s: CrossProducts, how: EngineOptions) -> MixedPosterior:
    """With predictors, slopes or several factors."""
    prior, counts = how.prior, isinstance(s, CountProducts)
    chosen = prior if isinstance(prior, Priors) else priors(prior, parameters=parameter_names(s))
    if counts or s.sigma_known:
        refuse_sigma(chosen, counts=counts)
    refuse_sd_log_sigma(chosen)
    refuse_rho(chosen, s)
    if isinstance(s, CountProducts):
        return generalized_posterior(s, chosen, how.accuracy)
    return mixed_posterior(s, chosen, how.accuracy)


def blas_threads(statistics: AnyStatistics) -> AbstractContextManager[None]:
    """One BLAS thread, unless the model has large matrices, or (one-way) hardly any."""
    if isinstance(statistics, GroupStatistics):
        return nullcontext()
    if not isinstance(statistics, CrossProducts):
        return one_blas_thread()
    return one_blas_thread(largest=dense_rows(statistics))


def dense_rows(s: CrossProducts) -> int:
    """Rows of the dense system that is left when the largest factor is eliminated.

    Nested factors, whose pairs of groups are no more than the groups of the inner one, are all
    eliminated group by group; so is a factor alone.
    """
    sizes = {block.factor: 0 for block in s.blocks}
    for block in s.blocks:
        sizes[block.factor] += block.zty.size
    groups = [len(block.n) for block in s.blocks]
    crossed = any(len(c.i) > max(groups[c.first], groups[c.second]) for c in s.crossings)
    rest = sum(sizes.values()) - max(sizes.values()) if crossed else 0
    return len(s.coefficients) + rest
