"""One page about a fit that needs nothing else: tables, pictures and notices in one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from partialpool.charts.save import to_svg
from partialpool.data import Table
from partialpool.data.whole_files import moved_when_whole
from partialpool.errors import ArgumentError
from partialpool.notices import Notice
from partialpool.words import formatting

MOST_GROUPS = 1000
"""With more groups only the first are listed."""

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}code{background:#f2f2f2;padding:.1em .3em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}caption{text-align:left;color:#555}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left}.wide{overflow-x:auto}svg{max-width:100%;height:auto}
.warning{border-left:4px solid #D55E00;padding-left:.7rem}
.info{border-left:4px solid #0072B2;padding-left:.7rem}
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report says.

    Parameters
    ----------
    formula : str
        The formula.
    lines : sequence of str
        What was fitted, the priors, how much is pooled, the advice: a paragraph each.
    parameters, groups : Table
        As `Fit.parameters` and `Fit.groups` give them.
    notices : sequence of Notice
    charts : sequence of altair.Chart
    """

    formula: str
    lines: Sequence[str]
    parameters: Table
    groups: Table
    notices: Sequence[Notice]
    charts: Sequence[Any]


def page(contents: Contents) -> str:
    """Return the report as an HTML page that fetches nothing."""
    shown = Table({k: v[:MOST_GROUPS] for k, v in contents.groups.items()})
    caption = f"{contents.groups.n_rows:,} groups"
    if shown.n_rows < contents.groups.n_rows:
        caption = f"The first {shown.n_rows:,} of {caption}"
    parameters = formatting.parameter_cells(contents.parameters)
    tables = [
        *(f'<p class="{n.level}">{escape(n.text)}</p>' for n in contents.notices),
        table(list(contents.parameters), parameters, "Parameters"),
        table(list(shown), formatting.group_cells(shown), caption),
    ]
    pictures = [to_svg(chart) for chart in contents.charts]
    return html_page(contents.formula, contents.lines, pictures, "".join(tables))


def html_page(title: str, lines: Sequence[str], pictures: Sequence[str], rest: str) -> str:
    """Put text, pictures (as SVG) and the rest (as HTML) on one page."""
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in lines),
        *(f"<figure>{svg}</figure>" for svg in pictures),
        rest,
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{''.join(parts)}\n</main></body></html>\n"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """A table as HTML."""
    cells = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def checked(path: str | Path) -> Path:
    """Return the path if a report can be written there.

    Raises
    ------
    ArgumentError
        If the ending is not .html, or there is no such folder.
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f'"{target}": a report is an HTML file; let its name end in .html')
    if not target.parent.is_dir():
        raise ArgumentError(f'"{target}" cannot be written: there is no folder "{target.parent}"')
    return target


def write(contents: Contents, path: str | Path) -> None:
    """Write the report to a file."""
    target = checked(path)
    try:
        with moved_when_whole(str(target)) as aside:
            Path(aside).write_text(page(contents), encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise ArgumentError(f'"{target}" cannot be written: {why}') from error
