"""The app in memory, with work done at once instead of in other processes."""

import asyncio
import time

import pytest
from shiny.testserver import test_server_async as serve

from partialpool.app import jobs, make_app, simulator

PATIENCE = 60
"""Seconds after which a condition that is waited for has failed."""


class AtOnce(jobs.Workers):
    """Does everything in this process."""

    async def run(self, function, *arguments):
        return function(*arguments)

    async def alone(self, function, *arguments, progress):
        await asyncio.sleep(0)
        return function(*arguments, progress=progress)


class Browser:
    """What a browser does: sends values, and reads what comes."""

    def __init__(self, server, run):
        self.server, self.run, self.ticks = server, run, 0

    def send(self, **values):
        self.run(self.server.set_inputs(**values))
        return self

    def sees(self, name):
        """The last payload of an output; None if there is none."""
        found = self.server.get_output(name)
        assert found.status != "error", found.error
        return found.value if found.status == "ok" else None

    def until(self, name, condition=lambda _value: True):
        """Wait until an output has come that fulfils a condition, and return it."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.sees(name)
            if found is not None and condition(found):
                return found
            self.ticks += 1
            self.send(tick=self.ticks)  # nobody reads it; the event loop runs meanwhile
            assert self.server.is_ok, self.server.error
        raise AssertionError(f"waited {PATIENCE} s for {name}; last seen: {found}")

    @property
    def ok(self):
        return self.server.is_ok


@pytest.fixture
def workers(monkeypatch):
    """Fewer worlds, and no processes."""
    monkeypatch.setattr(simulator, "QUICK", 30)
    monkeypatch.setattr(simulator, "THOROUGH", 60)
    monkeypatch.setattr(jobs, "Workers", AtOnce)


@pytest.fixture(scope="session")
def loop():
    """One event loop for all sessions: Shiny has one lock in a process."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def start(workers, loop):
    """Start the app, perhaps with a file; returns what a browser of it does."""
    running = []

    def call(file=None):
        server = serve(make_app(None if file is None else str(file)), timeout_secs=PATIENCE)
        running.append(server)
        return Browser(loop.run(server.__aenter__()), loop.run)

    yield call
    for server in running:
        loop.run(server.__aexit__(None, None, None))


@pytest.fixture
def browser(start):
    """The app as it starts."""
    return start()


@pytest.fixture
def ask():
    """Send an ASGI application one request; returns status, headers and body."""
    return lambda *arguments, **options: asyncio.run(_ask(*arguments, **options))


async def _ask(app, path="/", *, query="", method="GET", headers=(), body=(b"",)):
    sent, parts = [], list(body)

    async def receive():
        if not parts:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in dict(headers).items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    status = next(m["status"] for m in sent if m["type"] == "http.response.start")
    found = next(m["headers"] for m in sent if m["type"] == "http.response.start")
    content = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
    return status, {k.decode(): v.decode() for k, v in found}, content
