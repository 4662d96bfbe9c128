"""`partialpool statistics`: from rows to a file of statistics."""

from __future__ import annotations

from dataclasses import dataclass

import click

from partialpool.cli.common import source, waiting
from partialpool.kept_statistics import load_statistics, statistics


@dataclass(frozen=True, slots=True)
class KeepOptions:
    """What was asked for; see the command's help."""

    data: str
    formula: str | None
    family: str | None
    event: str | None
    out: str
    added: tuple[str, ...]
    min_cell: int
    debug: bool


def run(options: KeepOptions) -> None:
    """Reduce, combine and write."""
    added = load_statistics(options.added) if options.added else None
    # a group that is small here may be large with what is added, if it can be left out later
    least = 1 if added is not None and added.separable else options.min_cell
    chosen = source(options.data, options.formula, options.family)
    with chosen as (data, formula, family), waiting("reading") as progress:
        sums = statistics(
            formula, data, family=family, event=options.event, min_cell=least, progress=progress
        )
    if added is not None:
        sums = added.combine(sums)
    written = sums.save(options.out, min_cell=options.min_cell)
    click.echo(f"wrote {options.out}: {written!r}", err=True)
