"""Options of how files are read, which every command that reads one has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

READING = "partialpool.reading"
"""Where a command keeps these options; `common.source` passes them on."""


def _reading(name: str, **how: Any) -> Any:
    """An option of how files are read, which every command passes on by `common.source`."""

    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value not in (None, ()):
            context.meta.setdefault(READING, {})[name] = value

    return click.option(f"--{name}", callback=keep, expose_value=False, **how)


FILE = [
    _reading("decimal", type=click.Choice([".", ","]), help="Decimal mark of numbers in the file."),
    _reading("encoding", metavar="NAME", help="Of a CSV file, such as latin-1."),
    _reading("sheet", metavar="NAME", help="Of a workbook."),
    _reading("header", type=int, metavar="LINE", help="The line that names the columns, from 1."),
    _reading("na", multiple=True, metavar="WORD", help="A word for missing values; repeatable."),
]


LABELS = "labels"
FILE.append(
    _reading(
        LABELS,
        type=click.Choice(["fold"]),
        help="fold: merge labels that differ only in spaces or capitals.",
    )
)


def together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, shown by the help in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


file_options = together(*FILE)
"""The options of how files are read."""
