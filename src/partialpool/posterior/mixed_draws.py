"""Independent draws from the joint posterior of a mixed model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Lattice, WeightedNodes
from partialpool.models import MixedModel
from partialpool.models.mixed import sd_name
from partialpool.posterior.lattice_draws import BOUNDED_SHARE
from partialpool.records.cross_products import Block


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MixedDraws:
    """Independent draws from a posterior.

    Parameters
    ----------
    coefficients : ndarray, shape (S, p)
    tau : dict of ndarray, shape (S,)
        Standard deviations between groups, by name such as ``tau[county, floor]``.
    rho : dict of ndarray, shape (S,)
        Correlations, by name such as ``rho[county, Intercept, floor]``.
    sigma : ndarray, shape (S,)
        1 where standard errors are given.
    effects : tuple of ndarray, shape (S, L, q)
        Deviations of each term's groups.
    dispersion : ndarray, shape (S,), optional
        Of counts that vary more than Poisson or binomial ones.
    """

    coefficients: Floats
    tau: dict[str, Floats]
    rho: dict[str, Floats]
    sigma: Floats
    effects: tuple[Floats, ...]
    dispersion: Floats | None = None

    def __repr__(self) -> str:
        groups = sum(e.shape[1] for e in self.effects)
        return f"MixedDraws({len(self.sigma):,} draws; effects of {groups:,} groups)"


def draw_mixed(
    model: MixedModel, lattice: WeightedNodes, size: int, rng: np.random.Generator
) -> MixedDraws:
    """Draw phi from its continuous distribution, then sigma, beta, and the groups' effects."""
    points, carried = _hyperparameters(model, lattice, size, rng)
    p = model.system.p
    factor = np.ones(size)
    if model.df is not None:
        factor = np.sqrt(model.df / rng.chisquare(model.df, size))
    scale = carried[:, 0] * factor  # sigma
    spread = carried[:, 1 + p : 1 + p + p * p].reshape(len(carried), p, p)
    root = np.linalg.cholesky(spread)
    # beta given phi and sigma is normal
    step = np.einsum("sij,sj->si", root, rng.standard_normal((size, p)))
    beta = carried[:, 1 : 1 + p] + scale[:, None] * step
    shifted = model.draw_groups(points, beta, scale, rng)
    return as_named(model, points, beta, scale, shifted)


def as_named(
    model: MixedModel, points: Floats, beta: Floats, scale: Floats, shifted: list[Floats]
) -> MixedDraws:
    """Draws of phi, beta in the basis, sigma and the levels' effects to those of the terms."""
    matrix, offset = model.system.named
    tau, rho = _spreads(model, model.factors(points), scale)
    return MixedDraws(beta @ matrix.T + offset, tau, rho, scale, _effects(model, shifted))


def _effects(model: MixedModel, shifted: list[Floats]) -> tuple[Floats, ...]:
    """Effects of the levels' columns as shifted to those of the terms as named; (S, L, q)."""
    by_term: dict[int, Floats] = {}
    for level, values in zip(model.system.levels, shifted, strict=True):
        for term, at in zip(level.terms, level.columns, strict=True):
            effects = values[:, :, at].copy()
            # the shift of the intercept itself is 0
            effects[:, :, 0] -= effects @ model.system.shifts[term]
            by_term[term] = effects
    return tuple(by_term[t] for t in range(len(by_term)))


def _spreads(
    model: MixedModel, factors: list[Floats], sigma: Floats
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    tau, rho = {}, {}
    for term, factor in zip(model.terms, factors, strict=True):
        size = np.sqrt(np.square(factor).sum(axis=2))
        for k, effect in enumerate(term.effects):
            tau[sd_name(term.factor, effect)] = sigma * size[:, k]
        if term.partial is None:
            continue
        for i in range(len(term.effects)):
            for k in range(i):
                name = f"rho[{term.factor}, {term.effects[k]}, {term.effects[i]}]"
                product = (factor[:, i] * factor[:, k]).sum(axis=1)
                rho[name] = product / np.maximum(size[:, i] * size[:, k], 1e-300)
    return tau, rho


def new_effects(drawn: MixedDraws, block: Block, groups: int, rng: np.random.Generator) -> Floats:
    """Draws of the effects of groups of a term that are not in the data; (S, groups, q)."""
    names, size = block.effects, len(drawn.sigma)
    z = rng.standard_normal((size, groups, len(names)))
    sds = np.stack([drawn.tau[sd_name(block.factor, name)] for name in names], axis=1)
    if block.correlated and len(names) > 1:
        correlation = np.tile(np.eye(len(names)), (size, 1, 1))
        for i in range(len(names)):
            for k in range(i):
                rho = drawn.rho[f"rho[{block.factor}, {names[k]}, {names[i]}]"]
                correlation[:, i, k] = correlation[:, k, i] = rho
        # a correlation of one, to rounding, must still have a factor
        correlation += 1e-10 * np.eye(len(names))
        z = z @ np.linalg.cholesky(correlation).transpose(0, 2, 1)
    return np.asarray(z * sds[:, None])


def _hyperparameters(
    model: MixedModel, lattice: WeightedNodes, size: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw phi, with what its evaluation carries along.

    Of a sample its own points, in proportion to their weights. Of a lattice, proposals are uniform
    within the cells about the nodes of one grid; they are accepted in proportion to the density
    there over that at the node, so that draws follow the density.
    """
    if not isinstance(lattice, Lattice) or len(lattice.weight) == 1:
        chosen = rng.choice(len(lattice.weight), size=size, p=lattice.weight)
        return lattice.points[chosen], lattice.carried[chosen]
    nodes = np.flatnonzero(lattice.replicate == 0)
    weight = lattice.weight[nodes] / lattice.weight[nodes].sum()
    log_node = np.log(np.maximum(weight, 1e-300))
    points, carried, accepted = [], [], 0
    highest = math.nan
    while accepted < size:
        chosen = rng.choice(len(nodes), size=max(size, 1000), p=weight)
        at, log_f, extra = _near(model, lattice, nodes[chosen], rng)
        # the cells' densities about the nodes', and so draws follow the density and not the steps
        # of the grid
        ratio = log_f - log_node[chosen]
        if math.isnan(highest):
            highest = float(np.quantile(ratio, BOUNDED_SHARE))
        accepted_here = ratio - highest >= np.log(rng.random(len(ratio)))
        points.append(at[accepted_here])
        carried.append(extra[accepted_here])
        accepted += int(accepted_here.sum())
    return np.concatenate(points)[:size], np.concatenate(carried)[:size]


def _near(
    model: MixedModel, lattice: Lattice, nodes: Ints, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Points uniform within the cells of nodes, with log densities in the grid's coordinate."""
    columns = []
    slope = np.zeros(len(nodes))
    for i, line in enumerate(lattice.lines):
        cell = 2.0 * line.step  # of one of the two grids
        t = line.t[lattice.place[nodes, i]] + cell * (rng.random(len(nodes)) - 0.5)
        u = line.center + line.scale * np.sinh(t)
        columns.append(line.axis.value(u))
        slope += line.axis.log_slope(u) + np.log(line.scale * np.cosh(t))
    points = np.stack(columns, axis=1)
    with np.errstate(all="ignore"):
        log_f, carried = model.evaluate(points)
    log_f = np.where(np.isfinite(log_f), log_f, -np.inf)
    return points, log_f + slope - lattice.log_total, carried
