"""What rows are worth and must hold: arrays as they should be, and SQL that says the same."""

import duckdb
import numpy as np
import pytest
from scipy import stats

from partialpool.design.row_values import conditions, events, filled, precision
from partialpool.formula import parse, read_roles
from partialpool.rows.checked_rows import checks

NAMES = {"y": "v0", "s": "v1", "w": "v2", "n": "v3", "x": "v4"}
RNG = np.random.default_rng(5)
TRIALS = np.array([0, 1, 2, 7, 40, 100_000] * 20, dtype=float)
ROWS = {
    "s": TRIALS,
    "y": RNG.binomial(TRIALS.astype(int), 0.3).astype(float),
    "w": RNG.uniform(0.01, 9.0, 120),
    "n": RNG.integers(1, 9, 120).astype(float),
    "x": RNG.normal(size=120),
}


def by_sql(sql):
    columns = ", ".join(f"{name} AS {NAMES[name]}" for name in ROWS)
    rows = dict(ROWS)  # found by DuckDB by its name
    assert rows
    found = duckdb.query(f"SELECT {sql} AS v FROM (SELECT {columns} FROM rows)").fetchnumpy()
    return np.ma.filled(np.ma.asarray(found["v"], dtype=float), np.nan)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (
            "y | se(w) ~ 1 + (1 | g)",
            {"w": lambda r: r["w"] ** -2, "lw": lambda r: np.log(r["w"] ** -2)},
        ),
        ("y | weights(w) ~ 1 + (1 | g)", {"w": lambda r: r["w"], "lw": lambda r: np.log(r["w"])}),
        (
            "y | summary(n, w) ~ x + (1 | g)",
            {"w": lambda r: r["n"], "inside": lambda r: (r["n"] - 1) * r["w"] ** 2},
        ),
        ("y ~ x + (1 | g)", {}),
    ],
)  # fmt: skip
def test_precision(formula, expected):
    roles = read_roles(parse(formula))
    values = precision(roles)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        found = value.of_arrays(roles, ROWS)
        np.testing.assert_allclose(found, expected[name](ROWS), rtol=1e-13)
        np.testing.assert_allclose(by_sql(value.of_sql(roles, NAMES)), found, rtol=1e-14)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_events(family):
    word = "trials" if family == "binomial" else "exposure"
    roles = read_roles(parse(f"y | {word}(s) ~ 1 + (1 | g)"), family)
    values = events(roles)
    y, size = ROWS["y"], ROWS["s"]
    some = size > 0
    log_p = (stats.binom(size, 0.3) if family == "binomial" else stats.poisson(0.3 * size)).logpmf(
        y
    )
    of_parameter = y * np.log(0.3) + (
        (size - y) * np.log(0.7) if family == "binomial" else -0.3 * size
    )
    found = {k: v.of_arrays(roles, ROWS) for k, v in values.items()}
    np.testing.assert_allclose(found["constant"][some], (log_p - of_parameter)[some], atol=1e-8)
    np.testing.assert_array_equal(found["square"][some], (y * y / np.where(some, size, 1.0))[some])
    assert not found["square"][~some].any()
    for name, value in values.items():
        sql = by_sql(value.of_sql(roles, NAMES))
        np.testing.assert_allclose(sql, found[name], rtol=1e-9, atol=1e-9, err_msg=name)


def test_conditions_are_the_same_in_sql():
    bad = {"y": [0, 3, -1, 2.5, 2**53, 9], "s": [0, 3, 4, 4, 2**54, 8]}
    data = {k: np.array(v, dtype=float) for k, v in bad.items()}
    roles = read_roles(parse("y | trials(s) ~ 1 + (1 | g)"), "binomial")
    broken = [c.broken(data) for c in conditions(roles)]
    assert [b.tolist() for b in broken] == [
        [False, False, True, True, True, False],
        [False, False, False, False, True, False],
        [False, False, False, False, False, True],
    ]
    rows = {NAMES[k]: v for k, v in data.items()}  # found by DuckDB by its name
    for check, expected in zip(checks(roles, NAMES), broken, strict=True):
        assert rows
        sql = duckdb.query(f"SELECT {check.bad} AS v FROM rows").fetchnumpy()["v"]
        assert sql.tolist() == expected.tolist()


def test_order_of_conditions():
    exposed = read_roles(parse("y | exposure(s) ~ x + (1 | g)"), "poisson")
    assert [c.columns for c in conditions(exposed)] == [("y",), ("s",), ("x",), ("y", "s")]
    plain = read_roles(parse("y | se(w) ~ x + z + (1 | g)"))
    assert [c.columns for c in conditions(plain, frozenset({"z"}))] == [("w",), ("y",), ("x",)]


def test_the_sd_of_one_row_is_not_missed():
    roles = read_roles(parse("y | summary(n, w) ~ 1 + (1 | g)"))
    columns = {
        "y": np.ones(3),
        "n": np.array([1.0, 1.0, 2.0]),
        "w": np.array([np.nan, 7.0, np.nan]),
    }
    np.testing.assert_array_equal(filled(roles, columns)["w"], [0.0, 0.0, np.nan])
