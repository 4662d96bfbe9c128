"""`partialpool effect-size`, `table`, `fit --exp` and what compare tells of meta-analyses."""

import csv
import io
import json

import numpy as np
import pytest

import partialpool as pp

ARMS = ("--events1", "vaccinated_tb", "--non-events1", "vaccinated_no_tb",
        "--events2", "control_tb", "--non-events2", "control_no_tb")  # fmt: skip
PLAIN = "log_rr | se(log_rr_se) ~ 1 + (1 | trial)"
LATITUDE = "log_rr | se(log_rr_se) ~ latitude + (1 | trial)"


def test_effects_of_a_file_are_fitted(run, tmp_path):
    target = tmp_path / "effects.csv"
    done = run("effect-size", "RR", "bcg", *ARMS, "--out", target)
    assert (done.code, done.out) == (0, "")
    assert done.err == f"wrote 13 studies to {target}\n"
    found = pp.read(target)
    np.testing.assert_allclose(found["effect"], found["log_rr"], rtol=1e-12)
    fitted = run("fit", target, "effect | se(se) ~ 1 + (1 | trial)", "--exp")
    assert "exp(Intercept)" in fitted.out
    assert "prediction interval of the effect in a new trial: 0.12 to 1.99" in fitted.out


def test_effects_are_printed_and_zero_cells_told(run, tmp_path):
    path = tmp_path / "zero.csv"
    path.write_text("study;a;n1;c;n2\nA;0;10;3;12\nB;2;20;;9\n")
    arms = ("--events1", "a", "--n1", "n1", "--events2", "c", "--n2", "n2")
    done = run("effect-size", "odds_ratio", path, *arms)
    assert done.err.splitlines() == [
        "zero cells: a constant was added to the cells of 1 of 2 studies",
        "1 of 2 studies are without an effect (row 2)",
    ]
    assert done.out.split()[:7] == ["study", "a", "n1", "c", "n2", "effect", "se"]
    printed = json.loads(run("effect-size", "OR", path, *arms, "--json").out)
    assert printed["studies"][1]["effect"] is None
    rows = list(csv.DictReader(io.StringIO(run("effect-size", "OR", path, *arms, "--csv").out)))
    assert float(rows[0]["effect"]) == pytest.approx(np.log(0.5 * 9.5 / (10.5 * 3.5)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("XX", "bcg"), 'there is no measure "XX"'),
        (("OR", "bcg", "--events1", "vaccinated_tb"), "not given: n1, events2, n2"),
        (("OR", "bcg", *ARMS, "--names", "se"), "--names are two"),
        (("OR", "nothing.csv", *ARMS), 'there is no file "nothing.csv"'),
    ],
)
def test_effect_size_refuses_in_one_line(run, arguments, words):
    done = run("effect-size", *arguments)
    assert done.code == 2
    assert words in done.err
    assert done.err.count("\n") == 1


def test_models_side_by_side(run):
    done = run("table", "bcg", PLAIN, LATITUDE, "--markdown", "--names", "plain,latitude")
    assert done.out.splitlines()[0] == "|  | plain | latitude |"
    assert "| latitude |  | -0.0287 (0.0093) |" in done.out
    assert r"\begin{tabular}{lrr}" in run("table", "bcg", PLAIN, LATITUDE, "--latex").out
    assert "<td>0.65 (0.19)</td>" in run("table", "bcg", PLAIN, "--html").out
    rows = list(csv.reader(io.StringIO(run("table", "bcg", PLAIN, "--csv", "--exp").out)))
    assert rows[1] == ["exp(Intercept)", "0.49 [0.32, 0.73]"]
    reml = run("table", "bcg", PLAIN, "--method", "reml", "--intervals")
    assert "REML" in reml.out
    assert run("table", "bcg", "log_rr ~ (").code == 2


def test_exp_is_the_scale_of_every_output(run, tmp_path):
    printed = json.loads(run("fit", "bcg", "--exp", "--json").out)
    assert printed["parameters"][0]["name"] == "exp(Intercept)"
    madras = next(g for g in printed["groups"] if g["group"] == "TPT Madras 1980")
    assert madras["raw"] == pytest.approx(np.exp(0.01195233), rel=1e-6)
    picture, page = tmp_path / "forest.svg", tmp_path / "report.html"
    done = run("fit", "bcg", LATITUDE, "--exp", "--plot", picture, "--report", page)
    assert done.code == 0
    assert "exp(log_rr), logarithmic axis" in picture.read_text()
    assert "exp(latitude)" in page.read_text()


def test_compare_tells_heterogeneity_of_meta_analyses(run):
    done = run("compare", "bcg")
    assert "Q 152.23 on 12 degrees of freedom, p < 0.0001; I^2 0.92 (0.82 to 0.98)" in done.out
    assert "lower (KH)" in done.out
    told = json.loads(run("compare", "bcg", LATITUDE, "--json").out)
    assert told["heterogeneity"]["q"] == pytest.approx(30.7330900107493)
    assert [row["name"] for row in told["pooled"]] == ["Intercept", "latitude"]
    assert "Beside the predictors, Q 30.73 on 11" in run("compare", "bcg", LATITUDE).out
    assert "heterogeneity" not in json.loads(run("compare", "dyestuff", "--json").out)
