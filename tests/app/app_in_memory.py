"""The app in memory: an ASGI client, and what stands in for slow jobs.

A module with a name of its own, as the processes of jobs import by name what they run: "conftest"
is another one there.
"""

import asyncio
import json
import time
from contextlib import asynccontextmanager

HOST = "127.0.0.1:8000"
PATIENCE = 60
"""Seconds after which a condition that is waited for has failed."""


class Client:
    """What a browser does: requests, each with its headers; one event loop for all of them."""

    def __init__(self, app, runner):
        self.app, self.runner, self.secret = app, runner, ""

    @property
    def server(self):
        return self.app.app.state.server

    def __call__(self, method, path, body=b"", **options):
        return self.runner.run(send(self.app, method, path, body, **self._with(options)))

    def _with(self, options):
        headers = {"host": HOST, "x-session": self.secret} | options.pop("headers", {})
        return {"headers": headers, **options}

    def begin(self):
        """Begin a session and keep its secret."""
        self.secret = self("POST", "/api/session").json["session"]
        return self

    def upload(self, name, content):
        """Send a file and return its id."""
        found = self("POST", f"/api/files?name={name}", content)
        assert found.status == 200, found.body
        return found.json["id"]

    def ask(self, file, verb, request=None):
        """The last line of an answer."""
        found = self("POST", f"/api/files/{file}/{verb}", json.dumps(request or {}).encode())
        assert found.status == 200, found.body
        return json.loads(found.body.splitlines()[-1])


class Answer:
    def __init__(self, messages):
        start = next(m for m in messages if m["type"] == "http.response.start")
        self.status = start["status"]
        self.headers = {k.decode().lower(): v.decode() for k, v in start["headers"]}
        parts = (m.get("body", b"") for m in messages if m["type"] == "http.response.body")
        self.body = b"".join(parts)

    @property
    def json(self):
        return json.loads(self.body)


async def send(app, method, path, body=b"", *, headers=(), left=None, waits=False):
    """Send one request; `left` is an event at which the client goes away."""
    path, _, query = path.partition("?")
    sent, parts = [], [body] if isinstance(body, bytes) else body
    done = asyncio.Event()

    async def receive():
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": len(parts) > 0}
        await (left or done).wait()
        return {"type": "http.disconnect"}

    async def keep(message):
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": method, "scheme": "http", "path": path, "raw_path": path.encode(),
        "root_path": "", "query_string": query.encode(), "client": ("127.0.0.1", 1),
        "headers": [(k.lower().encode(), v.encode()) for k, v in dict(headers).items()],
        "server": ("127.0.0.1", 8000),
    }  # fmt: skip
    await app(scope, receive, keep)
    done.set()
    return Answer(sent) if sent else None


@asynccontextmanager
async def living(app):
    """The application between its start and its end."""
    to_app, from_app = asyncio.Queue(), asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    yield
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
    await task


def no_classics(*, progress):
    return b"{}"


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # killed, and not yet collected
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
