"""What is said and refused when the rows of a mixed model are read."""

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.rows import read_mixed

RNG = np.random.default_rng(5)
G = list("abcd") * 6
Y = RNG.normal(size=24).round(3).tolist()
X = RNG.uniform(1.0, 2.0, size=24).round(3).tolist()
K = ["lo", "hi", "mid"] * 8
BASE = {"g": G, "y": Y, "x": X, "k": K}


def duck(columns):
    connection = duckdb.connect()
    connection.register("rows", pa.table(columns))
    return connection.sql("SELECT * FROM rows")


FRAMES = {"dict": dict, "pandas": pd.DataFrame, "polars": pl.DataFrame, "duckdb": duck}


def read(formula, data):
    return read_mixed(read_roles(parse(formula)), data)


def refused(formula, data):
    with pytest.raises(pp.DataError) as caught:
        read(formula, data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def said(formula, **columns):
    return {n.code: n.text for n in read(formula, BASE | columns).notices}


def changed(column, *pairs):
    changes = dict(pairs)
    return [changes.get(i, v) for i, v in enumerate(column)]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(
    ("formula", "columns", "words"),
    [
        ("y ~ x + (1 | g)", {"x": changed(X, (4, np.inf))}, ["finite", "inf in row 5", '"a"']),
        ("y ~ log(x) + (1 | g)", {"x": changed(X, (4, -1.0), (20, 0.0))},
         ["log(x) must be finite", "nan in row 5, -inf in row 21", "positive"]),
        ("log(x) ~ y + (1 | g)", {"x": changed(X, (9, 0.0))}, ["-inf in row 10", 'group "b"']),
        ("y ~ poly(sqrt(x), 2) + (1 | g)", {"x": changed(X, (2, -4.0))}, ["sqrt(x)", "row 3"]),
        ("y | se(x) ~ k + (1 | g)", {"x": changed(X, (3, -2.0))}, ["positive", "-2 in row 4"]),
        ("y | weights(x) ~ k + (1 | g)", {"x": changed(X, (3, 0.0))}, ["positive finite weight"]),
        ("y | summary(x, y) ~ k + (1 | g)", {}, ["whole number of rows"]),
        ("y ~ x + (1 | g)", {"g": ["a"] * 24}, ["one group only"]),
        ("y ~ k + (1 | g)", {"k": ["lo"] * 24}, ['one level only, "lo"', "leave it out"]),
        ("y ~ k + (1 | g)", {"k": [str(v) for v in X]}, ["numbers stored as text", "C(k)"]),
        ("y ~ k + (1 | g)", {"k": changed([str(v) for v in X], (3, "oops"))},
         ['numbers and the text "oops"']),
        ("y ~ log(k) + (1 | g)", {}, ['"k" must hold numbers; row 1 holds the text "lo"']),
        ("y ~ C(k, 'lo', 'hi') + (1 | g)", {}, ['does not name "mid"']),
        ("y ~ C(k, 'lo', 'hi', 'mid', 'top') + (1 | g)", {}, ['no row used has the level "top"']),
        ("y ~ x + z + (1 | g)", {}, ['column "z" (character 9', "the columns are: g, y, x, k"]),
        ("y ~ x + (1 | g)", {"x": [None] * 23 + [np.nan]}, ["none of the 24 rows is complete"]),
        ("y ~ scale(x) + (1 | g)", {"x": [2.0] * 24}, ["every row has the value 2"]),
    ],
)  # fmt: skip
def test_refused(frame, formula, columns, words):
    message = refused(formula, FRAMES[frame](BASE | columns))
    for word in words:
        assert word in message


def test_a_predictor_of_very_many_levels():
    data = {"g": ["a", "b"] * 1000, "y": RNG.normal(size=2000), "k": [f"k{i}" for i in range(2000)]}
    assert "2,000 levels" in refused("y ~ k + (1 | g)", data)


def test_the_reference_level_is_said():
    found = said("y ~ k + (1 | g)")
    assert 'differences from its first level, "hi"' in found["reference_level"]
    found = said('y ~ C(k, "mid", "lo", "hi") + (1 | g)')
    assert '"mid"' in found["reference_level"]
    assert "reference_level" not in said("y ~ 0 + k + (1 | g)")


@pytest.mark.parametrize(
    ("formula", "gone"),
    [
        ("y ~ x + double + (1 | g)", '"double" is'),
        ("y ~ one + x + (1 | g)", '"one" is'),
        ("y ~ one + double + x + (1 | g)", '"one", "x" are'),
        ("y ~ x + (x + double | g)", '"double" is'),
    ],
)
def test_redundant_columns_are_left_out_and_said(formula, gone):
    columns = {"double": [2 * v + 1e6 for v in X], "one": [1e9 + 0.1] * 24}
    assert gone in said(formula, **columns)["columns_left_out"]


def test_nearly_redundant_columns_stay():
    columns = {"near": [v + 1e-4 * np.sin(i) for i, v in enumerate(X)]}
    assert "columns_left_out" not in said("y ~ x + near + (1 | g)", **columns)


def test_nested_and_crossed_factors_are_told_apart():
    inside = {"h": [f"{g}{i % 3}" for i, g in enumerate(G)]}
    assert "each h lies in one g only" in said("y ~ (1 | g) + (1 | h)", **inside)[
        "factors_nested"
    ].replace("Each", "each")
    across = {"h": [i % 3 for i in range(24)]}
    assert "write (1 | g/h)" in said("y ~ (1 | g) + (1 | h)", **across)["factors_crossed"]
    assert list(said("y ~ (1 | g/h)", **across)) == ["labels_start_anew"]
    assert not said("y ~ (1 | g/h)", **inside)


def test_slopes_that_the_groups_cannot_show():
    constant = {"z": [float(ord(v)) for v in G]}
    found = said("y ~ z + (x + z | g)", **constant)["slope_without_variation"]
    assert '"z" has one value in each g' in found


def test_independent_effects_of_a_category():
    found = said("y ~ k + (k || g)")["independent_levels"]
    assert '"k[lo]", "k[mid]"' in found


def test_groups_and_levels_without_rows():
    columns = {"y": [None if g == "d" else v for g, v in zip(G, Y, strict=True)]}
    assert '"d"' in said("y ~ x + (1 | g)", **columns)["groups_without_rows"]
    frame = pd.DataFrame(BASE).assign(
        k=pd.Categorical(K, ["none", "mid", "lo", "hi"]), y=[v if k != "lo" else None
                                                             for v, k in zip(Y, K, strict=True)]
    )  # fmt: skip
    reading = read("y ~ k + (1 | g)", frame)
    assert reading.statistics.coefficients == ("Intercept", "k[mid]")


def test_missing_rows_do_not_teach():
    """Means, scales and levels come from the rows that are used."""
    columns = BASE | {"x": changed(X, (0, 1e6)), "y": changed(Y, (0, None))}
    reading = read("y ~ scale(x) + (1 | g)", columns)
    (standard,) = reading.design.learned.values()
    assert standard.mean == pytest.approx(np.mean(X[1:]))
    assert standard.sd == pytest.approx(np.std(X[1:], ddof=1))


def test_whole_number_groups_of_the_widest_range_of_their_type():
    rows = duckdb.sql(
        "SELECT CAST(i % 256 - 128 AS TINYINT) AS g, CAST(i % 7 AS DOUBLE) AS x, "
        "CAST(i % 11 AS DOUBLE) AS y FROM range(900) AS t(i)"
    )
    expected = {k: np.asarray(v) for k, v in rows.fetchnumpy().items()}
    found, wanted = (read("y ~ x + (1 | g)", d).statistics for d in (rows, expected))
    assert found.blocks[0].labels.tolist() == list(range(-128, 128))
    np.testing.assert_allclose(found.blocks[0].zty, wanted.blocks[0].zty, atol=1e-10)
