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
from doors import DOORS, through
from partialpool.design import labels as lab
from partialpool.rows.folding import changes

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
    categories = getattr(getattr(column, "dtype", None), "categories", None)
    ordered = getattr(column, "ordered", isinstance(getattr(column, "dtype", None), pl.Enum))
    order = [c for c in categories if c != "unused"] if ordered else ["a", "b", "c"]
    assert table["group"].tolist() == order


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
        (["007", "10", "8"], ["007", "8", "10"]),
        (["-7", "0", "3"], [-7, 0, 3]),
        (["-0", "+1", "1"], ["-0", "+1", "1"]),
        (["1_0", "1", "2"], ["1", "2", "1_0"]),
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


# natural order ----------------------------------------------------------------------------------

NATURAL = {
    "numbers inside": ["Site 1", "Site 2", "Site 10", "Site 100"],
    "numbers at the end of a word": ["x1y2", "x1y10", "x2y1", "x10y1"],
    "numbers as text": ["-10", "0.5", "1.25", "1.5", "10.5"],
    "numbers among words": ["0", "1", "2", "3+", "10"],
    "zeros before": ["a01", "a1", "a2", "a10"],
    "words": ["C", "a", "b"],
    "long numbers": ["n" + "9" * 30, "n1" + "0" * 30],
    "words around": ["1 b", "2 b", "10 b"],
    "two words": ["a 2", "b 1", "b 10"],
}


@pytest.mark.parametrize("name", NATURAL)
def test_natural_order(name):
    want = NATURAL[name]
    for seed in range(5):
        mixed = np.random.default_rng(seed).permutation(np.array(want, dtype=object))
        assert mixed[lab.sorted_order(mixed)].tolist() == want
        assert mixed.astype(str)[lab.sorted_order(mixed.astype(str))].tolist() == want


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["1", "x", "kind"])
def test_labels_are_in_natural_order_through_every_door(door, model, tmp_path, monkeypatch):
    sites = [f"Site {i}" for i in (10, 9, 2, 1, 11)]
    data = pd.DataFrame({"g": sites * 6, "x": np.sin(np.arange(30.0)), "y": values(30)})
    data["kind"] = [f"k{i}" for i in (10, 9, 2)] * 10
    rows = through(door, tmp_path, data, monkeypatch)
    found = pp.fit(f"y ~ {model} + (1 | g)", rows, method="reml").to_dict()
    assert [row["group"] for row in found["groups"]] == [f"Site {i}" for i in (1, 2, 9, 10, 11)]
    if model == "kind":
        assert [p["name"] for p in found["parameters"]][1:3] == ["kind[k9]", "kind[k10]"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", ["1", "x"])
def test_an_id_with_gaps_does_not_become_a_decimal(door, model, tmp_path, monkeypatch):
    ids = np.where(np.arange(30) % 7 == 0, np.nan, np.repeat([1.0, 2, 10], 10))
    data = pd.DataFrame({"g": ids, "x": np.sin(np.arange(30.0)), "y": values(30)})
    rows = through(door, tmp_path, data, monkeypatch)
    found = pp.fit(f"y ~ {model} + (1 | g)", rows, method="reml").to_dict()["groups"]
    want = ["1.0", "2.0", "10.0"] if "csv" in door else [1, 2, 10]  # what the file says
    assert [row["group"] for row in found] == want


def test_ordered_categories_come_back_as_they_came():
    order = ["low", "mid", "high"]
    data = pd.DataFrame({"g": pd.Categorical(order * 8, order, ordered=True), "y": values(24)})
    data["x"] = np.cos(np.arange(24.0))
    for model in ("1", "x"):
        text = f"y ~ {model} + (1 | g)"
        groups = pp.fit(text, data).groups()
        assert groups["group"].dtype == data["g"].dtype
        assert groups["group"].tolist() == order
        frame = pl.DataFrame(data.astype({"g": str})).with_columns(pl.col("g").cast(pl.Enum(order)))
        for kind in (frame, frame.lazy()):
            groups = pp.fit(text, kind).groups()
            assert groups["group"].dtype == pl.Enum(order)
            assert groups["group"].to_list() == order
        groups = pp.fit(text, pa.table(data)).groups()
        assert groups.column("group").type.ordered
        assert groups.column("group").to_pylist() == order
    coefficients = pp.fit("y ~ g + (1 | x)", data.assign(x=np.arange(24) % 5)).to_dict()
    assert [p["name"] for p in coefficients["parameters"]][1:3] == ["g[mid]", "g[high]"]


# labels="fold" ----------------------------------------------------------------------------------

SPELLED = {
    "spaces": ["East", "East ", " East", "East"],
    "capitals": ["East", "east", "EAST", "East"],
    "no-break spaces": ["North East", "North\u00a0East", "North  East", "North East"],
    "accents": ["Köln", "Ko\u0308ln", "KÖLN", "Köln"],
    "sharp s": ["Straße", "STRASSE", "strasse", "Straße"],
    "wide letters": ["AB", "\uff21\uff22", "ab", "AB"],
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", SPELLED)
def test_labels_are_folded_through_every_door(door, name, tmp_path, monkeypatch):
    spelled = SPELLED[name]
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"y": rng.normal(size=48) + np.arange(48) % 4, "x": rng.normal(size=48)})
    data["g"] = [spelled[i // 2 % 4] if i % 2 else f"other {i % 3}" for i in range(48)]
    clean = data.assign(g=[spelled[0] if i % 2 else f"other {i % 3}" for i in range(48)])
    rows = through(door, tmp_path, data, monkeypatch)
    for model in ("1", "x"):
        formula = f"y ~ {model} + (1 | g)"
        fit = pp.fit(formula, rows, labels="fold", method="reml")
        want = pp.fit(formula, clean, method="reml")
        got, right = fit.to_dict(), want.to_dict()
        assert [r["group"] for r in got["groups"]] == [r["group"] for r in right["groups"]]
        np.testing.assert_allclose(
            [p["mean"] for p in got["parameters"]], [p["mean"] for p in right["parameters"]]
        )
        assert "labels_folded" in {n.code for n in fit.notices}
        assert "labels_alike" not in {n.code for n in fit.notices}


def test_new_rows_of_a_folded_fit_are_folded_too():
    spelled = ["East", "east ", "East", "West", "WEST", "West", "South"]
    data = {"g": spelled * 4, "y": values(28)}
    fit = pp.fit("y ~ 1 + (1 | g)", data, labels="fold")
    new = {"g": ["EAST", "west\u00a0"]}
    want = fit.predict({"g": ["East", "West"]})
    np.testing.assert_array_equal(fit.predict(new)["estimate"], want["estimate"])
    more = fit.update({"g": ["EAST", "North"], "y": [1.0, 2.0]})
    assert more.groups()["group"].tolist() == ["East", "North", "South", "West"]
    assert more.predict(new)["estimate"].shape == (2,)
    plain = pp.fit("y ~ 1 + (1 | g)", data)
    assert len(plain.groups()["group"]) == 5
    assert "labels_alike" in {n.code for n in plain.notices}


def test_statistics_of_folded_labels_are_those_of_clean_ones():
    data = {"g": ["East", "east ", "West", "WEST", "West"] * 4, "y": values(20)}
    kept = pp.statistics("y ~ 1 + (1 | g)", data, labels="fold")
    assert kept.groups.labels.tolist() == ["East", "West"]


def test_the_spelling_of_most_rows_stays():
    assert changes(["a", "A ", "b"], [1, 2, 1]) == {"a": "A", "A ": "A"}
    assert changes(["a", "A"], [1, 1]) == {"a": "A"}  # the first in the order of letters
    assert changes([1, "1"], [5, 1]) == {1: "1"}
    assert changes([1, 2], [5, 1]) == {}
    assert changes(["EAST"], [9], ["East"]) == {"EAST": "East"}


def test_labels_is_fold_or_nothing():
    with pytest.raises(pp.ArgumentError, match="labels='merge': it is \"fold\""):
        pp.fit("y ~ 1 + (1 | g)", {"g": ["a", "b"], "y": [1.0, 2.0]}, labels="merge")


def test_more_labels_than_a_query_can_hold_are_refused(monkeypatch):
    monkeypatch.setattr("partialpool.rows.folding.MOST_CHANGED", 2)
    data = pd.DataFrame({"g": ["a ", "b ", "c ", "d"] * 5, "y": values(20)})
    with pytest.raises(pp.DataError, match="3 labels to merge; a query merges at most 2"):
        pp.fit("y ~ 1 + (1 | g)", duckdb.from_df(data), labels="fold")
