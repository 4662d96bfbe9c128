"""Importance sampling of known densities: the estimated error covers the true one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats
from scipy.optimize import brentq

from partialpool.integrate import (
    Accuracy,
    Axis,
    HalfLine,
    SamplingTarget,
    find_modes,
    integrate_by_sampling,
)
from partialpool.integrate.rank_one_lattice import folded_lattice

USUAL = SamplingTarget(moments=0.05, ends=0.15)


class RealLine:
    """The identity as a coordinate."""

    lower, upper = -math.inf, math.inf

    def value(self, u):
        return np.asarray(u, dtype=np.float64)

    def log_slope(self, u):
        return np.zeros_like(u)

    def coordinate(self, x):
        return np.asarray(x, dtype=np.float64)


class TwoNormals:
    """A mixture of two correlated normals in d dimensions, some three sds apart."""

    def __init__(self, d, seed):
        rng = np.random.default_rng(seed)
        self.weight = np.array([0.35, 0.65])
        self.mean = 3.0 / math.sqrt(d) * rng.normal(size=(2, d))
        self.covariance = [0.3 * np.cov(rng.normal(size=(d, 4 * d))) + 0.2 * np.eye(d)] * 2
        self.parts = [
            stats.multivariate_normal(m, c) for m, c in zip(self.mean, self.covariance, strict=True)
        ]
        self.variance = np.array([np.diag(c) for c in self.covariance])

    def evaluate(self, x):
        logs = [math.log(w) + p.logpdf(x) for w, p in zip(self.weight, self.parts, strict=True)]
        return special.logsumexp(logs, axis=0), x

    def moments(self):
        mean = self.weight @ self.mean
        return mean, np.sqrt(self.weight @ (self.variance + (self.mean - mean) ** 2))

    def end(self, dimension, p):
        sd = np.sqrt(self.variance[:, dimension])

        def excess(at):
            return self.weight @ special.ndtr((at - self.mean[:, dimension]) / sd) - p

        return brentq(excess, -50.0, 50.0)


def weighted_quantile(sample, dimension, p):
    rank = np.argsort(sample.u[:, dimension])
    below = np.cumsum(sample.weight[rank]) - 0.5 * sample.weight[rank]
    return np.interp(p, below, sample.u[rank, dimension])


@pytest.mark.parametrize("d", [5, 6, 10])
def test_told_errors_cover_the_true_ones(d):
    inside, number = 0, 0
    for seed in range(5):
        truth, axes = TwoNormals(d, seed), [RealLine()] * d
        peaks = find_modes(truth.evaluate, axes, truth.mean, enough=1e-2)
        found = integrate_by_sampling(
            truth.evaluate, axes, peaks, moments=[9.0] * d, target=USUAL, budget=200_000
        )
        assert found.status is Accuracy.REACHED
        assert found.error <= 0.15
        assert abs(found.log_total) < 0.03
        np.testing.assert_allclose(found.weight.sum(), 1.0)
        mean, sd = truth.moments()
        estimate = found.weight @ found.points
        off = [abs(estimate - mean) / sd]
        assert off[0].max() < 0.05
        off.append(abs(np.sqrt(found.weight @ (found.points - estimate) ** 2) / sd - 1.0))
        for p in (0.025, 0.975):
            ends = [abs(weighted_quantile(found, i, p) - truth.end(i, p)) for i in range(d)]
            off.append(np.array(ends) / sd)
        inside += (np.concatenate(off) < found.error).sum()
        number += 4 * d
    assert inside >= 0.95 * number


def test_bounds_of_means_cover_them():
    """Of 95% bounds at least nine in ten cover, over 10 densities with 6 means each."""
    inside = []
    for seed in range(10, 20):
        truth, axes = TwoNormals(6, seed), [RealLine()] * 6
        peaks = find_modes(truth.evaluate, axes, truth.mean, enough=1e-2)
        found = integrate_by_sampling(
            truth.evaluate, axes, peaks, moments=[9.0] * 6, target=USUAL, budget=200_000
        )
        off = abs(found.weight @ found.points - truth.moments()[0])
        inside.append(off < found.bound(found.points))
    assert np.mean(inside) > 0.9


def test_gammas_on_half_lines():
    """Densities that are not zero at zero, with a tail on one side."""
    shapes = (1.0, 2.0, 5.0, 9.0, 20.0)
    axes = [HalfLine(1.0)] * 3 + [Axis()] * 2

    def evaluate(x):
        return sum(stats.gamma(a).logpdf(x[:, i]) for i, a in enumerate(shapes)), x

    peaks = find_modes(evaluate, axes, np.ones((1, 5)))
    found = integrate_by_sampling(
        evaluate, axes, peaks, moments=[9.0] * 5, target=USUAL, budget=200_000
    )
    assert found.status is Accuracy.REACHED
    assert found.effective > 0.4
    off = (found.weight @ found.points - shapes) / np.sqrt(shapes)
    assert abs(off).max() < 0.05


def test_a_budget_too_small_is_said():
    truth, axes = TwoNormals(8, 1), [RealLine()] * 8
    peaks = find_modes(truth.evaluate, axes, truth.mean)
    tight = SamplingTarget(1e-4, 1e-4)
    found = integrate_by_sampling(
        truth.evaluate, axes, peaks, moments=[9.0] * 8, target=tight, budget=3000
    )
    assert found.status is Accuracy.NOT_REACHED
    assert found.error > 1e-4


def test_a_proposal_that_misses_most_of_the_density_is_said():
    """Ten scales of ten: no mixture of six components covers a density this uneven."""

    def evaluate(x):
        radius = np.sqrt((x**2).sum(axis=1))
        return -0.5 * ((radius - 30.0) / 0.05) ** 2, x  # a thin shell in eight dimensions

    axes = [RealLine()] * 8
    peaks = find_modes(evaluate, axes, np.full((1, 8), 30.0 / math.sqrt(8.0)))
    found = integrate_by_sampling(
        evaluate, axes, peaks, moments=[9.0] * 8, target=USUAL, budget=20_000
    )
    assert found.status is Accuracy.NOT_REACHED


def test_points_of_a_lattice_are_even_and_go_on():
    shift = np.random.default_rng(1).random(7)
    whole = folded_lattice(0, 256, shift)
    parts = [folded_lattice(0, 128, shift), folded_lattice(128, 128, shift)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    for column in whole.T:  # each of 64 intervals holds four points: folding brings two together
        counts = np.bincount((column * 64).astype(int), minlength=64)
        assert counts.min() >= 3
        assert counts.max() <= 5
