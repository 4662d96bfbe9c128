"""A paragraph on how the numbers were made that can go into a paper, for every model."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import scipy

from partialpool._version import __version__
from partialpool.posterior import Estimated
from partialpool.words.families import family_words
from partialpool.words.formatting import printable
from partialpool.words.population_shape import population_words
from partialpool.words.summary import prior_line


def methods(post: Any, formula: str, level: float) -> str:
    """Model, priors, how it was computed, with which error and by which programs."""
    of = post.given if isinstance(post, Estimated) else post
    said = [
        _model(of, formula),
        _priors(post),
        _computed(post, level),
        f"Computed with partialpool {__version__} (Python "
        f"{platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}).",
    ]
    return " ".join(part for part in said if part)


def _model(post: Any, formula: str) -> str:
    s = post.statistics
    outcome = printable(s.outcome)
    factors, varying = " and ".join(map(printable, s.group_counts)), "parameters"
    if not s.one_factor:
        varying = "intercepts"
        if any(e != "Intercept" for b in s.blocks for e in b.effects):
            varying += " and slopes" if any(b.effects[0] == "Intercept" for b in s.blocks) else ""
            varying = varying if "slopes" in varying else "slopes"
    family = family_words(s.family) if s.counts else "normal"
    errors = " with known standard errors" if s.errors_known else ""
    link = ""
    if s.counts and post.group_population not in ("beta", "gamma"):  # which are of rates themselves
        link = f" on the {'logit' if s.proportion else 'log'} scale"
    return (
        f"The outcome {outcome} was modelled by a hierarchical {family} model{errors}, {formula}, "
        f"in which the {varying} of groups ({factors}) come from "
        f"{population_words(post.group_population)}{link}, whose spread is estimated from the "
        "same data (partial pooling)."
    )


def _priors(post: Any) -> str:
    if isinstance(post, Estimated):
        return ""
    said = prior_line(post).removeprefix("priors: ")
    return f"Priors were {said.replace('()', '')}."


def _computed(post: Any, level: float) -> str:
    if isinstance(post, Estimated):
        how = "restricted maximum likelihood" if post.estimate.restricted else "maximum likelihood"
        return (
            f"Parameters were estimated by {how}{post.approximation}, and groups predicted given "
            f"these; intervals have a level of {100 * level:g}% and take the estimated spreads as "
            "known."
        )
    return (
        f"The joint posterior was computed without simulation by Markov chains ({post.method}), so "
        f"that hyperparameters are integrated out; the error of any mean, sd or end of an interval "
        f"is at most {max(post.error, 1e-6):.1g} posterior standard deviations. Estimates are "
        f"posterior means with {100 * level:g}% equal-tailed intervals."
    )
