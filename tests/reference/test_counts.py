"""Counts against numbers made by other software, and published tables (see truth/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp

HERE = Path(__file__).parent
SURGICAL = "deaths | trials(operations) ~ 1 + (1 | hospital)"
BATTING = "hits | trials(at_bats) ~ 1 + (1 | player)"
BUGS = ["mu ~ normal(0, 1000)", "tau ~ inverse_gamma_sq(0.001, 0.001)"]


def truth(name):
    return json.loads((HERE / "truth" / f"{name}.json").read_text())["parameters"]


@pytest.fixture(scope="module")
def surgical():
    return pp.fit(SURGICAL, pp.datasets.surgical(), prior=BUGS)._engine


def assert_close(of, expected, at=()):
    """Mean, sd and three quantiles, to 1e-3 posterior sds (the truth's own error is 1e-5)."""
    found = np.array([of.mean, of.sd, *of.quantile([0.05, 0.5, 0.95])])[(slice(None), *at)]
    wanted = [expected[k] for k in ("mean", "sd", "q05", "q50", "q95")]
    np.testing.assert_allclose(found, wanted, atol=1e-3 * expected["sd"], rtol=0)


def test_surgical(surgical):
    expected = truth("surgical_data-surgical_model")
    assert_close(surgical.mu, expected["mu"])
    assert_close(surgical.tau, expected["sigma"])
    for j in range(12):
        assert_close(surgical.theta, expected[f"b[{j + 1}]"], (j,))
        assert_close(surgical.value, expected[f"p[{j + 1}]"], (j,))


def test_surgical_hyperparameters_to_five_digits(surgical):
    """As exact as the stored quadrature, which leaves out 1e-11 of tau's heavy tail."""
    expected = truth("surgical_data-surgical_model")
    for of, name in ((surgical.mu, "mu"), (surgical.tau, "sigma")):
        found = [float(of.mean), float(of.sd)]
        np.testing.assert_allclose(found, [expected[name][k] for k in ("mean", "sd")], rtol=5e-6)


def test_surgical_failure_rates_and_ranks_as_published(surgical):
    """OpenBUGS Examples volume 1: failure rates, and intervals of the ranks (1 = lowest)."""
    rates = [0.05298, 0.1031, 0.07048, 0.05918, 0.05152, 0.06895, 0.0668, 0.1231, 0.0698, 0.0784,
             0.1023, 0.06838]  # fmt: skip
    np.testing.assert_allclose(surgical.value.mean, rates, atol=4e-4)
    ranks = surgical.ranks(descending=False)
    published = ("1-2-10 6-10-12 1-6-11 1-4-8 1-2-8 1-6-10 1-5-10 9-12-12 1-6-10 2-8-11 7-10-12 "
                 "1-6-10")  # fmt: skip
    rows = [[int(v) for v in part.split("-")] for part in published.split()]
    found = np.stack([ranks[k] for k in ("lower", "median", "upper")], axis=1)
    # the ends of rank intervals are whole numbers that both programs find by simulation
    assert np.abs(found - rows).max() <= 1
    assert (found == rows).mean() > 0.9


def test_baseball_on_the_logit_scale():
    prior = ["mu ~ normal(-1, 1)", "tau ~ half_normal(1)"]
    post = pp.fit(BATTING, pp.datasets.baseball(), prior=prior)._engine
    expected = truth("efron_morris_hier_logit")
    assert_close(post.mu, expected["mu"])
    assert_close(post.tau, expected["sigma"])
    players = json.loads((HERE / "truth" / "efron_morris_players.json").read_text())
    order = post.group_index(players)
    for j, at in enumerate(order):
        assert_close(post.theta, expected[f"logit_theta[{j + 1}]"], (at,))
        assert_close(post.value, expected[f"theta[{j + 1}]"], (at,))


def test_baseball_predicts_the_rest_of_the_season():
    """Efron and Morris: partial pooling beats the averages so far, by a factor near 3.5."""
    data = pp.datasets.baseball()
    post = pp.fit(BATTING, data)._engine
    at = post.group_index(data["player"].tolist())
    rest = data["remaining_average"]
    own = ((data["average"] - rest) ** 2).sum()
    pooled = ((post.value.mean[at] - rest) ** 2).sum()
    assert own / pooled > 3.0
    hits = np.rint(rest * data["remaining_at_bats"])
    size = np.empty(18)
    size[at] = data["remaining_at_bats"]
    expected = post.expected_counts(size, level=0.9)
    inside = (expected["lower"][at] <= hits) & (hits <= expected["upper"][at])
    assert inside.sum() >= 15
