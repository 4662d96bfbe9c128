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


@pytest.mark.parametrize("population", ["normal", "beta"])
def test_json_keeps_to_the_schema(run, path, population):
    how = ("--population", population, "--json")
    out = run("fit", path, "y | trials(n) ~ 1 + (1 | g)", *how).out
    result = json.loads(out)
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert (result["family"], result["population"]) == ("binomial", population)
    assert [g["raw"] for g in result["groups"]] == [0.2, 0.0, pytest.approx(4 / 9), 0.5, None]


def test_family_of_counts_without_trials(run, path):
    result = json.loads(run("fit", path, "y ~ 1 + (1 | g)", "--family", "poisson", "--json").out)
    assert result["family"] == "poisson"


@pytest.mark.parametrize("method", ["posterior", "ml"])
def test_rows_that_vary_more(run, tmp_path, method):
    file = tmp_path / "rows.csv"
    counts = [3, 0, 7, 12, 1, 0, 4, 22, 5, 9, 0, 2, 6, 30, 3, 1]
    lines = (f"{g},{y}" for g, y in zip("abcd" * 4, counts, strict=True))
    file.write_text("g,y\n" + "\n".join(lines) + "\n")
    how = ("--family", "negative_binomial", "--method", method, "--json")
    if method == "posterior":
        how = (*how, "--prior", "tau ~ half_normal(1)", "--prior", "dispersion ~ exponential(1)")
    result = json.loads(run("fit", str(file), "y ~ 1 + (1 | g)", *how).out)
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    assert result["family"] == "negative_binomial"
    assert [p["name"] for p in result["parameters"]] == ["Intercept", "tau[g]", "dispersion"]


def test_a_family_that_is_not_fitted_is_one_line(run, path):
    result = run("fit", path, "y | trials(n) ~ 1 + (1 | g)", "--family", "nbinom1")
    assert result.code == 2
    assert result.err.count("\n") == 1


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


def test_counts_with_predictors(run):
    found = run("fit", "seeds", "germinated | trials(seeds) ~ variety * extract + (1 | plate)")
    assert "21 groups of plate" in found.out
    assert "log-odds" in found.out
    result = json.loads(
        run(
            "fit",
            "cbpp",
            "incidence | trials(size) ~ C(period) + (1 | herd)",
            *("--method", "ml", "--quadrature", "25", "--json"),
        ).out
    )
    jsonschema.validate(result, json.loads(SCHEMA.read_text()))
    named = {p["name"]: p["mean"] for p in result["parameters"]}
    assert named["tau[herd]"] == pytest.approx(0.6475, abs=2e-4)  # lme4, nAGQ=25
    assert named["Intercept"] == pytest.approx(-1.3992, abs=2e-4)


def test_separation_is_one_line(run, tmp_path):
    file = tmp_path / "separated.csv"
    rows = "".join(f"{i % 4},{5 * (i > 5)},5,{i}\n" for i in range(12))
    file.write_text("g,y,n,x\n" + rows)
    result = run("fit", str(file), "y | trials(n) ~ x + (1 | g)")
    assert result.code == 2
    assert "put no limit on" in result.err
    assert '--prior "beta ~ normal(0, 2.5)"' in result.err
    assert result.err.count("\n") == 1


def test_comparison_of_counts_with_predictors(run):
    out = run("compare", "cbpp", "incidence | trials(size) ~ C(period) + (1 | herd)").out
    assert "fixed gives each herd an intercept of its own" in " ".join(out.split())
