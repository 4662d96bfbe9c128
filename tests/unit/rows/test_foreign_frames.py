"""Frames of other libraries by the interfaces that they share; arrays are refused with the way."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp
from partialpool.rows import foreign_frames

xr = pytest.importorskip("xarray")
nw = pytest.importorskip("narwhals")

FORMULA = "y ~ 1 + (1 | g)"
COLUMNS = {"g": list("abcd") * 5, "y": np.random.default_rng(0).normal(size=20)}


@pytest.fixture(scope="module")
def fit():
    return pp.fit(FORMULA, COLUMNS)


def reader():
    return pa.table(COLUMNS).to_reader()


def test_a_stream_is_read_once_at_every_door(fit):
    expected = fit.groups()["estimate"]
    np.testing.assert_array_equal(pp.fit(FORMULA, reader()).groups()["estimate"], expected)
    kept = pp.statistics(FORMULA, reader())
    np.testing.assert_array_equal(pp.fit_statistics(kept).groups()["estimate"], expected)
    assert "In memory (pyarrow)" in pp.explain(FORMULA, reader())
    predicted = fit.predict(reader())
    assert isinstance(predicted, pa.Table)
    np.testing.assert_allclose(predicted["estimate"].to_numpy()[:4], expected, rtol=1e-12)
    np.testing.assert_allclose(fit.posterior.linear(reader()).mean[:4], expected, rtol=1e-12)
    assert fit.update(reader()).statistics.n_used == 40


def test_doors_that_add_columns_read_it_too():
    rows = {"study": ["A", "A", "B"], "y": [1.0, 3.0, 2.0], "s": [0.5, 0.5, 0.4], "n": [9, 8, 7]}
    turned = pp.independent_rows(
        pa.table(rows).to_reader(), effect="y", by="study", se="s", rho=0.6
    )
    assert isinstance(turned, pa.Table)
    with_effect = pp.effect_size("ZCOR", pa.table(rows).to_reader(), r="s", n="n")
    assert isinstance(with_effect, pa.Table)


def test_without_pyarrow_polars_reads_the_stream(fit, monkeypatch):
    frame = pl.DataFrame(COLUMNS)
    stream = type("Stream", (), {"__arrow_c_stream__": lambda self, schema=None:
                                 frame.__arrow_c_stream__(schema)})  # fmt: skip
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    groups = pp.fit(FORMULA, stream()).groups()
    assert isinstance(groups, pl.DataFrame)
    np.testing.assert_array_equal(groups["estimate"], fit.groups()["estimate"])
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(pp.MissingExtraError, match=r"Stream needs pyarrow, .* pip install pyarrow"):
        pp.fit(FORMULA, stream())


def test_other_frames_go_through_narwhals(fit, monkeypatch):
    class Modin:
        """What narwhals takes by its own protocol."""

        def __narwhals_dataframe__(self):
            return nw.from_native(pd.DataFrame(COLUMNS))._compliant_frame

    groups = pp.fit(FORMULA, Modin()).groups()
    assert isinstance(groups, pa.Table)
    np.testing.assert_array_equal(groups["estimate"].to_numpy(), fit.groups()["estimate"])
    monkeypatch.setitem(__import__("sys").modules, "narwhals", None)
    with pytest.raises(pp.MissingExtraError, match="Modin needs narwhals"):
        pp.fit(FORMULA, Modin())


def test_rows_of_pandas_keep_their_index(fit):
    rows = pd.DataFrame({"g": ["b", "a"]}, index=pd.Index([70, 9], name="id"))
    for data in (rows, nw.from_native(rows)):
        pd.testing.assert_index_equal(fit.predict(data).index, rows.index)


RECORDS = np.array([(1, 2.0)], dtype=[("g", int), ("y", float)])
DATASET = xr.Dataset({"y": ("g", [1.0, 2.0])}, {"g": ["a", "b"]})
REFUSED = {
    "records": (RECORDS, r'records \("g", "y"\); give its columns as a dict: \{name: data\[name\]'),
    "recarray": (RECORDS.view(np.recarray), "array of records"),
    "array": (np.zeros((3, 2)), r"array of shape \(3, 2\), whose columns have no names"),
    "Dataset": (DATASET, r"an xarray Dataset, .*: data.to_dataframe\(\).reset_index\(\)"),
    "DataArray": (DATASET["y"], "an xarray DataArray"),
    "pandas Series": (pd.Series([1.0, 2.0]), "pandas.Series are no table with named columns"),
    "polars Series": (pl.Series([1.0, 2.0]), "polars.Series are no table"),
    "one column of Arrow": (pa.chunked_array([[1.0]]), "pyarrow.ChunkedArray are no table"),
    "rows as dicts": ([{"g": "a", "y": 1.0}], "data of type list cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("door", ["fit", "predict", "statistics"])
def test_what_has_no_rows_and_named_columns_is_refused_with_the_way(fit, door, name):
    data, message = REFUSED[name]
    call = {"fit": pp.fit, "statistics": pp.statistics}.get(door)
    with pytest.raises(pp.DataError, match=message):
        fit.predict(data) if call is None else call(FORMULA, data)


def test_the_way_that_is_shown_works(fit):
    records = pd.DataFrame(COLUMNS).to_records(index=False)
    again = pp.fit(FORMULA, {name: records[name] for name in records.dtype.names})
    assert again.statistics.n_groups == 4
    table = xr.Dataset({"y": (("g", "i"), np.ones((2, 3)))}, {"g": ["a", "b"]})
    assert foreign_frames.known_frame(table.to_dataframe().reset_index()).shape == (6, 3)
