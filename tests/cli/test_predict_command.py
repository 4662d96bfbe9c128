"""`partialpool predict`, and tables to files."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool.cli import main

FORMULA = "score ~ 1 + (1 | school)"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"school": np.repeat(list("ABCDEF"), 5), "score": rng.normal(60, 5, 30)})
    data.to_csv("scores.csv", index=False)
    (tmp_path / "new.csv").write_text("school;note;sd\nA;x;1\nB;=1+1;2\nA;;3\n")
    (tmp_path / "others.csv").write_text("school\nZ\n")
    return data


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    found = capsys.readouterr()
    return caught.value.code, found.out, found.err


def test_predictions_stand_beside_the_rows(files, capsys):
    code, out, _ = run(capsys, "predict", "scores.csv", FORMULA, "new.csv", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    want = pp.fit(FORMULA, files).predict({"school": ["A", "B", "A"]})
    assert code == 0
    assert [r["note"] for r in rows] == ["x", "=1+1", ""]
    assert [r["sd (given)"] for r in rows] == ["1", "2", "3"]
    np.testing.assert_allclose([float(r["upper"]) for r in rows], want["upper"])
    code, out, _ = run(capsys, "predict", "scores.csv", FORMULA, "new.csv")
    assert "lower and upper: 95% interval" in out
    code, out, _ = run(capsys, "predict", "scores.csv", FORMULA, "new.csv", "--json")
    assert json.loads(out)["predictions"][1]["estimate"] == pytest.approx(want["estimate"][1])


@pytest.mark.parametrize("target", ["new_group", "population"])
def test_other_targets_and_new_observations(files, capsys, target):
    options = ["--target", target, "--observation", "--interval", "0.5", "--csv"]
    _, out, _ = run(capsys, "predict", "scores.csv", FORMULA, "new.csv", *options)
    rows = list(csv.DictReader(io.StringIO(out)))
    how = {"target": target, "observation": True, "level": 0.5}
    want = pp.fit(FORMULA, files).predict({"school": ["A", "B", "A"]}, **how)
    np.testing.assert_allclose([float(r["lower"]) for r in rows], want["lower"])


def test_groups_that_are_not_in_the_data(files, capsys):
    code, _, err = run(capsys, "predict", "scores.csv", FORMULA, "others.csv")
    assert code == 2
    assert 'there is no group "Z"' in err
    code, out, _ = run(
        capsys, "predict", "scores.csv", FORMULA, "others.csv", "--unseen", "new_group", "--csv"
    )
    assert code == 0
    assert out.count("\n") == 2


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_tables_are_written_to_files(files, capsys, tmp_path, ending):
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "xlsx": pd.read_excel}[ending]
    run(capsys, "predict", "scores.csv", FORMULA, "new.csv", "--out", f"p.{ending}")
    assert read(f"p.{ending}")["note"].tolist()[:2] == ["x", "=1+1"]
    run(capsys, "rank", "scores.csv", FORMULA, "--out", f"r.{ending}")
    ranks = read(f"r.{ending}")
    assert ranks["expected_rank"].is_monotonic_increasing
    run(capsys, "fit", "scores.csv", FORMULA, "--out", f"g.{ending}")
    want = pp.fit(FORMULA, files).groups()["estimate"]
    np.testing.assert_allclose(read(f"g.{ending}")["estimate"], want)
    assert {p.name for p in tmp_path.glob("*.part")} == set()


def test_a_file_of_another_kind_is_refused(files, capsys):
    code, _, err = run(capsys, "rank", "scores.csv", FORMULA, "--out", "r.docx")
    assert code == 2
    assert "allowed are .csv, .parquet and .xlsx" in err


def test_ranks_as_csv(files, capsys):
    _, out, _ = run(capsys, "rank", "scores.csv", FORMULA, "--csv")
    assert out.startswith("group,expected_rank,lower,median,upper,best,top\n")
