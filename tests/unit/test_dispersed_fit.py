"""Counts whose rows vary more, through the face: family="negative_binomial", "beta_binomial"."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import partialpool as pp

GROUPS, ROWS = 12, 8
WIDER = {"y ~ x + (1 | g)": "negative_binomial", "y | trials(n) ~ x + (1 | g)": "beta_binomial"}


def counts(dispersion=0.7, seed=1):
    """Poisson rows of gamma rates, of mean 3 exp(0.3 x + theta)."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS), ROWS)
    x = rng.standard_normal(len(group))
    mean = 3.0 * np.exp(0.3 * x + 0.5 * rng.standard_normal(GROUPS)[group])
    if dispersion:
        mean = mean * rng.gamma(dispersion**-2.0, dispersion**2, len(mean))
    return {"g": group.astype(str), "x": x, "y": rng.poisson(mean)}


def trials(dispersion=0.5, seed=1):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS), ROWS)
    x = rng.standard_normal(len(group))
    p = 1.0 / (1.0 + np.exp(0.4 - 0.3 * x - 0.5 * rng.standard_normal(GROUPS)[group]))
    f = dispersion**-2.0
    n = rng.integers(2, 15, len(group))
    y = rng.binomial(n, rng.beta(f * p, f * (1.0 - p)))
    return {"g": group.astype(str), "x": x, "n": n, "y": y}


@pytest.fixture(scope="module")
def nb():
    return pp.fit("y ~ x + (1 | g)", counts(), family="negative_binomial")


@pytest.fixture(scope="module")
def bb():
    return pp.fit("y | trials(n) ~ x + (1 | g)", trials(), family="beta_binomial")


def test_the_dispersion_is_one_of_the_parameters(nb):
    assert list(nb.parameters()["name"]) == ["Intercept", "x", "tau[g]", "dispersion"]
    lower, upper = nb.posterior["dispersion"].interval()
    assert lower < 0.7 < upper
    assert "dispersion ~ half_normal(1)" in nb.methods()
    assert "hierarchical negative binomial model" in nb.methods()
    assert "  " not in nb.methods()


def test_draws_and_tables_are_of_one_posterior(nb):
    drawn = nb.posterior.draws(4000, np.random.default_rng(1))
    values = drawn["dispersion"]
    of = nb.posterior["dispersion"]
    assert values.mean() == pytest.approx(float(of.mean), abs=5.0 * float(of.sd) / 63.0)
    assert values.std() == pytest.approx(float(of.sd), rel=0.1)


@pytest.mark.parametrize("name", ["nb", "bb"])
def test_events_to_come_are_those_of_draws(name, request):
    fit = request.getfixturevalue(name)
    rows = {"g": ["0", "3", "7"], "x": [0.0, 1.0, -1.0], "n": [5, 12, 40]}
    table = fit.predict(rows, observation=True)
    drawn = fit.predict(rows, draws=20_000, rng=np.random.default_rng(1), observation=True)
    np.testing.assert_allclose(table["estimate"], drawn.mean(axis=0), rtol=0.03)
    np.testing.assert_allclose(table["sd"], drawn.std(axis=0), rtol=0.04)
    for k, p in (("lower", 0.025), ("upper", 0.975)):
        at = np.stack([(drawn < table[k]).mean(axis=0), (drawn <= table[k]).mean(axis=0)])
        assert (at[0] <= p + 0.004).all()
        assert (at[1] >= p - 0.004).all()


def test_what_rows_vary_by_is_taken_up(nb, bb):
    """Where Poisson and binomial rows are told to vary more, and the word to write, it is not."""
    for formula, family in WIDER.items():
        data = counts() if family == "negative_binomial" else trials()
        plain = "poisson" if family == "negative_binomial" else "binomial"
        text = " ".join(n.text for n in pp.fit(formula, data, family=plain).notices)
        assert f'family="{family}"' in text
    for fit in (nb, bb):
        assert "overdispersion" not in {n.code for n in fit.notices}
        check = next(f for f in fit.check().findings if f.check == "dispersion of rows")
        assert check.compared.p > 0.05


def test_averages_of_rates_but_not_of_events(nb):
    cells = {"g": ["0", "1"], "x": [0.0, 0.0]}
    both = nb.predict(cells)["estimate"]
    assert nb.average(cells).table["estimate"][0] == pytest.approx(both.mean(), rel=0.02)
    with pytest.raises(pp.ArgumentError, match="rows of this family vary by themselves"):
        nb.average(cells, observation=True)


def test_maximum_likelihood_where_there_is_no_dispersion():
    """The estimate is 0, said in a notice, and all else as of Poisson rows."""
    data = counts(dispersion=0.0, seed=5)
    fits = {
        family: pp.fit("y ~ x + (1 | g)", data, family=family, method="ml")
        for family in ("poisson", "negative_binomial")
    }
    plain, wide = (dict(zip(f.parameters()["name"], f.parameters()["mean"], strict=True))
                   for f in fits.values())  # fmt: skip
    assert wide.pop("dispersion") == 0.0
    assert wide == pytest.approx(plain, abs=1e-4)
    assert "dispersion_is_zero" in {n.code for n in fits["negative_binomial"].notices}
    likelihoods = [f.posterior.log_likelihood for f in fits.values()]
    assert likelihoods[1] == pytest.approx(likelihoods[0], abs=1e-4)


def test_a_posterior_without_a_dispersion_is_near_that_of_poisson_rows():
    data = counts(dispersion=0.0, seed=5)
    plain = pp.fit("y ~ x + (1 | g)", data, family="poisson").posterior
    wide = pp.fit("y ~ x + (1 | g)", data, family="negative_binomial").posterior
    for name in ("Intercept", "x", "tau[g]"):
        gap = float(wide[name].mean) - float(plain[name].mean)
        assert abs(gap) < 0.1 * float(plain[name].sd)
    assert float(wide["dispersion"].median) < 0.2


def test_groups_of_one_row_are_told_apart_by_shape_only():
    data = counts()
    data["g"] = np.arange(len(data["y"]))
    fit = pp.fit("y ~ x + (1 | g)", data, family="negative_binomial", method="ml")
    assert "dispersion_of_single_rows" in {n.code for n in fit.notices}


def test_statistics_are_kept_combined_and_updated(nb, tmp_path):
    frame = pd.DataFrame(counts())
    halves = [
        pp.statistics("y ~ x + (1 | g)", part, family="nb") for part in (frame[:50], frame[50:])
    ]
    halves[0].combine(halves[1]).save(tmp_path / "kept.parquet")
    again = pp.fit_statistics(pp.load_statistics(tmp_path / "kept.parquet"))
    updated = pp.fit("y ~ x + (1 | g)", frame[:50], family="nb").update(frame[50:])
    for fit in (again, updated):
        np.testing.assert_allclose(fit.parameters()["mean"], nb.parameters()["mean"], rtol=1e-9)


BAD = {
    "single trials": (
        "z ~ x + (1 | g)", "beta_binomial", {}, pp.DataError, "every row is one trial"
    ),
    "a predictor of its name": (
        "y ~ dispersion + (1 | g)", "negative_binomial", {}, pp.DataError, "rename the column"
    ),
    "a flat prior": (
        "y ~ x + (1 | g)", "negative_binomial", {"prior": "dispersion ~ flat()"}, pp.PriorError,
        "must be proper",
    ),
    "a prior of a coefficient": (
        "y ~ x + (1 | g)", "negative_binomial", {"prior": "dispersion ~ normal(0, 1)"},
        pp.PriorError, "positive numbers",
    ),
    "no such parameter": (
        "y ~ x + (1 | g)", "poisson", {"prior": "dispersion ~ half_normal(1)"}, pp.PriorError,
        "the poisson family has none",
    ),
    "a population": (
        "y ~ 1 + (1 | g)", "negative_binomial", {"population": "gamma"}, pp.ArgumentError,
        "whose groups are normal",
    ),
    "all or none": (
        "all | trials(n) ~ x + (1 | g)", "beta_binomial", {"method": "ml"}, pp.DataError,
        "rises with the dispersion",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    formula, family, how, error, words = BAD[case]
    data = {**counts(), "dispersion": counts()["x"], "z": counts()["y"] % 2}
    data["n"] = 1 + counts()["y"] % 5 + 1
    data["all"] = np.where(data["z"] > 0, data["n"], 0)
    with pytest.raises(error, match=words):
        pp.fit(formula, data, family=family, **how)


def test_the_prior_of_the_dispersion_is_that_of_the_call():
    prior = "dispersion ~ uniform(0, 0.2)"
    fit = pp.fit("y ~ x + (1 | g)", counts(), family="negative_binomial", prior=prior)
    assert float(fit.posterior["dispersion"].interval()[1]) < 0.2
    assert "overdispersion" in {n.code for n in fit.notices}  # which it then cannot take up
