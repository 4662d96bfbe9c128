"""Likelihoods of counts given a normal group parameter, integrated over that parameter.

    L_k(mu, tau) = int lik_k(theta) N(theta; mu, tau^2) dtheta

for every distinct pair k of (events, size) and every node (mu, tau). The integrand is analytic,
so the trapezoid rule converges geometrically once its step is below the width of the product of
likelihood and prior; three ways of laying its nodes cover all ratios of the two widths, each
with one exponential an element. Source for the rate: Trefethen and Weideman (2014),
doi:10.1137/130932132.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Bools, Floats
from partialpool.kernels.links import Link

RESOLVED = 0.885
"""Trapezoid step over the sd of a normal integrand at which the error is 2e-11."""
SKEWED = 6.0
"""Information added when the step is chosen: a skewed likelihood has a wider spectrum."""
GROWTH = 0.07
"""Rate at which steps grow beyond the region where likelihoods have features."""
REACH = 9.0
"""Normal densities are followed to this many sds (4e-19 of the density at the mode)."""
FLAT, SHARP = 0.5, 4.0
"""tau times root information: below, the likelihood is flat over the prior; above, sharp in it."""
MOST_EVEN = 250
"""With more even steps they are made to grow."""
BROAD = 30.0
"""Likelihoods with more information than this are nearly normal."""
HERMITE = 16
BLOCK = 2**19
"""Elements of the arrays worked on at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """K distinct pairs of events and size, in rising order of information.

    The log likelihood of theta is ``first * link.first(theta) + second * link.second(theta) -
    best``: 0 at its maximum.

    Parameters
    ----------
    link : Link
        Logit for binomial, log for Poisson counts.
    y, size : ndarray, shape (K,)
        Events, and trials or exposure (positive).
    first, second, best : ndarray, shape (K,)
        As above.
    center, sd : ndarray, shape (K,)
        Where the likelihood is, roughly (link scale).
    information : ndarray, shape (K,)
        Curvature of the log likelihood at its maximum; 0 where it has none.
    """

    link: Link
    y: Floats
    size: Floats
    first: Floats
    second: Floats
    best: Floats
    center: Floats
    sd: Floats
    information: Floats

    def __len__(self) -> int:
        return len(self.y)

    def at(self, part: slice) -> Pairs:
        """Some of the pairs."""
        fields = (getattr(self, f)[part] for f in self.__slots__[1:])
        return Pairs(self.link, *fields)

    def log_likelihood(self, first: Floats, second: Floats) -> Floats:
        """Log likelihood where the link's two functions are given; (K, ...) or (I,) to (K, I)."""
        if first.ndim == 1:
            out = np.multiply.outer(self.first, first)
            out += np.multiply.outer(self.second, second)
            out -= self.best[:, None]
            return out
        return np.asarray(
            self.first[:, None] * first + self.second[:, None] * second - self.best[:, None]
        )


def log_marginals(pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
    """Logarithm of L_k at every node, the likelihood's maximum taken as 1.

    Parameters
    ----------
    pairs : Pairs
        In rising order of information.
    mu : ndarray, shape (T, M)
        Means at each value of tau (link scale).
    tau : ndarray, shape (T,)
        Standard deviations (link scale).

    Returns
    -------
    ndarray, shape (K, T, M)
    """
    out = np.empty((len(pairs), *mu.shape))
    for part in _bands(pairs.information):
        band = pairs.at(part)
        sharpness = tau * math.sqrt(float(band.information[-1]) + SKEWED)
        flat = sharpness <= FLAT
        sharp = ~flat & (sharpness > SHARP) & (band.information[0] >= BROAD)
        if flat.any():
            out[part, flat] = _flat(band, mu[flat], tau[flat])
        if sharp.any():
            out[part, sharp] = _sharp(band, mu[sharp], tau[sharp])
        for lines in _octaves(tau, ~flat & ~sharp):
            out[part, lines] = _shared(band, mu[lines], tau[lines])
    return out


def _bands(information: Floats) -> Iterator[slice]:
    """Slices of pairs whose information is alike, within a factor of four where there is much."""
    band = np.maximum(np.ceil(np.log2(np.maximum(information, 1e-9) / BROAD) / 2.0), 0.0)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(band)) + 1, [len(band)]])
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        yield slice(first, last)


def _octaves(tau: Floats, wanted: Bools) -> Iterator[Bools]:
    """Masks of the lines whose tau is alike, within a factor of two; all above 4 together."""
    octave = np.minimum(np.floor(np.log2(tau)), 2.0)
    for value in np.unique(octave[wanted]):
        yield wanted & (octave == value)


def _flat(pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
    """Gauss-Hermite about mu: the likelihood is smooth over the whole prior."""
    z, weight = np.polynomial.hermite_e.hermegauss(HERMITE)
    weight = weight / weight.sum()
    shape = (len(pairs), *mu.shape)
    mu, tau = mu.ravel(), np.broadcast_to(tau[:, None], mu.shape).ravel()
    out = np.empty((len(pairs), len(mu)))
    step = max(1, BLOCK // (HERMITE * len(pairs)))
    for i in range(0, len(mu), step):
        part = slice(i, i + step)
        theta = (mu[part, None] + tau[part, None] * z).ravel()
        log_lik = pairs.log_likelihood(pairs.link.first(theta), pairs.link.second(theta))
        log_lik = log_lik.reshape(len(pairs), -1, HERMITE)
        top = log_lik.max(axis=2)
        log_lik -= top[:, :, None]
        out[:, part] = np.log(np.exp(log_lik, out=log_lik) @ weight) + top
    return out.reshape(shape)


def _sharp(pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
    """Nodes of each pair's own, over its likelihood: the prior is smooth there."""
    sd = 1.0 / np.sqrt(pairs.information)
    reach = 11.5  # in sds: 36 below the maximum on the longer side, from 30 events on
    ratio = math.sqrt(1.0 + (SKEWED + float(tau.min()) ** -2) / float(pairs.information[0]))
    half = math.ceil(reach * ratio / RESOLVED)
    mode = pairs.link.mode(pairs.y, pairs.size)
    offset = sd[:, None] * (np.arange(-half, half + 1) * (reach / half))  # (K, I)
    theta = mode[:, None] + offset
    log_lik = pairs.log_likelihood(pairs.link.first(theta), pairs.link.second(theta))
    log_lik += np.log(sd * (reach / half))[:, None]
    shape = (len(pairs), *mu.shape)
    mu, tau = mu.ravel(), np.broadcast_to(tau[:, None], mu.shape).ravel()
    out = np.empty((len(pairs), len(mu)))
    step = max(1, BLOCK // offset.size)
    rows = max(1, BLOCK // (offset.shape[1] * step))
    for k in range(0, len(pairs), rows):
        some = slice(k, k + rows)
        part_lik, d = log_lik[some, None, :], offset[some, None, :]
        for i in range(0, len(mu), step):
            part = slice(i, i + step)
            gap = mode[some, None] - mu[part]  # (K, G)
            inverse = tau[part] ** -2
            exponent = d * (-inverse * gap)[:, :, None]
            exponent -= 0.5 * inverse[:, None] * (d * d)
            exponent += part_lik
            total = np.exp(exponent, out=exponent).sum(axis=2)
            out[some, part] = np.log(total) - 0.5 * inverse * gap**2 - np.log(tau[part])
    return out.reshape(shape) - 0.5 * math.log(2.0 * math.pi)


def _shared(pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
    """Nodes shared by all pairs, so that the sums are one product of matrices."""
    theta, slope = _shared_nodes(pairs, mu, tau)
    shape = (len(pairs), *mu.shape)
    mu, tau = mu.ravel(), np.broadcast_to(tau[:, None], mu.shape).ravel()
    z = (theta[:, None] - mu) / tau  # (I, G)
    np.multiply(z, z, out=z)
    z *= -0.5
    prior = np.exp(z, out=z)
    prior *= slope[:, None] / (tau * math.sqrt(2.0 * math.pi))
    first, second = pairs.link.first(theta), pairs.link.second(theta)
    out = np.empty((len(pairs), len(mu)))
    step = max(1, BLOCK // len(theta))
    with np.errstate(divide="ignore"):
        for k in range(0, len(pairs), step):
            some = slice(k, k + step)
            lik = pairs.at(some).log_likelihood(first, second)
            np.log(np.exp(lik, out=lik) @ prior, out=out[some])
    return out.reshape(shape)


def _shared_nodes(pairs: Pairs, mu: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """Positions and slopes: even where likelihoods have features, ever wider steps beyond."""
    low, high = float(tau.min()), float(tau.max())
    step = RESOLVED / math.sqrt(float(pairs.information[-1]) + SKEWED + low**-2)
    middle = mu[:, mu.shape[1] // 2]
    v = pairs.sd**2
    ends = []
    for m in (float(middle.min()), float(middle.max())):
        pull = v / (v + high**2)
        ends.append((1.0 - pull) * pairs.center + pull * m)
    spread = REACH * np.sqrt(v * (1.0 - v / (v + high**2)))
    left = min(float((mu.min(axis=1) - REACH * tau).min()), float((ends[0] - spread).min()))
    right = max(float((mu.max(axis=1) + REACH * tau).max()), float((ends[1] + spread).max()))
    around = 6.0 * pairs.sd
    start = max(left, float((pairs.center - around).min()))
    stop = min(right, float((pairs.center + around).max()))
    if start >= stop:
        start, stop = left, right
    return growing_nodes(start, stop, left, right, step)


def growing_nodes(
    start: float, stop: float, left: float, right: float, step: float
) -> tuple[Floats, Floats]:
    """Nodes of the trapezoid rule from left to right, at most `step` apart from start to stop.

    Where even steps would be too many, they grow outward of start and stop:

        theta(x) = c + h x + (h / g) (exp(g (x - X)) - exp(-g (x + X)))

    an entire function of the even grid x, so that the rule keeps its rate. Returns positions
    and slopes d theta / dx.
    """
    if right - left <= MOST_EVEN * step:
        theta = np.arange(left, right + step, step)
        return theta, np.full_like(theta, step)
    h = step / 1.2  # growth adds a sixth of a step at start and stop
    half = 0.5 * (stop - start) / h + 1.8 / GROWTH
    before = math.log1p(max(start - left, 0.0) * GROWTH / h) / GROWTH
    after = math.log1p(max(right - stop, 0.0) * GROWTH / h) / GROWTH
    x = np.arange(math.floor(-half - before) - 1, math.ceil(half + after) + 2, dtype=np.float64)
    up, down = np.exp(GROWTH * (x - half)), np.exp(-GROWTH * (x + half))
    theta = 0.5 * (start + stop) + h * (x + (up - down) / GROWTH)
    return theta, h * (1.0 + up + down)
