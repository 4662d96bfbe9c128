"""`partialpool compare-models`: which model predicts groups that it has not seen."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from partialpool.cli.common import (
    check_outputs,
    fitted,
    print_csv,
    print_table,
    waiting,
    wide_console,
    written,
)
from partialpool.comparing import compare_models
from partialpool.errors import ArgumentError
from partialpool.words import formatting


@dataclass(frozen=True, slots=True)
class CompareModelsOptions:
    """What was asked for; see the command's help."""

    data: str
    formulas: tuple[str, ...]
    priors: tuple[str, ...]
    other_priors: tuple[str, ...]
    families: tuple[str, ...]
    populations: tuple[str, ...]
    factor: str | None
    event: str | None
    accuracy: float | None
    out: str | None
    as_csv: bool
    as_json: bool
    debug: bool


def run(options: CompareModelsOptions) -> None:
    """Fit every model, score it and print."""
    check_outputs(options)
    if options.data == "-":
        raise ArgumentError(
            "standard input can be read once only, and every model reads the data: save it to a "
            "file first"
        )
    fits = [
        fitted(
            options.data,
            formula,
            priors,
            family=family,
            population=population,
            event=options.event,
            accuracy=options.accuracy,
        )
        for formula in options.formulas or (None,)
        for family in options.families or (None,)
        for population in options.populations or (None,)
        for priors in (options.priors, *((p,) for p in options.other_priors))
    ]
    with waiting("leaving out each group"):
        result = compare_models(*fits, factor=options.factor)
    written(result.table, options.out, "models")
    if options.as_csv:
        print_csv(result.table)
        return
    if options.as_json:
        answers = {
            "factor": result.factor,
            "models": formatting.plain_rows(result.table),
            "groups": formatting.plain_rows(result.pointwise),
            "text": result.text,
        }
        click.echo(json.dumps(answers, ensure_ascii=False, indent=2, allow_nan=False))
        return
    from rich.text import Text

    console = wide_console(110)
    headline = f"Each group of {formatting.printable(result.factor)} predicted from the others"
    console.print(Text(headline, style="bold"))
    print_table(console, result.header, result.cells())
    for line in result.legend:
        console.print(Text(line))
    console.print(Text("elpd: higher is better; se: over groups", style="dim"))
    console.print(Text(result.text))
