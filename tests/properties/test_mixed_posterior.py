"""What must hold for any mixed model: invariances, limits, and the one-way model within."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp
from partialpool.classical.mixed import make_criterion, mixed_model
from partialpool.formula import parse, read_roles
from partialpool.integrate import Accuracy
from partialpool.models import Priors
from partialpool.models.priors import HalfCauchy, HalfNormal, Normal, StudentT
from partialpool.posterior import mixed_posterior, plug_in
from partialpool.rows import read_mixed


def statistics(formula, data):
    return read_mixed(read_roles(parse(formula)), data).statistics


def posterior(formula, data, accuracy=None, **priors):
    return mixed_posterior(statistics(formula, data), Priors(**priors), accuracy)


def assert_same(one, other, tolerance, names=None):
    """Means and sds of every parameter agree, in posterior sds."""
    for name in names or one.named():
        a, b = one.named()[name], other.named()[name]
        assert abs(float(a.mean - b.mean)) < tolerance * float(a.sd), name
        assert abs(float(a.sd / b.sd) - 1.0) < tolerance, name


@pytest.fixture(scope="module")
def sleep():
    return pp.datasets.sleepstudy()


@pytest.mark.parametrize("priors", [{}, {"mu": Normal(250, 30), "tau": HalfNormal(20)}])
def test_one_way_is_the_special_case_it_is(sleep, priors):
    """The general engine and the one-way engine share nothing but the data."""
    post = posterior("reaction ~ 1 + (1 | subject)", sleep, accuracy=1e-8, **priors)
    fit = pp.fit("reaction ~ 1 + (1 | subject)", sleep, prior=Priors(**priors))._engine
    assert type(fit) is not type(post)
    pairs = [(post.coefficients["Intercept"], fit.mu), (post.tau("subject"), fit.tau)]
    pairs += [(post.sigma, fit.sigma), (post.group(0), fit.theta), (post.effect(0), fit.effect)]
    for got, expected in pairs:
        np.testing.assert_allclose((got.mean - expected.mean) / expected.sd, 0.0, atol=1e-5)
        np.testing.assert_allclose(got.sd, expected.sd, rtol=1e-5)
        quantiles = [got.quantile(0.05), expected.quantile(0.05)]
        np.testing.assert_allclose(*quantiles, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(post.pooling(0)[:, 0], fit.shrinkage.mean, rtol=1e-6)
    np.testing.assert_allclose(post.icc("subject").mean, fit.icc.mean, rtol=1e-6)


def test_known_errors_are_the_one_way_model_too():
    data = pp.datasets.eight_schools()
    formula = "effect | se(se) ~ 1 + (1 | school)"
    post, fit = posterior(formula, data), pp.fit(formula, data)._engine
    assert post.sigma is None
    np.testing.assert_allclose(post.tau("school").mean, fit.tau.mean, rtol=1e-7)
    np.testing.assert_allclose(post.group(0).sd, fit.theta.sd, rtol=1e-6)


def test_order_of_rows_and_of_factors_does_not_matter():
    data = pp.datasets.penicillin()
    order = np.random.default_rng(1).permutation(len(data["plate"]))
    one = posterior("diameter ~ 1 + (1 | plate) + (1 | sample)", data)
    shuffled = {k: v[order] for k, v in data.items()}
    other = posterior("diameter ~ 1 + (1 | sample) + (1 | plate)", shuffled)
    assert_same(one, other, 1e-6)
    np.testing.assert_allclose(one.group(0).mean, other.group(1).mean, rtol=1e-6)


def test_units_of_outcome_and_predictor_do_not_matter(sleep):
    one = posterior("reaction ~ days + (days | subject)", sleep)
    data = {**sleep, "reaction": 1e4 * sleep["reaction"] + 7.0, "days": 24.0 * sleep["days"]}
    other = posterior("reaction ~ days + (days | subject)", data)
    factors = {"Intercept": 1e4, "days": 1e4 / 24, "tau[subject]": 1e4, "sigma": 1e4}
    factors |= {"tau[subject, days]": 1e4 / 24, "rho[subject, Intercept, days]": 1.0}
    for name, factor in factors.items():
        a, b = one.named()[name], other.named()[name]
        offset = 7.0 if name == "Intercept" else 0.0
        assert abs(float(factor * a.mean + offset - b.mean)) < 2e-4 * float(b.sd), name
        np.testing.assert_allclose(factor * a.sd, b.sd, rtol=2e-4)


def test_a_sum_of_effects_equals_the_group_itself(sleep):
    """`linear` at day 5 against the interval arithmetic of draws, known, new and population."""
    post = posterior("reaction ~ days + (days | subject)", sleep)
    x = np.array([[1.0, 5.0]] * 3)
    z = np.array([[1.0, 5.0]] * 3)
    at = post.linear(x, {0: (np.array([4, -1, -2]), z)})
    draws = post.draws(40_000, np.random.default_rng(3))
    population = draws.coefficients @ [1.0, 5.0]
    known = population + draws.effects[0][:, 4] @ [1.0, 5.0]
    np.testing.assert_allclose(at.mean[0], known.mean(), atol=4 * known.std() / 200)
    np.testing.assert_allclose(at.sd[0], known.std(), rtol=0.02)
    np.testing.assert_allclose(at.sd[2], population.std(), rtol=0.02)
    assert at.sd[1] > at.sd[2]
    np.testing.assert_allclose(at.quantile(0.9)[0], np.quantile(known, 0.9), rtol=2e-3)
    noisy = post.linear(x, {0: (np.array([4, -1, -2]), z)}, noise=1.0)
    expected = np.hypot(at.sd, np.sqrt(np.mean(draws.sigma**2)))
    np.testing.assert_allclose(noisy.sd, expected, rtol=0.02)


def test_a_wide_t_prior_changes_nothing_and_a_narrow_one_takes_over(sleep):
    flat = posterior("reaction ~ days + (1 | subject)", sleep, tau=HalfCauchy(50))
    wide = posterior(
        "reaction ~ days + (1 | subject)", sleep, tau=HalfCauchy(50), beta=StudentT(3, 0, 1e4)
    )
    assert_same(flat, wide, 1e-3)
    narrow = posterior(
        "reaction ~ days + (1 | subject)", sleep, tau=HalfCauchy(50), beta=StudentT(40, 0, 1e-3)
    )
    assert abs(float(narrow.coefficients["days"].mean)) < 0.01


def test_data_win_where_a_priors_tail_is_heavy(sleep):
    """Two modes in the variance of the prior: the one at its mean has e^-48 of the weight."""
    formula, tau = "reaction ~ days + (1 | subject)", HalfCauchy(50)
    flat = posterior(formula, sleep, tau=tau).coefficients["days"]
    prior = StudentT(4, 0, 1e-3)
    x = np.linspace(4.0, 17.0, 4001)
    weight = flat.density(x) * (1.0 + (x / 1e-3) ** 2 / 4.0) ** -2.5
    mean = x @ weight / weight.sum()
    heavy = posterior(formula, sleep, tau=tau, beta=prior).coefficients["days"]
    assert abs(float(heavy.mean) - mean) < 0.02 * float(heavy.sd)


def test_status_and_error_are_reached_and_small(sleep):
    post = posterior("reaction ~ days + (days | subject)", sleep)
    assert post.status is Accuracy.REACHED
    assert 1e-4 < post.error <= 2e-2
    finer = posterior("reaction ~ days + (days | subject)", sleep, accuracy=1e-4)
    assert finer.status is Accuracy.REACHED
    assert finer.error <= 1e-4


@pytest.mark.parametrize("seed", range(3))
def test_reml_has_no_higher_neighbour(seed):
    """Whatever the design, also on the boundary, no nearby factor is better."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(6), 4)
    data = {"y": rng.normal(size=24), "x": rng.normal(size=24), "g": group}
    s = statistics("y ~ x + (x | g)", data)
    found = mixed_model(s)
    assert found.converged
    criterion = make_criterion(s, restricted=True)
    around = rng.normal(size=(4000, 3)) * np.array([1.5, 1.5, 1.5])
    assert criterion.log_likelihood(around).max() <= found.log_likelihood + 1e-7


def test_plug_in_reproduces_the_estimate(sleep):
    s = statistics("reaction ~ days + (days | subject)", sleep)
    found = mixed_model(s)
    at = plug_in(s, found.sds, found.correlations, found.sigma)
    np.testing.assert_allclose(at.coefficients["days"].mean, found.coefficients[1], rtol=1e-9)
    np.testing.assert_allclose(at.coefficients["days"].sd, found.se[1], rtol=1e-9)
    np.testing.assert_allclose(at.effect(0).mean, found.effects[0].ravel(), atol=1e-8)
