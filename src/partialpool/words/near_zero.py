"""Whether the data can tell a standard deviation between groups from zero, for every model."""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import numpy as np

from partialpool._typing import Floats
from partialpool.integrate import Lattice, Line
from partialpool.models.mixed import sd_name
from partialpool.models.priors import ScalePrior
from partialpool.posterior import (
    CountsPosterior,
    Estimated,
    HeteroscedasticPosterior,
    MixedPosterior,
    OneWayPosterior,
    PopulationPosterior,
)

LIKELIHOOD_RATIO = math.exp(-1.92)
"""A value of tau is in the 95% likelihood interval if its likelihood is above this share of the
highest: half the 95% quantile of chi-square with one degree of freedom."""


@singledispatch
def near_zero(post: Any) -> dict[str, bool]:
    """Of each standard deviation between groups, by name, whether it may be zero.

    It may if zero is in its 95% likelihood interval, the prior divided out.
    """
    raise TypeError(f"near_zero of a {type(post).__name__}")


@near_zero.register
def _of_one_way(post: OneWayPosterior) -> dict[str, bool]:
    model, grid = post.model, post.grid
    reference = model.typical_ratio
    if model.dimensions == ("sigma", "tau"):
        reference *= float(grid.marginal(0) @ grid.lines[0].x)
    weight = grid.marginal(len(grid.lines) - 1)
    share = _on_line(grid.lines[-1], weight, model.priors.tau, reference)
    return {f"tau[{post.statistics.factor}]": share > LIKELIHOOD_RATIO}


@near_zero.register
def _of_heteroscedastic(post: HeteroscedasticPosterior) -> dict[str, bool]:
    reference = post.model.typical_ratio * float(post.sigma.median)
    share = likelihood_at_zero(post.lattice, 0, post.priors.tau, reference)
    return {f"tau[{post.statistics.factor}]": share > LIKELIHOOD_RATIO}


@near_zero.register
def _of_counts(post: CountsPosterior) -> dict[str, bool]:
    share = _on_line(
        post.nodes.line, post.nodes.marginal, post.priors.tau, post.model.typical_ratio
    )
    return {f"tau[{post.statistics.factor}]": share > LIKELIHOOD_RATIO}


@near_zero.register
def _of_population(post: PopulationPosterior) -> dict[str, bool]:
    """Where groups may be exactly at the middle, tau is not what may be zero."""
    name, model = f"tau[{post.statistics.factor}]", post.model
    if model.population.has_atom:
        return {name: False}
    reference = model.typical_ratio * (1.0 if post.sigma is None else float(post.sigma.median))
    line, weight = post.lattice.lines[0], post.lattice.marginal(0)
    return {name: _on_line(line, weight, post.priors.tau, reference) > LIKELIHOOD_RATIO}


@near_zero.register
def _of_mixed(post: MixedPosterior) -> dict[str, bool]:
    return {name: _of_sd(post, name) > LIKELIHOOD_RATIO for name in post.taus}


@near_zero.register
def _of_estimates(post: Estimated) -> dict[str, bool]:
    """Of estimates, whether the estimate is zero."""
    return {n: v <= 0.0 for n, v in post.spreads.items() if n.startswith("tau[")}


def likelihood_at_zero(
    lattice: Lattice, dimension: int, prior: ScalePrior, reference: float
) -> float:
    """Likelihood of the smallest value of a dimension over the highest; the prior divided out."""
    return _on_line(lattice.lines[dimension], lattice.marginal(dimension), prior, reference)


def _on_line(line: Line, weight: Floats, prior: ScalePrior, reference: float) -> float:
    """Likelihood at the smallest tau on a line over its largest value; the prior divided out."""
    with np.errstate(divide="ignore"):
        log_likelihood = np.log(weight) - line.log_slope
    log_likelihood -= prior.log_density(line.x, reference)
    seen = weight > 1e-12 * weight.max()
    inside = log_likelihood[seen]
    return float(np.exp(inside[0] - inside.max()))


def _of_sd(post: MixedPosterior, name: str) -> float:
    """Marginal likelihood of the smallest sds over its largest value; the prior divided out."""
    tau = post.taus[name]
    x = np.asarray(tau.quantile(np.array([0.002, *np.linspace(0.02, 0.98, 49)])))
    prior = post.priors.scale(name)
    reference = next(
        float(t.reference[t.effects.index(e)])
        for t in post.model.terms
        for e in t.effects
        if sd_name(t.factor, e) == name
    )
    scale = 1.0 if post.sigma is None else float(post.sigma.median)
    with np.errstate(divide="ignore"):
        log_likelihood = np.log(tau.density(x)) - prior.log_density(x, reference * scale)
    return float(np.exp(log_likelihood[0] - log_likelihood.max()))
