"""What the page loads besides itself: the charts' JavaScript, from an installed package."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response


@lru_cache(maxsize=1)
def charts_script() -> tuple[bytes, bytes, str]:
    """Vega, Vega-Lite and vega-embed in one script: plain, compressed, and its fingerprint."""
    import vl_convert

    plain = vl_convert.javascript_bundle().encode()  # type: ignore[call-arg]
    return plain, gzip.compress(plain, 6), hashlib.sha256(plain).hexdigest()[:16]


async def serve_charts_script(request: Request) -> Response:
    """Serve the script; it changes with the installed version only, so browsers keep it."""
    import asyncio

    plain, packed, tag = await asyncio.to_thread(charts_script)
    headers = {
        "Cache-Control": "public, max-age=86400",
        "ETag": f'"{tag}"',
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == f'"{tag}"':
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        packed_headers = headers | {"Content-Encoding": "gzip"}
        return Response(packed, media_type="text/javascript", headers=packed_headers)
    return Response(plain, media_type="text/javascript", headers=headers)


def routes() -> list[Any]:
    """The routes of this module."""
    from starlette.routing import Route

    return [Route("/charts.js", serve_charts_script)]
