"""Who may ask the server: its own page, under its own name; and what a browser may do with answers.

Any page on the web can send requests to a server on the reader's machine, and a name on the web can
be made to mean that machine. So the name asked for must be one of the server's own, a request that
another page sends is refused, and no other page may show this one in a frame, but for the lesson
and the laboratory, from which no file can be reached.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.responses import JSONResponse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HERE = ("localhost", "127.0.0.1", "::1")
"""Names of the reader's own machine."""
ANYWHERE = ("0.0.0.0", "::", "")
"""Hosts that stand for every address of a machine."""
API = "/api/"
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'; "
)


class Guard:
    """Middleware before everything else.

    Parameters
    ----------
    app : callable
        What is guarded.
    host : str
        Where the server listens.
    names : iterable of str
        Further names by which it is reached, as behind a proxy.
    """

    def __init__(self, app: Application, *, host: str, names: Iterable[str] = ()) -> None:
        self.app = app
        self._any_address = host in ANYWHERE
        self._names = {n.casefold() for n in (*HERE, host, *names) if n not in ANYWHERE}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, and add the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        host = headers.get("host", "")
        embedded = scope["path"] in ("/", "/index.html") and _embedded(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = ALWAYS | policy(host, embedded=embedded)
                known = {k.lower() for k, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in added.items()
                      if k.lower().encode() not in known),
                ]  # fmt: skip
            await send(message)

        refused = self._refused(scope, headers, host)
        if refused:
            answer = JSONResponse({"error": refused}, status_code=403)
            await answer(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)

    def _refused(self, scope: Scope, headers: dict[str, str], host: str) -> str:
        """Why a request is refused; empty if it is not."""
        if not self._is_own(host):
            return (
                f'this server is not called "{host[:100]}"; if it is to be reached by that name, '
                "start it with --allow-host"
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.casefold() != host.casefold():
            return "requests from other pages are refused"
        site = headers.get("sec-fetch-site", "none")
        if scope["path"].startswith(API) and site not in ("same-origin", "none"):
            return "requests from other pages are refused"
        return ""

    def _is_own(self, host: str) -> bool:
        """Whether the name asked for is one of this server's."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        return self._any_address and _is_address(name)


def policy(host: str, *, embedded: bool) -> dict[str, str]:
    """What the page may load, and who may show it.

    In a frame of another page it may reach the classic data and nothing else of the server.
    """
    if embedded:
        reach = f"connect-src {host}/classics.json; frame-ancestors *"
        return {"Content-Security-Policy": PAGE_POLICY + reach}
    return {
        "Content-Security-Policy": f"{PAGE_POLICY}connect-src 'self'; frame-ancestors 'none'",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _embedded(scope: Scope) -> bool:
    """Whether the address asks for the lesson or laboratory inside another page."""
    asked = parse_qs(scope["query_string"].decode("latin-1"))
    return asked.get("embed") == ["1"] and asked.get("part", ["lesson"])[-1] != "file"


def _is_address(name: str) -> bool:
    """Whether a name is an address in numbers, which nobody else can make mean this machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
