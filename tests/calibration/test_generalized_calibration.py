"""Calibration of counts with predictors: truths drawn from the prior fall uniformly in posteriors.

See test_calibration.py for the idea.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from partialpool.formula import parse, read_roles
from partialpool.models import Priors
from partialpool.models.priors import LKJ, HalfNormal, Normal
from partialpool.posterior import generalized_posterior
from partialpool.rows import read_count_rows

SMALLEST_P = 1e-3
"""Of each test of uniformity; seeds are fixed, so this decides once and for all."""

pytestmark = pytest.mark.slow


def counted(rng, family, size, eta):
    if family == "binomial":
        return rng.binomial(size, special.expit(eta))
    return rng.poisson(size * np.exp(eta))


def fitted(formula, family, data, priors):
    statistics = read_count_rows(read_roles(parse(formula), family), data).statistics
    return generalized_posterior(statistics, priors)


def intercepts(rng, family, groups, rows, size, middle, spread):
    """A predictor that varies within groups and one that does not; intercepts of groups."""
    g = np.repeat(np.arange(groups), rows)
    x, w = rng.normal(0, 1, len(g)), rng.normal(0, 1, groups)
    mu, slope, between = rng.normal([middle, 0, 0], [0.7, 0.5, 0.5])
    tau = abs(rng.normal(0, spread))
    theta = mu + between * w + rng.normal(0, tau, groups)
    n = rng.choice(size, len(g))
    y = counted(rng, family, n, theta[g] + slope * x)
    priors = Priors(
        mu=Normal(middle, 0.7), beta=Normal(0, 0.5), named=(("tau[g]", HalfNormal(spread)),)
    )
    outcome = "y | trials(n)" if family == "binomial" else "y | exposure(n)"
    data = {"y": y, "n": n, "x": x, "w": w[g], "g": g}
    post = fitted(f"{outcome} ~ x + w + (1 | g)", family, data, priors)
    truths = {"Intercept": mu, "x": slope, "w": between, "tau[g]": tau}
    found = {name: float(post.named()[name].cdf(value)) for name, value in truths.items()}
    natural = special.expit(theta) if family == "binomial" else np.exp(theta)
    found["first group"] = post.values(post.terms[0], "response").cdf(natural[0])[0]
    found["last effect"] = post.effect(0).cdf(theta[-1] - mu - between * w[-1])[-1]
    new = post.linear(np.array([[1.0, 1.0, 0.0]]), {0: (np.array([-1]), np.ones((1, 1)))})
    found["new group at 1"] = new.cdf(rng.normal(mu + slope, tau))[0]
    return found


def slopes(rng):
    """Intercept and slope of each group, correlated."""
    groups, rows = 12, 5
    mu, beta = rng.normal(0, 0.7, 2)
    tau = np.abs(rng.normal(0, [1.0, 0.7]))
    rho = 2.0 * rng.beta(2, 2) - 1.0  # LKJ(2)
    covariance = np.outer(tau, tau) * np.array([[1, rho], [rho, 1]])
    effects = rng.multivariate_normal([0, 0], covariance, groups)
    g, x = np.repeat(np.arange(groups), rows), np.tile(np.linspace(-1, 1, rows), groups)
    n = rng.integers(1, 6, len(g))
    y = counted(rng, "binomial", n, mu + effects[g, 0] + (beta + effects[g, 1]) * x)
    named = (("tau[g]", HalfNormal(1)), ("tau[g, x]", HalfNormal(0.7)))
    priors = Priors(mu=Normal(0, 0.7), beta=Normal(0, 0.7), rho=LKJ(2), named=named)
    data = {"y": y, "n": n, "x": x, "g": g}
    post = fitted("y | trials(n) ~ x + (x | g)", "binomial", data, priors)
    truths = {"Intercept": mu, "x": beta, "tau[g]": tau[0], "tau[g, x]": tau[1]}
    truths["rho[g, Intercept, x]"] = rho
    found = {name: float(post.named()[name].cdf(value)) for name, value in truths.items()}
    found["first intercept"] = post.group(0).cdf(mu + effects[0, 0])[0]
    found["last slope"] = post.effect(0).cdf(effects[-1, 1])[-1]
    return found


def crossed(rng):
    """Single trials of every pair of two factors: Laplace's approximation of the smaller one."""
    sizes = 12, 6
    a, b = (v.ravel() for v in np.meshgrid(*map(np.arange, sizes), indexing="ij"))
    mu, tau = rng.normal(0, 1), np.abs(rng.normal(0, 1, 2))
    effects = [rng.normal(0, t, n) for t, n in zip(tau, sizes, strict=True)]
    y = counted(rng, "binomial", 1, mu + effects[0][a] + effects[1][b])
    priors = Priors(mu=Normal(0, 1), tau=HalfNormal(1))
    post = fitted("y ~ 1 + (1 | a) + (1 | b)", "binomial", {"y": y, "a": a, "b": b}, priors)
    found = {"Intercept": float(post.coefficients["Intercept"].cdf(mu))}
    for name, value in zip(("tau[a]", "tau[b]"), tau, strict=True):
        found[name] = float(post.named()[name].cdf(value))
    found["first of a"] = post.effect(0).cdf(effects[0][0])[0]
    found["first of b"] = post.effect(1).cdf(effects[1][0])[0]
    return found


CASES = {
    "few groups": (lambda rng: intercepts(rng, "binomial", 5, 4, [1, 2, 5], 0.0, 1.0), 100),
    "single trials": (lambda rng: intercepts(rng, "binomial", 30, 2, [1], -0.5, 1.0), 60),
    "rare events": (lambda rng: intercepts(rng, "binomial", 10, 3, [20, 50], -4.0, 0.8), 80),
    "large spread": (lambda rng: intercepts(rng, "binomial", 8, 3, [1, 4, 10], 0.0, 3.0), 80),
    "single trials, large spread": (
        lambda rng: intercepts(rng, "binomial", 15, 6, [1], 0.0, 4.0),
        60,
    ),
    "rates": (lambda rng: intercepts(rng, "poisson", 8, 3, [0.3, 1.0, 4.0], 0.0, 0.8), 80),
    "slopes": (slopes, 30),
    "crossed": (crossed, 50),
}


@pytest.mark.parametrize("name", CASES)
def test_uniform(name):
    simulate, replicates = CASES[name]
    rng = np.random.default_rng(20261123)
    rows = [simulate(rng) for _ in range(replicates)]
    for key in rows[0]:
        values = np.array([row[key] for row in rows])
        assert ((values >= 0) & (values <= 1)).all(), key
        assert stats.kstest(values, "uniform").pvalue > SMALLEST_P, key
        counts = np.histogram(values, bins=10, range=(0, 1))[0]
        assert stats.chisquare(counts).pvalue > SMALLEST_P, key
