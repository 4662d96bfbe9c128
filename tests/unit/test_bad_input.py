"""Bad data in memory: the sentence says what is wrong, what was received, and what to do."""

import datetime as dt
import decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp

G = list("abc") * 4
Y = np.random.default_rng(3).normal(size=12).round(3).tolist()
PLAIN = "y ~ 1 + (1 | g)"


def with_value(value, at=4, column=Y):
    return [value if i == at else v for i, v in enumerate(column)]


def duck(columns):
    connection = duckdb.connect()
    connection.register("rows", pa.table(columns))
    return connection.sql("SELECT * FROM rows")


FRAMES = {"dict": dict, "pandas": pd.DataFrame, "polars": pl.DataFrame, "duckdb": duck}


def refuse(formula, data, *words, error=pp.DataError, **options):
    with pytest.raises(error) as caught:
        pp.fit(formula, data, **options)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    ("formula", "x", "words"),
    [
        ("y | se(x) ~ (1 | g)", -0.5, ["positive finite standard error", "-0.5 in row 5"]),
        ("y | se(x) ~ (1 | g)", 0.0, ["found 0 in row 5", 'group "b"']),
        ("y | se(x) ~ (1 | g)", np.inf, ["found inf in row 5", "correct or remove"]),
        ("y | se(x) ~ (1 | g)", 1e-200, ["found 1e-200 in row 5"]),
        ("y | weights(x) ~ (1 | g)", -2.0, ["positive finite weight", "-2 in row 5"]),
        ("y | weights(x) ~ (1 | g)", 0.0, ["remove rows that should not count"]),
        ("y | summary(x, one) ~ (1 | g)", 2.5, ["whole number of rows", "2.5 in row 5"]),
        ("y | summary(x, one) ~ (1 | g)", 0.0, ["1 or more", "found 0"]),
        ("y | summary(two, x) ~ (1 | g)", -1.0, ["standard deviation of 0 or more", "-1 in row 5"]),
        ("x ~ (1 | g)", np.inf, ["finite numbers", "inf in row 5", "leave the value empty"]),
        ("x ~ (1 | g)", -np.inf, ["-inf in row 5"]),
        ("x ~ (1 | g)", 1e200, ["at most 1e100", "1e+200 in row 5"]),
        ("nope ~ (1 | g)", 1.0, ['column "nope" (character 1', "g, y, one, two, x"]),
        ("y ~ (1 | tow)", 1.0, ['did you mean "two"']),
    ],
)
def test_values_and_columns(frame, formula, x, words):
    data = {"g": G, "y": Y, "one": [1.0] * 12, "two": [2] * 12, "x": with_value(x, 4, [1.0] * 12)}
    refuse(formula, FRAMES[frame](data), *words)


@pytest.mark.parametrize("frame", FRAMES)
def test_only_the_first_bad_rows_are_named(frame):
    data = FRAMES[frame]({"g": G, "y": Y, "s": [-1.0] * 12})
    refuse("y | se(s) ~ (1 | g)", data, "-1 in row 1, -1 in row 2", "and 7 more")


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["1.5 kg"] * 12, []),
        (["x"] * 12, ['row 1 holds the text "x"']),
        ([dt.date(2020, 1, 1)] * 12, []),
        ([[1.0, 2.0], [1.0]] * 6, []),
    ],
)
def test_columns_that_are_not_numbers(frame, column, words):
    refuse(PLAIN, FRAMES[frame]({"g": G, "y": column}), 'column "y"', "numbers", *words)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (with_value("oops"), ['row 5 holds the text "oops"', "leave it empty if it is missing"]),
        (with_value("1.5 kg"), ['row 5 holds the text "1.5 kg"']),
        (with_value(b"oops"), ["row 5", "(bytes)"]),
        (with_value(10**400), ["row 5", "(int)"]),
        (np.array(Y) + 1j, ["complex128 values"]),
        (pd.date_range("2020", periods=12), ["2020-01-01"]),
        (np.ones((12, 2)), ["2 dimensions; a column has one"]),
        ([[1], [1, 2]] * 6, ["row 1"]),
        ("abcdefghijkl", ["a list or array with one value a row", "(str)"]),
        (3.0, ["one value a row", "(float)"]),
        (None, ["(NoneType)"]),
        (dict(enumerate(Y)), ["(dict)"]),
        (Y[:-1], ["columns differ in length: g has 12, y has 11"]),
    ],
)
def test_columns_of_a_dict(column, words):
    refuse(PLAIN, {"g": G, "y": column}, *words)


def test_group_columns_of_a_dict():
    refuse(PLAIN, {"g": np.ones((12, 2)), "y": Y}, '"g" has 2 dimensions')
    refuse(PLAIN, {"g": "abcabcabcabc", "y": Y}, '"g" must be a list or array')


def test_numbers_of_other_types():
    expected = pp.fit(PLAIN, {"g": G, "y": [float(v > 0) for v in Y]}).groups()["estimate"]
    positive = [v > 0 for v in Y]
    for column in (
        positive,
        [decimal.Decimal(int(v)) for v in positive],
        np.array(positive, dtype=np.float16),
        pd.array(positive, dtype="boolean"),
        pd.array(positive, dtype="Int64"),
        pl.Series(positive).cast(pl.Int8).cast(pl.Decimal(9, 2)),
        pa.array(positive),
        pa.array([int(v) for v in positive]).dictionary_encode(),
    ):
        found = pp.fit(PLAIN, {"g": G, "y": column}).groups()["estimate"]
        np.testing.assert_allclose(found, expected)


def test_repeated_columns():
    frame = pd.DataFrame({"g": G, "y": Y})
    refuse(PLAIN, pd.concat([frame, frame], axis=1), "is in the data 2 times", "distinct names")
    refuse(PLAIN, pa.table([G, Y, Y], names=["g", "y", "y"]), '"y" is in the data 2 times')


def test_column_names_that_are_not_text():
    frame = pd.DataFrame({1: G, ("a", 2): Y})
    assert pp.fit("`('a', 2)` ~ (1 | `1`)", frame).statistics.labels.tolist() == list("abc")
    assert pp.fit("y ~ (1 | `1`)", {1: G, "y": Y}).statistics.n_rows == 12
    frame.columns = pd.MultiIndex.from_tuples([("a", "g"), ("a", "y")])
    refuse(PLAIN, frame, '"g"', "('a', 'g'), ('a', 'y')")


def test_a_subclass_of_a_frame_is_a_frame():
    geo = type("GeoDataFrame", (pd.DataFrame,), {})
    assert pp.fit(PLAIN, geo({"g": G, "y": Y})).statistics.n_rows == 12


@pytest.mark.parametrize("frame", FRAMES)
def test_no_rows(frame):
    whole = FRAMES[frame]({"g": G, "y": [None] * 11 + [float("nan")]})
    refuse(PLAIN, whole, "none of the 12 rows is complete", '"g", "y"')


@pytest.mark.parametrize("empty", [{"g": [], "y": []}, pd.DataFrame({"g": [], "y": []})])
def test_zero_rows(empty):
    refuse(PLAIN, empty, "the data have no rows")
    refuse(PLAIN, pl.DataFrame({"g": G, "y": Y}).head(0), "the data have no rows")
    refuse(PLAIN, duck({"g": G, "y": Y}).limit(0), "the data have no rows")


@pytest.mark.parametrize("data", [None, 3, [1, 2], object()])
def test_things_that_are_not_data(data):
    refuse(PLAIN, data, f"data of type {type(data).__name__} cannot be read", "a pandas or Polars")


@pytest.mark.parametrize("frame", FRAMES)
def test_data_that_say_too_little(frame):
    make = FRAMES[frame]
    improper = pp.ImproperPosteriorError
    refuse(PLAIN, make({"g": ["a"], "y": [1.0]}), "one group only", '"a", 1 row)')
    refuse(PLAIN, make({"g": ["a"] * 12, "y": Y}), "one group only", "at least two groups")
    refuse(PLAIN, make({"g": G, "y": [2.5] * 12}), "all values are equal", error=improper)
    refuse(PLAIN, make({"g": range(12), "y": Y}), "every group has one row", error=improper)
    two = make({"g": list("ab") * 6, "y": Y})
    refuse(PLAIN, two, "2 groups are too few", "half_normal", error=improper)


@pytest.mark.parametrize("frame", ["dict", "duckdb"])
def test_the_outcome_is_not_the_group(frame):
    data = FRAMES[frame]({"g": G, "y": Y})
    refuse("y ~ (1 | y)", data, "both the outcome and a group", error=pp.FormulaError)


def test_another_family():
    refuse(PLAIN, {"g": G, "y": Y}, "weibull", "gaussian", error=ValueError, family="weibull")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mean": [1, 2, 3]}, ["give either se", "received mean and nothing else"]),
        ({"mean": [1, 2, 3], "se": [1, 1, 1], "n": [2, 2, 2]}, ["received mean and n, se"]),
        ({"mean": [1, 2, 3], "se": [1, 1]}, ["mean has 3 values and se has 2"]),
        ({"mean": [1, 2], "se": [1, 1], "names": ["a"]}, ["names has 1"]),
        ({"mean": [1, 2], "se": [1, 1], "names": ["a", "a"]}, ['"a" occur more than once']),
        ({"mean": 1.0, "se": [1, 1]}, ['"mean" must be a list or array', '"1.0" (float)']),
        ({"mean": [[1, 2], [3, 4]], "se": [1, 1]}, ["2 dimensions"]),
        ({"mean": [1, [2, 3]], "se": [1, 1]}, ['"mean" must hold numbers', "row 2"]),
        ({"mean": [1, 2], "se": [1, 1], "names": "ab"}, ['"names" must be a list or array']),
        ({"mean": [1, 2], "se": [1, -1]}, ["-1 in row 2"]),
        ({"mean": [1, "x"], "se": [1, 1]}, ['row 2 holds the text "x"']),
        ({"mean": [1, 2], "n": [2.5, 2], "sd": [1, 1]}, ["whole number", "2.5 in row 1"]),
        ({"mean": [1, 2], "n": [2, 2], "sd": [1, -1]}, ["0 or more", "-1 in row 2"]),
        ({"mean": [1, 2], "se": [1, 1], "factor": "se"}, ['cannot be called "se"']),
        ({"mean": [], "se": []}, ["no rows"]),
    ],
)
def test_fit_groups(arguments, words):
    with pytest.raises(pp.PartialPoolError) as caught:
        pp.fit_groups(**arguments)
    for word in words:
        assert word in str(caught.value)


CONTRASTS = {
    "measurements": ("y ~ 1 + (1 | g)", {}),
    "estimates": ("y | se(one) ~ 1 + (1 | g)", {}),
    "counts": ("k | trials(n) ~ 1 + (1 | g)", {}),
    "beta": ("k | trials(n) ~ 1 + (1 | g)", {"population": "beta"}),
    "student": ("y | se(one) ~ 1 + (1 | g)", {"population": "student"}),
    "predictor": ("y ~ x + (1 | g)", {}),
    "counts, predictor": ("k | trials(n) ~ x + (1 | g)", {}),
    "sigma by group": ("y ~ 1 + (1 | g); sigma ~ 1 + (1 | g)", {}),
    "reml": ("y ~ 1 + (1 | g)", {"method": "reml"}),
}


@pytest.mark.parametrize("model", CONTRASTS)
def test_contrasts_are_refused_alike_by_every_engine(model):
    formula, options = CONTRASTS[model]
    data = {"g": G, "y": Y, "one": [1.0] * 12, "k": [1, 2, 3] * 4, "n": [9] * 12, "x": [*range(12)]}
    post = pp.fit(formula, data, **options).posterior
    for coefficients, words in (
        ({"a": 0.0, "b": 0}, "must be finite numbers and not all 0"),
        ({}, "must be finite numbers and not all 0"),
        ({"a": 1.0, "b": float("nan")}, "must be finite numbers"),
        ({"a": "much"}, "must be finite numbers"),
        ({"a": 1, "z": -1}, 'there is no group "z" in column "g"'),
        (["a", "b"], "are a mapping from group to number"),
    ):
        with pytest.raises(pp.ArgumentError, match=words):
            post.contrast(coefficients)
