"""Where the answer is known without a computation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import partialpool as pp

SEED = st.integers(0, 2**32 - 1)


@given(seed=SEED)
def test_tau_near_zero_is_complete_pooling(seed):
    rng = np.random.default_rng(seed)
    y, se = rng.normal(0, 2, 6), rng.uniform(0.5, 3, 6)
    post = pp.fit_groups(mean=y, se=se, prior=pp.priors(tau=pp.HalfNormal(1e-7)))._engine
    pooled = np.average(y, weights=se**-2)
    np.testing.assert_allclose(post.theta.mean, pooled, atol=1e-6)
    np.testing.assert_allclose(post.theta.sd, (se**-2).sum() ** -0.5, rtol=1e-6)
    np.testing.assert_allclose(post.shrinkage.mean, 1, atol=1e-6)


@given(seed=SEED)
def test_tau_far_out_is_no_pooling(seed):
    rng = np.random.default_rng(seed)
    y, se = rng.normal(0, 2, 6), rng.uniform(0.5, 3, 6)
    prior = pp.priors(tau=pp.LogNormal(np.log(1e5), 0.01))
    post = pp.fit_groups(mean=y, se=se, prior=prior)._engine
    np.testing.assert_allclose(post.theta.mean, y, atol=1e-6)
    np.testing.assert_allclose(post.theta.sd, se, rtol=1e-6)
    np.testing.assert_allclose(post.shrinkage.mean, (se / 1e5) ** 2, rtol=1e-2)


@given(seed=SEED)
def test_known_mu_and_tau_give_the_textbook_estimate(seed):
    rng = np.random.default_rng(seed)
    y, se = rng.normal(0, 2, 5), rng.uniform(0.5, 3, 5)
    prior = pp.priors(mu=pp.Normal(1, 1e-6), tau=pp.LogNormal(np.log(2), 1e-5))
    post = pp.fit_groups(mean=y, se=se, prior=prior)._engine
    b = se**2 / (se**2 + 4)
    np.testing.assert_allclose(post.theta.mean, (1 - b) * y + b, atol=2e-5)
    np.testing.assert_allclose(post.theta.sd, 2 * np.sqrt(b), rtol=2e-5)


@given(seed=SEED)
def test_shrinkage_falls_with_the_rows_of_a_group(seed):
    rng = np.random.default_rng(seed)
    n = np.array([1, 2, 4, 9, 30, 1000])
    post = pp.fit_groups(n=n, mean=rng.normal(0, 2, 6), sd=rng.uniform(0.5, 2, 6))._engine
    assert (np.diff(post.shrinkage.mean) < 0).all()
    assert (np.diff(post.shrinkage.quantile([0.1, 0.9]), axis=1) < 0).all()


@given(seed=SEED)
def test_a_group_of_one_row_is_shrunk(seed):
    rng = np.random.default_rng(seed)
    n, mean = np.array([1, 5, 5, 5, 5]), rng.normal(0, 1, 5)
    mean[0] = 4.0
    fit = pp.fit_groups(n=n, mean=mean, sd=[0, 1, 1, 1, 1])
    assert fit._engine.theta.mean[0] < 4.0 - 0.01
    assert fit._engine.shrinkage.mean[0] == fit._engine.shrinkage.mean.max()


@given(seed=SEED)
def test_equal_estimates_and_errors_give_equal_groups(seed):
    se = np.random.default_rng(seed).uniform(0.5, 3)
    post = pp.fit_groups(mean=[2.0] * 5, se=[se] * 5)._engine
    np.testing.assert_allclose(post.theta.mean, 2)
    np.testing.assert_allclose(post.expected_rank(), 3)
    np.testing.assert_allclose(post.contrast({1: 1, 2: -1}).cdf(0.0), 0.5)
