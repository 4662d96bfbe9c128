"""`partialpool check`: do the data look as the model expects."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from partialpool import charts, fitting
from partialpool.charts.save import checked
from partialpool.cli.common import (
    are_statistics,
    fitted,
    print_csv,
    print_table,
    source,
    waiting,
    wide_console,
    written,
)
from partialpool.errors import ArgumentError
from partialpool.fitted import Fit
from partialpool.words import summary
from partialpool.words.checks import Check


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What was asked for; see the command's help."""

    data: str
    formula: str | None
    groups: bool
    plot: str | None
    priors: tuple[str, ...]
    family: str | None
    event: str | None
    accuracy: float | None
    out: str | None
    as_csv: bool
    as_json: bool
    debug: bool


def run(options: CheckOptions) -> None:
    """Fit, check and print."""
    from rich.text import Text

    if options.as_json and options.as_csv:
        raise ArgumentError("--json and --csv both print to standard output; give one")
    if options.plot:
        checked(options.plot)
    fit, checks = _checked(options)
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
    header, rows = checks.group_cells() if options.groups else checks.cells()
    print_table(console, header, rows, texts=3 if options.groups else 2)
    console.print(Text(checks.text))


def _checked(options: CheckOptions) -> tuple[Fit, Check]:
    """The fit and its checks, with the rows where there are any."""
    how = {"family": options.family, "event": options.event, "accuracy": options.accuracy}
    if are_statistics(options.data):
        fit = fitted(options.data, options.formula, options.priors, **how)  # type: ignore[arg-type]
        with waiting("checking"):
            return fit, fit.check()
    with source(options.data, options.formula, options.family) as (rows, formula, family):
        with waiting() as progress:
            fit = fitting.fit(
                formula,
                rows,
                prior=list(options.priors),
                family=family,
                event=options.event,
                accuracy=options.accuracy,
                progress=progress,
            )
        with waiting("checking"):
            return fit, fit.check(rows)
