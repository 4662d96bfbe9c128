"""Sums and draws over the components of mixtures."""

from __future__ import annotations

import numpy as np
from scipy import special

from partialpool.kernels.shares import drawn_component, log_sum


def test_log_sum_is_that_of_scipy_also_at_its_ends():
    values = np.array([[-1e4, -1e4 + 1.0, -np.inf], [700.0, 800.0, 3.0], [0.0, -50.0, 2.0]])
    np.testing.assert_allclose(log_sum(values), special.logsumexp(values, axis=-1), rtol=1e-15)
    np.testing.assert_array_equal(log_sum(values[:, :1]), values[:, 0])
    np.testing.assert_array_equal(log_sum(values[:, 2:]), values[:, 2])


def test_components_are_drawn_in_proportion_to_their_shares():
    share = np.array([2.0, 0.0, 6.0])  # sums need not be one
    drawn = drawn_component(np.tile(share, (40_000, 2, 1)), np.random.default_rng(1))
    assert drawn.shape == (40_000, 2)
    np.testing.assert_allclose(np.bincount(drawn.ravel()) / drawn.size, share / 8.0, atol=0.006)
