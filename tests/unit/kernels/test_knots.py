"""Interpolation between knots, against the function itself."""

import numpy as np
import pytest

from partialpool.kernels.knots import knots


def smooth(y, weight):
    """The log density of an estimate under a contaminated population."""
    error = 1.0 / weight
    narrow, wide = error + 1.0, error + 25.0
    parts = np.log([0.9, 0.1])[:, None] - 0.5 * np.log([narrow, wide]) - 0.5 * y**2 / [narrow, wide]
    return np.logaddexp(*parts)


@pytest.mark.parametrize("distinct", [False, True])
def test_sums_and_values(distinct):
    rng = np.random.default_rng(2)
    weight = rng.choice([0.5, 1.0, 4.0], 20_000) if distinct else rng.uniform(0.3, 9.0, 20_000)
    y = rng.standard_normal(20_000) * 3.0
    grid = knots(y, weight, 96, 16)
    assert grid.distinct is distinct
    values = smooth(grid.y, grid.weight)
    counts = grid.counts(y, weight)
    assert counts.sum() == pytest.approx(20_000, rel=1e-9)
    assert counts @ values == pytest.approx(smooth(y, weight).sum(), abs=0.05)
    between = grid.interpolated(np.stack([values, 2.0 * values]), y, weight)
    np.testing.assert_allclose(between[0], smooth(y, weight), atol=2e-3)
    np.testing.assert_allclose(between[1], 2.0 * between[0], rtol=1e-12)


def test_a_polynomial_of_degree_three_is_exact():
    rng = np.random.default_rng(4)
    y, weight = rng.standard_normal(50), rng.uniform(1.0, 2.0, 50)
    grid = knots(y, weight, 7, 6)

    def cubic(y, weight):
        t = np.arcsinh((y - grid.center) / grid.unit)
        return t**3 - t * np.log(weight) ** 2 + np.log(weight) ** 3

    value = grid.interpolated(cubic(grid.y, grid.weight)[None], y, weight)[0]
    np.testing.assert_allclose(value, cubic(y, weight), atol=1e-10)
