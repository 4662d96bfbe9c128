"""``; sigma ~ 1 + (1 | group)`` from formula to tables, from every kind of data, and refused."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool.errors import (
    ArgumentError,
    DataError,
    FormulaError,
    ImproperPosteriorError,
    PriorError,
    UnsupportedFormulaError,
)

FORMULA = "score ~ 1 + (1 | school); sigma ~ 1 + (1 | school)"


def _rows(groups=8, omega=0.7, seed=4, least=2):
    rng = np.random.default_rng(seed)
    school = np.repeat([f"s{k}" for k in range(groups)], rng.integers(least, 12, groups))
    code = pd.factorize(school)[0]
    noise = 3.0 * np.exp(omega * rng.standard_normal(groups))
    score = rng.normal(50, 2, groups)[code] + noise[code] * rng.standard_normal(len(code))
    return pd.DataFrame({"school": school, "score": np.round(score, 2)})


@pytest.fixture(scope="module")
def rows():
    return _rows()


@pytest.fixture(scope="module")
def fit(rows):
    return pp.fit(FORMULA, rows)


def test_tables(fit):
    groups = fit.groups()
    assert list(groups)[-3:] == ["sigma", "sigma_lower", "sigma_upper"]
    assert (groups["sigma_lower"] < groups["sigma"]).all()
    names = fit.parameters()["name"].tolist()
    assert names == ["Intercept", "tau[school]", "sigma", "sd_log_sigma[school]"]
    assert fit.posterior.status.name == "REACHED"


def _close(fit, other, atol=1e-6):
    one, two = fit.group_table(), other.group_table()
    for name in ("estimate", "lower", "upper", "shrinkage", "sigma", "sigma_upper"):
        np.testing.assert_allclose(one[name], two[name], atol=atol)


def test_every_kind_of_data_gives_the_same(fit, rows, tmp_path):
    import duckdb

    path = tmp_path / "rows.parquet"
    rows.to_parquet(path)
    _close(fit, pp.fit(FORMULA, path))
    _close(fit, pp.fit(FORMULA, duckdb.sql(f"FROM '{path}'")))
    _close(fit, pp.fit("bf(score ~ 1 + (1 | school), sigma ~ (1 | school))", rows))
    table = rows.groupby("school")["score"].agg(["size", "mean", "std"]).reset_index()
    summaries = "mean | summary(size, std) ~ 1 + (1 | school); sigma ~ 1 + (1 | school)"
    _close(fit, pp.fit(summaries, table), atol=1e-5)
    weighted = "score | weights(w) ~ 1 + (1 | school); sigma ~ 1 + (1 | school)"
    four = pp.fit(weighted, rows.assign(w=4.0)).group_table()
    np.testing.assert_allclose(four["estimate"], fit.group_table()["estimate"], atol=1e-5)
    np.testing.assert_allclose(four["sigma"], 2.0 * fit.group_table()["sigma"], rtol=1e-5)


def test_kept_statistics_and_update(fit, rows, tmp_path):
    half = pp.statistics(FORMULA, rows[::2])
    half.save(tmp_path / "half.parquet")
    kept = pp.load_statistics(tmp_path / "half.parquet")
    assert kept.formula == FORMULA
    both = kept.combine(pp.statistics(FORMULA, rows[1::2]))
    _close(fit, pp.fit_statistics(both))
    _close(fit, pp.fit_statistics(kept).update(rows[1::2]))


def test_units_do_not_matter(fit, rows):
    other = pp.fit(FORMULA, rows.assign(score=1e6 * rows["score"] - 3e7)).group_table()
    mine = fit.group_table()
    np.testing.assert_allclose(other["estimate"], 1e6 * mine["estimate"] - 3e7, rtol=1e-6)
    np.testing.assert_allclose(other["sigma_upper"], 1e6 * mine["sigma_upper"], rtol=1e-5)


def test_equally_noisy_groups_are_those_of_one_sigma(rows):
    """With sd_log_sigma pinned near zero."""
    prior = {"sd_log_sigma": "half_normal(0.002)"}
    own = pp.fit(FORMULA, rows, prior=prior, accuracy=0.002).group_table()
    one = pp.fit("score ~ 1 + (1 | school)", rows).group_table()
    assert np.abs((own["estimate"] - one["estimate"]) / one["sd"]).max() < 0.005
    assert np.abs((own["lower"] - one["lower"]) / one["sd"]).max() < 0.01
    np.testing.assert_allclose(own["sd"], one["sd"], rtol=0.005)


def test_draws_are_of_the_tables(fit):
    drawn = fit.draws(40_000, np.random.default_rng(1))
    for name in fit.posterior.names:
        of, values = fit.posterior[name], drawn[name]
        width = float(np.diff(of.quantile([0.025, 0.975]))[0]) / 3.92
        ends = np.quantile(values, [0.05, 0.5, 0.95]) - of.quantile([0.05, 0.5, 0.95])
        assert np.abs(ends).max() < 0.05 * width, name
    table = fit.group_table()
    theta = drawn.groups()
    assert np.abs((theta.mean(axis=0) - table["estimate"]) / table["sd"]).max() < 0.02
    np.testing.assert_allclose(theta.std(axis=0), table["sd"], rtol=0.03)
    np.testing.assert_allclose(np.median(drawn.drawn.noise, axis=0), table["sigma"], rtol=0.02)


def test_new_rows_have_their_groups_noise(fit):
    new = {"school": ["s0", "s1", "new"]}
    told = fit.predict(new, unseen="new_group", observation=True)
    drawn = fit.predict(
        new, unseen="new_group", observation=True, draws=40_000, rng=np.random.default_rng(2)
    )
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    at_90 = fit.predict(new, unseen="new_group", observation=True, level=0.9)
    width = at_90["upper"] - at_90["lower"]
    assert (np.abs(low - at_90["lower"]) < 0.02 * width).all()
    assert (np.abs(high - at_90["upper"]) < 0.02 * width).all()
    assert np.isinf(told["sd"][2])  # the mean of sigma^2 of a new group does not exist
    population = fit.predict(new, target="population", observation=True)
    assert len(set(np.round(population["upper"], 9))) == 1


def test_group_log_likelihood_averages_to_that_of_all(rows):
    """p(y) under proper priors, from draws of the prior, is what the lattice says."""
    prior = {
        "mu": "normal(50, 3)",
        "tau": "half_normal(3)",
        "sigma": "lognormal(1, 0.5)",
        "sd_log_sigma": "half_normal(0.7)",
    }
    fit = pp.fit(FORMULA, rows[rows["school"].isin(["s0", "s1", "s2"])], prior=prior)
    engine, rng, size = fit._engine, np.random.default_rng(3), 200_000
    from partialpool.posterior.heteroscedastic import HeteroscedasticDraws

    none = np.zeros((size, 0))
    drawn = HeteroscedasticDraws(
        50 + 3 * rng.standard_normal(size), 3 * abs(rng.standard_normal(size)),
        np.exp(1 + 0.5 * rng.standard_normal(size)),
        none, none, 0.7 * abs(rng.standard_normal(size)), none,
    )  # fmt: skip
    total = engine.group_log_likelihood(drawn).sum(axis=1)
    top = total.max()
    estimate = np.log(np.exp(total - top).mean()) + top
    assert fit.posterior.log_marginal_likelihood == pytest.approx(estimate, abs=0.05)


def test_without_a_group_as_a_fit_of_the_others(rows):
    table = pp.fit(FORMULA, rows, accuracy=0.003).influence().table
    others = pp.fit(FORMULA, rows[rows["school"] != "s2"], accuracy=0.003)
    at = table["group"].tolist().index("s2")
    for name in ("Intercept", "sigma", "sd_log_sigma[school]"):
        wanted = others.posterior[name]
        assert abs(table[name][at] - float(wanted.mean)) < 0.02 * float(wanted.sd), name


def test_answers_in_words(fit, tmp_path):
    assert "sd_log_sigma[school] ~ half_normal(1)" in " ".join(repr(fit).split())
    assert "sigma ~ 1 + (1 | school)" in fit.methods()
    assert {"spread of noise", "noise by value"} <= set(fit.check().table["check"])
    assert fit.sensitivity().table["name"].tolist().count("sd_log_sigma[school]") > 5
    fit.report(tmp_path / "report.html")
    assert "sd_log_sigma" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert json.loads(json.dumps(fit.to_dict()))["groups"][0]["sigma_upper"] > 0
    assert "estimates_by_tau" not in dir(fit.plot)


def test_to_arviz(fit):
    pytest.importorskip("xarray")
    tree = fit.to_arviz(200)
    assert tree["posterior"]["sd_log_sigma[school]"].shape == (1, 200)
    assert tree["log_likelihood"]["score"].shape == (1, 200, 8)


def test_an_average_of_new_observations_is_refused(fit):
    with pytest.raises(ArgumentError, match=r"predict\(rows, observation=True\)"):
        fit.average({"school": ["s0", "s1"]}, observation=True)
    assert len(fit.average({"school": ["s0", "s1"]}).table) > 0


@pytest.mark.parametrize(
    ("formula", "error", "words"),
    [
        ("score ~ x + (1 | school); sigma ~ (1 | school)", UnsupportedFormulaError, "predictor x"),
        ("score ~ 1 + (1 | school); sigma ~ x + (1 | school)", FormulaError, "predictors"),
        ("score ~ 1 + (1 | school); sigma ~ (1 | x)", UnsupportedFormulaError, "not those"),
        ("score | se(x) ~ 1 + (1|school); sigma ~ (1|school)", UnsupportedFormulaError, "errors"),
        ("score ~ 1 + (1 | school); tau ~ (1 | school)", FormulaError, "sigma ~ 1"),
        ("score ~ 1 + (1 | school); sigma ~ (1|school); sigma ~ (1|school)", FormulaError, "two"),
        ("log(score) ~ 1 + (1 | school); sigma ~ (1 | school)", UnsupportedFormulaError, "column"),
    ],
)  # fmt: skip
def test_other_formulas_are_refused(rows, formula, error, words):
    with pytest.raises(error, match=words):
        pp.fit(formula, rows.assign(x=1.0))


def test_counts_and_likelihood_are_refused(rows):
    with pytest.raises(UnsupportedFormulaError, match="no sigma"):
        pp.fit(FORMULA, rows.assign(score=1), family="poisson")
    with pytest.raises(ArgumentError, match='method="posterior"'):
        pp.fit(FORMULA, rows, method="reml")
    with pytest.raises(PriorError, match="sigma ~ 1"):
        pp.fit("score ~ 1 + (1 | school)", rows, prior="sd_log_sigma ~ half_normal(0.5)")
    with pytest.raises(ArgumentError, match="compare_models"):
        pp.fit(FORMULA, rows).compare()


def test_data_that_leave_no_posterior_are_refused(rows):
    equal = rows.assign(score=np.where(rows["school"] == "s3", 5.0, rows["score"]))
    with pytest.raises(DataError, match=r"s3.*without"):
        pp.fit(FORMULA, equal)
    with pytest.raises(DataError, match="two rows"):
        pp.fit(FORMULA, rows.drop_duplicates("school"))
    with pytest.raises(DataError, match="one group"):
        pp.fit(FORMULA, rows[rows["school"] == "s1"])
    with pytest.raises(ImproperPosteriorError, match="at least 3"):
        pp.fit(FORMULA, rows[rows["school"].isin(["s0", "s1"])])
    with pytest.raises(ImproperPosteriorError, match="sd_log_sigma"):
        pp.fit(
            FORMULA, rows[rows["school"].isin(["s0", "s1"])],
            prior=["tau ~ half_normal(2)", "sd_log_sigma ~ flat()"],
        )  # fmt: skip


def test_groups_of_one_row(rows):
    """Their own noise is what the others say of a new group, but for how far they lie."""
    more = pd.concat([rows, pd.DataFrame({"school": ["one"], "score": [50.0]})])
    fit = pp.fit(FORMULA, more)
    table = fit.group_table()
    at = table["group"].tolist().index("one")
    sigma = float(fit.posterior["sigma"].median)
    assert 0.7 * sigma < table["sigma"][at] < 1.1 * sigma
    assert table["sigma_upper"][at] > 2.5 * table["sigma"][at]
    assert any(n.code == "single_row_groups" for n in fit.notices)


def test_notice_under_one_sigma():
    told = pp.fit("score ~ 1 + (1 | school)", _rows(30, 0.7, least=5)).notices
    (notice,) = [n for n in told if n.code == "noise_by_group"]
    assert "; sigma ~ 1 + (1 | school)" in notice.text
    alike = pp.fit("score ~ 1 + (1 | school)", _rows(30, 0.0, least=5)).notices
    assert not [n for n in alike if n.code == "noise_by_group"]


def test_tables_agree_with_draws_where_mu_is_far_from_normal():
    """One group lies apart: where tau is small mu has two peaks, and seven nodes do not do."""
    rng = np.random.default_rng(7)
    n = rng.integers(2, 9, 10)
    sigma = 2.0 * np.exp(0.5 * rng.standard_normal(10))
    theta = rng.normal(50.0, 1.0, 10)
    school = np.repeat(np.arange(10), n)
    data = {"school": school, "score": rng.normal(theta[school], sigma[school])}
    fit = pp.fit("score ~ 1 + (1 | school); sigma ~ 1 + (1 | school)", data)
    drawn = fit.posterior.draws(40_000, np.random.default_rng(1))
    found, known = fit.groups(), drawn.groups()
    np.testing.assert_allclose((known.mean(axis=0) - found["estimate"]) / found["sd"], 0, atol=0.03)
    np.testing.assert_allclose(known.std(axis=0) / found["sd"], 1.0, atol=0.03)
    upper = np.quantile(known, 0.975, axis=0)
    np.testing.assert_allclose((upper - found["upper"]) / found["sd"], 0, atol=0.08)
    assert float(fit.posterior["Intercept"].mean) == pytest.approx(49.1435, abs=0.001)  # all nodes
    assert found["sigma_upper"][5] == pytest.approx(2.90, abs=0.05)  # of 60,000 steps of Gibbs 2.89
