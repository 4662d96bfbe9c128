"""The fields of "Your file" become a formula and priors, whatever the columns are called."""

import numpy as np
import pytest

import partialpool as pp
from partialpool.app.forms import LONGEST, family_of, formula_of, priors_of, text_of
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
