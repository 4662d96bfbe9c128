"""Complete pooling, robust errors and fixed effects, against dense matrices."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.classical.pooled_regression import fixed_effects_regression, pooled_regression
from partialpool.formula import parse, read_roles
from partialpool.rows import read_mixed

RNG = np.random.default_rng(4)
SIZE = 80
GROUP = RNG.integers(0, 9, SIZE)
DATA = {
    "g": GROUP,
    "x": RNG.normal(50, 2, SIZE),
    "u": RNG.normal(size=9)[GROUP],
    "w": RNG.uniform(0.5, 2.0, SIZE),
    "y": RNG.normal(size=SIZE) + RNG.normal(size=9)[GROUP] + 1e3,
}


def read(formula):
    return read_mixed(read_roles(parse(formula)), DATA)


@pytest.mark.parametrize("weights", [False, True])
def test_pooled_regression(weights):
    reading = read(f"y {'| weights(w)' if weights else ''} ~ x + u + (1 | g)")
    root = np.sqrt(DATA["w"] if weights else np.ones(SIZE))
    x = np.stack([np.ones(SIZE), DATA["x"], DATA["u"]], axis=1) * root[:, None]
    y = DATA["y"] * root
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    rest = y - x @ beta
    meat = np.zeros((3, 3))
    for j in np.unique(GROUP):
        own, e = x[j == GROUP], rest[j == GROUP]
        value, vector = np.linalg.eigh(np.eye(len(own)) - own @ inverse @ own.T)
        adjusted = own.T @ (vector / np.sqrt(value)) @ vector.T @ e
        meat += np.outer(adjusted, adjusted)
    found = pooled_regression(reading.statistics, reading.clusters)
    np.testing.assert_allclose(found.estimate, beta, rtol=1e-7)
    naive = np.sqrt(np.diag(inverse) * (rest @ rest) / (SIZE - 3))
    np.testing.assert_allclose(found.naive_se, naive, rtol=1e-7)
    np.testing.assert_allclose(
        found.robust_se, np.sqrt(np.diag(inverse @ meat @ inverse)), rtol=1e-6
    )
    assert np.isnan(pooled_regression(reading.statistics, None).robust_se).all()


def test_fixed_effects_regression():
    dummies = GROUP[:, None] == np.unique(GROUP)
    x = np.column_stack([DATA["x"], dummies])
    beta, rest, *_ = np.linalg.lstsq(x, DATA["y"], rcond=None)
    found = fixed_effects_regression(read("y ~ x + u + (1 | g)").statistics)
    groups = dummies.shape[1]
    sigma = np.sqrt(rest[0] / (SIZE - groups - 1))
    assert found.estimate[1] == pytest.approx(beta[0], rel=1e-8)
    assert found.se[1] == pytest.approx(sigma * np.sqrt(np.linalg.inv(x.T @ x)[0, 0]), rel=1e-7)
    assert (found.intercepts, found.df, found.lost) == (groups - 1, SIZE - groups - 1, ("u",))
    assert np.isnan(found.estimate[[0, 2]]).all()


def test_fixed_effects_need_an_intercept_that_varies():
    assert fixed_effects_regression(read("y ~ x + (0 + x | g)").statistics) is None


def test_the_comparison_says_what_fixed_effects_cost():
    text = pp.fit("y ~ x + u + (1 | g)", DATA).compare().text
    for words in ("9 clusters", "8 coefficients more", "70 of 80", 'cannot estimate "u"'):
        assert words in text
    slopes = pp.fit("y ~ x + u + (0 + x | g)", DATA, prior="tau ~ half_normal(1)").compare()
    assert "no fixed effects" in slopes.text
    assert np.isnan(slopes.coefficients["fixed"]).all()


def test_many_predictors_have_no_robust_errors(monkeypatch):
    monkeypatch.setattr("partialpool.records.clusters.MOST_COLUMNS", 2)
    result = pp.fit("y ~ x + u + (1 | g)", DATA).compare()
    assert np.isnan(result.coefficients["complete_robust_se"]).all()
    assert "robust errors are not given" in result.text
