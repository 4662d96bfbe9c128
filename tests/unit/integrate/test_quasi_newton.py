"""Minima of functions whose minima are known."""

from __future__ import annotations

import numpy as np
import pytest

from partialpool.integrate.quasi_newton import minimum


def test_a_curved_valley():
    def rosenbrock(x):
        a, b = x
        value = (1 - a) ** 2 + 5 * (b - a**2) ** 2
        return value, np.array([-2 * (1 - a) - 20 * a * (b - a**2), 10 * (b - a**2)])

    found = minimum(rosenbrock, np.array([-1.0, 2.0]))
    np.testing.assert_allclose(found.at, [1, 1], atol=1e-6)
    np.testing.assert_allclose(found.hessian, [[42, -20], [-20, 10]], rtol=1e-3)
    assert found.fall < 1e-11


def test_a_start_on_a_saddle_is_left():
    """Zero is stationary, as a standard deviation of zero is."""

    def double_well(x):
        value = (x[0] ** 2 - 1) ** 2 + (x[1] - 2) ** 2
        return value, np.array([4 * x[0] * (x[0] ** 2 - 1), 2 * (x[1] - 2)])

    found = minimum(double_well, np.zeros(2))
    np.testing.assert_allclose(np.abs(found.at), [1, 2], atol=1e-6)
    assert found.value == pytest.approx(0, abs=1e-12)


def test_where_the_function_is_infinite_steps_are_shortened():
    def walled(x):
        if x[0] <= 0:
            return np.inf, np.zeros(1)
        return 10 * (x[0] - np.log(x[0])), np.array([10 - 10 / x[0]])

    found = minimum(walled, np.array([5.0]))  # the first step leads to -3
    assert found.at[0] == pytest.approx(1.0, abs=1e-6)
