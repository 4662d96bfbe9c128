"""Sessions are not told of what does not concern them."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

from partialpool.app.limits import Application, Receive, Scope, Send

EMPTY = json.dumps({"values": {}, "inputMessages": [], "errors": {}})
"""What Shiny sends to every session whenever one of them has changed something."""


class Quiet:
    """Middleware that drops messages without contents.

    With 20 people they are twenty messages for each that says something, and most of the
    server's work.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on but empty messages."""
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return

        async def careful(message: MutableMapping[str, Any]) -> None:
            if message.get("text") != EMPTY:
                await send(message)

        await self.app(scope, receive, careful)
