"""Files as people have them, through the command: the right fit, or the wanted sentence.

The rows are 6 schools of 5 scores each, so that the estimates by REML have a closed form (analysis
of variance), which is computed here without the package.
"""

import gzip
import json
import os
import zipfile

import duckdb
import numpy as np
import openpyxl
import pytest

SCHOOLS = ["A", "B", "C", "D", "E", "F"]
RNG = np.random.default_rng(42)
Y = np.round(60 + 6 * RNG.normal(size=(6, 1)) + 3 * RNG.normal(size=(6, 5)), 1)
ROWS = [(s, float(y)) for s, ys in zip(SCHOOLS, Y, strict=True) for y in ys]
FORMULA = "score ~ 1 + (1 | school)"


def anova(y):
    """Mean, tau and sigma of groups of equal size: REML where the groups differ enough."""
    n = y.shape[1]
    within = y.var(axis=1, ddof=1).mean()
    between = n * y.mean(axis=1).var(ddof=1)
    return [y.mean(), np.sqrt((between - within) / n), np.sqrt(within)]


def text(separator=",", number=str, school=str, end="\n", rows=ROWS, head="school{}score"):
    lines = [head.format(separator), *(f"{school(s)}{separator}{number(y)}" for s, y in rows)]
    return end.join(lines) + end


def comma(y):
    return str(y).replace(".", ",")


def quoted(y):
    return f'"{y}"'


TITLE = "Scores of 2024, all schools\nprinted 3 May\n\n"
GERMAN = {"A": "Köln", "B": "Düsseldorf"}


def german(s):
    return GERMAN.get(s, s)


def between(word):
    """A row whose score is a word, among the others."""
    lines = text().split("\n")
    return "\n".join([*lines[:4], f"A,{word}", *lines[4:]])


# name of the file: its content, options, and what its values are multiplied by or added to
READ = {
    "plain.csv": (text(), (), 0),
    "windows line ends.csv": (text(end="\r\n"), (), 0),
    "old mac line ends.csv": (text(end="\r"), (), 0),
    "mixed line ends.csv": (text().replace("\n", "\r\n", 7), (), 0),
    "no newline at the end.csv": (text().rstrip(), (), 0),
    "blank lines.csv": (text().replace("\nC", "\n\nC", 1) + "\n\n", (), 0),
    "blank lines at the top.csv": ("\n\n" + text(), (), 0),
    "commas at the ends.csv": (text().replace("\n", ",,\n"), (), 0),
    "semicolons.csv": (text(";"), (), 0),
    "tabs.tsv": (text("\t"), (), 0),
    "tabs.txt": (text("\t"), (), 0),
    "bars.csv": (text("|"), (), 0),
    "UPPER.CSV": (text(), (), 0),
    "byte order mark.csv": ("\ufeff" + text(), (), 0),
    "utf-16.csv": (text().encode("utf-16"), (), 0),
    "windows-1252.csv": (text(school=german).encode("cp1252"), (), 0),
    "latin-1 told.csv": (text(school=german).encode("latin-1"), ("--encoding", "latin-1"), 0),
    "zipped.csv.gz": (gzip.compress(text().encode()), (), 0),
    "all quoted.csv": (text(number=quoted, school=quoted), (), 0),
    "commas in labels.csv": (text(school=lambda s: f'"{s}, city"'), (), 0),
    "quotes in labels.csv": (text(school=lambda s: f'"the ""{s}"""'), (), 0),
    "lines in labels.csv": (text(school=lambda s: f'"{s}\nnorth"'), (), 0),
    "spaces around.csv": (text(number=lambda y: f"  {y} ", head=" school {} score "), (), 0),
    "quoted header.csv": (text(head='"school"{}"score"'), (), 0),
    "an index.csv": (
        ",school,score\n" + "".join(f"{i},{s},{y}\n" for i, (s, y) in enumerate(ROWS)),
        (),
        0,
    ),
    "other columns.csv": (
        "note,school,date,score\n" + "".join(f'"n/a, ok",{s},3.5.24,{y}\n' for s, y in ROWS),
        (),
        0,
    ),
    "decimal commas.csv": (text(";", comma), (), 0),
    "decimal commas, tabs.txt": (text("\t", comma), (), 0),
    "decimal commas in quotes.csv": (text(",", lambda y: f'"{comma(y)}"'), (), 0),
    "decimal commas told.csv": (text(";", comma), ("--decimal", ","), 0),
    "thousands.csv": (text(";", lambda y: f"1.0{comma(y)}"), (), 1000),
    "thousands, points.csv": (text(",", lambda y: f'"1,0{y}"'), (), 1000),
    "thousands, spaces.csv": (text(";", lambda y: f"1 0{comma(y)}"), (), 1000),
    "thousands, apostrophes.csv": (text(",", lambda y: f"1'0{y}"), (), 1000),
    "thousands, narrow spaces.csv": (text(";", lambda y: f"1\u202f0{comma(y)}"), (), 1000),
    "percent.csv": (text(",", lambda y: f"{y}%"), (), 0),
    "percent, commas.csv": (text(";", lambda y: f"{comma(y)} %"), (), 0),
    "signs.csv": (text(",", lambda y: f"+{y}"), (), 0),
    "exponents.csv": (text(",", lambda y: f"{y}E+00"), (), 0),
    "zeros before.csv": (text(",", lambda y: f"000{y}"), (), 0),
    "NA.csv": (between("NA"), (), 0),
    "a hyphen.csv": (between("-"), (), 0),
    "a point.csv": (between("."), (), 0),
    "nothing.csv": (between(""), (), 0),
    "N slash A.csv": (between("#N/A"), (), 0),
    "an error of a spreadsheet.csv": (between("#DIV/0!"), (), 0),
    "NULL.csv": (between("NULL"), (), 0),
    "missing.csv": (between("missing"), (), 0),
    "a word of their own.csv": (between("n.k."), ("--na", "n.k."), 0),
    "a code.csv": (between("-999"), ("--na", "-999"), 0),
    "a title.csv": (TITLE + text(), (), 0),
    "the header told.csv": ("a,b\n" + text(), ("--header", "2"), 0),
    "a code with decimals.csv": (between("-999.0"), ("--na", "-999"), 0),
    "a code below a title.csv": (TITLE + between("-999"), ("--na", "-999"), 0),
    "labels None.csv": (text(school=lambda s: "None" if s == "C" else s), (), 0),
    "labels of zeros.csv": (text(school=lambda s: f"00{ord(s)}"), (), 0),
    "spelled in two ways.csv": (
        text(school=lambda s: s, rows=[(s + " " * (i % 3), y) for i, (s, y) in enumerate(ROWS)]),
        ("--labels", "fold"),
        0,
    ),
    "no-break spaces.csv": (
        text(rows=[(("x\u00a0" if i % 2 else "X ") + s, y) for i, (s, y) in enumerate(ROWS)]),
        ("--labels", "fold"),
        0,
    ),
}


def fitted(run, path, *options, formula=FORMULA):
    result = run("fit", path, formula, "--method", "reml", "--json", *options)
    assert result.code == 0, result.err
    return json.loads(result.out)


def written(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


@pytest.mark.parametrize("name", READ)
def test_read_right(name, run, tmp_path):
    content, options, shift = READ[name]
    found = fitted(run, written(tmp_path, name, content), *options)
    means = [p["mean"] for p in found["parameters"]]
    np.testing.assert_allclose(np.array(means) - [shift, 0, 0], anova(Y), rtol=1e-6)
    assert len(found["groups"]) == 6
    assert found["n_dropped"] == found["n_rows"] - 30


@pytest.mark.parametrize("kind", ["parquet", "xlsx", "csv.gz"])
def test_options_and_standard_input_of_every_kind(kind, run, tmp_path):
    """A code is left out of Parquet files too, and a workbook is found by its first bytes."""
    path = tmp_path / f"rows.{kind}"
    rows = [*ROWS, ("A", -999.0)]
    if kind == "parquet":
        values = ", ".join(f"('{s}', {y})" for s, y in rows)
        duckdb.sql(f"FROM (VALUES {values}) AS t(school, score)").write_parquet(str(path))
    elif kind == "xlsx":
        book(path, rows, before=True)
    else:
        path.write_bytes(gzip.compress(text(rows=rows).encode()))
    for data, stdin in ((path, b""), ("-", path.read_bytes())):
        result = run(
            "fit", data, FORMULA, "--method", "reml", "--json", "--na", "-999", stdin=stdin
        )
        found = json.loads(result.out)
        np.testing.assert_allclose([p["mean"] for p in found["parameters"]], anova(Y), rtol=1e-6)
        assert found["n_dropped"] == 1


@pytest.mark.parametrize("data", ["eight_schools", "part*.csv", "rows.duckdb::t"])
def test_options_of_one_file_are_refused_elsewhere(data, run):
    result = run("fit", data, "effect | se(se) ~ 1 + (1 | school)", "--na", "-999")
    assert result.code == 2
    assert "--na is for one CSV file or workbook" in result.err


def test_many_files(run, tmp_path):
    for i in range(3):
        written(tmp_path, f"part {i}.csv", text(rows=ROWS[i::3]))
    found = fitted(run, f"{tmp_path}/part*.csv")
    np.testing.assert_allclose([p["mean"] for p in found["parameters"]], anova(Y), rtol=1e-6)


def test_a_column_with_spaces(run, tmp_path):
    path = written(tmp_path, "rows.csv", text(head="school{}Test score (%)"))
    found = fitted(run, path, formula="`Test score (%)` ~ 1 + (1 | school)")
    np.testing.assert_allclose([p["mean"] for p in found["parameters"]], anova(Y), rtol=1e-6)


# workbooks --------------------------------------------------------------------------------------


def book(path, rows, *, title=(), before=False, merge=(), percent=False, left=0):
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    if before:
        sheet.append(["Notes"])
        sheet.append(["see the next sheet"])
        sheet = workbook.create_sheet("data")
    for line in title:
        sheet.append([line])
    for row in [("school", "score"), *rows]:
        sheet.append([None] * left + list(row))
    for cells in merge:
        sheet.merge_cells(cells)
    for row in sheet.iter_rows(min_row=2):
        if percent:
            row[1].number_format = "0.0%"
    workbook.save(path)
    return path


FIRST_OF_FIVE = [(s if i % 5 == 0 else None, y) for i, (s, y) in enumerate(ROWS)]
BOOKS = {
    "plain": ({"rows": ROWS}, None),
    "a second sheet": ({"rows": ROWS, "before": True}, "sheet"),
    "a title": ({"rows": ROWS, "title": ["Scores", "2024"]}, "title"),
    "an empty column first": ({"rows": ROWS, "left": 1}, None),
    "numbers as text": ({"rows": [(s, str(y)) for s, y in ROWS]}, None),
    "commas as text": ({"rows": [(s, comma(y)) for s, y in ROWS]}, "number_style"),
    "NA": ({"rows": [*ROWS, ("A", "NA")]}, "rows_dropped"),
    "an error": ({"rows": [*ROWS, ("A", "#N/A")]}, "rows_dropped"),
    "an empty row": ({"rows": [*ROWS[:7], (None, None), *ROWS[7:]]}, None),
    "merged": (
        {"rows": FIRST_OF_FIVE, "merge": [f"A{2 + 5 * i}:A{6 + 5 * i}" for i in range(6)]},
        "merged_cells",
    ),
}


@pytest.mark.parametrize("name", BOOKS)
def test_workbooks_read_right(name, run, tmp_path):
    how, code = BOOKS[name]
    found = fitted(run, book(tmp_path / "rows.xlsx", **how))
    np.testing.assert_allclose([p["mean"] for p in found["parameters"]], anova(Y), rtol=1e-6)
    codes = {n["code"] for n in found["notices"]} - {"few_groups"}
    assert (code in codes) if code else codes <= {"numbers_as_text"}


def test_cells_shown_as_percent_hold_shares(run, tmp_path):
    rows = [(s, y / 100) for s, y in ROWS]
    found = fitted(run, book(tmp_path / "rows.xlsx", rows, percent=True))
    np.testing.assert_allclose([p["mean"] for p in found["parameters"]], anova(Y / 100), rtol=1e-6)
    assert "percent_cells" in {n["code"] for n in found["notices"]}


def test_a_parquet_file_and_a_database(run, tmp_path):
    connection = duckdb.connect(str(tmp_path / "d.duckdb"))
    connection.execute("CREATE TABLE rows (school VARCHAR, score DOUBLE)")
    connection.executemany("INSERT INTO rows VALUES (?, ?)", ROWS)
    connection.execute(f"COPY rows TO '{tmp_path}/rows.parquet'")
    connection.close()
    for path in (tmp_path / "rows.parquet", f"{tmp_path}/d.duckdb::rows"):
        found = fitted(run, path)
        np.testing.assert_allclose([p["mean"] for p in found["parameters"]], anova(Y), rtol=1e-6)


def test_standard_input(run):
    found = run("fit", "-", FORMULA, "--method", "reml", "--json", stdin=text(";", comma).encode())
    means = [p["mean"] for p in json.loads(found.out)["parameters"]]
    np.testing.assert_allclose(means, anova(Y), rtol=1e-6)


# outcomes of words and dates --------------------------------------------------------------------

PASSED = np.arange(5) < np.arange(6)[:, None] % 4 + 1


def words(yes, no):
    rows = [(s, yes if p else no) for s, ps in zip(SCHOOLS, PASSED, strict=True) for p in ps]
    return text(rows=rows)


@pytest.mark.parametrize(
    ("yes", "no", "options"),
    [
        ("yes", "no", ()),
        ("Pass", "Fail", ()),
        ("TRUE", "FALSE", ()),
        ("1", "0", ()),
        ("Ja", "Nein", ()),
        ("bad", "good", ("--event", "bad")),
        ("B", "A", ()),
    ],
)
def test_outcomes_of_two_words(yes, no, options, run, tmp_path):
    path = written(tmp_path, "rows.csv", words(yes, no))
    result = run("fit", path, FORMULA, "--family", "binomial", "--json", *options)
    found = json.loads(result.out)
    raw = {g["group"]: g["raw"] for g in found["groups"]}
    assert raw == {s: pytest.approx(p.mean()) for s, p in zip(SCHOOLS, PASSED, strict=True)}


def test_dates_count_days(run, tmp_path):
    """Five dates, the same in every school: the slope is that of least squares."""
    days = np.array([0, 10, 20, 25, 60])
    dates = ["2024-01-01", "2024-01-11", "2024-01-21", "2024-01-26", "2024-03-01"]
    rows = "".join(f"{s},{dates[i % 5]},{y}\n" for i, (s, y) in enumerate(ROWS))
    path = written(tmp_path, "rows.csv", "school,date,score\n" + rows)
    found = fitted(run, path, formula="score ~ date + (1 | school)")
    away = days - days.mean()
    slope = (away @ (Y - Y.mean(axis=1, keepdims=True)).T).sum() / (6 * away @ away)
    name = 'days(date, "2024-01-01")'
    assert {p["name"]: p["mean"] for p in found["parameters"]}[name] == pytest.approx(slope)


# what is refused, or said -------------------------------------------------------------------------

SAID = {
    "currency.csv": (text(number=lambda y: f"${y}"), 'holds the text "$'),
    "units.csv": (
        text(number=lambda y: f"{y} kg"),
        "must hold numbers; row 1 (line 2 of the file)",
    ),
    "two ways.csv": (text(number=lambda y: f'"1,{y:03.0f}"'), "can be read in two ways"),
    "two styles.csv": (
        text(";") + "A;60,5\n",
        'row 31 (line 32 of the file) holds the text "60,5"',
    ),
    "the header again.csv": (text() + text(), 'holds the text "score"'),
    "many bad values.csv": (
        text(number=lambda y: f"{y:.0f}?" if y > 58 else y),
        f"and {int((Y > 58).sum()) - 5} more",
    ),
    "a short row.csv": (text() + "A\n", "has 1 field and the header has 2"),
    "a long row.csv": (text() + "A,1,2\n", "has 3 fields and the header has 2"),
    "an open quote.csv": (text() + '"A,60\n', "cannot be read"),
    "empty.csv": ("", "is an empty file"),
    "a header only.csv": ("school,score\n", "have no rows"),
    "spaces only.csv": ("  \n \n", ""),
    "twice.csv": (text(head="school{}score,score").replace("\nA,", "\nA,1,"), "2 times"),
    "another name.csv": (text(head="School{}score"), 'did you mean "School"?'),
    "no text.csv": (bytes(range(256)) * 40, ""),
    "no gz.csv.gz": (text(), "cannot be read"),
    "cut off.csv.gz": (gzip.compress(text().encode())[:60], "cannot be read"),
    "no workbook.xlsx": (text(), "cannot be read as an Excel workbook"),
    "cut off.parquet": (b"PAR1" + b"\0" * 50, "cannot be read"),
    "spss.sav": (text(), "the ending says what a file is"),
    "infinite.csv": (text() + "A,inf\n", "must be finite numbers"),
    "too large.csv": (text() + "A,1e120\n", "finite numbers of at most 1e100"),
    "one school.csv": (text(school=lambda s: "A"), ""),
    "one line.csv.gz": (gzip.compress(b"a" * 5_000_000), "has a line of more than 4,194,304"),
}


@pytest.mark.parametrize("name", SAID)
def test_said_in_one_sentence(name, run, tmp_path):
    content, sentence = SAID[name]
    result = run("fit", written(tmp_path, name, content), FORMULA)
    assert result.code == 2
    assert result.out == ""
    assert len(result.err.strip().splitlines()) == 1
    assert sentence in result.err
    assert "Traceback" not in result.err


def test_one_and_two_are_no_events(run, tmp_path):
    path = written(tmp_path, "rows.csv", words("2", "1"))
    result = run("fit", path, FORMULA, "--family", "binomial")
    assert "an outcome coded 1 and 2 is written I(y == 2)" in result.err
    found = run("fit", path, "I(score == 2) ~ 1 + (1 | school)", "--family", "binomial", "--json")
    assert json.loads(found.out)["groups"][0]["raw"] == pytest.approx(PASSED[0].mean())


def test_formulas_without_results(run, tmp_path):
    rows = [(s, f"={y}+0") for s, y in ROWS]
    result = run("fit", book(tmp_path / "rows.xlsx", rows), FORMULA)
    assert result.code == 2
    assert "holds a formula without its result in row 2" in result.err


def test_a_workbook_that_unpacks_to_gigabytes(run, tmp_path):
    path = book(tmp_path / "rows.xlsx", ROWS)
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as parts,
        parts.open("xl/more.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(1100):
            part.write(b" " * 2**20)
    result = run("fit", path, FORMULA)
    assert result.code == 2
    assert "unpacks to 1.1 GB" in result.err


def test_what_is_no_file(run, tmp_path):
    os.symlink(tmp_path / "b.csv", tmp_path / "a.csv")
    os.symlink(tmp_path / "a.csv", tmp_path / "b.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkdir(tmp_path / "folder.csv")
    os.mkdir(tmp_path / "folder.xlsx")
    for name in ("a.csv", "pipe.csv", "folder.csv", "folder.xlsx", "none.csv", "none.xlsx"):
        result = run("fit", tmp_path / name, FORMULA)
        assert result.code == 2, name
        assert "Traceback" not in result.err
        assert len(result.err.strip().splitlines()) == 1, result.err


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_outputs_keep_their_mode_and_replace_no_device(ending, run, tmp_path):
    path = written(tmp_path, "plain.csv", text())
    out = tmp_path / f"out.{ending}"
    out.write_bytes(b"old")
    out.chmod(0o640)
    link = tmp_path / f"link.{ending}"
    link.symlink_to(out)
    assert run("fit", path, FORMULA, "--out", link).code == 0
    assert link.is_symlink()
    assert out.stat().st_mode & 0o777 == 0o640
    assert out.stat().st_size > 100
    full = tmp_path / f"full.{ending}"
    full.symlink_to("/dev/full")
    loop = tmp_path / f"loop.{ending}"
    loop.symlink_to(loop)
    for bad in (full, loop, tmp_path / "none" / f"x.{ending}"):
        result = run("fit", path, FORMULA, "--out", bad)
        assert result.code == 2
        assert "cannot be written" in result.err
        assert len(result.err.strip().splitlines()) == 1
    assert os.path.exists("/dev/full")
    assert not list(tmp_path.glob("*.part"))
