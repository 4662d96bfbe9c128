"""Group labels come back as they went in."""

import datetime as dt
import decimal
import zoneinfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
LABELS = {
    "integers": [3, -1, 2],
    "large integers": [2**70, 5, -(2**65)],
    "unsigned": [2**64 - 1, 2**64 - 2, 2**63],
    "text": ["b", "a", "C"],
    "text of digits": ["07", "7", "007"],
    "floats": [0.5, -2.25, 1e300],
    "dates": [dt.date(2021, 1, 1), dt.date(2020, 5, 6), dt.date(1899, 1, 1)],
    "times": [dt.datetime(2021, 1, 1, 5), dt.datetime(2020, 1, 1), dt.datetime(1960, 1, 1)],
    "times with a zone": [dt.datetime(2020 + k, 1, 1, tzinfo=BERLIN) for k in range(3)],
    "tuples": [(2, "x"), (1, "z"), (1, "a")],
    "decimals": [decimal.Decimal(v) for v in ("2.50", "-1", "10.1")],
    "long text": ["x" * 300, "x" * 299 + "y", ""],
    "unicode": ["学校", "Ωmega", "🎓 zoë"],
    "hostile text": ["a'; DROP TABLE t; --", 'b"c', "d\ne"],
    "bytes": [b"a", b"\xff", b""],
}


def fitted(g, **frame):
    return pp.fit("y ~ 1 + (1 | g)", {"g": g, "y": values(len(g))}, **frame)


def values(size):
    return np.random.default_rng(5).normal(size=size)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_dict_returns_them_sorted_and_unchanged(labels):
    got = fitted(labels * 4).groups()["group"].tolist()
    assert got == sorted(labels)
    assert [type(v) for v in got] == [type(v) for v in sorted(labels)]


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_pandas_object_columns(labels):
    column = pd.Series(np.empty(12, dtype=object))
    column[:] = pd.Series(labels * 4, dtype=object)
    frame = pd.DataFrame({"g": column, "y": values(12)})
    got = pp.fit("y ~ 1 + (1 | g)", frame).groups()
    assert got["group"].tolist() == sorted(labels)


NOT_IN_POLARS = {"large integers", "unsigned", "tuples", "decimals"}


@pytest.mark.parametrize("kind", [k for k in LABELS if k not in NOT_IN_POLARS])
def test_polars_and_arrow(kind):
    columns = {"g": LABELS[kind] * 4, "y": values(12)}
    for frame in (pl.DataFrame(columns), pa.table(columns)):
        got = pp.fit("y ~ 1 + (1 | g)", frame).groups()
        column = got["group"].to_list() if isinstance(got, pl.DataFrame) else got["group"]
        assert (column if isinstance(column, list) else column.to_pylist()) == sorted(LABELS[kind])


def test_booleans():
    fit = pp.fit(
        "y ~ (1 | g)", {"g": [True, False] * 8, "y": values(16)}, prior="tau ~ half_normal(1)"
    )
    assert fit.groups()["group"].tolist() == [False, True]


def test_mixed_types_stay_apart_and_missing_ones_are_dropped():
    fit = fitted([1, "1", 1.5, None, True, float("nan"), pd.NA, pd.NaT] * 3)
    assert fit.groups()["group"].tolist() == [True, 1.5, 1, "1"]
    assert fit.statistics.n_dropped == 12


@pytest.mark.parametrize(
    "column",
    [
        pd.Categorical(["c", "a", "b"] * 4, categories=["c", "unused", "b", "a"], ordered=True),
        pd.Series(["c", "a", "b"] * 4, dtype="string"),
        pd.array(["c", "a", "b"] * 4),
        pl.Series(["c", "a", "b"] * 4, dtype=pl.Categorical),
        pl.Series(["c", "a", "b"] * 4, dtype=pl.Enum(["c", "b", "a"])),
        pa.array(["c", "a", "b"] * 4).dictionary_encode(),
        pa.chunked_array([["c", "a"], ["b", "c", "a", "b", "c"], [], ["a", "b", "c", "a", "b"]]),
        np.array(["c", "a", "b"] * 4),
        (v for v in ["c", "a", "b"] * 4),
    ],
    ids=lambda c: type(c).__module__ + "." + type(c).__name__,
)
def test_columns_of_any_library_in_a_dict(column):
    table = pp.fit("y ~ 1 + (1 | g)", {"g": column, "y": values(12)}).groups()
    assert table["group"].tolist() == ["a", "b", "c"]


def test_an_enum_in_duckdb_is_sorted_as_text():
    connection = duckdb.connect()
    connection.execute("CREATE TYPE level AS ENUM ('c', 'b', 'a')")
    rows = "SELECT chr(97 + i % 3)::level AS g, sin(i) AS y FROM range(12) t(i)"
    fit = pp.fit("y ~ 1 + (1 | g)", connection.sql(rows.replace("97 + i % 3", "(97 + i % 3)::INT")))
    assert fit.statistics.labels.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        (["7", "10", "8"], [7, 8, 10]),
        (["007", "10", "8"], ["007", "10", "8"]),
        (["-7", "0", "3"], [-7, 0, 3]),
        (["-0", "+1", "1"], ["+1", "-0", "1"]),
        (["1_0", "1", "2"], ["1", "1_0", "2"]),
        (["1.0", "2", "3"], ["1.0", "2", "3"]),
        (["\u0667", "1", "2"], ["1", "2", "\u0667"]),
        (["9" * 25, "1", "2"], ["1", "2", "9" * 25]),
        (["true", "false", "x"], ["false", "true", "x"]),
        (["2020-01-02", "2020-01-01", "b"], ["2020-01-01", "2020-01-02", "b"]),
        (["#1", "#2", '"a, b"'], ["#1", "#2", "a, b"]),
    ],
)
def test_labels_in_a_csv_file(written, label, tmp_path):
    path = tmp_path / "rows.csv"
    lines = [f"{written[i % 3]},{v:.3f}" for i, v in enumerate(values(12))]
    path.write_text("\n".join(["g,y", *lines]) + "\n", encoding="utf-8")
    assert pp.fit("y ~ 1 + (1 | g)", path).groups()["group"].tolist() == label


@pytest.mark.parametrize("label", [[1], {"a": 1}, {1}])
def test_labels_that_are_not_single_values(label):
    with pytest.raises(pp.DataError, match="a group label is a single value"):
        fitted([label, "b"] * 4)


@pytest.mark.parametrize(
    ("kind", "labels"),
    [(np.uint64, [2**64 - 4, 2**64 - 3, 2**64 - 1]), (np.int64, [-(2**63), 0, 2**63 - 1]),
     (np.int8, [-128, 0, 127]), (np.uint8, [0, 1, 255])],
)  # fmt: skip
def test_integers_at_the_ends_of_their_type(kind, labels):
    fit = fitted(np.array(labels[::-1] * 5, dtype=kind))
    assert fit.statistics.labels.tolist() == labels
