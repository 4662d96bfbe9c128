"""Tables as exp of the outcome, the prediction interval in the summary, and models side by side."""

import re

import numpy as np
import pytest

import partialpool as pp

PLAIN = "log_rr | se(log_rr_se) ~ 1 + (1 | trial)"


@pytest.fixture(scope="module")
def trials():
    return pp.fit(PLAIN, pp.datasets.bcg())


@pytest.fixture(scope="module")
def by_latitude():
    return pp.fit("log_rr | se(log_rr_se) ~ latitude + (1 | trial)", pp.datasets.bcg())


def test_groups_are_exp_of_their_logarithms(trials, by_latitude):
    for fit in (trials, by_latitude):
        plain, ratios = fit.groups(), fit.groups(scale="exp")
        assert "sd" not in ratios
        for name in ("raw", "estimate", "lower", "upper"):
            np.testing.assert_allclose(ratios[name], np.exp(plain[name]), rtol=1e-12)
        np.testing.assert_array_equal(ratios["shrinkage"], plain["shrinkage"])


def test_coefficients_are_exp_and_spreads_are_not(by_latitude):
    plain, ratios = by_latitude.parameters(), by_latitude.parameters(scale="exp")
    assert ratios["name"].tolist() == ["exp(Intercept)", "exp(latitude)", "tau[trial]"]
    np.testing.assert_allclose(ratios["estimate"][:2], np.exp(plain["mean"][:2]))
    np.testing.assert_allclose(ratios["upper"][:2], np.exp(plain["upper"][:2]))
    np.testing.assert_array_equal(ratios["median"][2], plain["median"][2])


def test_counts_are_odds():
    fit = pp.fit("deaths | trials(operations) ~ 1 + (1 | hospital)", pp.datasets.surgical_deaths())
    share, odds = fit.groups(), fit.groups(scale="exp")
    for name in ("raw", "lower", "upper"):
        np.testing.assert_allclose(odds[name], share[name] / (1 - share[name]), rtol=1e-6)
    with pytest.raises(pp.ArgumentError, match="a probability or rate of counts"):
        fit.groups(scale="exp", above=0.1)


def test_above_is_a_ratio(trials):
    ratios, plain = trials.groups(scale="exp", above=0.5), trials.groups(above=np.log(0.5))
    np.testing.assert_array_equal(ratios["p_above"], plain["p_above"])
    with pytest.raises(pp.ArgumentError, match="above 0, not -1"):
        trials.groups(scale="exp", above=-1)
    with pytest.raises(pp.ArgumentError, match='scale is "response", "link" or "exp", not'):
        trials.groups(scale="odds")
    with pytest.raises(pp.ArgumentError, match='scale is "link" or "exp", not'):
        trials.parameters(scale="response")


def test_the_summary_holds_the_prediction_interval(trials, by_latitude):
    low, high = trials.posterior.new_group().interval(0.95)
    said = f"95% prediction interval of the effect in a new trial: {low:.2f} to {high:.2f}."
    assert said in repr(trials)
    rows = {"latitude": [float(np.mean(pp.datasets.bcg()["latitude"]))]}
    new = by_latitude.predict(rows, target="new_group")
    words = " ".join(repr(by_latitude).split())
    found = re.search(r"\(predictors at their means over groups\): (\S+) to (\S+)\.", words)
    np.testing.assert_allclose(
        [float(v) for v in found.groups()], [new["lower"][0], new["upper"][0]], atol=0.005
    )
    assert "prediction interval" not in repr(
        pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())
    )


def test_a_report_has_ratios_only_if_asked(trials):
    plain = trials.report_contents(drawn=False)
    ratios = trials.report_contents(drawn=False, scale="exp")
    assert plain.parameters["name"].tolist() == ["Intercept", "tau[trial]"]
    assert ratios.parameters["name"].tolist() == ["exp(Intercept)", "tau[trial]"]
    assert ratios.groups["upper"].min() > 0
    assert "prediction interval" in ratios.lines[-1]


# models side by side ------------------------------------------------------------------------------


def test_models_side_by_side(trials, by_latitude):
    table = pp.table(trials, by_latitude, names=["plain", "latitude"])
    cells = {row[0]: row[1:] for row in table.rows}
    assert cells["latitude"] == ["", "-0.0287 (0.0093)"]
    assert cells["Intercept"] == ["-0.72 (0.21)", "0.24 (0.33)"]
    assert cells["groups of trial"] == ["13", "13"]
    assert list(cells)[:3] == ["Intercept", "latitude", "tau[trial]"]
    assert table.columns()["latitude"].tolist()[0] == "0.24 (0.33)"
    assert repr(table).splitlines()[0].split() == ["plain", "latitude"]
    ratios = pp.table(by_latitude, scale="exp", spread="interval")
    assert ratios.rows[1] == ["exp(latitude)", "0.9717 [0.9541, 0.9908]"]


def test_estimates_have_standard_errors_and_spreads_none():
    fit = pp.fit(PLAIN, pp.datasets.bcg(), method="reml")
    table = pp.table(fit)
    assert table.note == "Estimates with standard errors in parentheses."
    cells = dict(row for row in table.rows)
    assert cells["tau[trial]"] == "0.5597"
    assert cells["Intercept"] == "-0.71 (0.18)"
    assert cells["method"] == "REML"


def test_signs_of_each_format_are_escaped():
    data = {"a|b_<c>": ["x", "x", "y", "y", "z", "z"], "y": [1.0, 2, 4, 5, 9, 7]}
    table = pp.table(pp.fit("y ~ 1 + (1 | `a|b_<c>`)", data), names=["50%"])
    assert r"tau[a\|b_&lt;c&gt;]" in table.to_markdown()
    assert r"tau[a\textbar{}b\_\textless{}c\textgreater{}]" in table.to_latex()
    assert r"50\%" in table.to_latex()
    assert "tau[a|b_&lt;c&gt;]" in table.to_html()
    assert table.to_latex().count(r"\\") == 1 + len(table.rows) + 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"names": ["a", "b"]}, "names are one a fit"),
        ({"spread": "se"}, 'spread is "sd" or "interval"'),
        ({"scale": "exp"}, "an sd is of logarithms"),
        ({"level": 2}, "between 0 and 1"),
    ],
)
def test_tables_refuse_in_a_sentence(trials, how, words):
    with pytest.raises(pp.ArgumentError, match=words):
        pp.table(trials, **how)


def test_tables_are_of_fits():
    with pytest.raises(pp.ArgumentError, match="table takes fits, one or more"):
        pp.table()
    with pytest.raises(pp.ArgumentError, match="not dict"):
        pp.table({})
