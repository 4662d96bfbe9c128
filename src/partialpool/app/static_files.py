"""The page's own files: a fixed list, compressed once, kept by browsers until they change."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Packed:
    """A file's content, plain and compressed, with its fingerprint."""

    plain: bytes
    compressed: bytes
    tag: str

    @classmethod
    def of(cls, content: bytes) -> Packed:
        """Compress it."""
        tag = hashlib.sha256(content).hexdigest()[:16]
        return cls(content, gzip.compress(content, 9, mtime=0), f'"{tag}"')


class StaticFiles:
    """Serves the files that were in a folder at the start, and nothing else.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.suffix in MEDIA
        }
        self._packed: dict[str, Packed] = {}
        self._stamps: dict[str, int] = {}

    async def serve(self, request: Request) -> Response:
        """Serve one of the files, by its name in the list: no path is put together."""
        name = request.path_params["path"] or "index.html"
        path = self._files.get(name)
        if path is None:
            return PlainTextResponse("there is no such page", status_code=404)
        stamp = path.stat().st_mtime_ns
        if self._stamps.get(name) != stamp:
            self._packed[name], self._stamps[name] = Packed.of(path.read_bytes()), stamp
        return _answer(request, name, self._packed[name])

    def packed(self, request: Request, name: str, content: bytes) -> Response:
        """Serve content that was computed once."""
        if name not in self._packed:
            self._packed[name] = Packed.of(content)
        return _answer(request, name, self._packed[name])


def _answer(request: Request, name: str, packed: Packed) -> Response:
    headers = {"Cache-Control": "no-cache", "ETag": packed.tag, "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == packed.tag:
        return Response(status_code=304, headers=headers)
    media = MEDIA[Path(name).suffix]
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            packed.compressed, media_type=media, headers=headers | {"Content-Encoding": "gzip"}
        )
    return Response(packed.plain, media_type=media, headers=headers)
