"""Independent draws from a density on a lattice, without computing the density anew.

Proposals are uniform within the cells about the nodes, each as wide as the steps of its own grid,
and accepted in proportion to the density there over that at the node. Between the nodes the
logarithm of the density is that at the node plus the change of a polynomial fitted to all nodes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Lattice

FIT_DEGREE = 4
"""Of the polynomial: quantiles of draws of tau, sigma and omega then differ from the tables by no
more than 40,000 draws do (0.01 sd); with 2 by 0.03 (`test_draws_are_of_the_tables`). Of what
populations that are not normal learn, too; with 6 no closer (`test_draws_and_tables_...`)."""
LIGHTEST_WEIGHT = 1e-4
"""Weight of the lightest nodes in the fit, over that of the heaviest: they keep it in bounds."""
BOUNDED_SHARE = 0.998
"""Share of the proposals to which the bound on the ratio of densities applies."""


@dataclass(frozen=True, slots=True, eq=False)
class LatticeDraws:
    """Draws on a lattice of d dimensions.

    Parameters
    ----------
    points : ndarray, shape (S, d)
    values : ndarray, shape (S, m)
        The smooth functions, interpolated.
    node : ndarray of int, shape (S,)
        The nodes about which points were drawn.
    """

    points: Floats
    values: Floats
    node: Ints


def log_density_at_nodes(lattice: Lattice) -> Floats:
    """Logarithm of the density of the dimensions' values, but for a constant, (C,)."""
    return np.asarray(np.log(lattice.weight) - _log_slope(lattice, _positions(lattice)))


def draw_from_lattice(
    lattice: Lattice, log_density: Floats, size: int, rng: np.random.Generator, *more: Floats
) -> LatticeDraws:
    """Draw from the density of a lattice, and interpolate smooth functions known at its nodes.

    Parameters
    ----------
    lattice : Lattice
    log_density : ndarray, shape (C, m)
        Of one density, or of several, the highest of which stands for the whole.
    size : int
    rng : numpy.random.Generator
    *more : ndarray, shape (C,)
        Functions to interpolate beside.
    """
    functions = np.column_stack([log_density, *more])
    m = functions.shape[1] - len(more)
    fit = _Fit.of(lattice, functions)
    log_node = fit.at_nodes[:, :m].max(axis=1) + _log_slope(lattice, fit.t)
    points, values, about, accepted, highest = [], [], [], 0, math.nan
    cell = 2.0 * np.array([line.step for line in lattice.lines])  # of one of the two grids
    while accepted < size:
        node = rng.choice(len(lattice.weight), size=max(size, 1000), p=lattice.weight)
        # uniform within the node's cell
        t = fit.t[node] + cell * (rng.random((len(node), len(cell))) - 0.5)
        fitted = fit(t)
        # density there over that at the node, which was drawn in proportion to its own
        ratio = fitted[:, :m].max(axis=1) + _log_slope(lattice, t) - log_node[node]
        if math.isnan(highest):
            # of the first proposals, and the same for all that follow: acceptance must not change
            # on the way
            highest = float(np.quantile(ratio, BOUNDED_SHARE))
        yes = np.flatnonzero(ratio - highest >= np.log(rng.random(len(ratio))))
        points.append(_values(lattice, t[yes]))
        # the fit says how values change from the node, not what they are there
        values.append(fitted[yes] + functions[node[yes]] - fit.at_nodes[node[yes]])
        about.append(node[yes])
        accepted += len(yes)
    return LatticeDraws(
        np.concatenate(points)[:size], np.concatenate(values)[:size], np.concatenate(about)[:size]
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Polynomials of the grids' coordinates t, one for each function.

    Parameters
    ----------
    t : ndarray, shape (C, d)
        Of the nodes.
    at_nodes : ndarray, shape (C, m)
    center, scale : ndarray, shape (d,)
    low, high : ndarray, shape (d,)
        Range of the nodes in units of the scale: beyond, a polynomial cannot be trusted.
    powers : ndarray of int, shape (P, d)
    coefficients : ndarray, shape (P, m)
    """

    t: Floats
    at_nodes: Floats
    center: Floats
    scale: Floats
    low: Floats
    high: Floats
    powers: Ints
    coefficients: Floats

    @classmethod
    def of(cls, lattice: Lattice, functions: Floats) -> _Fit:
        t = _positions(lattice)
        center = lattice.weight @ t
        scale = np.sqrt(lattice.weight @ (t - center) ** 2)
        z = (t - center) / scale
        each = itertools.product(range(FIT_DEGREE + 1), repeat=t.shape[1])
        powers = np.array([p for p in each if sum(p) <= FIT_DEGREE])
        # weighted least squares: the fit is good where there is probability
        root = np.sqrt(np.maximum(lattice.weight, LIGHTEST_WEIGHT * lattice.weight.max()))[:, None]
        basis = _monomials(z, powers)
        coefficients = np.linalg.lstsq(root * basis, root * functions, rcond=None)[0]
        ends = z.min(axis=0), z.max(axis=0)
        return cls(t, basis @ coefficients, center, scale, *ends, powers, coefficients)

    def __call__(self, t: Floats) -> Floats:
        """Values at t, (S, d) to (S, m)."""
        z = np.clip((t - self.center) / self.scale, self.low, self.high)
        return np.asarray(_monomials(z, self.powers) @ self.coefficients)


def _monomials(z: Floats, powers: Ints) -> Floats:
    of = [np.ones_like(z)]
    for _ in range(FIT_DEGREE):
        of.append(of[-1] * z)
    out = np.ones((len(z), len(powers)))
    for i in range(z.shape[1]):
        out *= np.stack([each[:, i] for each in of])[powers[:, i]].T
    return out


def _positions(lattice: Lattice) -> Floats:
    """Positions t of the nodes, (C, d)."""
    columns = [line.t[lattice.place[:, i]] for i, line in enumerate(lattice.lines)]
    return np.stack(columns, axis=1)


def _values(lattice: Lattice, t: Floats) -> Floats:
    """Values of the dimensions at t, (S, d)."""
    columns = [
        line.axis.value(line.center + line.scale * np.sinh(t[:, i]))
        for i, line in enumerate(lattice.lines)
    ]
    return np.stack(columns, axis=1)


def _log_slope(lattice: Lattice, t: Floats) -> Floats:
    """Logarithm of the volume of values over that of t, (S,)."""
    out = np.zeros(len(t))
    for i, line in enumerate(lattice.lines):
        u = line.center + line.scale * np.sinh(t[:, i])
        out += line.axis.log_slope(u) + np.log(line.scale * np.cosh(t[:, i]))
    return out
