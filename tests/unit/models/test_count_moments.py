"""Which moments of mu, tau and new rates exist: tails of the densities themselves."""

import numpy as np
import pytest
from scipy import integrate, special

from partialpool.data import read_counts
from partialpool.formula import parse, read_roles
from partialpool.models import counts_model, priors
from partialpool.models.counts_propriety import natural_moments

DATA = {"y": [3, 5, 1], "n": [4.0, 10.0, 6.0], "g": ["a", "b", "c"]}


def model(family, prior=None, size="exposure"):
    roles = read_roles(parse(f"y | {size}(n) ~ 1 + (1 | g)"), family)
    return counts_model(read_counts(roles, DATA).statistics, priors(prior, factor="g"))


def tail(of, at):
    """Minus the power with which a density falls, by its values at two far places."""
    low, high = (of(x) for x in at)
    return -(high - low) / np.log(at[1] / at[0])


@pytest.mark.parametrize(
    ("family", "size", "at"),
    [
        ("poisson", "exposure", (1e4, 1e5)),
        ("gamma_poisson", "exposure", (1e4, 1e6)),
        ("binomial", "trials", (1e4, 1e5)),
    ],
)
def test_mu_falls_with_the_power_that_its_moments_say(family, size, at):
    of = model(family, size=size)
    log_tau = np.linspace(-4, 25, 3000)
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
    of = model("gamma_poisson", ["tau ~ uniform(0, 2)"])
    order = natural_moments(of.sizes, of.priors)
    mu = np.array([[60.0, 120.0]])
    low, high = of.log_joint(mu, np.array([2.0 - 1e-9]))[0]
    assert (low - high) / 60.0 == pytest.approx(order, rel=1e-3)
