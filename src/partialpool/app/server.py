"""One session: reads what the browser sent, asks the pure functions, sends payloads back."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from shiny import Inputs, Outputs, Session, reactive, render, req
from shiny.render.renderer import Jsonifiable, Renderer

from partialpool import datasets
from partialpool.app import forms, results, simulator, work
from partialpool.app.controls import HELD, SOURCE
from partialpool.app.jobs import Workers
from partialpool.app.page import DOWNLOADS, LARGEST_UPLOAD, MEGABYTE
from partialpool.app.payload import Sender
from partialpool.app.results import Result
from partialpool.app.simulator import Expected
from partialpool.app.state import Simulation
from partialpool.errors import PartialPoolError

REST = 0.2
"""Seconds the controls rest before averages are taken."""
KEPT = 256
"""Averages that are kept for all sessions."""


class payload(Renderer[dict[str, Any]]):
    """An output whose value goes to the browser as it is."""

    async def transform(self, value: dict[str, Any]) -> Jsonifiable:
        """Return the value."""
        return value


class Kept:
    """The averages of the last settings of all sessions."""

    def __init__(self) -> None:
        self._found: OrderedDict[Simulation, Expected] = OrderedDict()

    def get(self, state: Simulation) -> Expected | None:
        """Return them if they are there."""
        return self._found.get(state)

    def put(self, found: Expected) -> None:
        """Keep them, and let go of the oldest."""
        self._found[found.state] = found
        while len(self._found) > KEPT:
            self._found.popitem(last=False)


def server(workers: Workers, kept: Kept, given: str | None) -> Callable[..., None]:
    """The server function of the app; `given` is a file to start with."""

    def session_server(input: Inputs, output: Outputs, session: Session) -> None:
        here = _Session(input, session)
        _simulate(here, output, workers, kept)
        chosen = _file(here, output, workers, given)
        _show(here, output, chosen)
        _downloads(here, output, chosen)

    return session_server


class _Session:
    """Reads inputs that may be missing or anything at all."""

    def __init__(self, input: Inputs, session: Session) -> None:
        self.input, self.session = input, session
        self.sender = Sender()

    def get(self, name: str) -> Any:
        """The value of an input, None if it was never sent; the caller depends on it."""
        return self.input[name]() if name in self.input else None

    @property
    def source(self) -> str:
        return SOURCE.read(self.get("source"))

    @property
    def dark(self) -> bool:
        return self.get("dark") is True

    @property
    def held(self) -> float | None:
        """The tau that is held, None if the posterior decides."""
        return HELD.read(self.get("held_tau")) if self.get("held") is True else None

    def state(self) -> Simulation:
        return Simulation.read(self)


def _simulate(here: _Session, output: Outputs, workers: Workers, kept: Kept) -> None:
    last: reactive.Value[Expected | None] = reactive.Value(None)

    @reactive.calc
    def state() -> Simulation:
        req(here.source == "simulate")
        return here.state()

    @reactive.extended_task
    async def average(state: Simulation) -> Expected:
        await asyncio.sleep(REST)
        found: Expected = await workers.run(work.averages, state, simulator.QUICK)
        return found

    @reactive.extended_task
    async def refine(state: Simulation) -> Expected:
        found: Expected = await workers.run(work.averages, state, simulator.THOROUGH)
        kept.put(found)
        return found

    here.session.on_ended(average.cancel)
    here.session.on_ended(refine.cancel)

    @reactive.effect
    def _() -> None:
        current = state()
        average.cancel()
        refine.cancel()
        known = kept.get(current)
        if known is not None:
            last.set(known)
        else:
            average.invoke(current)

    @reactive.effect
    def _() -> None:
        req(average.status() == "success")
        found = average.result()
        with reactive.isolate():
            if found.state == state():
                last.set(found)
                refine.invoke(found.state)

    @reactive.effect
    def _() -> None:
        req(refine.status() == "success")
        found = refine.result()
        with reactive.isolate():
            if found.state == state():
                last.set(found)

    @output(suspend_when_hidden=False)
    @payload
    def live() -> dict[str, Any]:
        current = state()
        with reactive.isolate():
            known = kept.get(current) or last()
        return simulator.live(current, known, here.sender, here.dark)

    @output(suspend_when_hidden=False)
    @payload
    def settled() -> dict[str, Any]:
        found = last()
        req(found is not None)
        assert found is not None
        req(found.state == state())
        return simulator.settled(found, here.sender, here.dark)


def _file(
    here: _Session, output: Outputs, workers: Workers, given: str | None
) -> Callable[[], Result | None]:
    """The user's file: look into it, fit it; returns what was fitted."""
    fitted: reactive.Value[Result | None] = reactive.Value(None)
    message: reactive.Value[str] = reactive.Value("")
    fraction: reactive.Value[float] = reactive.Value(0.0)

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
        async def show(done: float) -> None:
            async with reactive.lock():
                fraction.set(done)
                await reactive.flush()

        tasks: set[asyncio.Task[None]] = set()

        def progress(done: float) -> None:
            task = asyncio.ensure_future(show(done))
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
            message.set(_words(run.error()))
        elif status == "cancelled":
            message.set("Cancelled.")

    @output(suspend_when_hidden=False)
    @payload
    def upload_state() -> dict[str, Any]:
        req(here.source == "file")
        found, status = upload(), look.status()
        text = {"file_message": "", "fit_message": message()}
        columns: list[dict[str, Any]] = []
        if found is None:
            text["file_message"] = (
                f"Choose a file of at most {LARGEST_UPLOAD // MEGABYTE} MB; "
                "its first row names the columns."
            )
        elif status == "running":
            text["file_message"] = f"Looking into {found[1]} ..."
        elif status == "error":
            text["file_message"] = _words(look.error())
        elif status == "success":
            columns = [asdict(c) for c in look.result()]
            text["file_message"] = f"{found[1]}: {len(columns)} columns."
        busy = run.status() == "running"
        return {"text": text, "columns": columns, "busy": busy, "fraction": fraction()}

    @reactive.effect
    @reactive.event(upload)
    def _() -> None:
        run.cancel()
        fitted.set(None)
        message.set("")

    return fitted


def _uploaded(path: str) -> bool:
    """Whether a path is where uploads are kept: a browser may claim any."""
    folder = os.path.join(os.path.realpath(tempfile.gettempdir()), "fileupload-")
    return os.path.realpath(path).startswith(folder)


def _words(error: BaseException | None) -> str:
    """An error in a sentence; never a stack trace."""
    if isinstance(error, PartialPoolError):
        return str(error)
    return "Something went wrong here that should not have; please try again."


def _show(here: _Session, output: Outputs, fitted: Callable[[], Result | None]) -> None:
    """What is shown of classic data and of a file."""

    @reactive.calc
    async def found() -> Result:
        req(here.source != "simulate")
        if here.source == "file":
            file = fitted()
            req(file is not None)
            assert file is not None
            return file
        return await asyncio.to_thread(work.classic, dataset())

    def dataset() -> str:
        names = [d.name for d in datasets.catalogue]
        value = here.get("dataset")
        return value if value in names else names[0]

    @output(suspend_when_hidden=False)
    @payload
    async def result() -> dict[str, Any]:
        shown = results.shown(await found(), here.sender, here.dark)
        if here.source == "classic":
            about = next(d for d in datasets.catalogue if d.name == dataset())
            shown["text"] |= {"story": about.story, "citation": f"Source: {about.citation}."}
        return shown

    @output(suspend_when_hidden=False)
    @payload
    async def scrub() -> dict[str, Any]:
        tau = here.held
        query = {"source": here.source}
        query |= {"dataset": dataset()} if here.source == "classic" else {}
        query |= {"held_tau": f"{tau:.4g}"} if tau is not None else {}
        shown = results.held(await found(), tau, here.sender, here.dark)
        return shown | {"query": urlencode(query)}


def _downloads(here: _Session, output: Outputs, fitted: Callable[[], Result | None]) -> None:
    def register(kind: str) -> None:
        async def rows() -> AsyncIterator[bytes]:
            yield await asyncio.to_thread(content, kind)

        button = render.download_button(filename=f"partialpool.{kind}")
        output(id=f"download_{kind}")(button(rows))

    def content(kind: str) -> bytes:
        with reactive.isolate():
            if here.source == "simulate":
                return work.download_world(here.state(), kind)
            if here.source == "classic":
                value = here.get("dataset")
                names = [d.name for d in datasets.catalogue]
                found = work.classic(value if value in names else names[0])
            else:
                maybe = fitted()
                if maybe is None:
                    return b"There is no result yet: choose a file and fit it first.\n"
                found = maybe
            tau = here.held
            tau = None if tau is None else min(tau, found.end)
        return work.download(found.fit, found.truth, kind, tau)

    for kind in DOWNLOADS:
        register(kind)
