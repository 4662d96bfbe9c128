"""Text and tables for pages and notebooks: escaped, without scripts or requests, light and dark."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

STYLE = """
.partialpool{max-width:60rem;line-height:1.45}
.partialpool .wide{overflow-x:auto}
.partialpool .wide table{border-collapse:collapse;table-layout:auto;margin:.6rem 0;
color:inherit;font-size:inherit;font-variant-numeric:tabular-nums;background:none}
.partialpool .wide caption{caption-side:top;text-align:left;padding:0 0 .2rem;color:inherit;
font-weight:600;white-space:nowrap}
.partialpool .wide tr{background:none}
.partialpool .wide :is(th,td){padding:.2rem .6rem;text-align:right;vertical-align:baseline;
border:0 solid #8886;border-bottom-width:1px;white-space:nowrap}
.partialpool .wide thead th{border-bottom-width:2px;font-weight:600;white-space:normal;
vertical-align:bottom}
.partialpool .wide tbody th{font-weight:normal}
.partialpool .wide .text{text-align:left;white-space:normal;overflow-wrap:break-word;
max-width:22rem}
.partialpool p{margin:.5rem 0}
.partialpool .more{margin-top:-.2rem}
.partialpool :is(.info,.warning){border-left:4px solid #3D8BD0;padding-left:.7rem}
.partialpool .warning{border-color:#D55E00}
"""
"""Colours and sizes are those of the surroundings, so that dark ones need no others; the lines are
half transparent. It is more specific than what JupyterLab says of tables."""


def printable(label: object) -> str:
    """A label as text; control characters are escaped so that they cannot act on a terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(label))


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    texts: Collection[int] = (0,),
) -> str:
    """A table as HTML.

    Parameters
    ----------
    head : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
    caption : str
        What the table is of.
    texts : collection of int
        Which columns are text; the others are numbers. If the first is, it names the rows.
    """

    def line(cells: Sequence[str], tags: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{' class=text' if i in texts else ''}>{cell}</{tag[:2]}>"
            for i, (tag, cell) in enumerate(zip(tags, cells, strict=True))
        )

    def safe(cells: Sequence[str]) -> list[str]:
        return [escape(printable(cell)) for cell in cells]

    of_head = ["th scope=col"] * len(head)
    of_row = ["th scope=row" if i == 0 and i in texts else "td" for i in range(len(head))]
    body = "".join(f"<tr>{line(safe(row), of_row)}</tr>" for row in rows)
    names = [name.replace("_", "_<wbr>") for name in safe(head)]  # where lines may be broken
    return (
        f'<div class="wide"><table><caption>{escape(printable(caption))}</caption>'
        f"<thead><tr>{line(names, of_head)}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph as HTML, of some class."""
    of_class = f' class="{kind}"' if kind else ""
    return f"<p{of_class}>{escape(text)}</p>"


def output(*parts: str) -> str:
    """What a notebook shows of an object, with all that it needs."""
    return f'<div class="partialpool"><style>{STYLE}</style>{"".join(parts)}</div>'
