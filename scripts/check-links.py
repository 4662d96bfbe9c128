#!/usr/bin/env python3
"""Check that links within built pages lead somewhere: to a file, and to a place in it.

    .venv/bin/python scripts/check-links.py build/docs

Links that leave the folder's pages (https:, mailto:) are not followed. Ends with 1 and a line for
each dead link.
"""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The addresses that a page asks for, and the names of its places."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links, what is shown or loaded, and identifiers."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.addresses.add(value)
            elif name == "id" or (name == "name" and tag == "a"):
                self.places.add(value or "")


@cache
def read(path: Path) -> Page:
    """The page of a file, read once."""
    return Page(path.read_text(encoding="utf-8"))


def has_place(path: Path, name: str) -> bool:
    """Whether a page has a place of this name; its top is one without a name."""
    return name in ("", "top") or name in read(path).places


def dead_links(root: Path) -> list[str]:
    """A line for each link of the pages below a folder that leads nowhere."""
    found = []
    for path in sorted(root.rglob("*.html")):
        for address in sorted(read(path).addresses):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            where = f'{path.relative_to(root)}: "{address}"'
            if not target.is_file():
                found.append(f"{where} leads to no file")
            elif target.suffix == ".html" and not has_place(target, unquote(parts.fragment)):
                found.append(f"{where} leads to no place in the page")
    return found


def main(folder: str) -> int:
    """Print dead links and how many pages there are."""
    root = Path(folder).resolve()
    found = dead_links(root)
    print("\n".join([*found, f"{len(list(root.rglob('*.html')))} pages, {len(found)} dead links"]))
    return int(bool(found) or not any(root.rglob("*.html")))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
