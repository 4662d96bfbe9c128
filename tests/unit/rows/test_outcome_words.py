"""Outcomes of two words, through every door."""

from functools import cache

import duckdb
import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from doors import DOORS, through

RNG = np.random.default_rng(8)
G = np.repeat(np.arange(12), 10)
X = RNG.normal(size=120)
Y = RNG.random(120) < 1 / (1 + np.exp(-0.3 - 0.5 * X - RNG.normal(size=12)[G]))
WORDS = {
    "passed": np.where(Y, "yes", "no"),
    "result": np.where(Y, "Pass", "Fail"),
    "form": np.where(Y, "old", "new"),
    "odd": np.where(Y, 'it"s', "that's"),
}
EVENTS = {"passed": "yes", "result": "Pass", "form": "old", "odd": "that's"}
DATA = pd.DataFrame({"g": G, "x": X, "y": Y.astype(int), "other": 1 - Y.astype(int), **WORDS})
DATA["three"] = np.where(X > 1, "maybe", WORDS["passed"])
KINDS = ("category", *DOORS)


def rows(door, folder, monkeypatch, data=DATA):
    if door == "category":
        return data.astype(dict.fromkeys(WORDS, "category"))
    return through(door, folder, data, monkeypatch)


def means(fit):
    return [row["mean"] for row in fit.to_dict()["parameters"]]


MODELS = {"1": "posterior", "x": "ml"}
"""Models and how they are fitted: counts of groups, and counts of rows by the quicker way."""


@cache
def of_numbers(outcome, model):
    """The means of a model of zeros and ones, whose data never change."""
    formula = f"{outcome} ~ {model} + (1 | g)"
    return means(pp.fit(formula, DATA, family="binomial", method=MODELS[model]))


@pytest.mark.parametrize("door", KINDS)
@pytest.mark.parametrize("column", WORDS)
def test_two_words_are_events(door, column, tmp_path, monkeypatch):
    data = rows(door, tmp_path, monkeypatch)
    for model, method in MODELS.items():
        formula = f"{column} ~ {model} + (1 | g)"
        fit = pp.fit(formula, data, family="binomial", method=method)
        want = of_numbers("other" if column == "odd" else "y", model)
        np.testing.assert_allclose(means(fit), want, rtol=1e-9)
        (notice,) = [n.text for n in fit.notices if n.code == "event"]
        assert f'"{EVENTS[column]}" is counted as the event' in notice


@pytest.mark.parametrize("door", ["pandas", "duckdb", "csv", "parquet"])
def test_the_event_can_be_chosen(door, tmp_path, monkeypatch):
    data = rows(door, tmp_path, monkeypatch)
    want, ml = of_numbers("other", "x"), {"family": "binomial", "method": "ml"}
    fit = pp.fit("form ~ x + (1 | g)", data, **ml, event="new")
    np.testing.assert_allclose(means(fit), want, rtol=1e-9)
    said = pp.fit('I(form == "new") ~ x + (1 | g)', data, **ml)
    np.testing.assert_allclose(means(said), want, rtol=1e-9)
    turned = pp.fit('I("old" != form) ~ x + (1 | g)', data, **ml)
    np.testing.assert_allclose(means(turned), want, rtol=1e-9)


def test_statistics_and_more_rows_take_the_same_event(tmp_path):
    found = pp.statistics("form ~ 1 + (1 | g)", DATA[:70], family="binomial", event="new")
    assert found.formula == 'I(form == "new") ~ 1 + (1 | g)'
    fit = pp.fit("form ~ x + (1 | g)", DATA[:70], family="binomial", event="new")
    whole = pp.fit("other ~ x + (1 | g)", DATA, family="binomial")
    np.testing.assert_allclose(means(fit.update(DATA[70:])), means(whole), rtol=1e-9)
    found.save(tmp_path / "kept.parquet")
    again = pp.fit_statistics(pp.load_statistics(tmp_path / "kept.parquet"))
    want = pp.fit("other ~ 1 + (1 | g)", DATA[:70], family="binomial")
    np.testing.assert_allclose(means(again), means(want), rtol=1e-9)
    assert fit.predict(DATA[:2])["estimate"].shape == (2,)


@pytest.mark.parametrize("door", ["pandas", "duckdb", "csv", "excel"])
def test_what_is_not_two_words_is_said(door, tmp_path, monkeypatch):
    data = rows(door, tmp_path, monkeypatch)
    with pytest.raises(pp.DataError, match='"three" holds the words "maybe", "no", "yes"'):
        pp.fit("three ~ 1 + (1 | g)", data, family="binomial")
    with pytest.raises(pp.ArgumentError, match='holds "new", "old"; give one of them'):
        pp.fit("form ~ 1 + (1 | g)", data, family="binomial", event="older")
    with pytest.raises(pp.ArgumentError, match="holds no words; leave event out"):
        pp.fit("y ~ 1 + (1 | g)", data, family="binomial", event="1")
    with pytest.raises(pp.ArgumentError, match="leave it out here"):
        pp.fit("x ~ 1 + (1 | g)", data, event="yes")
    with pytest.raises(pp.PartialPoolError, match=r"must hold numbers.*|it is VARCHAR"):
        pp.fit("form ~ 1 + (1 | g)", data)


def test_missing_words_are_left_out():
    data = {**{k: DATA[k].tolist() for k in DATA}, "form": [None, *DATA["form"][1:]]}
    fit = pp.fit("form ~ 1 + (1 | g)", data, family="binomial")
    assert (fit.statistics.n_rows, fit.statistics.n_dropped) == (120, 1)


def test_a_word_that_no_row_holds_is_an_error():
    with pytest.raises(pp.DataError, match='holds the word "nwe"; it holds "old", "new"'):
        pp.fit('I(form == "nwe") ~ x + (1 | g)', DATA, family="binomial")


def test_numbers_are_compared_too():
    fit = pp.fit("I(x > 0.5) ~ 1 + (1 | g)", DATA, family="binomial")
    want = pp.fit("big ~ 1 + (1 | g)", {"big": X > 0.5, "g": G}, family="binomial")
    np.testing.assert_allclose(means(fit), means(want))


@pytest.mark.parametrize("door", ["pandas", "dict", "duckdb", "csv", "parquet"])
def test_missing_values_stay_missing_in_computed_columns(door, tmp_path):
    """A comparison of what is missing is missing, not 0; DuckDB holds NaN for larger than all."""
    data = DATA.assign(z=np.where(np.arange(120) % 3 == 0, np.nan, X), size=5.0)
    table = through(door, tmp_path, data[["g", "z", "size", "y"]])
    fit = pp.fit("I(z > 0) ~ 1 + (1 | g)", table, family="binomial")
    kept = data.dropna()
    assert fit.statistics.n_dropped == 40
    assert fit.statistics.y.sum() == (kept["z"] > 0).sum()
    counts = pp.fit("y | trials(size + 0 * z) ~ 1 + (1 | g)", table)
    assert counts.statistics.n_dropped == 40


@pytest.mark.parametrize("door", ["pandas", "duckdb", "many csv", "parquet"])
def test_mistyped_words_and_columns_of_numbers_are_refused(door, tmp_path, monkeypatch):
    data = rows(door, tmp_path, monkeypatch)
    with pytest.raises(pp.DataError, match='holds the word "pass"; it holds'):
        pp.fit('I(result == "pass") ~ 1 + (1 | g)', data, family="binomial")
    with pytest.raises(pp.DataError, match="holds no text"):
        pp.fit('I(x == "1") ~ 1 + (1 | g)', DATA, family="binomial")


def test_other_additions_are_not_lost():
    with pytest.raises(pp.PartialPoolError):
        pp.fit("form | weights(x) ~ 1 + (1 | g)", DATA, family="binomial")


def test_long_expressions_do_not_blow_up_queries():
    nested = "y" + "/ x" * 12
    with pytest.raises(pp.DataError, match="make a column of a part of it first"):
        pp.fit(f"x | se({nested}) ~ 1 + (1 | g)", duckdb.from_df(DATA))
