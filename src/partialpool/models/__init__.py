"""Statistics and priors in; a log density over the hyperparameters and, given them, exact
conditional distributions out. One file a family.
"""

from partialpool.models.counts import CountsModel, counts_model
from partialpool.models.oneway import Conditional, OneWayModel, one_way_model
from partialpool.models.prior_text import parse_prior, priors
from partialpool.models.priors import Priors

__all__ = [
    "Conditional",
    "CountsModel",
    "OneWayModel",
    "Priors",
    "counts_model",
    "one_way_model",
    "parse_prior",
    "priors",
]
