"""Sessions: whose file is whose. A session is known by a secret, and its files go when it does."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from partialpool.app.unpacking import MEGABYTE
from partialpool.app.your_file import ending_of, shown_name
from partialpool.errors import PartialPoolError

LARGEST_UPLOAD = 200 * MEGABYTE
"""Bytes of an uploaded file: some four million rows, which a job reads within its memory and time;
the command and Python have no limit."""
MOST_STORED = 4096 * MEGABYTE
"""Bytes of the uploads of all sessions together."""
MOST_SESSIONS = 500
"""Sessions at a time. A session without a file is some kilobytes; the uploads have a bound of their
own."""
MOST_FILES = 4
"""Files of a session; the oldest goes when another one comes."""
MOST_REQUESTS = 6
"""Requests of a session that are answered or wait; one of them runs."""
IDLE_TIMEOUT = 3600.0
"""Seconds after which a session that asks nothing ends."""
RETURN_TIMEOUT = 60.0
"""Seconds that a page which was left may take to come back, as by a reload."""


class Refused(PartialPoolError):
    """A request is refused; `status` is that of HTTP."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


@dataclass(slots=True, eq=False)
class Kept:
    """A file of a session: where it is, and a folder for its fits."""

    path: str
    name: str
    folder: str
    size: int = 0


@dataclass(eq=False)
class Session:
    """One page of one reader.

    Parameters
    ----------
    folder : str
        All that is kept for it.
    ends : float
        When it ends unless it asks for something (seconds of `monotonic`).
    """

    folder: str
    ends: float
    files: dict[str, Kept] = field(default_factory=dict)
    asked: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def file(self, key: str) -> Kept:
        """One of its files.

        Raises
        ------
        Refused
            If it has no such file.
        """
        kept_file = self.files.get(key)
        if kept_file is None:
            raise Refused("the file is no longer here: choose it again", 410)
        return kept_file

    @asynccontextmanager
    async def one_at_a_time(self) -> AsyncIterator[None]:
        """Wait until nothing else of this session runs: nobody takes the places of others."""
        if self.asked >= MOST_REQUESTS:
            raise Refused("your earlier requests are still being answered; wait for them", 429)
        self.asked += 1
        try:
            async with self.turn:
                yield
        finally:
            self.asked -= 1


class Sessions:
    """All sessions, by their secrets."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._root = tempfile.mkdtemp(prefix="partialpool-app-")  # of mode 0700
        self._known: dict[str, Session] = {}

    def begin(self) -> str:
        """Begin a session and return its secret.

        Raises
        ------
        Refused
            If there are too many.
        """
        self.sweep()
        if len(self._known) >= MOST_SESSIONS:
            raise Refused("too many people use this server at this moment; try again later", 503)
        secret = secrets.token_urlsafe(32)
        folder = tempfile.mkdtemp(dir=self._root)
        self._known[secret] = Session(folder, self._clock() + IDLE_TIMEOUT)
        return secret

    def get(self, secret: str) -> Session:
        """The session of a secret, which is thereby in use.

        Raises
        ------
        Refused
            If there is none.
        """
        session = self._known.get(secret)
        if session is None or session.ends < self._clock():
            raise Refused("the session has ended: choose the file again", 410)
        session.ends = self._clock() + IDLE_TIMEOUT
        return session

    def leave(self, secret: str) -> None:
        """Let a session end soon, unless its page asks for something again."""
        session = self._known.get(secret)
        if session is not None:
            session.ends = min(session.ends, self._clock() + RETURN_TIMEOUT)

    def new_file(self, session: Session, name: str, given: str | None = None) -> tuple[str, Kept]:
        """A place for a file: its key, and where to write it, under a name of the server's own.

        Raises
        ------
        DataError
            If its ending is not one that can be read.
        """
        ending = ending_of(name)
        while len(session.files) >= MOST_FILES:
            self.remove_file(session, next(iter(session.files)))
        folder = tempfile.mkdtemp(dir=session.folder)
        path = given or os.path.join(folder, f"upload-{secrets.token_hex(8)}{ending}")
        key = secrets.token_urlsafe(16)
        session.files[key] = Kept(path, shown_name(name), folder)
        return key, session.files[key]

    def remove_file(self, session: Session, key: str) -> None:
        """Remove a file and its fits; one that was given at the start stays where it is."""
        kept_file = session.files.pop(key, None)
        if kept_file is not None:
            shutil.rmtree(kept_file.folder, ignore_errors=True)

    def check_room(self, more: int) -> None:
        """Raise unless there is room for some bytes more."""
        every = sum(k.size for s in self._known.values() for k in s.files.values())
        if every + more > MOST_STORED:
            raise Refused("the server holds too many files at this moment; try again later", 503)

    def sweep(self) -> None:
        """End the sessions whose time is over."""
        now = self._clock()
        for secret in [k for k, s in self._known.items() if s.ends < now and not s.asked]:
            shutil.rmtree(self._known.pop(secret).folder, ignore_errors=True)

    def close(self) -> None:
        """End all."""
        self._known.clear()
        shutil.rmtree(self._root, ignore_errors=True)
