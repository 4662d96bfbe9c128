"""Nodes and a model become a posterior: a mixture from which everything is read."""

from partialpool.posterior.distributions import Distribution
from partialpool.posterior.draws import Draws
from partialpool.posterior.mixed import MixedPosterior, mixed_posterior
from partialpool.posterior.posterior import Posterior, posterior

__all__ = ["Distribution", "Draws", "MixedPosterior", "Posterior", "mixed_posterior", "posterior"]
