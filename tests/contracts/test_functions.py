"""Every function of formulas, in memory and in SQL: a line in the table is enough to be tested."""

import duckdb
import numpy as np
import pytest

from partialpool.formula.functions import ARITHMETIC, ELEMENTWISE, binary_sql

VALUES = np.array(
    [0.0, 1.0, -1.0, 2.0, -2.5, 0.5, -0.5, 1e-12, -1e-12, 3e-9, 1e-300, 1e9, 1e150, -1e150, 700.0]
)


def in_sql(statement: str) -> np.ndarray:
    relation = duckdb.sql(
        f"SELECT {statement} AS z FROM (SELECT UNNEST({VALUES.tolist()}::DOUBLE[]) AS x) AS a "
        f"CROSS JOIN (SELECT UNNEST({VALUES.tolist()}::DOUBLE[]) AS y) AS b ORDER BY x, y"
    )
    return np.array([np.nan if z is None else z for (z,) in relation.fetchall()], dtype=float)


def grid() -> tuple[np.ndarray, np.ndarray]:
    x, y = (v.ravel() for v in np.meshgrid(VALUES, VALUES, indexing="ij"))
    order = np.lexsort((y, x))
    return x[order], y[order]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_of_one_number(name):
    x, _ = grid()
    with np.errstate(all="ignore"):
        expected = ELEMENTWISE[name].array(x)
    np.testing.assert_allclose(in_sql(ELEMENTWISE[name].sql("x")), expected, rtol=4e-16)


@pytest.mark.parametrize("operator", ARITHMETIC)
def test_of_two(operator):
    x, y = grid()
    usual = (np.abs(x) < 1e100) & (np.abs(y) < 1e100)
    if operator == "^":  # overflow is an error of the engine, and told as one
        usual &= (np.abs(y) < 30) & (np.abs(x) > 1e-5) | (x == 0) & (y >= 0)
        usual &= (x > 0) | (y == np.round(y))
    with np.errstate(all="ignore"):
        expected = ARITHMETIC[operator](x, y)
    condition = "abs(x) < 1e100 AND abs(y) < 1e100"
    if operator == "^":
        condition += (
            " AND (abs(y) < 30 AND abs(x) > 1e-5 OR x = 0 AND y >= 0) AND (x > 0 OR y = round(y))"
        )
    inside = f"CASE WHEN {condition} THEN {binary_sql(operator, 'x', 'y')} END"
    np.testing.assert_allclose(in_sql(inside)[usual], expected[usual], rtol=4e-16)
