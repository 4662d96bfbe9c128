"""A chart to a file: SVG, PNG, PDF or HTML, without a browser and without the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from partialpool.errors import ArgumentError, MissingExtraError

ENDINGS = (".svg", ".png", ".pdf", ".html")
LESS_THAN = "\ue0f1"
"""Stands for < while a page is made: a character of Unicode's private use."""


def save(chart: Any, path: str | Path) -> None:
    """Write a chart to a file; the ending says the format.

    Raises
    ------
    ArgumentError
        If the ending is another.
    MissingExtraError
        If the charts' extra is not installed.
    """
    target = Path(path)
    if target.suffix.lower() not in ENDINGS:
        raise ArgumentError(
            f'"{target}": the ending says the format; allowed are {", ".join(ENDINGS)}'
        )
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "saving a chart needs vl-convert-python, which is not installed: "
            "pip install 'partialpool[plot]'"
        ) from error
    spec = chart.to_json()
    match target.suffix.lower():
        case ".svg":
            target.write_text(vl_convert.vegalite_to_svg(spec), encoding="utf-8")
        case ".png":
            target.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
        case ".pdf":
            target.write_bytes(vl_convert.vegalite_to_pdf(spec))
        case _:
            target.write_text(_page(vl_convert, spec), encoding="utf-8")


def _page(vl_convert: Any, spec: str) -> str:
    r"""A page that fetches nothing, and in which no label can end the script it stands in.

    Within a string of a script ``\u003c`` is ``<``; the converter would undo it, so that it is
    put in afterwards.
    """
    page: str = vl_convert.vegalite_to_html(spec.replace("<", LESS_THAN), bundle=True)
    return page.replace(LESS_THAN, "\\u003c").replace("<html>", '<html lang="en">', 1)
