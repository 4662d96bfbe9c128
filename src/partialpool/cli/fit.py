"""`partialpool fit`: from options to a table, JSON, CSV or a file."""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from partialpool import datasets, display, pictures
from partialpool._typing import Ints
from partialpool.data import Table
from partialpool.data.files import write_table
from partialpool.errors import ArgumentError, DataError, did_you_mean
from partialpool.fitting import Fit, fit
from partialpool.posterior.distributions import IntervalKind

SHOWN_GROUPS = 50


@dataclass(frozen=True, slots=True)
class FitOptions:
    """What was asked for; see the command's help."""

    data: str
    formula: str | None
    priors: tuple[str, ...]
    interval: float
    hdi: bool
    sort: str | None
    top: int | None
    as_json: bool
    as_csv: bool
    out: str | None
    plot: str | None
    debug: bool

    @property
    def kind(self) -> IntervalKind:
        """The kind of interval asked for."""
        return "highest-density" if self.hdi else "equal-tailed"


def run(options: FitOptions) -> None:
    """Fit and print."""
    if options.as_json and options.as_csv:
        raise ArgumentError("--json and --csv both print to standard output; give one")
    with _source(options) as (data, formula), _progress() as progress:
        found = fit(formula, data, prior=list(options.priors), progress=progress)
    kind = options.kind
    result = found.to_dict(level=options.interval, kind=kind) if options.as_json else None
    groups = found._groups(options.interval, kind)
    order = _order(groups, options)
    table = Table({k: v[order] for k, v in groups.items()})
    if options.out:
        write_table(table, options.out)
    if options.plot:
        pictures.save(pictures.shrinkage(found.posterior, level=options.interval), options.plot)
    if result is not None:
        result["groups"] = [result["groups"][i] for i in order]
        click.echo(json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False))
    elif options.as_csv:
        _print_csv(table)
    else:
        _print_tables(found, table, groups.n_rows, options)
    if options.out:
        click.echo(f"wrote {table.n_rows:,} groups to {options.out}", err=True)
    if options.plot:
        click.echo(f"drew {options.plot}", err=True)


@contextmanager
def _source(options: FitOptions) -> Iterator[tuple[Any, str]]:
    """The data and the formula; standard input is kept in a temporary file while it is read."""
    known = {d.name: d for d in datasets.catalogue}
    if options.data in known and not os.path.exists(options.data):
        yield known[options.data].load(), options.formula or known[options.data].formula
        return
    if options.formula is None:
        names = ", ".join(known)
        raise ArgumentError(
            f'a formula is needed for "{options.data}", such as "score ~ 1 + (1 | school)"; '
            f"{did_you_mean(options.data, known)}"
            f"only the bundled data sets have one of their own ({names})"
        )
    if options.data != "-":
        yield options.data, options.formula
        return
    content = sys.stdin.buffer.read()
    if not content:
        raise DataError("standard input is empty; a header and rows are needed")
    ending = ".parquet" if content[:4] == b"PAR1" else ".csv"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "standard-input" + ending)
        with open(path, "wb") as file:
            file.write(content)
        yield path, options.formula


@contextmanager
def _progress() -> Iterator[Callable[[float], None] | None]:
    """A progress bar on standard error once reading has taken a second."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    bar = Progress(console=console, transient=True)
    task = bar.add_task("reading", total=1.0)
    begin = time.monotonic()

    def update(done: float) -> None:
        if time.monotonic() - begin > 1.0:
            bar.start()
            bar.update(task, completed=done)

    try:
        yield update
    finally:
        bar.stop()


def _order(groups: Table, options: FitOptions) -> Ints:
    """Indices of the groups to show, in order: labels upward, numbers downward."""
    order = np.arange(groups.n_rows)
    if options.sort and options.sort != "group":
        order = np.argsort(-groups[options.sort].astype(float), kind="stable")
    return order[: options.top].astype(np.int64, copy=False)


def _print_csv(table: Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))


def _print_tables(found: Fit, groups: Table, n_groups: int, options: FitOptions) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.width, 100))
    kind = options.kind
    parameters = found._parameters(options.interval, kind)
    console.print(Text(display.headline(found.formula, found.statistics), style="bold"))
    console.print(
        _rich_table(["parameter", *list(parameters)[1:]], display.parameter_cells(parameters))
    )
    console.print(Padding(Text(display.pooling_line(found.posterior)), (0, 0, 1, 0)))
    limit = options.top or SHOWN_GROUPS
    shown = Table({k: v[:limit] for k, v in groups.items()})
    console.print(
        _rich_table([found.statistics.factor, *list(shown)[1:]], display.group_cells(shown))
    )
    if shown.n_rows < n_groups:
        more = f"{shown.n_rows:,} of {n_groups:,} groups; all: --csv, --json or --out FILE"
        console.print(Text(more, style="dim"))
    percent = f"{100 * options.interval:g}%"
    console.print(Text(f"lower and upper: {percent} {kind} interval", style="dim"))
    for notice in found.notices:
        mark, style = ("!", "bold yellow") if notice.level == "warning" else ("-", "cyan")
        console.print(Text.assemble((f"{mark} ", style), notice.text))


def _rich_table(header: list[str], rows: list[list[str]]) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(Text(header[0]), overflow="fold", max_width=40)
    for name in header[1:]:
        style = "bold" if name == "estimate" else None
        table.add_column(name, justify="right", no_wrap=True, style=style)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
