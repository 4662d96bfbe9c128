"""Nodes and a model become a posterior: a mixture from which everything is read."""

from partialpool.posterior.distributions import Distribution
from partialpool.posterior.draws import Draws
from partialpool.posterior.mixed import MixedPosterior, mixed_posterior, plug_in
from partialpool.posterior.mixed_draws import MixedDraws
from partialpool.posterior.posterior import Posterior, posterior

__all__ = [
    "Distribution",
    "Draws",
    "MixedDraws",
    "MixedPosterior",
    "Posterior",
    "mixed_posterior",
    "plug_in",
    "posterior",
]
