"""Which moments of mu, tau and new rates exist: tails of the densities themselves."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from count_models import COUNT_MODELS
from partialpool.formula import parse, read_roles
from partialpool.models import counts_model, priors
from partialpool.models.counts_propriety import natural_moments
from partialpool.rows import read_counts

DATA = {"y": [3, 5, 1], "n": [4.0, 10.0, 6.0], "g": ["a", "b", "c"]}


def model(family, prior=None, size="exposure"):
    how = COUNT_MODELS[family]
    roles = read_roles(parse(f"y | {size}(n) ~ 1 + (1 | g)"), how["family"])
    population = how.get("population", "normal")
    return counts_model(read_counts(roles, DATA).statistics, priors(prior, factor="g"), population)


def tail(of, at):
    """Minus the power with which a density falls, by its values at two far places."""
    low, high = (of(x) for x in at)
    return -(high - low) / np.log(at[1] / at[0])


@pytest.mark.parametrize(
    ("family", "size", "at"),
    [
        ("poisson", "exposure", (1e4, 1e5)),
        ("gamma", "exposure", (1e4, 1e6)),
        ("binomial", "trials", (1e4, 1e5)),
    ],
)
def test_mu_falls_with_the_power_that_its_moments_say(family, size, at):
    of = model(family, size=size)
    log_tau = np.linspace(-4, 25, 400)
    tau = np.exp(log_tau)

    def density(mu):
        log_f = of.log_joint(np.full((len(tau), 1), mu), tau)[:, 0]
        return special.logsumexp(log_f + log_tau)

    assert tail(density, at) - 1 == pytest.approx(of.moments.mu, abs=0.02)


def test_rates_of_new_groups_have_the_moments_of_a_lognormal_with_a_half_normal_sd():
    scale = 0.4
    of = model("poisson", ["tau ~ half_normal(0.4)"])
    order = natural_moments(of.sizes, of.priors)
    for k, exists in ((0.99 * order, True), (1.01 * order, False)):
        # E exp(k theta) = E exp(k^2 tau^2 / 2) = (1 - k^2 scale^2)^(-1/2)
        def f(t, k=k):
            return np.exp(k**2 * t**2 / 2 - t**2 / (2 * scale**2)) * np.sqrt(2 / np.pi) / scale

        assert (f(60.0) < f(30.0)) == exists
        if exists:
            value, _ = integrate.quad(f, 0, 60, limit=400)
            np.testing.assert_allclose(value, (1 - (k * scale) ** 2) ** -0.5, rtol=1e-6)


def test_gamma_rates_have_the_moments_that_groups_over_the_widest_spread_allow():
    """Given tau the likelihood falls like exp(-groups mu / tau^2): E exp(k mu) needs k below."""
    of = model("gamma", ["tau ~ uniform(0, 2)"])
    order = natural_moments(of.sizes, of.priors)
    mu = np.array([[60.0, 120.0]])
    low, high = of.log_joint(mu, np.array([2.0 - 1e-9]))[0]
    assert (low - high) / 60.0 == pytest.approx(order, rel=1e-3)


def test_the_prior_of_mu_has_its_constants():
    nodes = np.array([[-1.0, 0.3, 2.5]]), np.array([0.7])
    flat = model("poisson").log_joint(*nodes)
    student = model("poisson", ["mu ~ student_t(3, 0.5, 2.0)"]).log_joint(*nodes)
    normal = model("poisson", ["mu ~ normal(0.5, 2.0)"]).log_joint(*nodes)
    np.testing.assert_allclose(student - flat, stats.t(3, 0.5, 2.0).logpdf(nodes[0]), rtol=1e-12)
    np.testing.assert_allclose(normal - flat, stats.norm(0.5, 2.0).logpdf(nodes[0]), rtol=1e-12)


def test_uniform_shrinkage_of_counts_is_that_of_a_group_of_typical_information():
    """A group's own log rate has the variance 1 / y; half an event is added, for groups without."""
    of = model("poisson", ["tau ~ uniform_shrinkage()"])
    mu, tau = np.zeros((2, 1)), np.array([0.4, 1.7])
    s2 = of.typical_ratio**2
    share = model("poisson").log_joint(mu, tau)
    # s0^2 / (s0^2 + tau^2) is uniform, so p(tau) = 2 tau s0^2 / (s0^2 + tau^2)^2
    expected = np.log(2 * tau * s2 / (s2 + tau**2) ** 2)
    np.testing.assert_allclose(of.log_joint(mu, tau)[:, 0] - share[:, 0], expected, rtol=1e-10)
    y = np.array(DATA["y"], dtype=float)
    assert s2 == pytest.approx(len(y) / (y + 0.5).sum(), rel=1e-12)
