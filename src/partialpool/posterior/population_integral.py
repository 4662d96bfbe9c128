"""The integral over the hyperparameters of a population that is not normal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from partialpool.integrate import Lattice, find_modes, integrate_lattice
from partialpool.integrate.maximise import Peak
from partialpool.kernels.knots import GROUPS_A_KNOT
from partialpool.models.population_model import Measured, PopulationModel, on_knots

TARGETS, USUAL_TARGET = {1: 1e-4, 2: 5e-3}, 1e-2
"""Targets of the error of the lattice by dimension of phi, and in three and four. Against lattices
with targets ten times smaller errors of parameters are 0.1 to 1.6 times the estimated ones, those
of groups a tenth."""
CELLS = 2e9
"""Terms of the likelihood that may be computed, about 20 seconds."""
GRIDS_OF_KNOTS = ((48, 12), (96, 24), (192, 48))
"""Knots of estimates and of weights that stand for groups in sums, from coarse to fine."""
KNOTS_AGREE = 6e-3
"""Error of parameters from knots, in sds, at which no finer grid is tried."""
CHECKED_GROUPS = 40_000
"""Groups on which knots are checked."""


def integrated(
    model: PopulationModel, accuracy: float | None
) -> tuple[PopulationModel, Lattice, float]:
    """Integrate over phi; with very many groups by knots, whose error in sds comes last."""
    exact, starts = model.groups, model.starts
    best: tuple[PopulationModel, list[Peak], float] | None = None
    if isinstance(exact, Measured):
        groups = exact
        for size in GRIDS_OF_KNOTS:
            fewer = on_knots(groups, *size)
            if len(groups.y) < GROUPS_A_KNOT * fewer.terms:
                break
            by_knots = replace(model, groups=fewer)
            peaks = find_modes(by_knots.evaluate, model.axes, starts)
            starts = model.values(np.stack([p.at for p in peaks]))
            error = _error_of_knots(model, by_knots, groups, peaks[0])
            if best is None or error < best[2]:
                best = by_knots, peaks, error
            if error <= KNOTS_AGREE:
                break
    if best is None or (best[2] > 10.0 * KNOTS_AGREE and exact.terms <= CHECKED_GROUPS):
        best = model, find_modes(model.evaluate, model.axes, starts), 0.0
    chosen, peaks, error = best
    return chosen, _lattice(chosen, peaks, accuracy), error


def _lattice(model: PopulationModel, peaks: list[Peak], accuracy: float | None) -> Lattice:
    return integrate_lattice(
        model.evaluate,
        model.axes,
        peaks,
        moments=model.moment_orders,
        tolerance=TARGETS.get(len(model.axes), USUAL_TARGET) if accuracy is None else accuracy,
        budget=int(np.clip(CELLS / model.cells, 2_000, 100_000)),
    )


def _error_of_knots(
    model: PopulationModel, by_knots: PopulationModel, groups: Measured, peak: Peak
) -> float:
    """How far knots move any parameter, in sds: the slope of what they change, per sd.

    A slope g per sd of the log likelihood moves a mean by about g sds.
    """
    size = len(groups.y)
    some = np.linspace(0, size - 1, min(size, CHECKED_GROUPS)).astype(np.intp)
    exact = Measured(groups.y[some], groups.weight[some], np.ones(len(some)))
    grid_of = by_knots.groups
    assert isinstance(grid_of, Measured)
    assert grid_of.grid is not None
    knots = replace(grid_of, count=grid_of.grid.counts(exact.y, exact.weight))
    sd = np.sqrt(np.diag(np.linalg.inv(-peak.hessian + 1e-9 * np.eye(len(peak.at)))))
    moves = np.concatenate([np.diag(sd), -np.diag(sd)])
    points = model.values(peak.at + moves)
    _, _, sigma = model.split(points)
    of = model.populations(points)
    center, mu_sd = by_knots.mu_about(points)
    mu = center[:, None] + mu_sd[:, None] * np.array([-1.0, 0.0, 1.0])
    gap = exact.log_likelihood(mu, of, sigma) - knots.log_likelihood(mu, of, sigma)
    gap *= size / len(some)
    d = len(peak.at)
    slopes = 0.5 * np.abs(gap[:d, 1] - gap[d:, 1])
    return float(max(slopes.max(), 0.5 * np.abs(gap[:, 2] - gap[:, 0]).max()))
