"""Groups that differ in noise, each left out: what the others say of it, and what moves."""

from __future__ import annotations

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.kernels.heteroscedastic import GivenPhi, GroupSums, given_phi
from partialpool.models.population_check import from_tails
from partialpool.posterior.heteroscedastic import (
    HeteroscedasticPosterior,
    heteroscedastic_posterior,
)
from partialpool.posterior.heteroscedastic_nodes import PhiNodes
from partialpool.posterior.left_out import (
    LeftOutGroups,
    check_others,
    refit_unlikely,
    reweighted,
    slices,
)

CELLS = 2**19 // 10
"""Groups times nodes, each with some ten to twenty over log sigma_j, worked on at once."""


def left_out_means(groups: GroupSums, nodes: PhiNodes) -> Floats:
    """Z of each group's mean under what the other groups and its own noise say of it, (J,).

        p(mean_j | y_-j, ss_j) = E[p(mean_j | ss_j, phi) | y_-j, ss_j]

    with the nodes reweighted by ``1 / p(mean_j | ss_j, phi)``.
    """
    z = np.empty(len(groups.n))
    for part in slices(len(z), len(nodes.weight), CELLS):
        some = groups.part(part)
        given = given_phi(some, nodes.phi)
        total = given.noise + nodes.phi[:, 1, None, None] ** 2
        off = (some.mean - nodes.phi[:, 0, None])[:, :, None]
        change, moved = _without_mean(given, off, total, nodes)
        # the share of each node over log sigma_j without the mean, and the mean's density then
        without = given.log_share + 0.5 * (np.log(total) + off**2 / total)
        top = without.max(axis=2, keepdims=True)
        share = np.exp(without - top)
        log_inverse = np.log(share.sum(axis=2)) + top[:, :, 0] + change
        share /= share.sum(axis=2, keepdims=True)
        node = reweighted(nodes.weight, log_inverse)[0]
        sd = np.sqrt(total + nodes.mu_sd[:, None, None] ** 2)
        scaled = (off - moved[:, :, None]) / sd
        below, above = (
            np.einsum("gj,gjk->j", node, share * special.ndtr(sign * scaled)) for sign in (1, -1)
        )
        z[part] = from_tails(below, above)
    return z


def _without_mean(
    given: GivenPhi, off: Floats, total: Floats, nodes: PhiNodes
) -> tuple[Floats, Floats]:
    """What the density of a group's mean, taken out, does to mu about each node; (G, J) each.

    mu is normal there with sd s, over which log p(mean_j | mu) has the slope d and p the relative
    curvature c: to the second order E[1 / p] is 1 + s^2 (2 d^2 - c) / 2 times what it is at the
    node, and the mean of mu then -s^2 d from it.
    """
    share = np.exp(given.log_share)
    slopes = off / total
    slope = (share * slopes).sum(axis=2)
    curvature = (share * (slopes**2 - 1.0 / total)).sum(axis=2)
    square = nodes.mu_sd[:, None] ** 2
    change = np.log1p(np.maximum(0.5 * square * (2.0 * slope**2 - curvature), -0.9))
    return change, -square * slope


def heteroscedastic_without(post: HeteroscedasticPosterior) -> LeftOutGroups:
    """Leave out each group in turn.

    Raises
    ------
    ArgumentError
        If the others would leave no proper posterior.
    """
    check_others(post)
    s, nodes, groups = post.statistics, post.nodes, post.model.groups
    out = LeftOutGroups.empty(s.factor, s.labels, list(post.named()))
    unlikely = np.empty(s.n_groups)
    constant = post.log_constants
    about = nodes.weight @ nodes.phi
    for at in slices(s.n_groups, len(nodes.weight), CELLS):
        given = given_phi(groups.part(at), nodes.phi)
        total = given.noise + nodes.phi[:, 1, None, None] ** 2
        off = (groups.mean[at] - nodes.phi[:, 0, None])[:, :, None]
        change, moved = _without_mean(given, off, total, nodes)
        share, log_mean, unlikely[at] = reweighted(nodes.weight, change - given.log_total)
        out.log_density[at] = constant[at] - log_mean
        for k, name in enumerate(out.mean):
            value = (nodes.phi[:, k] - about[k])[:, None]
            square = value**2
            if k == 0:
                value = value + moved
                square = value**2 + nodes.mu_sd[:, None] ** 2
            mean = (share * value).sum(axis=0)
            center = post.model.center if k == 0 else 0.0
            out.put(at, name, mean, (share * square).sum(axis=0), float(about[k]) + center)
    moments = post.model.moments
    orders = moments.mu - 1.0, moments.tau - 1.0, moments.sigma
    for name, order in zip(out.mean, orders, strict=False):
        out.without_moments(name, order)
    refit_unlikely(post, heteroscedastic_posterior, out, unlikely)
    return out
