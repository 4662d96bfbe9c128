"""Help, the list of data sets, and bad input: one line on standard error and exit code 2."""

import json

import pytest

import partialpool as pp
from partialpool.cli import main

FORMULA = "score ~ 1 + (1 | school)"


def test_alone_it_prints_help(run):
    result = run()
    assert "Usage: partialpool" in result.out
    assert "fit" in result.out
    assert "datasets" in result.out
    assert result.err == ""


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["fit", "--help"], ["datasets", "-h"]])
def test_help(run, arguments):
    result = run(*arguments)
    assert result.code == 0
    assert "Usage: partialpool" in result.out


def test_version(run):
    assert run("--version").out == f"partialpool, version {pp.__version__}\n"


def test_datasets(run):
    out = run("datasets").out
    rows = json.loads(run("datasets", "--json").out)
    assert [r["name"] for r in rows] == [d.name for d in pp.datasets.catalogue]
    for row in rows:
        assert set(row) - {"family"} == {"name", "field", "formula", "title", "citation"}
        assert row["name"] in out
        assert row["formula"] in out
        assert callable(getattr(pp.datasets, row["name"]))
    for field in ("education", "sports", "trials", "marketing", "ecology"):
        names = [r["name"] for r in rows if r["field"] == field]
        assert names
        assert f"{field:<11}  {', '.join(names)}" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "No such command 'nope'"),
        (["fit"], "Missing argument 'DATA'"),
        (["fit", "eight_schools", FORMULA, "more"], "unexpected extra argument"),
        (["fit", "eight_schools", "--nope"], "No such option"),
        (["fit", "nope.csv"], 'a formula is needed for "nope.csv"'),
        (["fit", "."], 'such as "score ~ 1'),
        (["fit", "eight_school"], 'did you mean "eight_schools"'),
        (["fit", "nope.csv", FORMULA], 'there is no file "nope.csv"'),
        (["fit", ".", FORMULA], "is a folder"),
        (["fit", "-", FORMULA], "standard input is empty"),
        (["fit", "eight_schools", "effect ~"], "expected a column name"),
        (["fit", "eight_schools", "effect ~\n(1|\nschool"], 'expected ")"'),
        (["fit", "eight_schools", "efect | se(se) ~ (1|school)"], 'did you mean "effect"'),
        (["fit", "eight_schools", "`\x1b[31m` ~ (1|school)"], "is not in the data"),
        (["fit", "eight_schools", "effect ~ 1 + (1 | school)"], "every group has one row"),
        (["fit", "eight_schools", "--json", "--csv"], "give one"),
        (["fit", "eight_schools", "--interval", "2"], "between 0 and 1; received 2"),
        (["fit", "eight_schools", "--interval", "nan"], "between 0 and 1"),
        (["fit", "eight_schools", "--interval", "x"], "not a valid float"),
        (["fit", "eight_schools", "--top", "0"], "'--top'"),
        (["fit", "eight_schools", "--sort", "size"], "'shrinkage'"),
        (["fit", "eight_schools", "--out", "table.docx"], ".parquet and .xlsx"),
        (["fit", "eight_schools", "--out", "no/such/folder/t.csv"], "cannot be written"),
        (["fit", "eight_schools", "--prior", "tau"], 'has no "~"'),
        (["fit", "eight_schools", "--prior", "tau ~ half_norml(5)"], 'did you mean "half_normal"'),
        (["fit", "eight_schools", "--prior", "tau ~ half_normal(-5)"], "must be positive"),
        (["fit", "eight_schools", "--prior", "tau ~ half_normal(1e999)"], "cannot be read"),
        (["fit", "eight_schools", "--prior", "tau ~ __import__('os')"], "there is no prior"),
        (["fit", "eight_schools", "--prior", "rho ~ flat()"], 'there is no parameter "rho"'),
        (["fit", "eight_schools", "--prior", "tau ~ jeffreys()"], "infinite posterior"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments, words):
    result = run(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert words in result.err
    assert result.err.startswith("partialpool: ")
    assert result.err.count("\n") == 1
    assert result.err.rstrip("\n").isprintable()


def test_debug_shows_the_traceback(run):
    with pytest.raises(pp.DataError):
        run("fit", "nope.csv", FORMULA, "--debug")


def test_ranks(run):
    shown = run("rank", "eight_schools", "--top", "3")
    assert shown.code == 0
    rows = [line.split() for line in shown.out.splitlines() if line[1:2] in set("ABCDEFGH")]
    assert [r[0] for r in rows] == list("AGHBDCFE")
    found = json.loads(run("rank", "eight_schools", "--lowest", "--json").out)
    assert found["ranks"][0]["group"] == "E"
    refused = run("rank", "eight_schools", "--top", "9")
    assert (refused.code, "between 1 and the number" in refused.err) == (2, True)


def test_the_shell_completes_names_of_data_sets_and_files(monkeypatch, capsys):
    monkeypatch.setenv("_PARTIALPOOL_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "partialpool rank sleep")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        main([])
    assert capsys.readouterr().out.split() == ["plain,sleepstudy", "file,sleep"]


def test_a_file_without_a_formula_is_answered_with_one_of_its_columns(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{'ABC'[i % 3]};{i % 5},5;{i}\n" for i in range(12))
    (tmp_path / "rows.csv").write_text(f"Filiale;Umsatz;Zeile\n{rows}", encoding="utf-8")
    said = run("fit", "rows.csv")
    assert said.code == 2
    suggested = "'Umsatz ~ 1 + (1 | Filiale)'"
    assert f"such as {suggested} (its columns are Filiale, Umsatz, Zeile)" in said.err
    assert run("fit", "rows.csv", suggested.strip("'")).code == 0
