"""CSV and Parquet files as they are found, and the sentences for those that cannot be read."""

import gzip
import os

import duckdb
import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool._table import Table
from partialpool.rows.files import write_table

FORMULA = "y ~ 1 + (1 | g)"
ROWS = [("abc"[i % 3], round(float(np.sin(i)), 3)) for i in range(30)]
BODY = "".join(f"{g},{y}\n" for g, y in ROWS)
PLAIN = "g,y\n" + BODY
LONG = "".join(f"{'abc'[i % 3]},{i * 7 % 13}\n" for i in range(30_000))


@pytest.fixture
def expected():
    g, y = zip(*ROWS, strict=True)
    return pp.fit(FORMULA, {"g": list(g), "y": list(y)}).groups()


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def check(table, expected):
    assert table["group"].tolist() == expected["group"].tolist()
    np.testing.assert_allclose(table["estimate"], expected["estimate"], rtol=1e-9)


@pytest.mark.parametrize(
    "content",
    {
        "plain": PLAIN,
        "semicolons": PLAIN.replace(",", ";"),
        "tabs": PLAIN.replace(",", "\t"),
        "bars": PLAIN.replace(",", "|"),
        "byte order mark": "\ufeff" + PLAIN,
        "CRLF": PLAIN.replace("\n", "\r\n"),
        "no last newline": PLAIN.rstrip(),
        "blank lines": "\n\n" + PLAIN.replace("\n", "\n\n", 1) + "\n\n",
        "quoted": '"g","y"\n' + "".join(f'"{g}","{y}"\n' for g, y in ROWS),
        "spaces in the header": "g, y\n" + BODY,
        "first column without a name": ",g,y\n" + "".join(f"1,{g},{y}\n" for g, y in ROWS),
        "last column without a name": "g,y,\n" + BODY.replace("\n", ",1\n"),
        "an unused repeated column": "z,g,y,z\n" + "".join(f"1,{g},{y},2\n" for g, y in ROWS),
        "text in an unused column": "z,g,y\n1" + "".join(f",{g},{y}\nx" for g, y in ROWS)[:-2],
    }.items(),
    ids=lambda item: item[0],
)
def test_csv_files_as_they_are_found(content, tmp_path, expected):
    check(pp.fit(FORMULA, write(tmp_path / "rows.csv", content[1])).groups(), expected)


def test_a_header_that_looks_like_a_number(tmp_path, expected):
    path = write(tmp_path / "rows.csv", PLAIN.replace("g,y", "g,2019"))
    check(pp.fit("`2019` ~ 1 + (1 | g)", path).groups(), expected)


def test_hostile_column_names(tmp_path, expected):
    path = write(tmp_path / "rows.csv", PLAIN.replace("g,y", 'g,"x""; DROP TABLE t; --"'))
    check(pp.fit('`x"; DROP TABLE t; --` ~ 1 + (1 | g)', path).groups(), expected)


@pytest.mark.parametrize("name", ["r.csv", "R.CSV", "r.tsv", "r.txt", "q'\"; --.csv", "a[1].csv"])
def test_names_of_files(name, tmp_path, expected):
    check(pp.fit(FORMULA, str(write(tmp_path / name, PLAIN))).groups(), expected)


def test_a_star_in_the_name_of_a_file_is_only_that_file(tmp_path, expected):
    write(tmp_path / "rows2.csv", PLAIN)
    fit = pp.fit(FORMULA, write(tmp_path / "rows*.csv", PLAIN))
    assert fit.statistics.n_rows == 30
    check(fit.groups(), expected)


def test_compressed(tmp_path, expected):
    path = write(tmp_path / "rows.csv.gz", gzip.compress(PLAIN.encode()))
    check(pp.fit(FORMULA, path).groups(), expected)


def test_several_csv_files_with_their_columns_in_any_order(tmp_path, expected):
    write(tmp_path / "1.csv", "g,y\n" + "".join(f"{g},{y}\n" for g, y in ROWS[:9]))
    write(tmp_path / "2.csv", "extra,y,g\n" + "".join(f"1,{y},{g}\n" for g, y in ROWS[9:]))
    check(pp.fit(FORMULA, str(tmp_path / "*.csv")).groups(), expected)


def test_words_for_missing_values(tmp_path):
    words = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null"]
    extra = "".join(f"a,{w}\n{w},1.5\n" for w in words)
    fit = pp.fit(FORMULA, write(tmp_path / "rows.csv", PLAIN + extra))
    assert fit.statistics.n_dropped == 2 * len(words)
    assert fit.statistics.labels.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("ending", ["csv", "xlsx", "large"])
def test_words_that_may_be_labels_are_missing_where_numbers_belong(tmp_path, ending):
    """An arm of a trial may be called None."""
    rows = [*(line.split(",") for line in PLAIN.splitlines()), *2 * [["None", "1.5"], [".", "2.5"]]]
    rows += [["a", "None"], ["b", "."]]
    path = tmp_path / ("rows.xlsx" if ending == "xlsx" else "rows.csv")
    if ending == "xlsx":
        pd.DataFrame(rows[1:], columns=rows[0]).to_excel(path, index=False)
    else:
        write(path, "".join(",".join(row) + "\n" for row in rows))
    statistics = pp.statistics(FORMULA, [path] if ending == "large" else path).groups
    assert statistics.labels.tolist() == [".", "None", "a", "b", "c"]
    assert statistics.n_dropped == 2


MODELS = {
    "one factor": (FORMULA, None),
    "a regression": ("y ~ x + (x | g)", None),
    "crossed": ("y ~ scale(x) + (1 | g) + (1 | x)", None),
    "counts": ("k ~ x + (1 | g)", "poisson"),
}
each_model = pytest.mark.parametrize("model", MODELS)


def with_predictors():
    frame = pd.DataFrame(ROWS, columns=["g", "y"])
    return frame.assign(x=np.arange(len(frame)) % 4.0, k=np.arange(len(frame)) % 3)


BAD = {
    "empty": ("rows.csv", "", ["is an empty file", "a header and rows are needed"]),
    "blank": ("rows.csv", "\n\n", ["holds no text"]),
    "header only": ("rows.csv", "g,y\n", ["the data have no rows"]),
    "no header": ("rows.csv", BODY, ['"g"', "the columns are: a, 0.0", "must name the columns"]),
    "repeated": ("rows.csv", "g,y,y\n" + BODY.replace("\n", ",1\n"), ['"y" is in the data 2']),
    "missing": ("rows.csv", "g,score\n" + BODY, ['"y" (character 1', "g, score"]),
    "text": ("rows.csv", PLAIN + "a,oops\n", ['"y" must hold numbers', "row 31", '"oops"']),
    "late text": ("rows.csv", "g,y\n" + LONG + "a,oops\n", ["(line 30002", 'the text "oops"']),
    "several": (
        "rows.csv",
        PLAIN + "\na,oops\nb,\na,?\n",
        ["row 31 (line 33", 'row 33 (line 35 of the file) "?"'],
    ),
    "a quote": ("rows.csv", PLAIN + 'a,"1\n', ["line 32", "a quote is not closed"]),
    "long row": (
        "rows.csv",
        PLAIN + "a,1,2\n",
        ["(line 32)", "3 fields", 'has 2 ("g", "y")'],
    ),
    "short row": ("rows.csv", PLAIN + "a\n", ["row 31", "has 1 field"]),
    "late long row": ("rows.csv", "g,y\n" + LONG + "a,1,2\n", ["line 30002", "3 fields"]),
    "dates": (
        "rows.csv",
        "g,y\na,2020-01-01\nb,2020-01-02\n",
        ['row 1 (line 2 of the file) holds the text "2020-01-01"'],
    ),
    "infinite": ("rows.csv", PLAIN + "a,inf\n", ["finite", "inf in row 31", 'group "a"']),
    "not gzip": ("rows.csv.gz", PLAIN, ["cannot be read", "gzip"]),
    "not Parquet": ("rows.parquet", PLAIN, ["rows.parquet", "cannot be read"]),
    "not a workbook": ("rows.xlsx", PLAIN, ["rows.xlsx", "cannot be read as an Excel"]),
    "wrong ending": ("rows.ods", PLAIN, ["the ending says what a file is", ".csv", ".parquet"]),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(kind, tmp_path):
    name, content, words = BAD[kind]
    with pytest.raises(pp.DataError) as caught:
        pp.fit(FORMULA, write(tmp_path / name, content))
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value)) < 500


@each_model
def test_corrupt_parquet(model, tmp_path):
    formula, family = MODELS[model]
    path = tmp_path / "rows.parquet"
    with_predictors().to_parquet(path)
    whole = path.read_bytes()
    for broken in (whole[:200], whole[:20] + b"\xff" * 60 + whole[80:]):
        path.write_bytes(broken)
        with pytest.raises(pp.DataError, match="cannot be read"):
            pp.fit(formula, path, family=family)
    assert os.listdir(tmp_path) == ["rows.parquet"]


def test_places_without_a_file(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name, words in {
        "nope.csv": "there is no file",
        "nope*.csv": "no file matches",
        "fold*.csv": "no file matches",
        "folder.csv": "is a folder; name its files with a glob",
        "": "is a folder",
        "a\0.csv": "there is no file",
    }.items():
        with pytest.raises(pp.DataError, match=words):
            pp.fit(FORMULA, str(tmp_path / name))
    with pytest.raises(pp.DataError, match="there is no file"):
        pp.fit(FORMULA, "https://example.com/rows.csv")


@pytest.mark.parametrize("second", [BODY, "g,z\n" + BODY, "g,y,y\n" + BODY.replace("\n", ",1\n")])
def test_every_csv_file_of_a_glob_has_the_columns(second, tmp_path):
    write(tmp_path / "1.csv", PLAIN)
    write(tmp_path / "2.csv", second)
    with pytest.raises(pp.ColumnError, match=r'"[gy]".*2\.csv'):
        pp.fit(FORMULA, str(tmp_path / "*.csv"))


def test_every_parquet_file_of_a_glob_has_the_columns(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["g", "y"])
    frame.to_parquet(tmp_path / "1.parquet")
    frame[["g"]].to_parquet(tmp_path / "2.parquet")
    with pytest.raises(pp.DataError, match=r'"y".*2\.parquet'):
        pp.fit(FORMULA, str(tmp_path / "*.parquet"))


def test_files_of_two_kinds(tmp_path):
    write(tmp_path / "1.csv", PLAIN)
    pd.DataFrame(ROWS, columns=["g", "y"]).to_parquet(tmp_path / "2.parquet")
    with pytest.raises(pp.DataError, match="all files of one kind"):
        pp.fit(FORMULA, str(tmp_path / "*"))


def parquet(path, **columns):
    pd.DataFrame(columns).to_parquet(path)
    return path


def test_numbers_of_several_types_are_widened_not_cut(tmp_path):
    parquet(tmp_path / "1.parquet", g=[1, 2, 1], y=[1, 2, 3])
    parquet(tmp_path / "2.parquet", g=np.array([2, 1], "int32"), y=[1.5, 2.75])
    found = pp.statistics(FORMULA, str(tmp_path / "*.parquet")).groups
    assert found.labels.tolist() == [1, 2]
    np.testing.assert_allclose(found.raw, [6.75 / 3, 3.5 / 2])


@pytest.mark.parametrize(
    ("first", "second"),
    [({"y": [1.5]}, {"y": ["1.5"]}), ({"g": ["a"]}, {"g": [1]}), ({"y": [1]}, {"y": [b"1"]})],
)
def test_a_column_that_changes_its_type_between_parquet_files(first, second, tmp_path):
    names = [
        parquet(tmp_path / f"{i}.parquet", **{"g": ["a"], "y": [1.0], **columns})
        for i, columns in enumerate((first, second))
    ]
    with pytest.raises(pp.DataError, match=r'column "[gy]" is .* in ".*0.parquet" and .*1.parquet'):
        pp.fit(FORMULA, names)


def test_a_column_that_changes_its_type_between_csv_files(tmp_path):
    write(tmp_path / "1.csv", PLAIN)
    write(tmp_path / "2.csv", "g,y\na,high\n")
    with pytest.raises(pp.DataError, match=r'"y" must hold numbers.*"high"'):
        pp.fit(FORMULA, str(tmp_path / "*.csv"))


def test_a_list_of_files(tmp_path, expected):
    names = [write(tmp_path / "1.csv", "g,y\n" + BODY[: BODY.index("a,", 40)])]
    names.append(str(write(tmp_path / "2.csv", "g,y\n" + BODY[BODY.index("a,", 40) :])))
    check(pp.fit(FORMULA, names).groups(), expected)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("gone", [True, False])
@each_model
def test_a_file_that_changes_while_it_is_read(model, ending, gone, tmp_path):
    formula, family = MODELS[model]
    path = tmp_path / f"rows.{ending}"
    frame = with_predictors()
    save = frame.to_parquet if ending == "parquet" else frame.to_csv
    save(path)

    def meanwhile(done):
        if gone:
            path.unlink(missing_ok=True)
        else:
            os.utime(path, ns=(1, 1))

    with pytest.raises(pp.DataError, match="changed while it was read"):
        pp.fit(formula, path, family=family, progress=meanwhile)


@each_model
def test_an_interrupt_stops_the_query_and_leaves_no_file(model, tmp_path):
    formula, family = MODELS[model]
    path = tmp_path / "rows.parquet"
    with_predictors().to_parquet(path)

    def interrupted(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pp.statistics(formula, path, family=family, progress=interrupted)
    assert os.listdir(tmp_path) == ["rows.parquet"]
    pp.statistics(formula, path, family=family)


def test_a_table_of_a_database(tmp_path, expected):
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("CREATE SCHEMA north")
        frame = pd.DataFrame(ROWS, columns=["g", "y"])
        connection.register("frame", frame)
        connection.execute("CREATE TABLE north.scores AS SELECT * FROM frame")
    path = f"{tmp_path}/warehouse.duckdb"
    check(pp.fit(FORMULA, f"{path}::north.scores").groups(), expected)
    for wrong, words in {
        f"{path}::nope": "nope.*cannot be read|cannot be read.*nope",
        f"{tmp_path}/no.duckdb::scores": "there is no file",
        path: "file.duckdb::table",
    }.items():
        with pytest.raises(pp.DataError, match=words):
            pp.fit(FORMULA, wrong)


def test_a_table_as_csv_is_read_again_the_same(tmp_path):
    """By DuckDB too: numbers to the last bit, quotes, line ends, nothing where missing."""
    table = pp.Table(
        group=np.array(["a,b", 'c"d', "é\nf", "007"], dtype=object),
        n=np.array([1, 2, 3, 2**62]),
        x=np.array([1 / 3, np.nan, 1e-300, -1e300]),
        told=np.array([True, False, True, True]),
        day=np.array(["2020-01-01", "NaT", "2020-01-02", "2020-01-03"], dtype="M8[ns]"),
    )
    path = str(tmp_path / "out.csv")
    write_table(table, path)
    read = duckdb.connect().read_csv(path, all_varchar=True).fetchall()
    columns = dict(zip(table, zip(*read, strict=True), strict=True))
    assert list(columns["group"]) == table["group"].tolist()
    assert [int(v) for v in columns["n"]] == table["n"].tolist()
    assert columns["x"][1] is None
    assert [float(columns["x"][i]) for i in (0, 2, 3)] == table["x"][[0, 2, 3]].tolist()
    assert columns["told"] == ("true", "false", "true", "true")
    assert columns["day"][0].startswith("2020-01-01")
    assert columns["day"][1] is None
    again = pp.read(path)
    np.testing.assert_array_equal(again["x"], table["x"])
    assert again["group"].tolist() == table["group"].tolist()


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_is_written_whole_or_not_at_all(ending, tmp_path):
    table = pp.Table(
        group=np.array(["a'b", 1, None], dtype=object), estimate=np.array([1.5, 2.0, np.nan])
    )
    path = tmp_path / f"it's out{ending}"
    write_table(table, str(path))
    read = pd.read_csv(path) if ending == ".csv" else pd.read_parquet(path)
    assert read["group"].iloc[:2].tolist() == ["a'b", "1"]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    with pytest.raises(pp.DataError, match="cannot be written"):
        write_table(table, str(tmp_path / "no such folder" / f"out{ending}"))
    with pytest.raises(pp.DataError, match="the ending says what to write"):
        write_table(table, str(tmp_path / "out.json"))


@pytest.mark.parametrize("name", ["groups.csv", "groups.xlsx", "groups.parquet"])
def test_a_folder_that_is_not_there_is_named(name, tmp_path):
    path = str(tmp_path / "nowhere" / name)
    with pytest.raises(pp.DataError) as caught:
        write_table(Table({"x": np.array([1.0])}), path)
    assert f'"{path}" cannot be written: there is no folder "{tmp_path / "nowhere"}"' in str(
        caught.value
    )
