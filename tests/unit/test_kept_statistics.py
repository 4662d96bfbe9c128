"""Statistics that are kept: saved and read, combined, shared without small groups, fitted."""

import dataclasses
import datetime as dt
import decimal
import os

import duckdb
import numpy as np
import pytest

import partialpool as pp

RNG = np.random.default_rng(5)
FORMULA = "score ~ 1 + (1 | school)"
KINDS = {
    FORMULA: {},
    "score | se(s) ~ 1 + (1 | school)": {"s": RNG.uniform(0.5, 2, 90)},
    "score | weights(s) ~ 1 + (1 | school)": {"s": RNG.uniform(0.5, 2, 90)},
    "score | summary(n, s) ~ 1 + (1 | school)": {
        "n": RNG.integers(1, 9, 90),
        "s": RNG.uniform(0.5, 2, 90),
    },
}


def rows(extra=None):
    school = np.array(list("ABCDEFGHI"), dtype=object)[np.arange(90) ** 2 % 9]
    score = RNG.normal(60, 10, 90)
    score[7] = np.nan
    return {"school": school, "score": score, **(extra or {})}


def part(columns, which):
    return {k: v[which] for k, v in columns.items()}


def same_numbers(first, second, rtol=0.0):
    assert first.labels.tolist() == second.labels.tolist()
    assert first.absent.tolist() == second.absent.tolist()
    assert first.n.tolist() == second.n.tolist()
    for name in ("weight", "raw", "ss", "log_weight"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol, 1e-12)
    for name in ("n_rows", "n_dropped", "sigma_known", "factor", "outcome", "withheld"):
        assert getattr(first, name) == getattr(second, name)


@pytest.mark.parametrize("formula", KINDS)
def test_yesterday_and_today_are_all_the_rows(formula, tmp_path):
    columns = rows(KINDS[formula])
    whole = pp.fit(formula, columns, prior="tau ~ half_normal(9)")
    old, new = part(columns, slice(50)), part(columns, slice(50, None))
    pp.statistics(formula, old).save(tmp_path / "old.parquet")
    kept = pp.load_statistics(tmp_path / "old.parquet").combine(pp.statistics(formula, new))
    for fit in (
        pp.fit_statistics(kept, prior="tau ~ half_normal(9)"),
        pp.fit(formula, old, prior="tau ~ half_normal(9)").update(new),
    ):
        same_numbers(fit.statistics, whole.statistics, 1e-10)
        assert fit.formula == formula
        got, expected = fit.groups(), whole.groups()
        for name in ("estimate", "sd", "shrinkage"):
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-10)
        for name in ("lower", "upper"):  # their own error is larger
            np.testing.assert_allclose(got[name], expected[name], rtol=1e-8)


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b", "c"],
        [3, -1, 2**60],
        [0.5, 1.5, -2.5],
        [True, False, True],
        [dt.date(2020, 1, i) for i in (1, 2, 3)],
        [decimal.Decimal("1.50"), decimal.Decimal("2"), decimal.Decimal("3")],
        np.array(["2020-01-01", "2021-01-01", "2022-01-01"], dtype="datetime64[us]"),
        ["Ωmega", "it's", '"quoted"'],
    ],
)
def test_a_file_holds_exactly_what_was_saved(labels, tmp_path):
    given = np.empty(3, dtype=object)
    given[:] = labels
    given = labels if isinstance(labels, np.ndarray) else given
    y = np.array([1e9, 1e9 + 1 / 3, np.nan, 0.1, np.nan, 1e-9])
    saved = pp.statistics("y ~ (1 | g)", {"g": np.tile(given, 2), "y": y})
    written = saved.save(tmp_path / "s.parquet")
    read = pp.load_statistics(tmp_path / "s.parquet")
    assert repr(read) == repr(saved) == repr(written)
    for field in dataclasses.fields(saved.groups):
        first, second = (getattr(s.groups, field.name) for s in (saved, read))
        same = np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second
        assert same, field.name


def test_several_files_are_combined(tmp_path):
    columns = rows()
    for k in range(3):
        pp.statistics(FORMULA, part(columns, slice(k, None, 3))).save(tmp_path / f"{k}.parquet")
    whole = pp.statistics(FORMULA, columns).groups
    names = [tmp_path / f"{k}.parquet" for k in range(3)]
    same_numbers(pp.load_statistics(names).groups, whole, 1e-10)
    same_numbers(pp.load_statistics(str(tmp_path / "*.parquet")).groups, whole, 1e-10)


def test_labels_of_csv_files_are_the_same_whatever_else_is_in_the_file(tmp_path):
    texts = {"1.csv": "7,1\n8,2\n7,3\n", "2.csv": "7,4\nx,5\n8,7\n"}
    for name, body in texts.items():
        (tmp_path / name).write_text("g,y\n" + body)
    first, second = (pp.statistics("y ~ (1 | g)", tmp_path / name) for name in texts)
    whole = pp.statistics("y ~ (1 | g)", str(tmp_path / "*.csv")).groups
    same_numbers(first.combine(second).groups, whole, 1e-12)
    same_numbers(second.combine(first).groups, whole, 1e-12)
    first.save(tmp_path / "s.parquet")
    same_numbers(pp.load_statistics(tmp_path / "s.parquet").combine(second).groups, whole, 1e-12)


def test_labels_that_cannot_meet_are_refused():
    numbers = pp.statistics("y ~ (1 | g)", {"g": [7, 8], "y": [1.0, 2.0]})
    text = pp.statistics("y ~ (1 | g)", {"g": ["7", "8"], "y": [1.0, 2.0]})
    with pytest.raises(pp.DataError, match=r'labels of "g" are numbers.*text.*convert'):
        numbers.combine(text)
    with pytest.raises(pp.DataError, match="several types"):
        pp.statistics("y ~ (1 | g)", {"g": ["7", 8], "y": [1.0, 2.0]}).save("never.parquet")


def test_small_groups_are_left_out_and_counted(tmp_path):
    columns = {"g": list("aaaabbbbccde"), "y": [*map(float, range(11)), np.nan]}
    found = pp.statistics("y ~ (1 | g)", columns)
    written = found.save(tmp_path / "s.parquet", min_cell=3)
    read = pp.load_statistics(tmp_path / "s.parquet")
    assert repr(read) == repr(written)
    assert read.groups.labels.tolist() == ["a", "b"]
    assert read.groups.withheld == (3, 3)
    assert read.groups.absent.tolist() == []
    np.testing.assert_allclose(read.groups.raw, [1.5, 5.5])
    assert read.groups.center == 3.5  # says nothing of the rows that are left out
    content = duckdb.sql(f"SELECT label, n FROM '{tmp_path / 's.parquet'}'").fetchall()
    assert content == [("a", 4), ("b", 4)]
    fit = pp.fit_statistics(read, prior="tau ~ half_normal(5)")
    notice = next(n for n in fit.notices if n.code == "groups_withheld")
    assert "left out of the statistics when they were saved: 3 with 3 rows" in notice.text
    assert read.combine(read).groups.withheld == (6, 6)
    with pytest.raises(pp.DataError, match="no group has 5 rows or more"):
        found.save(tmp_path / "t.parquet", min_cell=5)
    with pytest.raises(pp.ArgumentError, match="min_cell must be 1 or more"):
        found.save(tmp_path / "t.parquet", min_cell=0)
    assert os.listdir(tmp_path) == ["s.parquet"]


def rewritten(path, **changes):
    """The same file with other metadata or other numbers."""
    import json

    ((text,),) = duckdb.execute("SELECT value FROM parquet_kv_metadata(?)", [str(path)]).fetchall()
    columns = changes.pop("columns", "*")
    facts = json.dumps({**json.loads(text), **changes})
    out = path.with_name("changed.parquet")
    duckdb.execute(
        f"COPY (SELECT {columns} FROM '{path}') TO '{out}' "
        f"(FORMAT parquet, KV_METADATA {{partialpool_statistics: '{facts}'}})"
    )
    return out


def test_files_that_hold_no_statistics(tmp_path):
    path = tmp_path / "s.parquet"
    pp.statistics(FORMULA, rows()).save(path)
    whole = path.read_bytes()
    rest = "n, weight, mean, ss, log_weight"
    for changes, words in (
        ({"version": 3}, "statistics of version 3.*reads up to version 2"),
        ({"records": 8}, "is damaged"),
        ({"columns": f"label, -n AS {rest}"}, "is damaged"),
        ({"columns": f"label, {rest.replace('mean', 'NULL::DOUBLE AS mean')}"}, "is damaged"),
        ({"columns": "label, n"}, "is damaged"),
    ):
        with pytest.raises(pp.DataError, match=words):
            pp.load_statistics(rewritten(path, **changes))
    for broken in (whole[:100], whole[:-9], whole[: len(whole) // 2]):
        path.write_bytes(broken)
        with pytest.raises(pp.DataError, match=r"s\.parquet.*cannot be read"):
            pp.load_statistics(path)
    duckdb.sql("SELECT 1 AS a").write_parquet(str(path))
    with pytest.raises(pp.DataError, match="holds no statistics of partialpool; if it holds rows"):
        pp.load_statistics(path)
    with pytest.raises(pp.DataError, match="there is no file"):
        pp.load_statistics(tmp_path / "nope.parquet")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError("disk full")])
def test_a_file_is_written_whole_or_not_at_all(stop, tmp_path, monkeypatch):
    path = tmp_path / "s.parquet"
    found = pp.statistics(FORMULA, rows())
    found.save(path)
    before = path.read_bytes()

    def interrupted(*names):
        raise stop

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises((KeyboardInterrupt, pp.DataError)):
        pp.statistics(FORMULA, rows()).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["s.parquet"]


def test_where_statistics_cannot_be_written(tmp_path):
    found = pp.statistics(FORMULA, rows())
    with pytest.raises(pp.DataError, match=r"end the name in \.parquet"):
        found.save(tmp_path / "s.csv")
    with pytest.raises(pp.DataError, match="cannot be written"):
        found.save(tmp_path / "nowhere" / "s.parquet")


def test_explain_names_the_files_and_the_query(tmp_path):
    (tmp_path / "a.csv").write_text("g,y\na,1\nb,2\n")
    text = pp.explain("y ~ 1 + (1 | g)", tmp_path / "a.csv")
    assert "a.csv: small enough to be read at once" in text
    assert 'SELECT "g" AS g, "y" AS y FROM the_rows' in text
    with pytest.raises(pp.ColumnError):
        pp.explain("z ~ 1 + (1 | g)", tmp_path / "a.csv")
    with pytest.raises(pp.ArgumentError, match="not a formula"):
        pp.explain({"g": [1]}, "y ~ 1 + (1 | g)")
