"""The app as a folder, and in one piece for a notebook; tests/browser/test_export.py opens both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

import partialpool as pp
from partialpool.app import classics, in_one_piece
from partialpool.app import export as exporting
from partialpool.app.export import PYODIDE, export
from partialpool.cli.main import cli

WWW = Path(exporting.__file__).parent / "www"


@pytest.fixture(autouse=True)
def one_classic(monkeypatch):
    """One data set, so that tests are quick: tests/app/test_classics.py has them all."""
    monkeypatch.setattr("partialpool.app.classics.catalogue", pp.datasets.catalogue[:1])
    classics.as_text.cache_clear()
    in_one_piece.page.cache_clear()
    yield
    classics.as_text.cache_clear()
    in_one_piece.page.cache_clear()


@pytest.fixture(scope="module")
def distribution(tmp_path_factory):
    """What looks like a distribution of Pyodide: scipy needs openblas."""
    folder = tmp_path_factory.mktemp("pyodide")
    packages = {
        "numpy": {"file_name": "numpy.whl", "depends": []},
        "scipy": {"file_name": "scipy.whl", "depends": ["numpy", "openblas"]},
        "openblas": {"file_name": "openblas.zip", "depends": []},
        "pandas": {"file_name": "pandas.whl", "depends": ["numpy"]},
    }
    (folder / "pyodide-lock.json").write_text(json.dumps({"packages": packages}))
    names = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "README",
             *(p["file_name"] for p in packages.values()))  # fmt: skip
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_everything_of_the_page_is_there(tmp_path):
    written = export(tmp_path / "site" / "lesson")
    folder = Path(written.folder)
    files = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
    assert {f.relative_to(WWW).as_posix() for f in WWW.rglob("*") if f.is_file()} <= files
    assert {"classics.json", "library.zip", "workbooks.zip"} <= files
    assert written.files == len(files)
    assert written.size == sum((folder / f).stat().st_size for f in files)
    for name in ("eight_schools",):
        assert name in json.loads((folder / "classics.json").read_text())
    index = (folder / "index.html").read_text()
    assert '<meta name="backend" content="worker">' in index
    assert f'<meta name="pyodide" content="{PYODIDE}">' in index
    assert re.search(r"v\d+\.\d+\.\d+/", PYODIDE)  # a pinned version
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', index)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_addresses_are_relative(tmp_path):
    folder = tmp_path / "lesson"
    export(folder)
    for file in (*folder.rglob("*.js"), folder / "index.html"):
        text = file.read_text()
        assert not re.search(r"""(src|href)=["']/""", text), file
        assert not re.search(r"""(fetch|import|new URL)\(["'`]/""", text), file


def test_the_archive_has_a_library_that_can_be_imported(tmp_path):
    export(tmp_path / "lesson")
    archive = tmp_path / "lesson" / "library.zip"
    with zipfile.ZipFile(archive) as library:
        names = library.namelist()
        library.extractall(tmp_path / "library")
    assert "partialpool/datasets/radon.csv" in names
    assert not [n for n in names if "/www/" in n or "/cli/" in n or n.endswith(".pyc")]
    program = "import partialpool.app.in_worker as w; print(w.__file__)"
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'library'); {program}"],
        capture_output=True, text=True, cwd=tmp_path, check=True,
    )  # fmt: skip
    assert "library" in run.stdout
    again = tmp_path / "again"
    export(again)
    assert (again / "library.zip").read_bytes() == archive.read_bytes()


def test_a_distribution_in_a_folder_is_copied_as_far_as_it_is_needed(tmp_path, distribution):
    export(tmp_path / "lesson", pyodide=str(distribution))
    copied = {f.name for f in (tmp_path / "lesson" / "pyodide").iterdir()}
    assert copied == {
        "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip",
        "pyodide-lock.json", "numpy.whl", "scipy.whl", "openblas.zip",
    }  # fmt: skip
    assert 'name="pyodide" content="pyodide/"' in (tmp_path / "lesson" / "index.html").read_text()


def test_an_address_may_end_without_a_slash_and_is_escaped(tmp_path):
    export(tmp_path / "lesson", pyodide='https://example.org/a"b')
    index = (tmp_path / "lesson" / "index.html").read_text()
    assert 'content="https://example.org/a&quot;b/"' in index


@pytest.mark.parametrize("wrong", ["nowhere", "ftp://example.org/", "https://"])
def test_what_is_no_distribution_is_refused(wrong, tmp_path):
    with pytest.raises(pp.ArgumentError, match=r"neither the address .* nor a folder with one"):
        export(tmp_path / "lesson", pyodide=wrong)
    assert not (tmp_path / "lesson").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(pp.ArgumentError, match="holds something else"):
        export(tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["index.html"]
    export(tmp_path / "lesson")
    export(tmp_path / "lesson")  # an earlier export is written again
    assert (tmp_path / "lesson" / "index.html").read_text().count("Content-Security-Policy") == 1


def test_the_command(tmp_path, distribution):
    folder = str(tmp_path / "my lesson")
    result = CliRunner().invoke(cli, ["app", "--export", folder, "--pyodide", str(distribution)])
    assert result.exit_code == 0, result.output
    assert f"python -m http.server -d '{folder}'" in result.output
    for wrong, words in (
        (["app", "--pyodide", "x"], "--pyodide is for --export"),
        (["app", "scores.csv", "--export", folder], "--export takes no FILE"),
    ):
        result = CliRunner().invoke(cli, wrong)
        assert result.exit_code == 2
        assert words in result.output


# in one piece ---------------------------------------------------------------------------------


def test_the_page_of_a_notebook_has_everything_inside():
    shown = pp.simulate.show(step=5, height=500)
    assert 'height="500"' in shown._repr_html_()
    assert '<meta name="parameters" content="embed=1&amp;step=5">' in shown.source
    imports = re.search(r'<script type="importmap">(.*?)</script>', shown.source)[1]
    names = json.loads(imports)["imports"]
    for name, address in names.items():
        assert address.startswith("data:text/javascript;base64,"), name
    assert "@/worlds.js" in names
    assert "@/yourfile.js" in names
    assert not [n for n in names if "backend" in n or "worker" in n]
    assert not re.search(r'(src|href)="(?!data:|#|\?)', shown.source.split("<style")[0])
    assert "eight_schools" in shown.source
    assert "part=laboratory" in pp.simulate.show().source


@pytest.mark.parametrize("step", [0, 16, 2.5, True, "3"])
def test_steps_that_do_not_exist(step):
    with pytest.raises(pp.ArgumentError, match="from 1 to 15"):
        pp.simulate.show(step)


def test_heights_that_make_no_sense():
    with pytest.raises(pp.ArgumentError, match="at least 100"):
        pp.simulate.show(height=0)


def test_there_are_as_many_steps_as_the_lesson_has():
    listed = re.search(r"STEPS = \[(.*?)\]", (WWW / "lesson" / "steps.js").read_text(), re.S)[1]
    assert len([n for n in listed.split(",") if n.strip()]) == in_one_piece.STEPS
