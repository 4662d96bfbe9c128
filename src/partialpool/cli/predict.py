"""`partialpool predict`: what to expect of new rows, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import click

from partialpool._table import Table
from partialpool.cli.common import (
    ModelOptions,
    as_told,
    fitted_as_asked,
    hand_out,
    print_table,
    waiting,
    wide_console,
)
from partialpool.cli.reading import READING
from partialpool.design.new_rows import Target, Unseen
from partialpool.rows.read_table import as_written
from partialpool.words import formatting


@dataclass(frozen=True, slots=True)
class PredictOptions(ModelOptions):
    """What was asked for; see the command's help."""

    formula: str
    rows: str
    target: str
    unseen: str
    observation: bool
    interval: float


def run(options: PredictOptions) -> None:
    """Fit, predict the new rows and print them with their predictions, in their order."""
    fit = fitted_as_asked(options)
    reading = click.get_current_context().meta.get(READING, {})
    with waiting("predicting"):
        predicted = fit.predict(
            as_told(options.rows),
            target=cast(Target, options.target),
            unseen=cast(Unseen, options.unseen),
            observation=options.observation,
            level=options.interval,
        )
    places = {k: v for k, v in reading.items() if k in ("encoding", "sheet", "header")}
    rows = as_written(options.rows, **places)
    names = {name: f"{name} (given)" if name in predicted else name for name in rows}
    table = Table({**{names[k]: v for k, v in rows.items()}, **predicted})
    printed = hand_out(table, options, "rows", "predictions", fit.formula)
    if not (printed or options.out):
        console = wide_console(100)
        cells = formatting.prediction_cells(table, list(predicted))
        print_table(console, list(table), cells, texts=len(rows))
        console.print(
            f"lower and upper: {100 * options.interval:g}% "
            f"{'of new observations' if options.observation else 'interval'}",
            style="dim",
        )
