"""Units, offsets and the order of rows and groups must not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import partialpool as pp

SEED = st.integers(0, 2**32 - 1)
GRID = [0.025, 0.5, 0.975]


def estimates(seed, size=7):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, size), rng.uniform(0.5, 4, size)


def table(seed):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(6), [2, 5, 1, 3, 4, 2])
    return rng.normal(0, 2, 6)[group] + rng.normal(size=len(group)), group


def summary(post):
    """Everything that scales with y, and everything that does not."""
    scaled = [post.mu.quantile(GRID), post.tau.quantile(GRID), post.new_group.quantile(GRID)]
    scaled += [post.theta.mean, post.theta.sd, post.theta.quantile(0.9), post.tau.mean]
    if post.sigma is not None:
        scaled.append(post.sigma.quantile(GRID))
    free = [post.shrinkage.mean, post.icc.mean, post.expected_rank()]
    return np.concatenate([np.ravel(x) for x in scaled]), np.concatenate(
        [np.ravel(x) for x in free]
    )


@given(seed=SEED)
@pytest.mark.parametrize("factor", [1e8, 1e-8])
def test_change_of_units_with_standard_errors(seed, factor):
    y, se = estimates(seed)
    a, a_free = summary(pp.fit_groups(mean=y, se=se)._engine)
    b, b_free = summary(pp.fit_groups(mean=y * factor, se=se * factor)._engine)
    np.testing.assert_allclose(b / factor, a, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(b_free, a_free, rtol=1e-7)


@settings(max_examples=5)
@given(seed=SEED)
@pytest.mark.parametrize("factor", [1e8, 1e-8])
@pytest.mark.parametrize("width", [None, 3.0])
def test_change_of_units_with_rows(seed, factor, width):
    y, group = table(seed)

    def at(scale):
        prior = None if width is None else pp.priors(tau=pp.HalfNormal(width * scale))
        data = {"y": y * scale, "g": group}
        return summary(pp.fit("y ~ 1 + (1 | g)", data, prior=prior)._engine)

    (a, a_free), (b, b_free) = at(1.0), at(factor)
    np.testing.assert_allclose(b / factor, a, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(b_free, a_free, rtol=1e-7)


@given(seed=SEED, shift=st.sampled_from([-1e9, 1e6, 1e9]))
def test_shift(seed, shift):
    y, se = estimates(seed)
    a = pp.fit_groups(mean=y, se=se)._engine
    b = pp.fit_groups(mean=y + shift, se=se)._engine
    np.testing.assert_allclose(b.theta.mean - shift, a.theta.mean, atol=3e-6)
    np.testing.assert_allclose(b.mu.quantile(GRID) - shift, a.mu.quantile(GRID), atol=3e-6)
    np.testing.assert_allclose(b.theta.sd, a.theta.sd, rtol=1e-5)
    np.testing.assert_allclose(b.tau.quantile(GRID), a.tau.quantile(GRID), rtol=1e-5)


@given(seed=SEED)
def test_order_of_rows(seed):
    y, group = table(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    a, a_free = summary(pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": group})._engine)
    data = {"y": y[order], "g": group[order]}
    b, b_free = summary(pp.fit("y ~ 1 + (1 | g)", data)._engine)
    np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(b_free, a_free, rtol=1e-8)


@given(seed=SEED)
def test_order_of_groups(seed):
    y, se = estimates(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    a = pp.fit_groups(mean=y, se=se)._engine
    b = pp.fit_groups(mean=y[order], se=se[order])._engine
    np.testing.assert_allclose(b.theta.mean, a.theta.mean[order], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(b.theta.sd, a.theta.sd[order], rtol=1e-8)
    np.testing.assert_allclose(b.expected_rank(), a.expected_rank()[order], rtol=1e-8)


@given(seed=SEED, factor=st.sampled_from([0.01, 100.0]))
def test_common_factor_of_weights_changes_sigma_only(seed, factor):
    y, group = table(seed)
    w = np.random.default_rng(seed).uniform(0.2, 5, len(y))
    formula = "y | weights(w) ~ 1 + (1 | g)"
    a = pp.fit(formula, {"y": y, "g": group, "w": w})._engine
    b = pp.fit(formula, {"y": y, "g": group, "w": w * factor})._engine
    np.testing.assert_allclose(b.theta.mean, a.theta.mean, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(b.tau.quantile(GRID), a.tau.quantile(GRID), rtol=1e-7)
    np.testing.assert_allclose(b.sigma.mean, a.sigma.mean * factor**0.5, rtol=1e-7)
