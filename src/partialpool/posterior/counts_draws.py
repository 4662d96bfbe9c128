"""Independent draws from the joint posterior of a model of counts."""

from __future__ import annotations

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.data import CountStatistics
from partialpool.integrate import Nested, sinc
from partialpool.kernels.links import LOGIT, Link
from partialpool.models import CountsModel
from partialpool.posterior.draws import Draws, invert

BLOCK = 2**18
FINER = 8


def draw(
    model: CountsModel,
    nodes: Nested,
    statistics: CountStatistics,
    size: int,
    rng: np.random.Generator,
) -> Draws:
    """Draw tau from its continuous marginal, mu given tau, then every theta given both."""
    tau, mu = _population(nodes, size, rng)
    theta = np.empty((size, statistics.n_groups))
    each = _conjugate if model.conjugate else _normal
    step = max(1, BLOCK // statistics.n_groups)
    for i in range(0, size, step):
        part = slice(i, i + step)
        theta[part] = each(model, statistics, mu[part, None], tau[part, None], rng)
    return Draws(mu=mu, tau=tau, sigma=None, theta=theta, groups=statistics.labels)


def _population(nodes: Nested, size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw tau and mu, each shape (S,).

    Given tau, mu is drawn by inverting its distribution function, in conditional sds; between
    lines this and the lines' centers and scales, which change slowly, are interpolated.
    """
    few = nodes.cut(1e-13)
    line, marginal = few.line, few.marginal
    tau = invert(line, marginal[None, :] / marginal.sum(), rng.random(size))
    at = (line.position(line.axis.coordinate(tau)) - line.t[0]) / line.step
    at = np.clip(at, 0.0, len(marginal) - 1.0)
    left = np.minimum(at.astype(np.int64), max(len(marginal) - 2, 0))
    right, share = np.minimum(left + 1, len(marginal) - 1), at - left
    width = few.inner.shape[1]
    fine = np.arange(FINER * (width - 1) + 1) / FINER
    weight = few.weight / marginal[:, None]
    below = weight @ sinc.cumulative(fine - np.arange(width)[:, None])  # (T, F)
    below = np.clip(np.maximum.accumulate(below, axis=1), 0.0, 1.0)
    middle = few.inner[:, width // 2]
    mu = np.empty(size)
    p = rng.random(size)
    step = max(1, BLOCK // len(fine))
    for i in range(0, size, step):
        part = slice(i, i + step)
        s = share[part, None]
        mixed = (1.0 - s) * below[left[part]] + s * below[right[part]]
        high = np.clip((mixed < p[part, None]).sum(axis=1), 1, len(fine) - 1)
        rows = np.arange(len(high))
        low_p, high_p = mixed[rows, high - 1], mixed[rows, high]
        within = (p[part] - low_p) / np.maximum(high_p - low_p, 1e-300)
        z = nodes.step * ((high - 1 + np.clip(within, 0.0, 1.0)) / FINER - 0.5 * (width - 1))
        mu[part] = z
    center = (1.0 - share) * middle[left] + share * middle[right]
    scale = (1.0 - share) * few.scale[left] + share * few.scale[right]
    return tau, center + scale * mu


def _conjugate(
    model: CountsModel, s: CountStatistics, mu: Floats, tau: Floats, rng: np.random.Generator
) -> Floats:
    """Draw theta from its closed form; mu and tau have shape (S, 1)."""
    f = tau**-2
    if model.link is LOGIT:
        m = model.link.natural(mu)
        hit = rng.gamma(s.y + f * m)
        miss = rng.gamma(s.size - s.y + f * (1.0 - m))
        tiny = np.finfo(np.float64).tiny
        return np.asarray(np.log(np.maximum(hit, tiny)) - np.log(np.maximum(miss, tiny)))
    rate = rng.gamma(s.y + f) / (s.size + f * np.exp(-mu))
    return np.log(np.maximum(rate, np.finfo(np.float64).tiny))


def _normal(
    model: CountsModel, s: CountStatistics, mu: Floats, tau: Floats, rng: np.random.Generator
) -> Floats:
    """Draw theta by rejection below the tangents of its log-concave density; exact.

    The envelope is flat around the mode and falls along the tangents one and a half sds to
    either side of it. Source: Gilks and Wild (1992), doi:10.2307/2347565, without adaptation.
    """
    link = model.link
    first, second = (np.broadcast_to(v, (len(mu), len(s.y))).ravel()
                     for v in link.factors(s.y, s.size))  # fmt: skip
    size = np.broadcast_to(s.size, (len(mu), len(s.y))).ravel()
    y = np.broadcast_to(s.y, (len(mu), len(s.y))).ravel()
    shape = (len(mu), len(s.y))
    mu, precision = (np.broadcast_to(v, shape).ravel() for v in (mu, tau**-2))

    def log_f(theta: Floats, at: slice | Ints = slice(None)) -> Floats:
        prior = -0.5 * precision[at] * (theta - mu[at]) ** 2
        return np.asarray(first[at] * link.first(theta) + second[at] * link.second(theta) + prior)

    def slope(theta: Floats) -> Floats:
        return np.asarray(y - size * link.natural(theta) - precision * (theta - mu))

    mode = _modes(link, y, size, mu, precision)
    sd = 1.0 / np.sqrt(precision + size * link.slope(mode))
    top = log_f(mode)
    left, right = mode - 1.5 * sd, mode + 1.5 * sd
    rise, fall = np.maximum(slope(left), 1e-300), np.maximum(-slope(right), 1e-300)
    a = left + (top - log_f(left)) / rise  # where the tangents reach the height of the mode
    b = right - (top - log_f(right)) / fall
    areas = np.stack([1.0 / rise, b - a, 1.0 / fall])
    total = areas.sum(axis=0)
    out = np.empty(len(mode))
    todo = np.arange(len(mode))
    while len(todo):
        u = rng.random(len(todo)) * total[todo]
        tail = -np.log1p(-rng.random(len(todo)))
        in_left, in_right = u < areas[0, todo], u > areas[0, todo] + areas[1, todo]
        theta = a[todo] + (u - areas[0, todo])
        theta = np.where(in_left, a[todo] - tail / rise[todo], theta)
        theta = np.where(in_right, b[todo] + tail / fall[todo], theta)
        envelope = np.where(in_left | in_right, top[todo] - tail, top[todo])
        accepted = np.log(rng.random(len(todo))) < log_f(theta, todo) - envelope
        out[todo[accepted]] = theta[accepted]
        todo = todo[~accepted]
    return out.reshape(shape)


def _modes(link: Link, y: Floats, size: Floats, mu: Floats, precision: Floats) -> Floats:
    """Modes of theta given everything else, by Newton's method kept inside a bracket."""
    variance = 1.0 / precision
    low = mu - variance * np.maximum(size * link.natural(mu) - y, 0.0)
    high = mu + variance * np.maximum(y - size * link.natural(mu), 0.0)
    theta = mu
    for _ in range(100):
        slope = y - size * link.natural(theta) - precision * (theta - mu)
        low, high = np.where(slope > 0, theta, low), np.where(slope < 0, theta, high)
        move = slope / (precision + size * link.slope(theta))
        new = theta + move
        new = np.where((new > low) & (new < high), new, 0.5 * (low + high))
        done = np.abs(new - theta) <= 1e-6 / np.sqrt(precision)
        theta = new
        if done.all():
            break
    return theta
