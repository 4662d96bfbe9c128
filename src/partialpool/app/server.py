"""One session: reads what the browser sent, asks the pure functions, sends payloads back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from shiny import Inputs, Outputs, Session, reactive, render, req

from partialpool import datasets
from partialpool.app import forms, results, simulator, work
from partialpool.app.jobs import Workers
from partialpool.app.page import DOWNLOADS
from partialpool.app.results import Result
from partialpool.app.session import Classics, Kept, Latest, Reader, payload, shown, words
from partialpool.app.simulator import Expected
from partialpool.app.state import Simulation
from partialpool.app.upload import your_file

REST, LONG_REST = 0.2, 1.0
"""Seconds the controls rest before averages are taken, and before many are."""


def server(workers: Workers, given: str | None) -> Callable[..., None]:
    """The server function of the app; `given` is a file to start with."""
    kept, classics = Kept(), Classics(workers)

    def session_server(input: Inputs, output: Outputs, session: Session) -> None:
        here = Reader(input, session)
        _simulate(here, output, workers, kept)
        fitted = your_file(here, output, workers, given)
        _show(here, output, classics, fitted)
        _downloads(here, output, kept, classics, fitted)

    return session_server


def _simulate(here: Reader, output: Outputs, workers: Workers, kept: Kept) -> None:
    last: reactive.Value[Expected | None] = reactive.Value(None, name="last")
    latest = Latest(here.session)

    @reactive.calc
    def state() -> Simulation:
        req(here.source == "simulate")
        return here.state()

    async def follow(state: Simulation) -> None:
        """Take averages, few at first, once the controls rest."""
        await asyncio.sleep(REST)
        quick: Expected = await workers.run(work.averages, state, simulator.QUICK)
        await shown(last, quick)
        await asyncio.sleep(LONG_REST)
        async with workers.background:
            risks = await workers.alone(
                work.more_averages, state, simulator.THOROUGH, progress=lambda _done: None
            )
        found = replace(quick, risks=risks)
        kept.put(found)
        await shown(last, found)

    @reactive.effect
    def _() -> None:
        current = state()
        known = kept.get(current)
        if known is not None:
            latest.cancel()
            last.set(known)
        else:
            latest.start(lambda: follow(current))

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


def _show(
    here: Reader, output: Outputs, classics: Classics, fitted: Callable[[], Result | None]
) -> None:
    """What is shown of classic data and of a file."""

    @reactive.extended_task
    async def fit_classic(name: str) -> Result:
        return await classics.get(name)

    here.session.on_ended(fit_classic.cancel)

    @reactive.effect
    def _() -> None:
        if here.source == "classic" and classics.known(here.dataset) is None:
            fit_classic.invoke(here.dataset)

    @reactive.calc
    def found() -> Result:
        req(here.source != "simulate")
        if here.source == "file":
            result = fitted()
        else:
            fit_classic.status()  # ask again when a fit has ended
            result = classics.known(here.dataset)
        req(result is not None)
        assert result is not None
        return result

    @output(suspend_when_hidden=False)
    @payload
    def result() -> dict[str, Any]:
        return results.shown(found(), here.sender, here.dark)

    @output(suspend_when_hidden=False)
    @payload
    def about() -> dict[str, Any]:
        req(here.source == "classic")
        chosen = next(d for d in datasets.catalogue if d.name == here.dataset)
        text = {"story": chosen.story, "about": chosen.title, "citation": chosen.citation}
        status = fit_classic.status()
        if status == "error":
            text["headline"] = words(fit_classic.error())
        return {"text": text, "waiting": status == "running"}

    @output(suspend_when_hidden=False)
    @payload
    def scrub() -> dict[str, Any]:
        tau = here.held
        query = {"source": here.source}
        query |= {"dataset": here.dataset} if here.source == "classic" else {}
        query |= {"held_tau": f"{tau:.4g}"} if tau is not None else {}
        shown = results.held(found(), tau, here.sender, here.dark)
        return shown | {"query": urlencode(query)}


def _downloads(
    here: Reader,
    output: Outputs,
    kept: Kept,
    classics: Classics,
    fitted: Callable[[], Result | None],
) -> None:
    def register(kind: str) -> None:
        async def rows() -> AsyncIterator[bytes]:
            yield await content(kind)

        button = render.download_button(filename=f"partialpool.{kind}")
        output(id=f"download_{kind}")(button(rows))

    async def content(kind: str) -> bytes:
        with reactive.isolate():
            source, state, name = here.source, here.state(), here.dataset
            place, tau, found = forms.text_of(here.get("chart")), here.held, fitted()
        if source == "simulate":
            return await asyncio.to_thread(work.download_world, state, kind, place, kept.get(state))
        if source == "classic":
            found = await classics.get(name)
        if found is None:
            return b"There is no result yet: choose a file and fit it first.\n"
        tau = None if tau is None or not found.end else min(tau, found.end)
        return await asyncio.to_thread(work.download, found, kind, place, tau)

    for kind in DOWNLOADS:
        register(kind)
