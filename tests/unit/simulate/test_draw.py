"""One draw: its table, scores and picture say the same as the rest of the library."""

import math

import numpy as np
import pytest

import partialpool as pp
from partialpool.errors import ArgumentError
from partialpool.simulate import World, draw, risks, shrinkage, worlds

ALL = ("no_pooling", "complete_pooling", "moments", "reml", "posterior")
WORLD = World.of(7, 12, 4.0, imbalance=0.8)


@pytest.mark.parametrize("known", [True, False])
def test_a_draw_is_the_first_replicate_of_the_risks(known):
    drawn = draw(WORLD, seed=5, sigma_known=known, estimators=ALL)
    found = risks(WORLD, seed=5, replicates=1, sigma_known=known, estimators=ALL).table
    for name, mse in zip(found["estimator"], found["mse"], strict=True):
        assert drawn.errors[name] == pytest.approx(mse, rel=1e-6)
    truth = worlds(WORLD, replicates=1, seed=5).theta[0]
    np.testing.assert_array_equal(drawn.table()["truth"], truth)
    covered = dict(zip(found["estimator"], found["coverage"], strict=True))
    assert drawn.covered("posterior") == round(7 * covered["posterior"])
    assert drawn.covered("complete_pooling") == 0


def test_the_posterior_of_a_draw_is_that_of_its_summaries():
    drawn = draw(WORLD, seed=2, sigma_known=False)
    seen = worlds(WORLD, replicates=1, seed=2)
    n = np.array(WORLD.n)
    sd = np.sqrt(seen.ss[0] / np.maximum(n - 1, 1))
    fit = pp.fit_groups(n=n, mean=seen.mean[0], sd=sd)
    np.testing.assert_allclose(drawn.estimates["posterior"].estimate, fit._engine.theta.mean)


@pytest.mark.parametrize("name", ["moments", "reml", "posterior"])
@pytest.mark.parametrize("known", [True, False])
def test_weights_are_those_of_tau_and_sigma(name, known):
    found = draw(WORLD, seed=3, sigma_known=known, estimators=ALL).estimates[name]
    n = np.array(WORLD.n)
    plugged_in = 1 / (1 + found.sigma**2 / (n * found.tau**2))
    if name == "posterior":  # the median of the weight, for the weight falls with tau / sigma
        assert np.all((found.weight > 0) & (found.weight < 1))
        np.testing.assert_allclose(found.weight, plugged_in, atol=0.1)
    else:
        np.testing.assert_allclose(found.weight, plugged_in)
        assert known is False or found.sigma == WORLD.sigma


def test_no_pooling_uses_no_tau():
    found = draw(WORLD, estimators=ALL).estimates["no_pooling"]
    assert math.isnan(found.tau)
    assert found.weight is None


def test_groups_closer_to_the_truth_are_counted():
    drawn = draw(WORLD, seed=4, estimators=ALL)
    table = drawn.table()
    gain = abs(table["posterior"] - table["truth"]) < abs(table["no_pooling"] - table["truth"])
    assert drawn.closer("posterior") == gain.sum()
    assert drawn.closer("no_pooling") == 0


@pytest.mark.parametrize("name", ["moments", "reml", "posterior"])
def test_the_picture_holds_the_draw(name):
    drawn = draw(WORLD, seed=1, estimators=ALL)
    spec = shrinkage(drawn, name, dark=True).to_dict()
    rows = {r["group"]: r for r in spec["datasets"]["groups"]}
    assert len(rows) == 7
    for i, label in enumerate("1234567"):
        assert rows[label]["truth"] == drawn.truth[i]
        assert rows[label]["estimate"] == drawn.estimates[name].estimate[i]
        assert rows[label]["n"] == WORLD.n[i]


def test_the_picture_refuses_what_does_not_pool_partially():
    with pytest.raises(ArgumentError, match="posterior"):
        shrinkage(draw(WORLD), "no_pooling")


def test_an_outlying_group_lies_five_tau_above():
    world = World.of(9, 10, 3.0, population="outlier")
    theta = worlds(world, replicates=400, seed=1).theta
    np.testing.assert_allclose(theta[:, 0], 70 + 15)
    assert abs(theta[:, 1:].std() - 3) < 0.2
