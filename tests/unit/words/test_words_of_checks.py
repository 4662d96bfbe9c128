"""Checks in words: what holds, what does not, what to do."""

import json

import numpy as np
import pytest

import partialpool as pp

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def schools():
    return pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())


@pytest.fixture(scope="module")
def salamanders():
    data = pp.datasets.salamanders()
    formula = "count | exposure(surveys) ~ mined + (1 | species) + (1 | site)"
    return pp.fit(formula, data).check(data)


def test_what_holds_is_said_so(schools):
    check = schools.check()
    assert check.notices == ()
    assert check.text.startswith("Nothing speaks against the model in 4 checks.")
    assert "too near 0.5" in check.text
    assert repr(check).splitlines()[0] == "Checks of effect | se(se) ~ 1 + (1 | school)"
    assert {r["reference"] for r in check.as_table().rows()} == {"left out", "drawn", "predictive"}


def test_what_does_not_hold_is_said_with_what_to_do(salamanders):
    codes = [n.code for n in salamanders.notices]
    assert codes == ["dispersion_of_rows", "zeros_among_rows"]
    assert 'family="negative_binomial"' in salamanders.notices[0].text
    assert "3 checks of 5 hold." in salamanders.text
    assert "fit.check(data)" not in salamanders.text


def test_a_far_group_is_named(schools):
    data = pp.datasets.eight_schools()
    data["effect"][2] = 190.0
    check = pp.fit("effect | se(se) ~ 1 + (1 | school)", data).check()
    named = next(n for n in check.notices if n.code == "farthest_group")
    assert '"C" (4.1 sds above' in named.text
    far = [r for r in check.group_table().rows() if r["outlying"]]
    assert [r["group"] for r in far] == ["C"]
    assert far[0]["p_largest"] < 0.01
    assert far[0]["p_largest"] > far[0]["p"]


def test_groups_have_one_row_each_and_uniform_places(schools):
    table = schools.check().groups
    assert table["group"].tolist() == list("ABCDEFGH")
    np.testing.assert_allclose(table["p"], 2 * np.minimum(table["pit"], 1 - table["pit"]))


def test_frames_are_of_the_kind_of_the_data():
    import pandas as pd

    frame = pd.DataFrame(pp.datasets.dyestuff())
    check = pp.fit("yield ~ 1 + (1 | batch)", frame).check(frame)
    assert isinstance(check.table, pd.DataFrame)
    assert isinstance(check.groups, pd.DataFrame)


def test_slopes_and_factors_are_told_apart():
    data = pp.datasets.sleepstudy()
    check = pp.fit("reaction ~ days + (days | subject)", data).check()
    assert set(check.group_table()["term"]) == {"Intercept", "days"}
    assert ("farthest group", "slopes of days by subject") in {
        (r["check"], r["of"]) for r in check.as_table().rows()
    }


def test_plain_values_are_json(salamanders):
    found = json.loads(json.dumps(salamanders.to_dict(), allow_nan=False))
    assert found["checks"][2]["check"] == "dispersion of rows"
    assert found["notices"][0]["level"] == "warning"


def test_nothing_to_check_is_said():
    data = {"y": [1.0, 2.0, 4.0], "se": [1.0, 1.0, 1.0], "g": list("abc"), "x": [0.0, 1.0, 1.0]}
    fit = pp.fit("y | se(se) ~ x + (1 | g)", data, prior=["tau ~ half_normal(1)"])
    check = fit.check()
    assert "too few groups or rows" in check.text
    assert check.groups["z"].shape == (0,)
