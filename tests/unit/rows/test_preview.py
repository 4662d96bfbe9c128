"""What is in a file before anything is fitted: the row of names, kinds, numbers as written."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool.errors import DataError
from partialpool.rows.preview import preview


@pytest.fixture
def look(tmp_path):
    def call(text, name="a.csv", encoding="utf-8", **reading):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return preview(path, **reading)

    return call


def kinds(seen):
    return {c.name: c.kind for c in seen.columns}


TITLED = [
    "Spring results\n\nschool;score\nA;69,8\nB;71,5\n",
    "Spring results;;\nby school;;\nschool;score\nA;69,8\nB;71,5\n",
    "School results, spring\nschool;score\nA;69,8\nB;71,5\n",
    "\n\nschool;score\nA;69,8\nB;71,5\n",
    "school;score\nA;69,8\nB;71,5\n",
]


@pytest.mark.parametrize("text", TITLED)
def test_the_row_of_names_is_looked_for_below_a_title(look, text, tmp_path):
    seen = look(text)
    assert kinds(seen) == {"school": "text", "score": "number"}
    assert [c.texts for c in seen.columns] == [("A", "B"), ("69.8", "71.5")]
    assert ("title" in {n.code for n in seen.notices}) == (not text.strip().startswith("school;"))


def test_a_header_with_numbers_or_gaps_stays_the_header(look):
    assert kinds(look("school,2019,2020\nA,1,2\nB,2,3\n")) == {
        "school": "text", "2019": "number", "2020": "number"}  # fmt: skip
    assert kinds(look(",school,score\n0,A,1\n1,B,2\n")) == {"school": "text", "score": "number"}
    assert kinds(look("a,b,,\n1,2,3,4\n1,2,3,4\n")) == {"a": "number", "b": "number"}


@pytest.mark.parametrize(
    ("texts", "kind", "first"),
    [
        (["69,8", "1.050,5"], "number", "69.8"),
        (["60.5%", "3%"], "number", "60.5"),
        (["1'050.5", "3"], "number", "1050.5"),
        (["-1e3", "+.5"], "number", "-1e3"),
        (["TRUE", "false"], "yes/no", "TRUE"),
        (["2020-01-02", "2021-12-31"], "date", "2020-01-02"),
        (["12", "x"], "text", "12"),
        (["NA", ""], "empty", None),
        (["NA", "5"], "number", None),
    ],
)
def test_kinds(look, texts, kind, first):
    seen = look("a;b\n" + "".join(f"{t};z\n" for t in texts))
    assert seen.columns[0].kind == kind
    assert seen.columns[0].texts[0] == first


def test_numbers_are_those_that_the_fit_reads(look, tmp_path):
    text = "school;score;share\n" + "".join(
        f"{'ABC'[i % 3]};{i % 7},{i % 10};{i}%\n" for i in range(30)
    )
    seen = look(text)
    read = pp.read(tmp_path / "a.csv")
    for column in seen.columns[1:]:
        assert np.array(column.texts, dtype=float) == pytest.approx(read[column.name])


def test_what_can_be_read_in_two_ways_is_said_and_can_be_told(look):
    seen = look('school,pay\nA,"1,234"\nB,"2,345"\n')
    assert kinds(seen) == {"school": "text", "pay": "number"}
    assert [n.level for n in seen.notices] == ["warning"]
    assert "can be read in two ways" in seen.notices[0].text
    told = look('school,pay\nA,"1,234"\nB,"2,345"\n', decimal=".")
    assert told.columns[1].texts == ("1234", "2345")


def test_encodings_headers_and_missing_words(look):
    latin = look("école;score\nA;1\n", encoding="latin-1")
    assert latin.columns[0].name == "école"
    assert "encoding" in {n.code for n in latin.notices}
    assert kinds(look("x;y\na;b\n1;2\n", header=2)) == {"a": "number", "b": "number"}
    assert kinds(look("a;b\n1;n.k.\n2;3\n", na=["n.k."]))["b"] == "number"


def test_workbooks_with_titles(tmp_path):
    path = tmp_path / "a.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame([["Spring", None], ["school", "score"], ["A", 69.8], ["B", 71.5]]).to_excel(
            book, sheet_name="one", header=False, index=False)  # fmt: skip
        pd.DataFrame({"other": [1, 2]}).to_excel(book, sheet_name="two", index=False)
    assert kinds(preview(path)) == {"school": "text", "score": "number"}
    assert kinds(preview(path, sheet="two")) == {"other": "number"}
    with pytest.raises(DataError, match='no sheet "three"'):
        preview(path, sheet="three")
