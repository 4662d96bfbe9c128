"""The poolings side by side: scores by refitting, and errors row by row."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp

SIZES = [3, 4, 5, 2, 4, 3]


def rows(seed=1):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(SIZES)), SIZES)
    return {"y": 5 + rng.normal(size=len(SIZES))[group] + rng.normal(size=len(group)), "g": group}


def score(fit, estimator, column):
    scores = fit.compare().scores
    return scores[column][scores["estimator"].tolist().index(estimator)]


def total(fit):
    """log p(y) up to the constant of improper priors, which both fits share."""
    return fit._engine.grid.log_total + fit._engine.model.log_constant


@pytest.mark.parametrize(
    "prior",
    [
        {},
        {"mu": "normal(5, 3)", "tau": "half_normal(1)", "sigma": "half_normal(2)"},
        {"mu": "student_t(3, 5, 1)", "tau": "half_cauchy(1)", "sigma": "half_normal(2)"},
    ],
    ids=str,
)
def test_log_score_equals_refits_without_each_group(prior):
    data, formula = rows(), "y ~ 1 + (1 | g)"
    whole = pp.fit(formula, data, prior=prior)
    scores = []
    for j in range(len(SIZES)):
        others = {k: v[data["g"] != j] for k, v in data.items()}
        scores.append(total(whole) - total(pp.fit(formula, others, prior=prior)))
    got = score(whole, "partial_pooling", "log_score")
    np.testing.assert_allclose(got, np.mean(scores), atol=1e-5)


def test_log_score_of_eight_schools_equals_refits():
    table = pp.datasets.eight_schools()
    formula = "effect | se(se) ~ 1 + (1 | school)"
    whole = pp.fit(formula, table)
    scores, gaps = [], []
    for j in range(8):
        others = {k: np.delete(v, j) for k, v in table.items()}
        fit = pp.fit(formula, others)
        scores.append(total(whole) - total(fit))
        gaps.append(table["effect"][j] - float(fit._engine.mu.mean))
    np.testing.assert_allclose(
        score(whole, "partial_pooling", "log_score"), np.mean(scores), atol=1e-9
    )
    np.testing.assert_allclose(
        score(whole, "partial_pooling", "group_rmse"), np.sqrt(np.mean(np.square(gaps))), rtol=1e-9
    )


def test_complete_pooling_of_eight_schools_by_hand():
    table = pp.datasets.eight_schools()
    y, w = table["effect"], 1.0 / table["se"] ** 2
    logs, gaps = [], []
    for j in range(8):
        keep = np.arange(8) != j
        mu, v = w[keep] @ y[keep] / w[keep].sum(), 1 / w[keep].sum() + 1 / w[j]
        logs.append(-0.5 * np.log(2 * np.pi * v) - 0.5 * (y[j] - mu) ** 2 / v)
        gaps.append(y[j] - mu)
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", table)
    np.testing.assert_allclose(score(fit, "complete_pooling", "log_score"), np.mean(logs))
    np.testing.assert_allclose(
        score(fit, "complete_pooling", "group_rmse"), np.sqrt(np.mean(np.square(gaps)))
    )


@pytest.mark.parametrize("estimator", ["no_pooling", "complete_pooling", "partial_pooling", "reml"])
def test_row_rmse_equals_leaving_out_each_row(estimator):
    data = rows(4)
    fit = pp.fit("y ~ 1 + (1 | g)", data)
    lam = {
        "no_pooling": 1e9,
        "complete_pooling": 0.0,
        "partial_pooling": float(fit._engine.tau_over_sigma.median) ** 2,
    }
    scores = fit.compare("reml").scores
    if estimator == "reml":
        from partialpool import classical

        s = fit.statistics
        found = classical.maximum_likelihood(mean=s.raw, n=s.n, ss=s.ss)
        lam["reml"] = (found.tau / found.sigma) ** 2
    y, same = data["y"], data["g"][:, None] == data["g"]
    covariance = np.eye(len(y)) + lam[estimator] * same
    errors = []
    for i in range(len(y)):
        keep = np.arange(len(y)) != i
        inverse = np.linalg.inv(covariance[np.ix_(keep, keep)])
        ones = np.ones(len(y) - 1)
        mu = ones @ inverse @ y[keep] / (ones @ inverse @ ones)
        errors.append(y[i] - mu - covariance[i, keep] @ inverse @ (y[keep] - mu))
    got = scores["row_rmse"][scores["estimator"].tolist().index(estimator)]
    np.testing.assert_allclose(got, np.sqrt(np.mean(np.square(errors))), rtol=1e-6)


def test_classical_columns_and_what_does_not_apply():
    fit = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())
    result = fit.compare("reml", "james_stein", "dersimonian_laird")
    assert list(result.groups)[2:] == [
        "no_pooling", "complete_pooling", "partial_pooling", "reml", "james_stein",
        "dersimonian_laird",
    ]  # fmt: skip
    with pytest.raises(pp.ArgumentError, match='no estimator "remll"; did you mean "reml"'):
        fit.compare("remll")
    schools = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    with pytest.raises(pp.ArgumentError, match="equal standard errors"):
        schools.compare("james_stein")
    with pytest.raises(pp.ArgumentError, match="anova needs rows"):
        schools.compare("anova")


def test_too_few_groups_to_leave_one_out():
    fit = pp.fit_groups(mean=[1, 2, 4.0], se=[1, 1, 1.0])
    assert np.isnan(score(fit, "partial_pooling", "log_score"))
    assert np.isfinite(score(fit, "complete_pooling", "log_score"))


def test_partial_pooling_predicts_best_in_expectation():
    """Over worlds, the others' rows predict a row best after partial pooling."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        group = np.repeat(np.arange(10), 5)
        y = rng.normal(size=10)[group] + rng.normal(0, 2, 50)
        found.append(pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": group}).compare().scores["row_rmse"])
    no, complete, partial = np.mean(found, axis=0)
    assert partial < no
    assert partial < complete
