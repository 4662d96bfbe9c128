"""Leaving groups out of one-way models: reweighted nodes against refits and brute force."""

import functools

import numpy as np
import pytest

import partialpool as pp
from count_models import COUNT_MODELS
from partialpool.posterior import counts_posterior, one_way_posterior
from partialpool.posterior.left_out import counts_without, one_way_without

SCHOOLS = "effect | se(se) ~ 1 + (1 | school)"
SE = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def refits(fit, fitted):
    """Log density, then mean and sd of every parameter, of fits without each group."""
    s, rows = fit.statistics, []
    for j in range(s.n_groups):
        others = fitted(s.of_groups(np.arange(s.n_groups) != j), fit.priors)
        moments = [(float(d.mean), float(d.sd)) for d in others.named().values()]
        rows.append([fit._engine.log_evidence - others.log_evidence, *np.ravel(moments)])
    return np.array(rows)


def columns_of(out, names):
    columns = [out.log_density]
    for name in names:
        columns += [out.mean[name], out.sd[name]]
    return np.column_stack(columns)


def same_as_refits(fit, fitted, without, tolerance):
    out = without(fit._engine)
    expected = refits(fit, fitted)
    reweighted = columns_of(out, fit._engine.named())
    there = np.isfinite(expected)
    assert np.array_equal(np.isfinite(reweighted), there)
    scale = np.maximum(np.abs(expected[there]), 1.0)
    assert np.abs((reweighted[there] - expected[there]) / scale).max() < tolerance
    return out


@pytest.mark.parametrize(
    "prior",
    [
        None,
        ["tau ~ half_cauchy(5)", "mu ~ normal(0, 5)"],
        ["tau ~ half_t(3, 9)", "mu ~ student_t(3, 0, 9)"],
    ],
)
def test_eight_schools_without_each_are_refits(prior):
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools(), prior=prior)
    out = same_as_refits(fit, one_way_posterior, one_way_without, 1e-10)
    assert not out.refitted.any()


def test_eight_schools_values():
    out = one_way_without(pp.fit(SCHOOLS, pp.datasets.eight_schools())._engine)
    assert out.log_density[0] == pytest.approx(-4.5958411, abs=1e-6)
    assert out.log_density.sum() == pytest.approx(-31.3417436, abs=1e-6)
    assert out.mean["Intercept"][0] == pytest.approx(6.07089, abs=1e-5)


@pytest.mark.parametrize("prior", [None, ["tau ~ half_normal(50)"], ["sigma ~ half_cauchy(50)"]])
def test_dyestuff_without_each_batch_are_refits(prior):
    (dyestuff,) = (d for d in pp.datasets.catalogue if d.name == "dyestuff")
    fit = pp.fit(dyestuff.formula, dyestuff.load(), prior=prior)
    same_as_refits(fit, one_way_posterior, one_way_without, 1e-8)


def test_log_density_of_rows_is_that_of_the_covariance_matrix():
    """p(y_j | y_-j) from the covariance of all rows on a lattice over (log sigma, log tau)."""
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(5), [3, 4, 2, 6, 3])
    y = rng.normal(size=5)[group] * 2 + rng.normal(size=len(group))
    prior = ["tau ~ half_normal(2)", "sigma ~ half_normal(1)"]
    fit = pp.fit("y ~ 1 + (1 | g)", {"g": group, "y": y}, prior=prior)
    out = one_way_without(fit._engine)
    log_s, log_t = np.meshgrid(np.linspace(-1.2, 1.6, 80), np.linspace(-9, 3, 160), indexing="ij")

    def log_evidence(rows):
        same = (group[rows][:, None] == group[rows]).astype(float)
        value, n = np.empty(log_s.shape), rows.sum()
        for at in np.ndindex(log_s.shape):
            sigma, tau = np.exp(log_s[at]), np.exp(log_t[at])
            v = sigma**2 * np.eye(n) + tau**2 * same
            one, x = np.ones(n), np.linalg.inv(v)
            mu = one @ x @ y[rows] / (one @ x @ one)
            r = y[rows] - mu
            value[at] = -0.5 * (np.linalg.slogdet(v)[1] + np.log(one @ x @ one) + r @ x @ r)
            value[at] += -0.5 * (n - 1) * np.log(2 * np.pi) - tau**2 / 8 - sigma**2 / 2
        value += log_s + log_t
        return value.max() + np.log(np.exp(value - value.max()).sum())

    every = np.ones(len(y), dtype=bool)
    expected = log_evidence(every) - log_evidence(group != 3)
    assert out.log_density[3] == pytest.approx(expected, abs=1e-4)


def test_weights_enter_the_density():
    """Rows of weight w have variance sigma^2 / w: twice the weight is half the variance."""
    y = np.array([1.0, 3, 2, 7, 6, 9, 4, 5])
    data = {"g": np.repeat(list("abcd"), 2), "y": y, "w": np.full(8, 4.0)}
    plain = one_way_without(pp.fit("y ~ 1 + (1 | g)", data)._engine)
    weighted = one_way_without(pp.fit("y | weights(w) ~ 1 + (1 | g)", data)._engine)
    assert weighted.log_density == pytest.approx(plain.log_density, abs=1e-9)
    assert weighted.mean["sigma"] == pytest.approx(2 * plain.mean["sigma"], rel=1e-9)


@pytest.mark.parametrize("prior", [None, "tau ~ half_normal(20)", "tau ~ uniform_shrinkage()"])
def test_far_groups_are_left_out_by_refits(prior):
    y = np.array([200.0, 8, -3, 7, -1, 1, 18, 12])
    fit = pp.fit_groups(mean=y, se=SE, prior=prior)
    out = one_way_without(fit._engine)
    assert out.refitted.tolist() == [True] + [False] * 7
    if prior != "tau ~ uniform_shrinkage()":  # which a refit makes relative to other errors
        same_as_refits(fit, one_way_posterior, one_way_without, 1e-9)


def test_relative_priors_stay_relative_to_all_errors():
    """Reweighted and refitted agree where the prior's reference is held."""
    from partialpool.models.priors import UniformShrinkage
    from partialpool.posterior import left_out

    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    fit = pp.fit_groups(mean=y, se=SE, prior=pp.priors(tau=UniformShrinkage()))
    out = one_way_without(fit._engine)
    before = out.log_density[0], out.mean["tau[group]"][0]
    left_out.refit(fit._engine, one_way_posterior, out, 0)
    assert (out.log_density[0], out.mean["tau[group]"][0]) == pytest.approx(before, rel=1e-9)


def test_i_squared_without_a_group_is_that_of_the_others():
    fit = pp.fit(SCHOOLS, pp.datasets.eight_schools())
    out = one_way_without(fit._engine)
    others = one_way_posterior(fit.statistics.of_groups(np.arange(8) != 2), fit.priors)
    assert out.mean["I^2"][2] == pytest.approx(float(others.icc.mean), rel=1e-9)
    assert out.sd["I^2"][2] == pytest.approx(float(others.icc.sd), rel=1e-9)


def test_moments_that_do_not_exist_are_infinite():
    """Of four groups under flat priors tau has a mean; of three it has none."""
    out = one_way_without(pp.fit_groups(mean=[1.0, 4, 2, 3], se=[1.0, 1, 1, 1])._engine)
    assert np.isfinite(out.log_density).all()
    assert np.isinf(out.mean["tau[group]"]).all()


def test_too_few_groups_are_refused():
    fit = pp.fit_groups(mean=[1.0, 4, 2], se=[1.0, 1, 1])
    with pytest.raises(pp.ArgumentError, match="no proper posterior"):
        fit.influence()


def refitted(family):
    population = COUNT_MODELS[family].get("population", "normal")
    return functools.partial(counts_posterior, population=population)


@pytest.mark.parametrize("family", ["binomial", "beta"])
def test_hospitals_without_each_are_refits(family):
    data = {"y": [0, 18, 8, 46, 8, 13], "n": [47, 148, 119, 810, 211, 196], "g": list("abcdef")}
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", data, **COUNT_MODELS[family])
    same_as_refits(fit, refitted(family), counts_without, 1e-6)


@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_rates_without_each_are_refits(family):
    data = {"y": [5, 7, 3, 9, 200, 4], "e": np.full(6, 2.0), "g": list("abcdef")}
    prior = ["mu ~ normal(1, 2)", "tau ~ half_normal(1)"]
    fit = pp.fit("y | exposure(e) ~ 1 + (1 | g)", data, **COUNT_MODELS[family], prior=prior)
    out = same_as_refits(fit, refitted(family), counts_without, 1e-6)
    assert out.refitted[4]


def test_groups_without_trials_say_nothing():
    data = {"y": [2, 8, 4, 0, 6], "n": [20, 30, 25, 0, 40], "g": list("abcde")}
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", data)
    out = counts_without(fit._engine)
    assert out.log_density[3] == 0.0
    assert out.mean["Intercept"][3] == pytest.approx(float(fit.posterior["Intercept"].mean))
