"""Calibration of regressions: truths drawn from the prior fall uniformly in their posteriors.

See test_calibration.py for the idea. Standard errors are known in most cases, which leaves one
dimension less to integrate, and time for more replicates.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from partialpool.formula import parse, read_roles
from partialpool.models import Priors
from partialpool.models.priors import LKJ, HalfNormal, LogNormal, Normal
from partialpool.posterior import mixed_posterior
from partialpool.rows import read_mixed

SMALLEST_P = 1e-3
"""Of each test of uniformity; seeds are fixed, so this decides once and for all."""

pytestmark = pytest.mark.slow


def fitted(formula, data, priors):
    return mixed_posterior(read_mixed(read_roles(parse(formula)), data).statistics, priors)


def slopes(rng, groups, rows, known):
    """Intercept and slope of each group, correlated."""
    mu, beta = rng.normal(0, 1, 2)
    tau = np.abs(rng.normal(0, [1.0, 0.7]))
    rho = 2.0 * rng.beta(2, 2) - 1.0  # LKJ(2)
    covariance = np.outer(tau, tau) * np.array([[1, rho], [rho, 1]])
    effects = rng.multivariate_normal([0, 0], covariance, groups)
    g = np.repeat(np.arange(groups), rows)
    x = rng.normal(0.5, 1, len(g))
    sigma = 1.0 if known else np.exp(rng.normal(0, 0.3))
    y = mu + effects[g, 0] + (beta + effects[g, 1]) * x + rng.normal(0, sigma, len(g))
    priors = Priors(
        mu=Normal(0, 1),
        beta=Normal(0, 1),
        rho=LKJ(2),
        named=(("tau[g]", HalfNormal(1)), ("tau[g, x]", HalfNormal(0.7))),
        **({} if known else {"sigma": LogNormal(0, 0.3)}),
    )
    data = {"y": y, "x": x, "g": g, "s": np.ones(len(g))}
    outcome = "y | se(s)" if known else "y"
    post = fitted(f"{outcome} ~ x + (x | g)", data, priors)
    truths = {"Intercept": mu, "x": beta, "tau[g]": tau[0], "tau[g, x]": tau[1]}
    truths["rho[g, Intercept, x]"] = rho
    if not known:
        truths["sigma"] = sigma
    found = {name: float(post.named()[name].cdf(value)) for name, value in truths.items()}
    found["first intercept"] = post.group(0).cdf(mu + effects[0, 0])[0]
    found["last slope"] = post.effect(0).cdf(effects[-1, 1])[-1]
    new = post.linear(np.array([[1.0, 2.0]]), {0: (np.array([-1]), np.array([[1.0, 2.0]]))})
    drawn = rng.multivariate_normal([0, 0], covariance)
    found["new group at 2"] = new.cdf(mu + 2 * beta + drawn @ [1.0, 2.0])[0]
    return found


def two_factors(rng, first, second, formula, names):
    """Two intercepts of every row: first and second are the groups of the rows."""
    mu = rng.normal(0, 1)
    tau = np.abs(rng.normal(0, 1, 2))
    effects = [rng.normal(0, t, g.max() + 1) for t, g in zip(tau, (first, second), strict=True)]
    y = mu + effects[0][first] + effects[1][second] + rng.normal(0, 1, len(first))
    priors = Priors(mu=Normal(0, 1), tau=HalfNormal(1))
    data = {"y": y, "a": first, "b": second, "s": np.ones(len(y))}
    post = fitted(formula, data, priors)
    found = {"Intercept": float(post.coefficients["Intercept"].cdf(mu))}
    for name, value in zip(names, tau, strict=True):
        found[name] = float(post.named()[name].cdf(value))
    order = {b.factor: t for t, b in enumerate(post.statistics.blocks)}
    found["first of a"] = post.effect(order["a"]).cdf(effects[0][0])[0]
    return found


def nested(rng):
    a = np.repeat(np.arange(4), 12)
    b = np.repeat(np.arange(12), 4)
    return two_factors(rng, a, b, "y | se(s) ~ 1 + (1 | a / b)", ("tau[a]", "tau[a:b]"))


def crossed(rng):
    a, b = np.divmod(np.arange(60), 6)
    keep = rng.random(60) < 0.8
    keep[[0, 59]] = True
    a, b = (np.unique(each[keep], return_inverse=True)[1] for each in (a, b))
    formula = "y | se(s) ~ 1 + (1 | a) + (1 | b)"
    return two_factors(rng, a, b, formula, ("tau[a]", "tau[b]"))


CASES = {
    "slopes, 5 groups": (lambda rng: slopes(rng, 5, 4, True), 80),
    "slopes, 40 groups": (lambda rng: slopes(rng, 40, 3, True), 80),
    "slopes, 6 groups, sigma unknown": (lambda rng: slopes(rng, 6, 6, False), 20),
    "nested": (nested, 100),
    "crossed": (crossed, 80),
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
