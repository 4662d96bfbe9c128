"""Events to come of rows that vary more, against mixtures by scipy and draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from partialpool.posterior.dispersed_events import (
    beta_binomial_ends,
    largest_count,
    negative_binomial_cdf,
    varied,
)

RATES = np.array([[0.2, 0.5, 0.7], [0.4, 0.6, 0.9]])
SHARES = np.array([0.3, 0.7])
DISPERSIONS = np.array([0.4, 1.2]), np.array([0.6, 0.4])


def test_negative_binomial_distribution_function():
    mean, count = 10.0 * RATES, np.array([0.0, 4.0, 30.0])
    found = negative_binomial_cdf(count, mean, DISPERSIONS[0])
    k = DISPERSIONS[0][:, None, None] ** -2.0
    np.testing.assert_allclose(found, stats.nbinom.cdf(count, k, k / (k + mean)), atol=1e-12)
    most = largest_count(mean.max(axis=0), DISPERSIONS[0])
    assert (stats.nbinom.sf(most, k, k / (k + mean)) < 1e-9).all()


@pytest.mark.parametrize("sizes", [(3.0, 20.0, 90.0), (5.0, 400.0, 20.0)])
def test_beta_binomial_ends_are_those_of_the_mixture(sizes):
    size = np.array(sizes)
    lower, upper = beta_binomial_ends(size, RATES, SHARES, DISPERSIONS, (0.025, 0.975))
    f = DISPERSIONS[0][:, None] ** -2.0
    for r, n in enumerate(size.astype(int)):
        at = np.arange(n + 1)[:, None, None]
        each = stats.betabinom.cdf(at, n, f * RATES[:, r], f * (1.0 - RATES[:, r]))
        below = np.einsum("kdm,d,m->k", each, DISPERSIONS[1], SHARES)
        assert (lower[r], upper[r]) == (np.argmax(below >= 0.025), np.argmax(below >= 0.975))


def test_many_trials_are_followed_by_a_beta_distribution():
    """Of 5,000 trials the ends are within two of the exact ones."""
    size, n = np.full(3, 5000.0), 5000
    lower, upper = beta_binomial_ends(size, RATES, SHARES, DISPERSIONS, (0.025, 0.975))
    f = DISPERSIONS[0][:, None] ** -2.0
    for r in range(3):
        at = np.arange(n + 1)[:, None, None]
        each = stats.betabinom.pmf(at, n, f * RATES[:, r], f * (1.0 - RATES[:, r]))
        below = np.einsum("kdm,d,m->k", each, DISPERSIONS[1], SHARES).cumsum()
        exact = np.array([np.argmax(below >= p) for p in (0.025, 0.975)])
        np.testing.assert_allclose([lower[r], upper[r]], exact, atol=5)


@pytest.mark.parametrize("proportion", [True, False])
def test_drawn_rates_have_the_mean_and_the_spread_of_the_family(proportion):
    rng = np.random.default_rng(1)
    mean, d = 0.3, 0.7
    drawn = varied(np.full((200_000, 1), mean), np.full(200_000, d), rng, proportion=proportion)
    variance = mean * (1.0 - mean) * d**2 / (1.0 + d**2) if proportion else (mean * d) ** 2
    assert drawn.mean() == pytest.approx(mean, abs=4.0 * np.sqrt(variance / 200_000))
    assert drawn.var() == pytest.approx(variance, rel=0.02)
