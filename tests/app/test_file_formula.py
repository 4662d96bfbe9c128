"""Choices become the formula that the command would be given."""

import contextlib
import itertools

import pytest

from partialpool.app.file_formula import MOST_PREDICTORS, model_of
from partialpool.errors import ArgumentError
from partialpool.formula import parse

BASE = {"outcome": "y", "groups": ["g"]}
FORMULAS = [
    ({}, "y ~ 1 + (1 | g)"),
    ({"outcomeKind": "estimate", "se": "s e"}, "y | se(`s e`) ~ 1 + (1 | g)"),
    ({"outcomeKind": "summary", "n": "n", "sd": "sd"}, "y | summary(n, sd) ~ 1 + (1 | g)"),
    ({"outcomeKind": "proportion", "trials": "n"}, "y | trials(n) ~ 1 + (1 | g)"),
    ({"outcomeKind": "count", "exposure": "h"}, "y | exposure(h) ~ 1 + (1 | g)"),
    ({"outcomeKind": "count"}, "y ~ 1 + (1 | g)"),
    ({"weights": "w"}, "y | weights(w) ~ 1 + (1 | g)"),
    ({"groups": ["tract", "county"], "nested": True}, "y ~ 1 + (1 | county/tract)"),
    ({"groups": ["tract", "county"]}, "y ~ 1 + (1 | tract) + (1 | county)"),
    (
        {"predictors": [{"column": "x", "how": "log", "varies_by": ""},
                        {"column": "a b", "how": "category"}, {"column": "z", "how": "as it is"}]},
        "y ~ 1 + log(x) + C(`a b`) + z + (1 | g)",
    ),
    (
        {"predictors": [{"column": "x", "how": "number", "varies_by": "g"}]},
        "y ~ 1 + x + (1 + x | g)",
    ),
    (
        {"groups": ["tract", "county"], "nested": True,
         "predictors": [{"column": "x", "how": "number", "varies_by": "county"}]},
        "y ~ 1 + x + (1 + x | county) + (1 | county:tract)",
    ),
    ({"formula": " y ~ x + (1 | g) ", "outcome": ""}, "y ~ x + (1 | g)"),
    ({"outcome": "a`b", "groups": ["1 st"]}, "`a``b` ~ 1 + (1 | `1 st`)"),
]  # fmt: skip


@pytest.mark.parametrize(("choices", "formula"), FORMULAS)
def test_choices_make_a_formula_that_is_read_as_written(choices, formula):
    found = model_of(BASE | choices).formula
    assert found == formula
    assert parse(found).text == formula


@pytest.mark.parametrize(
    ("choices", "family"),
    [
        ({}, None),
        ({"outcomeKind": "binary"}, "binomial"),
        ({"outcomeKind": "binary", "population": "beta"}, "binomial"),
        ({"outcomeKind": "proportion", "trials": "n"}, None),
        ({"outcomeKind": "count"}, "poisson"),
        ({"outcomeKind": "count", "population": "gamma"}, "poisson"),
        ({"population": "student"}, None),
        ({"formula": "y ~ (1 | g)", "family": "poisson"}, "poisson"),
    ],
)
def test_the_family_follows_from_the_kind(choices, family):
    assert model_of(BASE | choices).family == family


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"outcome": ""}, "choose the column of the outcome"),
        ({"groups": []}, "choose the column that names the groups"),
        ({"groups": ["g", "g"]}, "chosen twice"),
        ({"groups": ["a", "b", "c"]}, "at most two groupings"),
        ({"outcomeKind": "estimate"}, "choose the column of the standard errors"),
        ({"outcomeKind": "proportion"}, "choose the column of the trials"),
        ({"outcomeKind": "summary", "n": "n"}, "standard deviations"),
        ({"outcomeKind": "other"}, "is not one of measurement"),
        ({"predictors": [{"column": "x", "how": "eval"}]}, "a predictor is taken as"),
        ({"reading": {"header": "two"}}, "header is the number of a line"),
        ({"reading": []}, "reading is a mapping"),
        (
            {"predictors": [{"column": f"x{i}"} for i in range(MOST_PREDICTORS + 1)]},
            "at most 30 predictors",
        ),
    ],
)
def test_what_is_missing_or_not_allowed_is_said(choices, words):
    with pytest.raises(ArgumentError, match=words):
        model_of(BASE | choices)


JUNK = [
    None,
    1,
    1.5,
    True,
    "",
    "x",
    [],
    [1],
    {},
    {"column": 1},
    [["a"]],
    [{"column": {}}],
    "a" * 99_999,
]


@pytest.mark.parametrize("field", ["outcome", "groups", "predictors", "priors", "event", "family",
                                   "reading", "formula", "outcomeKind", "nested"])  # fmt: skip
def test_whatever_a_browser_sends_is_a_model_or_a_sentence(field):
    for junk in JUNK:
        with contextlib.suppress(ArgumentError):
            assert model_of(BASE | {field: junk}).formula
    for junk in (*JUNK, [BASE]):
        if not isinstance(junk, dict):
            with pytest.raises(ArgumentError, match="choices are a mapping"):
                model_of(junk)


def test_how_a_file_is_read_is_taken_where_it_is_said():
    asked = {"decimal": ",", "encoding": " latin-1 ", "sheet": "", "header": "3", "na": ["-9", ""],
             "other": 1}  # fmt: skip
    found = model_of(BASE | {"reading": asked}).reading
    assert found == {"decimal": ",", "encoding": "latin-1", "header": 3, "na": ["-9"]}


def test_priors_are_one_a_line():
    found = model_of(BASE | {"priors": "tau ~ half_normal(5)\n\n Intercept ~ normal(0, 1) "})
    assert found.priors == ("tau ~ half_normal(5)", "Intercept ~ normal(0, 1)")


def test_every_difference_of_the_models_is_one_of_their_keys():
    models = [
        {}, {"priors": "tau ~ half_normal(1)"}, {"family": "poisson"}, {"event": "yes"},
        {"reading": {"decimal": ","}}, {"reading": {"decimal": "."}}, {"outcome": "z"},
    ]  # fmt: skip
    keys = [model_of(BASE | m).key for m in models]
    assert all(a != b for a, b in itertools.combinations(keys, 2))
    assert model_of(BASE).key == keys[0]
