"""Files that are broken or strange end in a result or in a sentence that names the file."""

import gzip
import io
import re

import numpy as np
import pandas as pd
import pytest

from partialpool.app.your_file import YourFile
from partialpool.errors import PartialPoolError
from partialpool.rows.preview import MOST_COLUMNS

ROWS = [("ABCD"[i % 4], i * i % 7) for i in range(24)]


def lines(rows=ROWS, header="school,score"):
    return "\n".join([header, *(",".join(map(str, row)) for row in rows), ""])


def parquet():
    file = io.BytesIO()
    pd.DataFrame(ROWS, columns=["school", "score"]).to_parquet(file)
    return file.getvalue()


def excel():
    file = io.BytesIO()
    pd.DataFrame(ROWS, columns=["school", "score"]).to_excel(file, index=False)
    return file.getvalue()


UNREADABLE = {
    "empty.csv": (b"", "empty"),
    "header.csv": ("school,score\n", "no rows"),
    "no_ending": (lines(), "ending"),
    "program.exe": (b"MZ", "ending"),
    "half.parquet": (parquet()[: len(parquet()) // 2], "cannot be read"),
    "words.parquet": ("hello", "cannot be read"),
    "half.xlsx": (excel()[: len(excel()) // 2], "cannot be read"),
    "words.xlsx": ("hello", "cannot be read"),
    "half.csv.gz": (gzip.compress(lines().encode())[:30], "cannot be read"),
    "cut16.csv": (lines().encode("utf-16")[:-1], "utf-16"),
    "long.csv": ("school,score\nA," + "9" * 3_000_000 + "\n", "cannot be read"),
    "columns.csv": (
        ",".join(f"c{i}" for i in range(50_000)) + "\n" + ",".join("1" * 50_000) + "\n",
        f"50,000 columns and at most {MOST_COLUMNS:,}",
    ),
    "bytes.csv": (bytes(range(256)) * 40, ""),
}
REFUSED = {
    "one group.csv": (lines([("A", i) for i in range(5)]), "one group"),
    "two groups.csv": (lines([("AB"[i % 2], i) for i in range(9)]), "too few"),
    "text.csv": (lines([*ROWS, ("A", "abc")]), "must hold numbers"),
    "commas and points.csv": (
        "\n".join(["school;score", "A;1.5", *(f"{g};{v},5" for g, v in ROWS)]),
        "69.8, not 69,8",
    ),
    "infinite.csv": (lines([*ROWS, ("A", "inf")]), "finite"),
    "twice.csv": (lines([(g, v, v) for g, v in ROWS], "school,score,score"), "2 times"),
    "equal.csv": (lines([(g, 5) for g, _ in ROWS]), "all values are equal"),
    "a row each.csv": (lines([(f"g{i}", i % 5) for i in range(40)]), "one row"),
    "other.csv": (lines(header="group,value"), "not in the data"),
    "ragged.csv": (lines([*ROWS, ("A", 1, 2, 3)]), ""),
}
FITTED = {
    "offset.csv": lines([(g, v + 1e9) for g, v in ROWS]),
    "missing.csv": lines([(g if i % 5 else "", v if i % 3 else "NA") for i, (g, v) in
                          enumerate(ROWS)]),
    "nul.csv": lines([*ROWS, ("A\0B", 3)]),
    "ok.parquet": parquet(),
    "ok.xlsx": excel(),
    "学校 🎓.csv": lines(),
}  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    """Save as an upload is: under a name that says nothing but its ending."""

    def call(content, name):
        path = (
            tmp_path / f"upload-1{'.csv.gz' if name.endswith('.gz') else name[name.rfind('.') :]}"
        )
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return YourFile(str(path), name)

    return call


CHOICES = {"outcome": "score", "groups": ["school"]}


def assert_sentence(caught, words, tmp_path):
    text = str(caught.value)
    assert re.search(words, text), text
    assert str(tmp_path) not in text
    assert "upload-1" not in text
    assert "Traceback" not in text
    assert len(text) < 800


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_said(name, saved, tmp_path):
    content, words = UNREADABLE[name]
    with pytest.raises(PartialPoolError) as caught:
        saved(content, name).columns()
    assert_sentence(caught, re.escape(words), tmp_path)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_fitted_is_said(name, saved, tmp_path):
    content, words = REFUSED[name]
    with pytest.raises(PartialPoolError) as caught:
        saved(content, name).fit(CHOICES)
    assert_sentence(caught, re.escape(words), tmp_path)


@pytest.mark.parametrize("name", FITTED)
def test_what_is_only_strange_is_fitted(name, saved):
    file = saved(FITTED[name], name)
    told = file.columns()
    assert [(c["name"], c["kind"]) for c in told["columns"]] == [
        ("school", "text"), ("score", "number")]  # fmt: skip
    values = np.array([row["estimate"] for row in file.fit(CHOICES)["groups"]["rows"]])
    assert np.isfinite(values).all()
    if name == "offset.csv":
        plain = [
            row["estimate"] for row in saved(lines(), "plain.csv").fit(CHOICES)["groups"]["rows"]
        ]
        assert values - 1e9 == pytest.approx(plain, abs=1e-5)


def test_a_file_that_went_away_is_said(saved, tmp_path):
    file = saved(lines(), "mine.csv")
    (tmp_path / "upload-1.csv").unlink()
    for ask in (file.columns, lambda: file.fit(CHOICES)):
        with pytest.raises(PartialPoolError, match=r'"mine[.]csv" is no longer here') as caught:
            ask()
        assert_sentence(caught, "choose it again", tmp_path)
