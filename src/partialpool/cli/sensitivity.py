"""`partialpool sensitivity`: what the answers owe to the prior."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click

from partialpool import charts
from partialpool.charts.save import checked
from partialpool.charts.sensitivity import of_result
from partialpool.cli.common import (
    ModelOptions,
    check_outputs,
    fitted_as_asked,
    print_csv,
    print_table,
    waiting,
    wide_console,
    written,
)
from partialpool.words import formatting, summary


@dataclass(frozen=True, slots=True)
class SensitivityOptions(ModelOptions):
    """What was asked for; see the command's help."""

    plot: str | None


def run(options: SensitivityOptions) -> None:
    """Fit under every prior of the menu and print what moves."""
    check_outputs(options)
    if options.plot:
        checked(options.plot)
    fit = fitted_as_asked(options)
    with waiting("fitting under other priors"):
        result = fit.sensitivity()
    if options.plot:
        charts.save(of_result(result), options.plot)
        click.echo(f"drew {options.plot}", err=True)
    written(result.table, options.out, "rows")
    if options.as_csv:
        print_csv(result.table)
        return
    if options.as_json:
        tables = {"parameters": result.table, "groups": result.groups, "largest": result.largest}
        result_tables: dict[str, Any] = {k: formatting.plain_rows(t) for k, t in tables.items()}
        result_tables |= {"formula": fit.formula, "refused": result.refused, "text": result.text}
        click.echo(json.dumps(result_tables, ensure_ascii=False, indent=2, allow_nan=False))
        return
    from rich.text import Text

    console = wide_console(110)
    console.print(Text(summary.headline(fit._engine, fit.formula), style="bold"))
    print_table(console, result.header, result.cells())
    print_table(console, result.group_header, result.group_cells())
    console.print(Text("in brackets: shift in posterior sds of the fit; *: above 0.5", style="dim"))
    console.print(Text(result.text))
