"""Order, choice and standing of groups: the same in table, chart, report and rank."""

import csv
import io
import json

import pytest

SLEEP = ("sleepstudy",)


def rows(result):
    assert result.code == 0, result.err
    return list(csv.DictReader(io.StringIO(result.out)))


def test_order_and_first_are_within_each_effect(run):
    found = rows(run("fit", *SLEEP, "--sort", "estimate", "--top", "2", "--csv"))
    assert [r["term"] for r in found] == ["Intercept"] * 2 + ["days"] * 2
    assert float(found[0]["estimate"]) > float(found[1]["estimate"]) > 200
    assert 50 > float(found[2]["estimate"]) > float(found[3]["estimate"])


def test_one_effect_and_some_groups(run):
    found = rows(run("fit", *SLEEP, "--term", "days", "--groups", "308, 335", "--csv"))
    assert [(r["group"], r["term"]) for r in found] == [("308", "days"), ("335", "days")]
    assert run("fit", *SLEEP, "--groups", "7", "--csv").err.count('no group "7"') == 1
    assert 'did you mean "days"' in run("fit", *SLEEP, "--term", "day").err


def test_above(run):
    found = rows(run("fit", "eight_schools", "--above", "average", "--csv"))
    assert {r["standing"] for r in found} == {"uncertain"}
    assert 0.5 < float(found[0]["p_above"]) < 0.9
    ranked = json.loads(run("rank", "eight_schools", "--above", "average", "--json").out)["ranks"]
    assert {r["group"]: r["p_above"] for r in ranked} == pytest.approx(
        {r["group"]: float(r["p_above"]) for r in found}
    )
    assert "a number or the word average" in run("fit", "eight_schools", "--above", "x").err


def test_charts_and_tables_go_to_files(run, tmp_path):
    chart, table = tmp_path / "ranks.svg", tmp_path / "poolings.csv"
    assert run("rank", "eight_schools", "--plot", chart, "--groups", "A,B").code == 0
    assert "2 of 8 groups" in chart.read_text()
    assert run("compare", "eight_schools", "--out", table).code == 0
    assert table.read_text().startswith("group,n,no_pooling,complete_pooling,partial_pooling")
