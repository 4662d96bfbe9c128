"""`partialpool rank`: who is best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from partialpool.cli.common import fitted, hand_out, print_table, waiting, wide_console
from partialpool.data import Table
from partialpool.words import formatting, summary


@dataclass(frozen=True, slots=True)
class RankOptions:
    """What was asked for; see the command's help."""

    data: str
    formula: str | None
    top: int
    lowest: bool
    factor: str | None
    term: str
    priors: tuple[str, ...]
    family: str | None
    event: str | None
    accuracy: float | None
    interval: float
    out: str | None
    as_csv: bool
    as_json: bool
    debug: bool


def run(options: RankOptions) -> None:
    """Fit, rank and print, the first first."""
    from rich.text import Text

    found = fitted(
        options.data,
        options.formula,
        options.priors,
        family=options.family,
        event=options.event,
        accuracy=options.accuracy,
    )
    with waiting("ranking"):
        table = found.rank_table(
            options.top, options.interval, not options.lowest, options.factor, options.term
        )
    order = np.argsort(table["expected_rank"], kind="stable")
    table = Table({k: v[order] for k, v in table.items()})
    if hand_out(table, options, "groups", "ranks", found.formula):
        return
    console = wide_console(100)
    console.print(Text(summary.headline(found._engine, found.formula), style="bold"))
    header = [options.factor or found.factor, *list(table)[1:-1], f"top {options.top}"]
    print_table(console, header, formatting.rank_cells(table))
    console.print(
        Text(
            f"lower, median and upper: of the rank, {100 * options.interval:g}% interval; best and "
            f"top {options.top}: probability to be first, and among the first {options.top}",
            style="dim",
        )
    )
