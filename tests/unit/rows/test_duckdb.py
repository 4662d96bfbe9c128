"""DuckDB relations: whatever the connection holds, only the relation given is read."""

import duckdb
import numpy as np
import pytest

import partialpool as pp

PLAIN = "y ~ 1 + (1 | g)"
ROWS = (
    "SELECT chr(97 + (i % 5)::INT) AS g, (i * 7 % 13)::DOUBLE AS y, 1.0 + i % 3 AS s "
    "FROM range(30) r(i)"
)
INNER = ["partialpool_rows", "g", "y", "n", "w", "q", "lw", "d", "r", "a", "k", "x", "m",
         "total", "used", "s1", "s2", "columns", "cast_rows"]  # fmt: skip


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        opened.execute(f"CREATE TABLE t AS {ROWS}")
        yield opened


def estimates(fit):
    return [row[0] for row in fit.groups().fetchall()], fit.statistics.raw.tolist()


@pytest.mark.parametrize("name", INNER)
def test_columns_named_like_the_ones_in_our_queries(connection, name):
    expected = estimates(pp.fit("y | se(s) ~ (1 | g)", connection.table("t")))
    for columns, formula in (
        (f'g AS g_, y AS "{name}", s AS s_', f"{name} | se(s_) ~ (1 | g_)"),
        (f'g AS "{name}", y AS y_, s AS s_', f"y_ | se(s_) ~ (1 | {name})"),
        (f'g AS g_, y AS y_, s AS "{name}"', f"y_ | se({name}) ~ (1 | g_)"),
    ):
        relation = connection.sql(f"SELECT {columns} FROM t")
        assert estimates(pp.fit(formula, relation)) == expected


@pytest.mark.parametrize("name", ["k0", "v0", "f0", "x0", "y", "w", "ok", "e0", "q", "g", "t0"])
def test_predictors_named_like_the_columns_in_our_queries(connection, name):
    expected = pp.statistics("y ~ scale(s) + (s | g)", connection.table("t")).groups.products
    relation = connection.sql(f'SELECT g AS g_, y AS y_, s AS "{name}" FROM t')
    found = pp.statistics(f"y_ ~ scale({name}) + ({name} | g_)", relation).groups.products
    np.testing.assert_allclose(found.xtx, expected.xtx, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.blocks[0].zty, expected.blocks[0].zty, rtol=1e-9, atol=1e-9)


def test_tables_and_views_of_the_user_do_not_get_in_the_way(connection):
    expected = estimates(pp.fit(PLAIN, connection.table("t")))
    connection.execute("CREATE TABLE columns AS SELECT 'hijacked' AS nope")
    connection.execute("CREATE VIEW partialpool_rows AS SELECT g, y + 1 AS y FROM t")
    assert estimates(pp.fit(PLAIN, connection.table("t"))) == expected
    moved = pp.fit(PLAIN, connection.view("partialpool_rows")).statistics.raw
    assert moved.tolist() == pytest.approx([v + 1 for v in expected[1]])
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal")
    assert views.fetchall() == [("partialpool_rows",)]


def test_settings_of_the_connection_do_not_matter(connection):
    expected = estimates(pp.fit("y | se(s) ~ (1 | g)", connection.table("t")))
    connection.execute("SET default_order = 'desc'")
    connection.execute("SET default_null_order = 'nulls_first'")
    connection.execute("SET integer_division = true")
    assert estimates(pp.fit("y | se(s) ~ (1 | g)", connection.table("t"))) == expected


def test_hostile_names_and_labels(connection):
    relation = connection.sql(
        """SELECT g || '''; DROP TABLE t; --' AS "x""; DROP TABLE t; --", y FROM t"""
    )
    fit = pp.fit('y ~ 1 + (1 | `x"; DROP TABLE t; --`)', relation)
    assert fit.statistics.labels[0] == "a'; DROP TABLE t; --"
    assert connection.table("t").count("*").fetchall() == [(30,)]


def test_a_read_only_database(tmp_path):
    path = str(tmp_path / "rows.db")
    with duckdb.connect(path) as made:
        made.execute(f"CREATE TABLE t AS {ROWS}")
    with duckdb.connect(path, read_only=True) as opened:
        assert pp.fit(PLAIN, opened.table("t")).statistics.n_used == 30


def test_an_attached_database(connection, tmp_path):
    path = str(tmp_path / "other.db")
    with duckdb.connect(path) as made:
        made.execute(f"CREATE SCHEMA north; CREATE TABLE north.scores AS {ROWS}")
    connection.execute(f"ATTACH '{path}' AS warehouse (READ_ONLY)")
    fit = pp.fit(PLAIN, connection.sql("FROM warehouse.north.scores"))
    assert estimates(fit) == estimates(pp.fit(PLAIN, connection.table("t")))


def test_a_closed_connection():
    opened = duckdb.connect()
    relation = opened.sql(ROWS)
    opened.close()
    with pytest.raises(pp.DataError, match="already been closed"):
        pp.fit(PLAIN, relation)


@pytest.mark.parametrize("group", ["[g]", "{'a': g}", "MAP {'a': g}"])
def test_nested_values_are_no_labels(connection, group):
    with pytest.raises(pp.DataError, match="a group label is a single value"):
        pp.fit(PLAIN, connection.sql(f"SELECT {group} AS g, y FROM t"))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("y::VARCHAR", "numbers stored as text"),
        ("CASE WHEN y > 5 THEN 'oops' ELSE '1' END", 'row 2 holds the text "oops"'),
        ("DATE '2020-01-01'", "it holds DATE values"),
        ("[y]", r"it holds DOUBLE\[\] values"),
    ],
)
def test_outcomes_that_are_not_numbers(connection, outcome, words):
    with pytest.raises(pp.DataError, match=f'"y".*{words}'):
        pp.fit(PLAIN, connection.sql(f"SELECT g, {outcome} AS y FROM t"))


def test_names_that_differ_by_capitals(connection):
    relation = connection.sql("SELECT g AS G, y AS Y FROM t")
    with pytest.raises(pp.ColumnError, match=r'"g".*did you mean "G"'):
        pp.fit(PLAIN, relation)
