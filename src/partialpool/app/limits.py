"""An upload is refused once it is larger than stated, before it fills the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import PlainTextResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class TooLarge(Exception):
    """More came than is allowed."""


class UploadLimit:
    """Middleware that counts the bytes of every request with a body."""

    def __init__(self, app: Application, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        received = 0

        async def counted() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.most:
                raise TooLarge
            return message

        try:
            if length.isdigit() and int(length) > self.most:
                raise TooLarge
            await self.app(scope, counted, send)
        except TooLarge:
            words = f"the file is larger than {self.most // 2**20} MB"
            await PlainTextResponse(words, status_code=413)(scope, receive, send)
