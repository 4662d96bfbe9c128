"""A very tight prior of a coefficient is as good as knowing it, and costs the others no digit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import partialpool as pp

RNG = np.random.default_rng(4)
G = np.repeat(np.arange(15), 4)
X, Z = RNG.normal(size=60), RNG.normal(size=60) + 3.0
EFFECT = RNG.normal(size=15)[G]
Y, SE = EFFECT + RNG.normal(size=60), RNG.uniform(0.5, 1.0, 60)
EVENTS = RNG.poisson(np.exp(-1 + 1.2 * EFFECT + 0.3 * X))
TIGHT = [1e-5, 1e-9, 1e-12]


def numbers(fit, names):
    table = fit.parameters()
    at = [table["name"].tolist().index(name) for name in names]
    groups = fit.groups()
    columns = [table[c][at] for c in ("mean", "sd", "lower", "upper")]
    return np.concatenate([*columns, *(groups[c] for c in ("estimate", "lower", "upper"))])


@pytest.mark.parametrize("unit", [1.0, 1e8])
@pytest.mark.parametrize("tight", TIGHT)
def test_measurements_as_with_the_coefficient_taken_off(tight, unit):
    """Without: at 1e-9 intervals were off by 6 sds where 4e-5 was told, at 1e-12 by any amount."""
    data = {"y": unit * (Y + 0.3 * X), "less": unit * Y, "x": X, "z": Z, "g": G, "se": unit * SE}
    fixed = [f"x ~ normal({0.3 * unit}, {tight * unit})", f"z ~ normal(0, {tight * unit})"]
    fit = pp.fit("y | se(se) ~ z + x + (1 | g)", data, prior=fixed)
    plain = pp.fit("less | se(se) ~ 1 + (1 | g)", data)
    names = ["Intercept", "tau[g]"]
    np.testing.assert_allclose(numbers(fit, names), numbers(plain, names), rtol=2e-6 + 10 * tight)
    assert fit.posterior["x"].mean == pytest.approx(0.3 * unit, rel=10 * tight)
    assert fit.posterior["x"].sd == pytest.approx(tight * unit, rel=1e-3)


@pytest.mark.parametrize("prior", ["normal(1, {})", "student_t(4, 1, {})"])
@pytest.mark.parametrize("tight", TIGHT)
def test_an_intercept_that_is_known_at_predictors_far_from_zero(tight, prior):
    data = {"y": Y, "z": Z, "g": G, "se": SE}
    known = f"Intercept ~ {prior.format(tight)}"
    fit = pp.fit("y | se(se) ~ z + (1 | g)", data, prior=known)
    beside = pp.fit("y | se(se) ~ z + (1 | g)", data, prior="Intercept ~ normal(1, 1e-4)")
    for name in ("z", "tau[g]"):
        here, there = fit.posterior[name], beside.posterior[name]
        assert here.mean == pytest.approx(there.mean, abs=6e-3 * float(there.sd))
        assert here.sd == pytest.approx(there.sd, rel=6e-3)


@pytest.mark.parametrize("tight", TIGHT)
def test_counts_as_with_the_coefficient_in_the_exposure(tight):
    data = {"y": EVENTS, "x": X, "g": G, "e": np.exp(0.3 * X)}
    fit = pp.fit("y ~ x + (1 | g)", data, family="poisson", prior=f"x ~ normal(0.3, {tight})")
    plain = pp.fit("y | exposure(e) ~ 1 + (1 | g)", data)
    for name in ("Intercept", "tau[g]"):
        here, there = fit.posterior[name], plain.posterior[name]
        assert here.mean == pytest.approx(there.mean, abs=fit.posterior.error * there.sd)
        assert here.sd == pytest.approx(there.sd, rel=fit.posterior.error)


@pytest.mark.parametrize("tight", [1e-3, 1e-9])
def test_groups_of_counts_whose_population_mean_is_known(tight):
    """Sums over tau and theta with mu at -1; the mesh of 83,000 nodes at 1e-3 was out of reach."""
    y, n = np.array([3, 9, 1, 4, 6]), np.array([12, 14, 15, 11, 9])
    prior = [f"Intercept ~ normal(-1, {tight})", "tau ~ half_normal(1)"]
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", {"y": y, "n": n, "g": np.arange(5)}, prior=prior)
    tau, z = np.linspace(1e-3, 7, 3000), np.linspace(-9, 9, 901)
    p = special.expit(-1.0 + tau[:, None] * z)
    likelihood = stats.binom.pmf(y[:, None, None], n[:, None, None], p) * stats.norm.pdf(z)
    each = likelihood.sum(axis=2)
    weight = stats.norm.pdf(tau) * each.prod(axis=0)
    mean = ((likelihood * p).sum(axis=2) / each * weight).sum(axis=1) / weight.sum()
    groups = fit.groups()
    np.testing.assert_allclose(groups["estimate"], mean, rtol=1e-4)
    under = (likelihood * (p < groups["lower"][:, None, None])).sum(axis=2) / each * weight
    np.testing.assert_allclose(under.sum(axis=1) / weight.sum(), 0.025, atol=2e-4)
    new = fit.posterior.new_group()
    at = np.sum(weight * special.ndtr((special.logit(0.5) + 1.0) / tau)) / weight.sum()
    assert new.probability(above=0.5) == pytest.approx(1.0 - at, abs=1e-4)
