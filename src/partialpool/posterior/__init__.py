"""Nodes and a model become a posterior: a mixture from which everything is read."""

from partialpool.posterior.counts import CountsPosterior, counts_posterior
from partialpool.posterior.distributions import Distribution
from partialpool.posterior.draws import Draws
from partialpool.posterior.posterior import Posterior, posterior

AnyPosterior = Posterior | CountsPosterior
"""Of measurements, or of counts."""

__all__ = [
    "AnyPosterior",
    "CountsPosterior",
    "Distribution",
    "Draws",
    "Posterior",
    "counts_posterior",
    "posterior",
]
