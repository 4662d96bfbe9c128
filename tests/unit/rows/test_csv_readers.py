"""Numbers and labels of CSV files and workbooks come as they are written, whoever reads them."""

import gzip
from types import SimpleNamespace

import numpy as np
import pytest

import partialpool as pp
from partialpool.formula import parse, read_roles
from partialpool.formula.tree import Name
from partialpool.rows import csv_rows, files
from partialpool.rows.read import opened

FORMULA = "y ~ 1 + (1 | g)"
ROLES = read_roles(parse(FORMULA))
TEXT = SimpleNamespace(
    columns=(Name("g"), Name("h")), labels=(Name("g"), Name("h")), undecided=(), counted=()
)
READERS = ("csv module", "DuckDB", "without DuckDB")


def choose(reader, monkeypatch):
    """Let one of the readers read."""
    monkeypatch.setattr(csv_rows, "SMALL_FILE", 2**30 if reader == "csv module" else -1)
    monkeypatch.setattr(files, "is_installed", lambda: reader != "without DuckDB")


@pytest.fixture(params=READERS)
def reader(request, monkeypatch):
    choose(request.param, monkeypatch)
    return request.param


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def columns(paths, roles=ROLES):
    """The wanted columns of files as lists, None where missing; or the sentence of the error."""
    try:
        with opened(paths, roles) as found:
            table = found.data if found.engine is None else _fetched(found.data)
            return {
                name: [None if v is None or v != v else v for v in values]
                for name, values in ((k, list(v)) for k, v in table.items())
            }
    except pp.DataError as error:
        return str(error)


def _fetched(relation):
    rows = relation.fetchall()
    return {name: [row[i] for row in rows] for i, name in enumerate(relation.columns)}


# readers that agree ---------------------------------------------------------------------------

HOSTILE = {
    "plain": "g,y\na,1\nb,2\n",
    "carriage returns": "g,y\r\na,1\r\nb,2\r\n",
    "old line ends": "g,y\ra,1\rb,2\r",
    "mixed line ends": "g,y\r\na,1\nb,2\r\nc,3\n",
    "line ends in quotes": 'g,y\r\n"a\nb",1\r\n"c\r\nd",2\r\n',
    "byte order mark": "\ufeffg,y\na,1\n",
    "byte order mark and quotes": '\ufeff"g","y"\n"a","1"\n',
    "blank lines": "\n\ng,y\n\na,1\n\n\nb,2\n\n",
    "no last line end": "g,y\na,1",
    "quotes": 'g,y\n"Smith, John",1\n"a""b",2\n"""c""","3"\n"",4\n" d ",5\n',
    "a quote inside": 'g,y\na"b,1\nc"",2\n',
    "spaces beside quotes": 'g,y\n"a" ,1\n "b",2\n',
    "delimiters at the end": "g,y\na,1,\nb,2,,\nc,3\n",
    "an unnamed last column": "g,y,\na,1,\nb,2,x\n",
    "only delimiters": "g,y\n,\na,1\n",
    "a header in two lines": '"g","y\nz",y\na,1,2\n',
    "backslashes": 'g,y\na\\,1\n"b\\",2\n',
    "a comment sign": "g,y\n#a,1\n",
    "missing words": "g,y\nNA,1\na,NA\n.,null\nNaN, NA \n-,nan\nnone,-NaN\n",
    "spellings": "g,y\n007,+5\n7,0005\n 7,.5\n7 ,5.\n7.0, 1E+05 \n",
    "capitals": "G,g,Y,y\nx,a,9,1\nx,b,8,2\n",
    "semicolons": 'g;y\n"a;b";1\nc,d;2\n',
    "header only": "g,y\n",
    "late decimals": "g,y\n" + "a,1\n" * 21_000 + "a,0.25\n",
    "late missing words": "g,y\n" + "a,1\n" * 21_000 + "a,NA\n",
    "first numbers late": "g,y\n" + "a,\n" * 21_000 + "a,1.5\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_readers_read_the_same(name, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.csv", HOSTILE[name])
    got = {}
    for reader in READERS:
        choose(reader, monkeypatch)
        got[reader] = columns(path)
    assert isinstance(got["DuckDB"], dict), got["DuckDB"]
    assert got["csv module"] == got["DuckDB"] == got["without DuckDB"]


BROKEN = {
    "a short row": ("g,y\n\na,1\n\nb\n", "row 2 (line 5)", "1 field and the header has 2"),
    "a long row": ("g,y\na,1\nb,2,3\n", "row 2 (line 3)", "3 fields and the header has 2"),
    "a late long row": ("g,y\n" + "a,1\n" * 30_000 + "b,2,3\n", "(line 30002)", "3 fields"),
    "a long row, mixed ends": ("g,y\r\na,1\nb,2,3\n", "row 2 (line 3)", "3 fields"),
    "a row of spaces": ("g,y\na,1\n   \n", "row 2 (line 3)", "1 field and"),
    "a quote left open": ('g,y\na,1\n"b,2\nc,3\n', "line 3", "a quote is not closed"),
    "text after a quote": ('g,y\na,1\n"b"c,2\n', "line 3", "a quote is not closed"),
    "text": ('g,y\n"a\nb",1\nc,oops\n', "row 2 (line 4 of the file)", 'the text "oops"'),
    "hexadecimal": ("g,y\na,1\nb,0x10\n", "row 2 (line 3 of the file)", 'the text "0x10"'),
    "underscores": ("g,y\na,1\nb,1_000\n", "row 2 (line 3 of the file)", 'the text "1_000"'),
    "commas and points": ('g,y\na,1.5\nb,"69,8"\n', "row 2 (line 3 of the file)", "69.8, not 69,8"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_readers_refuse_the_same(name, tmp_path, monkeypatch):
    content, *words = BROKEN[name]
    path = write(tmp_path / "rows.csv", content)
    for reader in READERS:
        choose(reader, monkeypatch)
        with pytest.raises(pp.DataError) as caught:
            pp.fit(FORMULA, path)
        assert "\n" not in str(caught.value)
        for word in words:
            assert word in str(caught.value)


def test_odd_bytes_far_from_the_start_are_an_error(tmp_path, monkeypatch):
    path = write(tmp_path / "rows.csv", b"g,y\na,1\nb,2\n\xff,2\n")
    monkeypatch.setattr("partialpool.rows.csv_files.LOOKED_AT", 8)
    for reader in READERS:
        choose(reader, monkeypatch)
        with pytest.raises(pp.DataError, match=r"not text in UTF-8 \(byte .*--encoding"):
            pp.fit(FORMULA, path)


def test_readers_read_random_files_the_same(tmp_path, monkeypatch):
    rng = np.random.default_rng(8)
    parts = ["a", "b", "1", "2.5", '"', '""', ",", ",", " ", "\n", '"a,b"', "\\", '"\n"', "é"]
    read = refused = 0
    for i in range(300):
        end = "\r\n" if i % 2 else "\n"
        body = "".join(rng.choice(parts, rng.integers(1, 12))).replace("\n", end)
        path = write(tmp_path / f"{i}.csv", f"g,h{end}{body}{end}")
        got = []
        for reader in READERS:
            choose(reader, monkeypatch)
            got.append(columns(path, TEXT))
        if any(isinstance(columns_read, dict) for columns_read in got):
            assert got[0] == got[1], body
            read += 1
            if got[1] != got[2]:  # of '"a" "b,1' DuckDB makes something; without it, it is refused
                assert "a quote is not closed" in got[2], body
                refused += 1
    assert read > 50
    assert refused < 0.1 * read


# numbers stay what they are -------------------------------------------------------------------

LATE = 21_000
"""Rows after which DuckDB no longer looks at what a column holds: it guesses from 20,480."""


def late(first, last, header="g,y"):
    return f"{header}\n" + f"{first}\n" * LATE + "".join(f"{row}\n" for row in last)


def test_decimals_that_come_late_are_not_rounded(reader, tmp_path):
    path = write(tmp_path / "rows.csv", late("z,1", ["a,0.2", "a,0.4467", "b,0.6", "b,0.7534"]))
    found = pp.statistics(FORMULA, path).groups
    np.testing.assert_allclose(found.raw, [0.32335, 0.6767, 1.0], rtol=1e-12)


def test_exposure_that_comes_late_is_not_rounded(reader, tmp_path):
    path = write(tmp_path / "rows.csv", late("z,1,2", ["a,1,0.7", "a,0,0.35"], "g,k,e"))
    found = pp.statistics("k | exposure(e) ~ 1 + (1 | g)", path).groups
    np.testing.assert_allclose(found.size, [1.05, 2.0 * LATE], rtol=1e-14)


def test_trials_that_are_no_whole_numbers_are_refused(reader, tmp_path):
    path = write(tmp_path / "rows.csv", late("z,1,2,0", ["a,1,2.5,1"], "g,k,n,x"))
    for formula in ("k | trials(n) ~ 1 + (1 | g)", "k | trials(n) ~ x + (1 | g)"):
        with pytest.raises(pp.DataError, match=r"whole number of trials.*2\.5 in row 21001"):
            pp.statistics(formula, path)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + log(x) + (1 | g)"])
def test_predictors_that_come_late_are_not_rounded(reader, formula, tmp_path):
    rows = ["a,1,0.25", "b,2,0.75", "b,3,1.375"]
    path = write(tmp_path / "rows.csv", late("z,1,2", rows, "g,y,x"))
    kept = pp.statistics(formula, path).groups
    x = np.array([2.0] * LATE + [0.25, 0.75, 1.375])
    found = kept.products
    centred = x - x.mean()
    assert found.coefficients[:2] == ("Intercept", "x")
    np.testing.assert_allclose(_square(found), centred @ centred, rtol=1e-9)


def _square(products):
    """Sum of squares of x about its mean, whatever its columns are shifted by."""
    xtx = products.xtx
    return xtx[1, 1] - xtx[0, 1] ** 2 / xtx[0, 0]


def test_several_files_of_different_kinds_of_numbers(reader, tmp_path):
    write(tmp_path / "1.csv", "g,y\na,1\nb,2\n")
    write(tmp_path / "2.csv", "y,g\n0.5,a\n1E1,b\n")
    found = pp.statistics(FORMULA, str(tmp_path / "*.csv")).groups
    np.testing.assert_array_equal(found.raw, [0.75, 6.0])
    write(tmp_path / "3.csv", "y,g\n\n1,a\nx,b\n")
    with pytest.raises(pp.DataError, match=r'row 2 \(line 4 of ".*3\.csv"\) holds the text "x"'):
        pp.statistics(FORMULA, str(tmp_path / "*.csv"))


def test_quotes_that_come_late(reader, tmp_path):
    rows = ['"a",1.5', '"Smith, John",2', '"a""b",3']
    path = write(tmp_path / "rows.csv", "g,y\n" + "a,1\n" * 90_000 + "\n".join(rows) + "\n")
    found = pp.statistics(FORMULA, path).groups
    assert found.labels.tolist() == ["Smith, John", "a", 'a"b']
    assert found.n.tolist() == [1, 90_001, 1]


def test_labels_stay_as_they_are_written(reader, tmp_path):
    path = write(tmp_path / "rows.csv", "g,h,y\n007,1.50,1\n7,1.5,2\n07,1e0,3\n7,1,4\n")
    assert pp.statistics(FORMULA, path).groups.labels.tolist() == ["007", "07", "7"]
    design = pp.statistics("y ~ C(h) + (1 | g)", path).groups.design
    ((_, levels),) = design.categories.items()
    assert levels.labels.tolist() == ["1", "1e0", "1.5", "1.50"]


@pytest.mark.parametrize("size", [10, LATE])
def test_a_predictor_is_numbers_or_categories_and_not_both(reader, size, tmp_path):
    for first, other in (("1", "K"), ("K", "1"), ("1", "true"), ("true", "maybe")):
        rows = f"a,1,{first}\n" * size + f"b,2,{other}\n"
        path = write(tmp_path / "rows.csv", f"g,y,x\n{rows}")
        for formula in ("y ~ x + (1 | g)", "y ~ (x | g)"):
            with pytest.raises(pp.DataError, match=rf'"{other}", row {size + 1} \(line') as error:
                pp.statistics(formula, path)
            assert "write C(x)" in str(error.value)
        levels = pp.statistics("y ~ C(x) + (1 | g)", path).groups.design.categories
        assert sorted(next(iter(levels.values())).labels.tolist()) == sorted([first, other])


def test_a_group_that_is_also_a_number(reader, tmp_path):
    path = write(tmp_path / "rows.csv", "g,x,y\na,1,2\nb,2,4\na,3,5\nb,1,1\nc,2,3\n")
    found = pp.statistics("y ~ scale(x) + (1 | g) + (1 | x)", path).groups
    assert found.labels["x"].tolist() == [1, 2, 3]
    assert found.labels["g"].tolist() == ["a", "b", "c"]


def test_predictions_read_files_by_the_same_rule(reader, tmp_path):
    truth = ("false", "true")
    rows = "".join(f"{'abc'[i % 3]},{i % 7},{truth[i % 2]},{i * i % 11}\n" for i in range(60))
    path = write(tmp_path / "rows.csv", f"g,x,t,y\n{rows}")
    fit = pp.fit("y ~ x + t + (1 | g)", path)
    new = {"g": ["a", "b"], "x": [0.5, 3.0], "t": [True, False]}
    expected = fit.predict(new)
    for text in ("g,x,t\na,.5,TRUE\nb, 3 ,false\n", "t,g,x\nTrue,a,5e-1\nFalse,b,+3.0\n"):
        found = fit.predict(write(tmp_path / "new.csv", text))
        np.testing.assert_array_equal(found["estimate"], expected["estimate"])
    with pytest.raises(pp.DataError, match='holds the text "0x3"'):
        fit.predict(write(tmp_path / "new.csv", "g,x,t\na,0x3,true\n"))


def test_large_compressed_files_and_the_csv_module(tmp_path):
    text = late("z,1", ["a,0.5"])
    path = write(tmp_path / "rows.csv.gz", gzip.compress(text.encode()))
    assert columns(path)["y"][-1] == 0.5
    mixed = text.replace("\n", "\r\n", 5)
    path = write(tmp_path / "mixed.csv.gz", gzip.compress(mixed.encode()))
    assert columns(path) == columns(write(tmp_path / "rows.csv", text))
