"""Numbers and labels of every type of every library come as they are."""

import decimal
import re
import zipfile

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp

FORMULA = "y ~ 1 + (1 | g)"
Y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]

# dictionaries of Arrow ------------------------------------------------------------------------

REPEATED = pa.array(["a", "b", "a", "c"])
DICTIONARIES = {
    "repeated values": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3, 0, 2]), REPEATED),
        ["a", "b", "a", "c", "a", "a"],
    ),
    "repeated and missing values": (
        pa.DictionaryArray.from_arrays(
            pa.array([0, 1, 2, 3, None, 2]), pa.array(["a", None, "a", "c"])
        ),
        ["a", None, "a", "c", None, "a"],
    ),
    "chunks with other dictionaries": (
        pa.chunked_array(
            [
                pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), pa.array(["a", "b", "a"])),
                pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), pa.array(["c", "a"])),
            ]
        ),
        ["a", "b", "a", "a", "c", "a"],
    ),
    "one chunk of several": (
        pa.chunked_array(
            [pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 0, 2, 1]), pa.array([7, 8, 7]))]
        ),
        [7, 8, 7, 7, 7, 8],
    ),
}  # fmt: skip
FRAMES = {
    "pyarrow": lambda t: t,
    "pandas": lambda t: t.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.from_arrow,
    "duckdb": lambda t: duckdb.connect().from_arrow(t),
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", DICTIONARIES)
def test_equal_values_of_a_dictionary_are_one_group(kind, frame):
    column, values = DICTIONARIES[kind]
    found = pp.statistics(FORMULA, FRAMES[frame](pa.table({"g": column, "y": Y}))).groups
    expected = pp.statistics(FORMULA, {"g": values, "y": Y}).groups
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.n.tolist() == expected.n.tolist()
    np.testing.assert_allclose(found.raw, expected.raw, rtol=1e-14)
    assert found.n_dropped == expected.n_dropped == values.count(None)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", DICTIONARIES)
def test_equal_values_of_a_dictionary_are_one_level(kind, frame):
    column, values = DICTIONARIES[kind]
    groups = list("uvuvww")
    formula = "y ~ C(x) + (1 | g)"
    table = FRAMES[frame](pa.table({"x": column, "y": Y, "g": groups}))
    found = pp.statistics(formula, table).groups.products
    expected = pp.statistics(formula, {"x": values, "y": Y, "g": groups}).groups.products
    assert found.coefficients == expected.coefficients
    np.testing.assert_allclose(found.xtx, expected.xtx, rtol=1e-12, atol=1e-12)


# labels that NumPy would change ---------------------------------------------------------------

LARGE = 2**53


@pytest.mark.parametrize("gap", [False, True])
def test_large_whole_numbers_are_different_groups(gap):
    values = [LARGE, LARGE + 1, None if gap else LARGE, LARGE + 1, LARGE + 2, LARGE + 2]
    arrow = pa.table({"g": values, "y": Y})
    connection = duckdb.connect()
    connection.register("rows", arrow)
    for data in (
        {"g": values, "y": Y},
        pd.DataFrame({"g": pd.array(values, dtype="Int64"), "y": Y}),
        pd.DataFrame({"g": pd.Series(values, dtype=object), "y": Y}),
        pd.DataFrame({"g": pd.Series(values, dtype="int64[pyarrow]"), "y": Y}),
        pd.DataFrame({"g": pd.Series(pd.array(values, dtype="Int64")).astype("category"), "y": Y}),
        pl.DataFrame({"g": values, "y": Y}),
        pl.DataFrame({"g": pl.Series(values, dtype=pl.Int128), "y": Y}),
        arrow,
        connection.sql("SELECT * FROM rows"),
        connection.sql("SELECT g::HUGEINT AS g, y FROM rows"),
    ):
        found = pp.statistics(FORMULA, data).groups
        assert found.labels.tolist() == [LARGE, LARGE + 1, LARGE + 2]
        assert found.n.tolist() == [1 if gap else 2, 2, 2]


def test_whole_numbers_that_no_type_of_numpy_holds_together():
    values = [2**63, -1, 2**63 + 1, 2**63, -1, 5]
    found = pp.statistics(FORMULA, {"g": values, "y": Y}).groups
    assert found.labels.tolist() == [-1, 5, 2**63, 2**63 + 1]
    assert found.n.tolist() == [2, 1, 2, 1]


def test_decimals_are_found_again_in_new_rows():
    connection = duckdb.connect()
    rows = connection.sql(
        "SELECT (i % 3 + 1) * 1.1::DECIMAL(5, 2) AS g, (i * i % 7)::DOUBLE AS y FROM range(30) t(i)"
    )
    fit = pp.fit(FORMULA, rows)
    new = connection.sql("SELECT 3.3::DECIMAL(5, 2) AS g UNION ALL SELECT 1.1::DECIMAL(5, 2)")
    found, groups = fit.predict(new), fit.groups()
    expected = dict(groups.project('"group", estimate').fetchall())
    got = [row[0] for row in found.project("estimate").fetchall()]
    assert got == pytest.approx(
        [expected[decimal.Decimal("3.30")], expected[decimal.Decimal("1.10")]]
    )


# numbers --------------------------------------------------------------------------------------

SMALL = [250, 251, 252, 3, 17, 9]
NUMBERS = {
    **{t: np.array(SMALL, dtype=t) for t in ("u1", "i2", "f2", "f4", "g", ">i4", ">f8", "u8")},
    "masked": np.ma.array(np.array(SMALL, dtype="u1"), mask=[0] * 6),
    "pandas UInt8": pd.array(SMALL, dtype="UInt8"),
    "pandas Float32": pd.array(SMALL, dtype="Float32"),
    "pandas arrow": pd.array(SMALL, dtype="uint8[pyarrow]"),
    "pandas decimals": pd.array(
        [decimal.Decimal(v) for v in SMALL], dtype=pd.ArrowDtype(pa.decimal128(9, 2))
    ),
    "polars UInt8": pl.Series(SMALL, dtype=pl.UInt8),
    "polars Int128": pl.Series(SMALL, dtype=pl.Int128),
    "polars Decimal": pl.Series(SMALL).cast(pl.Decimal(9, 2)),
    "arrow half floats": pa.array(np.array(SMALL, dtype="f2")),
    "arrow decimals": pa.array([decimal.Decimal(v) for v in SMALL]),
    "arrow runs": pa.RunEndEncodedArray.from_arrays([1, 2, 3, 4, 5, 6], SMALL),
    "Python": [250, decimal.Decimal(251), 252.0, np.uint8(3), np.float32(17), 9],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_are_used_as_doubles_whatever_their_type(kind):
    """Squares of an 8-bit integer, and sums, are beyond its range."""
    data = {"g": list("aabbcc"), "y": Y, "x": NUMBERS[kind]}
    formula = "y ~ x + I(x * x) + (1 | g)"
    found = pp.statistics(formula, data).groups.products
    expected = pp.statistics(formula, {**data, "x": np.array(SMALL, dtype=float)}).groups.products
    assert found.coefficients == expected.coefficients
    np.testing.assert_allclose(found.xtx, expected.xtx, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(found.shift, expected.shift, rtol=1e-14)


@pytest.mark.parametrize("kind", ["UTINYINT", "HUGEINT", "DECIMAL(5, 1)", "FLOAT", "USMALLINT"])
def test_numbers_of_a_database_are_used_as_doubles(kind):
    values = ", ".join(
        f"('{g}', {y}, {x}::{kind})" for g, y, x in zip("aabbcc", Y, SMALL, strict=True)
    )
    rows = duckdb.connect().sql(f"SELECT * FROM (VALUES {values}) AS v(g, y, x)")
    formula = "y ~ x + I(x * x) + (1 | g)"
    found = pp.statistics(formula, rows).groups.products
    expected = pp.statistics(formula, {"g": list("aabbcc"), "y": Y, "x": [*map(float, SMALL)]})
    np.testing.assert_allclose(found.xtx, expected.groups.products.xtx, rtol=1e-11, atol=1e-10)


# workbooks ------------------------------------------------------------------------------------


def workbook(path, rows, dimension=None):
    """A workbook; `dimension` is what the sheet says of its size, "" for nothing."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    if dimension is not None:
        _rewrite(path, dimension)
    return path


def _rewrite(path, dimension):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    said = f'<dimension ref="{dimension}"/>'.encode() if dimension else b""
    name = "xl/worksheets/sheet1.xml"
    parts[name], changed = re.subn(rb"<dimension [^>]*/>", said, parts[name])
    assert changed == 1
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


CELLS = [("g", "y"), *zip("abcdabcdab", range(1, 11), strict=True)]


@pytest.mark.parametrize("dimension", ["A1:B7", "A1", "", "A1:Z99", "B2:C3"])
def test_the_cells_of_a_sheet_are_read_whatever_size_it_says(dimension, tmp_path):
    found = pp.statistics(FORMULA, workbook(tmp_path / "rows.xlsx", CELLS, dimension)).groups
    assert found.labels.tolist() == ["a", "b", "c", "d"]
    assert found.n.tolist() == [3, 3, 2, 2]
    np.testing.assert_array_equal(found.raw, [5.0, 6.0, 5.0, 6.0])


def test_an_empty_last_cell_without_a_size(tmp_path):
    rows = [*CELLS, ("a", None), ("b", 4), (None, None), ("c",)]
    found = pp.statistics(FORMULA, workbook(tmp_path / "rows.xlsx", rows, "")).groups
    assert (found.n_rows, found.n_dropped) == (13, 2)
    np.testing.assert_array_equal(found.raw, [5.0, 5.5, 5.0, 6.0])


def test_a_workbook_gives_what_the_same_sheet_gives_as_csv(tmp_path):
    rows = [
        ("g", "y", "x"),
        ("007", 1.25, "K"),
        (7, "2.5", "L"),
        ("7", "NA", "K"),
        ("NA", 4, "K"),
        (8, " 5e0 ", "N/A"),
        ("007", True, "L"),
        (7, 0.1, "K"),
        (None, 3, "L"),
    ]
    path = workbook(tmp_path / "rows.xlsx", rows)
    text = "\n".join(",".join("" if v is None else str(v) for v in row) for row in rows)
    (tmp_path / "rows.csv").write_text(text)
    for formula in (FORMULA, "y ~ x + (1 | g)"):
        got, expected = (pp.statistics(formula, p).groups for p in (path, tmp_path / "rows.csv"))
        assert str(got) == str(expected)
    found = pp.statistics(FORMULA, path).groups
    assert found.labels.tolist() == ["007", "7", "8"]
    np.testing.assert_allclose(found.raw, [1.125, 1.3, 5.0])


def test_text_in_a_workbook_is_named_with_its_row_of_the_sheet(tmp_path):
    path = workbook(tmp_path / "rows.xlsx", [*CELLS, (None, None), ("a", "high")])
    with pytest.raises(pp.DataError, match=r'row 11 \(row 13 of the sheet\) holds the text "high"'):
        pp.statistics(FORMULA, path)
    path = workbook(tmp_path / "rows.xlsx", [("g", "y", "x"), ("a", 1, 2), ("b", 2, "high")])
    with pytest.raises(pp.DataError, match=r'"2", row 1 \(row 2 .*"high", row 2 \(row 3'):
        pp.statistics("y ~ x + (1 | g)", path)
