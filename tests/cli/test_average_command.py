"""`partialpool average`."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool.cli import main

FORMULA = "bought | trials(visits) ~ arm + (1 | segment)"
PRIOR = "tau ~ half_normal(1)"


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    segment, arm = np.repeat(list("PQRSTU"), 2), np.tile(["A", "B"], 6)
    visits = rng.integers(50, 900, 12)
    rate = 0.1 + 0.03 * (arm == "B")
    test = pd.DataFrame(
        {"segment": segment, "arm": arm, "visits": visits, "bought": rng.binomial(visits, rate)}
    )
    test.to_csv("test.csv", index=False)
    cells = pd.DataFrame({"segment": [*"PQRS", "new"], "n": [5, 4, 3, 2, 1], "half": list("xxyyy")})
    cells.to_csv("cells.csv", index=False)
    (tmp_path / "bad.csv").write_text("segment;n\nP;-3\n")
    return test, cells


def run(capsys, *options, cells="cells.csv"):
    words = ["average", "test.csv", FORMULA, cells, "--prior", PRIOR, *options]
    with pytest.raises(SystemExit) as caught:
        main(words)
    found = capsys.readouterr()
    return caught.value.code, found.out, found.err


def test_averages_are_those_of_the_fit(files, capsys):
    test, cells = files
    fit = pp.fit(FORMULA, test, prior=PRIOR)
    how = ["--by", "half", "--weights", "n", "--contrast", "arm=A,B", "--kind", "ratio"]
    how += ["--unseen", "new_group", "--above", "1"]
    code, out, _ = run(capsys, *how, "--csv")
    want = fit.average(
        cells,
        by="half",
        weights="n",
        contrast={"arm": ("A", "B")},
        kind="ratio",
        unseen="new_group",
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [r["half"] for r in rows] == ["x", "y"]
    assert [r["contrast"] for r in rows] == ["B / A", "B / A"]
    for name in ("estimate", "sd", "lower", "upper"):
        np.testing.assert_allclose([float(r[name]) for r in rows], want[name])
    above = want.probability(above=1.0)
    np.testing.assert_allclose([float(r["p_above"]) for r in rows], above)
    code, out, _ = run(capsys, *how, "--json", "--out", "averages.parquet")
    assert json.loads(out)["averages"][1]["estimate"] == pytest.approx(want["estimate"][1])
    assert pd.read_parquet("averages.parquet")["half"].tolist() == ["x", "y"]
    code, out, _ = run(capsys, *how)
    assert "P(above 1)" in out
    assert "lower and upper: 95% interval" in out


def test_totals_with_a_known_sum_and_losses(files, capsys):
    how = ["--weights", "n", "--unseen", "population"]
    total = ["--by", "segment,half", "--total", "--benchmark", "4"]
    _, out, _ = run(capsys, *how, *total, "--contrast", "arm=A,B")
    assert out == ""
    how_cells = ["--by", "segment", "--by", "half", "--contrast", "arm=A,B", "--loss"]
    code, out, _ = run(capsys, *how, *how_cells)
    assert code == 0
    assert "loss_otherwise" in out
    assert "probability: that the choice is truly the better" in out
    words = ["average", "test.csv", FORMULA, "test.csv", "--prior", PRIOR, "--weights", "visits"]
    with pytest.raises(SystemExit):
        main([*words, *total[:1], "segment", *total[2:3], "--benchmark", "600"])
    assert "Totals add up to 600, which lies" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--contrast", "arm=A"],
            '--contrast is a column and two of its levels, such as "arm=A,B"',
        ),
        (["--contrast", "arm=A,C"], 'column "arm" of the new data holds "C" in row 1'),
        (["--by", "state", "--contrast", "arm=A,B"], 'column "state" is not in the data'),
        (["--csv", "--json"], "--json and --csv both print"),
        (["--loss"], "--loss is of a choice"),
        (["--benchmark", "3"], "it goes with total=True"),
    ],
)
def test_what_makes_no_sense_is_one_line(files, capsys, options, message):
    code, out, err = run(capsys, "--unseen", "new_group", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_bad_weights_of_a_file_are_one_line(files, capsys):
    code, _, err = run(capsys, "--weights", "n", "--contrast", "arm=A,B", cells="bad.csv")
    assert code == 2
    assert 'column "n" must hold finite numbers, 0 or more; it holds -3 in row 1' in err
