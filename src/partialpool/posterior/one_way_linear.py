"""Linear combinations of a one-way posterior: theta of many rows at once, with or without noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.data.new_rows import NEW
from partialpool.kernels.oneway import theta_given
from partialpool.posterior.distributions import Distribution, Mixture
from partialpool.posterior.one_way import OneWayPosterior


def one_way_linear(
    post: OneWayPosterior,
    x: Floats,
    effects: Mapping[int, tuple[Ints, Floats]],
    noise: Floats | None = None,
) -> Distribution:
    """Distribution of theta of the group of each row; the face of `MixedPosterior.linear`.

    Parameters
    ----------
    post : OneWayPosterior
        The fitted model.
    x : ndarray, shape (R, 1)
        Ones.
    effects : mapping
        {0: (index, z)}: the group of each row, -1 for a new one, -2 for the population mean;
        z, shape (R, 1), ones.
    noise : ndarray, shape (R,), optional
        Weights w of new observations, whose variance sigma^2 / w is added.
    """
    index, _ = effects[0]
    y, weight = post.centered_means, post.statistics.weight
    c = post.components
    lam, sigma, mu, mu_sd = c.columns

    def rows(part: slice) -> tuple[Floats, Floats]:
        at = index[part]
        loc, scale = theta_given(y[at], weight[at], *c.columns)
        new = np.hypot(mu_sd, np.where(at == NEW, sigma * np.sqrt(lam), 0.0))
        loc, scale = np.where(at >= 0, loc, mu), np.where(at >= 0, scale, new)
        extra = 0.0 if noise is None else sigma / np.sqrt(noise[part])
        return loc, np.hypot(scale, extra)

    moments = post.model.moments
    order = moments.theta if (index >= 0).all() else moments.mu
    if (index == NEW).any():
        order = min(moments.tau, order)
    return Mixture((len(x),), rows, c.weight, c.df, post.model.center, order)
