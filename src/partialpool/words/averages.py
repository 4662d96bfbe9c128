"""Averages of predictions, printed."""

from __future__ import annotations

from typing import Any

from partialpool.data import Table
from partialpool.words import formatting

SHOWN_AVERAGES = 20
FAR = 3.0
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
    what = "Total" if total else "Average"
    cells = "1 cell" if n_cells == 1 else f"{n_cells:,} cells"
    lines = [f"{what} of predictions over {cells}"]
    rows = Table({k: v[:SHOWN_AVERAGES] for k, v in table.items()})
    numbers = ["estimate", "sd", "lower", "upper"]
    lines += formatting.aligned(list(rows), formatting.prediction_cells(rows, numbers))
    if table.n_rows > SHOWN_AVERAGES:
        lines.append(f"... and {table.n_rows - SHOWN_AVERAGES:,} more rows")
    if benchmark is not None:
        lines.append(benchmark_line(benchmark, surprise))
    return "\n".join(lines)


def benchmark_line(benchmark: float, surprise: float) -> str:
    """How far a known total lies from what the model says."""
    side = "above" if surprise > 0 else "below"
    line = (
        f"Totals add up to {benchmark:,.10g}, which lies {abs(surprise):.1f} sds {side} what the "
        "model says alone."
    )
    if abs(surprise) > FAR:
        line += " That is far: check that total, cells and outcome are in the same units."
    return line
