"""Integration over several dimensions against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from partialpool.integrate import (
    Accuracy,
    Axis,
    HalfLine,
    Interval,
    find_modes,
    integrate_lattice,
)
from partialpool.integrate.condense import condensed
from partialpool.integrate.maximise import ascend, polished


def gammas(shapes):
    """Independent gamma variables, whose logarithm is carried along."""

    def evaluate(x):
        log_f = sum(stats.gamma(a).logpdf(x[:, i]) for i, a in enumerate(shapes))
        return log_f, np.log(x)

    return evaluate


@pytest.mark.parametrize("axis", [HalfLine(0.3), HalfLine(2.0), Interval(-1.0, 3.0), Axis()])
def test_coordinates_invert_and_have_the_slopes_they_say(axis):
    u = np.linspace(-1.8, 4.0, 30)
    x = axis.value(u)
    np.testing.assert_allclose(axis.coordinate(x), u, rtol=1e-9, atol=1e-9)
    slope = (axis.value(u + 1e-6) - axis.value(u - 1e-6)) / 2e-6
    np.testing.assert_allclose(np.exp(axis.log_slope(u)), slope, rtol=1e-6)


@pytest.mark.parametrize("shapes", [(3.0,), (1.0, 8.0), (1.0, 2.5, 20.0), (4.0, 6.0, 9.0, 5.0)])
def test_products_of_gammas(shapes):
    """Total, means and sds; shape one is a density that is highest at zero."""
    d = len(shapes)
    evaluate, axes = gammas(shapes), [HalfLine(1.0)] * d
    tolerance = 1e-8 if d <= 2 else 1e-4
    found = integrate_lattice(
        evaluate,
        axes,
        find_modes(evaluate, axes, np.ones((1, d))),
        moments=[9.0] * d,
        tolerance=tolerance,
        budget=300_000,
    )
    assert found.status is Accuracy.REACHED
    assert found.error <= tolerance
    assert abs(found.log_total) < tolerance
    mean = found.weight @ found.points
    np.testing.assert_allclose(mean, shapes, rtol=tolerance)
    sd = np.sqrt(found.weight @ (found.points - mean) ** 2)
    np.testing.assert_allclose(sd, np.sqrt(shapes), rtol=3 * tolerance)
    expected = [special.digamma(a) for a in shapes]
    np.testing.assert_allclose(found.weight @ found.carried, expected, atol=5 * tolerance)
    for i in range(d):
        on_line = found.marginal(i) @ found.lines[i].x
        np.testing.assert_allclose(on_line, mean[i], rtol=1e-9)


def test_a_budget_too_small_is_said():
    evaluate, axes = gammas((1.0, 2.0, 3.0)), [HalfLine(1.0)] * 3
    peaks = find_modes(evaluate, axes, np.ones((1, 3)))
    found = integrate_lattice(evaluate, axes, peaks, moments=[3.0] * 3, tolerance=1e-6, budget=300)
    assert found.status is Accuracy.NOT_REACHED
    assert found.error > 1e-6
    truth = abs(found.weight @ found.points - [1.0, 2.0, 3.0]).max()
    assert truth < 3 * found.error


def test_two_peaks_are_both_found():
    """Two normal lumps too far apart for one to lead to the other."""

    def evaluate(x):
        lumps = [stats.norm(m, 0.3).logpdf(np.log(x)).sum(axis=1) for m in (-2.0, 2.0)]
        jacobian = np.log(x).sum(axis=1)
        return np.logaddexp(lumps[0], lumps[1] + math.log(3.0)) - jacobian, np.log(x)

    axes = [Axis()] * 3
    starts = np.exp(np.array([[-2.1] * 3, [2.1] * 3]))
    found = integrate_lattice(
        evaluate,
        axes,
        find_modes(evaluate, axes, starts),
        moments=[0.0] * 3,
        tolerance=1e-4,
        budget=100_000,
    )
    np.testing.assert_allclose(found.weight @ found.carried, [1.0] * 3, atol=1e-3)


def test_ascent_leaves_a_saddle_and_polishing_gets_every_digit():
    def function(x):  # highest at (0.5, +-1); a saddle at (0.5, 0)
        return -((x[:, 0] - 0.5) ** 2) - (x[:, 1] ** 2 - 1.0) ** 2

    rough = ascend(function, np.array([0.2, 0.0]), step=0.05, enough=1e-3)
    assert abs(abs(rough.at[1]) - 1.0) < 0.05
    best = polished(function, rough, step=1e-3, enough=1e-12)
    np.testing.assert_allclose(np.abs(best.at), [0.5, 1.0], atol=1e-5)
    assert best.rise < 1e-12


@pytest.mark.parametrize("d", [1, 3])
def test_condensed_nodes_keep_moments_with_positive_weights(d):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(3000, d)), rng.random(3000)
    weight /= weight.sum()
    beside = np.exp(2.0 * x[:, :1])
    index, new = condensed(x, beside, weight, 40)
    assert (new > 0).all()
    assert len(index) <= 41
    for power in range(1, 4):
        before, after = weight @ x**power, new @ x[index] ** power
        np.testing.assert_allclose(after, before, atol=1e-9)
    np.testing.assert_allclose(new @ beside[index], weight @ beside, rtol=1e-9)


def test_nodes_of_no_weight_need_not_carry_numbers():
    """A density that vanishes beyond 2: what is carried there does not exist."""

    def evaluate(x):
        inside = x[:, 0] < 2.0
        log_f = np.where(inside, np.log(x[:, 0]) - 30.0 * x[:, 0], -np.inf)
        return log_f, np.where(inside, x[:, 0], np.nan)[:, None]

    axes = [HalfLine(1.0)]
    peaks = find_modes(evaluate, axes, np.full((1, 1), 0.03))
    found = integrate_lattice(
        evaluate, axes, peaks, moments=[9.0], tolerance=1e-30, budget=4000
    )  # a target out of reach spreads the nodes far
    assert (found.weight > 0).all()
    np.testing.assert_allclose(found.weight @ found.carried[:, 0], 2 / 30, rtol=1e-8)
