"""The probability that a group lies above a value, or above the average of its population."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
from scipy import special

from partialpool._typing import Floats
from partialpool.errors import ArgumentError
from partialpool.kernels.families import LOGIT, Link
from partialpool.models import CountsModel
from partialpool.posterior.counts import CountsPosterior
from partialpool.posterior.population import PopulationPosterior
from partialpool.posterior.posterior import Posterior
from partialpool.posterior.ranks import SEED

Above = float | Literal["average"]
LEGENDRE_POINTS = 24
"""Gauss-Legendre points on either side of the population's middle: probabilities to 1e-9."""
MODE_STEPS, LONGEST_STEP = 40, 3.0
"""Newton steps, none longer than this: the log densities are concave, and modes lie within 100 of
mu where a node has any weight."""
NEAR_SDS, REACH_SDS = 3.0, 9.0
"""Conditional sds from the mode of the middle piece, and of all that is covered."""
NEGLIGIBLE = 1e-9
"""Share of the heaviest node below which nodes are left out: probabilities move by no more than
their number times this."""
DRAWS = 40_000
"""Draws behind what has no closed form: probabilities are good to 0.005."""
CELLS_AT_ONCE = 2**21
"""Groups times nodes times points worked on at once (16 MiB an array)."""


def probability_above(
    post: Posterior, above: Above, factor: str | None = None, *, term: str | None = None
) -> Floats:
    """P(theta_j > value) of every group; (J,).

    Exact from the posterior, but for the average of counts of a population that is not normal.

    Parameters
    ----------
    post : Posterior
    above : float or "average"
        A value in units of the outcome (probabilities or rates of counts), or the middle of the
        population the group is from: then the probability that its deviation is positive, what
        predictors and other factors say of it left aside.
    factor, term : str, optional
        As of `Posterior.groups`.

    Raises
    ------
    ArgumentError
        If `above` is neither.
    """
    if isinstance(above, str):
        if above != "average":
            raise ArgumentError(f'above is a number or "average"; received "{above}"')
        return post._values.above_average(post._term(factor, term))
    if isinstance(above, bool) or not np.isfinite(above):
        raise ArgumentError(f'above is a number or "average"; received {above!r}')
    return post.groups(factor, term=term).probability(above=float(above))


def drawn_above_average(post: PopulationPosterior) -> Floats:
    """P(theta_j > mu) of counts of a population that is not normal, from draws of a fixed seed."""
    size = max(1, CELLS_AT_ONCE // post.statistics.n_groups)
    rng, above = np.random.default_rng(SEED), np.zeros(post.statistics.n_groups)
    for i in range(0, DRAWS, size):
        drawn = post.draws(min(size, DRAWS - i), rng)
        # each draw has a mu of its own: the two go together
        above += (drawn.theta > drawn.mu[:, None]).sum(axis=0)
    return above / DRAWS


def counts_above_average(post: CountsPosterior) -> Floats:
    """P(link(p or rate) > mu) of each group: at each node, then over the nodes."""
    model, nodes = post.model, post.nodes
    line, place = np.nonzero(nodes.weight > NEGLIGIBLE * nodes.weight.max())
    mu, tau = nodes.inner[line, place], nodes.outer[line]
    weight = nodes.weight[line, place] / nodes.weight[line, place].sum()
    pairs = model.pairs
    # a group without trials or exposure is as a new one: above the middle as often as below
    out = np.full(len(pairs) + 1, 0.5)
    if model.conjugate:
        out[-1] = float(weight @ _conjugate_above(np.zeros(1), np.zeros(1), mu, tau, model)[0])
    step = max(1, CELLS_AT_ONCE // (len(mu) * 2 * LEGENDRE_POINTS))
    given = _conjugate_above if model.conjugate else _normal_above
    for i in range(0, len(pairs), step):
        part = slice(i, i + step)
        out[:-1][part] = given(pairs.y[part], pairs.size[part], mu, tau, model) @ weight
    return out[model.member]


def _conjugate_above(
    y: Floats, size: Floats, mu: Floats, tau: Floats, model: CountsModel
) -> Floats:
    """Beta and gamma groups, whose mean is m; (K, nodes)."""
    link = model.link
    f, m = tau**-2.0, link.natural(mu)
    if link is LOGIT:
        a, b = m * f + y[:, None], (1.0 - m) * f + (size - y)[:, None]
        # P(p_j > m) of the beta posterior, the complement from its own tail
        p = special.betaincc(a, b, np.broadcast_to(m, a.shape))
        # SciPy has no value where f is past 1e15 or so: the density is then a normal one
        mean, total = a / (a + b), a + b
        sd = np.sqrt(np.maximum(mean * (1.0 - mean) / (total + 1.0), 1e-300))
        return np.asarray(np.where(np.isnan(p), special.ndtr((mean - m) / sd), p))
    # rate_j has rate f / m + size: at m the argument is f + size m
    return np.asarray(special.gammaincc(f + y[:, None], f + size[:, None] * m))


def _normal_above(y: Floats, size: Floats, mu: Floats, tau: Floats, model: CountsModel) -> Floats:
    """Groups normal on the link scale: quadrature on either side of mu; (K, nodes)."""
    theta, sd = _modes(y[:, None], size[:, None], mu, tau, model.link)
    u, w = np.polynomial.legendre.leggauss(LEGENDRE_POINTS)
    middle = np.broadcast_to(mu, theta.shape)
    # both sides have a piece, also where nearly all of the density is on one
    cuts = [np.minimum(theta - REACH_SDS * sd, middle - sd), middle]
    cuts += [np.maximum(theta + REACH_SDS * sd, middle + sd)]
    inner = [theta - NEAR_SDS * sd, theta + NEAR_SDS * sd]  # so that a sharp density is met
    log_parts: list[list[Floats]] = []
    for low, high in itertools.pairwise(cuts):
        ends = [low, *(np.clip(each, low, high) for each in inner), high]
        log_parts.append([])
        for a, b in itertools.pairwise(ends):
            half = 0.5 * (b - a)
            at = (a + half)[..., None] + half[..., None] * u
            log_density = y[:, None, None] * at - size[:, None, None] * model.link.cumulant(at)
            log_density -= 0.5 * ((at - mu[:, None]) / tau[:, None]) ** 2
            # a piece that was clipped to nothing has no length, and adds nothing
            log_density += np.log(w) + np.log(np.maximum(half, 1e-300))[..., None]
            log_parts[-1].append(special.logsumexp(log_density, axis=-1))
    below, above = (special.logsumexp(parts, axis=0) for parts in log_parts)
    # above / (above + below), from logarithms: neither side needs a normalising constant
    return np.asarray(special.expit(above - below))


def _modes(y: Floats, size: Floats, mu: Floats, tau: Floats, link: Link) -> tuple[Floats, Floats]:
    """Mode of each group's density at each node, and sd there, by Newton's method; (K, nodes)."""
    theta = np.broadcast_to(mu, (len(y), len(mu))).copy()
    for _ in range(MODE_STEPS):
        mean, slope = link.slopes(theta)
        step = (y - size * mean - (theta - mu) / tau**2) / (size * slope + tau**-2.0)
        theta += np.clip(step, -LONGEST_STEP, LONGEST_STEP)
    return theta, (size * link.slopes(theta)[1] + tau**-2.0) ** -0.5
