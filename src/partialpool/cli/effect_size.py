"""`partialpool effect-size`: effects and standard errors from the figures of studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click

from partialpool.classical.effect_sizes import computed
from partialpool.classical.measures import AddTo, DoubleZero
from partialpool.cli.common import (
    chosen_groups,
    hand_out,
    print_table,
    table_of,
    wide_console,
)
from partialpool.errors import ArgumentError
from partialpool.rows.added_columns import in_memory, with_columns
from partialpool.words import formatting


@dataclass(frozen=True, slots=True)
class EffectSizeOptions:
    """What was asked for; see the command's help."""

    measure: str
    data: str
    columns: Mapping[str, Any]
    add: float | None
    to: AddTo
    double_zero: DoubleZero
    correct: bool
    names: str
    out: str | None
    as_csv: bool
    as_json: bool
    debug: bool


def run(options: EffectSizeOptions) -> None:
    """Compute, say what was done to zero cells, and write or print."""
    names = chosen_groups(options.names) or []
    if len(names) != 2 or names[0] == names[1]:
        raise ArgumentError(f'--names are two, such as effect,se; got "{options.names}"')
    rows = in_memory(table_of(options.data))
    of = computed(
        options.measure,
        rows,
        options.columns,
        add=options.add,
        to=options.to,
        double_zero=options.double_zero,
        correct=options.correct,
    )
    table = with_columns(options.data, rows, dict(zip(names, (of.effect, of.se), strict=True)))
    for sentence in of.said():
        click.echo(sentence, err=True)
    if not (hand_out(table, options, "studies", "studies", of.measure.title) or options.out):
        cells = formatting.effect_cells(table, *names)
        print_table(wide_console(100), list(table), cells, texts=len(table) - len(names))
