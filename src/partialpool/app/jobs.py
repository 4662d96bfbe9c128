"""Jobs: work on a user's file, each in a process of its own with limits, so that none harms others.

A process is forked from one that has loaded the library, which takes hundredths of a second; it
works with a limit of memory and time and ends with its job. What comes back are bytes, so that a
process that a file has subverted can say nothing but words.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from partialpool.app.unpacking import MEGABYTE
from partialpool.errors import PartialPoolError

AT_ONCE = max(2, os.cpu_count() or 1)
"""Jobs that run at a time."""
MOST_LONG = 2
"""Jobs more that run once they have run for `LONG_AFTER`: they leave their place to short ones."""
LONG_AFTER = 4.0
"""Seconds after which a job is long."""
MOST_WAITING = 200
"""Jobs that wait for a place; more are refused."""
LONGEST_JOB = 600
"""Seconds of processor time a job may take, and half as much more by the clock."""
MEMORY = 2048 * MEGABYTE
"""Bytes of memory a job may take, beyond what the loaded library has."""
LARGEST_FILE = 2048 * MEGABYTE
"""Bytes of a file that a job may write."""
LARGEST_ANSWER = 512 * MEGABYTE
"""Bytes that a job may send back."""
PIPE_INTERVAL = 0.005
"""Seconds between looks at a job's pipe: short beside what a person notices, and 200 looks a second
for each of the few jobs that run."""

STOPPED = (
    "the computation was stopped: it took too long or too much memory; try with fewer rows, or "
    "from Python"
)
Tell = Callable[[float], None]


class JobFailed(PartialPoolError, RuntimeError):
    """A job ended without a result; the words are for the user."""


class Busy(PartialPoolError, RuntimeError):
    """There are too many jobs already."""


def context() -> Any:
    """Processes forked from a clean server, where there is one, start in hundredths of a second."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    server = multiprocessing.get_context("forkserver")
    # with the script that was started, which each job would else run anew
    server.set_forkserver_preload(["__main__", "partialpool.app.warmed"])
    return server


@dataclass(slots=True)
class Place:
    """What a running job holds: a place among the short ones, or among the long ones."""

    long: bool = False


class Jobs:
    """Runs jobs, a bounded number at a time, in the order in which they came."""

    def __init__(self) -> None:
        self._context = context()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._long = 0
        self._warm: asyncio.Future[None] | None = None
        self.waiting = self.running = 0

    async def warm(self) -> None:
        """Start the process from which others are forked; a second or two, once."""
        if self._warm is None:
            self._warm = asyncio.ensure_future(asyncio.to_thread(self._begin))
        await asyncio.shield(self._warm)

    def _begin(self) -> None:
        process = self._context.Process(target=_nothing, daemon=True)
        process.start()
        process.join()

    async def run(
        self, function: Callable[..., bytes], *arguments: Any, tell: Tell, draws: bool = False
    ) -> bytes:
        """Run a job; cancelling this ends its process.

        Parameters
        ----------
        function : callable
            Called with the arguments and `progress`, which takes a fraction; returns bytes.
        tell : callable
            Called here with each fraction.
        draws : bool
            Whether charts are drawn: what draws them reserves more addresses than there is memory,
            without using it, so that only what is used is limited.

        Raises
        ------
        JobFailed
            With the words of what the function raised, or that it was stopped.
        Busy
            If too many jobs wait.
        """
        await self.warm()
        async with self._placed() as place:
            mine, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(
                target=_child, args=(theirs, function, arguments, draws), daemon=True
            )
            process.start()
            theirs.close()
            try:
                async with asyncio.timeout(1.5 * LONGEST_JOB):
                    return await self._listen(mine, tell, place)
            except TimeoutError:
                raise JobFailed(STOPPED) from None
            finally:
                process.kill()
                mine.close()

    @contextlib.asynccontextmanager
    async def _placed(self) -> AsyncIterator[Place]:
        if self.waiting >= MOST_WAITING:
            raise Busy("too many people fit at this moment; try again in a minute")
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        place = Place()
        self.running += 1
        try:
            yield place
        finally:
            self.running -= 1
            if place.long:
                self._long -= 1
            else:
                self._places.release()

    async def _listen(self, mine: Connection, tell: Tell, place: Place) -> bytes:
        begun = asyncio.get_running_loop().time()
        while True:
            try:
                while not mine.poll():
                    await asyncio.sleep(PIPE_INTERVAL)
                    if asyncio.get_running_loop().time() - begun > LONG_AFTER:
                        self._make_room(place)
                kind, content = await asyncio.to_thread(_receive, mine)
            except (EOFError, OSError):
                raise JobFailed(STOPPED) from None
            if kind == b"p":
                tell(float(content))
            elif kind == b"e":
                raise JobFailed(content.decode(errors="replace"))
            else:
                return content

    def _make_room(self, place: Place) -> None:
        """Leave the place among short jobs, if there is one among the long ones."""
        if not place.long and self._long < MOST_LONG:
            place.long = True
            self._long += 1
            self._places.release()

    def close(self) -> None:
        """End all processes."""
        for process in multiprocessing.active_children():
            process.kill()


def _receive(mine: Connection) -> tuple[bytes, bytes]:
    message = mine.recv_bytes(LARGEST_ANSWER)
    return message[:1], message[1:]


def _nothing() -> None:
    """What a process does that is only there to warm the server."""


def _child(
    pipe: Connection, function: Callable[..., bytes], arguments: tuple[Any, ...], draws: bool
) -> None:
    _limit(draws)
    try:
        answer = function(*arguments, progress=lambda done: pipe.send_bytes(b"p%.6f" % done))
        pipe.send_bytes(b"d" + answer)
    except PartialPoolError as error:
        pipe.send_bytes(b"e" + str(error).encode())
    except MemoryError:
        pipe.send_bytes(b"e" + STOPPED.encode())
    except Exception as error:
        # whatever else goes wrong is our fault: the user gets a sentence, the log the traceback
        sys.excepthook(type(error), error, error.__traceback__)
        pipe.send_bytes(b"esomething went wrong here that should not have")


def _limit(draws: bool) -> None:
    """Bound what this process may take, and let whoever answers browsers go first."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(5)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # when memory ends, jobs end before the server
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_JOB, LONGEST_JOB))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        most = _size() + MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        if not draws:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _size() -> int:
    """Bytes of address space of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
