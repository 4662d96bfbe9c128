"""Counts with predictors: against naive twins, the exact one-way models, and themselves moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.kernels.families import LOG, LOGIT
from partialpool.kernels.group_quadrature import GroupedRows, integrate_groups
from partialpool.models import priors
from partialpool.posterior import generalized_posterior
from partialpool.rows import read_count_rows

seeds = st.integers(0, 2**32 - 1)


def rows_of(rng, link, groups, q):
    """Rows of some groups, their predictors, and the group of each."""
    group = rng.integers(0, groups, 5 * groups)
    group[:groups] = np.arange(groups)
    group = np.sort(group)
    n = len(group)
    trials = rng.integers(1, 8, n).astype(float)
    y = rng.binomial(trials.astype(int), 0.4).astype(float)
    x = np.stack([np.ones(n), rng.normal(size=n)], axis=1)
    z = np.stack([np.ones(n), rng.normal(size=n)], axis=1)[:, :q]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return GroupedRows(link, y, trials, z, starts), x, group


def naive(rows, x, group, beta, factor):
    """Log likelihood of each group by a dense sum over v, ten standard deviations wide."""
    q = rows.z.shape[1]
    side = np.linspace(-10, 10, 401 if q == 1 else 161)
    v = np.stack(np.meshgrid(*[side] * q, indexing="ij"), axis=-1).reshape(-1, q)
    cell = q * np.log(side[1] - side[0])
    prior = -0.5 * (v**2).sum(axis=1) - 0.5 * q * np.log(2 * np.pi)
    out = []
    for g in range(group.max() + 1):
        at = group == g
        eta = (x[at] @ beta)[:, None] + rows.z[at] @ factor @ v.T
        a = np.logaddexp(0, eta) if rows.link is LOGIT else np.exp(eta)
        log_f = (rows.y[at, None] * eta - rows.size[at, None] * a).sum(axis=0) + prior
        out.append(special.logsumexp(log_f) + cell)
    return np.array(out)


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([LOGIT, LOG]), st.sampled_from([1, 2]), st.floats(0.0, 1.5))
def test_quadrature_against_a_dense_sum(seed, link, q, tau):
    rng = np.random.default_rng(seed)
    rows, x, group = rows_of(rng, link, 4, q)
    beta = rng.normal(0, 0.5, 2)
    factor = tau * np.tril(rng.normal(size=(q, q)))
    expected = naive(rows, x, group, beta, factor).sum() - rows.best.sum()
    nodes, loose = 25, 1.0 if q == 1 else 10.0  # of wide slopes few nodes are left at the mode
    known = (x @ beta)[:, None] + np.zeros((1, 2))
    many = np.repeat(factor[None], 2, axis=0)
    start = np.zeros((q, 4, 2))
    start[:, :, 1] = 0.5  # the rule is right wherever it is laid
    found, moments = integrate_groups(rows, known, many, start, nodes, steps=20, moments=True)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=3e-5 * loose)
    parts = rows.parts(8)
    assert len(parts) > 1
    apart = sum(
        integrate_groups(of, known[at], many, start[:, groups], nodes, steps=20)[0]
        for at, groups, of in parts
    )
    np.testing.assert_allclose(apart, found, rtol=1e-10)
    assert moments is not None
    mean, covariance, third = naive_moments(rows, x, group, beta, factor)
    np.testing.assert_allclose(moments.mean[:, :, 0].T, mean, atol=1e-4 * loose)
    np.testing.assert_allclose(moments.covariance[:, :, :, 0], covariance, atol=2e-4 * loose)
    np.testing.assert_allclose(moments.third[:, :, :, :, 0], third, atol=2e-3 * loose)


def naive_moments(rows, x, group, beta, factor):
    """Mean, covariance and third central moments of every group's effects by the same sum."""
    q = rows.z.shape[1]
    side = np.linspace(-10, 10, 401 if q == 1 else 161)
    v = np.stack(np.meshgrid(*[side] * q, indexing="ij"), axis=-1).reshape(-1, q)
    b = v @ factor.T
    mean = []
    covariance, third = np.empty((q, q, 4)), np.empty((q, q, q, 4))
    for g in range(group.max() + 1):
        at = group == g
        eta = (x[at] @ beta)[:, None] + rows.z[at] @ b.T
        a = np.logaddexp(0, eta) if rows.link is LOGIT else np.exp(eta)
        log_f = (rows.y[at, None] * eta - rows.size[at, None] * a).sum(axis=0)
        w = special.softmax(log_f - 0.5 * (v**2).sum(axis=1))
        mean.append(w @ b)
        away = b - mean[-1]
        covariance[:, :, g] = np.einsum("k,ka,kc->ac", w, away, away)
        third[:, :, :, g] = np.einsum("k,ka,kc,ke->ace", w, away, away, away)
    return np.array(mean), covariance, third


def posterior(formula, data, family, prior=None):
    roles = read_roles(parse(formula), family)
    s = read_count_rows(roles, data).statistics
    return generalized_posterior(s, priors(prior, factor="g"))


@pytest.mark.parametrize("family", ["binomial", "poisson"])
@pytest.mark.parametrize("prior", [[], ["mu ~ normal(0, 1)", "tau ~ half_normal(1)"]])
def test_without_predictors_it_is_the_exact_one_way_model(family, prior):
    rng = np.random.default_rng(3)
    n = rng.integers(3, 30, 9)
    y = rng.binomial(n, special.expit(rng.normal(-1, 0.8, 9)))
    data = {"y": y, "n": n, "g": np.arange(9)}
    size = "trials" if family == "binomial" else "exposure"
    formula = f"y | {size}(n) ~ 1 + (1 | g)"
    found = posterior(formula, data, family, prior)
    exact = pp.fit(formula, data, prior=prior)._engine
    tau, mu = found.taus["tau[g]"], found.coefficients["Intercept"]
    moments, ends = found.errors
    for own, theirs in ((mu, exact.mu), (tau, exact.tau)):
        sd = float(theirs.quantile(0.84) - theirs.quantile(0.16)) / 2
        got, want = own.quantile([0.05, 0.5, 0.95]), theirs.quantile([0.05, 0.5, 0.95])
        np.testing.assert_allclose(got, want, atol=ends * sd, rtol=0)
    sd = exact.theta.sd
    np.testing.assert_array_less(np.abs(found.group(0).mean - exact.theta.mean) / sd, moments)
    np.testing.assert_array_less(np.abs(found.group(0).sd / sd - 1.0), moments)
    value = found.values(found.terms[0], "response")
    np.testing.assert_allclose(value.mean, exact.value.mean, rtol=0.03)
    np.testing.assert_allclose(value.sd, exact.value.sd, rtol=0.1)
    for p in (0.025, 0.5, 0.975):
        off = (found.group(0).quantile(p) - exact.theta.quantile(p)) / sd
        assert np.abs(off).max() < ends


def example(seed=0, groups=8, trials=True):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), 4)
    x = np.round(rng.normal(size=len(g)), 1)
    n = rng.integers(2, 9, len(g))
    p = special.expit(-0.3 + 0.8 * x + rng.normal(0, 0.7, groups)[g])
    y = rng.binomial(n, p)
    return {"y": y, "n": n, "x": x, "g": np.array([f"g{i}" for i in g])}


FORMULA = "y | trials(n) ~ x + (1 | g)"


def table(fit):
    return np.array([fit.parameters()[k] for k in ("mean", "sd", "lower", "upper")])


def test_order_of_rows_and_names_of_groups_do_not_matter():
    data = example()
    order = np.random.default_rng(1).permutation(len(data["y"]))
    moved = {k: v[order] for k, v in data.items()}
    a, b = pp.fit(FORMULA, data), pp.fit(FORMULA, moved)
    np.testing.assert_allclose(table(a), table(b), rtol=1e-7, atol=1e-9)
    renamed = {**data, "g": np.array([f"h{9 - int(v[1:])}" for v in data["g"]])}
    c = pp.fit(FORMULA, renamed)
    np.testing.assert_allclose(table(a), table(c), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(a.groups()["estimate"], c.groups()["estimate"][::-1], rtol=1e-5)


def test_trials_one_by_one_are_the_same_data():
    data = example()
    each = np.repeat(np.arange(len(data["y"])), data["n"])
    first = np.concatenate([np.arange(n) < y for y, n in zip(data["y"], data["n"], strict=True)])
    rows = {"y": first * 1, "x": data["x"][each], "g": data["g"][each]}
    a, b = pp.fit(FORMULA, data), pp.fit("y ~ x + (1 | g)", rows, family="binomial")
    np.testing.assert_allclose(table(a), table(b), rtol=1e-6, atol=1e-8)


def test_events_and_failures_mirror():
    data = example()
    a = pp.fit(FORMULA, data)
    b = pp.fit(FORMULA, {**data, "y": data["n"] - data["y"]})
    mean_a, mean_b = a.parameters()["mean"], b.parameters()["mean"]
    told = a._engine.errors[0] + b._engine.errors[0]
    sd = a.parameters()["sd"]
    assert (np.abs(mean_a[:2] + mean_b[:2]) < told * sd[:2]).all()
    assert abs(mean_a[2] - mean_b[2]) < told * sd[2]
    moved = np.abs(a.groups()["estimate"] - (1 - b.groups()["estimate"]))
    assert (moved < told * a.groups()["sd"]).all()


def test_units_of_predictors_and_exposure():
    data = example()
    rates = {**data, "e": data["n"] * 2.5}
    formula = "y | exposure(e) ~ x + (1 | g)"
    a = pp.fit(formula, rates)
    b = pp.fit(formula, {**rates, "e": rates["e"] * 1e3, "x": 1e6 + 0.01 * rates["x"]})
    of_a, of_b = a.parameters(), b.parameters()
    told = (a._engine.errors[0] + b._engine.errors[0]) * of_b["sd"][1:]
    assert (np.abs(of_a["mean"][1:] * [100, 1] - of_b["mean"][1:]) < told).all()
    assert (np.abs(of_a["sd"][1:] * [100, 1] - of_b["sd"][1:]) < told).all()
    c = pp.fit("y ~ offset(log(e)) + x + (1 | g)", rates, family="poisson")
    np.testing.assert_allclose(table(a), table(c), rtol=1e-6, atol=1e-8)


def crossed(seed, high):
    rng = np.random.default_rng(seed)
    a, b = (v.ravel() for v in np.meshgrid(np.arange(9), np.arange(6), indexing="ij"))
    x = rng.normal(size=len(a))
    eta = high + 0.3 * x + rng.normal(0, 0.4, 9)[a] + rng.normal(0, 0.3, 6)[b]
    return {"x": x, "a": a, "b": b}, eta, rng


def test_large_counts_of_crossed_factors_are_as_measured_logarithms():
    """With a million events a row, log counts are normal with known errors."""
    data, eta, rng = crossed(0, 14.0)
    y = rng.poisson(np.exp(eta))
    counts = pp.fit("y ~ x + (1 | a) + (1 | b)", {**data, "y": y}, family="poisson")
    log_data = {**data, "log_y": np.log(y), "s": y**-0.5}
    measured = pp.fit("log_y | se(s) ~ x + (1 | a) + (1 | b)", log_data)
    sd = measured.parameters()["sd"]
    told = counts._engine.errors[0]
    assert told < 0.05
    off = (counts.parameters()["mean"] - measured.parameters()["mean"]) / sd
    assert np.abs(off).max() < told
    assert np.abs(counts.parameters()["sd"] / sd - 1.0).max() < told
    effects = counts.groups(scale="link")["effect"], measured.groups()["effect"]
    np.testing.assert_allclose(*effects, atol=told * measured.groups()["sd"].max())


def test_draws_have_the_posteriors_moments():
    fit = pp.fit(FORMULA, example())
    draws, post = fit._engine.draws(20_000, np.random.default_rng(0)), fit._engine
    for k, of in enumerate(post.coefficients.values()):
        assert abs(draws.coefficients[:, k].mean() - float(of.mean)) < 0.04 * float(of.sd)
        np.testing.assert_allclose(draws.coefficients[:, k].std(), of.sd, rtol=0.04)
    tau = post.taus["tau[g]"]
    np.testing.assert_allclose(draws.tau["tau[g]"].mean(), tau.mean, rtol=0.03)
    effects = draws.effects[0][:, :, 0]
    of = post.effect(0)
    assert np.abs((effects.mean(axis=0) - of.mean) / of.sd).max() < 0.05
    np.testing.assert_allclose(effects.std(axis=0), of.sd, rtol=0.05)
    whole = draws.coefficients[:, 0] + effects[:, 0]
    np.testing.assert_allclose(whole.std(), post.group(0).sd[0], rtol=0.05)
