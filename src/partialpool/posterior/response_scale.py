"""Probabilities and rates whose links are mixtures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels.families import LOG, Link
from partialpool.kernels.skewed import log_mean_exp
from partialpool.posterior.distributions import Distribution, Mixture
from partialpool.posterior.skewed import Skewed

HERMITE = ((0.5, 5), (1.0, 7), (2.0, 13), (4.0, 25), (math.inf, 61))
"""Nodes with which means of probabilities are taken over normals no wider than this: right to 3e-4
up to a width of 2, and to 2e-3 beyond."""
UNBOUNDED = 300.0
"""Logarithms of means beyond this are of means that do not exist."""


@dataclass(frozen=True, eq=False, repr=False)
class Natural(Distribution):
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

    inner: Mixture
    link: Link
    every: int

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.inner.shape

    @property
    def mean(self) -> Floats:
        return np.asarray(self._moments[0])

    @property
    def sd(self) -> Floats:
        first, second = self._moments
        square = np.where(np.isfinite(second), first, 0.0) ** 2
        return np.asarray(np.sqrt(np.maximum(second - square, 0.0)))

    @cached_property
    def _moments(self) -> Floats:
        """Mean and mean square, (2, *shape)."""
        size = math.prod(self.shape)
        out = np.empty((2, size))
        step = max(1, 2**20 // len(self.inner.weight))
        for i in range(0, size, step):
            part = slice(i, min(i + step, size))
            ratios = self._ratios(part)
            if self.link is LOG or ratios.all():
                out[:, part] = self._exponentials(part)
                continue
            out[:, part] = self._bounded(part)
            if ratios.any():
                out[:, part][:, ratios] = self._exponentials(part)[:, ratios]
        return out.reshape(2, *self.shape)

    def _bounded(self, part: slice) -> Floats:
        loc, scale = self.inner.rows(part)
        loc, weight = loc + self.inner.shift, self.inner.weight
        widest = float(scale.max(initial=0.0))
        z, w = np.polynomial.hermite_e.hermegauss(next(n for s, n in HERMITE if widest <= s))
        out = np.zeros((2, loc.shape[1]))
        for x, share in zip(z, w / w.sum(), strict=True):
            value = self.link.natural(loc + x * scale)
            out[0] += share * (weight @ value)
            np.multiply(value, value, out=value)
            out[1] += share * (weight @ value)
        return out

    def _exponentials(self, part: slice) -> Floats:
        return np.stack([self._exponential(part, power) for power in (1, 2)])

    def _exponential(self, part: slice, power: int) -> Floats:
        inner = self.inner
        if isinstance(inner, Skewed):
            of = inner.cumulants(part)
            assert of.skew is not None
            loc, weight = of.loc + inner.shift, inner.share
            log_mean = log_mean_exp(power * loc, power * of.scale, of.skew)
        else:
            loc, scale = inner.rows(part)
            weight = inner.weight
            log_mean = power * (loc + inner.shift) + 0.5 * (power * scale) ** 2
        total = weight @ np.exp(np.minimum(log_mean, 2.0 * UNBOUNDED))
        return np.where(total > math.exp(UNBOUNDED), math.inf, total)

    def _ratios(self, part: slice) -> Floats:
        """Which of some elements are ratios."""
        at = np.arange(part.start, part.stop)
        return np.asarray(at % self.every != 0 if self.every else at >= 0)

    def _links(self) -> Floats:
        return self._ratios(slice(0, math.prod(self.shape))).reshape(self.shape)

    def _ends(self) -> tuple[float, float]:
        return (0.0, math.inf if self.every == 0 or self.link is LOG else 1.0)

    def _quantiles(self, p: Floats) -> Floats:
        return self._of(self.inner._quantiles(p))

    def _of(self, theta: Floats) -> Floats:
        ratios = LOG.natural(theta)
        return np.where(self._links(), ratios, self.link.natural(theta))

    def _to(self, x: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            inside = np.where(self._links(), np.log(x), self.link.linked(x))
        return np.asarray(inside)

    def _cdf(self, x: Floats) -> Floats:
        theta = self._to(x)
        inside = self.inner._cdf(np.clip(np.nan_to_num(theta, nan=0.0), -700.0, 700.0))
        inside = np.where(np.isneginf(theta) | (x <= 0), 0.0, inside)
        return np.where(np.isposinf(theta) | (np.isnan(theta) & (x > 0)), 1.0, inside)

    def _density(self, x: Floats) -> Floats:
        theta = self._to(x)
        usable = np.isfinite(theta)
        at = np.where(usable, theta, 0.0)
        slope = np.where(self._links(), LOG.slope(at), self.link.slope(at))
        return np.where(usable, self.inner._density(at) / np.maximum(slope, 1e-300), 0.0)
