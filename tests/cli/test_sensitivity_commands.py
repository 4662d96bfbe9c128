"""`partialpool sensitivity`, `influence` and `compare-models`."""

import csv
import io
import json

import pytest

RADON = ("log_radon ~ 1 + (1 | county)", "log_radon ~ floor + (1 | county)")


def test_sensitivity_prints_what_moves(run):
    out = run("sensitivity", "eight_schools", "--prior", "tau ~ half_normal(2)").out
    for words in ("tau[school]", "tau ~ half_normal(2) (the fit)", "+4.32*", "3 of 8 groups move"):
        assert words in out


def test_sensitivity_as_json_and_csv(run, tmp_path):
    result = json.loads(run("sensitivity", "eight_schools", "--json").out)
    assert result["parameters"][0]["setting"] == "tau ~ flat()"
    assert len(result["largest"]) == 8
    assert result["refused"] == {}
    path = tmp_path / "moved.csv"
    result = run("sensitivity", "eight_schools", "--csv", "--out", path)
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert rows[0]["kind"] == "fit"
    assert path.read_text() == result.out


def test_sensitivity_is_drawn(run, tmp_path):
    path = tmp_path / "moved.svg"
    assert run("sensitivity", "eight_schools", "--plot", path).code == 0
    assert "What the answers owe to the prior" in path.read_text()


def test_influence(run):
    out = run("influence", "eight_schools", "--top", "2").out
    for words in ("tau[school] (shift)", "10.0 (+0.39)", "Without E Intercept moves most"):
        assert words in out
    rows = list(csv.DictReader(io.StringIO(run("influence", "eight_schools", "--csv").out)))
    assert float(rows[0]["elpd"]) == pytest.approx(-4.5958411, abs=1e-6)
    result = json.loads(run("influence", "eight_schools", "--json").out)
    assert result["groups"][0]["group"] == "A"


def test_compare_models(run):
    out = run("compare-models", "radon", *RADON).out
    for words in ("-1,049.49", "A: log_radon ~ floor + (1 | county)", "A predicts groups best"):
        assert words in out
    result = json.loads(run("compare-models", "radon", *RADON, "--json").out)
    assert [m["model"] for m in result["models"]] == list(RADON[::-1])
    assert result["models"][0]["log_marginal_likelihood"] is None
    assert len(result["groups"]) == 85


def test_compare_models_by_prior_and_family(run):
    prior = ("--or-prior", "tau ~ half_normal(5)", "--csv")
    rows = list(csv.DictReader(io.StringIO(run("compare-models", "eight_schools", *prior).out)))
    assert [r["model"].split("tau ~ ")[1] for r in rows] == ["half_normal(5))", "flat())"]
    populations = ("--population", "normal", "--population", "beta")
    out = run("compare-models", "surgical_deaths", *populations).out
    assert "(binomial, beta population, tau ~ flat())" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("influence", "penicillin"), "several factors (plate and sample)"),
        (("influence", "eight_schools", "--factor", "town"), 'no factor "town"'),
        (("influence", "eight_schools", "--csv", "--json"), "give one"),
        (("sensitivity", "eight_schools", "--csv", "--json"), "give one"),
        (("sensitivity", "eight_schools", "--plot", "moved.doc"), "moved.doc"),
        (("compare-models", "-", *RADON), "can be read once only"),
        (("compare-models", "radon", "exp(log_radon) ~ 1 + (1 | county)", RADON[1]), "outcomes"),
    ],
)
def test_bad_input_is_one_line(run, arguments, words):
    result = run(*arguments)
    assert result.code == 2
    assert words in result.err
    assert result.err.count("\n") == 1
