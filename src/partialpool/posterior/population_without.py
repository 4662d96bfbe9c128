"""Posteriors of populations that are not normal without each group: what the others say of it.

Nodes of mu and of what the population depends on are reweighted by one over the group's own
likelihood, as in `left_out`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.models import Priors
from partialpool.models.population_model import population_model
from partialpool.posterior.left_out import (
    LeftOutGroups,
    check_others,
    refit_unlikely,
    reweighted,
    slices,
)
from partialpool.posterior.population import PopulationPosterior, population_posterior
from partialpool.posterior.population_draws import PopulationDraws
from partialpool.posterior.population_nodes import grids_of

CELLS = 2**22
"""Groups times nodes worked on at once (32 MiB an array)."""


def population_without(post: PopulationPosterior) -> LeftOutGroups:
    """Leave out each group of a one-way model whose population is not normal.

    Raises
    ------
    ArgumentError
        If the others would leave no proper posterior.
    """
    check_others(post)
    s = post.statistics
    weight, nodes = every_node(post)
    values = post.drawn_parameters(nodes)
    middle = {name: float(v @ weight) for name, v in values.items()}
    out = LeftOutGroups.empty(s.factor, s.labels, list(values))
    unlikely = np.empty(s.n_groups)
    every = np.arange(s.n_groups)
    for at in slices(s.n_groups, len(weight), CELLS):
        log_l = log_likelihood(post, nodes, every[at])
        share, log_mean, unlikely[at] = reweighted(weight, -log_l)
        out.log_density[at] = -log_mean
        for name, x in values.items():
            away = x - middle[name]  # about the mean, so that a large one costs no digits
            out.put(at, name, away @ share, away**2 @ share, middle[name])
    for name, order in _orders_without(post).items():
        out.without_moments(name, order)

    def fitted(others: Any, priors: Priors) -> PopulationPosterior:
        return population_posterior(others, priors, post.population, post.accuracy)

    refit_unlikely(post, fitted, out, unlikely)
    return out


def left_out_cdf(post: PopulationPosterior, which: Ints) -> Floats:
    """Probability, given the other groups, of a mean below that of each of these; (B,).

    Of measurements.
    """
    s = post.statistics
    weight, nodes = every_node(post)
    of, sigma = nodes.populations(post.model), _sigma(nodes)
    middle = (nodes.mu - post.model.center)[:, None]
    out = np.empty(len(which))
    components = of.variance.shape[1]
    for at in slices(len(which), len(weight) * components, CELLS):
        groups = which[at]
        share, _, _ = reweighted(weight, -log_likelihood(post, nodes, groups))
        error = sigma[:, None] ** 2 / s.weight[groups]
        away = post.centered_means[groups] - middle
        below = np.zeros(away.shape)
        for k in range(components):
            scale = np.sqrt(error + of.variance[:, k, None])
            below += np.exp(of.log_share[:, k, None]) * special.ndtr(away / scale)
        out[at] = (share * below).sum(axis=0)
    return out


def every_node(post: PopulationPosterior) -> tuple[Floats, PopulationDraws]:
    """Weights of all nodes of mu and of what the population depends on, (N,), and the nodes.

    Nodes of hardly any weight too: they may have some without a group.
    """
    lattice, model = post.lattice, post.model
    mu, _, each = grids_of(lattice)
    weight = (lattice.weight[:, None] * each).ravel()
    there = np.flatnonzero(weight > 0.0)
    tau, shape, sigma = (v[there // mu.shape[1]] for v in model.split(lattice.points))
    theta = np.empty((len(there), 0))  # of no group
    nodes = PopulationDraws(
        mu=mu.ravel()[there] + model.center,
        tau=tau,
        shape=shape,
        sigma=None if model.sigma is None else sigma,
        theta=theta,
        groups=np.empty(0),
    )
    return weight[there], nodes


def log_likelihood(post: PopulationPosterior, nodes: PopulationDraws, which: Ints) -> Floats:
    """Log density of the rows of some groups at each node, their own value integrated out."""
    some = replace(post, statistics=post.statistics.of_groups(which))
    return some.group_log_likelihood(nodes)


def _sigma(nodes: PopulationDraws) -> Floats:
    return np.ones(len(nodes.mu)) if nodes.sigma is None else nodes.sigma


def _orders_without(post: PopulationPosterior) -> dict[str, float]:
    """Below which order moments exist without one group, the one with most rows."""
    s = post.statistics
    others = s.of_groups(np.arange(s.n_groups) != int(np.argmax(s.n)))
    moments = population_model(others, post.priors, post.population).moments
    orders = {"Intercept": moments.mu, f"tau[{s.factor}]": moments.tau, "sigma": moments.sigma}
    return {name: order for name, order in orders.items() if name in post.named()}
