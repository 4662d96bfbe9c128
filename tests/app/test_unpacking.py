"""Small files that unpack to more than memory holds are refused before they are read."""

import gzip
import io
import time
import tracemalloc
import zipfile

import pytest

from partialpool.app import unpacking
from partialpool.app.unpacking import check_unpacked
from partialpool.errors import DataError


def bomb(megabytes, inside):
    """A workbook whose sheet is mostly the same text again and again."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(megabytes):
                sheet.write(inside * (2**20 // len(inside)))
        archive.writestr("[Content_Types].xml", "<Types/>")
    return file.getvalue()


def refused(path, words):
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(DataError, match=words) as caught:
        check_unpacked(str(path), "own name.xlsx")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16 * 2**20
    assert time.process_time() - begin < 20
    assert str(path) not in str(caught.value)
    assert "own name.xlsx" in str(caught.value)


def test_a_workbook_of_a_megabyte_that_holds_a_gigabyte_is_refused(tmp_path):
    content = bomb(700, b'<row><c t="n"><v>1</v></c></row>')
    assert len(content) < 3 * 2**20
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    refused(path, "700 MB in 2 parts")


def test_a_workbook_of_many_parts_is_refused(tmp_path):
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(unpacking.MOST_PARTS + 1):
            archive.writestr(f"{i}", "")
    refused(path, "2,001 parts")


def test_a_gz_of_one_line_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + b"9" * (64 * 2**20)))
    refused(path, "a line of more than 16 MB")


def test_a_gz_of_many_lines_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "LARGEST_TEXT", 32 * 2**20)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" * (16 * 2**20)))
    refused(path, "more than 32 MB once it is unpacked")


def test_a_csv_of_one_line_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"9" * (17 * 2**20))
    refused(path, "a line of more than 16 MB")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xlsx", b"no archive"),
        ("a.csv.gz", gzip.compress(b"a,b\n" * 99)[:-9]),
        ("a.csv.gz", b"no archive"),
    ],
    ids=["no workbook", "cut", "no gz"],
)
def test_what_cannot_be_unpacked_is_said(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, "cannot be read")


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.parquet"])
def test_ordinary_files_pass(tmp_path, name):
    path = tmp_path / name
    content = b"a,b\n" + b"1,2\n" * 1000
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    check_unpacked(str(path), name)
