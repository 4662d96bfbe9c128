"""`partialpool check`: do the data look as the model expects."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from partialpool import charts
from partialpool.charts.save import checked
from partialpool.cli.common import (
    ModelOptions,
    check_outputs,
    print_csv,
    print_table,
    rows_as_asked,
    waiting,
    wide_console,
    written,
)
from partialpool.words import summary


@dataclass(frozen=True, slots=True)
class CheckOptions(ModelOptions):
    """What was asked for; see the command's help."""

    groups: bool
    plot: str | None


def run(options: CheckOptions) -> None:
    """Fit, check and print."""
    from rich.text import Text

    check_outputs(options)
    if options.plot:
        checked(options.plot)
    with rows_as_asked(options) as (fit, rows), waiting("checking"):
        checks = fit.check(rows)
    if options.plot:
        charts.save(charts.check(checks), options.plot)
        click.echo(f"drew {options.plot}", err=True)
    table = checks.group_table() if options.groups else checks.as_table()
    written(table, options.out, "groups" if options.groups else "checks")
    if options.as_json:
        click.echo(json.dumps(checks.to_dict(), ensure_ascii=False, indent=2, allow_nan=False))
        return
    if options.as_csv:
        print_csv(table)
        return
    console = wide_console(110)
    console.print(Text(summary.headline(fit._engine, fit.formula), style="bold"))
    header, cells = checks.group_cells() if options.groups else checks.cells()
    print_table(console, header, cells, texts=3 if options.groups else 2)
    console.print(Text(checks.text))
