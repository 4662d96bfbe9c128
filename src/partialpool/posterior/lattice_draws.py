"""Independent draws from a density on a lattice, without computing the density anew.

Proposals are uniform within the cells about the nodes of one grid, and accepted in proportion to
the density there over that at the node. Between the nodes the logarithm of the density is that at
the node plus the change of a polynomial fitted to all nodes.
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
more than 40,000 draws do (0.01 sd); with 2 by 0.03 (`test_draws_are_of_the_tables`)."""
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
    carried : ndarray, shape (S, m)
        What the lattice's function carries along, interpolated.
    """

    points: Floats
    carried: Floats


def draw_from_lattice(lattice: Lattice, size: int, rng: np.random.Generator) -> LatticeDraws:
    """Draw from the density of a lattice that carries log densities along, (C, m).

    Its first column stands for the logarithm of the density.
    """
    fit = _Fit.of(lattice)
    nodes = np.flatnonzero(lattice.replicate == 0)
    weight = lattice.weight[nodes] / lattice.weight[nodes].sum()
    log_node = fit.at_nodes.max(axis=1) + _log_slope(lattice, fit.t)
    points, carried, accepted, highest = [], [], 0, math.nan
    cell = 2.0 * np.array([line.step for line in lattice.lines])  # of one of the two grids
    while accepted < size:
        chosen = nodes[rng.choice(len(nodes), size=max(size, 1000), p=weight)]
        # uniform within the node's cell
        t = fit.t[chosen] + cell * (rng.random((len(chosen), len(cell))) - 0.5)
        log_f = fit(t)
        # density there over that at the node, which was drawn in proportion to its own
        ratio = log_f.max(axis=1) + _log_slope(lattice, t) - log_node[chosen]
        if math.isnan(highest):
            # of the first proposals, and the same for all that follow: acceptance must not change
            # on the way
            highest = float(np.quantile(ratio, BOUNDED_SHARE))
        yes = np.flatnonzero(ratio - highest >= np.log(rng.random(len(ratio))))
        points.append(_values(lattice, t[yes]))
        # the fit says how values change from the node, not what they are there
        residual = lattice.carried[chosen[yes]] - fit.at_nodes[chosen[yes]]
        carried.append(log_f[yes] + residual)
        accepted += len(yes)
    return LatticeDraws(np.concatenate(points)[:size], np.concatenate(carried)[:size])


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Polynomials of the grids' coordinates t, one for each column that is carried.

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
    def of(cls, lattice: Lattice) -> _Fit:
        lines = lattice.lines
        t = np.stack([line.t[lattice.place[:, i]] for i, line in enumerate(lines)], axis=1)
        center = lattice.weight @ t
        scale = np.sqrt(lattice.weight @ (t - center) ** 2)
        z = (t - center) / scale
        d = len(lines)
        powers = np.array(
            [p for p in itertools.product(range(FIT_DEGREE + 1), repeat=d) if sum(p) <= FIT_DEGREE]
        )
        # weighted least squares: the fit is good where there is probability
        root = np.sqrt(np.maximum(lattice.weight, LIGHTEST_WEIGHT * lattice.weight.max()))[:, None]
        basis = _monomials(z, powers)
        coefficients = np.linalg.lstsq(root * basis, root * lattice.carried, rcond=None)[0]
        ends = z.min(axis=0), z.max(axis=0)
        return cls(t, basis @ coefficients, center, scale, *ends, powers, coefficients)

    def __call__(self, t: Floats) -> Floats:
        """Values at t, (S, d) to (S, m)."""
        z = np.clip((t - self.center) / self.scale, self.low, self.high)
        return np.asarray(_monomials(z, self.powers) @ self.coefficients)


def _monomials(z: Floats, powers: Ints) -> Floats:
    return np.stack([np.prod(z**p, axis=1) for p in powers], axis=1)


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
