"""Correlations from partial correlations and back, against regressions on the others before."""

from __future__ import annotations

import numpy as np
import pytest

from partialpool.kernels.covariance import (
    correlation_factor,
    covariance_factor,
    partial_correlations,
)


def partial_by_regression(r, i, k):
    """Correlation of i and k once 0, ..., k - 1 are taken off both."""
    given = list(range(k))
    pair = [i, k]
    cross = r[np.ix_(pair, given)]
    left = r[np.ix_(pair, pair)] - cross @ np.linalg.solve(r[np.ix_(given, given)], cross.T)
    return left[0, 1] / np.sqrt(left[0, 0] * left[1, 1])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_entries_are_correlations_given_the_variables_before(size):
    partial = np.random.default_rng(size).uniform(-0.9, 0.9, (3, size * (size - 1) // 2))
    for factor, given in zip(correlation_factor(partial, size), partial, strict=True):
        np.testing.assert_array_equal(factor, np.tril(factor))
        r = factor @ factor.T
        np.testing.assert_allclose(np.diag(r), 1.0, rtol=1e-14)
        found = [partial_by_regression(r, i, k) for i in range(size) for k in range(i)]
        np.testing.assert_allclose(found, given, rtol=1e-10)
        np.testing.assert_allclose(partial_correlations(r), given, rtol=1e-10)


def test_three_known_correlations():
    """r31 = 0.5, and r32 from r32|1 = 0.25: 0.6 0.5 + 0.25 sqrt((1 - 0.36) (1 - 0.25))."""
    factor = correlation_factor(np.array([[0.6, 0.5, 0.25]]), 3)[0]
    r = factor @ factor.T
    last = 0.3 + 0.25 * np.sqrt(0.64 * 0.75)
    np.testing.assert_allclose(r, [[1, 0.6, 0.5], [0.6, 1, last], [0.5, last, 1]], rtol=1e-14)


def test_covariances_have_their_sds_and_correlations():
    sd = np.array([[2.0, 3.0], [0.5, 0.0]])
    factor = covariance_factor(sd, np.array([[0.6], [-0.2]]))
    found = factor @ factor.swapaxes(1, 2)
    np.testing.assert_allclose(found, [[[4, 3.6], [3.6, 9]], [[0.25, 0], [0, 0]]], rtol=1e-14)
    alone = covariance_factor(sd, None)
    np.testing.assert_array_equal(alone, [np.diag([2.0, 3.0]), np.diag([0.5, 0.0])])


def test_partial_correlations_of_what_is_unknown_or_certain():
    unknown = np.array([[1.0, np.nan, 0.3], [np.nan, np.nan, 0.0], [0.3, 0.0, 1.0]])
    np.testing.assert_allclose(partial_correlations(unknown), [0, 0.3, 0], atol=1e-15)
    certain = np.array([[1.0, -1.0, 0.3], [-1.0, 1.0, -0.3], [0.3, -0.3, 1.0]])
    np.testing.assert_allclose(partial_correlations(certain), [-1, 0.3, 0], atol=1e-15)
