"""Draws of groups' parameters given mu and tau are exact, wherever these lie."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy import integrate, special, stats

import partialpool as pp
from partialpool.kernels.discrete import smallest_count
from partialpool.kernels.families import LOG, LOGIT
from partialpool.posterior import counts_draws

# events, trials or exposure, mu, tau: few and many events, none, nothing but events; mu far
# above and far below what the events say; tau wide and narrow
CASES = [
    (LOG, 25, 4.0, -3.05, 4.47),  # Newton's first step goes 100 too far and comes back by ones
    (LOG, 0, 4.0, 2.0, 6.0),
    (LOG, 0, 12.9, 200.0, 938.0),
    (LOG, 3, 1e-8, 0.0, 2.0),
    (LOG, 10**9, 1e9, 3.0, 0.5),
    (LOG, 98_158, 5e-6, 0.94, 0.035),
    (LOG, 0, 0.0, 1.0, 2.0),
    (LOGIT, 0, 20.0, 30.0, 4.0),
    (LOGIT, 20, 20.0, -30.0, 4.0),
    (LOGIT, 20, 20.0, 3.0, 900.0),
    (LOGIT, 7, 20.0, 0.0, 1e-6),
    (LOGIT, 1, 1e9, 5.0, 3.0),
    (LOGIT, 10**9, 4e9, 0.0, 3.0),
]


def conditional(link, y, size, mu, tau, draws):
    y, size, mu, precision = (np.full(draws, float(v)) for v in (y, size, mu, tau**-2))
    mode = counts_draws._modes(link, y, size, mu, precision)
    pull = y - precision * (mode - mu)
    target = counts_draws._Conditional(link, size, precision, mode, pull)
    sd = 1.0 / np.sqrt(precision + size * link.slope(mode))
    return target, counts_draws._envelope(target, 1.5 * sd)


@pytest.mark.parametrize(("link", "y", "size", "mu", "tau"), CASES)
def test_rejection_and_inversion_follow_the_density(link, y, size, mu, tau):
    draws = 4000
    target, envelope = conditional(link, y, size, mu, tau, draws)
    low = envelope.left[0] - 45.0 / envelope.rise[0]
    high = envelope.right[0] + 45.0 / envelope.fall[0]
    grid = np.linspace(low, high, 200_001)
    log_f = target.log_density(grid, np.zeros(len(grid), dtype=np.int64))
    assert log_f.max() < 1e-6
    below = integrate.cumulative_trapezoid(np.exp(log_f), grid, initial=0.0)
    for rounds in (counts_draws.MOST_REJECTIONS, 0):
        rng = np.random.default_rng(1)
        drawn = counts_draws._rejection(target, envelope, rng, rounds)
        uniform = np.interp(drawn, grid, below / below[-1])
        assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    step, height = envelope.draw(np.arange(draws), np.random.default_rng(2))
    share = np.exp(target.log_density(step) - height)
    assert share.max() < 1.0 + 1e-6
    assert share.mean() > 0.3  # so that 200 rounds without one accepted do not happen


@pytest.mark.parametrize(("link", "y", "size", "mu", "tau"), [c for c in CASES if c[1] >= 1e9])
def test_differences_of_densities_keep_their_digits(link, y, size, mu, tau):
    target, _ = conditional(link, y, size, mu, tau, 1)
    sd = 1.0 / np.sqrt(tau**-2 + size * link.slope(target.mode))
    both = target.log_density(1e-3 * sd) + target.log_density(-1e-3 * sd)
    np.testing.assert_allclose(0.5 * both, -0.5e-6, rtol=1e-3)


def test_gamma_variables_far_below_the_smallest_number():
    rng = np.random.default_rng(4)
    shape = np.array([1e-4, 0.3, 2.0, 1e6])
    drawn = counts_draws._log_gamma(np.broadcast_to(shape, (40_000, 4)), rng)
    wanted, sd = special.digamma(shape), np.sqrt(special.polygamma(1, shape))
    np.testing.assert_allclose((drawn.mean(axis=0) - wanted) / sd, 0.0, atol=4.0 / 200.0)
    np.testing.assert_allclose(drawn.std(axis=0) / sd, 1.0, atol=0.05)


TABLE = "g,y,e\n" + "\n".join(
    f"g{i},{y},4" for i, y in enumerate([4, 1, 6, 3, 2, 2, 0, 8, 2, 1, 25, 3, 0, 16, 3])
)


def test_ranks_of_a_table_of_rates_return_and_agree_with_the_densities():
    data = np.genfromtxt(io.StringIO(TABLE), delimiter=",", names=True, dtype=None, encoding=None)
    fit = pp.fit("y | exposure(e) ~ 1 + (1 | g)", {k: data[k] for k in data.dtype.names})
    ranks = fit.rank()
    assert ranks["expected_rank"].sum() == pytest.approx(15 * 16 / 2)
    at = dict(zip(ranks["group"].tolist(), ranks["expected_rank"].tolist(), strict=True))
    # groups with the same events have the same rank but for the error of 40,000 draws
    np.testing.assert_allclose([at["g3"], at["g14"]], at["g11"], atol=0.06)
    np.testing.assert_allclose(at["g6"], at["g12"], atol=0.06)
    post = fit._engine
    drawn = post.draws(40_000, np.random.default_rng(6)).theta
    best = np.flatnonzero(ranks["group"] == "g10")[0]
    assert ranks["best"][best] == pytest.approx(
        (drawn[:, list(post.statistics.labels).index("g10")] == drawn.max(axis=1)).mean(), abs=0.01
    )
    q = np.array([0.025, 0.25, 0.5, 0.75, 0.975])
    below = (drawn[:, None, :] <= post.theta.quantile(q)).mean(axis=0)
    np.testing.assert_allclose(below, np.repeat(q[:, None], 15, axis=1), atol=0.012)


def test_counts_beyond_the_whole_numbers_of_a_float_end_the_bisection():
    high = np.array([5.0, 1e17, np.inf, np.nan])
    reached = smallest_count(lambda k: (k >= 3.0).astype(float), high, 0.5)
    np.testing.assert_array_equal(reached, [3.0, 3.0, np.inf, np.nan])
    huge = smallest_count(lambda k: (k >= 5e16).astype(float), np.array([1e17]), 0.5)
    assert huge == pytest.approx(5e16, rel=1e-15)
