"""Averages of predictions, printed."""

from __future__ import annotations

import math
from typing import Any

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._table import Table
from partialpool.words import formatting

SHOWN_AVERAGES = 20
"""Rows of averages that are printed; the table has all."""
ESTIMATES = ("estimate", "sd", "lower", "upper", "loss", "loss_otherwise")
PROBABILITIES = ("p_above", "probability")
FAR_SDS = 3.0
"""Sds from which on a known total does not fit what the model says."""


def comparison(first: Any, second: Any, kind: str) -> str:
    """What is compared, such as "B - A"."""
    if kind == "difference":
        return f"{second} - {first}"
    return f"{second} / {first}" if kind == "ratio" else f"odds {second} / odds {first}"


def printed(
    table: Table, n_cells: int, total: bool, benchmark: float | None, surprise: float
) -> str:
    """A table of averages with what it is of."""
    lines = [_of_cells(n_cells, total)]
    rows = Table({k: v[:SHOWN_AVERAGES] for k, v in table.items()})
    lines += formatting.aligned(list(rows), cells(rows))
    if table.n_rows > SHOWN_AVERAGES:
        lines.append(f"... and {table.n_rows - SHOWN_AVERAGES:,} more rows")
    if benchmark is not None:
        lines.append(benchmark_line(benchmark, surprise))
    return "\n".join(lines)


def as_html(
    table: Table, n_cells: int, total: bool, benchmark: float | None, surprise: float
) -> str:
    """What a notebook shows of averages: all that `printed` says."""
    rows = Table({k: v[:SHOWN_AVERAGES] for k, v in table.items()})
    left = table.n_rows - rows.n_rows
    texts = {i for i, k in enumerate(rows) if k not in (*ESTIMATES, *PROBABILITIES)}
    return output(
        html_table(list(rows), cells(rows), _of_cells(n_cells, total), texts),
        paragraph(f"... {left:,} more rows", "more") if left else "",
        paragraph(benchmark_line(benchmark, surprise)) if benchmark is not None else "",
    )


def _of_cells(n_cells: int, total: bool) -> str:
    """What a table of averages is of."""
    over = "1 cell" if n_cells == 1 else f"{n_cells:,} cells"
    return f"{'Total' if total else 'Average'} of predictions over {over}"


def cells(table: Table) -> list[list[str]]:
    """Cells of a table of averages, as text: numbers by the sd of their row."""
    rows = []
    for row in table.rows():
        width = (row["upper"] - row["lower"]) / 4
        spread = row["sd"] if math.isfinite(row["sd"]) else width
        out = []
        for name, value in row.items():
            if name in PROBABILITIES:
                out.append(f"{value:.3f}")
            elif name in ESTIMATES:
                out.append(formatting.number(value, spread))
            else:
                out.append(formatting.printable(value))
        rows.append(out)
    return rows


def loss_line(compared: bool) -> str:
    """What the columns of expected losses are."""
    if compared:
        return (
            "probability: that the choice is truly the better; loss: what choosing it costs on "
            "average where it is not, and loss_otherwise of choosing the other, in units of the "
            "outcome"
        )
    return (
        "probability: to be truly the best; loss: what choosing it costs on average, in units of "
        "the outcome"
    )


def benchmark_line(benchmark: float, surprise: float) -> str:
    """How far a known total lies from what the model says."""
    side = "above" if surprise > 0 else "below"
    line = (
        f"Totals add up to {benchmark:,.10g}, which lies {abs(surprise):.1f} sds {side} what the "
        "model says alone."
    )
    if abs(surprise) > FAR_SDS:
        line += " That is far: check that total, cells and outcome are in the same units."
    return line
