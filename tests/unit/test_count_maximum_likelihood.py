"""Maximum likelihood of counts where sds are zero, not told apart, or have no limit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special

import partialpool as pp
from partialpool.posterior import Estimated

GROUPS = np.repeat(np.arange(20), 6)


def rows(y, **more):
    x = np.random.default_rng(3).normal(size=120)
    return {"y": np.asarray(y).astype(int), "x": x, "g": GROUPS, **more}


def varied(seed=4, sd=1.0):
    rng = np.random.default_rng(seed)
    return rng.random(120) < special.expit(rng.normal(0, sd, 20)[GROUPS])


def ml(formula, data, family="binomial", **how):
    return pp.fit(formula, data, family=family, method="ml", **how)._engine


def without_groups(data):
    """Log likelihood and standard errors of plain logistic regression."""
    x = np.column_stack([np.ones(120), data["x"]])

    def minus(beta):
        eta = x @ beta
        return -(data["y"] * eta - np.logaddexp(0, eta)).sum()

    beta = optimize.minimize(minus, np.zeros(2), method="BFGS", options={"gtol": 1e-9}).x
    p = special.expit(x @ beta)
    information = (x.T * (p * (1 - p))) @ x
    return -minus(beta), beta, np.sqrt(np.diag(np.linalg.inv(information)))


@pytest.mark.parametrize("y", [np.arange(120) % 2, np.random.default_rng(0).random(120) < 0.5])
def test_groups_that_are_alike_give_regression_without_groups(y):
    """Balanced groups, whose likelihood falls from an sd of zero on, and groups by chance alike."""
    found = ml("y ~ x + (1 | g)", rows(y))
    log_likelihood, beta, se = without_groups(rows(y))
    assert found.spreads["tau[g]"] == 0.0
    assert found.estimate.boundary
    assert found.estimate.converged
    assert found.log_likelihood == pytest.approx(log_likelihood, abs=1e-8)
    np.testing.assert_allclose(found.estimate.coefficients, beta, atol=1e-6)
    np.testing.assert_allclose(found.estimate.se, se, rtol=1e-4)


def test_slopes_of_groups_that_are_alike():
    """The maximum has a correlation of one: any start off it is lower, from wherever."""
    found = ml("y ~ x + (x | g)", rows(np.arange(120) % 2))
    assert found.estimate.converged
    assert found.estimate.boundary
    assert found.log_likelihood == pytest.approx(-82.762145, abs=1e-6)


def test_separation_by_predictors():
    split = np.arange(120) % 4 == 0
    data = rows(np.where(split, 1, varied()), z=split * 1.0)
    with pytest.raises(pp.DataError, match="put no limit on z"):
        ml("y ~ z + (1 | g)", data)


def test_groups_of_events_only_or_none():
    with pytest.raises(pp.DataError, match=r"every group of g has events only, or none.*tau\[g\]"):
        ml("y ~ x + (1 | g)", rows(GROUPS % 2))
    mixed = np.where(np.arange(120) < 12, np.arange(120) % 2, GROUPS % 2)
    assert ml("y ~ x + (1 | g)", rows(mixed), quadrature=25).estimate.converged


def test_rows_by_themselves_are_no_pure_groups():
    """A group of one trial cannot hold both an event and none."""
    rng = np.random.default_rng(5)
    data = {"y": rng.integers(0, 2, 60), "x": rng.normal(size=60), "g": np.arange(60)}
    assert ml("y ~ x + (1 | g)", data).estimate.converged


def test_two_names_of_one_factor_are_not_told_apart():
    found = ml("y ~ 1 + (1 | g) + (1 | h)", rows(varied(), h=GROUPS))
    assert found.estimate.unclear == ((0, 0), (1, 0))
    alone = ml("y ~ x + (1 | g)", rows(varied()))
    both = ml("y ~ x + (1 | g) + (1 | h)", rows(varied(), h=GROUPS))
    assert both.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-8)
    together = np.hypot(both.spreads["tau[g]"], both.spreads["tau[h]"])
    assert together == pytest.approx(alone.spreads["tau[g]"], rel=1e-4)
    np.testing.assert_allclose(both.estimate.se, alone.estimate.se, rtol=1e-3)


def test_shifted_and_scaled_predictors_change_nothing_else():
    rng = np.random.default_rng(6)
    x = rng.normal(size=120)
    slope = rng.normal(0, 1, 20)[GROUPS]
    y = rng.random(120) < special.expit(rng.normal(0, 0.8, 20)[GROUPS] + slope * x)
    near = ml("y ~ t + (t | g)", rows(y, t=x))
    far = ml("y ~ t + (t | g)", rows(y, t=2000 + 7e3 * x))
    assert far.log_likelihood == pytest.approx(near.log_likelihood, abs=1e-7)
    assert 7e3 * far.spreads["tau[g, t]"] == pytest.approx(near.spreads["tau[g, t]"], rel=1e-4)
    assert 7e3 * far.estimate.se[1] == pytest.approx(near.estimate.se[1], rel=1e-3)


def test_large_counts_keep_their_digits():
    rng = np.random.default_rng(7)
    n = np.full(120, 10_000_000)
    effects = rng.normal(0, 0.1, 20)[GROUPS]
    y = rng.binomial(n, special.expit(-3 + effects))
    found = ml("y | trials(n) ~ x + (1 | g)", rows(y, n=n))
    assert found.estimate.converged
    log_odds = {**rows(y), "y": special.logit(y / n), "s": (y * (1 - y / n)) ** -0.5}
    measured = pp.fit("y | se(s) ~ x + (1 | g)", log_odds, method="ml")._engine
    assert found.spreads["tau[g]"] == pytest.approx(measured.spreads["tau[g]"], rel=1e-3)


def test_groups_given_the_estimates_are_computed_when_asked_for():
    found = ml("y ~ x + (1 | g)", rows(varied()))
    assert isinstance(found, Estimated)
    assert "given" not in vars(found)
    table = found.group_table()
    assert len(table["group"]) == 20
    assert "given" in vars(found)
