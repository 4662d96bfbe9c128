"""How well a group is predicted by the others: closed form given each node, no refits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._normal import LOG_2PI
from partialpool._typing import Floats


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """What the other groups say of each group's rows at each node; B groups, C nodes.

    Parameters
    ----------
    log_density : ndarray, shape (C, B)
        Of the group's rows, up to the half sum of the logarithms of their weights, which no model
        changes.
    center, scale : ndarray, shape (C, B)
        Location and scale of the group's mean.
    df : ndarray, shape (B,)
        Degrees of freedom of that mean; infinite for normal.
    sigma : ndarray, shape (C, B)
        Scale of sigma without the group; sigma where it is known at the node.
    mu_scale : ndarray, shape (C, B)
        Scale of mu without the group, about `center`.
    """

    log_density: Floats
    center: Floats
    scale: Floats
    df: Floats
    sigma: Floats
    mu_scale: Floats


def leave_one_group_out(
    y: Floats,
    n: Floats,
    weight: Floats,
    ss: Floats,
    lam: Floats,
    sigma: Floats,
    mu: Floats,
    mu_sd: Floats,
    df: float,
) -> LeftOut:
    """Log density of each group's rows, and distribution of its mean, given the other groups.

    The information of group j is taken out of the distribution of mu at each node:
    ``1/V_-j = 1/V - w_j/sigma^2``, ``mean_j | others ~ N(mu_-j, sigma^2/P_j + tau^2 + V_-j)``.
    Where sigma is integrated out (df finite) the same ratio of integrals is taken.

    Parameters
    ----------
    y, n, weight, ss : ndarray, shape (B,)
        Group means, rows, total weights P_j and within-group sums of squares.
    lam, sigma, mu, mu_sd : ndarray, shape (C, 1)
        The nodes.
    df : float
        Degrees of freedom; infinite where sigma is given at the node.

    Returns
    -------
    LeftOut
    """
    w = weight / (1.0 + weight * lam)  # (C, B)
    share = w * (mu_sd / sigma) ** 2  # of the information about mu that is group j's
    # positive: no group has all the information about mu, whose prior or another group has some
    rest = 1.0 - share
    center = mu - share / rest * (y - mu)
    # w (y - mu)^2 / rest is w rest (y - mu_-j)^2: the squared distance from what the others say,
    # over its variance
    squares = ss + w * (y - mu) ** 2 / rest
    common = 0.5 * (np.log(rest) - np.log1p(weight * lam))
    if math.isinf(df):
        log_density = -0.5 * n * LOG_2PI - n * np.log(sigma) + common - 0.5 * squares / sigma**2
        normal, same = np.full(len(y), math.inf), np.broadcast_to(sigma, w.shape)
        return LeftOut(
            log_density, center, sigma / np.sqrt(w * rest), normal, same, mu_sd / np.sqrt(rest)
        )
    # the residual sum of squares at a node, whose root over df is the scale of sigma: without the
    # group it is less by `squares`, and df by n
    total = df * sigma**2
    # without n rows; where none are left sigma has no distribution
    left = df - n
    with np.errstate(divide="ignore", invalid="ignore"):
        log_density = (
            -0.5 * n * math.log(math.pi)
            + special.gammaln(0.5 * df)
            - special.gammaln(0.5 * left)
            + common
            - 0.5 * n * np.log(total)
            # (1 - squares / total)^(left / 2): log1p, as one group of many is a small part
            + 0.5 * left * np.log1p(-squares / total)
        )
        others = np.sqrt((total - squares) / left)  # scale of sigma
    log_density = np.where(left > 0, log_density, -np.inf)
    scale = others / np.sqrt(w * rest)
    return LeftOut(log_density, center, scale, left, others, others / sigma * mu_sd / np.sqrt(rest))
