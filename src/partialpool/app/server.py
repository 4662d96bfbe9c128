"""The routes: the page's own files, the classic data, and the user's file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from partialpool.app import work
from partialpool.app.guard import Guard
from partialpool.app.jobs import Jobs
from partialpool.app.sessions import LARGEST_UPLOAD, Kept, Refused, Session, Sessions
from partialpool.app.static_files import StaticFiles
from partialpool.app.unpacking import MEGABYTE
from partialpool.errors import PartialPoolError

SECRET = "x-session"
"""The header in which a page says its session. No other page can send it without being asked first,
and unlike a cookie it goes to no other server on the same machine."""
LARGEST_REQUEST = 256 * 1024
"""Bytes of a request that is no upload."""
UPLOAD_TIMEOUT = 30.0
"""Seconds without a byte after which an upload is given up."""
HEARTBEAT = 2.0
"""Seconds between signs of life while a job runs, by which a page knows a lost connection."""
SWEEP_INTERVAL = 30.0
"""Seconds between looks for sessions that have ended."""
WWW = Path(__file__).parent / "www"
MEDIA = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}

Answer = Callable[[Request], Awaitable[Response]]


class Server:
    """What all requests share.

    Parameters
    ----------
    given : str, optional
        A file to start with.
    """

    def __init__(self, given: str | None) -> None:
        self.given = None if given is None else os.path.abspath(given)
        self.sessions, self.jobs = Sessions(), Jobs()
        self.files = StaticFiles(WWW)
        self._classics: asyncio.Future[bytes] | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Warm up, sweep now and then, and clear away at the end."""
        begun = self._sweep(), self.jobs.warm(), self._compute_classics()
        tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(work) for work in begun]
        try:
            yield
        finally:
            tasks += [] if self._classics is None else [self._classics]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.jobs.close()
            self.sessions.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            await asyncio.to_thread(self.sessions.sweep)

    # the classic data ----------------------------------------------------------------------------

    async def _compute_classics(self) -> None:
        with contextlib.suppress(PartialPoolError):  # whoever asks for them is told
            await self.classics_content()

    async def classics_content(self) -> bytes:
        """The classic data as JSON, computed once; again if that failed."""
        if self._classics is None or (self._classics.done() and self._classics.exception()):
            job = self.jobs.run(work.classics, tell=lambda _done: None)
            self._classics = asyncio.ensure_future(job)
        return await asyncio.shield(self._classics)

    async def classics(self, request: Request) -> Response:
        """Serve the classic data."""
        return self.files.packed(request, "classics.json", await self.classics_content())

    # the user's file --------------------------------------------------------------------------

    async def begin(self, request: Request) -> Response:
        """Begin a session, or go on with the one that the page remembers."""
        secret = request.headers.get(SECRET, "")
        try:
            session = self.sessions.get(secret)
        except Refused:
            secret = self.sessions.begin()
            session = self.sessions.get(secret)
        return JSONResponse(
            {
                "session": secret,
                "given": None if self.given is None else os.path.basename(self.given),
                "largest": LARGEST_UPLOAD,
                "files": list(session.files),
            }
        )

    async def leave(self, request: Request) -> Response:
        """The page was left."""
        self.sessions.leave(request.headers.get(SECRET, ""))
        return Response(status_code=204)

    async def open_given(self, request: Request) -> Response:
        """Open the file that the server was started with."""
        session = self._session(request)
        if self.given is None:
            raise Refused("no file was given when the app was started", 404)
        key, kept = self.sessions.new_file(session, os.path.basename(self.given), self.given)
        return JSONResponse({"id": key, "name": kept.name})

    async def upload(self, request: Request) -> Response:
        """Take a file, as the request's body."""
        session = self._session(request)
        name = request.query_params.get("name", "")
        said = request.headers.get("content-length", "0")
        size = int(said) if said.isascii() and said.isdigit() and len(said) < 20 else 0
        if size > LARGEST_UPLOAD:
            raise _too_large()
        self.sessions.check_room(size)
        key, kept = self.sessions.new_file(session, name)
        try:
            await self._receive(request, kept)
        except BaseException:
            self.sessions.remove_file(session, key)
            raise
        return JSONResponse({"id": key, "name": kept.name})

    async def _receive(self, request: Request, kept: Kept) -> None:
        """Write the body to its place; a file too large or too slow is not kept."""
        stream = request.stream()
        with open(kept.path, "xb") as file:
            while True:
                try:
                    chunk = await asyncio.wait_for(anext(stream), UPLOAD_TIMEOUT)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise Refused("the file did not arrive; try again", 408) from None
                if kept.size + len(chunk) > LARGEST_UPLOAD:
                    raise _too_large()
                self.sessions.check_room(len(chunk))
                kept.size += len(chunk)
                await asyncio.to_thread(file.write, chunk)

    async def remove(self, request: Request) -> Response:
        """Remove a file."""
        self.sessions.remove_file(self._session(request), request.path_params["file"])
        return Response(status_code=204)

    async def ask(self, request: Request) -> Response:
        """Do something with a file; the answer comes as lines of JSON, the last one the result."""
        session = self._session(request)
        verb = request.path_params["verb"]
        if verb not in work.VERBS:
            raise Refused(f'there is nothing called "{verb[:40]}"', 404)
        kept = session.file(request.path_params["file"])
        body = await _body(request)
        lines = self._answered(session, kept, verb, body)
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)

    async def _answered(
        self, session: Session, kept: Kept, verb: str, body: bytes
    ) -> AsyncIterator[bytes]:
        """Progress and signs of life until the result or an error; its job ends with it."""
        fractions: list[float] = []

        async def answered() -> bytes:
            async with session.one_at_a_time():
                where = kept.path, kept.name, kept.folder
                return await self.jobs.run(work.answer, *where, verb, body, tell=fractions.append)

        job = asyncio.ensure_future(answered())
        try:
            while not job.done():
                await asyncio.wait([job], timeout=HEARTBEAT if not fractions else 0.2)
                if not job.done():
                    done = fractions[-1] if fractions else None
                    yield json.dumps({"progress": done}).encode() + b"\n"
            yield b'{"result": ' + job.result() + b"}\n"
        except PartialPoolError as error:
            yield json.dumps({"error": str(error)}).encode() + b"\n"
        finally:
            job.cancel()

    async def download(self, request: Request) -> Response:
        """The results as a file."""
        session = self._session(request)
        kept = session.file(request.path_params["file"])
        body = await _body(request)

        async def made() -> bytes:
            async with session.one_at_a_time():
                return await self.jobs.run(
                    work.download, kept.folder, body, tell=lambda _done: None, draws=True
                )

        name, content = (await _unless_left(request, made())).split(b"\n", 1)
        filename = json.loads(name)
        kind = filename.rsplit(".", 1)[-1]
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        }
        return Response(content, media_type=MEDIA[kind], headers=headers)

    def _session(self, request: Request) -> Session:
        return self.sessions.get(request.headers.get(SECRET, ""))


def _too_large() -> Refused:
    return Refused(
        f"the file is larger than {LARGEST_UPLOAD // MEGABYTE} MB; the command and Python have no "
        "limit",
        413,
    )


async def _body(request: Request) -> bytes:
    """The body of a request that is no upload, which is small."""
    parts: list[bytes] = []
    stream = request.stream()
    while True:
        try:
            parts.append(await asyncio.wait_for(anext(stream), UPLOAD_TIMEOUT))
        except StopAsyncIteration:
            return b"".join(parts)
        except TimeoutError:
            raise Refused("the request did not arrive", 408) from None
        if sum(map(len, parts)) > LARGEST_REQUEST:
            raise Refused(f"a request has at most {LARGEST_REQUEST // 1024} kB", 413)


async def _unless_left(request: Request, work: Awaitable[bytes]) -> bytes:
    """Wait for something; end it when whoever asked has gone."""
    job = asyncio.ensure_future(work)
    try:
        while not job.done():
            await asyncio.wait([job], timeout=0.2)
            if not job.done() and await request.is_disconnected():
                raise ClientDisconnect
        return job.result()
    finally:
        job.cancel()


async def _refused(_request: Request, error: Exception) -> Response:
    """An error in words."""
    status = error.status if isinstance(error, Refused) else 400
    return JSONResponse({"error": str(error)}, status_code=status)


async def _left(_request: Request, _error: Exception) -> Response:
    """Nobody is there to read this."""
    return Response(status_code=499)


async def _broken(_request: Request, _error: Exception) -> Response:
    """What should not have happened; the log has it."""
    words = "something went wrong here that should not have"
    return JSONResponse({"error": words}, status_code=500)


def application(given: str | None, *, host: str, names: tuple[str, ...] = ()) -> Any:
    """The app as an ASGI application, guarded.

    Parameters
    ----------
    given : str, optional
        A file to start with.
    host : str
        Where the server listens.
    names : tuple of str
        Further names by which it is reached.
    """
    server = Server(given)
    file = "/api/files/{file}"
    routes = [
        Route("/classics.json", server.classics),
        Route("/api/session", server.begin, methods=["POST"]),
        Route("/api/leave", server.leave, methods=["POST"]),
        Route("/api/given", server.open_given, methods=["POST"]),
        Route("/api/files", server.upload, methods=["POST"]),
        Route(file, server.remove, methods=["DELETE"]),
        Route(f"{file}/download", server.download, methods=["POST"]),
        Route(f"{file}/{{verb}}", server.ask, methods=["POST"]),
        Route("/{path:path}", server.files.serve),
    ]
    handlers: dict[Any, Any] = {
        PartialPoolError: _refused, ClientDisconnect: _left, Exception: _broken
    }  # fmt: skip
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=server.lifespan)
    app.state.server = server
    return Guard(app, host=host, names=names)
