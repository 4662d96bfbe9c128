"""Populations that are not normal, from the command."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import partialpool as pp

SCHEMA = Path(__file__).parents[2] / "docs" / "fit.schema.json"


@pytest.mark.parametrize(
    "population", ["student", "student(7)", "student(learned)", "contaminated(ratio=5)"]
)
def test_fit_is_that_of_python(run, population):
    out = run("fit", "eight_schools", "--population", population, "--json")
    assert out.code == 0
    result = json.loads(out.out)
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(result)
    data = pp.datasets.eight_schools()
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", data, population=population)
    assert result["population"] == str(fit.population)
    expected = fit.groups()
    assert [g["estimate"] for g in result["groups"]] == pytest.approx(expected["estimate"])


def test_tables_charts_and_other_commands(run, tmp_path):
    how = ("--population", "contaminated(share=0.1, ratio=5)")
    out = run("fit", "eight_schools", *how, "--plot", tmp_path / "a.svg")
    assert out.code == 0
    assert "p_outlying" in out.out
    assert "contaminated normal population, of which a share of 0.1 is 5 times as wide" in out.out
    assert (tmp_path / "a.svg").exists()
    assert "best" in run("rank", "eight_schools", *how).out
    assert "farthest group" in run("check", "eight_schools", *how).out
    assert "elpd" in run("influence", "eight_schools", *how).out
    both = ("--population", "normal", "--population", "student")
    assert "student population" in run("compare-models", "eight_schools", *both).out
    (tmp_path / "new.csv").write_text("school\nA\nZ\n")
    rows = ("effect | se(se) ~ 1 + (1 | school)", tmp_path / "new.csv", "--unseen", "new_group")
    assert run("predict", "eight_schools", *rows, *how, "--csv").code == 0
    assert run("average", "eight_schools", *rows, *how, "--json").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("fit", "eight_schools", "--population", "studnet"), 'did you mean "student"?'),
        (("fit", "eight_schools", "--population", "student(0)"), "df is the degrees of freedom"),
        (("fit", "eight_schools", "--population", "beta"), 'goes with family="binomial"'),
        (
            ("fit", "eight_schools", "--population", "student", "--method", "reml"),
            'method="reml" is for normal populations',
        ),
        (("fit", "sleepstudy", "--population", "student"), "the predictor days does not go with"),
        (
            ("fit", "eight_schools", "--population", "point_normal", "--prior", "tau ~ flat()"),
            "tau ~ flat() is improper",
        ),
        (("compare", "eight_schools", "--population", "student"), "this population is student"),
    ],
)
def test_refusals_are_one_line(run, arguments, words):
    out = run(*arguments)
    assert out.code == 2
    assert words in out.err
    assert len(out.err.strip().splitlines()) == 1


def test_the_formula_and_kept_statistics_name_it(run, tmp_path):
    formula = 'effect | se(se) ~ 1 + (1 | gr(school, dist = "student"))'
    out = run("fit", "eight_schools", formula, "--json").out
    assert json.loads(out)["population"] == "student"
    kept = tmp_path / "s.parquet"
    assert run("statistics", "eight_schools", formula, "--out", kept).code == 0
    assert json.loads(run("fit", kept, "--json").out)["population"] == "student"
    other = run("fit", kept, "--population", "normal", "--json").out
    assert json.loads(other)["population"] == "normal"
