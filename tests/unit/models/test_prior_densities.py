"""Densities of priors against SciPy's, and those that SciPy has not by a change of variables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from partialpool.kernels.covariance import correlation_factor
from partialpool.models.priors import (
    LKJ,
    DuMouchel,
    Exponential,
    HalfCauchy,
    HalfNormal,
    HalfT,
    InverseGammaSq,
    LogNormal,
    Uniform,
    UniformShrinkage,
)

X = np.array([0.05, 0.7, 1.9, 6.0])
CASES = [
    (HalfNormal(1.7), stats.halfnorm(scale=1.7).logpdf(X)),
    (HalfCauchy(1.7), stats.halfcauchy(scale=1.7).logpdf(X)),
    (HalfT(3.5, 1.7), np.log(2) + stats.t(3.5, scale=1.7).logpdf(X)),
    (Exponential(0.6), stats.expon(scale=1 / 0.6).logpdf(X)),
    (Uniform(0.0, 8.0), np.full(4, -np.log(8))),
    (LogNormal(0.3, 0.8), stats.lognorm(0.8, scale=np.exp(0.3)).logpdf(X)),
    (
        InverseGammaSq(1.5, 0.4),
        stats.invgamma(1.5, scale=0.4).logpdf(X**2) + np.log(2 * X),
    ),
    # 4 / (4 + x^2), or 2 / (2 + x), is uniform: minus its derivative
    (UniformShrinkage(), np.log(8 * X / (4 + X**2) ** 2)),
    (DuMouchel(), np.log(2 / (2 + X) ** 2)),
]


@pytest.mark.parametrize(("prior", "expected"), CASES, ids=lambda v: getattr(v, "text_name", ""))
def test_log_densities_are_normalised(prior, expected):
    np.testing.assert_allclose(prior.log_density(X, 2.0), expected, rtol=1e-11)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_lkj_is_a_power_of_the_determinant_of_the_correlations(size):
    """Its density in partial correlations is that times the Jacobian, up to a constant."""
    partial = np.random.default_rng(1).uniform(-0.8, 0.8, (4, size * (size - 1) // 2))
    at = np.tril_indices(size, -1)

    def correlations(value):
        factor = correlation_factor(value[None], size)[0]
        return (factor @ factor.T)[at]

    expected = []
    for value in partial:
        moves = 1e-6 * np.eye(len(value))
        jacobian = [(correlations(value + m) - correlations(value - m)) / 2e-6 for m in moves]
        factor = correlation_factor(value[None], size)[0]
        determinant = np.linalg.det(factor @ factor.T)
        expected.append(1.3 * np.log(determinant) + np.linalg.slogdet(np.array(jacobian))[1])
    found = LKJ(2.3).log_density(partial, size)
    np.testing.assert_allclose(found - found[0], np.array(expected) - expected[0], atol=1e-7)
