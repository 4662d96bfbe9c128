"""What must hold for any counts: a slow naive twin, limits, symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import interpolate, special, stats

import partialpool as pp
from count_models import COUNT_MODELS, PROPORTIONS
from partialpool.formula import parse, read_roles
from partialpool.kernels.conjugate import rising
from partialpool.kernels.counts import log_marginals
from partialpool.kernels.families import LOG, LOGIT
from partialpool.models.counts import distinct_pairs
from partialpool.rows import read_counts

PROPORTION = "y | trials(n) ~ 1 + (1 | g)"
RATE = "y | exposure(n) ~ 1 + (1 | g)"
FAMILIES = {
    "binomial": PROPORTION,
    "beta": PROPORTION,
    "poisson": RATE,
    "gamma": RATE,
}
Y, N = np.array([0, 3, 7, 12, 5]), np.array([4, 9, 11, 40, 5])
PRIOR = ["mu ~ normal(-0.5, 0.8)", "tau ~ uniform(0.15, 1.2)"]


def fitted(y, n, family, prior=None):
    data = {"y": np.asarray(y), "n": np.asarray(n), "g": np.arange(1, len(y) + 1)}
    return pp.fit(FAMILIES[family], data, **COUNT_MODELS[family], prior=prior)._engine


def naive(y, n, family):
    """Posterior of mu, tau, each theta and each probability or rate, from plain sums."""
    mu = np.linspace(-5.5, 4.5, 161)
    nodes, share = np.polynomial.legendre.leggauss(24)
    tau = 0.675 + 0.525 * nodes
    x = np.linspace(-5.5, 5.5 if family == "beta" else 2.2, 1401)
    theta = 3.0 * np.sinh(x)
    slope = 3.0 * np.cosh(x) * (x[1] - x[0])
    if family in PROPORTIONS:
        value = special.expit(theta)
        log_lik = stats.binom.logpmf(y[:, None], n[:, None], value)
    else:
        value = np.exp(theta)
        log_lik = stats.poisson.logpmf(y[:, None], n[:, None] * value)
    lik = np.exp(log_lik) * slope  # (J, I)
    total, density, sums = 0.0, np.zeros(lik.shape), np.zeros(4)
    for t, w in zip(tau, 0.5 * share, strict=True):
        prior = np.exp(_log_prior(family, theta, mu[:, None], t))
        each = prior @ lik.T  # (M, J)
        weight = w * each.prod(axis=1) * stats.norm.pdf(mu, -0.5, 0.8)
        total += weight.sum()
        sums += [weight @ mu, weight @ mu**2, weight.sum() * t, weight.sum() * t * t]
        density += (weight[:, None] / each).T @ prior * lik
    sums, density = sums / total, density / total
    mean = density @ value
    step = np.diff(density, axis=1, append=0.0)  # the midpoint rule's own first error
    return {
        "mu": (sums[0], np.sqrt(sums[1] - sums[0] ** 2)),
        "tau": (sums[2], np.sqrt(sums[3] - sums[2] ** 2)),
        "value": (mean, np.sqrt(density @ value**2 - mean**2)),
        "theta": (density @ theta, np.sqrt(density @ theta**2 - (density @ theta) ** 2)),
        "cdf": (density.cumsum(axis=1) + step / 24.0, 3.0 * np.sinh(x + 0.5 * (x[1] - x[0]))),
        "log_total": np.log(total * (mu[1] - mu[0])),
    }


def _log_prior(family, theta, mu, tau):
    f = tau**-2.0
    if family == "beta":
        a, b = f * special.expit(mu), f * special.expit(-mu)
        return a * special.log_expit(theta) + b * special.log_expit(-theta) - special.betaln(a, b)
    if family == "gamma":
        gap = theta - mu
        return f * (gap - np.exp(gap)) + f * np.log(f) - special.gammaln(f)
    return stats.norm.logpdf(theta, mu, tau)


@pytest.mark.parametrize("family", FAMILIES)
def test_posterior_against_a_naive_twin(family):
    y = Y if family in PROPORTIONS else Y * 3
    post, slow = fitted(y, N, family, PRIOR), naive(y, N, family)
    for name in ("mu", "tau", "value", "theta"):
        of = getattr(post, name)
        np.testing.assert_allclose([of.mean, of.sd], slow[name], rtol=5e-6, err_msg=name)
    np.testing.assert_allclose(post.log_marginal_likelihood(), slow["log_total"], atol=1e-7)
    below, theta = slow["cdf"]
    found = post.theta.quantile([0.025, 0.5, 0.975])
    for j in range(len(y)):
        seen = (below[j] > 1e-4) & (below[j] < 1 - 1e-4)
        wanted = interpolate.CubicSpline(below[j][seen], theta[seen])([0.025, 0.5, 0.975])
        np.testing.assert_allclose(found[:, j], wanted, atol=2e-5 * post.theta.sd[j])
    assert post.status.name == "REACHED"


@pytest.mark.parametrize("family", FAMILIES)
def test_tau_near_zero_is_complete_pooling(family):
    """With mu flat and tau nearly 0 every group has the beta or gamma posterior of the whole."""
    post = fitted(Y, N, family, "tau ~ uniform(0, 1e-7)")
    q = np.array([0.001, 0.025, 0.5, 0.975, 0.999])
    if family in PROPORTIONS:
        exact = special.betaincinv(Y.sum(), N.sum() - Y.sum(), q)
    else:
        exact = special.gammaincinv(Y.sum(), q) / N.sum()
    for j in (0, 3):
        np.testing.assert_allclose(post.value.quantile(q)[:, j], exact, rtol=5e-6)
    np.testing.assert_allclose(post.value.mean, Y.sum() / N.sum(), rtol=1e-8)
    np.testing.assert_allclose(post.new_group.quantile(q), exact, rtol=5e-6)
    np.testing.assert_allclose(post.shrinkage.mean, 1.0, atol=1e-10)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_tau_very_large_is_no_pooling(family):
    """Each group inside its range has the posterior of its own counts under a flat prior."""
    post = fitted(Y, N, family, ["mu ~ normal(0, 1)", "tau ~ uniform(1e4, 2e4)"])
    q = np.array([0.025, 0.5, 0.975])
    for j in (1, 2, 3):
        if family == "binomial":
            exact = special.betaincinv(Y[j], N[j] - Y[j], q)
        else:
            exact = special.gammaincinv(Y[j], q) / N[j]
        np.testing.assert_allclose(post.value.quantile(q)[:, j], exact, rtol=1e-6)


def test_counts_in_millions_are_normal():
    n = np.array([2_000_000, 3_000_000, 1_500_000, 4_000_000, 2_500_000])
    y = np.array([500_000, 700_000, 300_000, 1_200_000, 610_000])
    post = fitted(y, n, "binomial")
    p = y / n
    normal = pp.fit_groups(mean=special.logit(p), se=1 / np.sqrt(n * p * (1 - p)))._engine
    for name in ("mu", "tau"):
        a, b = getattr(post, name), getattr(normal, name)
        np.testing.assert_allclose(a.mean, b.mean, rtol=1e-5, atol=1e-5 * float(b.sd))
        np.testing.assert_allclose(a.quantile([0.1, 0.9]), b.quantile([0.1, 0.9]), rtol=1e-4)
    np.testing.assert_allclose(
        post.theta.mean, normal.theta.mean, atol=1e-2 * normal.theta.sd.min()
    )
    np.testing.assert_allclose(post.theta.sd, normal.theta.sd, rtol=1e-3)


counts = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=3, max_size=7).filter(
    lambda rows: sum(y > 0 and m > 0 for y, m in rows) >= 3
)


def width(distribution):
    low, high = distribution.interval(0.5)
    return float(high - low)


@settings(max_examples=6, deadline=None)
@given(counts, st.sampled_from(["binomial", "beta"]))
def test_events_and_failures_mirror(rows, family):
    y, miss = np.array(rows).T
    a, b = fitted(y, y + miss, family), fitted(miss, y + miss, family)
    # Medians, as with few groups and flat priors mu has no mean and no sd. Absolute tolerances of
    # probabilities: one minus a probability close to one has no more digits than that.
    np.testing.assert_allclose(a.mu.median, -b.mu.median, atol=1e-6 * width(a.mu))
    np.testing.assert_allclose(a.value.mean, 1 - b.value.mean, rtol=1e-6, atol=1e-13)
    low, high = a.value.quantile(0.1), b.value.quantile(0.9)
    np.testing.assert_allclose(low, 1 - high, rtol=1e-5, atol=1e-13)
    np.testing.assert_allclose(a.tau.quantile([0.1, 0.5]), b.tau.quantile([0.1, 0.5]), rtol=1e-6)


@settings(max_examples=6, deadline=None)
@given(counts, st.sampled_from(["poisson", "gamma"]), st.floats(1e-6, 1e6))
def test_units_of_exposure(rows, family, unit):
    y, n = np.array(rows).T
    n = n + 1.5
    prior = ["tau ~ half_normal(1)"] if family == "gamma" else None
    a, b = fitted(y, n, family, prior), fitted(y, n * unit, family, prior)
    np.testing.assert_allclose(a.mu.median, b.mu.median + np.log(unit), atol=1e-6)
    np.testing.assert_allclose(a.value.mean, b.value.mean * unit, rtol=1e-6)
    np.testing.assert_allclose(a.tau.median, b.tau.median, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 60),
    st.integers(0, 60),
    st.floats(-4, 4),
    st.floats(-4, 3).map(lambda x: 10.0**x),
    st.booleans(),
)
def test_marginal_of_one_pair_against_quadrature(y, rest, mu, tau, proportion):
    """Against a dense sum over the prior's own scale and the likelihood's."""
    link, n = (LOGIT if proportion else LOG), float(y + rest + 1)
    y = float(y if proportion else y + 1)
    pairs, _, _ = distinct_pairs(np.array([y]), np.array([n]), link)
    found = log_marginals(pairs, np.array([[mu]]), np.array([tau]))[0, 0, 0]
    center, sd = float(pairs.center[0]), float(pairs.sd[0])
    low, high = max(mu - 10 * tau, center - 60 * sd - 10), min(mu + 10 * tau, center + 60 * sd + 10)
    if y == 0:
        low = mu - 10 * tau
    if proportion and y == n:
        high = mu + 10 * tau
    if found < -40 or low >= high:
        return
    theta = np.linspace(low, high, 400_001)
    log_f = pairs.log_likelihood(link.first(theta), link.second(theta))[0]
    log_f = log_f - 0.5 * ((theta - mu) / tau) ** 2 - np.log(tau * np.sqrt(2 * np.pi))
    slow = np.log(np.trapezoid(np.exp(log_f), theta))
    np.testing.assert_allclose(found, slow, rtol=0, atol=3e-7)


@given(st.floats(1e-3, 1e12), st.integers(0, 200))
def test_rising_factorial(a, y):
    exact = np.log1p(np.arange(y) / a).sum()
    np.testing.assert_allclose(
        rising(np.array([a]), np.array([y * 1.0]))[0], exact, rtol=1e-9, atol=1e-12
    )


rows = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=30,
)


@given(rows, rows)
def test_statistics_combine(first, second):
    def stats_of(part):
        g, y, miss = zip(*part, strict=True)
        data = {"g": list(g), "y": list(y), "n": [a + b for a, b in zip(y, miss, strict=True)]}
        return read_counts(read_roles(parse(PROPORTION), "binomial"), data).statistics

    both, joined = stats_of(first + second), stats_of(first).combine(stats_of(second)).sorted()
    assert joined.labels.tolist() == both.labels.tolist()
    for name in ("n", "y", "size", "square"):
        np.testing.assert_allclose(getattr(joined, name), getattr(both, name), rtol=1e-12)
    np.testing.assert_allclose(joined.log_constant, both.log_constant, atol=1e-9)
    assert (joined.n_rows, joined.n_dropped) == (both.n_rows, both.n_dropped)


@pytest.mark.parametrize("y", [[0, 1, 30], [1, 1, 1, 0, 30], [30, 30, 30]])
def test_few_groups_and_a_long_tail_of_tau(y):
    """The conditional of mu is then far from normal; the integral is still found, and quickly."""
    post = fitted(np.array(y), np.array(y) + 1, "beta")
    assert post.status.name == "REACHED"
    assert post.nodes.weight.size < 60_000


def test_what_is_out_of_reach_is_said_and_said_soon():
    """Few gamma rates and flat priors: mu has a tail as long as tau squared."""
    y = np.array([0, 1, 30])
    post = fitted(y, y + 1, "gamma")
    assert post.status.name == "NOT_REACHED"
    assert post.nodes.weight.size < 2_000_000
    assert fitted(y, y + 1, "gamma", PRIOR).status.name == "REACHED"


@pytest.mark.slow
@pytest.mark.parametrize("y", [[0, 1, 1], [2, 5, 1]])
def test_few_gamma_rates_have_densities_all_the_same(y):
    """Mu then reaches beyond what exponentials hold; quantiles are still those of the groups."""
    n = np.array([3, 4, 5])
    post = fitted(y, n, "gamma")
    low, middle, high = post.value.quantile([0.025, 0.5, 0.975])
    assert (low < middle).all()
    assert (middle < high).all()
    assert np.isfinite(high).all()
    assert (np.abs(post.value.mean - y / n) < 0.3).all()
