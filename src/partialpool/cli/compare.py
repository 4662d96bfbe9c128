"""`partialpool compare`: the poolings side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click
import numpy as np

from partialpool import display
from partialpool.cli.common import progress_bar, rich_table, source, wide_console
from partialpool.data import Table
from partialpool.fitting import fit


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What was asked for; see the command's help."""

    data: str
    formula: str | None
    estimators: tuple[str, ...]
    priors: tuple[str, ...]
    family: str | None
    top: int | None
    as_json: bool
    debug: bool


def run(options: CompareOptions) -> None:
    """Compare and print."""
    chosen = source(options.data, options.formula, options.family)
    with chosen as (data, formula, family), progress_bar() as progress:
        found = fit(formula, data, prior=list(options.priors), family=family, progress=progress)
        result = found.compare(*options.estimators)
    groups = Table({k: v[: options.top] for k, v in result.groups.items()})
    if options.as_json:
        tables = {"formula": formula, "groups": display.plain_rows(groups)}
        tables["scores"] = display.plain_rows(result.scores)
        click.echo(json.dumps(tables, ensure_ascii=False, indent=2, allow_nan=False))
        return
    from rich.text import Text

    console = wide_console(110)
    spread = float(np.ptp(groups["partial_pooling"])) / 4 or 1.0
    header = [found.statistics.factor, *list(groups)[1:]]
    console.print(Text(display.headline(found.posterior, formula), style="bold"))
    console.print(rich_table(header, display.estimate_cells(groups, spread)))
    console.print(rich_table(list(result.scores), display.score_cells(result.scores)))
    lines = (
        "log_score: log density of a group given the others, higher is better; group_rmse: error",
        "of predicting a group's mean from the others; row_rmse: of a row from all other rows.",
    )
    for line in lines:
        console.print(Text(line, style="dim"))
