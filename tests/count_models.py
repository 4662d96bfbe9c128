"""Models of counts of one factor: a family, and a population of its groups."""

COUNT_MODELS = {
    "binomial": {"family": "binomial"},
    "poisson": {"family": "poisson"},
    "beta": {"family": "binomial", "population": "beta"},
    "gamma": {"family": "poisson", "population": "gamma"},
}
PROPORTIONS = ("binomial", "beta")
