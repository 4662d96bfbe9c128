"""What groups come from, in words, and how much of that the data say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.models.population_text import AnyPopulation
from partialpool.models.populations import LEARNED, Contaminated, PointNormal, Population, Student
from partialpool.notices import Notice
from partialpool.posterior import PopulationPosterior

PRIOR_NODES = 4001
"""Nodes over a hyperparameter from which quantiles of its prior are read; twice as many move none
by 1e-3 of the prior's sd."""
PRIOR_LEVELS = np.linspace(0.05, 0.95, 19)
"""Quantiles of the prior between which the posterior's probability is held against the prior's."""
TOLD_DISTANCE = 0.2
"""Total variation distance from the prior below which the data are said to tell little: in 30
worlds of 8 groups that of df, share and ratio was 0.16 at most in nine of ten, and in worlds
of 200 groups, a tenth of them from a population six times as wide, 0.41 or more in nine of ten
(tests/unit/words/test_population_shape.py)."""


def population_words(population: AnyPopulation) -> str:
    """A population with its article, such as "a normal population"."""
    match population:
        case Student(df=df):
            freedom = "learned" if df == LEARNED else f"{df:g}"
            return (
                f"a Student t population with {freedom} degree{'' if df == 1.0 else 's'} of freedom"
            )
        case Contaminated(share=share, ratio=ratio):
            part = "a learned share" if share is None else f"a share of {share:g}"
            wide = "is wider by a learned ratio" if ratio is None else f"is {ratio:g} times as wide"
            return f"a contaminated normal population, of which {part} {wide}"
        case PointNormal(mean=mean):
            at = "the same learned value" if mean is None else f"{mean:g}"
            return f"a population of which all groups but a learned share are exactly at {at}"
    return f"a {population} population"


def rests_on_prior(post: PopulationPosterior) -> Iterator[Notice]:
    """Say which parameters of the population the data hardly tell from their priors."""
    population, factor = post.group_population, post.statistics.factor
    assert isinstance(population, Population)
    named = post.named()
    near = [
        name
        for name, (x, p) in zip(population.learned, _priors(population), strict=True)
        if distance(named[f"{name}[{factor}]"], x, p) < TOLD_DISTANCE
    ]
    if not near:
        return
    said = population.hyperpriors
    listed = " and ".join(f"{name} ({said[name]})" for name in near)
    many = len(near) > 1
    yield Notice(
        "population_rests_on_prior",
        "info",
        f"{post.statistics.n_groups:,} groups say little about {listed}: "
        f"{'their posteriors are' if many else 'its posterior is'} nearly the "
        f"{'priors' if many else 'prior'}. Groups and their intervals take this into account; read "
        f"the {'parameters' if many else 'parameter'} as assumed, or give "
        f"{'them numbers' if many else 'it a number'}, such as "
        f'population="{with_numbers(population)}".',
    )


def distance(of: Any, x: Floats, p: Floats) -> float:
    """Total variation distance of a posterior from its prior, between quantiles of the prior.

    0 where they are the same; 1 - 1/20 at most, where all of the posterior is in one of the parts.

    Parameters
    ----------
    of : Distribution
    x, p : ndarray
        Quantiles of the prior and their probabilities.
    """
    below = np.concatenate([[0.0], np.asarray(of.cdf(x)), [1.0]])
    prior = np.concatenate([[0.0], p, [1.0]])
    return float(0.5 * np.abs(np.diff(below) - np.diff(prior)).sum())


def _priors(population: Population) -> Iterator[tuple[Floats, Floats]]:
    """Quantiles of the prior of each of what is learned, the others at their starting values."""
    for i, axis in enumerate(population.axes):
        u = np.linspace(-14.0, 14.0, PRIOR_NODES)
        value = axis.value(u)
        shape = np.tile(np.array(population.start), (PRIOR_NODES, 1))
        shape[:, i] = value
        log_density = population.log_hyperprior(shape) + axis.log_slope(u)
        weight = np.exp(log_density - log_density.max())
        below = np.cumsum(weight) - 0.5 * weight
        yield np.interp(PRIOR_LEVELS, below / weight.sum(), value), PRIOR_LEVELS


def with_numbers(population: Population) -> str:
    """The same population with usual numbers for what is learned."""
    match population:
        case Student():
            return "student(4)"
        case Contaminated(share=share, ratio=ratio):
            return str(Contaminated(share or 0.1, ratio or 5.0))
    return str(population)
