"""Long work in processes of its own, so that nobody else waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any

from partialpool.errors import PartialPoolError

AT_ONCE = 2
"""Jobs and pool processes that run at a time."""
LONGEST = 600
"""Seconds of processor time a job may take."""


class JobFailed(PartialPoolError, RuntimeError):
    """A job ended without a result: it took too long, or too much memory."""


def _context() -> Any:
    """Processes forked from a clean server, where there is one, start in milliseconds."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["partialpool.app.work"])
    return context


def warm() -> None:
    """Start what processes are forked from."""
    process = _context().Process(target=_nothing, daemon=True)
    process.start()
    process.join()


class Workers:
    """A pool for short work that is shared, and a process a job for work that can be cancelled."""

    def __init__(self) -> None:
        self._context = _context()
        self._pool: ProcessPoolExecutor | None = None
        self._places = asyncio.Semaphore(AT_ONCE)
        self.background = asyncio.Semaphore(AT_ONCE - 1)
        """For what can wait: it leaves a place to what somebody waits for."""

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run in the pool; work that has not begun is dropped when the caller is cancelled."""
        loop = asyncio.get_running_loop()
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                AT_ONCE, mp_context=self._context, initializer=_step_back
            )
        pool = self._pool
        try:
            return await loop.run_in_executor(pool, function, *arguments)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            raise JobFailed("the computation was stopped; try again") from None

    async def alone(
        self, function: Callable[..., Any], *arguments: Any, progress: Callable[[float], None]
    ) -> Any:
        """Run in a process of its own, which ends when the caller is cancelled.

        Parameters
        ----------
        function : callable
            Called with the arguments and, as `progress`, a function that takes a fraction.
        progress : callable
            Called here with each fraction.

        Raises
        ------
        PartialPoolError
            What the function raised; `JobFailed` if the process died.
        """
        async with self._places:
            mine, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(
                target=_child, args=(theirs, function, arguments), daemon=True
            )
            process.start()
            theirs.close()
            try:
                return await self._listen(mine, progress)
            finally:
                process.kill()
                mine.close()

    async def _listen(self, mine: Connection, progress: Callable[[float], None]) -> Any:
        while True:
            try:
                while not mine.poll():
                    await asyncio.sleep(0.02)
                kind, value = await asyncio.to_thread(mine.recv)
            except (EOFError, OSError):
                raise JobFailed(
                    "the computation was stopped: it took too long or too much memory; try with "
                    "fewer rows, or from Python"
                ) from None
            if kind == "progress":
                progress(value)
            elif kind == "error":
                raise value
            else:
                return value

    def close(self) -> None:
        """End the pool and its processes."""
        for process in multiprocessing.active_children():
            process.kill()
        if self._pool is not None:  # its processes are gone, so that there is nothing to wait for
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _step_back() -> None:
    """Let whoever answers browsers go first."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(15)


def _nothing() -> None:
    """What a process does that is only there to warm the server."""


def _child(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _limit()
    _step_back()
    try:
        found = function(*arguments, progress=lambda done: pipe.send(("progress", done)))
        pipe.send(("done", found))
    except PartialPoolError as error:
        pipe.send(("error", _plain(error)))
    except MemoryError:
        pipe.send(("error", JobFailed("the data need more memory than there is")))
    except Exception as error:
        # whatever else goes wrong is our fault: the user gets a sentence, the log the traceback
        sys.excepthook(type(error), error, error.__traceback__)
        pipe.send(("error", JobFailed("something went wrong here that should not have")))


def _plain(error: PartialPoolError) -> PartialPoolError:
    """An error that can cross to another process: its words."""
    return JobFailed(str(error))


def _limit() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
