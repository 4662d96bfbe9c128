"""Numbers, labels and tables as text, the same for the printed Fit and for the command."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from partialpool._markup import printable as printable
from partialpool._table import Table
from partialpool._typing import Floats
from partialpool.notices import Notice

PRINTED_GROUPS = 10
"""Groups that a fit prints: with the rest of what it says it stays within a screen."""
WIDTH = 88
"""Characters of a printed line, as a notebook and a report show without breaking it."""


def number(value: float, spread: float) -> str:
    """Write a number with the digits that matter for a quantity of this spread (such as its sd)."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if not spread or not math.isfinite(spread):
        return f"{value:.4g}"
    decimals = 1 - math.floor(math.log10(abs(spread)))
    size = max(abs(value), abs(spread))
    if decimals > 8 or size >= 1e12:
        return f"{value:.{max(3, 3 + math.floor(math.log10(size / abs(spread)))) if size else 3}g}"
    return f"{value:,.{max(decimals, 0)}f}"


def change(value: float, reference: float) -> str:
    """Compare two positive numbers in words that follow the sign, such as "39% lower than"."""
    if reference == value:
        return "the same as"
    if reference == 0:
        return "higher than"
    percent = 100 * abs(value / reference - 1)
    way = "lower" if value < reference else "higher"
    return f"{percent:.0f}% {way} than" if percent >= 0.5 else "about the same as"


def scale_of(sd: Floats) -> float:
    """The spread by which a column of numbers is rounded: a small but typical sd."""
    finite = sd[np.isfinite(sd) & (sd > 0)]
    return float(np.quantile(finite, 0.25)) if len(finite) else math.nan


def group_cells(table: Table) -> list[list[str]]:
    """Cells of a table of groups, as text, row by row."""
    spread = _spreads(table)
    names = ("raw", "effect", "estimate", "sd", "lower", "upper")
    columns = {
        k: [number(v, u) for v, u in zip(table[k].tolist(), spread, strict=True)]
        for k in names
        if k in table
    }
    for k in ("factor", "group", "term"):
        columns[k] = [printable(g) for g in table[k].tolist()] if k in table else []
    for k in ("n", "events", "trials", "exposure"):
        columns[k] = [_count(v) for v in table[k].tolist()] if k in table else []
    if "sigma" in table:
        unit = scale_of((table["sigma_upper"] - table["sigma_lower"]) / 4)
        for k in ("sigma", "sigma_lower", "sigma_upper"):
            columns[k] = [number(v, unit) for v in table[k].tolist()]
    columns["shrinkage"] = [f"{v:.2f}" for v in table["shrinkage"].tolist()]
    if "p_outlying" in table:
        columns["p_outlying"] = [f"{v:.3f}" for v in table["p_outlying"].tolist()]
    if "p_above" in table:
        columns["p_above"] = [f"{v:.3f}" for v in table["p_above"].tolist()]
        columns["standing"] = table["standing"].tolist()
    return [list(row) for row in zip(*(columns[k] for k in table), strict=True)]


def telling_columns(groups: Table) -> tuple[list[str], list[list[str]], range]:
    """The columns of a table of groups that are not the same in every row, as text.

    Returns
    -------
    head : list of str
    rows : list of list of str
    texts : range
        The columns that are labels, which are the first.
    """
    head = [k for k in groups if k not in ("factor", "term") or len(set(groups[k].tolist())) > 1]
    places = [list(groups).index(k) for k in head]
    rows = [[row[i] for i in places] for row in group_cells(groups)]
    return head, rows, range(len({"factor", "group", "term"} & set(head)))


def _count(value: float) -> str:
    return f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"


def _spreads(table: Table) -> list[float]:
    """The spread by which each row is rounded: that of its term, where there are several.

    Of ratios, which have no sd, that of the row.
    """
    if "sd" not in table:
        widths: list[float] = (table["upper"] - table["lower"]).tolist()
        return [width / 4 for width in widths]
    sd = np.where(np.isfinite(table["sd"]), table["sd"], (table["upper"] - table["lower"]) / 4)
    if "term" not in table:
        return [scale_of(sd)] * len(sd)
    kinds = list(zip(table["factor"].tolist(), table["term"].tolist(), strict=True))
    known = {}
    for kind in dict.fromkeys(kinds):
        known[kind] = scale_of(sd[np.array([k == kind for k in kinds], dtype=bool)])
    return [known[kind] for kind in kinds]


def estimate_cells(table: Table, spread: float) -> list[list[str]]:
    """Cells of a table of groups by estimators, as text, row by row."""
    rows = []
    for row in table.rows():
        label, n, *estimates = row.values()
        rows.append([printable(label), f"{n:,}", *(number(v, spread) for v in estimates)])
    return rows


def coefficient_cells(table: Table) -> list[list[str]]:
    """Cells of a table of coefficients by estimators, as text, row by row."""
    rows = []
    for row in table.rows():
        name, *values = row.values()
        spread = row["hierarchical_sd"]
        rows.append([printable(name), *(number(v, spread) for v in values)])
    return rows


def pooled_cells(table: Table) -> list[list[str]]:
    """Cells of a table of pooled effects by estimators, as text, row by row."""
    return [
        [*(printable(v) for v in (estimator, name)), *(number(v, row["se"]) for v in values)]
        for row in table.rows()
        for estimator, name, *values in [row.values()]
    ]


def rank_cells(table: Table) -> list[list[str]]:
    """Cells of a table of ranks, as text, row by row."""
    return [
        [
            printable(row["group"]),
            f"{row['expected_rank']:.2f}",
            *(f"{row[k]:,}" for k in ("lower", "median", "upper")),
            *(f"{row[k]:.3f}" for k in ("best", "top", "p_above") if k in row),
            *(row[k] for k in ("standing",) if k in row),
        ]
        for row in table.rows()
    ]


def prediction_cells(table: Table, numbers: list[str]) -> list[list[str]]:
    """Cells of new rows with their predictions, of which the columns `numbers` are."""
    spread = max(scale_of(table["sd"]) if "sd" in table else 0.0, 1e-300)
    return [
        [
            *(printable(v) for k, v in row.items() if k not in numbers),
            *(number(float(row[k]), spread) for k in numbers),
        ]
        for row in table.rows()
    ]


def effect_cells(table: Table, effect: str, se: str) -> list[list[str]]:
    """Cells of studies with their effects and standard errors, as text, row by row."""
    return [
        [number(v, row[se]) if k in (effect, se) else _plain(v) for k, v in row.items()]
        for row in table.rows()
    ]


def _plain(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else printable(value)


def score_cells(table: Table) -> list[list[str]]:
    """Cells of the scoreboard, as text, row by row; empty where an estimator cannot predict."""
    rows = []
    for row in table.rows():
        name, *scores = row.values()
        rows.append([name, *("" if math.isnan(v) else f"{v:.4g}" for v in scores)])
    return rows


def plain_rows(table: Table) -> list[dict[str, Any]]:
    """Rows that JSON can hold: numbers that do not exist are None, labels of other types text."""
    return [
        {
            k: plain_number(v)
            if k != "group" and isinstance(v, int | float | None)
            else _plain_label(v)
            for k, v in row.items()
        }
        for row in table.rows()
    ]


def plain_number(value: Any) -> Any:
    """A value that JSON can hold: None for a number that does not exist."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain_label(label: Any) -> Any:
    label = label.item() if isinstance(label, np.generic) else label
    finite = not isinstance(label, float) or math.isfinite(label)
    return label if isinstance(label, str | int | float | bool) and finite else str(label)


def parameter_cells(table: Table) -> list[list[str]]:
    """Cells of a table of parameters, with an sd or without, as text, row by row."""
    rows = []
    for row in table.rows():
        name, *values = row.values()
        sd = row.get("sd", math.nan)
        spread = sd if math.isfinite(sd) else (row["upper"] - row["lower"]) / 4
        rows.append([name, *(number(v, spread) for v in values)])
    return rows


def notice_lines(notices: Sequence[Notice], width: int = WIDTH) -> list[str]:
    """The notices, wrapped, one after another."""
    lines: list[str] = []
    for notice in notices:
        mark = "! " if notice.level == "warning" else "- "
        lines += textwrap.wrap(notice.text, width, initial_indent=mark, subsequent_indent="  ")
    return lines


def aligned(header: list[str], rows: list[list[str]]) -> list[str]:
    """Columns side by side, the first to the left and the others to the right."""
    rows = [[_short(r[0]), *r[1:]] for r in rows]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]

    def line(cells: list[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))
        return "  ".join([first, *rest]).rstrip()

    return [line(header), *(line(r) for r in rows)]


def _short(text: str, limit: int = 32) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
