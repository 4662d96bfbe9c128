"""`partialpool fit`: what is printed and written."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

import partialpool as pp

FORMULA = "score ~ 1 + (1 | school)"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "fit.schema.json").read_text())
COLUMNS = ["group", "n", "raw", "estimate", "sd", "lower", "upper", "shrinkage"]


def as_json(result):
    assert result.code == 0, result.err
    found = json.loads(result.out)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(found, SCHEMA, jsonschema.Draft202012Validator)
    return found


def as_csv(result):
    assert result.code == 0, result.err
    return list(csv.DictReader(io.StringIO(result.out)))


@pytest.mark.parametrize("name", [d.name for d in pp.datasets.catalogue])
def test_every_bundled_data_set_fits_with_its_own_formula(run, name):
    found = as_json(run("fit", name, "--json"))
    assert found["accuracy"]["status"] == "reached"
    assert found["n_rows"] == getattr(pp.datasets, name)().n_rows


def test_formula_and_data_the_other_way_round_are_told(run):
    result = run("fit", FORMULA, "scores.csv")
    assert result.code == 2
    assert (
        result.err
        == f'partialpool: the data come first, and then the formula: scores.csv "{FORMULA}"\n'
    )
    with pytest.raises(pp.errors.ArgumentError, match="the formula first"):
        pp.fit("scores.csv", FORMULA)


def test_json_says_what_the_library_says(run, scores):
    found = as_json(run("fit", scores, FORMULA, "--json"))
    fit = pp.fit(FORMULA, scores)
    assert found == fit.to_dict()
    assert (found["n_rows"], found["n_dropped"]) == (29, 1)
    assert [g["group"] for g in found["groups"]] == list("ENSW")
    assert {g["factor"] for g in found["groups"]} == {"school"}
    assert [p["name"] for p in found["parameters"]] == ["Intercept", "tau[school]", "sigma"]
    assert "rows_dropped" in [n["code"] for n in found["notices"]]


def test_numbers_that_do_not_exist_are_null(run, scores):
    tau = as_json(run("fit", scores, FORMULA, "--json"))["parameters"][1]
    assert tau["sd"] is None
    assert tau["median"] > 0


def test_labels_in_json(run, tmp_path):
    path = tmp_path / "rows.parquet"
    days = pd.date_range("2020-01-01", periods=4)
    pd.DataFrame({"d": days.repeat(5), "y": np.sin(np.arange(20))}).to_parquet(path)
    groups = as_json(run("fit", path, "y ~ (1 | d)", "--json"))["groups"]
    assert groups[0]["group"].startswith("2020-01-01")


def test_csv(run, scores):
    rows = as_csv(run("fit", scores, FORMULA, "--csv"))
    groups = pp.fit(FORMULA, scores).groups()
    assert list(rows[0]) == COLUMNS == list(groups)
    assert [r["group"] for r in rows] == groups["group"].tolist()
    np.testing.assert_array_equal([float(r["estimate"]) for r in rows], groups["estimate"])


def test_the_table_names_everything(run, scores):
    result = run("fit", scores, FORMULA)
    assert result.code == 0
    for words in (FORMULA, "28 rows (1 more left out) in 4 groups", "Intercept", "tau[school]",
                  "sigma", "shrinkage", "95% equal-tailed interval", "Intraclass"):  # fmt: skip
        assert words in result.out
    assert "\x1b" not in result.out


def test_sort_and_top(run, scores):
    by = as_csv(run("fit", scores, FORMULA, "--csv", "--sort", "estimate", "--top", 2))
    assert [r["group"] for r in by] == ["W", "E"]
    found = as_json(run("fit", scores, FORMULA, "--json", "--sort", "estimate", "--top", 3))
    assert [g["group"] for g in found["groups"]] == ["W", "E", "S"]
    upward = as_csv(run("fit", scores, FORMULA, "--csv", "--sort", "group"))
    assert [r["group"] for r in upward] == list("ENSW")
    assert "2 of 4 groups" in run("fit", scores, FORMULA, "--top", 2).out


def test_interval_and_hdi(run):
    wide = as_json(run("fit", "eight_schools", "--json"))["groups"][0]
    narrow = as_json(run("fit", "eight_schools", "--json", "--interval", 0.5))["groups"][0]
    short = as_json(run("fit", "eight_schools", "--json", "--hdi"))["groups"][0]
    assert wide["lower"] < narrow["lower"] < narrow["upper"] < wide["upper"]
    assert short["upper"] - short["lower"] < wide["upper"] - wide["lower"]
    assert "50% highest-density" in run("fit", "eight_schools", "--interval", 0.5, "--hdi").out


def test_priors(run):
    priors = ["--prior", "tau ~ half_normal(5)", "--prior", "Intercept ~ normal(0, 10)"]
    found = as_json(run("fit", "eight_schools", "--json", *priors))
    fit = pp.fit(
        "effect | se(se) ~ 1 + (1 | school)",
        pp.datasets.eight_schools(),
        prior=["tau ~ half_normal(5)", "mu ~ normal(0, 10)"],
    )
    assert found["parameters"] == fit.to_dict()["parameters"]


@pytest.mark.parametrize(("method", "expected"), [("reml", -871.8141360), ("ml", -875.9696722)])
def test_methods(run, method, expected):
    found = as_json(run("fit", "sleepstudy", "--json", "--method", method))
    assert found["log_likelihood"] == pytest.approx(expected, abs=1e-6)
    names = ["Intercept", "days", "tau[subject]", "tau[subject, days]"]
    assert [p["name"] for p in found["parameters"]][:4] == names
    assert "log likelihood" in run("fit", "sleepstudy", "--method", method).out


def test_profile_intervals(run):
    found = as_json(run("fit", "sleepstudy", "--json", "--method", "ml", "--profile"))
    days = next(p for p in found["profile"] if p["name"] == "days")
    assert [days["lower"], days["upper"]] == pytest.approx([7.35865, 13.57592], abs=2e-3)
    half = as_json(
        run("fit", "sleepstudy", "--json", "--method", "ml", "--profile", "--interval", 0.5)
    )
    assert days["lower"] < next(p for p in half["profile"] if p["name"] == "days")["lower"]
    printed = run("fit", "sleepstudy", "--method", "reml", "--profile").out
    assert "profile-likelihood intervals" in printed
    assert "profile" not in as_json(run("fit", "sleepstudy", "--json", "--method", "ml"))
    refused = run("fit", "sleepstudy", "--profile")
    assert refused.code == 2
    assert "--method reml or ml" in refused.err


def test_a_mixed_model(run, tmp_path):
    arguments = ["high_school", "math ~ sector + (relative_ses | school)"]
    prior = ["--prior", "sector[public] ~ normal(0, 0.01)", "--prior", "tau ~ half_normal(3)"]
    found = as_json(run("fit", *arguments, "--json", *prior, "--top", 2))
    held = next(p for p in found["parameters"] if p["name"] == "sector[public]")
    assert abs(held["mean"]) < 0.05
    assert [(g["group"], g["term"]) for g in found["groups"]] == [
        (1224, "Intercept"), (1224, "relative_ses"),
        (1288, "Intercept"), (1288, "relative_ses"),
    ]  # fmt: skip
    assert "reference_level" in [n["code"] for n in found["notices"]]
    printed = run("fit", *arguments, "--top", 2, "--plot", tmp_path / "chart.svg").out
    for words in (
        "160 groups of school",
        "rho[school, Intercept, relative_ses]",
        "4 of 320 effects of groups",
    ):
        assert words in printed
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")


def test_nested_groups_of_a_file(run, tmp_path):
    rng = np.random.default_rng(3)
    county = np.repeat(["007", "08"], 40)
    rows = {"county": county, "tract": np.tile(np.arange(8), 10), "y": rng.normal(size=80)}
    pd.DataFrame(rows).to_csv(tmp_path / "rows.csv", index=False)
    formula = "y ~ 1 + (1 | county/tract)"
    found = as_json(run("fit", tmp_path / "rows.csv", formula, "--json",
                        "--prior", "tau ~ half_normal(1)"))  # fmt: skip
    labels = [g["group"] for g in found["groups"]]
    assert labels[:2] == ["007", "08"]
    assert labels[2:4] == ["007:0", "007:1"]
    assert {g["factor"] for g in found["groups"]} == {"county", "county:tract"}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_out(run, scores, tmp_path, ending):
    path = tmp_path / f"groups.{ending}"
    result = run("fit", scores, FORMULA, "--json", "--out", path, "--top", 3)
    assert len(as_json(result)["groups"]) == 3
    assert result.err == f"wrote 3 groups to {path}\n"
    read = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert list(read) == COLUMNS
    assert read["group"].tolist() == list("ENS")


def test_standard_input(run, scores, tmp_path):
    expected = as_csv(run("fit", scores, FORMULA, "--csv"))
    assert as_csv(run("fit", "-", FORMULA, "--csv", stdin=scores.read_bytes())) == expected
    pd.read_csv(scores).to_parquet(tmp_path / "scores.parquet")
    content = (tmp_path / "scores.parquet").read_bytes()
    found = as_csv(run("fit", "-", FORMULA, "--csv", stdin=content))
    for row, other in zip(found, expected, strict=True):  # sums in another order
        assert row.pop("group") == other.pop("group")
        assert [float(v) for v in row.values()] == pytest.approx(
            [float(v) for v in other.values()], rel=1e-12
        )


def test_a_file_named_like_a_data_set_is_the_file(run, scores, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rats").write_bytes(scores.read_bytes())
    result = run("fit", "rats", FORMULA)
    assert result.code == 2
    assert "the ending says what a file is" in result.err


def test_in_a_process_of_its_own(scores):
    command = [sys.executable, "-c", "from partialpool.cli import main; main()", "fit"]
    done = subprocess.run([*command, scores, FORMULA, "--csv"], capture_output=True, check=True)
    assert done.stdout.startswith(b"group,n,raw,")
    bad = subprocess.run([*command, "nope.csv", FORMULA], capture_output=True, check=False)
    assert (bad.returncode, bad.stdout) == (2, b"")
    assert bad.stderr.startswith(b'partialpool: there is no file "nope.csv"')


@pytest.mark.parametrize("columns", ["40", "80", "300"])
def test_no_number_of_a_table_is_cut_off(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    out = run("fit", "sleepstudy", "reaction ~ days + (days | subject)", "--top", "4").out
    row = next(line for line in out.splitlines() if "days" in line and "308" in line)
    assert "\u2026" not in out
    assert len(row.split()) == 10  # subject, term, n and seven numbers
    assert "8 of 36 effects of groups" in out


def test_columns_that_repeat_one_word_are_left_out_of_the_printed_table(run):
    one = run("fit", "sleepstudy", "reaction ~ days + (1 | subject)").out
    assert "factor" not in one
    assert "term" not in one
    both = run("fit", "penicillin").out
    assert "factor" in both
    assert "term" not in both
