"""Linear combinations of coefficients and groups' effects: everything a mixed model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.kernels.nested_factors import Functional
from partialpool.models import MixedModel
from partialpool.posterior.distributions import Mixture

CELLS_HELD = 2**23
"""Elements of what is computed once and kept; more is computed again whenever needed."""


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """K weighted nodes and, given each, beta.

    Parameters
    ----------
    weight : ndarray, shape (K,)
    points : ndarray, shape (K, d)
        phi.
    scale : ndarray, shape (K,)
        Of sigma.
    beta : ndarray, shape (K, p)
        Mean in the basis of the system.
    covariance : ndarray, shape (K, p, p)
        Over scale squared.
    df : float
        Degrees of freedom; infinite for normal.
    """

    weight: Floats
    points: Floats
    scale: Floats
    beta: Floats
    covariance: Floats
    df: float

    @staticmethod
    def read(weight: Floats, points: Floats, carried: Floats, p: int, df: float) -> Nodes:
        """From what `MixedModel.evaluate` carries along."""
        spread = carried[:, 1 + p : 1 + p + p * p].reshape(len(carried), p, p)
        return Nodes(weight, points, carried[:, 0], carried[:, 1 : 1 + p], spread, df)

    def chosen(self, index: Ints, weight: Floats) -> Nodes:
        """Some of the nodes, with new weights."""
        points, scale, beta = self.points[index], self.scale[index], self.beta[index]
        return Nodes(weight, points, scale, beta, self.covariance[index], self.df)

    def of_beta(self, x: Floats) -> tuple[Floats, Floats]:
        """Location and scale of x beta, x (R, p) in the basis; (K, R) each."""
        loc = self.beta @ x.T
        spread = np.einsum("ri,kij,rj->kr", x, self.covariance, x, optimize=True)
        return loc, self.scale[:, None] * np.sqrt(np.maximum(spread, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """R linear combinations ``constant + x beta + sum_i z_i b_i[index_i]`` in the kernels' terms.

    Parameters
    ----------
    constant : ndarray, shape (R,)
    x : ndarray, shape (R, p)
        In the basis of the system.
    index : tuple of ndarray of int, shape (R,)
        Group of each level; -1 new, -2 none.
    z : tuple of ndarray, shape (R, q)
        Weights on each level's effects, for the columns as shifted.
    noise : ndarray, shape (R,)
        Variance of an independent error, over sigma^2.
    """

    constant: Floats
    x: Floats
    index: tuple[Ints, ...]
    z: tuple[Floats, ...]
    noise: Floats

    def part(self, at: slice | Ints) -> Rows:
        return Rows(
            self.constant[at],
            self.x[at],
            tuple(i[at] for i in self.index),
            tuple(z[at] for z in self.z),
            self.noise[at],
        )

    @staticmethod
    def joined(parts: Sequence[Rows]) -> Rows:
        """The rows of all parts."""
        return Rows(
            np.concatenate([p.constant for p in parts]),
            np.concatenate([p.x for p in parts]),
            tuple(map(np.concatenate, zip(*(p.index for p in parts), strict=True))),
            tuple(map(np.concatenate, zip(*(p.z for p in parts), strict=True))),
            np.concatenate([p.noise for p in parts]),
        )


def functional(model: MixedModel, nodes: Nodes, rows: Rows) -> Functional:
    """The rows given beta at each node."""
    return model.functional(nodes.points, rows.index, rows.z, rows.x)


def located(nodes: Nodes, rows: Rows, given_beta: Functional) -> tuple[Floats, Floats]:
    """Location and scale of the rows at each node, beta integrated out; (K, R) each."""
    loc = rows.constant + given_beta.constant + np.einsum("krp,kp->kr", given_beta.x, nodes.beta)
    spread = (np.matmul(given_beta.x, nodes.covariance) * given_beta.x).sum(axis=2)
    variance = np.maximum(spread + given_beta.variance, 0.0) + rows.noise
    return loc, nodes.scale[:, None] * np.sqrt(variance)


def held(nodes: Nodes, rows: Rows, given_beta: Functional, order: Floats | float) -> Mixture:
    """Distribution of rows whose values given beta are at hand; see `mixture`."""
    loc, scale = _components(nodes, rows, given_beta)

    def compute(part: slice) -> tuple[Floats, Floats]:
        return loc[:, part], scale[:, part]

    return Mixture((len(rows.constant),), compute, nodes.weight, nodes.df, 0.0, order)


def mixture(model: MixedModel, nodes: Nodes, rows: Rows, order: Floats | float) -> Mixture:
    """Distribution of every row; moments of an order below `order` exist."""
    size = len(rows.constant)

    if size * len(nodes.weight) * (model.system.p + 2) <= CELLS_HELD:
        return held(nodes, rows, functional(model, nodes, rows), order)

    def compute(part: slice) -> tuple[Floats, Floats]:
        here = rows.part(part)
        return _components(nodes, here, functional(model, nodes, here))

    return Mixture((size,), compute, nodes.weight, nodes.df, 0.0, order)


def _components(nodes: Nodes, rows: Rows, given_beta: Functional) -> tuple[Floats, Floats]:
    """As `located`, of which no scale is zero: a component may be a point."""
    loc, scale = located(nodes, rows, given_beta)
    return loc, np.maximum(scale, 1e-100)
