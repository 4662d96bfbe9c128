"""Means and sums of squares of two sets of rows, against those of all rows at once."""

from fractions import Fraction

import numpy as np
import pytest

from partialpool.kernels.merged_means import merged_means


def _moments(weights, values):
    """Exact: weight, mean, and sum of squares about it."""
    w = [Fraction(v) for v in weights]
    x = [Fraction(v) for v in values]
    total = sum(w)
    mean = sum((a * b for a, b in zip(w, x, strict=True)), Fraction(0)) / total
    return total, mean, sum((a * (b - mean) ** 2 for a, b in zip(w, x, strict=True)), Fraction(0))


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_against_exact_moments_of_all_rows(offset):
    rng = np.random.default_rng(3)
    sides = [
        (rng.uniform(0.5, 3.0, n), offset + rng.normal(i, 1.0, n)) for i, n in ((0, 7), (1, 4))
    ]
    moments = [_moments(*side) for side in sides]
    weight, mean, square = _moments(*(np.concatenate(v) for v in zip(*sides, strict=True)))
    w, m = (tuple(np.array([float(s[i])]) for s in moments) for i in (0, 1))
    both = merged_means(w, m)
    assert both.mean[0] == pytest.approx(float(mean), rel=4e-16)
    between = both.gap[0] ** 2 * both.harmonic[0]
    rounding = 1e-15 * max(offset, 1.0) * float(weight)  # of the means that are merged
    assert float(moments[0][2] + moments[1][2]) + between == pytest.approx(
        float(square), rel=1e-14, abs=rounding
    )


def test_a_side_without_weight_does_not_count():
    both = merged_means(
        (np.array([2.0, 0.0]), np.array([0.0, 3.0])), (np.array([5.0, 7.0]), np.array([9.0, 8.0]))
    )
    assert both.mean.tolist() == [5.0, 8.0]
    assert both.gap.tolist() == [0.0, 0.0]
    assert both.harmonic.tolist() == [0.0, 0.0]
