"""The mixture itself: a short weighted list of exact conditional distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.integrate import Grid, gauss
from partialpool.models import Conditional, OneWayModel

NEGLIGIBLE = 1e-16
"""Components whose weights sum to less than this are left out: at 1e-10 no number of five fits
moves."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """C weighted components; see `Conditional` for what each holds.

    Parameters
    ----------
    weight : ndarray, shape (C,)
        Sums to one.
    lam, sigma, mu, mu_sd : ndarray, shape (C,)
        (tau / sigma)^2, scale of sigma, location and scale of mu.
    df : float
        Degrees of freedom; infinite for normal components.
    """

    weight: Floats
    lam: Floats
    sigma: Floats
    mu: Floats
    mu_sd: Floats
    df: float

    @property
    def columns(self) -> tuple[Floats, Floats, Floats, Floats]:
        """lam, sigma, mu and mu_sd, each as a column (C, 1)."""
        return self.lam[:, None], self.sigma[:, None], self.mu[:, None], self.mu_sd[:, None]

    @property
    def variance_factor(self) -> float:
        """Variance of a component over its squared scale."""
        if math.isinf(self.df):
            return 1.0
        return self.df / (self.df - 2.0) if self.df > 2.0 else math.inf


def components(model: OneWayModel, grid: Grid) -> Components:
    """List the components at the nodes of the grid, leaving out those without weight."""
    weight = grid.weight.ravel()
    points = grid.points
    if len(grid.lines) > 1:
        keep = _weighty(_share(weight) + _share(weight * points[:, -1] ** 2))
        weight, points = weight[keep], points[keep]
    return _flatten(model.conditional(points), weight)


def _flatten(conditional: Conditional, weight: Floats) -> Components:
    if conditional.mu.shape[1] == 1 and len(weight) <= ALL_KEPT:
        mu, mu_sd = conditional.mu[:, 0], conditional.mu_sd[:, 0]
        return Components(
            weight / weight.sum(), conditional.lam, conditional.sigma, mu, mu_sd, conditional.df
        )
    share = weight[:, None] * np.exp(conditional.log_share)  # (G, M)
    # what counts for the second moment of mu is kept too: its tail is heavier than tau's
    keep = _weighty(_share(share.ravel()) + _share((share * conditional.mu_sd**2).ravel()))
    return _listed(conditional, share, keep)


def component_given(model: OneWayModel, tau: float, sigma: float) -> Components:
    """List the components at one tau; sigma is integrated out where that is in closed form."""
    point = {
        ("tau",): [tau],
        ("ratio",): [tau / sigma],
        ("sigma", "tau"): [sigma, tau],
    }[model.dimensions]
    return _flatten(model.conditional(np.array([point])), np.ones(1))


def every_component(model: OneWayModel, grid: Grid) -> Components:
    """List the components at all nodes, also those without weight to speak of."""
    conditional = model.conditional(grid.points)
    share = grid.weight.ravel()[:, None] * np.exp(conditional.log_share)
    return _listed(conditional, share, np.flatnonzero(share))


def _listed(conditional: Conditional, share: Floats, keep: Ints) -> Components:
    """The components `keep` of the flattened (G, M) shares."""
    shape = share.shape

    def wide(x: Floats) -> Floats:
        full = np.broadcast_to(x[:, None] if x.ndim == 1 else x, shape)
        return np.asarray(full.ravel()[keep])

    w = share.ravel()[keep]
    return Components(
        w / w.sum(),
        wide(conditional.lam),
        wide(conditional.sigma),
        wide(conditional.mu),
        wide(conditional.mu_sd),
        conditional.df,
    )


ALL_KEPT = 256
"""So few components are all kept: leaving some out saves nothing."""


def _share(weight: Floats) -> Floats:
    return np.asarray(weight / weight.sum())


def _weighty(weight: Floats, negligible: float = NEGLIGIBLE) -> Ints:
    """Indices, in order, of the weights that matter."""
    if len(weight) <= ALL_KEPT:
        return np.arange(len(weight))
    # the lightest first: their sum is what is left out
    order = np.argsort(weight)
    gone = int(np.searchsorted(np.cumsum(weight[order]), negligible * weight.sum()))
    return np.sort(order[gone:])


def trimmed(full: Components, negligible: float) -> Components:
    """Leave out the components whose weights sum to less than `negligible`."""
    keep = _weighty(full.weight, negligible)
    w = full.weight[keep]
    return Components(
        w / w.sum(), full.lam[keep], full.sigma[keep], full.mu[keep], full.mu_sd[keep], full.df
    )


def condensed(model: OneWayModel, full: Components, size: int) -> Components:
    """Replace the nodes of a one-dimensional grid by a Gauss rule of `size` nodes.

    The rule is exact for polynomials up to degree 2 size - 1 in the shrinkage of a typical
    group, of which every conditional mean and variance is a smooth function.
    """
    a = model.typical_ratio**2
    # shrinkage of a typical group: bounded, so that polynomials in it do not run off as lambda
    # grows
    x = a / (a + full.lam)
    node, weight = gauss(x, full.weight, size)
    node = np.clip(node, 1e-300, 1.0)
    lam = a * (1.0 - node) / node
    if model.dimensions == ("ratio",) or model.sizes.sigma_known:
        return _flatten(model.conditional(np.sqrt(lam)[:, None]), weight)
    raise ValueError("only one-dimensional grids can be condensed")
