"""`partialpool statistics`, fits of what it writes, and `--explain`."""

import json
import os

import duckdb
import pytest

import partialpool as pp

FORMULA = "score ~ 1 + (1 | school)"


def estimates(result):
    assert result.code == 0, result.err
    return {g["group"]: g["estimate"] for g in json.loads(result.out)["groups"]}


@pytest.fixture
def days(scores):
    """The rows of `scores` in two files."""
    header, *lines = scores.read_text().splitlines(keepends=True)
    for name, part in (("monday", lines[:11]), ("tuesday", lines[11:])):
        scores.with_name(f"{name}.csv").write_text("".join([header, *part]))
    return scores.with_name("monday.csv"), scores.with_name("tuesday.csv")


def test_rows_of_two_days(run, scores, days, tmp_path):
    out = tmp_path / "all.parquet"
    first = run("statistics", days[0], FORMULA, "--out", out)
    assert (first.code, first.out) == (0, "")
    assert f"wrote {out}: Statistics of {FORMULA}: 11 rows in 4 groups" in first.err
    assert run("statistics", days[1], FORMULA, "--add", out, "--out", out).code == 0
    expected = estimates(run("fit", scores, FORMULA, "--json"))
    assert estimates(run("fit", out, "--json")) == pytest.approx(expected, rel=1e-10)
    assert pp.load_statistics(out).groups.n_dropped == 1


def test_a_glob_of_statistics_is_combined(run, scores, days, tmp_path):
    for i, day in enumerate(days):
        assert run("statistics", day, FORMULA, "--out", tmp_path / f"s-{i}.parquet").code == 0
    expected = estimates(run("fit", scores, FORMULA, "--json"))
    found = estimates(run("fit", tmp_path / "s-*.parquet", "--json"))
    assert found == pytest.approx(expected, rel=1e-10)
    assert "partial_pooling" in run("compare", tmp_path / "s-*.parquet").out


def test_small_groups_stay_at_home(run, days, tmp_path):
    out = tmp_path / "s.parquet"
    result = run("statistics", days[0], FORMULA, "--min-cell", 3, "--out", out)
    assert "small groups left out: 1" in result.err
    assert duckdb.sql(f"SELECT MIN(n) FROM '{out}'").fetchall() == [(3,)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fit", "s.parquet", FORMULA], "have a formula of their own; leave"),
        (["statistics", "scores.csv", FORMULA, "--out", "s.csv"], "end the name in .parquet"),
        (["statistics", "scores.csv", "--out", "t.parquet"], "a formula is needed"),
        (["statistics", "scores.csv", FORMULA, "--out", "t.parquet", "--min-cell", 0], "1 or more"),
        (
            ["statistics", "scores.csv", FORMULA, "--out", "t.parquet", "--add", "scores.csv"],
            'scores.csv" cannot be read',
        ),
        (
            ["statistics", "scores.csv", FORMULA, "--out", "t.parquet", "--add", "other.parquet"],
            "only statistics of the same outcome, group column and kind",
        ),
    ],
)
def test_bad_input(run, scores, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    pp.statistics(FORMULA, "scores.csv").save("s.parquet")
    pp.statistics("n ~ (1 | school)", {"n": [1.0, 2], "school": ["N", "S"]}).save("other.parquet")
    before = sorted(os.listdir())
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert sorted(os.listdir()) == before


def test_explain(run, scores):
    result = run("fit", scores, FORMULA, "--explain")
    assert result.code == 0
    assert "GROUP BY g" in result.out
    assert '"score" AS y' in result.out
    assert "No query is run" in run("fit", "eight_schools", "--explain").out


def test_counts_of_two_days(run, tmp_path):
    rows = ["a,1,5", "b,0,7", "c,4,9", "d,3,6", "a,2,4"]
    for name, part in {"1": rows[:3], "2": rows[3:], "all": rows}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["g,y,n", *part, ""]))
    formula, out = "y | trials(n) ~ 1 + (1 | g)", tmp_path / "s.parquet"
    beta = ("--population", "beta")
    assert run("statistics", tmp_path / "1.csv", formula, "--out", out).code == 0
    added = run("statistics", tmp_path / "2.csv", formula, "--add", out, "--out", out)
    assert "5 rows in 4 groups" in added.err
    expected = estimates(run("fit", tmp_path / "all.csv", formula, *beta, "--json"))
    assert estimates(run("fit", out, *beta, "--json")) == pytest.approx(expected, rel=1e-10)
    plan = run("fit", tmp_path / "1.csv", formula, *beta, "--explain")
    assert "GROUP BY g" in plan.out


def test_a_regression_of_two_days(run, tmp_path):
    rows = [f"{'abcd'[i % 4]},{i % 3},{i * i % 7},{'uvuvuvuvuw'[i % 10]}" for i in range(40)]
    for name, part in {"1": rows[:15], "2": rows[15:], "all": rows}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["g,x,y,k", *part, ""]))
    formula, out = "y ~ scale(x) + k + (1 | g)", tmp_path / "s.parquet"
    assert run("statistics", tmp_path / "1.csv", formula, "--out", out).code == 0
    added = run("statistics", tmp_path / "2.csv", formula, "--add", out, "--out", out)
    assert "40 rows in 4 groups of g" in added.err
    expected = run("fit", tmp_path / "all.csv", formula, "--method", "reml", "--json")
    found = run("fit", out, "--method", "reml", "--json")
    assert estimates(found) == pytest.approx(estimates(expected), rel=1e-8)
    shared = run("statistics", tmp_path / "all.csv", formula, "--min-cell", 5, "--out", out)
    assert "small groups left out: 1" in shared.err  # the level w of k has 4 rows
    refused = run("statistics", tmp_path / "1.csv", formula, "--min-cell", 99, "--out", out)
    assert (refused.code, refused.out) == (2, "")
    assert "nothing is left to share" in refused.err
