"""A chart to a file: SVG, PNG, PDF or HTML, without a browser and without the network."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from partialpool.errors import ArgumentError, MissingExtraError
from partialpool.rows.whole_files import moved_when_whole

ENDINGS = (".svg", ".png", ".pdf", ".html")
LESS_THAN = "\ue0f1"
"""Stands for < while a page is made: a character of Unicode's private use."""


def save(chart: Any, path: str | Path) -> None:
    """Write a chart to a file; the ending says the format.

    Raises
    ------
    ArgumentError
        If the ending is another, or the file cannot be written.
    MissingExtraError
        If the charts' extra is not installed.
    """
    target = checked(path)
    try:
        with moved_when_whole(str(target)) as aside:
            _write(chart, target.suffix.lower(), Path(aside))
    except OSError as error:
        why = error.strerror or error
        raise ArgumentError(f'"{target}" cannot be written: {why}') from error


def _write(chart: Any, ending: str, path: Path) -> None:
    match ending:
        case ".svg":
            path.write_text(to_svg(chart), encoding="utf-8")
        case ".png":
            path.write_bytes(to_png(chart))
        case ".pdf":
            path.write_bytes(_pdf(chart))
        case _:
            path.write_text(_page(chart), encoding="utf-8")


def checked(path: str | Path) -> Path:
    """Return the path if a chart can be saved to it; raises as `save` does."""
    target = Path(path)
    if target.suffix.lower() not in ENDINGS:
        raise ArgumentError(
            f'"{target}": the ending says the format; allowed are {", ".join(ENDINGS)}'
        )
    if not target.parent.is_dir():
        raise ArgumentError(f'"{target}" cannot be written: there is no folder "{target.parent}"')
    _needed()
    return target


def _needed() -> None:
    for library in ("altair", "vl_convert"):
        if find_spec(library) is None:
            raise MissingExtraError(
                "charts need altair and vl-convert-python, which are not installed: "
                "pip install 'partialpool[plot]' (in a clone: sh scripts/environment plot)"
            )


def to_svg(chart: Any) -> str:
    """Return a chart as SVG."""
    _needed()
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    return svg


def named_apart(svg: str, prefix: str) -> str:
    """The names that a picture gives its own parts, made its own: a page holds many pictures."""
    names = set(re.findall(r'\bid="([^"]+)"', svg))
    for name in names:
        svg = svg.replace(f'id="{name}"', f'id="{prefix}{name}"')
        svg = svg.replace(f"url(#{name})", f"url(#{prefix}{name})")
    return svg


def to_png(chart: Any) -> bytes:
    """Return a chart as PNG, at twice its size for dense screens."""
    _needed()
    import vl_convert

    png: bytes = vl_convert.vegalite_to_png(chart.to_json(), scale=2)
    return png


def _pdf(chart: Any) -> bytes:
    import vl_convert

    pdf: bytes = vl_convert.vegalite_to_pdf(chart.to_json())
    return pdf


def _page(chart: Any) -> str:
    r"""A page that fetches nothing, and in which no label can end the script it stands in.

    Within a string of a script ``\u003c`` is ``<``; the converter would undo it, so that it is
    put in afterwards.
    """
    import vl_convert

    spec = chart.to_json().replace("<", LESS_THAN)
    page: str = vl_convert.vegalite_to_html(spec, bundle=True)
    return page.replace(LESS_THAN, "\\u003c").replace("<html>", '<html lang="en">', 1)
