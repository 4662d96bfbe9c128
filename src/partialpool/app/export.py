"""The page as a folder for any web server, with the library for "Your file" in a worker."""

from __future__ import annotations

import html
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module, resources
from pathlib import Path
from urllib.parse import urlsplit

from partialpool.app import classics
from partialpool.errors import ArgumentError

PYODIDE = "https://cdn.jsdelivr.net/pyodide/v314.0.7/full/"
"""The public distribution of Python for browsers from which a page fetches Python by default."""
BESIDE = "pyodide/"
"""Where a copy of it stands in the folder."""
CORE = (
    "pyodide.mjs", "pyodide.asm.js", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip",
    "pyodide-lock.json",
)  # fmt: skip
"""What every version needs; of the two forms of pyodide.asm each version has one."""
PACKAGES = ("numpy", "scipy")
READ = (".py", ".csv", ".typed")
"""Endings of the library's files that Python reads."""
NOT_READ = ("www", "cli", "__pycache__")
"""Folders that nothing in the worker needs."""
STAMP = (2020, 1, 1, 0, 0, 0)
"""The time of every file in an archive, so that the same version writes the same bytes."""
MARK = '<meta name="backend" content="worker">'


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the folder, how many files, and how many bytes."""

    folder: str
    files: int
    size: int


def export(folder: str | Path, *, pyodide: str | None = None) -> Exported:
    """Write lesson, laboratory and "Your file" for any web server of static files.

    Parameters
    ----------
    folder : str or Path
        Where to; it is made, or holds an earlier export.
    pyodide : str, optional
        Where the page fetches Python when a reader chooses a file: the address of a distribution
        of Pyodide, or a folder with one, of which the page then has a copy. If not given, the
        public one.

    Raises
    ------
    ArgumentError
        If the folder holds something else, or `pyodide` is no distribution.
    """
    target = Path(folder)
    _check_ours(target)
    origin, source = _distribution(pyodide)
    with resources.as_file(resources.files("partialpool") / "app" / "www") as www:
        shutil.copytree(www, target, dirs_exist_ok=True)
    (target / "classics.json").write_text(classics.as_text(), encoding="utf-8")
    _pack(target / "library.zip", _library())
    workbooks = list(_openpyxl())
    if workbooks:
        _pack(target / "workbooks.zip", workbooks)
    if source is not None:
        _copy_distribution(source, target / BESIDE)
    index = target / "index.html"
    text = _with_head(index.read_text(encoding="utf-8"), origin, workbooks=bool(workbooks))
    index.write_text(text, encoding="utf-8")
    written = [f for f in target.rglob("*") if f.is_file()]
    return Exported(str(folder), len(written), sum(f.stat().st_size for f in written))


def _check_ours(target: Path) -> None:
    """Raise unless a folder is new, empty, or written by `export` before."""
    if target.is_dir() and not any(target.iterdir()):
        return
    index = target / "index.html"
    ours = index.is_file() and MARK in index.read_text(encoding="utf-8", errors="replace")
    if target.exists() and not ours:
        raise ArgumentError(
            f'"{target}" holds something else; name a folder that is new, empty, or an earlier '
            "export"
        )


def _distribution(pyodide: str | None) -> tuple[str, Path | None]:
    """The address that the page uses, and the folder to copy from."""
    if pyodide is None:
        return PYODIDE, None
    if urlsplit(pyodide).scheme in ("http", "https") and urlsplit(pyodide).netloc:
        return pyodide.rstrip("/") + "/", None
    missing = [f for f in ("pyodide.mjs", "pyodide-lock.json") if not (Path(pyodide) / f).is_file()]
    if missing:
        raise ArgumentError(
            f'"{pyodide}" is neither the address of a distribution of Pyodide (https://...) nor a '
            f"folder with one: there is no {' and no '.join(missing)}"
        )
    return BESIDE, Path(pyodide)


def _copy_distribution(source: Path, target: Path) -> None:
    """Copy what the page needs of a distribution: Python, and the packages with what they need."""
    lock = json.loads((source / "pyodide-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted, names = list(PACKAGES), [f for f in CORE if (source / f).is_file()]
    for name in wanted:  # grows by what each needs
        names.append(lock[name]["file_name"])
        wanted += [d for d in lock[name]["depends"] if d not in wanted]
    target.mkdir(exist_ok=True)
    for name in names:
        if not (source / name).is_file():
            raise ArgumentError(f'"{source}" lists {name} and does not have it')
        shutil.copyfile(source / name, target / name)


def _with_head(page: str, origin: str, *, workbooks: bool) -> str:
    """The page with what it needs to know, and what a browser is to let it do."""
    policy = (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    added = [
        MARK,
        f'<meta name="pyodide" content="{html.escape(origin)}">',
        f'<meta name="workbooks" content="{"yes" if workbooks else "no"}">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<script src="from_disk.js"></script>',
    ]
    first = '<meta charset="utf-8">\n'
    assert page.count(first) == 1
    return page.replace(first, first + "\n".join(added) + "\n")


def _library() -> Iterator[tuple[str, bytes]]:
    """The library's own files that Python reads, by their names in the archive."""
    root = Path(str(import_module("partialpool").__file__)).parent
    return _sources(root)


def _openpyxl() -> Iterator[tuple[str, bytes]]:
    """The sources of openpyxl, which is pure Python, with what it needs; nothing if not there."""
    try:
        roots = [Path(str(import_module(n).__file__)).parent for n in ("openpyxl", "et_xmlfile")]
    except ModuleNotFoundError:
        return
    for root in roots:
        yield from _sources(root)


def _sources(root: Path) -> Iterator[tuple[str, bytes]]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in NOT_READ)
        for file in sorted(files):
            if file.endswith(READ):
                path = Path(folder, file)
                yield path.relative_to(root.parent).as_posix(), path.read_bytes()


def _pack(target: Path, files: Iterable[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, STAMP), content, zipfile.ZIP_DEFLATED)
