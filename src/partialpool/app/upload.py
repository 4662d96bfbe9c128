"""The user's file in a session: look into it, fit it, cancel."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from shiny import Outputs, reactive, req

from partialpool.app import forms, work
from partialpool.app.jobs import Workers
from partialpool.app.results import Result
from partialpool.app.session import Reader, payload, shown, words
from partialpool.app.settings import LARGEST_UPLOAD, MEGABYTE
from partialpool.errors import PartialPoolError

MOST_COLUMNS = 300
"""Columns of a file that are listed."""


def your_file(
    here: Reader, output: Outputs, workers: Workers, given: str | None
) -> Callable[[], Result | None]:
    """The user's file: look into it, fit it; returns what was fitted."""
    fitted: reactive.Value[Result | None] = reactive.Value(None, name="fitted")
    message: reactive.Value[str] = reactive.Value("", name="message")
    fraction: reactive.Value[float] = reactive.Value(0.0, name="fraction")

    @reactive.calc
    def upload() -> tuple[str, str] | None:
        """Path and name of the file."""
        files = here.get("upload")
        if isinstance(files, list) and files and isinstance(files[0], dict):
            path, name = files[0].get("datapath"), files[0].get("name")
            if isinstance(path, str) and isinstance(name, str) and _uploaded(path):
                return path, name
        return (os.path.abspath(given), os.path.basename(given)) if given else None

    @reactive.extended_task
    async def look(path: str, name: str) -> Any:
        return await workers.alone(work.columns, path, name, progress=lambda _done: None)

    @reactive.effect
    def _() -> None:
        found = upload()
        req(found is not None and here.source == "file")
        assert found is not None
        look.invoke(*found)

    @reactive.extended_task
    async def run(
        path: str, name: str, formula: str, priors: list[str], family: str | None
    ) -> Result:
        tasks: set[asyncio.Task[None]] = set()

        def progress(done: float) -> None:
            task = asyncio.ensure_future(shown(fraction, done))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        found: Result = await workers.alone(
            work.fit_file, path, name, formula, priors, family, progress=progress
        )
        return found

    here.session.on_ended(look.cancel)
    here.session.on_ended(run.cancel)

    @reactive.effect
    @reactive.event(lambda: here.get("go"))
    def _() -> None:
        found = upload()
        if not here.get("go") or found is None:
            return
        message.set("")
        fraction.set(0.0)
        try:
            asked = forms.formula_of(here.get), forms.priors_of(here.get)
            run.invoke(*found, *asked, forms.family_of(here.get))
        except PartialPoolError as error:
            message.set(str(error))

    @reactive.effect
    @reactive.event(lambda: here.get("cancel"))
    def _() -> None:
        run.cancel()

    @reactive.effect
    def _() -> None:
        status = run.status()
        if status == "success":
            fitted.set(run.result())
        elif status == "error":
            message.set(words(run.error()))
        elif status == "cancelled":
            message.set("Cancelled.")

    @output(suspend_when_hidden=False)
    @payload
    def upload_state() -> dict[str, Any]:
        req(here.source == "file")
        found, status = upload(), look.status()
        columns: list[dict[str, Any]] = []
        said = ""
        if found is None:
            said = (
                f"Choose a file of at most {LARGEST_UPLOAD // MEGABYTE} MB; "
                "its first row names the columns."
            )
        elif status == "running":
            said = f"Looking into {found[1]} ..."
        elif status == "error":
            said = words(look.error())
        elif status == "success":
            seen = look.result()
            columns = [asdict(c) for c in seen[:MOST_COLUMNS]]
            said = f"{found[1]}: {_counted(len(seen), 'column')}."
            if len(seen) > MOST_COLUMNS:
                said += f" The first {MOST_COLUMNS} are listed; a formula can name the others."
        return {"text": {"file_message": said}, "columns": columns}

    @output(suspend_when_hidden=False)
    @payload
    def fit_state() -> dict[str, Any]:
        req(here.source == "file")
        try:
            asked = forms.formula_of(here.get)
        except PartialPoolError as error:
            asked = f"({error})"
        busy = run.status() == "running"
        text = {"fit_message": message(), "asked": asked}
        empty = fitted() is None
        return {"text": text, "busy": busy, "fraction": fraction(), "empty": empty}

    @reactive.effect
    @reactive.event(upload)
    def _() -> None:
        run.cancel()
        fitted.set(None)
        message.set("")

    return fitted


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _uploaded(path: str) -> bool:
    """Whether a path is where uploads are kept: a browser may claim any."""
    folder = os.path.join(os.path.realpath(tempfile.gettempdir()), "fileupload-")
    return os.path.realpath(path).startswith(folder)
