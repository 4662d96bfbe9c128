"""CITATION.cff and `pp.citation` say the same."""

from pathlib import Path

import pytest

import partialpool as pp

ROOT = Path(__file__).parents[2]


def test_the_file_and_the_function_agree():
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    said = dict(line.strip(" -").split(": ", 1) for line in lines if ": " in line)
    assert said["version"] == pp.__version__
    title, name = said["title"].strip('"'), said["name"].strip('"')
    text, entry = pp.citation(), pp.citation("bibtex")
    for words in (title, name, pp.__version__):
        assert words in text
        assert words in entry
    with pytest.raises(pp.ArgumentError, match='"text" or "bibtex"'):
        pp.citation("apa")


def test_the_methods_paragraph_names_model_and_program():
    fit = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    said = fit.methods(level=0.9)
    for words in (fit.formula, "90% equal-tailed", f"partialpool {pp.__version__}"):
        assert words in said
