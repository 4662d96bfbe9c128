"""`partialpool average`: averages of predictions over cells, and what they compare."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any, cast

from partialpool._table import Table
from partialpool.averages import Average
from partialpool.cli.common import (
    ModelOptions,
    as_told,
    check_outputs,
    fitted_as_asked,
    hand_out,
    print_table,
    waiting,
    wide_console,
)
from partialpool.design.new_rows import Unseen
from partialpool.errors import ArgumentError
from partialpool.posterior.averaged import AverageScale, ContrastKind
from partialpool.words import averages as words
from partialpool.words import formatting


@dataclass(frozen=True, slots=True)
class AverageCommandOptions(ModelOptions):
    """What was asked for; see the command's help."""

    formula: str
    cells: str
    by: tuple[str, ...]
    weights: str | None
    contrast: str | None
    kind: str
    scale: str
    total: bool
    benchmark: float | None
    unseen: str
    observation: bool
    above: float | None
    loss: bool
    lowest: bool
    interval: float


def run(options: AverageCommandOptions) -> None:
    """Fit, average the predictions of the cells and print the averages."""
    contrast = _contrast(options.contrast)
    check_outputs(options)
    if options.loss and contrast is None and not options.by:
        raise ArgumentError("--loss is of a choice: give --contrast, or --by what is chosen among")
    fit = fitted_as_asked(options)
    with waiting("averaging"):
        average = fit.average(
            as_told(options.cells),
            by=[name.strip() for part in options.by for name in part.split(",")] or None,
            weights=options.weights,
            contrast=contrast,
            kind=cast(ContrastKind, options.kind),
            scale=cast(AverageScale, options.scale),
            observation=options.observation,
            unseen=cast(Unseen, options.unseen),
            total=options.total,
            benchmark=options.benchmark,
            level=options.interval,
        )
    table = _table(average, options)
    printed = hand_out(table, options, "averages", "averages", fit.formula)
    if not (printed or options.out):
        _print(average, table, options)


def _table(average: Average, options: AverageCommandOptions) -> Table:
    """The averages, with the probability and the loss that were asked for."""
    table = Table(average.table)
    if options.above is not None:
        table["p_above"] = average.probability(above=options.above)
    if options.loss:
        loss = average.expected_loss(lower_is_better=options.lowest)
        names = ("choice", "probability", "loss", "loss_otherwise")
        table |= {name: loss[name] for name in names if name in loss}
    return table


def _print(average: Average, table: Table, options: AverageCommandOptions) -> None:
    """Print the table, and under it what its columns are."""
    console = wide_console(100)
    cells = words.cells(table)
    names = {"p_above": f"P(above {options.above:g})"} if options.above is not None else {}
    header = [names.get(name, name) for name in table]
    labels = len(average.labels) + ("contrast" in table)
    print_table(console, header, cells, texts=max(labels, 1))
    what = "new observations" if options.observation else "interval"
    said = f"lower and upper: {100 * options.interval:g}% {'of ' * options.observation}{what}"
    if options.loss:
        said += "; " + words.loss_line(average.comparison is not None)
    console.print(said, style="dim")
    if options.benchmark is not None:
        console.print(words.benchmark_line(options.benchmark, average.drawn.surprise), style="dim")


def _contrast(text: str | None) -> dict[str, list[Any]] | None:
    """``arm=A,B`` as a column and two levels; levels with commas go in quotes, as in CSV."""
    if text is None:
        return None
    column, equals, levels = text.partition("=")
    pair = [level.strip() for level in next(csv.reader([levels], skipinitialspace=True), [])]
    if not equals or len(pair) != 2 or not column.strip():
        raise ArgumentError(
            f'--contrast is a column and two of its levels, such as "arm=A,B" for B against A; '
            f'got "{formatting.printable(text)}"'
        )
    return {column.strip(): pair}
