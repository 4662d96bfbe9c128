"""Worlds: common random numbers, and the estimators against their twins."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp
from partialpool import classical
from partialpool.simulate import World, design, draw, risks, worlds
from partialpool.simulate.estimators import (
    full_posterior,
    james_stein,
    moments,
    observed,
    reml,
)

UNEQUAL = World((2, 3, 5, 8, 13, 1), tau=4.0)
EQUAL = World((15,) * 12, tau=5.0)


def test_noise_never_changes_with_other_settings():
    base = worlds(EQUAL, replicates=3, seed=7)
    more_groups = worlds(World((15,) * 40, tau=5.0), replicates=3, seed=7)
    more_replicates = worlds(EQUAL, replicates=50, seed=7)
    np.testing.assert_array_equal(base.mean, more_groups.mean[:, :12])
    np.testing.assert_array_equal(base.ss, more_replicates.ss[:3])
    wider = worlds(World((15,) * 12, tau=10.0), replicates=3, seed=7)
    np.testing.assert_allclose(wider.theta - 70, 2 * (base.theta - 70))
    np.testing.assert_allclose(wider.mean - wider.theta, base.mean - base.theta, atol=1e-12)
    other = worlds(EQUAL, replicates=3, seed=8)
    assert not np.isclose(other.mean, base.mean).any()


def test_moments_of_the_noise():
    drawn = worlds(World((4,) * 1000, tau=3.0, sigma=2.0, mu=5.0), replicates=200)
    assert abs(drawn.theta.mean() - 5.0) < 0.05
    np.testing.assert_allclose(drawn.theta.std(), 3.0, rtol=0.01)
    np.testing.assert_allclose((drawn.mean - drawn.theta).std(), 1.0, rtol=0.01)
    np.testing.assert_allclose(drawn.ss.mean(), 3 * 4.0, rtol=0.01)
    np.testing.assert_allclose(drawn.ss.var(), 2 * 3 * 16.0, rtol=0.03)


@pytest.mark.parametrize("population", ["normal", "heavy_tailed", "two_clusters"])
def test_populations_have_sd_tau(population):
    drawn = worlds(World((2,) * 500, tau=2.0, population=population), replicates=400)
    np.testing.assert_allclose(drawn.theta.std(), 2.0, rtol=0.06)


@pytest.mark.parametrize("world", [UNEQUAL, EQUAL], ids=["unequal", "equal"])
@pytest.mark.parametrize("sigma_known", [True, False])
def test_full_posterior_equals_the_fit(world, sigma_known):
    drawn = worlds(world, replicates=3)
    found = full_posterior(observed(drawn, sigma_known=sigma_known, level=0.9))
    for i in range(3):
        if sigma_known:
            data = {"mean": drawn.mean[i], "se": world.sigma / np.sqrt(drawn.n)}
        else:
            sd = np.sqrt(drawn.ss[i] / np.maximum(drawn.n - 1, 1))
            data = {"n": drawn.n, "mean": drawn.mean[i], "sd": sd}
        theta = pp.fit_groups(**data)._engine.theta
        np.testing.assert_allclose(found.estimate[i], theta.mean, rtol=1e-9)
        ends = [found.lower[i], found.upper[i]]
        np.testing.assert_allclose(ends, theta.interval(0.9), rtol=1e-7)


@pytest.mark.parametrize("sigma_known", [True, False])
def test_reml_equals_the_classical_one(sigma_known):
    drawn = worlds(UNEQUAL, replicates=20)
    found = reml(observed(drawn, sigma_known=sigma_known, level=0.95))
    for i in range(20):
        if sigma_known:
            se = UNEQUAL.sigma / np.sqrt(drawn.n)
            tau = classical.reml(mean=drawn.mean[i], se=se).tau
        else:
            fit = classical.maximum_likelihood(mean=drawn.mean[i], n=drawn.n, ss=drawn.ss[i])
            tau, se = fit.tau, fit.sigma / np.sqrt(drawn.n)
        twin = classical.empirical_bayes(mean=drawn.mean[i], se=se, tau=tau)
        np.testing.assert_allclose(found.estimate[i], twin.estimate, rtol=1e-6)
        np.testing.assert_allclose(found.upper[i], twin.upper, rtol=1e-6)


def test_moments_and_james_stein_equal_the_classical_ones():
    drawn = worlds(EQUAL, replicates=5)
    seen = observed(drawn, sigma_known=True, level=0.95)
    for i in range(5):
        twin = classical.method_of_moments(mean=drawn.mean[i], n=15, sigma=10.0, floor=0.01)
        np.testing.assert_allclose(moments(seen).estimate[i], twin.estimate, rtol=1e-12)
        stein = classical.james_stein(mean=drawn.mean[i], se=10 / np.sqrt(15))
        np.testing.assert_allclose(james_stein(seen).estimate[i], stein.estimate, rtol=1e-12)


def test_bias_and_variance_add_up_to_the_risk():
    table = risks(EQUAL, replicates=500, fixed_population=True).table
    np.testing.assert_allclose(table["bias2"] + table["variance"], table["mse"], rtol=1e-9)
    assert table["bias2"][1] > table["bias2"][0]  # complete pooling is biased for these groups


def test_sizes_and_a_world_like_a_fit():
    world = World.of(5, 20, 3.0, imbalance=1.0)
    assert world.n == (7, 12, 20, 33, 54)
    like = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff()).world()
    assert like.n == (5,) * 6
    assert 40 < like.tau < 60
    table = draw(like, sigma_known=False).table()
    assert list(table)[:3] == ["group", "n", "truth"]


def test_design_says_which_reach_the_goal():
    table = design(tau=5, sigma=10, groups=[5, 20], n=[2, 50], target=3.0, replicates=100)
    assert table["rows"].tolist() == sorted(table["rows"].tolist())
    reached = dict(zip(table["rows"].tolist(), table["reached"].tolist(), strict=True))
    assert reached == {10: False, 40: False, 250: True, 1000: True}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: World((5,), tau=1.0), "at least 2 groups"),
        (lambda: World((5, 0), tau=1.0), "1 or more"),
        (lambda: World((5, 5), tau=-1.0), "tau must be 0 or more; received -1.0"),
        (lambda: World((5, 5), tau=1.0, sigma=0.0), "sigma must be positive"),
        (lambda: World((5, 5), tau=1.0, population="cauchy"), "normal, heavy_tailed"),
        (lambda: World.of(3, [5, 5], 1.0), "3 groups and 2 sizes"),
        (lambda: worlds(EQUAL, replicates=0), "between 1 and"),
        (lambda: worlds(EQUAL, seed=-1), "seed"),
        (lambda: risks(EQUAL, estimators=["remll"]), 'did you mean "reml"'),
        (lambda: risks(UNEQUAL, estimators=["james_stein"]), "all of one size"),
        (lambda: risks(World((5, 5), tau=1.0), estimators=["posterior"]), "at least 3"),
        (lambda: risks(World((1, 1, 1), tau=1.0), sigma_known=False), "more than one row"),
        (lambda: risks(EQUAL, level=1.0), "between 0 and 1"),
        (lambda: design(tau=1, sigma=1, goal="speed"), "goal is one of"),
    ],
)
def test_bad_settings(call, words):
    with pytest.raises(pp.ArgumentError, match=words):
        call()
