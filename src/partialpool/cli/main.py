"""The group of all commands, and errors as one line with exit code 2."""

from __future__ import annotations

import gc
import sys
from typing import Any

import click

from partialpool._version import __version__
from partialpool.cli import data_commands, fit_commands
from partialpool.errors import PartialPoolError

COLLECTED_AFTER = 100_000
"""New objects after which Python looks for garbage. It looks after each 700 otherwise, and what is
imported makes none: a tenth of the CPU time of a small fit (benchmarks/cold_start.py)."""
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Also -h, and help as wide as its tables of examples need, where the terminal has room."""


class Commands(click.Group):
    """The group of all commands; Ctrl-C leaves one line, and no empty one before it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_interrupted()) from None
        except RuntimeError as error:
            if str(error) != "Query interrupted":  # what DuckDB makes of Ctrl-C within a query
                raise
            raise click.exceptions.Exit(_interrupted()) from None


@click.group(cls=Commands, context_settings=HELP)
@click.version_option(__version__, prog_name="partialpool")
def cli() -> None:
    """Honest estimates for many groups: exact partial pooling, without MCMC."""


for _module in (fit_commands, data_commands):
    for _command in vars(_module).values():
        if isinstance(_command, click.Command):
            cli.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; bad input is one line on standard error and exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    gc.set_threshold(COLLECTED_AFTER)
    try:
        result = cli.main(words, prog_name="partialpool", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_interrupted())
    except PartialPoolError as error:
        if "--debug" in words:
            raise
        _fail(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)


def _interrupted() -> int:
    """Say so, and return the exit code of a program that SIGINT ended (128 + 2)."""
    begin = "\n" if sys.stderr.isatty() else ""  # the terminal has written ^C on this line
    click.echo(f"{begin}partialpool: interrupted", err=True)
    return 130


def _fail(message: str) -> None:
    printable = "".join(c if c.isprintable() else " " for c in message)  # also no escape codes
    click.echo("partialpool: " + " ".join(printable.split()), err=True)
    sys.exit(2)
