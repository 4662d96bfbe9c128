"""Statistics and priors in; a log density over the hyperparameters and, given them, exact
conditional distributions out. One file a family.
"""

from partialpool.models.counts import CountsModel, counts_model
from partialpool.models.mixed import MixedModel, mixed_model, parameter_names
from partialpool.models.oneway import Conditional, OneWayModel, one_way_model
from partialpool.models.prior_set import Priors
from partialpool.models.prior_text import PriorLike, parse_prior, priors

__all__ = [
    "Conditional",
    "CountsModel",
    "MixedModel",
    "OneWayModel",
    "PriorLike",
    "Priors",
    "counts_model",
    "mixed_model",
    "one_way_model",
    "parameter_names",
    "parse_prior",
    "priors",
]
