"""Nodes and a model become a posterior: a mixture from which everything is read."""

from partialpool.posterior.counts import CountsPosterior, counts_posterior
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.draws import Draws
from partialpool.posterior.estimated import Estimated, estimated
from partialpool.posterior.integrated import mixed_posterior, plug_in
from partialpool.posterior.mixed import MixedPosterior
from partialpool.posterior.mixed_draws import MixedDraws
from partialpool.posterior.posterior import Posterior, posterior

AnyPosterior = Posterior | CountsPosterior
"""Of one factor, of measurements or of counts."""

__all__ = [
    "AnyPosterior",
    "CountsPosterior",
    "Distribution",
    "Draws",
    "Estimated",
    "MixedDraws",
    "MixedPosterior",
    "Posterior",
    "counts_posterior",
    "estimated",
    "mixed_posterior",
    "plug_in",
    "posterior",
]
