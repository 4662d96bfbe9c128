"""Files as people have them: each is read right, or refused in one sentence."""

import contextlib
import decimal

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pytest

import partialpool as pp
from doors import DOORS, through
from partialpool.cli import main
from partialpool.rows import csv_duckdb
from partialpool.rows.number_styles import PLAIN, NumberStyle, style_of
from partialpool.rows.text_numbers import number_from

FORMULA = "score ~ 1 + (1 | school)"
RNG = np.random.default_rng(0)
DATA = pd.DataFrame(
    {"school": np.repeat(list("ABCDEF"), 5), "score": np.round(RNG.normal(60, 5, 30), 1)}
)
RIGHT = pp.fit(FORMULA, DATA).to_dict()


def lines(separator=",", number=str, school=str):
    rows = [f"{school(a)}{separator}{number(b)}" for a, b in DATA.to_numpy()]
    return "\n".join([f"school{separator}score", *rows, ""])


def comma(value):
    return str(value).replace(".", ",")


def umlaut(name):
    return name.replace("A", "Köln")


TEXTS = {
    "plain": (lines(), "utf-8", None),
    "decimal commas, semicolons": (lines(";", comma), "utf-8", "number_style"),
    "decimal commas, tabs": (lines("\t", comma), "utf-8", "number_style"),
    "decimal commas in quotes": (lines(",", lambda v: f'"{comma(v)}"'), "utf-8", "number_style"),
    "commas and thousands": (lines(";", lambda v: f"1.0{comma(v)}"), "utf-8", "number_style"),
    "percent": (lines(",", lambda v: f"{v}%"), "utf-8", "number_style"),
    "percent, commas, spaces": (lines(";", lambda v: f" {comma(v)} % "), "utf-8", "number_style"),
    "a byte order mark": ("\ufeff" + lines(), "utf-8", None),
    "UTF-16": (lines(), "utf-16", "encoding"),
    "Windows-1252": (lines(school=umlaut), "cp1252", "encoding"),
    "Latin-1": (lines(school=lambda s: umlaut(s) + "\x81"), "latin-1", "encoding"),
    "a title": ("Scores of 2024\n\n" + lines(), "utf-8", "title"),
    "a title with commas": ("Scores, 2024, all\nsource: us\n" + lines(), "utf-8", "title"),
    "words for missing": (lines() + "A,NA\nB,missing\nC,-\nD,#N/A\n", "utf-8", "rows_dropped"),
    "signs and zeros": (lines(",", lambda v: f"+0{v}"), "utf-8", None),
    "semicolons": (lines(";"), "utf-8", None),
}


def means(fit):
    return [row["mean"] for row in fit.to_dict()["parameters"]]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("large", [False, True])
def test_csv(name, large, tmp_path, monkeypatch):
    text, encoding, code = TEXTS[name]
    (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
    if large:  # through DuckDB
        monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0)
    fit = pp.fit(FORMULA, tmp_path / "rows.csv")
    shift = 1000.0 if name == "commas and thousands" else 0.0
    found = np.array(means(fit)) - [shift, 0, 0]
    np.testing.assert_allclose(found, [p["mean"] for p in RIGHT["parameters"]], rtol=1e-9)
    codes = {n.code for n in fit.notices} - {"tau_near_zero"}
    assert codes == ({code} if code else set())


def book(path, *, sheet="Sheet1", startrow=0, data=DATA, before=False):
    with pd.ExcelWriter(path) as writer:
        if before:
            pd.DataFrame({"Notes": ["see the next sheet"]}).to_excel(
                writer, sheet_name="notes", index=False
            )
        data.to_excel(writer, sheet_name=sheet, startrow=startrow, index=False)
    return path


BOOKS = {
    "plain": ({}, set()),
    "a second sheet": ({"sheet": "data", "before": True}, {"sheet"}),
    "a title": ({"startrow": 2}, {"title"}),
    "commas as text": ({"data": DATA.assign(score=DATA["score"].map(comma))}, {"number_style"}),
    "numbers as text": ({"data": DATA.astype(str)}, set()),
}


@pytest.mark.parametrize("name", BOOKS)
def test_excel(name, tmp_path):
    how, codes = BOOKS[name]
    fit = pp.fit(FORMULA, book(tmp_path / "rows.xlsx", **how))
    np.testing.assert_allclose(means(fit), [p["mean"] for p in RIGHT["parameters"]], rtol=1e-9)
    assert {n.code for n in fit.notices} - {"tau_near_zero"} == codes


def test_hidden_sheets_come_last(tmp_path):
    """A hidden sheet is often the state of last year."""
    path = book(tmp_path / "rows.xlsx", sheet="old", data=DATA.assign(score=DATA["score"] + 100))
    workbook = openpyxl.load_workbook(path)
    sheet = workbook.create_sheet("new")
    for row in [tuple(DATA), *DATA.itertuples(index=False)]:
        sheet.append(row)
    workbook["old"].sheet_state = "hidden"
    workbook.save(path)
    fit = pp.fit(FORMULA, path)
    np.testing.assert_allclose(means(fit), [p["mean"] for p in RIGHT["parameters"]], rtol=1e-9)
    assert '"new" was read' in next(n.text for n in fit.notices if n.code == "sheet")
    np.testing.assert_array_equal(pp.read(path)["score"], DATA["score"])


@pytest.mark.parametrize("large", [False, True])
def test_errors_of_a_spreadsheet_are_no_groups(large, tmp_path, monkeypatch):
    if large:
        monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0)
    words = ["#REF!", "#SPILL!", "#NULL!", "#DIV/0!", "<NA>"]
    (tmp_path / "rows.csv").write_text(lines() + "".join(f"{w},60\nA,{w}\n" for w in words))
    fit = pp.fit(FORMULA, tmp_path / "rows.csv")
    np.testing.assert_allclose(means(fit), [p["mean"] for p in RIGHT["parameters"]], rtol=1e-9)
    assert fit.statistics.n_dropped == 2 * len(words)


def test_names_of_columns_with_what_is_not_seen(tmp_path):
    (tmp_path / "rows.csv").write_text(
        "\ufeff\ufeff" + lines().replace("score", "\u200bscore ", 1), encoding="utf-8"
    )
    fit = pp.fit(FORMULA, tmp_path / "rows.csv")
    np.testing.assert_allclose(means(fit), [p["mean"] for p in RIGHT["parameters"]], rtol=1e-9)


def test_na_in_a_workbook(tmp_path):
    data = DATA.astype(object)
    data.loc[[3, 5], "score"] = "NA", "#N/A"
    fit = pp.fit(FORMULA, book(tmp_path / "rows.xlsx", data=data))
    assert fit.statistics.n_dropped == 2


@pytest.mark.parametrize("number", [str, comma, lambda v: f"{v}%"])
def test_frames_of_text(number):
    data = DATA.assign(score=DATA["score"].map(number))
    for frame in (data, pl.DataFrame(data), {k: data[k].tolist() for k in data}):
        fit = pp.fit(FORMULA, frame)
        np.testing.assert_allclose(means(fit), [p["mean"] for p in RIGHT["parameters"]])
        assert "numbers_as_text" in {n.code for n in fit.notices}


@pytest.mark.parametrize("exact", [False, True])
def test_columns_of_numbers_and_text(exact):
    """As a spreadsheet gives them, some of whose cells hold numbers as text, or "n/a"."""
    number = decimal.Decimal if exact else float
    values = [str(v) if i % 3 else number(str(v)) for i, v in enumerate(DATA["score"])]
    mixed = DATA.assign(score=pd.Series([*values[:-1], values[-1]], dtype=object))
    for frame in (mixed, {"school": DATA["school"].tolist(), "score": values}):
        fit = pp.fit(FORMULA, frame)
        np.testing.assert_allclose(means(fit), [p["mean"] for p in RIGHT["parameters"]])
        assert "numbers_as_text" in {n.code for n in fit.notices}
    mixed.loc[[1, 2], "score"] = "n/a"
    assert pp.fit(FORMULA, mixed).statistics.n_dropped == 2
    mixed.loc[1, "score"] = "high"
    with pytest.raises(pp.DataError, match='row 2 holds the text "high": correct'):
        pp.fit(FORMULA, mixed)


def test_an_index_is_no_column():
    with pytest.raises(pp.ColumnError, match=r'"school" is the index .* data.reset_index\(\)'):
        pp.fit(FORMULA, DATA.set_index("school"))


SAID = {
    "comment": (
        lines() + "# the end\n",
        "a comment, or a line of white space, is no row: take it out",
    ),
    "note": (lines() + "the end\n", "take the line out if it is a note"),
    "two ways": (lines(",", lambda v: f'"{v * 10 + 1000:,.0f}"'), "can be read in two ways"),
    "currency": (lines(",", lambda v: f"${v}"), 'holds the text "$'),
    "two styles": (lines(";") + "A;60,5\n", "must hold numbers"),
    "units": (lines(",", lambda v: f"{v} kg"), "must hold numbers"),
    "words": (lines(",", lambda v: "high" if v > 60 else "low"), 'family="binomial"'),
}


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("large", [False, True])
def test_refused_in_one_sentence(name, large, tmp_path, monkeypatch):
    text, words = SAID[name]
    (tmp_path / "rows.csv").write_text(text)
    if large:
        monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0)
    with pytest.raises(pp.DataError) as caught:
        pp.fit(FORMULA, tmp_path / "rows.csv")
    assert words in str(caught.value)


def test_a_predictor_with_decimal_commas_is_no_category(tmp_path):
    data = DATA.assign(x=np.round(RNG.normal(size=30), 3))
    text = "school;score;x\n" + "\n".join(
        f"{a};{comma(b)};{comma(c)}" for a, b, c in data.to_numpy()
    )
    (tmp_path / "rows.csv").write_text(text)
    fit = pp.fit("score ~ x + (1 | school)", tmp_path / "rows.csv", method="reml")
    want = pp.fit("score ~ x + (1 | school)", data, method="reml")
    np.testing.assert_allclose(means(fit), means(want), rtol=1e-8)


def test_points_are_thousands_where_another_column_has_commas(tmp_path):
    text = "school;score;n\n" + "".join(f"{a};{comma(b)};1.200\n" for a, b in DATA.to_numpy())
    (tmp_path / "rows.csv").write_text(text + "A;60,1;900\n")
    fit = pp.fit("score | weights(n) ~ 1 + (1 | school)", tmp_path / "rows.csv")
    want = DATA.assign(n=1200.0)
    want.loc[30] = ["A", 60.1, 900.0]
    np.testing.assert_allclose(means(fit), means(pp.fit(fit.formula, want)), rtol=1e-9)


STYLES = {
    "60,5 7,25": NumberStyle(","),
    "1.234,5 12": NumberStyle(","),
    "1.234.567 2,5": NumberStyle(","),
    "1,234.5 12": NumberStyle(".", marks=True),
    "1,234,567 12": NumberStyle(".", marks=True),
    "1'234.5 12": NumberStyle(".", marks=True),
    "1\u00a0234,5 12": NumberStyle(","),
    "5% 6.5%": NumberStyle(".", True),
    "5% 6,5%": NumberStyle(",", True),
    "-60,5 +7,25": NumberStyle(","),
    ",5 60,": NumberStyle(","),
    "60.5 7.25": PLAIN,
    "0,123 0,456": NumberStyle(","),
    "60,5 7.25": PLAIN,
    "$5 6": PLAIN,
    "12,34,567 8": PLAIN,
    "1e3 true": PLAIN,
}


@pytest.mark.parametrize("texts", STYLES)
def test_styles(texts):
    assert style_of("x", texts.split(" ")) == STYLES[texts]


@pytest.mark.parametrize("style", [s for s in STYLES.values() if not s.is_plain])
def test_styles_in_sql_are_those_in_python(style):
    connection = duckdb.connect()
    texts = ["60,5", "1.234,5", "1,234.5", "1'234", "1\u00a0234", " 5 % ", "6.5%", "x", "", "-,5",
             "1e3", "1.2.3", "12,34", "%", "NA", "1,234,567", "1.234.567", "+7"]  # fmt: skip
    for text in texts:
        sql = f"SELECT {style.sql('x')} FROM (SELECT CAST(? AS VARCHAR) AS x)"
        assert connection.execute(sql, [text]).fetchall() == [(style.rewrite(text),)], text


def test_rewritten_numbers_are_numbers():
    assert number_from(NumberStyle(",").rewrite("1.234,5")) == 1234.5
    assert number_from(NumberStyle(".", True).rewrite("1,234.5 %")) == 1234.5


def test_what_is_read_in_two_ways_is_decided_by_the_reader(tmp_path):
    (tmp_path / "rows.csv").write_text('g,y\na,"1,234"\na,"2,500"\nb,"3,750"\n')
    assert pp.read(tmp_path / "rows.csv", decimal=".")["y"].tolist() == [1234, 2500, 3750]
    assert pp.read(tmp_path / "rows.csv", decimal=",")["y"].tolist() == [1.234, 2.5, 3.75]
    with pytest.raises(pp.DataError, match=r"--decimal"):
        pp.read(tmp_path / "rows.csv")


def test_read(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes("Liste\n\nOrt;plz;x;ok;k\nKöln;05067;1,5;true;a\nBonn;53111;n.k.;false;NA\n".encode(
        "cp1252"))  # fmt: skip
    table = pp.read(path, header=3, na=["n.k."])
    assert list(table) == ["Ort", "plz", "x", "ok", "k"]
    assert table["Ort"].tolist() == ["Köln", "Bonn"]
    assert table["plz"].tolist() == ["05067", "53111"]
    np.testing.assert_array_equal(table["x"], [1.5, np.nan])
    assert table["ok"].tolist() == [True, False]
    assert table["k"].tolist() == ["a", None]
    wrong = {
        "decimal is": {"decimal": ";"},
        "from 1": {"header": 0},
        "is not known": {"encoding": "latin-99"},
        "fewer than 99": {"header": 99},
    }
    for words, how in wrong.items():
        with pytest.raises(pp.PartialPoolError, match=words):
            pp.read(path, **how)
    with pytest.raises(pp.DataError, match="the ending says"):
        pp.read(tmp_path / "rows.docx")


def test_read_parquet_and_excel(tmp_path):
    DATA.to_parquet(tmp_path / "rows.parquet")
    np.testing.assert_array_equal(pp.read(tmp_path / "rows.parquet")["score"], DATA["score"])
    book(tmp_path / "rows.xlsx", sheet="data", before=True)
    found = pp.read(tmp_path / "rows.xlsx", sheet="data")
    np.testing.assert_array_equal(found["score"], DATA["score"])
    with pytest.raises(pp.DataError, match='no sheet "dat"; did you mean "data"'):
        pp.read(tmp_path / "rows.xlsx", sheet="dat")


@pytest.mark.parametrize("na", ["-999", -999, [-999.0], ["n.k.", "-999"]])
def test_a_code_is_missing_however_it_is_written(na, tmp_path):
    """-999, -999.0, -999,0 and with spaces around are one number; 0999 may be a label."""
    values = ["1.5", "-999", "-999.0", " -999", "-9.99e2", "2"]
    (tmp_path / "points.csv").write_text("y\n" + "\n".join(values))
    (tmp_path / "commas.csv").write_text(
        "y;z\n" + "".join(f"{v.replace('.', ',')};1\n" for v in values)
    )
    numbers = pd.DataFrame({"y": [1.5, -999, -999, -999, -999, 2]})
    numbers.to_excel(tmp_path / "numbers.xlsx", index=False)
    numbers.to_parquet(tmp_path / "numbers.parquet")
    for path in sorted(tmp_path.iterdir()):
        read = pp.read(path, na=na)["y"]
        np.testing.assert_array_equal(read, [1.5, *[np.nan] * 4, 2], str(path))
    (tmp_path / "labels.csv").write_text("k\n0999\n0001\n")
    assert pp.read(tmp_path / "labels.csv", na=999)["k"].tolist() == ["0999", "0001"]
    pd.DataFrame({"k": ["a", "-999"], "n": [3, -999]}).to_parquet(tmp_path / "labels.parquet")
    table = pp.read(tmp_path / "labels.parquet", na=na)
    assert (table["k"].tolist(), table["n"].tolist()) == (["a", None], [3, None])


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.parquet", {"sheet": "S"}), ("a.parquet", {"decimal": ","}), ("a.parquet", {"header": 2}),
     ("a.csv", {"sheet": "S"}), ("a.xlsx", {"encoding": "latin-1"})],
)  # fmt: skip
def test_an_argument_that_would_change_nothing_is_refused(name, how):
    with pytest.raises(pp.ArgumentError, match=f"--{next(iter(how))}. says nothing: leave it out"):
        pp.read(name, **how)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--decimal", "."], "30 rows in 6 groups"),
        (["--header", "1", "--decimal", "."], "30 rows in 6 groups"),
        (["--na", "6,000", "--decimal", "."], "6 groups"),
    ],
)
def test_the_command_has_the_same_options(options, words, tmp_path, capsys):
    (tmp_path / "rows.csv").write_text(SAID["two ways"][0])
    with pytest.raises(SystemExit) as caught:
        main(["fit", str(tmp_path / "rows.csv"), FORMULA, *options])
    assert caught.value.code == 0
    assert words in capsys.readouterr().out


def test_later_rows_in_another_style_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0)
    monkeypatch.setattr(csv_duckdb, "FIRST_ROWS", 10)
    (tmp_path / "rows.csv").write_text(lines(";") + "A;60,5\n")
    with pytest.raises(pp.DataError, match=r'row 31 \(line 32 of the file\) holds the text "60,5"'):
        pp.fit(FORMULA, tmp_path / "rows.csv")


def test_broken_texts_end_in_one_sentence(tmp_path, monkeypatch):
    """Random fields, delimiters and encodings: errors are ours, whichever reader reads."""
    rng = np.random.default_rng(5)
    parts = ["A", "1", "2,5", "3.5", "1.234", "60%", "$5", "NA", "-", '"', ";", ",", "\t", "\n",
             "\n", "\r\n", "é", "\x00", "yes", "no", " ", "1'234", "inf", "|"]  # fmt: skip
    for i in range(150):
        head = ["g,y\n", "g;y\n", "g\ty\n", "Title\n\ng,y\n", '"g","y"\n'][i % 5]
        body = "".join(rng.choice(parts, rng.integers(1, 60)))
        encoding = ["utf-8", "latin-1", "utf-16"][i % 3]
        (tmp_path / "rows.csv").write_bytes((head + body).encode(encoding))
        monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0 if i % 2 else 2**19)
        for family in ("gaussian", "binomial"):
            with contextlib.suppress(pp.PartialPoolError):
                pp.fit("y ~ 1 + (1 | g)", tmp_path / "rows.csv", family=family)
        with contextlib.suppress(pp.PartialPoolError):
            pp.read(tmp_path / "rows.csv", encoding="utf-16" if i % 4 == 0 else None)


THOUSANDS = {"A": ["908", "1.050", "990"], "B": ["1.100", "1.250", "980"], "C": ["870", "1.010"]}


@pytest.mark.parametrize("large", [False, True])
def test_the_whole_file_says_what_a_point_is(large, tmp_path, monkeypatch):
    """Decimal commas in any column, of the formula or not: points are thousands marks."""
    if large:
        monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0)
    path = tmp_path / "rows.csv"
    rows = [(g, v) for g, values in THOUSANDS.items() for v in values]
    path.write_text("g;pay;w\n" + "".join(f"{g};{v};{i},5\n" for i, (g, v) in enumerate(rows)))
    want = [float(v.replace(".", "")) for _, v in rows]
    fit = pp.fit("pay ~ 1 + (1 | g)", path)
    assert fit.groups()["raw"][0] == pytest.approx(np.mean(want[:3]))
    np.testing.assert_allclose(pp.read(path)["pay"], want)
    assert pp.read(path)["w"].tolist() == [i + 0.5 for i in range(len(rows))]
    path.write_text("g;pay\n" + "".join(f"{g};{v}\n" for g, v in rows))
    with pytest.raises(pp.DataError, match="may have a decimal point or thousands marks"):
        pp.fit("pay ~ 1 + (1 | g)", path)
    with pytest.raises(pp.DataError, match="may have a decimal point or thousands marks"):
        pp.read(path)
    path.write_text(
        "g;y;x\n" + "".join(f"{g};{i},5;0.{100 + 7 * i}\n" for i, (g, _) in enumerate(rows))
    )
    np.testing.assert_allclose(pp.read(path)["x"], [0.1 + 0.007 * i for i in range(len(rows))])


@pytest.mark.parametrize("large", [False, True])
def test_percent_is_no_count(large, tmp_path, monkeypatch):
    if large:
        monkeypatch.setattr("partialpool.rows.csv_rows.SMALL_FILE", 0)
    (tmp_path / "rows.csv").write_text("g;n;pos\nA;200;35%\nB;300;10%\nC;80;50%\nD;250;20%\n")
    with pytest.raises(pp.DataError, match="percent where numbers of events or trials belong"):
        pp.fit("pos | trials(n) ~ 1 + (1 | g)", tmp_path / "rows.csv")


def test_two_sheets_that_fit_are_said(tmp_path):
    with pd.ExcelWriter(tmp_path / "two.xlsx") as writer:
        DATA.to_excel(writer, sheet_name="2023", index=False)
        DATA.to_excel(writer, sheet_name="2024", index=False)
    (said,) = [n.text for n in pp.fit(FORMULA, tmp_path / "two.xlsx").notices if n.code == "sheet"]
    assert '"2023" was read. Give sheet (--sheet) for another' in said


def test_predictions_keep_the_index_of_pandas():
    fit = pp.fit(FORMULA, DATA)
    new = DATA[DATA["score"] > 62].copy()
    new["p"] = fit.predict(new)["estimate"]
    estimates = dict(zip(fit.groups()["group"], fit.groups()["estimate"], strict=True))
    np.testing.assert_allclose(new["p"], [estimates[s] for s in new["school"]])


def test_labels_of_two_types_and_totals_are_said(tmp_path):
    mixed = DATA.assign(school=[101 + i % 2 if i % 3 else str(101 + i % 2) for i in range(30)])
    (said,) = [n.text for n in pp.fit(FORMULA, mixed).notices if n.code == "labels_alike"]
    assert '101 (int) and "101"' in said
    (tmp_path / "rows.csv").write_text(lines() + "Total,1800\n")
    for formula in (FORMULA, "score ~ 1 + offset(school2) + (1 | school)"):
        rows = pp.read(tmp_path / "rows.csv")
        rows = {**rows, "school2": np.zeros(31)}
        (said,) = [n.text for n in pp.fit(formula, rows).notices if n.code == "summary_row"]
        assert '"Total" has one row' in said


def test_large_ids_stay_what_they_are(tmp_path):
    (tmp_path / "ids.csv").write_text("id,y\n12345678901234567,1\n12345678901234568,2\n")
    assert pp.read(tmp_path / "ids.csv")["id"].tolist() == [12345678901234567, 12345678901234568]


def test_the_bad_value_is_named_not_the_first():
    with pytest.raises(pp.DataError, match='row 3 holds the text "x"'):
        pp.fit(FORMULA, {"school": list("AABB"), "score": ["1.5", "2", "x", "3"]})


@pytest.mark.parametrize("door", DOORS)
def test_a_predictor_of_numbers_and_text_is_a_category_if_its_values_occur_again(
    door, tmp_path, monkeypatch
):
    rng = np.random.default_rng(3)
    x = rng.permutation(np.repeat(["0", "1", "2", "3+"], 15))
    rows = pd.DataFrame({"y": rng.normal(size=60), "x": x, "g": np.arange(60) % 6})
    fit = pp.fit("y ~ x + (1 | g)", through(door, tmp_path, rows, monkeypatch))
    (said,) = [n.text for n in fit.notices if n.code == "numbers_among_words"]
    assert said.startswith('x holds numbers and "3+", and is taken as a category')
    same = pp.fit("y ~ C(x) + (1 | g)", rows)
    assert "numbers_among_words" not in {n.code for n in same.notices}
    np.testing.assert_allclose(means(fit), means(same), rtol=1e-6)
    rows.loc[7, "x"] = "1O"  # a slip, which occurs once
    with pytest.raises(pp.DataError, match=r'column "x" holds .*write C\(x\)'):
        pp.fit("y ~ x + (1 | g)", through(door, tmp_path, rows, monkeypatch))
    many = rows.assign(x=[str(i % 25) if i % 25 else "none" for i in range(60)])
    with pytest.raises(pp.DataError, match=r'column "x" holds .*write C\(x\)'):
        pp.fit("y ~ x + (1 | g)", through(door, tmp_path, many, monkeypatch))
