"""Counts whose group parameters have the conjugate distribution: closed forms at every node.

    beta-binomial: p_j ~ Beta(m f, (1 - m) f),            m = 1 / (1 + exp(-mu))
    gamma-Poisson: rate_j ~ Gamma(shape f, rate f / m),   m = exp(mu)

with f = 1 / tau^2 prior trials (or events): tau = 0 is complete pooling.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.kernels.counts import CELLS_AT_ONCE, Pairs
from partialpool.kernels.families import LOGIT

STIRLING_FROM = 20.0
"""From here on five terms of Stirling's series are exact to rounding."""


def log_marginals(pairs: Pairs, mu: Floats, tau: Floats) -> Floats:
    """Logarithm of the likelihood of each pair at every node; as `counts.log_marginals`."""
    shape = (len(pairs), *mu.shape)
    # f: the number of prior trials or events, infinite at complete pooling
    prior = tau**-2.0
    f = np.broadcast_to(prior[:, None], mu.shape).ravel()
    out = np.empty((len(pairs), f.size))
    step = max(1, CELLS_AT_ONCE // f.size)
    form = _beta if pairs.link is LOGIT else _gamma
    for k in range(0, len(pairs), step):
        part = pairs.at(slice(k, k + step))
        out[k : k + step] = form(part, mu.ravel(), f) - part.best[:, None]
    return out.reshape(shape)


def _beta(pairs: Pairs, mu: Floats, f: Floats) -> Floats:
    y, miss = pairs.y[:, None], (pairs.size - pairs.y)[:, None]
    a, b = f * special.expit(mu), f * special.expit(-mu)
    # Gamma(f) Gamma(a + y) Gamma(b + miss) / (Gamma(a) Gamma(b) Gamma(f + n)) with the powers a^y
    # b^miss / f^n taken out, which are those of p and 1 - p at m: what is left tends to 0 as f
    # grows
    out = y * LOGIT.second(mu) + miss * LOGIT.first(mu)
    return np.asarray(out + rising(a, y) + rising(b, miss) - rising(f, y + miss))


def _gamma(pairs: Pairs, mu: Floats, f: Floats) -> Floats:
    y, size = pairs.y[:, None], pairs.size[:, None]
    log_f, log_size = np.log(f), np.log(size)
    t = log_size + (mu - log_f)  # log of mean over shape; mu may be in the thousands, or far more
    # log(1 + e^t) = max(t, 0) + near, for any t
    near = np.log1p(np.exp(-np.abs(t)))
    # y mu, less y max(t, 0), whose terms in mu cancel exactly where t > 0
    head = np.where(t < 0, y * mu, y * (log_f - log_size))
    return np.asarray(head + rising(f, y) - y * near - f * (np.maximum(t, 0.0) + near))


def rising(a: Floats, y: Floats) -> Floats:
    """Log Gamma(a + y) - log Gamma(a) - y log(a), no digits lost for large a; shapes broadcast."""
    a, y = np.broadcast_arrays(a, y)
    if a.min() >= STIRLING_FROM:
        total = a + y
        # Stirling's formula of both, with log(a + y) - log(a) as one log1p; the terms in a log(a)
        # are gone
        return np.asarray((total - 0.5) * np.log1p(y / a) - y + _series(total) - _series(a))
    out = np.empty(a.shape)
    large = a >= STIRLING_FROM
    big, more = a[large], y[large]
    total = big + more
    out[large] = (total - 0.5) * np.log1p(more / big) - more + _series(total) - _series(big)
    small, few = a[~large], y[~large]
    # shapes that underflow to zero (m of an extreme mu): log Gamma would be infinite twice over
    small = np.maximum(small, 1e-300)
    gap = special.gammaln(small + few) - special.gammaln(small) - few * np.log(small)
    # exactly 0 for no events, also where both gammas are huge
    out[~large] = np.where(few > 0, gap, 0.0)
    return out


def _series(x: Floats) -> Floats:
    """Stirling's series of log Gamma beyond its elementary part."""
    r = 1.0 / (x * x)
    return np.asarray((1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / x)


def link_moments(link_is_logit: bool, mu: Floats, tau: Floats) -> tuple[Floats, Floats]:
    """Mean and sd of a group parameter on the link scale; shapes broadcast."""
    f = np.broadcast_to(tau**-2.0, mu.shape)
    if link_is_logit:
        a, b = f * special.expit(mu), f * special.expit(-mu)
        # E log p - E log(1 - p) = digamma(a) - digamma(b), and log a - log b = mu
        mean = _log_mean(a) - _log_mean(b) + mu
        return mean, np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))
    return mu + _log_mean(f), np.sqrt(special.polygamma(1, f))


def _log_mean(a: Floats) -> Floats:
    """E log X - log E X of a gamma variable of shape a; no digits lost for large a."""
    far = np.maximum(a, STIRLING_FROM)
    r = 1.0 / far
    # digamma(a) - log(a) = -1/(2a) - 1/(12 a^2) + 1/(120 a^4) - 1/(252 a^6), Abramowitz and Stegun
    # 6.3.18
    series = -r * (1 / 2 + r * (1 / 12 - r * r * (1 / 120 - r * r / 252)))
    return np.where(a < STIRLING_FROM, special.digamma(a) - np.log(a), series)


def log_prior(link_is_logit: bool, theta: Floats, mu: Floats, tau: Floats) -> Floats:
    """Log density of a group parameter on the link scale; shapes broadcast."""
    f = tau**-2.0
    if link_is_logit:
        a, b = f * special.expit(mu), f * special.expit(-mu)
        # p^a (1 - p)^b: the powers of a beta density are one less, and dp / dtheta = p (1 - p)
        out = a * LOGIT.second(theta) + b * LOGIT.first(theta)
        return np.asarray(out - special.betaln(a, b))
    gap = theta - mu
    with np.errstate(over="ignore"):
        out = np.exp(gap)
        out -= gap
        out *= -f
    # f (gap - e^gap) + f log f - log Gamma(f): the density of log rate depends on theta - mu only
    out += f * np.log(f) - special.gammaln(f)
    return np.asarray(out)
