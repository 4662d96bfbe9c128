"""The library as a browser has it: no threads, no processes, no DuckDB, nothing that draws."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import partialpool as pp
from partialpool.app import in_worker

ABSENT = (
    "duckdb", "click", "rich", "shiny", "starlette", "uvicorn", "vl_convert", "altair", "pandas",
    "polars", "pyarrow", "pyspark", "multiprocessing", "ssl", "_multiprocessing",
)  # fmt: skip
BARE = f"""
import json, sys, threading
ABSENT = {ABSENT!r}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
def refuse(thread):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
from partialpool.app import in_worker

def asked(verb, request):
    answer = json.loads(in_worker.answer(path, name, folder, verb, json.dumps(request), print))
    assert "result" in answer, answer
    return answer["result"]

path, name, folder, formula = sys.argv[1:]
choices = asked("columns", {{}})["choices"]
if formula:
    choices = {{"formula": formula}}
first = asked("fit", choices)
contrast = asked("contrast", {{"first": 0, "second": 1}})
ranks = asked("rank", {{}})
files = {{kind: in_worker.download(folder, json.dumps({{"kind": kind}}))
         for kind in ("json", "csv", "html", "xlsx", "parquet")}}
sys.stdout = sys.__stdout__
print("RESULT", json.dumps({{
    "fit": json.loads(files["json"][1]), "csv": files["csv"][1].decode(),
    "html": len(files["html"][1]), "xlsx": len(files["xlsx"][1]), "parquet": files["parquet"][0],
    "contrast": contrast, "ranks": ranks, "loaded": [m for m in ABSENT if m in sys.modules],
}}))
"""
FITS = {
    "eight_schools": "",
    "seeds": "germinated | trials(seeds) ~ variety * extract + (1 | plate)",
    "sleepstudy": "reaction ~ days + (days | subject)",
}


@pytest.fixture(params=FITS)
def case(request, tmp_path):
    """A bundled data set as a file: its name, path, and formula."""
    table = getattr(pp.datasets, request.param)()
    path = tmp_path / "file.csv"
    lines = [",".join(table), *(",".join(map(str, row.values())) for row in table.rows())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return request.param, path, FITS[request.param]


def test_three_files_without_what_a_browser_lacks(case, tmp_path):
    name, path, formula = case
    folder = tmp_path / "fits"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, "-c", BARE, str(path), f"{name}.csv", str(folder), formula],
        capture_output=True, text=True, env=os.environ | {"PYTHONWARNINGS": "error"}, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.split("RESULT ")[1])
    assert found["loaded"] == []
    expected = pp.fit(found["fit"]["formula"], path)
    same(found["fit"], expected.to_dict())
    assert formula in ("", found["fit"]["formula"])
    header, first, *_ = found["csv"].splitlines()
    table = expected.groups()
    assert header.split(",") == list(table)
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(row["estimate"]) == pytest.approx(table["estimate"][0], rel=1e-12)
    assert found["html"] > 1000
    assert found["xlsx"] > 1000
    assert "Parquet file needs duckdb" in json.loads(found["parquet"])["error"]
    assert found["ranks"]["rows"]


def same(got, expected):
    """Equal to nine digits, wherever numbers are."""
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        for key in expected:
            same(got[key], expected[key])
    elif isinstance(expected, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            same(one, other)
    elif isinstance(expected, float):
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    else:
        assert got == expected


def test_errors_come_as_words(tmp_path):
    told = json.loads(in_worker.place(str(tmp_path / "1"), "notes.docx"))
    assert "the ending says what a file is" in told["error"]
    path = json.loads(in_worker.place(str(tmp_path / "1"), "scores.csv"))["result"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("school,score\nA,1\nB,x\nA,3\nB,5\n")
    body = json.dumps({"formula": "score ~ 1 + (1 | school)"})
    folder = str(tmp_path / "1")
    where = os.getcwd()
    try:
        told = json.loads(in_worker.answer(path, "scores.csv", folder, "fit", body, print))
        name, content = in_worker.download(folder, json.dumps({"kind": "csv"}))
    finally:
        os.chdir(where)
    assert 'holds the text "x"' in told["error"]
    assert "fit again" in json.loads(name)["error"]
    assert content == b""
