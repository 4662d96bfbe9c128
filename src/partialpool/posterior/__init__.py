"""Nodes and a model become a posterior: a mixture from which everything is read."""

from partialpool.posterior.counts import CountsPosterior, counts_posterior
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.draws import OneWayDraws
from partialpool.posterior.estimated import Estimated, estimated, estimated_counts
from partialpool.posterior.generalized import GeneralizedPosterior, generalized_posterior
from partialpool.posterior.heteroscedastic import (
    HeteroscedasticPosterior,
    heteroscedastic_posterior,
)
from partialpool.posterior.integrated import mixed_posterior, plug_in
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.mixed_draws import MixedDraws
from partialpool.posterior.one_way import OneWayPosterior, one_way_posterior
from partialpool.posterior.population import PopulationPosterior, population_posterior
from partialpool.posterior.posterior import Draws, Engine, GroupValues, OneFactor, Posterior

__all__ = [
    "CountsPosterior",
    "Distribution",
    "Draws",
    "Engine",
    "Estimated",
    "GeneralizedPosterior",
    "GroupValues",
    "HeteroscedasticPosterior",
    "MixedDraws",
    "MixedPosterior",
    "OneFactor",
    "OneWayDraws",
    "OneWayPosterior",
    "PopulationPosterior",
    "Posterior",
    "counts_posterior",
    "estimated",
    "estimated_counts",
    "generalized_posterior",
    "heteroscedastic_posterior",
    "mixed_posterior",
    "one_way_posterior",
    "plug_in",
    "population_posterior",
]
