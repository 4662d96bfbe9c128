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
from functools import cache

import numpy as np

from partialpool._normal import LOG_2PI
from partialpool._typing import Bools, Floats
from partialpool.kernels.families import LOGIT, Link
from partialpool.kernels.mesh import Mesh, mesh

TRAPEZOID_STEP = 0.885
"""Trapezoid step over the sd of a normal integrand at which the error is 2e-11: at 1.1 and 1.4
results move by 1e-9 and 2e-6 sd."""
SPECTRUM_INFORMATION = 6.0
"""Information added when the step is chosen: a skewed likelihood has a wider spectrum: without it
results move by 2e-7 sd, with twice as much by 1e-12."""
MANY_NODES = 2000
"""Nodes of a mesh above which another one is tried."""
NARROWEST_SUM = 1.0 / 23.0
"""Width of a sum of kernels over a line of mu, over the distance from the middle at which it still
matters: lines reach 8 sds of mu, kernels 8 of theirs, and are 0.54 sds of mu wide."""
NORMAL_REACH = 9.0
"""Normal densities are followed to this many sds (4e-19 of the density at the mode): at 6 results
move by 3e-13 sd."""
FLAT_LIKELIHOOD, SHARP_LIKELIHOOD = 0.5, 4.0
"""tau times root information: below, the likelihood is flat over the prior; above, sharp in it."""
NEARLY_NORMAL_FROM = 30.0
"""Likelihoods with more information than this are nearly normal, so that nodes can be laid over
each by itself; it decides on time only."""
LOWEST_EXPONENT = -330.0
"""Exponents from which on zero is taken: exp(-330) is 5e-144, whose square still is a normal
floating-point number; numbers below are slow to work with."""
FARTHEST_TAU = 1e6
"""Beyond this tau the likelihood is that at this one, mu in proportion: a pair strictly inside its
range goes like 1/tau, one at an end is constant."""
HERMITE_NODES = {0.05: 8, FLAT_LIKELIHOOD: 16}
"""Gauss-Hermite nodes up to such values of tau times root information: 8 and 16 leave 2e-15 of the
log likelihood of 6 or 20 trials."""
RESOLVED_MASS = 1e-6
"""Nodes resolve a prior if it sums to one over them but for this; where they do, to 1e-10."""
CELLS_AT_ONCE = 2**19
"""Elements of the arrays worked on at once, 4 MiB each."""


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

    @property
    def inside(self) -> Bools:
        """Pairs strictly inside their range: not at 0, and not all of their trials; (K,)."""
        full = (self.y == self.size) & (self.link is LOGIT)
        return np.asarray((self.y > 0) & ~full)

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
    # tau and mu are both shortened: where the prior is flat over the likelihood, only mu / tau
    # counts
    shorter = np.minimum(1.0, FARTHEST_TAU / tau)
    mu, tau = mu * shorter[:, None], tau * shorter
    for part in bands(pairs.information):
        band = pairs.at(part)
        # of the sharpest pair of the band, for which nodes must be closest
        sharpness = tau * math.sqrt(float(band.information[-1]) + SPECTRUM_INFORMATION)
        flat = sharpness <= FLAT_LIKELIHOOD
        sharp = ~flat & (sharpness > SHARP_LIKELIHOOD) & (band.information[0] >= NEARLY_NORMAL_FROM)
        above = 0.0
        for limit, size in HERMITE_NODES.items():
            if (some := (sharpness > above) & (sharpness <= limit)).any():
                out[part, some] = _flat(band, mu[some], tau[some], size)
            above = limit
        if sharp.any():
            out[part, sharp] = _sharp(band, mu[sharp], tau[sharp])
        for lines in _octaves(tau, ~flat & ~sharp):
            out[part, lines] = _shared(band, mu[lines], tau[lines])
    # the density of theta at the likelihood is 1/tau times something: what was shortened is given
    # back
    out[pairs.information > 0] += np.log(shorter)[:, None]
    return out


def bands(information: Floats) -> Iterator[slice]:
    """Slices of pairs whose information is alike, within a factor of four where there is much."""
    band = np.maximum(
        np.ceil(np.log2(np.maximum(information, 1e-9) / NEARLY_NORMAL_FROM) / 2.0), 0.0
    )
    starts = np.concatenate([[0], np.flatnonzero(np.diff(band)) + 1, [len(band)]])
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        yield slice(first, last)


def _octaves(tau: Floats, wanted: Bools) -> Iterator[Bools]:
    """Masks of the lines whose tau is alike, within a factor of two; all above 4 together."""
    # nodes are shared by a mask's lines, so that one fine line does not make nodes of a wide one
    # fine
    octave = np.minimum(np.floor(np.log2(tau)), 2.0)
    for value in np.unique(octave[wanted]):
        yield wanted & (octave == value)


def _flat(pairs: Pairs, mu: Floats, tau: Floats, size: int) -> Floats:
    """Gauss-Hermite about mu: the likelihood is smooth over the whole prior."""
    z, weight = _hermite(size)
    shape = (len(pairs), *mu.shape)
    mu, tau = mu.ravel(), np.broadcast_to(tau[:, None], mu.shape).ravel()
    out = np.empty((len(pairs), len(mu)))
    step = max(1, CELLS_AT_ONCE // (size * len(pairs)))
    for i in range(0, len(mu), step):
        part = slice(i, i + step)
        theta = (mu[part, None] + tau[part, None] * z).ravel()
        log_lik = pairs.log_likelihood(pairs.link.first(theta), pairs.link.second(theta))
        log_lik = log_lik.reshape(len(pairs), -1, size)
        # taken off before exp: far from the likelihood all values underflow
        top = log_lik.max(axis=2)
        log_lik -= top[:, :, None]
        out[:, part] = np.log(np.exp(log_lik, out=log_lik) @ weight) + top
    return out.reshape(shape)


@cache
def _hermite(size: int) -> tuple[Floats, Floats]:
    """Nodes and weights of the normal distribution."""
    z, weight = np.polynomial.hermite_e.hermegauss(size)
    return z, weight / weight.sum()


def _sharp(pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
    """Nodes of each pair's own, over its likelihood: the prior is smooth there."""
    sd = 1.0 / np.sqrt(pairs.information)
    reach = 11.5  # in sds: 36 below the maximum on the longer side, from 30 events on
    ratio = math.sqrt(
        1.0 + (SPECTRUM_INFORMATION + float(tau.min()) ** -2) / float(pairs.information[0])
    )
    half = math.ceil(reach * ratio / TRAPEZOID_STEP)
    # finite: pairs with information are strictly inside their range
    mode = pairs.link.mode(pairs.y, pairs.size)
    offset = sd[:, None] * (np.arange(-half, half + 1) * (reach / half))  # (K, I)
    theta = mode[:, None] + offset
    log_lik = pairs.log_likelihood(pairs.link.first(theta), pairs.link.second(theta))
    # the step of the rule, which differs from pair to pair
    log_lik += np.log(sd * (reach / half))[:, None]
    shape = (len(pairs), *mu.shape)
    mu, tau = mu.ravel(), np.broadcast_to(tau[:, None], mu.shape).ravel()
    out = np.empty((len(pairs), len(mu)))
    step = max(1, CELLS_AT_ONCE // offset.size)
    rows = max(1, CELLS_AT_ONCE // (offset.shape[1] * step))
    for k in range(0, len(pairs), rows):
        some = slice(k, k + rows)
        part_lik, d = log_lik[some, None, :], offset[some, None, :]
        for i in range(0, len(mu), step):
            part = slice(i, i + step)
            gap = mode[some, None] - mu[part]  # (K, G)
            inverse = tau[part] ** -2
            # (theta - mu)^2 = d^2 + 2 d gap + gap^2; the last does not depend on the node and is
            # taken off below
            exponent = d * (-inverse * gap)[:, :, None]
            exponent -= 0.5 * inverse[:, None] * (d * d)
            exponent += part_lik
            total = np.exp(exponent, out=exponent).sum(axis=2)
            # gap^2 / tau^2 may be in the thousands: outside of exp it loses nothing
            out[some, part] = np.log(total) - 0.5 * inverse * gap**2 - np.log(tau[part])
    return out.reshape(shape) - 0.5 * LOG_2PI


def _shared(pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
    """Nodes shared by all pairs, so that the sums are one product of matrices.

    Far from all likelihoods, where nodes may lie farther apart than a narrow prior is wide, the
    sum over nodes is a comb: above the truth at its teeth, for every group, which would make a
    posterior where there is none. There the likelihood is smooth over the prior.
    """
    nodes = shared_mesh(pairs, mu, tau, tau)
    theta, slope = nodes.theta(nodes.x), nodes.slope(nodes.x)
    shape = (len(pairs), *mu.shape)
    mu, tau = mu.ravel(), np.broadcast_to(tau[:, None], mu.shape).ravel()
    z = (theta[:, None] - mu) / tau  # (I, G)
    with np.errstate(over="ignore"):  # in the tails, where the density is 0
        np.multiply(z, z, out=z)
    z *= -0.5
    prior = exp_or_zero(z)
    prior *= np.expand_dims(slope, -1) / (tau * math.sqrt(2.0 * math.pi))
    # an unresolved prior is told by its own sum over the nodes, which should be one
    combed = np.abs(prior.sum(axis=0) - 1.0) > RESOLVED_MASS
    first, second = pairs.link.first(theta), pairs.link.second(theta)
    out = np.empty((len(pairs), len(mu)))
    step = max(1, CELLS_AT_ONCE // len(theta))
    with np.errstate(divide="ignore"):
        for k in range(0, len(pairs), step):
            some = slice(k, k + step)
            lik = pairs.at(some).log_likelihood(first, second)
            np.log(exp_or_zero(lik) @ prior, out=out[some])
    if combed.any():
        smooth = _flat(pairs, mu[combed, None], tau[combed], HERMITE_NODES[FLAT_LIKELIHOOD])
        out[:, combed] = smooth[:, :, 0]
    return out.reshape(shape)


def exp_or_zero(x: Floats) -> Floats:
    """Exponential in place, exactly 0 below `LOWEST_EXPONENT`: numbers near underflow are slow."""
    np.exp(np.maximum(x, LOWEST_EXPONENT, out=x), out=x)
    # what was cut off becomes exactly zero; others change by less than they round
    x -= math.exp(LOWEST_EXPONENT)
    return x


def shared_mesh(
    pairs: Pairs,
    mu: Floats,
    width: Floats,
    reach: Floats,
    also: tuple[float, float] | None = None,
    finer: float = 1.0,
) -> Mesh:
    """Nodes over the group parameter that serve all pairs at all nodes.

    Parameters
    ----------
    pairs : Pairs
        With information alike.
    mu : ndarray, shape (T, M)
    width, reach : ndarray, shape (T,)
        Narrowest features of the prior on each line, and its sd, or what stands for it in the tail.
    also : tuple of float, optional
        A range to lay even steps in, beside that of the likelihoods.
    finer : float
        How many times as fine as integrals need; values between nodes need about twice.
    """
    low, high = float(width.min()), float(reach.max())
    step = (
        TRAPEZOID_STEP
        # a product of normals has the sum of their precisions: the narrowest product there is
        / math.sqrt(float(pairs.information[-1]) + SPECTRUM_INFORMATION + low**-2)
        / finer
    )
    middle = mu[:, mu.shape[1] // 2]
    v = pairs.sd**2
    # of likelihood (variance v) times prior: its mean lies `pull` of the way to mu, its variance is
    # v (1 - pull), and these are what nodes must reach, far less than both ranges together
    pull = v / (v + high**2)
    spread = NORMAL_REACH * np.sqrt(v * (1.0 - pull))
    drawn_to = (1.0 - pull) * pairs.center
    left = min(
        float((mu[:, 0] - NORMAL_REACH * reach).min()),
        float((drawn_to + pull * middle.min() - spread).min()),
    )
    right = max(
        float((mu[:, -1] + NORMAL_REACH * reach).max()),
        float((drawn_to + pull * middle.max() + spread).max()),
    )
    # even steps where the likelihoods are; beyond, the prior alone is left, and steps may grow
    around = 6.0 * pairs.sd
    start, stop = float((pairs.center - around).min()), float((pairs.center + around).max())
    if also is not None:
        start, stop = min(start, also[0]), max(stop, also[1])
    # no even steps where nothing is reached
    start, stop = max(left, start), min(right, stop)
    if start >= stop:
        return mesh(left, right, left, right, step)
    even = mesh(start, stop, left, right, step)
    if also is None or even.size <= MANY_NODES:
        return even
    # mu is known far better than any group: even steps for it alone, then growing no faster
    # than the likelihoods and the sums over a line allow
    with_data = pairs.sd > 0.0  # 0 where a pair, as that of a new group, has no data
    away = np.abs(pairs.center[with_data] - 0.5 * (also[0] + also[1])) + 4.0 * pairs.sd[with_data]
    narrowest = float((pairs.sd[with_data] / away).min(initial=NARROWEST_SUM))
    grown = mesh(*also, left, right, step, TRAPEZOID_STEP / finer * narrowest)
    return min(even, grown, key=lambda each: each.size)
