"""Spark DataFrames as they are found, and jobs that fail: one sentence, and the session lives."""

import datetime as dt
import decimal
import sys

import numpy as np
import pyarrow as pa
import pytest

import partialpool as pp

PLAIN = "y ~ 1 + (1 | g)"
MODELS = (PLAIN, "y ~ s + (1 | g)", "y ~ 1 + (1 | g) + (1 | s)", "y | trials(s) ~ s + (1 | g)")
ROWS = {
    "g": ["b", "a", "c"] * 8,
    "y": [round(float(np.sin(i)), 3) for i in range(24)],
    "s": [1.0 + i % 5 for i in range(24)],
}
pytestmark = pytest.mark.parametrize("door", ["spark", "spark_connect"])


@pytest.fixture
def session(door, request):
    return request.getfixturevalue(door)


@pytest.fixture
def frame(session):
    return session.createDataFrame(pa.table(ROWS)).repartition(4)


def refused(formula, data, *words):
    with pytest.raises(pp.DataError) as caught:
        pp.fit(formula, data)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_names_that_need_quotes(frame):
    names = ["my.group", 'a `quoted` "y"', "s"]
    formula = 'a ``quoted`` "y"'
    got = pp.fit(f"`{formula}` | se(s) ~ 1 + (1 | `my.group`)", frame.toDF(*names)).groups()
    expected = pp.fit("y | se(s) ~ 1 + (1 | g)", ROWS).groups()
    np.testing.assert_allclose(got["estimate"], expected["estimate"], rtol=1e-9)


def test_names_that_differ_by_capitals(frame):
    both = frame.selectExpr("g", "y", "y + 1000 AS Y2").toDF("g", "y", "Y")
    assert pp.fit(PLAIN, both).statistics.raw.max() < 1000
    assert pp.fit("Y ~ (1 | g)", both).statistics.raw.min() > 900


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("CAST(DATE_ADD(DATE '2020-01-01', ASCII(g)) AS DATE)", dt.date),
        ("CAST(ASCII(g) AS DECIMAL(9, 2))", decimal.Decimal),
        ("ASCII(g) > 97", bool),
        ("ASCII(g) + 0.5D", float),
        ("TIMESTAMP_NTZ '2020-01-01 00:00:00' + MAKE_DT_INTERVAL(ASCII(g))", dt.datetime),
    ],
)
def test_labels_of_other_types(frame, labels, expected):
    got = pp.statistics(PLAIN, frame.selectExpr(f"{labels} AS g", "y")).groups
    assert {type(v) for v in got.labels.tolist()} == {expected}
    assert got.labels.tolist() == sorted(set(got.labels.tolist()))


def test_a_frame_that_spark_computes(frame):
    joined = frame.groupBy("g", "s").agg({"y": "avg"}).toDF("g", "s", "y")
    assert pp.fit(PLAIN, joined).statistics.n_used == len(
        set(zip(ROWS["g"], ROWS["s"], strict=True))
    )


def test_results_become_a_spark_frame_on_request(frame, session):
    table = pp.fit(PLAIN, frame).groups()
    back = table.to_spark(session)
    assert type(back) is type(frame)
    assert [row["group"] for row in back.collect()] == ["a", "b", "c"]
    assert back.columns == list(table)


def test_nothing_is_left_in_the_catalog(frame, session):
    before = session.catalog.listTables()
    pp.fit(PLAIN, frame)
    pp.statistics(MODELS[2], frame)
    assert session.catalog.listTables() == before


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["g", "CASE WHEN y > 0 THEN 'oops' ELSE '1' END AS y"], ['"y"', 'the text "oops"']),
        (["g", "CAST(y AS STRING) AS y"], ["numbers stored as text"]),
        (["g", "DATE '2020-01-01' AS y"], ["must hold numbers; it holds date values"]),
        (["ARRAY(g) AS g", "y"], ["array<string> values", "a group label is a single value"]),
        (["g", "y + 1e200 AS y"], ["at most 1e100", "found 1e+200", "and 19 more"]),
        (["g", "CAST(NULL AS DOUBLE) AS y"], ["none of the 24 rows is complete"]),
    ],
)
def test_columns_that_cannot_be_used(frame, columns, words):
    refused(PLAIN, frame.selectExpr(*columns), *words)


def test_only_the_first_values_are_named_and_no_rows(frame):
    with pytest.raises(pp.DataError, match=r"found -1, -1, -1, -1, -1 and 19 more \(group") as e:
        pp.fit("y | se(s) ~ (1 | g)", frame.selectExpr("g", "y", "-1.0D AS s"))
    assert "row" not in str(e.value).split(":")[0]


@pytest.mark.parametrize("formula", MODELS)
def test_a_job_that_fails_half_way(formula, frame):
    failing = frame.selectExpr("g", "s", "IF(y > 0.9, RAISE_ERROR('disk on fire'), y) AS y")
    refused(formula, failing, "the Spark job failed", "disk on fire")

    def broken(batches):
        for _ in batches:
            raise ValueError("no use for this batch")
        yield

    in_python = frame.mapInArrow(broken, "g STRING, y DOUBLE, s DOUBLE")
    refused(formula, in_python, "the Spark job failed", "ValueError: no use for this batch")
    assert pp.fit(PLAIN, frame).statistics.n_used == 24


def test_a_file_that_is_gone(frame, session, tmp_path):
    frame.write.parquet(str(tmp_path / "rows"))
    read = session.read.parquet(str(tmp_path / "rows"))
    for part in (tmp_path / "rows").glob("*.parquet"):
        part.write_bytes(part.read_bytes()[:50])
    refused(PLAIN, read, "the Spark job failed")


@pytest.mark.parametrize("formula", MODELS[:3])
def test_rows_that_change_between_two_passes(formula, session):
    moving = session.range(9000, numPartitions=3).selectExpr(
        "id % 3 AS g",
        "id % 5 AS s",
        "CASE WHEN CAST(JAVA_METHOD('java.lang.Math', 'random') AS DOUBLE) < 0.5 "
        "THEN 1e9 * (id % 3) + (id % 7) END AS y",
    )
    said = []
    for _ in range(4):  # by chance, once in a hundred times, as many rows are complete in both
        try:
            pp.fit(formula, moving)
        except pp.PartialPoolError as error:
            said.append(str(error))
        if said and "the rows changed while they were read" in said[-1]:
            return
    pytest.fail(f"never noticed: {said}")


def test_a_stream_is_refused(session):
    refused("value ~ (1 | timestamp)", session.readStream.format("rate").load(), "foreachBatch")


def test_without_pyarrow(frame, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(pp.MissingExtraError, match=r"pip install 'partialpool\[spark\]'"):
        pp.fit(PLAIN, frame)


def test_small_groups_and_levels_are_left_out_where_the_rows_are(frame):
    formula = "y ~ s + (1 | g) + (1 | h)"
    rows = ROWS | {"h": ["x"] * 21 + ["z"] * 3}
    found = pp.statistics(formula, rows, min_cell=4)
    table = frame.sparkSession.createDataFrame(pa.table(rows))
    got = pp.statistics(formula, table, min_cell=4)
    assert repr(got) == repr(found)
    assert got.groups.withheld == found.groups.withheld == (1, 3)
    np.testing.assert_allclose(got.groups.products.yty, found.groups.products.yty, rtol=1e-10)


def test_statistics_of_yesterday_and_a_spark_frame_of_today(frame, tmp_path):
    formula = "y ~ scale(s) + (1 | g)"
    pp.statistics(formula, ROWS).save(tmp_path / "s.parquet")
    both = pp.load_statistics(tmp_path / "s.parquet").combine(pp.statistics(formula, frame))
    twice = pp.fit(formula, {k: v * 2 for k, v in ROWS.items()}, method="reml")
    got = pp.fit_statistics(both, method="reml")
    np.testing.assert_allclose(got.groups()["estimate"], twice.groups()["estimate"], rtol=1e-8)
    updated = pp.fit(formula, ROWS, method="reml").update(frame)
    np.testing.assert_allclose(updated.groups()["estimate"], twice.groups()["estimate"], rtol=1e-8)


def test_dates_and_folded_labels(door, spark, spark_connect):
    """Days and merged labels are those of the same rows in memory."""
    import pandas as pd

    days = np.random.default_rng(3).integers(0, 300, 40).astype(float)
    data = pd.DataFrame({"date": pd.Timestamp("2022-05-01") + pd.to_timedelta(days, unit="D")})
    data.loc[3, "date"] = pd.Timestamp("2022-05-01")
    data["g"] = [["East", "east ", "West", "North", "North"][i % 5] for i in range(40)]
    data["y"] = np.random.default_rng(4).normal(size=40) + days / 100
    want = pp.fit("y ~ date + (1 | g)", data, labels="fold", method="reml").to_dict()
    session = spark if door == "spark" else spark_connect
    frame = session.createDataFrame(data.assign(text=data["date"].dt.strftime("%Y-%m-%d")))
    frame = frame.selectExpr("*", "CAST(date AS DATE) AS day", "CAST(date AS TIMESTAMP_NTZ) AS ntz")
    for column in ("day", "text", "ntz"):
        fit = pp.fit(f"y ~ {column} + (1 | g)", frame, labels="fold", method="reml")
        found = fit.to_dict()
        assert f'days({column}, "2022-05-01")' in fit.formula
        for got, right in zip(found["parameters"], want["parameters"], strict=True):
            assert abs(got["mean"] - right["mean"]) < 1e-6
        assert [g["group"] for g in found["groups"]] == ["East", "North", "West"]
