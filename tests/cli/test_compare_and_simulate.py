"""`partialpool compare` and `partialpool simulate`."""

from __future__ import annotations

import json

import pytest

from partialpool.cli import main
from partialpool.simulate import World, draw


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def test_compare_prints_groups_and_scores(capsys):
    code, out, _ = run(capsys, "compare", "dyestuff", "--with", "reml", "--with", "james_stein")
    assert code == 0
    for word in ("no_pooling", "partial_pooling", "james_stein", "row_rmse", "1,556"):
        assert word in out


def test_compare_as_json(capsys):
    code, out, _ = run(capsys, "compare", "eight_schools", "--json", "--top", "2")
    tables = json.loads(out)
    assert code == 0
    assert [g["group"] for g in tables["groups"]] == ["A", "B"]
    assert tables["scores"][0]["estimator"] == "no_pooling"
    assert tables["scores"][0]["log_score"] is None


def test_compare_coefficients_of_a_mixed_model(capsys):
    code, out, _ = run(capsys, "compare", "radon")
    assert code == 0
    for word in ("robust se", "hierarchical", "log(uranium)", "which the groups take up"):
        assert word in out
    code, out, _ = run(capsys, "compare", "radon", "--json")
    floor = json.loads(out)["coefficients"][1]
    assert floor["name"] == "floor"
    assert floor["complete_robust_se"] > floor["complete_se"]
    code, _, err = run(capsys, "compare", "radon", "--with", "reml")
    assert code == 2
    assert "takes none" in err


def test_simulate_prints_one_world_and_the_risks(capsys):
    code, out, _ = run(capsys, "simulate", "--sizes", "5,5,40", "--replicates", "200")
    assert code == 0
    assert "3 groups, tau 5" in out
    assert "Expected over 200 such worlds" in out
    assert "posterior" in out


def test_simulate_draws_worlds_of_counts(capsys):
    arguments = ("simulate", "--family", "binomial", "--sizes", "10,20,30,15", "--replicates", "20")
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "4 groups, binomial, normal population, tau 0.5, mu -1" in out
    assert "complete_pooling" in out
    tables = json.loads(run(capsys, *arguments, "--json")[1])
    assert [row["size"] for row in tables["world"]] == [10, 20, 30, 15]
    assert [row["estimator"] for row in tables["risks"]][-1] == "posterior"


def test_simulate_has_the_settings_of_the_library(capsys):
    arguments = (
        "simulate",
        "--groups",
        "5",
        "--n",
        "20",
        "--imbalance",
        "1",
        "--tau",
        "3",
        "--seed",
    )
    code, out, _ = run(capsys, *arguments, "4", "--sigma-unknown", "--replicates", "9", "--json")
    assert code == 0
    drawn = draw(World.of(5, 20, 3, imbalance=1.0), seed=4, sigma_known=False).table()
    for row, n, truth, pooled in zip(
        json.loads(out)["world"], drawn["n"], drawn["truth"], drawn["posterior"], strict=True
    ):
        assert row["n"] == n
        assert row["truth"] == pytest.approx(truth)
        assert row["posterior"] == pytest.approx(pooled)


def test_simulate_is_reproducible(capsys):
    arguments = ("simulate", "--groups", "5", "--replicates", "50", "--seed", "3", "--json")
    first, second = run(capsys, *arguments)[1], run(capsys, *arguments)[1]
    assert first == second
    assert len(json.loads(first)["world"]) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "eight_schools", "--with", "remll"), 'did you mean "reml"'),
        (("compare", "nothing.csv", "y ~ 1 + (1 | g)"), 'there is no file "nothing.csv"'),
        (("simulate", "--sizes", "5,x"), "whole numbers separated by commas"),
        (("simulate", "--tau", "-1"), "tau must be 0 or more"),
        (("simulate", "--groups", "1"), "at least 2 groups"),
        (("simulate", "--population", "odd"), "normal, heavy_tailed, two_clusters, outlier"),
        (("simulate", "--replicates", "0"), "between 1 and"),
        (("simulate", "--family", "poisson", "--sigma", "2"), "--sigma is for measurements"),
        (("simulate", "--family", "poisson", "--population", "outlier"), "is normal or gamma"),
        (
            ("simulate", "--family", "poisson", "--imbalance", "1"),
            "--imbalance is for measurements",
        ),
        (("simulate", "--family", "odd"), "binomial"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(capsys, arguments, words):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) == 1
