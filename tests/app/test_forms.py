"""The fields of "Your file" become a formula and priors, whatever the columns are called."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.app.forms import (
    LONGEST,
    MOST_PREDICTORS,
    family_of,
    formula_of,
    predictors_of,
    priors_of,
    text_of,
)
from partialpool.errors import ArgumentError

CHOSEN = {"group": "school", "outcome": "score", "se": "se", "count": "n", "sd": "spread"}


def formula(**fields):
    return formula_of((CHOSEN | fields).get)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("rows", "score ~ 1 + (1 | school)"),
        ("estimates", "score | se(se) ~ 1 + (1 | school)"),
        ("summaries", "score | summary(n, spread) ~ 1 + (1 | school)"),
        ("nonsense", "score ~ 1 + (1 | school)"),
        (None, "score ~ 1 + (1 | school)"),
        ({"rows": 1}, "score ~ 1 + (1 | school)"),
        ([{}], "score ~ 1 + (1 | school)"),
    ],
)
def test_the_shape_of_the_file_decides(shape, expected):
    assert formula(shape=shape) == expected


def test_a_formula_of_your_own_is_taken_as_it_is():
    assert formula(shape="formula", formula=" y ~ 1 + (1 | g)\n") == "y ~ 1 + (1 | g)"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"group": ""}, "group"),
        ({"outcome": None}, "outcome"),
        ({"outcome": ["score"]}, "outcome"),
        ({"shape": "estimates", "se": " "}, "standard error"),
        ({"shape": "summaries", "count": 5}, "n column"),
        ({"shape": "summaries", "sd": {}}, "sd column"),
        ({"shape": "formula"}, "formula"),
        ({"shape": "formula", "formula": 7}, "formula"),
    ],
)
def test_what_is_missing_is_named(fields, named):
    with pytest.raises(ArgumentError, match=named):
        formula(**fields)


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "1st",
        "größe",
        "学校",
        "a`b",
        "a\\b",
        'a"b',
        "a | b",
        "~",
        "a.b",
        "se(x)",
        "😀",
        "NULL",
    ],
)
def test_columns_of_any_name_can_be_fitted(name):
    text = formula(group=name)
    schools = [g for g in "ABCD" for _ in range(4)]
    scores = np.random.default_rng(1).normal(size=16)
    table = pp.Table({name: np.array(schools), "score": scores})
    assert pp.fit(text, table).statistics.labels.tolist() == ["A", "B", "C", "D"]


def test_priors_are_lines():
    assert priors_of({"priors": "tau ~ half_normal(5)\n\n  mu ~ normal(0, 1) "}.get) == [
        "tau ~ half_normal(5)",
        "mu ~ normal(0, 1)",
    ]
    assert priors_of({"priors": ["tau ~ half_normal(5)"]}.get) == []
    assert priors_of({}.get) == []


def test_a_text_is_read_up_to_a_length():
    assert len(text_of("x" * (LONGEST + 5))) == LONGEST
    assert text_of(5) == text_of(None) == text_of(["x"]) == ""


@pytest.mark.parametrize(
    ("fields", "formula", "family"),
    [
        (
            {"shape": "proportions", "outcome": "hits", "trials": "at bats", "group": "player"},
            "hits | trials(`at bats`) ~ 1 + (1 | player)",
            None,
        ),
        ({"shape": "counts", "outcome": "n", "group": "g"}, "n ~ 1 + (1 | g)", "poisson"),
        (
            {"shape": "counts", "outcome": "n", "group": "g", "exposure": "hours"},
            "n | exposure(hours) ~ 1 + (1 | g)",
            "poisson",
        ),
        ({"shape": "rows", "outcome": "y", "group": "g", "trials": "t"}, "y ~ 1 + (1 | g)", None),
    ],
)
def test_counts_and_proportions(fields, formula, family):
    assert formula_of(fields.get) == formula
    assert family_of(fields.get) == family


SECOND = {"second": "district"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"predictors": [["ses", "number", ""]]}, "score ~ 1 + ses + (1 | school)"),
        ({"predictors": [["ses", "number", "group"]]}, "score ~ 1 + ses + (1 + ses | school)"),
        (
            {"predictors": (("ses", "log", ""), ("grade", "categories", ""), ("kind", "text", ""))},
            "score ~ 1 + log(ses) + C(grade) + kind + (1 | school)",
        ),
        ({"predictors": [["a b", "log", ""]]}, "score ~ 1 + log(`a b`) + (1 | school)"),
        (SECOND, "score ~ 1 + (1 | district/school)"),
        (
            SECOND | {"predictors": [["ses", "number", "second"]]},
            "score ~ 1 + ses + (1 + ses | district) + (1 | district:school)",
        ),
        (
            SECOND | {"predictors": [["ses", "number", "group"]]},
            "score ~ 1 + ses + (1 | district) + (1 + ses | district:school)",
        ),
        (
            SECOND | {"second_is": "crossed", "predictors": [["ses", "number", "second"]]},
            "score ~ 1 + ses + (1 | school) + (1 + ses | district)",
        ),
        (
            {"shape": "summaries", "predictors": [["ses", "number", ""]]} | SECOND,
            "score | summary(n, spread) ~ 1 + (1 | school)",
        ),
        (
            {"shape": "estimates", "predictors": [["ses", "number", ""]]},
            "score | se(se) ~ 1 + ses + (1 | school)",
        ),
    ],
)
def test_predictors_slopes_and_nesting(fields, expected):
    assert formula(**fields) == expected


def test_a_group_is_not_within_itself():
    with pytest.raises(ArgumentError, match="same column"):
        formula(second="school")


@pytest.mark.parametrize(
    "junk",
    [None, 5, "ses", {"ses": "number"}, [5], [["ses"]], [["ses", "number"]], [[5, "number", ""]],
     [["ses", "eval", ""]], [["ses", "number", "nobody"]], [["", "number", ""]],
     [[["ses"], {}, 1]]],
)  # fmt: skip
def test_predictors_that_are_none_are_left_out(junk):
    assert predictors_of(junk) == []
    assert formula(predictors=junk) == "score ~ 1 + (1 | school)"


def test_a_predictor_counts_once_and_not_too_many_are_read():
    twice = [["ses", "number", ""], ["ses", "log", "group"]]
    assert [p.term for p in predictors_of(twice)] == ["ses"]
    many = [[f"x{i}", "number", ""] for i in range(MOST_PREDICTORS + 5)]
    assert len(predictors_of(many)) == MOST_PREDICTORS


@pytest.mark.parametrize(
    ("shape", "spread", "family"),
    [
        ("counts", "normal", "poisson"),
        ("counts", "beta", "gamma_poisson"),
        ("counts", {"a": 1}, "poisson"),
        ("proportions", "beta", "beta_binomial"),
        ("proportions", "normal", None),
        ("rows", "beta", None),
    ],
)
def test_how_groups_of_counts_are_spread(shape, spread, family):
    assert family_of({"shape": shape, "conjugate": spread}.get) == family


@pytest.mark.parametrize("second_is", ["contains", "crossed"])
def test_what_the_fields_make_can_be_fitted(second_is):
    rng = np.random.default_rng(2)
    size = 120
    table = pp.Table(
        {
            "a school": np.array([f"s{i % 20}" for i in range(size)]),
            "district": np.array([f"d{i % 20 % 5}" for i in range(size)]),
            "ses": rng.normal(size=size),
            "kind": np.array(["a", "b", "c"] * (size // 3)),
            "score": rng.normal(size=size),
        }
    )
    text = formula(
        group="a school", second="district", second_is=second_is,
        predictors=[["ses", "number", "second"], ["kind", "text", ""]],
    )  # fmt: skip
    names = set(pp.fit(text, table).parameter_table()["name"].tolist())
    assert {"ses", "kind[b]", "kind[c]", "tau[district, ses]"} <= names
