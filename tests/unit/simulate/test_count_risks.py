"""Worlds of counts, and what the poolings make of them."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp
from count_models import COUNT_MODELS
from partialpool.simulate import CountWorld, count_draw, count_risks, count_worlds


def test_one_world_is_that_of_the_replicates_and_its_fit_that_of_its_data():
    world = CountWorld.of(6, 20, 0.7)
    one, drawn = count_draw(world, seed=4), count_worlds(world, replicates=3, seed=4)
    np.testing.assert_array_equal(one.events, drawn.y[0])
    fit = pp.fit(drawn.formula, drawn.table(), family=world.family)
    table = one.table(0.9)
    np.testing.assert_allclose(table["posterior"], fit.groups()["estimate"])
    np.testing.assert_allclose(table["lower"], fit.groups(level=0.9)["lower"])
    np.testing.assert_allclose(table["no_pooling"], one.events / 20)
    np.testing.assert_allclose(table["complete_pooling"], one.events.sum() / 120)


@pytest.mark.parametrize("family", ["binomial", "poisson", "beta", "gamma"])
def test_partial_pooling_has_the_lowest_risk_and_its_intervals_cover(family):
    world = CountWorld.of(10, 12, 0.4, **COUNT_MODELS[family])
    found = count_risks(world, replicates=60, prior="tau ~ half_normal(1)")
    mse = dict(zip(found.table["estimator"], found.table["mse"], strict=True))
    assert mse["posterior"] < min(mse["no_pooling"], mse["complete_pooling"])
    coverage = dict(zip(found.table["estimator"], found.table["coverage"], strict=True))
    error = dict(zip(found.table["estimator"], found.table["coverage_error"], strict=True))
    assert abs(coverage["posterior"] - 0.95) < 4 * error["posterior"] + 0.01
    assert np.isnan(coverage["complete_pooling"])


def test_worlds_without_a_proper_posterior_are_counted_and_left_out():
    world = CountWorld.of(5, 4, 0.3, mu=-2.0)
    found = count_risks(world, replicates=30)
    assert 0 < found.left_out < 30
    assert found.replicates + found.left_out == 30
    whole = count_risks(world, replicates=30, prior=["mu ~ normal(0, 2)", "tau ~ half_normal(1)"])
    assert whole.left_out == 0
    with pytest.raises(pp.ImproperPosteriorError):
        count_risks(CountWorld.of(3, 2, 0.1, mu=-9.0), replicates=3)
    with pytest.raises(pp.ArgumentError, match="level"):
        count_risks(world, level=1.5)


def test_groups_without_trials_are_not_scored():
    world = CountWorld((10.0, 12.0, 9.0, 11.0, 0.0), 0.3)
    found = count_risks(world, replicates=5, prior="tau ~ half_normal(1)")
    assert np.isfinite(found.table["mse"]).all()


def test_worlds_of_rows_that_vary_more_are_refused_in_words():
    with pytest.raises(pp.ArgumentError, match="family is one of binomial, poisson; received"):
        CountWorld((10.0, 20.0, 30.0), 0.5, family="negative_binomial")
