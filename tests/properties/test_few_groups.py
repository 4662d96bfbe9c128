"""Three groups and flat priors: tails without moments, and every read-out says the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

import partialpool as pp

PLAIN = {
    "g": list("aaabbbccc"),
    "x": [0, 1, 2] * 3,
    "y": [1, 2, 2.5, 2, 3, 4.5, 0, 1.5, 1.8],
}
SLEEP = {  # Belenky et al. (2003), doi:10.1046/j.1365-2869.2003.00337.x: the first three subjects
    "days": list(range(10)) * 3,
    "subject": ["308"] * 10 + ["309"] * 10 + ["310"] * 10,
    "reaction": [
        249.56, 258.7047, 250.8006, 321.4398, 356.8519, 414.6901, 382.2038, 290.1486, 430.5853,
        466.3535, 222.7339, 205.2658, 202.9778, 204.707, 207.7161, 215.9618, 213.6303, 217.7272,
        224.2957, 237.3142, 199.0539, 194.3322, 234.32, 232.8416, 229.3074, 220.4579, 235.4208,
        255.7511, 261.0125, 247.5153,
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def plain():
    return pp.fit("y ~ x + (1 | g)", PLAIN)


@pytest.fixture(scope="module")
def sleep():
    return pp.fit("reaction ~ days + (days | subject)", SLEEP)


def by_quadrature(p: float) -> float:
    """Quantile of the intercept of `PLAIN` from closed forms given the ratio of tau to sigma.

    Groups have the same rows of x, so the slope is told within groups and the rest between them.
    """
    x = np.reshape(PLAIN["x"], (3, 3)) - 1.0
    y = np.reshape(PLAIN["y"], (3, 3))
    sxx, means = (x**2).sum(), y.mean(axis=1)
    slope = (x * y).sum() / sxx
    within = ((y - means[:, None] - slope * x) ** 2).sum()
    log_ratio = np.linspace(-40.0, 40.0, 8001)
    w = 3.0 / (1.0 + 3.0 * np.exp(2.0 * log_ratio))  # weight of a group's mean
    df = 9 - 2 - 1.0
    rest = within + w * ((means - means.mean()) ** 2).sum()
    log_f = 1.5 * np.log(w) - 0.5 * np.log(w) - 0.5 * df * np.log(rest) + log_ratio
    loc = means.mean() - slope  # at x = 0, one below its mean
    scale = np.sqrt(rest / df * (1.0 / (3.0 * w) + 1.0 / sxx))
    weight = np.exp(log_f - log_f.max())
    weight /= integrate.trapezoid(weight, log_ratio)
    low, high = -1e9, 1e9
    for _ in range(200):
        middle = 0.5 * (low + high)
        below = integrate.trapezoid(weight * special.stdtr(df, (middle - loc) / scale), log_ratio)
        low, high = (middle, high) if below < p else (low, middle)
    return low


def test_the_intercept_is_that_of_quadrature(plain):
    found = plain._engine.coefficients["Intercept"]
    for p in (0.025, 0.5, 0.975):
        np.testing.assert_allclose(found.quantile(p), by_quadrature(p), rtol=1e-6)


def test_population_at_zero_is_the_intercept(plain, sleep):
    for fit, name in ((plain, "x"), (sleep, "days")):
        row = fit.predict({name: [0.0]}, target="population")
        intercept = fit._engine.coefficients["Intercept"]
        np.testing.assert_allclose(row["estimate"], intercept.median, rtol=1e-9)
        ends = [row["lower"][0], row["upper"][0]]
        np.testing.assert_allclose(ends, intercept.interval(), rtol=1e-9)
        assert np.isinf(row["sd"][0])


def test_known_groups_are_predicted_as_they_are_shown(sleep):
    groups = sleep.groups()
    at = [i for i, term in enumerate(groups["term"]) if term == "Intercept"]
    rows = sleep.predict({"days": [0.0] * 3, "subject": ["308", "309", "310"]})
    for column in ("estimate", "sd", "lower", "upper"):
        np.testing.assert_allclose(rows[column], np.asarray(groups[column])[at], rtol=1e-9)


def test_new_groups_and_effects_of_three_subjects(sleep):
    """A floor on the widths of components, and few nodes, made this [-29730, 30160].

    Held against 105,000 nodes of a lattice whose grids differ by 2e-5, read one by one.
    """
    new = sleep.predict({"days": [0.0], "subject": ["new"]}, target="new_group")
    assert math.isfinite(new["estimate"][0])
    unit = (782.93 + 347.78) / 3.92
    assert abs(new["lower"][0] + 347.78) < 0.05 * unit
    assert abs(new["upper"][0] - 782.93) < 0.05 * unit


def test_a_new_group_of_three(plain):
    """[-581533, 581535] before, with a told error of 7e-10."""
    new = plain.predict({"x": [0.0], "g": ["new"]}, target="new_group")
    population = plain.predict({"x": [0.0]}, target="population")
    assert new["lower"][0] < population["lower"][0] < new["estimate"][0]
    np.testing.assert_allclose(new["estimate"], population["estimate"], rtol=1e-6)
    np.testing.assert_allclose([new["lower"][0], new["upper"][0]], [-20.310, 22.444], atol=2e-3)


def test_draws_have_the_quantiles_of_the_tables(sleep):
    post = sleep._engine
    drawn = post.draws(40_000, np.random.default_rng(1))
    pairs = [(drawn.tau[k], d) for k, d in post.taus.items()]
    pairs += [(drawn.coefficients[:, k], d) for k, d in enumerate(post.coefficients.values())]
    pairs.append((drawn.sigma, post.sigma))
    for values, distribution in pairs:
        for p in (0.05, 0.5, 0.95):
            below = np.mean(values < float(distribution.quantile(p)))
            assert abs(below - p) < 0.0125  # of 40,000 draws: five standard errors at one half


def test_only_what_has_no_sd_is_infinite():
    """The slope of a predictor that varies within groups has an sd, the intercept has none."""
    for formula in ("y ~ x + (1 | g)", "y ~ 1 + x + (1 | g)"):
        coefficients = pp.fit(formula, PLAIN)._engine.coefficients
        assert math.isinf(float(coefficients["Intercept"].sd))
        assert math.isfinite(float(coefficients["x"].sd))
    post = pp.fit("y ~ x + (1 | g)", PLAIN)._engine
    rows = post.linear(np.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_array_equal(np.isinf(rows.sd), [True, False])
    np.testing.assert_array_equal(np.isnan(rows.mean), [True, False])
    np.testing.assert_allclose(rows.sd[1], post.coefficients["x"].sd, rtol=1e-9)
