"""Counts on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

SCHEMA = Path(__file__).parents[2] / "docs" / "fit.schema.json"
ROWS = "g,y,n\na,1,5\nb,0,7\nc,4,9\nd,3,6\ne,0,0\n"


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "counts.csv"
    file.write_text(ROWS)
    return str(file)


def test_table_names_family_and_trials(run, path):
    out = run("fit", path, "y | trials(n) ~ 1 + (1 | g)").out
    assert "binomial, 8 events in 27 trials, 5 rows in 5 groups" in out
    assert "tau[g]" in out
    assert "log-odds" in out


@pytest.mark.parametrize("family", ["binomial", "beta_binomial"])
def test_json_keeps_to_the_schema(run, path, family):
    out = run("fit", path, "y | trials(n) ~ 1 + (1 | g)", "--family", family, "--json").out
    result = json.loads(out)
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert result["family"] == family
    assert [g["raw"] for g in result["groups"]] == [0.2, 0.0, pytest.approx(4 / 9), 0.5, None]


def test_family_of_counts_without_trials(run, path):
    result = json.loads(run("fit", path, "y ~ 1 + (1 | g)", "--family", "poisson", "--json").out)
    assert result["family"] == "poisson"


def test_bad_counts_are_one_line(run, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("g,y,n\na,6,5\nb,0,7\n")
    result = run("fit", str(file), "y | trials(n) ~ 1 + (1 | g)")
    assert result.code == 2
    assert "found 6 in row 1" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("name", ["batting", "surgical_deaths", "seeds", "peregrine"])
def test_bundled_counts_by_name(run, name):
    result = json.loads(run("fit", name, "--json").out)
    assert result["accuracy"]["status"] == "reached"
    assert result["family"] == ("poisson" if name == "peregrine" else "binomial")


def test_compare_counts(run):
    scores = json.loads(run("compare", "batting", "--json").out)["scores"]
    by_name = {row["estimator"]: row for row in scores}
    assert by_name["partial_pooling"]["log_score"] is not None
    assert by_name["no_pooling"]["log_score"] is None
