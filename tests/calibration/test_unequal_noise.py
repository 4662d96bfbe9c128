"""Stored worlds of groups that differ in noise: what a sigma of each buys, and calibration."""

import numpy as np
import pytest
from scipy import stats
from unequal_noise import stored, world


def test_the_noisiest_groups_are_covered_where_one_sigma_is_too_short():
    rows = np.array(stored()["omega 0.5"])
    own, noisiest, error, _, one_noisiest, one_error, sigma = rows.mean(axis=0)
    assert len(rows) >= 100
    assert own == pytest.approx(0.95, abs=0.02)
    assert noisiest > 0.9
    assert one_noisiest < 0.85
    assert error < 0.85 * one_error
    assert sigma == pytest.approx(0.95, abs=0.02)


def test_nothing_is_lost_where_groups_are_equally_noisy():
    own, noisiest, error, one, _, one_error, _ = np.array(stored()["omega 0.0"]).mean(axis=0)
    assert own == pytest.approx(one, abs=0.01)
    assert noisiest > 0.93
    assert error < 1.02 * one_error


@pytest.mark.parametrize("quantity", range(6))
def test_ranks_of_truths_are_uniform(quantity):
    """mu, tau, sigma, sd_log_sigma, a group's theta and its sigma, drawn from their priors."""
    ranks = np.array(stored()["prior"])[:, quantity]
    assert stats.kstest(ranks, "uniform").pvalue > 0.005


@pytest.mark.slow
def test_a_world_comes_out_the_same():
    np.testing.assert_allclose(world(0.5, 3), stored()["omega 0.5"][3], atol=0.02)
