"""The posterior without each group in turn: what the others say of it, and what moves without it.

At every node the group's part is taken out of the sums in closed form, for all groups at once, and
the nodes are reweighted:

    p(phi | y_-j) ∝ p(phi | y) / p(y_j | y_-j, phi),   p(y_j | y_-j) = 1 / E[1 / p(y_j | y_-j, phi)]

Source: Gelfand, Dey and Chang (1992), Model determination using predictive distributions, in
Bayesian Statistics 4. Where the posterior without a group lies where hardly a node was laid, the
others are fitted anew from their statistics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from partialpool._typing import AnyArray, Bools, Floats, Ints
from partialpool.errors import ArgumentError
from partialpool.kernels.predictive import leave_one_group_out
from partialpool.models import Priors
from partialpool.models.propriety import Moments, check_proper
from partialpool.models.scaled_prior import scaled_priors
from partialpool.posterior.components import every_component
from partialpool.posterior.counts import CountsPosterior, counts_posterior
from partialpool.posterior.inverse_chi import root_inverse_chi2_mean
from partialpool.posterior.one_way import OneWayPosterior, one_way_posterior
from partialpool.posterior.posterior import OneFactor

I_SQUARED = "I^2"
"""Name of the share of the variance between estimates that is between groups."""
CELLS = 2**20
"""Groups times nodes worked on at once (8 MiB an array)."""
UNLIKELY, MOST_UNLIKELY = 1e-10, 1e-6
"""Nodes of less weight than the first (of the heaviest) may hold no more than the second of the
weight without a group, or the others are fitted anew: held against refits of eight schools and of
40 groups with one far off, what the reweighted nodes then miss is about that share of an sd, and
without far groups it is 1e-9 (tests/unit/posterior/test_left_out.py)."""


@dataclass(frozen=True, slots=True, eq=False)
class LeftOutGroups:
    """What is known without each group of a factor.

    Parameters
    ----------
    factor : str
    labels : ndarray, shape (J,)
    log_density : ndarray, shape (J,)
        log p(y_j | y_-j): of the group's rows given those of the others; nan where the others
        leave no proper posterior.
    error : ndarray, shape (J,)
        95% bound on its error; 0 where nothing was sampled.
    mean, sd : dict of ndarray, shape (J,)
        Of every parameter, by name, without the group; infinite where they do not exist.
    refitted : ndarray of bool, shape (J,)
        Groups for which the others were fitted anew.
    """

    factor: str
    labels: AnyArray
    log_density: Floats
    error: Floats
    mean: dict[str, Floats]
    sd: dict[str, Floats]
    refitted: Bools

    @staticmethod
    def empty(factor: str, labels: AnyArray, names: list[str]) -> LeftOutGroups:
        """Nothing known yet."""
        size = len(labels)
        return LeftOutGroups(
            factor,
            labels,
            np.full(size, np.nan),
            np.zeros(size),
            {name: np.full(size, np.nan) for name in names},
            {name: np.full(size, np.nan) for name in names},
            np.zeros(size, dtype=bool),
        )

    def put(
        self, at: Ints | slice, name: str, mean: Floats, square: Floats | float, about: float = 0.0
    ) -> None:
        """Set mean and sd of a parameter, from its mean and mean square about a value.

        About a value near it, so that a large mean does not cost the sd its digits.
        """
        self.mean[name][at] = about + mean
        self.sd[name][at] = np.sqrt(np.maximum(square - mean**2, 0.0))

    def without_moments(self, name: str, order: float, at: Ints | slice = slice(None)) -> None:
        """Mean and sd are infinite where moments of no more than this order exist."""
        if order <= 1.0:
            self.mean[name][at] = math.inf
        if order <= 2.0:
            self.sd[name][at] = math.inf


def reweighted(weight: Floats, log_inverse: Floats) -> tuple[Floats, Floats, Floats]:
    """Shares of nodes without each group, log E[1 / p], and the share of unlikely nodes.

    Parameters
    ----------
    weight : ndarray, shape (C,)
        Of the nodes.
    log_inverse : ndarray, shape (C, B)
        -log p(group | others, node).

    Returns
    -------
    ndarray, shape (C, B), and two of shape (B,)
    """
    # nodes without weight may allow a group not at all: 0 times infinity is left out
    top = log_inverse.max(axis=0, where=weight[:, None] > 0, initial=-math.inf)
    # in units of the largest, so that nothing overflows where a node hardly allows the group
    share = weight[:, None] * np.exp(np.minimum(log_inverse - top, 0.0))
    total = share.sum(axis=0)
    share /= total
    unlikely = share[weight < UNLIKELY * weight.max()].sum(axis=0)
    return share, np.log(total) + top, unlikely


def check_others(post: OneFactor) -> None:
    """Refuse a posterior that is improper without one of its groups.

    Raises
    ------
    ArgumentError
    """
    if post.predicts_without_one_group:
        return
    s = post.statistics
    raise ArgumentError(
        f"without one of its {s.n_groups} groups of {s.factor} this model has no proper posterior, "
        "so none can be left out: give tau (and mu) proper priors, such as tau ~ half_normal(scale)"
    )


# measurements ---------------------------------------------------------------------------------


def one_way_without(post: OneWayPosterior) -> LeftOutGroups:
    """Leave out each group of a one-way model of measurements.

    Raises
    ------
    ArgumentError
        If the others would leave no proper posterior.
    """
    check_others(post)
    s, c = post.statistics, every_component(post.model, post.grid)
    known = [I_SQUARED] if s.sigma_known else []
    out = LeftOutGroups.empty(s.factor, s.labels, [*post.named(), *known])
    unlikely = np.empty(s.n_groups)
    for at in slices(s.n_groups, len(c.weight)):
        n = s.n[at].astype(np.float64)
        y = post.centered_means[at]
        of = leave_one_group_out(y, n, s.weight[at], s.ss[at], *c.columns, c.df)
        share, log_mean, unlikely[at] = reweighted(c.weight, -of.log_density)
        out.log_density[at] = 0.5 * s.log_weight[at] - log_mean
        # sigma is integrated out at each node: its first two moments scale those given sigma
        # moments of sqrt(df / chi2_df)
        first, second = _chi_factors(of.df)
        square = (share * (of.mu_scale**2 * second + of.center**2)).sum(axis=0)
        out.put(at, "Intercept", (share * of.center).sum(axis=0), square)
        if s.sigma_known:
            # I^2 = tau^2 / (tau^2 + s^2), s^2 of the others
            between = 1.0 - 1.0 / (1.0 + _information_without(s.weight)[at] * c.lam[:, None])
            out.put(at, I_SQUARED, *((share * x).sum(axis=0) for x in (between, between**2)))
        scales = {f"tau[{s.factor}]": np.sqrt(c.lam)[:, None] * of.sigma, "sigma": of.sigma}
        for name in out.mean.keys() & scales.keys():
            x = scales[name]
            out.put(at, name, (share * x).sum(axis=0) * first, (share * x**2).sum(axis=0) * second)
    out.mean["Intercept"] += post.model.center
    for name, order in zip(out.mean, _orders(_without(post)), strict=False):
        out.without_moments(name, order)
    refit_unlikely(post, one_way_posterior, out, unlikely)
    return out


def _information_without(weight: Floats) -> Floats:
    """One over the typical sampling variance of the others, of which I^2 is; (J,)."""
    total, square = weight.sum() - weight, (weight**2).sum() - weight**2
    # Higgins and Thompson's s^2, with J - 1 groups
    return np.asarray((total**2 - square) / ((len(weight) - 2) * total))


def _chi_factors(df: Floats) -> tuple[Floats | float, Floats | float]:
    """Mean, and mean square, of a sigma of scale one with so many degrees of freedom, (B,)."""
    if math.isinf(df[0]):
        return 1.0, 1.0
    distinct, member = np.unique(df, return_inverse=True)
    first = np.array([root_inverse_chi2_mean(d) for d in distinct.tolist()])[member]
    with np.errstate(divide="ignore"):
        return first, np.where(df > 2.0, df / (df - 2.0), math.inf)


def _without(post: OneWayPosterior) -> Moments:
    """Which moments exist without any one group."""
    sizes = post.model.sizes
    rows = sizes.n_rows - int(post.statistics.n.max())
    return check_proper(replace(sizes, n_groups=sizes.n_groups - 1, n_rows=rows), post.priors)


def _orders(moments: Moments) -> tuple[float, float, float]:
    return moments.mu, moments.tau, moments.sigma


# counts ---------------------------------------------------------------------------------------


def counts_without(post: CountsPosterior) -> LeftOutGroups:
    """Leave out each group of a one-way model of counts; groups of equal data once.

    Raises
    ------
    ArgumentError
        If the others would leave no proper posterior.
    """
    check_others(post)
    model, nodes, s = post.model, post.nodes, post.statistics
    names = list(post.named())
    pairs = LeftOutGroups.empty(s.factor, np.arange(len(model.pairs) + 1), names)
    weight, unlikely = nodes.weight.ravel(), np.zeros(len(model.pairs) + 1)
    outer = np.broadcast_to(nodes.outer[:, None], nodes.inner.shape)
    values = dict(zip(names, (nodes.inner.ravel(), outer.ravel()), strict=True))
    pairs.log_density[-1] = 0.0  # a group without trials or exposure says nothing
    for at in [*slices(len(model.pairs), weight.size), slice(len(model.pairs), None)]:
        share = weight[:, None]
        if at.stop is not None:
            some = model.pairs.at(at)
            log_l = model.log_marginals(some, nodes.inner, nodes.outer).reshape(len(some), -1)
            share, log_mean, unlikely[at] = reweighted(weight, -log_l.T)
            pairs.log_density[at] = some.best - log_mean
        for name, x in values.items():
            pairs.put(at, name, x @ share, x**2 @ share)
    for inside in (True, False):
        moments, which = post.moments_without(inside=inside), model.inside == inside
        for name, order in zip(names, (moments.mu, moments.tau), strict=True):
            pairs.without_moments(name, order, np.flatnonzero(which))
    out = LeftOutGroups(
        s.factor,
        s.labels,
        pairs.log_density[model.member] + s.log_constants,
        np.zeros(s.n_groups),
        {k: v[model.member] for k, v in pairs.mean.items()},
        {k: v[model.member] for k, v in pairs.sd.items()},
        np.zeros(s.n_groups, dtype=bool),
    )
    fitted = partial(counts_posterior, population=model.population)
    refit_unlikely(post, fitted, out, unlikely[model.member])
    return out


def slices(size: int, nodes: int, cells: int = CELLS) -> Iterator[slice]:
    """Blocks of groups of which, times the nodes, there are no more than so many cells."""
    step = max(1, cells // nodes)
    for i in range(0, size, step):
        yield slice(i, min(i + step, size))


Fitted = Callable[[Any, Priors], OneFactor]


def refit_unlikely(post: OneFactor, fitted: Fitted, out: LeftOutGroups, unlikely: Floats) -> None:
    """Fit the others anew where their weights rest on nodes that all groups made unlikely."""
    for j in np.flatnonzero(unlikely > MOST_UNLIKELY).tolist():
        refit(post, fitted, out, j)


def refit(post: OneFactor, fitted: Fitted, out: LeftOutGroups, j: int) -> None:
    """Fit the others anew; the prior stays what it was, also where it is relative."""
    statistics = post.statistics.of_groups(np.arange(post.statistics.n_groups) != j)
    others = fitted(statistics, post.priors)
    if post.priors.tau.relative:
        factor = post.model.typical_ratio / others.model.typical_ratio
        others = fitted(statistics, scaled_priors(post.priors, reference=factor))
    # p(y_j | y_-j) = p(y) / p(y_-j)
    out.log_density[j] = post.log_evidence - others.log_evidence
    named = others.named() | ({I_SQUARED: others.icc} if I_SQUARED in out.mean else {})
    for name, of in named.items():
        out.mean[name][j], out.sd[name][j] = float(of.mean), float(of.sd)
    out.refitted[j] = True
