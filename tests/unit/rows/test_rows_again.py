"""Rows given again: from every kind of data, and only those of the fit."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import partialpool as pp

RNG = np.random.default_rng(6)
G = np.repeat(["a", "b", "c", "d", "e"], 8)
DATA = {
    "y": RNG.normal(size=40).round(3), "g": G, "x": RNG.normal(size=40).round(3),
    "kind": RNG.choice(["u", "v"], 40), "other": RNG.normal(size=40).round(3),
}  # fmt: skip


def p_of(fit, data):
    return {(r["check"], r["of"]): r["p"] for r in fit.check(data).as_table().rows()}


@pytest.mark.parametrize("formula", ["y ~ 1 + (1 | g)", "y ~ x + kind + (x | g)"])
def test_files_and_frames_alike(formula, tmp_path):
    path = tmp_path / "rows.csv"
    pd.DataFrame(DATA).to_csv(path, index=False)
    pd.DataFrame(DATA).to_parquet(tmp_path / "rows.parquet")
    truth = p_of(pp.fit(formula, DATA), DATA)
    kinds = pd.DataFrame(DATA), pl.DataFrame(DATA), str(path), str(tmp_path / "rows.parquet")
    for data in kinds:
        found = p_of(pp.fit(formula, data), data)
        assert found.keys() == truth.keys()
        for key, p in truth.items():
            assert found[key] == pytest.approx(p, abs=1e-6), key
    assert ("column left out", "rows by other") in truth


def test_rows_with_missing_values_are_left_out_as_the_fit_does():
    data = {k: v.copy() for k, v in DATA.items()}
    data["x"][3], data["other"][:5] = np.nan, np.nan
    fit = pp.fit("y ~ x + (1 | g)", data)
    whole = {k: np.delete(v, 3) for k, v in data.items()}
    assert p_of(fit, data) == pytest.approx(p_of(fit, whole))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: {k: v[:30] for k, v in d.items()},
        lambda d: {**d, "g": np.where(np.arange(40) == 3, "b", d["g"])},
    ],
)
def test_other_rows_are_refused(change):
    fit = pp.fit("y ~ 1 + (1 | g)", DATA)
    with pytest.raises(pp.DataError, match=r"not the rows of the fit.*the fit used 40"):
        fit.check(change(DATA))


def test_a_column_that_is_not_there_is_named():
    fit = pp.fit("y ~ x + (1 | g)", DATA)
    with pytest.raises(pp.ColumnError, match='"x"'):
        fit.check({k: v for k, v in DATA.items() if k != "x"})


def test_columns_that_cannot_be_read_do_not_matter():
    odd = pd.DataFrame({**DATA, "list": [[1]] * 40, "day": pd.date_range("2020", periods=40)})
    found = p_of(pp.fit("y ~ 1 + (1 | g)", DATA), odd)
    assert ("farthest row", "rows") in found
    assert {of for check, of in found if check == "column left out"} == {
        "rows by kind", "rows by other", "rows by x",
    }  # fmt: skip


def test_summaries_and_statistics_have_no_rows_to_give():
    fit = pp.fit_groups(n=[5, 40, 12, 8, 9], mean=[71, 64, 80, 75, 70], sd=[9, 11, 10, 8, 9])
    checks = {r["check"] for r in fit.check().as_table().rows()}
    assert {"noise by group", "spread of groups", "farthest group"} <= checks
