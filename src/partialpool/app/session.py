"""What every part of a session uses: inputs that may be anything, and what all sessions share."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from shiny import Inputs, Session, reactive
from shiny.render.renderer import Jsonifiable, Renderer

from partialpool import datasets
from partialpool.app import work
from partialpool.app.controls import HELD, SOURCE
from partialpool.app.jobs import JobFailed, Workers
from partialpool.app.payload import Sender
from partialpool.app.results import Result
from partialpool.app.simulator import Expected
from partialpool.app.state import Simulation
from partialpool.errors import PartialPoolError

KEPT = 256
"""Averages that are kept for all sessions."""


class payload(Renderer[dict[str, Any]]):
    """An output whose value goes to the browser as it is."""

    async def transform(self, value: dict[str, Any]) -> Jsonifiable:
        """Return the value."""
        return value


class Latest:
    """Work of which only the last counts: what is begun anew ends what went before.

    An extended task of Shiny's would tell every session of each of its stages.
    """

    def __init__(self, session: Session) -> None:
        self._task: asyncio.Task[None] | None = None
        session.on_ended(self.cancel)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begin what `work` returns."""
        self.cancel()
        self._task = asyncio.create_task(self._run(work))

    def cancel(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with contextlib.suppress(JobFailed):  # what was shown before stays
            await work()


async def shown(value: reactive.Value[Any], found: object) -> None:
    """Set a reactive value from outside of reactive code, and let everybody see it."""

    async def flush() -> None:
        async with reactive.lock():
            value.set(found)
            await reactive.flush()

    await asyncio.shield(flush())  # half a flush would leave others waiting


class Classics:
    """Fits of bundled data, each made once for all sessions, in another process."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._found: dict[str, Result] = {}

    def known(self, name: str) -> Result | None:
        """Return it if it is there."""
        return self._found.get(name)

    async def get(self, name: str) -> Result:
        """Return it, fitted if need be."""
        if name not in self._found:
            self._found[name] = await self._workers.run(work.classic, name)
        return self._found[name]


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


class Reader:
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

    @property
    def dataset(self) -> str:
        """The name of the classic data that are shown."""
        names = [d.name for d in datasets.catalogue]
        value = self.get("dataset")
        return value if value in names else names[0]

    def state(self) -> Simulation:
        return Simulation.read(self)


def words(error: BaseException | None) -> str:
    """An error in a sentence; never a stack trace."""
    if isinstance(error, PartialPoolError):
        text = str(error)
        advanced = text.replace('--prior "', '"')  # the command's word for it
        return text if advanced == text else f"{advanced}; priors are under Advanced"
    return "Something went wrong here that should not have; please try again."
