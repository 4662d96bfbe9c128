"""What a job does: opens the user's file, asks it one thing, and keeps what was fitted."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from partialpool.app.your_file import KINDS, YourFile
from partialpool.errors import ArgumentError
from partialpool.rows.whole_files import moved_when_whole

QUESTIONS = ("groups", "rank", "contrast", "predict")
"""What can be asked of a fit."""
VERBS = ("columns", "formula", "fit", *QUESTIONS)
MOST_FITS = 4
"""Fits of a file that are kept, so that two windows can show two of them."""


def answer(
    path: str, name: str, folder: str, verb: str, body: bytes, *, progress: Callable[[float], None]
) -> bytes:
    """Do one thing with a file.

    Parameters
    ----------
    path, name : str
        The file, and what its owner calls it.
    folder : str
        Where its fits are kept: this session's own.
    verb : str
        One of `VERBS`.
    body : bytes
        A request as JSON.

    Returns
    -------
    bytes
        The answer as JSON.
    """
    os.chdir(folder)
    request = parsed(body)
    file = YourFile(path, name) if verb in ("columns", "formula", "fit") else _kept(folder, request)
    before = _computed(file)
    if verb == "columns":
        result = file.columns(request)
    elif verb == "formula":
        result = file.formula(request)
    elif verb == "fit":
        result = file.fit(request, progress)
    else:
        result = getattr(file, verb)(request)
    if _computed(file) != before:
        _keep(folder, file)
    return json.dumps(result, ensure_ascii=False, allow_nan=False).encode()


def _computed(file: YourFile) -> list[tuple[tuple[str, str], bool]]:
    """What has been computed of a fit: which tables, and whether with ranks."""
    now = file.fitted
    return [] if now is None else [(effect, bool(t.ranks)) for effect, t in now.tables.items()]


def download(folder: str, body: bytes, *, progress: Callable[[float], None]) -> bytes:
    """The results as a file: one line with its name as JSON, then its content."""
    os.chdir(folder)
    request = parsed(body)
    kind = request.get("kind")
    if kind not in KINDS:
        raise ArgumentError(f'"{str(kind)[:40]}" is none of {", ".join(KINDS)}')
    filename, content = _kept(folder, request).download(kind, request)
    progress(1.0)
    return json.dumps(filename).encode() + b"\n" + content


def parsed(body: bytes) -> Mapping[str, Any]:
    """A request.

    Raises
    ------
    ArgumentError
        If it is no JSON object.
    """
    try:
        request = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise ArgumentError("the request is no JSON") from error
    if not isinstance(request, dict):
        raise ArgumentError("the request is no JSON object")
    return request


def _kept(folder: str, request: Mapping[str, Any]) -> YourFile:
    """The file with the fit that a request is about; the last one where it does not say."""
    names = _fits(folder)
    key = request.get("key")
    wanted = [n for n in names if key in (None, "") or n == f"{key}.fit"]
    if not wanted:
        raise ArgumentError("these results are no longer kept: fit again")
    with open(os.path.join(folder, wanted[-1]), "rb") as file:
        # nobody else writes there: `_keep` does, into a folder that is the server's
        users_file: YourFile = pickle.load(file)
    return users_file


def _keep(folder: str, file: YourFile) -> None:
    assert file.fitted is not None
    target = os.path.join(folder, f"{file.fitted.model.key}.fit")
    with moved_when_whole(target) as beside, open(beside, "wb") as written:
        pickle.dump(file, written, protocol=pickle.HIGHEST_PROTOCOL)
    for name in _fits(folder)[:-MOST_FITS]:
        os.unlink(os.path.join(folder, name))


def _fits(folder: str) -> list[str]:
    """The fits that are kept, the last one last."""
    names = [n for n in os.listdir(folder) if n.endswith(".fit")]
    return sorted(names, key=lambda n: os.stat(os.path.join(folder, n)).st_mtime_ns)


def classics(*, progress: Callable[[float], None]) -> bytes:
    """The results of the bundled data sets as JSON."""
    from partialpool.app.classics import as_text  # with the charts' code, which no other job needs

    text = as_text().encode()
    progress(1.0)
    return text


def small_file(folder: str) -> str:
    """Write a small file to fit, for `app.warmed`."""
    path = os.path.join(folder, "small.csv")
    with open(path, "w", encoding="ascii") as file:
        file.write("site,score\n")
        file.writelines(f"{'ABCDEF'[i % 6]},{50 + i * i % 23}\n" for i in range(48))
    return path


def rehearse() -> None:
    """Read, fit and ask once, so that whatever is loaded or set up first has been."""
    with tempfile.TemporaryDirectory() as folder:
        file = YourFile(small_file(folder), "small.csv")
        file.fit(file.columns()["choices"])
        file.contrast({"first": 0, "second": 1})
