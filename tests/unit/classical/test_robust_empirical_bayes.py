"""Robust empirical-Bayes intervals: the worst case by linear programming, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from scipy.optimize import linprog

from partialpool import classical
from partialpool.classical.robust import critical_values, worst_miss
from partialpool.simulate import World, worlds


@pytest.mark.parametrize(
    ("m2", "kurtosis", "chi"),
    [(1, 3, 2.5), (4, 3, 3.0), (0.5, 5, 2.2), (4, 1.001, 4), (10, 10, 6), (0.1, 3, 2), (4, 500, 7)],
)
def test_worst_miss_equals_a_linear_program(m2, kurtosis, chi):
    """The worst distribution of b^2 on a grid, given its first two moments."""
    t = np.unique(np.concatenate([np.linspace(0, 30, 3001) ** 2, [m2]]))
    miss = special.ndtr(-chi - np.sqrt(t)) + special.ndtr(-chi + np.sqrt(t))
    limit = kurtosis * m2**2
    found = linprog(
        -miss,
        A_eq=[np.ones(len(t)), t],
        b_eq=[1, m2],
        A_ub=[t**2 / limit],
        b_ub=[1.0],
        bounds=(0, None),
    )
    got = worst_miss(m2, kurtosis, chi)
    assert got >= -found.fun - 2e-6  # a bound, up to its own grid
    assert got <= -found.fun + 2e-5  # and a sharp one


def test_critical_values_start_at_the_normal_one_and_rise():
    m2 = np.array([1e-8, 0.1, 0.5, 1.0, 4.0])
    found = critical_values(m2, 3.0, 0.05)
    np.testing.assert_allclose(found[0], 1.959964, atol=1e-4)
    assert (np.diff(found) > 0).all()
    assert (critical_values(m2, 10.0, 0.05) >= found - 1e-9).all()


@pytest.mark.parametrize("population", ["normal", "heavy_tailed", "two_clusters"])
def test_average_coverage_whatever_the_population(population):
    world = World((5,) * 200, tau=5.0, population=population)
    drawn = worlds(world, replicates=8, seed=3)
    covered = []
    for i in range(8):
        fit = classical.robust_empirical_bayes(mean=drawn.mean[i], se=np.full(200, 10 / 5**0.5))
        covered.append(((fit.lower <= drawn.theta[i]) & (drawn.theta[i] <= fit.upper)).mean())
    assert np.mean(covered) > 0.935
