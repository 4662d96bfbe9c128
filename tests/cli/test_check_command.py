"""`partialpool check`."""

import csv
import io
import json

import pytest

import partialpool as pp

FORMULA = "score ~ 1 + (1 | school)"


def test_says_what_the_library_says(run):
    found = run("check", "sleepstudy")
    data = pp.datasets.sleepstudy()
    want = pp.fit("reaction ~ days + (days | subject)", data).check(data)
    assert found.code == 0
    for notice in want.notices:
        assert notice.text.split("(")[0].strip() in " ".join(found.out.split())
    found = run("check", "sleepstudy", "--json")
    assert json.loads(found.out)["checks"] == want.to_dict()["checks"]


def test_csv_of_checks_and_of_groups_from_a_file_and_standard_input(run, scores, tmp_path):
    rows = list(csv.DictReader(io.StringIO(run("check", scores, FORMULA, "--csv").out)))
    want = pp.fit(FORMULA, str(scores)).check(str(scores)).as_table()
    assert [r["check"] for r in rows] == want["check"].tolist()
    assert [float(r["p"]) for r in rows] == pytest.approx(want["p"].tolist())
    again = run("check", "-", FORMULA, "--csv", stdin=scores.read_bytes())
    assert list(csv.DictReader(io.StringIO(again.out))) == rows
    groups = run("check", scores, FORMULA, "--groups", "--csv", "--out", tmp_path / "groups.csv")
    assert [r["group"] for r in csv.DictReader(io.StringIO(groups.out))] == list("ENSW")
    assert "wrote 4 groups" in groups.err
    assert "p_largest" in run("check", scores, FORMULA, "--groups").out


def test_statistics_are_checked_without_rows(run, scores, tmp_path):
    pp.statistics(FORMULA, str(scores)).save(tmp_path / "s.parquet")
    found = json.loads(run("check", tmp_path / "s.parquet", "--json").out)
    assert "farthest row" not in {c["check"] for c in found["checks"]}
    assert "noise by group" in {c["check"] for c in found["checks"]}


def test_the_chart_is_drawn(run, tmp_path):
    found = run("check", "eight_schools", "--plot", tmp_path / "check.svg")
    assert found.code == 0
    assert "farthest group" in (tmp_path / "check.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("eight_schools", "--csv", "--json"), "give one"),
        (("eight_schools", "--plot", "check.gif"), ".svg"),
        (("no.csv", FORMULA), "no.csv"),
    ],
)
def test_bad_input_is_one_line(run, arguments, said):
    found = run("check", *arguments)
    assert found.code == 2
    assert said in found.err
    assert found.err.count("\n") == 1
