"""Independent draws from the joint posterior of a model of counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Nested, sinc
from partialpool.kernels.families import LOGIT, Link
from partialpool.models import CountsModel
from partialpool.posterior.draws import OneWayDraws, invert
from partialpool.records import CountStatistics

CELLS_AT_ONCE = 2**18
"""Elements of arrays worked on at once (2 MiB)."""
INTERPOLATED = 8
"""Places between two nodes at which the distribution function of mu is computed; it is straight
between them. Of four rates, one without an event, single draws are off by 0.01 sd at most, with 4
by 0.03, with 16 by 0.001."""
MOST_REJECTIONS = 200
"""Rejections after which a draw is made by inversion. Four to nine of ten proposals are accepted,
so that this serves where rounding alone decides; draws stay right with 0 (a test holds this)."""
INVERSION_POINTS = 4001
"""Points of the grid of an inversion: some hundred to an sd."""
ENVELOPE_FALL = 40.0
"""The grid ends where the tails of the envelope have fallen by exp of this."""
MODE_STEPS = 200
"""Steps to a mode, at most: halving alone takes 60 from a bracket of thousands to all digits."""


def draw(
    model: CountsModel,
    nodes: Nested,
    statistics: CountStatistics,
    size: int,
    rng: np.random.Generator,
) -> OneWayDraws:
    """Draw tau from its continuous marginal, mu given tau, then every theta given both."""
    tau, mu = population(nodes, size, rng)
    theta = np.empty((size, statistics.n_groups))
    each = _conjugate if model.conjugate else _normal
    step = max(1, CELLS_AT_ONCE // statistics.n_groups)
    for i in range(0, size, step):
        part = slice(i, i + step)
        theta[part] = each(model, statistics, mu[part, None], tau[part, None], rng)
    return OneWayDraws(mu=mu, tau=tau, sigma=None, theta=theta, groups=statistics.labels)


def population(nodes: Nested, size: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw tau and mu, each shape (S,).

    Given tau, mu is drawn by inverting its distribution function, in conditional sds; between
    lines this and the lines' centers and scales, which change slowly, are interpolated.
    """
    few = nodes.cut(1e-13)
    line, marginal = few.line, few.marginal
    tau = invert(line, marginal[None, :] / marginal.sum(), rng.random(size))
    at = (line.position(line.axis.coordinate(tau)) - line.t[0]) / line.step
    at = np.clip(at, 0.0, len(marginal) - 1.0)
    left = np.minimum(at.astype(np.intp), max(len(marginal) - 2, 0))
    right, share = np.minimum(left + 1, len(marginal) - 1), at - left
    width = few.inner.shape[1]
    fine = np.arange(INTERPOLATED * (width - 1) + 1) / INTERPOLATED
    weight = few.weight / marginal[:, None]
    # distribution function of mu on every line, by the sinc series
    below = weight @ sinc.cumulative(fine - np.arange(width)[:, None])  # (T, F)
    below = np.clip(np.maximum.accumulate(below, axis=1), 0.0, 1.0)
    middle = few.inner[:, width // 2]
    mu = np.empty(size)
    p = rng.random(size)
    step = max(1, CELLS_AT_ONCE // len(fine))
    for i in range(0, size, step):
        part = slice(i, i + step)
        s = share[part, None]
        # between two lines: in conditional sds they have nearly the same shape
        mixed = (1.0 - s) * below[left[part]] + s * below[right[part]]
        high = np.clip((mixed < p[part, None]).sum(axis=1), 1, len(fine) - 1)
        rows = np.arange(len(high))
        low_p, high_p = mixed[rows, high - 1], mixed[rows, high]
        within = (p[part] - low_p) / np.maximum(high_p - low_p, 1e-300)
        z = nodes.step * ((high - 1 + np.clip(within, 0.0, 1.0)) / INTERPOLATED - 0.5 * (width - 1))
        mu[part] = z
    center = (1.0 - share) * middle[left] + share * middle[right]
    scale = (1.0 - share) * few.scale[left] + share * few.scale[right]
    return tau, center + scale * mu


def draw_new(
    model: CountsModel, mu: Floats, tau: Floats, groups: int, rng: np.random.Generator
) -> Floats:
    """Draw theta of groups that are not in the data, (S, groups); mu and tau are (S, 1)."""
    if not model.conjugate:
        return mu + tau * rng.standard_normal((len(mu), groups))
    nothing = np.zeros(groups)
    return _beta_or_gamma(model.link, nothing, nothing, mu, tau, rng)


def _conjugate(
    model: CountsModel, s: CountStatistics, mu: Floats, tau: Floats, rng: np.random.Generator
) -> Floats:
    """Draw theta from its closed form; mu and tau have shape (S, 1)."""
    return _beta_or_gamma(model.link, s.y, s.size, mu, tau, rng)


def _beta_or_gamma(
    link: Link, y: Floats, size: Floats, mu: Floats, tau: Floats, rng: np.random.Generator
) -> Floats:
    """Draw theta of groups with these events and sizes."""
    f = tau**-2
    if link is LOGIT:
        m = link.natural(mu)
        # logit of a beta variable is the difference of logarithms of two gamma variables
        return _log_gamma(y + f * m, rng) - _log_gamma(size - y + f * (1.0 - m), rng)
    with np.errstate(divide="ignore"):  # of groups without exposure
        log_size = np.log(size)
    # rate of the gamma: size + f / m
    return _log_gamma(y + f, rng) - np.logaddexp(log_size, np.log(f) - mu)


def _log_gamma(shape: Floats, rng: np.random.Generator) -> Floats:
    """Logarithms of gamma variables, also where these are too small for a floating-point number.

    A Gamma(a) variable is a Gamma(a + 1) variable times U^(1/a), U uniform (Marsaglia and Tsang
    2000, doi:10.1145/358407.358414): with a = 1/1000 it is often below 1e-300.
    """
    smaller = np.log1p(-rng.random(shape.shape)) / shape
    return np.asarray(np.log(rng.gamma(shape + 1.0)) + smaller)


@dataclass(frozen=True, slots=True, eq=False)
class _Conditional:
    """Log-concave densities of theta given mu and tau, relative to their values at the modes.

    Differences are taken about the mode, where counts in millions leave them all their digits.
    Every array has shape (M,), one element a group and draw.
    """

    link: Link
    size: Floats
    precision: Floats
    mode: Floats
    pull: Floats

    def log_density(self, step: Floats, at: slice | Ints = slice(None)) -> Floats:
        """Logarithm of the density at mode + step over that at the mode."""
        data = self.size[at] * self.link.cumulant_step(self.mode[at], step)
        return np.asarray(step * (self.pull[at] - 0.5 * self.precision[at] * step) - data)

    def slope(self, step: Floats) -> Floats:
        """Derivative of the log density at mode + step."""
        expected = self.size * self.link.natural(self.mode + step)
        return np.asarray(self.pull - self.precision * step - expected)


@dataclass(frozen=True, slots=True, eq=False)
class _Envelope:
    """A density above one of `_Conditional`: flat about the mode, exponential tails.

    It ends in `left` and `right` (distances from the mode), where it begins to rise and fall
    with the logarithmic slopes `rise` and `fall`.
    """

    left: Floats
    right: Floats
    rise: Floats
    fall: Floats

    def draw(self, at: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draws for the elements `at`, and the log of the envelope there."""
        left, right, rise, fall = (v[at] for v in (self.left, self.right, self.rise, self.fall))
        before, flat = 1.0 / rise, right - left
        # areas of the three pieces: 1 / slope of an exponential tail of height one
        u = rng.random(len(at)) * (before + flat + 1.0 / fall)
        tail = -np.log1p(-rng.random(len(at)))
        in_left, in_right = u < before, u > before + flat
        step = left + (u - before)
        # an exponential variable over the slope
        step = np.where(in_left, left - tail / rise, step)
        step = np.where(in_right, right + tail / fall, step)
        return step, np.where(in_left | in_right, -tail, 0.0)


def _normal(
    model: CountsModel, s: CountStatistics, mu: Floats, tau: Floats, rng: np.random.Generator
) -> Floats:
    """Draw theta from normal populations; mu and tau have shape (S, 1)."""
    return draw_of_normal(model.link, s.y, s.size, mu, tau, rng)


def draw_of_normal(
    link: Link, all_y: Floats, all_sizes: Floats, mu: Floats, tau: Floats, rng: np.random.Generator
) -> Floats:
    """Draw theta by rejection below the tangents of its log-concave density; exact.

    mu and tau broadcast to (S, J), events and sizes are (J,).

    The envelope is flat around the mode and falls along the tangents one and a half sds to
    either side of it. Source: Gilks and Wild (1992), doi:10.2307/2347565, without adaptation.
    """
    shape, columns = (len(mu), len(all_y)), (all_y, all_sizes, mu, tau**-2)
    y, size, mu, precision = (np.broadcast_to(v, shape).ravel() for v in columns)
    mode = _modes(link, y, size, mu, precision)
    pull = y - precision * (mode - mu)
    target = _Conditional(link, size, precision, mode, pull)
    sd = 1.0 / np.sqrt(precision + size * link.slope(mode))
    return (mode + _rejection(target, _envelope(target, 1.5 * sd), rng)).reshape(shape)


def _envelope(target: _Conditional, side: Floats) -> _Envelope:
    """The tangents at `side` to the left and to the right of the modes, cut at their height."""
    rise, fall = target.slope(-side), -target.slope(side)
    return _Envelope(
        # where the tangent reaches the height of the mode, log density 0
        left=-side - target.log_density(-side) / rise,
        right=side + target.log_density(side) / fall,
        rise=rise,
        fall=fall,
    )


def _rejection(
    target: _Conditional,
    envelope: _Envelope,
    rng: np.random.Generator,
    rounds: int = MOST_REJECTIONS,
) -> Floats:
    """One draw of each density, as a distance from its mode."""
    out = np.empty(len(target.mode))
    todo = np.arange(len(out))
    for _ in range(rounds):
        if not len(todo):
            return out
        step, height = envelope.draw(todo, rng)
        # log of a uniform number in (0, 1]: never log(0)
        accepted = np.log1p(-rng.random(len(todo))) < target.log_density(step, todo) - height
        out[todo[accepted]] = step[accepted]
        todo = todo[~accepted]
    for part in np.array_split(todo, 1 + len(todo) * INVERSION_POINTS // CELLS_AT_ONCE):
        out[part] = _inverted(target, envelope, part, rng)
    return out


def _inverted(
    target: _Conditional, envelope: _Envelope, at: Ints, rng: np.random.Generator
) -> Floats:
    """Draws by inverting the distribution function on a grid as wide as the envelope."""
    low = envelope.left[at] - ENVELOPE_FALL / envelope.rise[at]
    high = envelope.right[at] + ENVELOPE_FALL / envelope.fall[at]
    share = np.linspace(0.0, 1.0, INVERSION_POINTS)
    step = low[:, None] + (high - low)[:, None] * share
    density = np.exp(target.log_density(step, at[:, None]))
    below = np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]), axis=1)
    p = rng.random(len(at)) * below[:, -1]
    right = np.minimum((below < p[:, None]).sum(axis=1), INVERSION_POINTS - 2)
    rows = np.arange(len(at))
    before = np.where(right > 0, below[rows, right - 1], 0.0)
    within = (p - before) / np.maximum(below[rows, right] - before, 1e-300)
    return np.asarray(low + (high - low) * (right + within) / (INVERSION_POINTS - 1))


def _modes(link: Link, y: Floats, size: Floats, mu: Floats, precision: Floats) -> Floats:
    """Modes of theta given everything else, by Newton's method kept inside a bracket.

    Where a step is more than half of the last one the bracket is halved instead: far above the
    mode of a rate Newton's steps are of length one, and from below they jump far above it.
    """
    low, high = _bracket(link, y, size, mu, precision)
    theta, last = np.clip(mu, low, high), high - low
    for _ in range(MODE_STEPS):
        slope = y - size * link.natural(theta) - precision * (theta - mu)
        low, high = np.where(slope > 0, theta, low), np.where(slope < 0, theta, high)
        curvature = precision + size * link.slope(theta)
        move = slope / curvature
        far = np.abs(move) > 1e-6 / np.sqrt(curvature)
        new = theta + move
        # outside of the bracket, or not converging twice as fast as halving
        poor = (new <= low) | (new >= high) | (np.abs(move) > 0.5 * last)
        new = np.where(poor & far, 0.5 * (low + high), new)
        last = np.abs(new - theta)
        theta = new
        if not far.any():
            break
    return theta


def _bracket(
    link: Link, y: Floats, size: Floats, mu: Floats, precision: Floats
) -> tuple[Floats, Floats]:
    """Bounds of the modes: between mu and what the counts alone say, where that is finite.

    Else, since a rate and a probability are at most e^theta and a probability at least
    1 - e^-theta, the prior's slope at min(mu - 1, log(precision / size)), or its mirror image,
    outweighs that of the likelihood.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = link.linked(y / size)
        limit = np.log(precision / size)
    finite = np.isfinite(alone)
    low = np.where(finite, np.minimum(mu, alone), np.minimum(mu - 1.0, limit))
    high = np.where(finite, np.maximum(mu, alone), np.maximum(mu + 1.0, -limit))
    return np.where(alone < mu, low, mu), np.where(alone > mu, high, mu)
