"""`partialpool table`: several models of the same data side by side."""

from __future__ import annotations

from dataclasses import dataclass

import click

from partialpool.cli.common import chosen_groups, print_csv, source, waiting
from partialpool.fitting import fit
from partialpool.posterior.fit_engine import Method
from partialpool.words.model_table import table


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What was asked for; see the command's help."""

    data: str
    formulas: tuple[str, ...]
    form: str | None
    names: str | None
    intervals: bool
    exp: bool
    method: Method
    priors: tuple[str, ...]
    family: str | None
    population: str | None
    event: str | None
    accuracy: float | None
    interval: float
    debug: bool


def run(options: TableOptions) -> None:
    """Fit every formula and print the table."""
    data = source(options.data, options.formulas[0], options.family)
    with data as (rows, _, family), waiting():
        fits = [
            fit(
                formula,
                rows,
                prior=list(options.priors),
                method=options.method,
                family=family,
                population=options.population,
                event=options.event,
                accuracy=options.accuracy,
            )
            for formula in options.formulas
        ]
    shown = table(
        *fits,
        names=chosen_groups(options.names),
        spread="interval" if options.intervals or options.exp else "sd",
        level=options.interval,
        scale="exp" if options.exp else "link",
    )
    if options.form == "csv":
        print_csv(shown.columns())
        return
    written = {"markdown": shown.to_markdown, "latex": shown.to_latex, "html": shown.to_html}
    click.echo(written[options.form]() if options.form else repr(shown))
