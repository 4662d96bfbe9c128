"""The posterior without each group, with predictors and slopes; see `left_out`."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from scipy import special

from partialpool._normal import LOG_2PI, T_OF_EIGHT
from partialpool._typing import Floats, Ints
from partialpool.errors import ArgumentError, DataError, ImproperPosteriorError
from partialpool.integrate import Sample, WeightedNodes
from partialpool.kernels.fixed_effects import Solved, solve
from partialpool.kernels.normal_equations import Level
from partialpool.models.mixed import MixedModel, mixed_model, sd_name
from partialpool.models.mixed_propriety import Orders, check_proper
from partialpool.posterior.generalized import GeneralizedPosterior
from partialpool.posterior.integrated import mixed_posterior
from partialpool.posterior.inverse_chi import root_inverse_chi2_mean
from partialpool.posterior.left_out import CELLS, LeftOutGroups, reweighted
from partialpool.posterior.mixed import MixedPosterior
from partialpool.records import Clusters
from partialpool.records.cross_products import DISPERSION
from partialpool.records.without_group import without_group

NOTHING_LEFT = math.log(1e10)
"""If the determinant of beta's information falls by this factor without a group, the others say
nothing of some coefficient, and what is left of it is rounding."""
LIGHT, MOST_LIGHT = 1e-4, 0.01
"""Nodes of a lattice of less weight than the first (of the heaviest) may hold no more than the
second of the weight without a group, or the others are fitted anew. Sleepstudy with its first
subject moved ever farther: below this, means, sds and log densities are off by 4e-3 at most, at ten
times as much by 0.02 (tests/unit/posterior/test_left_out_mixed.py)."""
NEGLIGIBLE = 1e-12
"""Weight of nodes of a lattice, over the heaviest, that are left out: what they could hold without
a group is far above `MOST_LIGHT`, so that the others are fitted anew."""
LEAST_SHARE, HEAVIEST_POINT = 0.05, 0.1
"""Of points that are sampled: effective share below, and weight of one point above, which too few
are left to say anything without a group."""


# measurements ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """What each of B groups adds to the sums, in the basis of the system.

    Parameters
    ----------
    n, log_weight : ndarray, shape (B,)
        Rows, and the sum of the logarithms of their weights.
    ztz, ztr, whole : ndarray, shape (B, q, q), (B, q, p + 1) and (B, p + 1, p + 1)
        Cross-products of the columns of Z, of these with ``[X y]``, and of ``[X y]``.
    """

    n: Floats
    log_weight: Floats
    ztz: Floats
    ztr: Floats
    whole: Floats

    @staticmethod
    def of(post: MixedPosterior, level: Level, clusters: Clusters) -> _Groups:
        """All groups of the one factor."""
        size, p = clusters.xty.shape
        whole = np.empty((size, p + 1, p + 1))
        whole[:, :p, :p], whole[:, p, p] = clusters.xtx, clusters.yty
        # symmetric
        whole[:, :p, p] = whole[:, p, :p] = clusters.xty
        basis = post.model.system.basis
        n = post.statistics.blocks[0].n.astype(np.float64)
        return _Groups(n, clusters.log_weight, level.ztz, level.ztr, basis.T @ whole @ basis)

    def part(self, at: slice) -> _Groups:
        """Some of the groups."""
        return _Groups(*(getattr(self, f.name)[at] for f in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class _Others:
    """What the others say at C nodes, without each of B groups.

    Parameters
    ----------
    solved : Solved
        Beta, arrays of shape (C, B, ...).
    log_density : ndarray, shape (C, B)
        Of the group's rows; nan where the others say nothing of a coefficient.
    """

    solved: Solved
    log_density: Floats


def mixed_without(post: MixedPosterior, clusters: Clusters | None) -> LeftOutGroups:
    """Leave out each group of the one factor of a linear mixed model.

    Raises
    ------
    ArgumentError
        If there are several factors, the sums within groups are not there, or the others would
        leave no proper posterior.
    """
    level, clusters = _one_factor(post, clusters)
    s, model = post.statistics, post.model
    block = s.blocks[0]
    names = [*s.coefficients, *post.taus, *([] if post.sigma is None else ["sigma"])]
    out = LeftOutGroups.empty(block.factor, block.labels, names)
    groups = _Groups.of(post, level, clusters)
    nodes = _without_negligible(post.weighted)
    squares = model.with_priors(nodes.points, model.reduced(nodes.points).squares)
    step = max(1, CELLS // (len(nodes.weight) * (level.q + model.system.p + 1) ** 2))
    poor: list[int] = []
    for i in range(0, len(block.n), step):
        at = slice(i, min(i + step, len(block.n)))
        some = groups.part(at)
        others = _without(model, nodes.points, squares, some)
        share, log_mean, _ = reweighted(nodes.weight, -others.log_density)
        out.log_density[at] = 0.5 * some.log_weight - log_mean
        out.error[at] = _density_error(nodes, others.log_density)
        _put_moments(model, nodes.points, others.solved, share, some.n, out, at)
        poor += (i + _poor(nodes, share)).tolist()
    for name, order in _orders_without(post, clusters).items():
        out.without_moments(name, order)
    for j in poor:
        _refit(post, clusters, squares, groups, out, j)
    return out


def _without_negligible(nodes: WeightedNodes) -> WeightedNodes:
    """Leave out nodes in far tails, where what a group adds is lost in the rounding of its sums."""
    if isinstance(nodes, Sample):
        return nodes
    used = nodes.weight > NEGLIGIBLE * nodes.weight.max()
    return WeightedNodes(
        nodes.weight[used] / nodes.weight[used].sum(),
        nodes.points[used],
        nodes.carried[used],
        nodes.replicate[used],
        nodes.log_total,
        nodes.error,
        nodes.status,
    )


def _one_factor(post: MixedPosterior, clusters: Clusters | None) -> tuple[Level, Clusters]:
    levels = post.model.system.levels
    if len(levels) > 1:
        factors = " and ".join(dict.fromkeys(b.factor for b in post.statistics.blocks))
        raise ArgumentError(
            f"this fit has several factors ({factors}): the rows of a group of one of them are "
            "part of the sums of the others, and cannot be taken out of these; leave groups out "
            "of a fit with one factor, or fit the rows without a group"
        )
    if clusters is None:
        raise ArgumentError(
            "the sums of predictors within groups are not there (kept statistics have none, nor "
            "have fits with more than 16 coefficients), so no group can be taken out; fit the rows"
        )
    return levels[0], clusters


def _without(model: MixedModel, points: Floats, squares: Floats, of: _Groups) -> _Others:
    """Take each group out of the normal equations, (C, p + 1, p + 1), at every node.

    A group adds ``[X y]'[X y] - A'M^-1 A`` to ``[X y]'V^-1 [X y]`` and ``log |M|`` to ``log |V|``,
    where ``A = L'Z'[X y]`` and ``M = I + L'Z'Z L`` with L the factor of its effects' covariance.
    """
    factor = model.lambdas(points)[0][:, None]  # (C, 1, q, q)
    turned = factor.swapaxes(2, 3)
    lower = np.linalg.cholesky(np.eye(of.ztz.shape[1]) + turned @ of.ztz @ factor)
    half = np.linalg.solve(lower, turned @ of.ztr)
    log_det = 2.0 * np.log(np.einsum("cbkk->cbk", lower)).sum(axis=2)
    every = solve(squares)
    # [X y]'V^-1 [X y] less the group's part of it
    without = squares[:, None] - of.whole + half.swapaxes(2, 3) @ half
    flat = solve(without.reshape(-1, *without.shape[2:]))
    arrays = (getattr(flat, name) for name in Solved.__slots__)
    others = Solved(*(x.reshape(*log_det.shape, *x.shape[1:]) for x in arrays))
    # of log |X'V^-1 X|
    change = every.log_det[:, None] - others.log_det
    out = -0.5 * (log_det + change)
    rest = every.rest[:, None]
    if model.df is None:
        sigma = model.sigma(points)[:, None]
        out -= of.n * (0.5 * LOG_2PI + np.log(sigma)) + 0.5 * (rest - others.rest) / sigma**2
    else:
        out += _log_ratio(model.df, of.n, rest, others.rest)
    return _Others(others, np.where(change < NOTHING_LEFT, out, np.nan))


def _log_ratio(df: float, n: Floats, rest: Floats, others: Floats) -> Floats:
    """What the rows of a group add with sigma integrated out: a ratio of two such integrals."""
    left = df - n
    with np.errstate(divide="ignore", invalid="ignore"):
        out = special.gammaln(0.5 * df) - special.gammaln(0.5 * left) - 0.5 * n * np.log(math.pi)
        out = out - 0.5 * n * np.log(rest) + 0.5 * left * np.log(others / rest)
    return np.where(left > 0, out, np.nan)


def _density_error(nodes: WeightedNodes, log_density: Floats) -> Floats:
    """95% bound on the error of a log density, from the replicates of a sample."""
    if not isinstance(nodes, Sample):
        # the lattice tells its error in sds of what is averaged
        return np.asarray(nodes.error * log_density.std(axis=0))
    inverse = np.exp(-(log_density - log_density.min(axis=0)))
    return np.asarray(nodes.bound(inverse) / (nodes.weight @ inverse))


def _poor(nodes: WeightedNodes, share: Floats) -> Ints:
    """Groups without which the nodes lie where hardly any were laid."""
    if isinstance(nodes, Sample):
        return _few_points(share)
    light = nodes.weight < LIGHT * nodes.weight.max()
    return np.flatnonzero(share[light].sum(axis=0) > MOST_LIGHT)


def _few_points(share: Floats) -> Ints:
    """Groups without which hardly a point has weight."""
    # effective share of the points under the new weights
    effective = 1.0 / (np.square(share).sum(axis=0) * len(share))
    return np.flatnonzero((effective < LEAST_SHARE) | (share.max(axis=0) > HEAVIEST_POINT))


def _put_moments(
    model: MixedModel, points: Floats, others: Solved, share: Floats, n: Floats,
    out: LeftOutGroups, at: slice,
) -> None:  # fmt: skip
    """Means and sds of coefficients, sds between groups and sigma, without each group."""
    first = second = np.ones(len(n))
    sigma = np.broadcast_to(model.sigma(points)[:, None], share.shape)
    unit = np.ones(share.shape)
    if model.df is not None:
        left = model.df - n
        sigma = unit = np.sqrt(others.rest / left)
        first = np.array([root_inverse_chi2_mean(df) for df in left.tolist()])
        second = left / (left - 2.0)
    matrix, constant = model.system.named
    beta = others.beta @ matrix.T + constant  # (C, B, p)
    spread = np.einsum("ki,cbij,kj->cbk", matrix, others.covariance, matrix, optimize=True)
    for k, name in enumerate(model.statistics.coefficients):
        # about a value near all: squares of large coefficients would cost the sd its digits
        about = float(beta[0, 0, k])
        x = beta[..., k] - about
        square = sigma**2 * spread[..., k] * second + x**2
        out.put(at, name, (share * x).sum(axis=0), (share * square).sum(axis=0), about)
    scales = {"sigma": sigma} if "sigma" in out.mean else {}
    for term in model.terms:
        for k, effect in enumerate(term.effects):
            scales[sd_name(term.factor, effect)] = points[:, term.sds.start + k, None] * unit
    for name, x in scales.items():
        out.put(at, name, (share * x).sum(axis=0) * first, (share * x**2).sum(axis=0) * second)


def _orders_without(post: MixedPosterior, clusters: Clusters) -> dict[str, float]:
    """Which moments exist without one group, by parameter.

    Raises
    ------
    ArgumentError
        If the others would leave no proper posterior.
    """
    largest = int(np.argmax(post.statistics.blocks[0].n))
    try:
        others = mixed_model(without_group(post.statistics, clusters, largest), post.priors)
        orders = check_proper(others)
    except ImproperPosteriorError as error:
        raise ArgumentError(f"with one group left out there is no posterior: {error}") from error
    except DataError:  # of this one group: the others say nothing of a coefficient
        return {}
    return _by_name(post, orders)


def _by_name(post: MixedPosterior, orders: Orders) -> dict[str, float]:
    return {
        **dict(zip(post.statistics.coefficients, orders.coefficients, strict=True)),
        **dict(zip(post.taus, orders.sd, strict=True)),
        **({} if post.sigma is None else {"sigma": orders.sigma}),
    }


def _refit(
    post: MixedPosterior, clusters: Clusters, squares: Floats, groups: _Groups,
    out: LeftOutGroups, j: int,
) -> None:  # fmt: skip
    """Fit the others anew: the density of the group is its mean over their nodes."""
    if np.isnan(out.log_density[j]):
        return
    model, others = (
        post.model,
        mixed_posterior(without_group(post.statistics, clusters, j), post.priors, post.accuracy),
    )
    points = others.weighted.points
    squares = model.with_priors(points, model.reduced(points).squares)
    one = groups.part(slice(j, j + 1))
    log_p = _without(model, points, squares, one).log_density[:, 0]
    top = log_p.max()
    out.log_density[j] = top + math.log(others.weighted.weight @ np.exp(log_p - top))
    out.log_density[j] += 0.5 * one.log_weight[0]
    for name, of in others.named().items():
        if name in out.mean:
            out.mean[name][j], out.sd[name][j] = float(of.mean), float(of.sd)
    out.refitted[j] = True


# counts ---------------------------------------------------------------------------------------


def generalized_without(post: GeneralizedPosterior) -> LeftOutGroups:
    """Leave out each group of the factor with most groups, by the weighted points.

    Given a point (the sds, the coefficients and the effects of all other factors) the groups of
    this factor are independent, so that ``p(y_j | y_-j) = 1 / E[1 / p(y_j | point)]``.
    """
    s, model, of = post.statistics, post.model, post.weighted
    level = model.system.levels[0]
    term = level.terms[0]
    block = s.blocks[term]
    named = [*s.coefficients, *post.taus, *([] if post.dispersion is None else [DISPERSION])]
    out = LeftOutGroups.empty(block.factor, block.labels, named)
    points = of.points
    log_p = np.empty((level.size, len(of.weight)))
    log_p[model.place] = of.sampler.by_group(points.phi, points.b)
    share, log_mean, _ = reweighted(of.weight, -log_p.T)
    constants = np.bincount(s.rows.group[term], s.rows.log_constants, level.size)
    out.log_density[:] = constants - log_mean
    matrix, constant = model.system.named
    beta = points.b[:, points.b.shape[1] - len(constant) :] @ matrix.T + constant
    values = dict(zip(s.coefficients, beta.T, strict=True))
    for t in model.terms:
        for k, effect in enumerate(t.effects):
            values[sd_name(t.factor, effect)] = points.phi[:, t.sds.start + k]
    dispersion = model.dispersion(points.phi)
    if dispersion is not None:
        values[DISPERSION] = dispersion
    for name, x in values.items():
        about = float(x[0])
        out.put(slice(None), name, (x - about) @ share, (x - about) ** 2 @ share, about)
    for name, order in _by_name(post, post.orders).items():
        out.without_moments(name, order - 1.0)  # each group adds one to the order of an sd
    # in units of the largest of points with weight: others may hardly allow the group at all
    lowest = log_p.min(axis=1, where=of.weight > 0.0, initial=math.inf)
    inverse = np.exp(np.minimum(lowest[:, None] - log_p, 0.0))
    each = of.by_randomisation @ inverse.T  # (8, J)
    spread = T_OF_EIGHT * each.std(axis=0, ddof=1) / math.sqrt(len(each))
    with np.errstate(invalid="ignore"):  # of a group that no point allows
        out.error[:] = spread / each.mean(axis=0)
    for values_ in (out.log_density, *out.mean.values(), *out.sd.values()):
        values_[_few_points(share)] = np.nan  # too few points are left to say anything
    return out
