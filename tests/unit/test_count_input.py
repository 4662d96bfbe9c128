"""Bad input about counts: the right answer, or one clear sentence."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp

G = [1, 2, 3, 4]
BINOMIAL = "y | trials(n) ~ 1 + (1 | g)"
PROPER = ["mu ~ normal(0, 2)", "tau ~ half_normal(1)"]


def fit(formula=BINOMIAL, family=None, prior=None, **columns):
    return pp.fit(formula, {"g": G, **columns}, family=family, prior=prior)


@pytest.mark.parametrize(
    ("y", "n", "words"),
    [
        ([1, 9, 2, 3], [5, 5, 5, 5], "at most the number of trials of its row; found 9 in row 2"),
        ([1, -1, 2, 3], [5, 5, 5, 5], "a whole number of events, 0 or more; found -1 in row 2"),
        ([1, 2, 2.5, 3], [5, 5, 5, 5], "a whole number of events, 0 or more; found 2.5 in row 3"),
        ([1, 2, np.inf, 3], [5, 5, 5, 5], "found inf in row 3"),
        ([1, 2, 2, 3], [5, 5, 5.5, 5], "a whole number of trials, 0 or more; found 5.5 in row 3"),
        ([1, 2, 2, 3], [5, -5, 5, 5], "a whole number of trials, 0 or more; found -5 in row 2"),
        ([1, "a", 2, 3], [5, 5, 5, 5], "must hold numbers"),
        ([0, 0, 0, 0], [0, 0, 0, 0], "is 0 in every row"),
    ],
)
def test_values_that_are_not_allowed(y, n, words):
    with pytest.raises(pp.DataError, match=words):
        fit(y=y, n=n)


def test_rows_of_0_and_1():
    with pytest.raises(pp.DataError, match="0 or 1, as each row is one trial; found 2 in row 3"):
        fit("y ~ 1 + (1 | g)", "binomial", y=[0, 1, 2, 1])
    rows = {"g": [*G, *G, *G], "y": [True, False, True, False, *[True] * 4, *[False] * 4]}
    one = pp.fit("y ~ 1 + (1 | g)", rows, family="binomial")._engine
    many = fit(y=[2, 1, 2, 1], n=[3, 3, 3, 3])._engine
    np.testing.assert_allclose(one.value.mean, many.value.mean, rtol=1e-12)


def test_exposure_that_is_not_allowed():
    with pytest.raises(pp.DataError, match="a finite exposure, 0 or more; found -1 in row 1"):
        fit("y | exposure(n) ~ 1 + (1 | g)", y=[1, 2, 3, 4], n=[-1, 1, 1, 1])
    with pytest.raises(pp.DataError, match="must be 0 where the exposure is 0; found 2 in row 2"):
        fit("y | exposure(n) ~ 1 + (1 | g)", y=[1, 2, 3, 4], n=[1, 0, 1, 1])


@pytest.mark.parametrize(
    ("y", "n", "words"),
    [
        ([0, 0, 0, 0], [5, 5, 9, 5], "no group has any event: .* no lower limit on mu"),
        ([5, 5, 9, 5], [5, 5, 9, 5], "every trial of every group is an event: .* no upper limit"),
        ([0, 1, 1, 0], [1, 1, 1, 1], "0 of 4 groups have an event and a failure"),
        ([0, 2, 1, 0], [3, 3, 1, 1], "1 of 4 groups have an event and a failure"),
    ],
)
def test_improper_posteriors_are_refused_and_proper_priors_help(y, n, words):
    with pytest.raises(pp.ImproperPosteriorError, match=words):
        fit(y=y, n=n)
    post = fit(y=y, n=n, prior=PROPER)._engine
    mean = post.value.mean
    assert ((mean > 0) & (mean < 1)).all()
    assert post.status.name == "REACHED"


def test_a_group_without_trials_keeps_its_place():
    found = fit(y=[1, 0, 4, 3], n=[5, 0, 9, 6])
    table, post = found.groups(), found._engine
    assert table["n"].tolist() == [1, 1, 1, 1]
    assert np.isnan(table["raw"][1])
    assert table["shrinkage"][1] == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(table["estimate"][1], post.new_group.mean, rtol=1e-10)
    np.testing.assert_allclose(table["lower"][1], post.new_group.quantile(0.025), rtol=1e-8)
    assert "groups_without_size" in {n.code for n in found.notices}
    assert found.to_dict()["groups"][1]["raw"] is None
    without = pp.fit(BINOMIAL, {"g": [1, 3, 4], "y": [1, 4, 3], "n": [5, 9, 6]})
    np.testing.assert_allclose(
        table["estimate"][[0, 2, 3]], without.groups()["estimate"], rtol=1e-10
    )


def test_missing_values_are_dropped_and_counted():
    found = fit(y=[1, None, 4, 3], n=[5, 5, 9, 6])
    assert found.statistics.n_dropped == 1
    assert {"rows_dropped", "groups_dropped"} <= {n.code for n in found.notices}


@pytest.mark.parametrize(
    ("formula", "family", "words"),
    [
        (BINOMIAL, "gaussian", 'trials\\(\\) says that the outcome counts events, and family="ga'),
        (BINOMIAL, "poisson", "trials\\(\\) does not go with the family poisson"),
        ("y | exposure(n) ~ 1 + (1 | g)", "binomial", "exposure\\(\\) does not go with"),
        ("y | se(n) ~ 1 + (1 | g)", "binomial", "se\\(\\) does not go with"),
        ("y | exposure(n) ~ offset(log(n)) + (1 | g)", "poisson", "exposure is given twice"),
        (
            "y | trials(y) ~ 1 + (1 | g)",
            None,
            'the column "y" cannot be both the events and their trials',
        ),
        (
            "y | trials(g) ~ 1 + (1 | g)",
            None,
            'the column "g" cannot be both the group and a number',
        ),
        ("y | trials(C(n)) ~ 1 + (1 | g)", None, "takes a column, or arithmetic"),
    ],
)
def test_formulas_that_do_not_fit(formula, family, words):
    with pytest.raises(pp.FormulaError, match=words):
        fit(formula, family, y=[1, 2, 3, 4], n=[5, 5, 5, 5])


def test_families():
    with pytest.raises(pp.ArgumentError, match='no family "binomal"; did you mean "binomial"'):
        fit(family="binomal", y=[1, 2, 3, 4], n=[5, 5, 5, 5])
    assert fit(y=[1, 2, 3, 4], n=[5, 5, 5, 5]).family == "binomial"
    found = fit("y | exposure(n) ~ 1 + (1 | g)", y=[1, 2, 3, 4], n=[5, 5, 5, 5])
    assert found.family == "poisson"
    same = fit("y ~ 1 + offset(log(n)) + (1 | g)", "poisson", y=[1, 2, 3, 4], n=[5, 5, 5, 5])
    np.testing.assert_array_equal(found._engine.value.mean, same._engine.value.mean)


def test_a_prior_of_sigma_is_refused():
    with pytest.raises(pp.PriorError, match="no sigma to give a prior"):
        fit(y=[1, 2, 3, 4], n=[5, 5, 5, 5], prior="sigma ~ half_normal(1)")


def test_one_group():
    with pytest.raises(pp.DataError, match="one group only"):
        pp.fit(BINOMIAL, {"g": [1, 1], "y": [1, 2], "n": [3, 3]})


def test_three_of_three_and_three_hundred_of_a_thousand():
    """The small group with a perfect record is drawn down; the large one hardly moves."""
    y, n = [3, 300, 45, 20, 33], [3, 1000, 150, 80, 90]
    table = pp.fit(BINOMIAL, {"g": [*G, 5], "y": y, "n": n}).groups()
    assert table["raw"][0] == 1.0
    assert table["estimate"][0] < 0.6
    assert abs(table["estimate"][1] - 0.3) < 0.005
    assert table["shrinkage"][0] > 0.8 > 0.3 > table["shrinkage"][1]


def test_offsets_of_proportions_are_added_to_log_odds():
    data = {"y": [3, 5, 2, 6], "n": [10, 12, 9, 11], "x": [1.0, 2.0, 1.5, 3.0], "g": list("abcd")}
    formula = "y | trials(n) ~ 1 + offset(log(x)) + (1 | g)"
    fit = pp.fit(formula, data, prior="tau ~ half_normal(1)")
    np.testing.assert_allclose(np.sort(fit.statistics.rows.offset), np.sort(np.log(data["x"])))


def test_what_is_not_of_conjugate_families_or_of_coefficients_is_said():
    data = {"y": [3, 5, 2, 6], "n": [10, 12, 9, 11], "g": list("abcd")}
    with pytest.raises(pp.ArgumentError, match='method="ml" is for normal populations'):
        pp.fit("y | trials(n) ~ 1 + (1 | g)", data, population="beta", method="ml")
    with pytest.raises(pp.PriorError, match="prior of standard deviations"):
        pp.fit("y | trials(n) ~ 1 + (1 | g)", data, prior="mu ~ uniform(-20, 20)")
