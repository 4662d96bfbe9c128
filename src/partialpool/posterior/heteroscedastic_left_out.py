"""Groups that differ in noise, each left out: what the others say of it, and what moves."""

from __future__ import annotations

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.kernels.heteroscedastic import GroupSums, given_phi
from partialpool.models.population_check import from_tails
from partialpool.posterior.heteroscedastic import (
    HeteroscedasticPosterior,
    heteroscedastic_posterior,
)
from partialpool.posterior.heteroscedastic_nodes import PhiNodes
from partialpool.posterior.left_out import (
    MOST_UNLIKELY,
    LeftOutGroups,
    refit,
    reweighted,
    too_few,
)

CELLS = 2**19
"""Groups times nodes, each with those over log sigma_j, worked on at once."""


def left_out_means(groups: GroupSums, nodes: PhiNodes) -> Floats:
    """Z of each group's mean under what the other groups and its own noise say of it, (J,).

        p(mean_j | y_-j, ss_j) = E[p(mean_j | ss_j, phi) | y_-j, ss_j]

    with the nodes reweighted by ``1 / p(mean_j | ss_j, phi)``.
    """
    z = np.empty(len(groups.n))
    step = max(1, CELLS // (10 * len(nodes.weight)))
    for i in range(0, len(z), step):
        part = slice(i, i + step)
        some = groups.part(part)
        given = given_phi(some, nodes.phi)
        total = given.noise + nodes.phi[:, 1, None, None] ** 2 + nodes.mu_sd[:, None, None] ** 2
        off = (some.mean - nodes.phi[:, 0, None])[:, :, None]
        # the share of each node over log sigma_j without the mean, and the mean's density then
        without = given.log_share + 0.5 * (np.log(total) + off**2 / total)
        top = without.max(axis=2, keepdims=True)
        share = np.exp(without - top)
        log_inverse = np.log(share.sum(axis=2)) + top[:, :, 0]
        share /= share.sum(axis=2, keepdims=True)
        node = reweighted(nodes.weight, log_inverse)[0]
        scaled = off / np.sqrt(total)
        below, above = (
            np.einsum("gj,gjk->j", node, share * special.ndtr(sign * scaled)) for sign in (1, -1)
        )
        z[part] = from_tails(below, above)
    return z


def heteroscedastic_without(post: HeteroscedasticPosterior) -> LeftOutGroups:
    """Leave out each group in turn.

    Raises
    ------
    ArgumentError
        If the others would leave no proper posterior.
    """
    if not post.predicts_without_one_group:
        raise too_few(post)
    s, nodes, groups = post.statistics, post.nodes, post.model.groups
    out = LeftOutGroups.empty(s.factor, s.labels, list(post.named()))
    unlikely = np.empty(s.n_groups)
    constant = 0.5 * (s.log_weight - np.log(groups.weight) - (groups.n - 1.0) * np.log(2.0 * np.pi))
    values = nodes.phi + np.array([post.model.center, 0.0, 0.0, 0.0])
    step = max(1, CELLS // (10 * len(nodes.weight)))
    for i in range(0, s.n_groups, step):
        at = slice(i, i + step)
        given = given_phi(groups.part(at), nodes.phi)
        share, log_mean, unlikely[at] = reweighted(nodes.weight, -given.log_total)
        out.log_density[at] = constant[at] - log_mean
        for k, name in enumerate(out.mean):
            about = float(nodes.weight @ values[:, k])
            off = values[:, k] - about
            square = off**2 + (nodes.mu_sd**2 if k == 0 else 0.0)
            out.put(at, name, off @ share, square @ share, about)
    moments = post.model.moments
    for name, order in zip(out.mean, (moments.mu - 1.0, moments.tau - 1.0, moments.sigma),
                           strict=False):  # fmt: skip
        out.without_moments(name, order)
    for j in np.flatnonzero(unlikely > MOST_UNLIKELY).tolist():
        refit(post, heteroscedastic_posterior, out, j)
    return out
