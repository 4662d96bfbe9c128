"""Logarithms of rising factorials and their derivatives against sums over their factors."""

from __future__ import annotations

import numpy as np
import pytest

from partialpool.kernels.rising_factorial import log_rising, rising_slopes


@pytest.mark.parametrize("x", [1e-12, 1e-6, 0.01, 0.5, 3.3, 20.0, 1e3])
@pytest.mark.parametrize("k", [0, 1, 2, 7, 50, 1000])
def test_value_and_derivatives(x, k):
    i = np.arange(k)
    expected = [
        np.log(x + i).sum(),
        (1.0 / (x + i)).sum(),
        -(1.0 / (x + i) ** 2).sum(),
        (2.0 / (x + i) ** 3).sum(),
    ]
    at = np.array(x), np.array(float(k))
    values = [log_rising(*at), *rising_slopes(*at, 3)]
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


def test_digits_where_x_is_large_beside_k():
    """Of 1e8 (1e8 + 1) the difference of two log gamma functions of scipy is off by 4e-7."""
    x, k = np.array(1e8), np.array(2.0)
    assert float(log_rising(x, k)) == pytest.approx(np.log(1e8) + np.log(1e8 + 1.0), abs=2e-8)
