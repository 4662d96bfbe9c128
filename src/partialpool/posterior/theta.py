"""The parameters of all groups of a one-way model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels import student
from partialpool.kernels.oneway import pooled, theta_given
from partialpool.kernels.student import CELLS_AT_ONCE
from partialpool.posterior.components import Components
from partialpool.posterior.distributions import Mixture

if TYPE_CHECKING:
    from partialpool.posterior.one_way import OneWayPosterior

CHECKED_TAIL = 0.001
"""Quantiles from here to one minus this are checked; farther out the expansion in moments is not
trusted."""


@dataclass(frozen=True, eq=False, repr=False)
class Theta(Mixture):
    """theta of every group; means and sds cost the number of distinct weights only.

    Parameters
    ----------
    y : ndarray, shape (J,)
        Group means less the model's center.
    member : ndarray of int, shape (J,)
        The class of weights each group is in.
    class_weight : ndarray, shape (K,)
        The distinct weights.
    full : Components
        All components, from which means and sds are read.
    nearly_normal : bool
        Whether quantiles may be read from moments (checked by who says so).
    """

    y: Floats
    member: Ints
    class_weight: Floats
    full: Components
    nearly_normal: bool = False

    @classmethod
    def of(
        cls,
        post: OneWayPosterior,
        c: Components,
        groups: Ints | slice = slice(None),
        *,
        nearly_normal: bool = False,
    ) -> Theta:
        """Build from components `c` (for quantiles) and all components (for moments)."""
        y, weight = post.centered_means[groups], post.statistics.weight[groups]
        classes = post.model.classes

        def rows(part: slice) -> tuple[Floats, Floats]:
            return theta_given(y[part], weight[part], *c.columns)

        return cls(
            (len(y),), rows, c.weight, c.df, post.model.center,
            post.model.moments.theta, y, classes.member[groups], classes.weight, post.components,
            nearly_normal,
        )  # fmt: skip

    def _quantiles(self, p: Floats) -> Floats:
        common = p.size == len(p) and (p >= CHECKED_TAIL).all() and (p <= 1.0 - CHECKED_TAIL).all()
        if not (self.nearly_normal and common):
            return super()._quantiles(p)

        def one(_part: slice, loc: Floats, scale: Floats) -> Floats:
            each = (
                student.mixture_expansion(q.item(), loc, scale, self.weight, self.df) for q in p
            )
            return np.stack(list(each))

        return self._each(one, len(p)) + self.shift

    @property
    def mean(self) -> Floats:
        if self.moments <= 1:
            return np.full(self.shape, math.nan)
        pull, base = self._by_class[:2].take(self.member, axis=1)
        # E(y - B y + B mu)
        return np.asarray(self.y - pull * self.y + base + self.shift)

    @property
    def sd(self) -> Floats:
        if self.moments <= 2:
            return np.full(self.shape, math.inf)
        within, bb, bm, mm = self._by_class[2:].take(self.member, axis=1)
        y = self.y
        # variance of the components' means, a quadratic in y: of 1e5 groups, only its coefficients
        # take sums over nodes
        return np.asarray(np.sqrt(within + np.maximum(bb * y * y - 2 * bm * y + mm, 0.0)))

    @cached_property
    def _by_class(self) -> Floats:
        """E B, E B mu, mean variance, var B, cov(B, B mu), var(B mu) of each class; (6, K)."""
        c = self.full
        moments = np.empty((6, len(self.class_weight)))
        for part, p in class_blocks(self.class_weight, len(c.weight)):
            b = pooled(p, c.lam)  # (B, C)
            bm = b * c.mu
            here = moments[:, part]
            here[0], here[1] = b @ c.weight, bm @ c.weight
            scale2 = c.sigma**2 * (c.lam * b) + (b * c.mu_sd) ** 2
            here[2] = scale2 @ c.weight * c.variance_factor
            # centred before they are multiplied: covariances of shrinkage and mu would cancel
            # otherwise
            b -= here[0][:, None]
            bm -= here[1][:, None]
            here[3], here[4], here[5] = b**2 @ c.weight, (b * bm) @ c.weight, bm**2 @ c.weight
        return moments


def class_blocks(weight: Floats, nodes: int) -> Iterator[tuple[slice, Floats]]:
    """Slices of the distinct weights, and these as a column, small enough for the cache."""
    step = max(1, CELLS_AT_ONCE // nodes)
    for i in range(0, len(weight), step):
        part = slice(i, i + step)
        yield part, weight[part, None]
