"""`partialpool rank`: who is best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import click
import numpy as np

from partialpool import charts
from partialpool._table import Table
from partialpool.charts.ranks import of_table as ranks_of_table
from partialpool.charts.save import checked
from partialpool.cli.common import (
    ModelOptions,
    check_outputs,
    checked_above,
    chosen_groups,
    fitted_as_asked,
    hand_out,
    print_table,
    waiting,
    wide_console,
)
from partialpool.words import formatting, summary
from partialpool.words.arrange import Arrangement


@dataclass(frozen=True, slots=True)
class RankOptions(ModelOptions):
    """What was asked for; see the command's help."""

    top: int
    lowest: bool
    factor: str | None
    term: str
    groups: str | None
    above: str | None
    plot: str | None
    interval: float


def run(options: RankOptions) -> None:
    """Fit, rank and print, the first first."""
    from rich.text import Text

    above = checked_above(options.above)
    check_outputs(options)
    if options.plot:
        checked(options.plot)
    fit = fitted_as_asked(options)
    with waiting("ranking"):
        table = fit.rank_table(
            options.top, options.interval, not options.lowest, options.factor, options.term, above
        )
    factor = options.factor or fit.factor
    order = np.argsort(table["expected_rank"], kind="stable")
    every = Table({k: v[order] for k, v in table.items()})
    table = Arrangement(groups=chosen_groups(options.groups)).of(every, factor)
    if options.plot:
        shown = table["group"].tolist() if options.groups else None
        how = options.top, options.interval, shown
        charts.save(ranks_of_table(every, factor, options.term, *how), options.plot)
        click.echo(f"drew {options.plot}", err=True)
    if hand_out(table, options, "groups", "ranks", fit.formula):
        return
    console = wide_console(100)
    console.print(Text(summary.headline(fit._engine, fit.formula), style="bold"))
    names = {"group": factor, "top": f"top {options.top}", "p_above": f"P(above {options.above})"}
    header = [names.get(k, k) for k in table]
    print_table(console, header, formatting.rank_cells(table))
    console.print(
        Text(
            f"lower, median and upper: of the rank, {100 * options.interval:g}% interval; best and "
            f"top {options.top}: probability to be first, and among the first {options.top}",
            style="dim",
        )
    )
