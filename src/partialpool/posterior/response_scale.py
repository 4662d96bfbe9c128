"""Probabilities and rates whose links are mixtures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.integrate import Axis, Coordinate
from partialpool.kernels.families import LOG, Link
from partialpool.kernels.skewed import log_mean_exp
from partialpool.posterior.distributions import Mixture
from partialpool.posterior.mapped import Mapped
from partialpool.posterior.skewed import Skewed

NODES_BY_WIDTH = ((0.5, 5), (1.0, 7), (2.0, 13), (4.0, 25), (math.inf, 61))
"""Nodes with which means of probabilities are taken over normals no wider than this: right to 3e-4
up to a width of 2, and to 2e-3 beyond."""
NO_MEAN_BEYOND = 300.0
"""Logarithms of means beyond this are of means that do not exist."""
LARGEST_SHARE = 0.05
"""Nor does a mean of which one node carries more than this: where the tail of a standard deviation
is that of a power, exp of what it leaves free has no moments, and a sum over nodes is that of the
farthest. On six data sets of rates and ratios nodes carried up to .04 of what was right to .02 sds
and .08 to 1 of what was not (an sd of 9e4 of a rate whose interval ends at 5)."""


@dataclass(frozen=True, slots=True, eq=False)
class SomeRatios:
    """Probabilities from logits, and some ratios of odds from their logarithms.

    Parameters
    ----------
    ratios : ndarray of bool, shape (R,)
        Which are ratios.
    """

    ratios: Bools
    lower: float = 0.0

    @property
    def upper(self) -> Any:
        """1 for probabilities; shape (R,)."""
        return np.where(self.ratios, math.inf, 1.0)

    def value(self, u: Floats) -> Floats:
        """Map the link to values."""
        return np.where(self.ratios, POSITIVE.value(u), PROBABILITY.value(u))

    def log_slope(self, u: Floats) -> Floats:
        """Logarithm of d value / du."""
        return np.where(self.ratios, POSITIVE.log_slope(u), PROBABILITY.log_slope(u))

    def coordinate(self, x: Floats) -> Floats:
        """Map values to the link."""
        return np.where(self.ratios, POSITIVE.coordinate(x), PROBABILITY.coordinate(x))


POSITIVE, PROBABILITY = Axis(), Axis(0.0, 1.0)  # log and logit


def axis_of(link: Link) -> Axis:
    """Probabilities, or rates, from their links."""
    return POSITIVE if link is LOG else PROBABILITY


def on_response_scale(inner: Mixture, link: Link, every: int) -> Mapped:
    """Probabilities or rates whose links are mixtures of normals.

    Parameters
    ----------
    inner : Mixture
        On the link scale.
    link : Link
    every : int
        Every so many-th is a probability or rate, from the first; the others are ratios of odds
        or rates. 0: all are ratios.
    """
    place = np.arange(math.prod(inner.shape))
    ratios = place % every != 0 if every else place >= 0
    axis: Coordinate = POSITIVE if ratios.all() else axis_of(link)
    if link is not LOG and ratios.any() and not ratios.all():
        axis = SomeRatios(ratios.reshape(inner.shape))
    return Mapped(inner, axis, partial(_mean_and_sd, inner, link, ratios), inner.shape)


def _mean_and_sd(inner: Mixture, link: Link, ratios: Bools) -> tuple[Floats, Floats]:
    out = np.empty((2, len(ratios)))  # mean, and mean square
    step = max(1, 2**20 // len(inner.weight))
    for i in range(0, len(ratios), step):
        part = slice(i, min(i + step, len(ratios)))
        if link is LOG or ratios[part].all():
            out[:, part] = _exponentials(inner, part)
            continue
        out[:, part] = _bounded(inner, link, part)
        if ratios[part].any():
            out[:, part][:, ratios[part]] = _exponentials(inner, part)[:, ratios[part]]
    first, second = out.reshape(2, *inner.shape)
    # of exp of a power's tail no moment exists, if not the second then not the first
    first = np.where(np.isfinite(second), first, math.inf)
    square = np.where(np.isfinite(second), first, 0.0) ** 2
    return np.asarray(first), np.asarray(np.sqrt(np.maximum(second - square, 0.0)))


def _bounded(inner: Mixture, link: Link, part: slice) -> Floats:
    """Means and mean squares of probabilities."""
    loc, scale = inner.rows(part)
    loc, weight = loc + inner.shift, inner.weight
    widest = float(scale.max(initial=0.0))
    z, w = np.polynomial.hermite_e.hermegauss(next(n for s, n in NODES_BY_WIDTH if widest <= s))
    out = np.zeros((2, loc.shape[1]))
    for x, share in zip(z, w / w.sum(), strict=True):
        value = link.natural(loc + x * scale)
        out[0] += share * (weight @ value)
        np.multiply(value, value, out=value)
        out[1] += share * (weight @ value)
    return out


def _exponentials(inner: Mixture, part: slice) -> Floats:
    """Means and mean squares of rates, or ratios."""
    if isinstance(inner, Skewed):
        of = inner.cumulants(part)
        weight, log_means = inner.share, log_mean_exp(of.loc + inner.shift, of.scale, of.skew)
    else:
        loc, scale = inner.rows(part)
        weight, each = inner.weight, loc + inner.shift
        # E exp(X) and E exp(2 X) of a normal
        log_means = np.stack([each + 0.5 * scale**2, 2.0 * (each + scale**2)])
    return np.stack([_sum_of_exp(log_mean, weight) for log_mean in log_means])


def _sum_of_exp(log_mean: Floats, weight: Floats) -> Floats:
    """Means over components of which each has this mean; infinite where there is none."""
    # cut where the answer is infinite anyway
    terms = weight[:, None] * np.exp(np.minimum(log_mean, 2.0 * NO_MEAN_BEYOND))
    total = terms.sum(axis=0)
    none = total > math.exp(NO_MEAN_BEYOND)
    if weight.max() < 0.5 * LARGEST_SHARE:  # else one carries as much whatever the tail
        none |= terms.max(axis=0) > LARGEST_SHARE * total
    return np.where(none, math.inf, total)
