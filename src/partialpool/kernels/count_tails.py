"""Tails of a group's events under a population of groups, at nodes of (mu, tau)."""

from __future__ import annotations

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.kernels.families import LOGIT, Link

REACH_SDS, NORMAL_NODES = 8.5, 69
"""Normal populations are followed to 8.5 sds by a trapezoid rule of step 0.25: the error is below
1e-12 where tau is at most twice the width of the likelihood, and 1e-4 of the tail at five times."""
BETA_TAIL, LEAST_PROBABILITY, BETA_NODES = 1e-9, 1e-300, 401
"""Beta populations are followed between this quantile and one minus it, by a trapezoid rule on the
logit scale, where their densities are analytic: sums of probabilities agree to 1e-7."""


def normal_tails(
    y: float, size: float, mu: Floats, tau: Floats, link: Link
) -> tuple[Floats, Floats]:
    """P(Y <= y) and P(Y >= y) of a new group, link(p or rate) ~ N(mu, tau^2); (K,) each.

    Parameters
    ----------
    y, size : float
        Events, and trials or exposure.
    mu, tau : ndarray, shape (K,)
        Nodes, on the link scale.
    link : Link
    """
    u = np.linspace(-REACH_SDS, REACH_SDS, NORMAL_NODES)
    # the step and the constant of the density drop out where the weights are made to sum to one
    weight = np.exp(-0.5 * u * u)
    weight /= weight.sum()
    below, above = _tails(y, size, link.natural(mu[:, None] + tau[:, None] * u), link)
    return below @ weight, above @ weight


def conjugate_tails(
    y: float, size: float, mu: Floats, tau: Floats, link: Link
) -> tuple[Floats, Floats]:
    """The same of beta distributed probabilities and gamma distributed rates, f = 1 / tau^2."""
    f, m = tau**-2.0, link.natural(mu)
    if link is not LOGIT:  # negative binomial, in closed form
        success = f / (f + size * m)
        # P(Y <= y) of a negative binomial distribution of size f is a regularised incomplete beta
        below = special.betainc(f, y + 1.0, success)
        above = special.betaincc(f, y, success) if y > 0 else np.ones_like(f)
        return below, above
    a, b = (m * f)[:, None], ((1.0 - m) * f)[:, None]
    # the upper end from the lower tail of 1 - p, which keeps its digits near 1
    low, high = special.betaincinv(a, b, BETA_TAIL), special.betaincinv(b, a, BETA_TAIL)
    low, high = (
        special.logit(np.maximum(low, LEAST_PROBABILITY)),
        -special.logit(np.maximum(high, LEAST_PROBABILITY)),
    )
    theta = low + (high - low) * np.linspace(0.0, 1.0, BETA_NODES)
    # log of p^a (1 - p)^b at p = expit(theta), the density over theta
    log_w = -a * np.logaddexp(0.0, -theta) - b * np.logaddexp(0.0, theta)
    weight = np.exp(log_w - log_w.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    below, above = _tails(y, size, special.expit(theta), link)
    return (below * weight).sum(axis=1), (above * weight).sum(axis=1)


def _tails(y: float, size: float, value: Floats, link: Link) -> tuple[Floats, Floats]:
    """P(Y <= y) and P(Y >= y) given a probability or rate."""
    if link is LOGIT:
        below = special.bdtr(y, int(size), value)
        # bdtrc is P(Y > k): from the upper tail itself, as 1 - below would lose small ones
        above = special.bdtrc(y - 1.0, int(size), value) if y > 0 else np.ones_like(value)
        return below, above
    mean = size * value
    # P(Y <= y) of Poisson counts is the upper incomplete gamma of y + 1
    return special.gammaincc(y + 1.0, mean), special.gammainc(y, mean) if y > 0 else np.ones_like(
        mean
    )
