"""The user's file inside a web worker: the jobs of the server, without a server.

`www/worker.js` calls these functions under Pyodide. Texts of JSON and bytes go in and out, and an
error that has words for the reader comes back as words.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from partialpool.app import work
from partialpool.app.your_file import ending_of
from partialpool.errors import PartialPoolError


def place(folder: str, name: str) -> str:
    """Where the file of this name is to be written, in a folder of its own, as JSON.

    Parameters
    ----------
    folder : str
        A folder for this file and its fits; it is made.
    name : str
        What its owner calls it.
    """
    try:
        path = os.path.join(folder, f"file{ending_of(name)}")
    except PartialPoolError as error:
        return json.dumps({"error": str(error)})
    os.makedirs(folder, exist_ok=True)
    return json.dumps({"result": path})


def answer(
    path: str, name: str, folder: str, verb: str, body: str, progress: Callable[[float], None]
) -> str:
    """Do one thing with a file; see `work.answer`. The result or the error, as JSON."""
    try:
        answer = work.answer(path, name, folder, verb, body.encode(), progress=progress)
    except PartialPoolError as error:
        return json.dumps({"error": str(error)})
    except MemoryError:
        return json.dumps({"error": "the browser's memory is too small for this file"})
    return f'{{"result": {answer.decode()}}}'


def download(folder: str, body: str) -> tuple[str, bytes]:
    """The results as a file: its name, or the error, as JSON, and its content."""
    try:
        name, content = work.download(folder, body.encode(), progress=_nobody).split(b"\n", 1)
    except PartialPoolError as error:
        return json.dumps({"error": str(error)}), b""
    return f'{{"result": {name.decode()}}}', content


def _nobody(_done: float) -> None:
    """Nobody waits for the progress of a download."""
