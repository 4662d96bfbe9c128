"""The page in one piece, for a notebook: its modules inside it, no server and no request."""

from __future__ import annotations

import base64
import html
import json
import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from partialpool.app import classics
from partialpool.errors import ArgumentError

STEPS = 15
"""Sections of the lesson, `STEPS` of app/www/lesson/steps.js."""
HEIGHT = 760
"""Pixels: a step with its picture, at the width of a notebook."""
MODULE = re.compile(r"""(["'])(\.{1,2}/[\w./-]+\.js)\1""")
"""Another module's relative address, as it stands in a module."""
ELSEWHERE = (
    "backend.js", "worker_backend.js", "worker.js", "from_disk.js", "yourfile", "yourfile.js",
    "yourfile.css",
)  # fmt: skip
"""What is of the reader's own file, for which a notebook has the library itself."""
INSTEAD = {"in_notebook.js": "yourfile.js"}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class Page:
    """The lesson or the laboratory in a frame; a notebook draws it.

    Parameters
    ----------
    parameters : str
        What the address would say, such as ``"embed=1&step=3"``.
    height : int
        Of the frame, in pixels.
    """

    parameters: str
    height: int = HEIGHT

    @property
    def source(self) -> str:
        """The page as a text of HTML."""
        return page(self.parameters)

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="Partial pooling" srcdoc="{html.escape(self.source)}" '
            f'sandbox="allow-scripts allow-downloads" width="100%" height="{self.height}" '
            'style="border: 0; max-width: 1100px"></iframe>'
        )

    def __repr__(self) -> str:
        return f"the page ?{self.parameters}, which a notebook shows"


def show(step: int | None = None, *, height: int = HEIGHT) -> Page:
    """See `partialpool.simulate.show`."""
    if step is not None and (isinstance(step, bool) or step not in range(1, STEPS + 1)):
        raise ArgumentError(f"step is a whole number from 1 to {STEPS}, or None; not {step!r}")
    if isinstance(height, bool) or not isinstance(height, int) or height < 100:
        raise ArgumentError(f"height is a whole number of pixels, at least 100; not {height!r}")
    part = "part=laboratory" if step is None else f"step={step}"
    return Page(f"embed=1&{part}", height)


@lru_cache(maxsize=4)
def page(parameters: str) -> str:
    """The page in one text, whose modules import each other from inside it."""
    www = resources.files("partialpool") / "app" / "www"
    names = sorted(_names(www))
    sheets = {n: (www / n).read_text("utf-8") for n in names if n.endswith(".css")}
    modules = {INSTEAD.get(n, n): (www / n).read_text("utf-8") for n in names if n.endswith(".js")}
    imports = {f"@/{n}": _as_address(_by_name(n, text)) for n, text in modules.items()}
    index = (www / "index.html").read_text("utf-8")
    index = re.sub(r"<link rel=\"(stylesheet|modulepreload)\"[^>]*>\n", "", index)
    index = re.sub(r"<script [^>]*></script>\n", "", index)
    results = _inside(classics.as_text())
    head = "\n".join(
        [
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f'<meta name="parameters" content="{html.escape(parameters)}">',
            *(f'<style data-sheet="{n}">{_inside(text)}</style>' for n, text in sheets.items()),
            f'<script type="importmap">{_inside(json.dumps({"imports": imports}))}</script>',
            f'<script type="application/json" id="classics.json">{results}</script>',
            '<script type="module">import "@/page.js";</script>',
        ]
    )
    return index.replace("</head>", f"{head}\n</head>")


def _names(folder: resources.abc.Traversable, before: str = "") -> list[str]:
    """Files of the page that a notebook needs."""
    names = []
    for one in folder.iterdir():
        if one.name in ELSEWHERE:
            continue
        if one.is_dir():
            names += _names(one, f"{before}{one.name}/")
        else:
            names.append(before + one.name)
    return names


def _by_name(name: str, text: str) -> str:
    """A module's text, with other modules by name instead of by their place beside it."""
    folder = posixpath.dirname(name)

    def named(imported: re.Match[str]) -> str:
        return f'"@/{posixpath.normpath(posixpath.join(folder, imported[2]))}"'

    return MODULE.sub(named, text)


def _as_address(text: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode()}"


def _inside(text: str) -> str:
    """Text that does not end the element around it."""
    return text.replace("</", "<\\/")
