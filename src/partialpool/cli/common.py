"""Shared by the commands: where data comes from, progress, and tables."""

from __future__ import annotations

import csv
import glob
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, Unpack

import click

from partialpool import datasets
from partialpool._table import Table
from partialpool.cli.reading import LABELS, READING
from partialpool.errors import ArgumentError, DataError, PartialPoolError, did_you_mean
from partialpool.fitted import Fit
from partialpool.fitting import fit, fit_statistics
from partialpool.formula import parse, read_roles
from partialpool.kept_statistics import load_statistics
from partialpool.posterior.above import Above
from partialpool.posterior.fit_engine import Method
from partialpool.rows.files import DATABASE, expand, write_table
from partialpool.rows.folding import folding
from partialpool.rows.read import columns_of
from partialpool.rows.read_table import read_naming
from partialpool.rows.statistics_files import holds_statistics
from partialpool.words import formatting

SOON = 2.0
"""Seconds after which somebody at a terminal wonders whether anything happens."""


class How(TypedDict, total=False):
    """What a fit takes beside data, formula and priors."""

    method: Method
    family: str | None
    population: str | None
    event: str | None
    quadrature: int | None
    accuracy: float | None


def fitted(data: str, formula: str | None, priors: tuple[str, ...], **how: Unpack[How]) -> Fit:
    """Fit rows with a formula, or statistics (a file, or a glob of them) with their own."""
    with fitted_rows(data, formula, priors, **how) as (result, _):
        return result


@contextmanager
def fitted_rows(
    data: str, formula: str | None, priors: tuple[str, ...], **how: Unpack[How]
) -> Iterator[tuple[Fit, Any]]:
    """The same, with the rows while they can be read once more; None where there are statistics."""
    if are_statistics(data):
        _refuse_options(data, "a file of statistics")
        if formula is not None:
            raise ArgumentError(
                f'"{data}" holds statistics, which have a formula of their own; leave '
                f'"{formula}" out'
            )
        known: dict[str, Any] = {k: v for k, v in how.items() if k not in ("family", "event")}
        with waiting():
            result = fit_statistics(load_statistics(data), prior=list(priors), **known)
        yield result, None
        return
    others: dict[str, Any] = {k: v for k, v in how.items() if k != "family"}
    with source(data, formula, how.get("family")) as (rows, its_formula, its_family):
        with waiting() as progress:
            result = fit(
                its_formula,
                rows,
                prior=list(priors),
                family=its_family,
                progress=progress,
                **others,
            )
        yield result, rows


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Data, the model and where tables go: options of every command that fits one."""

    data: str
    formula: str | None
    priors: tuple[str, ...]
    family: str | None
    population: str | None
    event: str | None
    accuracy: float | None
    out: str | None
    as_csv: bool
    as_json: bool
    debug: bool


def fitted_as_asked(
    options: ModelOptions, *, method: Method = "posterior", quadrature: int | None = None
) -> Fit:
    """The fit of what the options name; its posterior, unless another method is."""
    how = _as_asked(options) | {"method": method, "quadrature": quadrature}
    return fitted(options.data, options.formula, options.priors, **how)


def rows_as_asked(options: ModelOptions) -> AbstractContextManager[tuple[Fit, Any]]:
    """The posterior of what the options name, with its rows; see `fitted_rows`."""
    return fitted_rows(options.data, options.formula, options.priors, **_as_asked(options))


def _as_asked(options: ModelOptions) -> How:
    return {
        "family": options.family,
        "population": options.population,
        "event": options.event,
        "accuracy": options.accuracy,
    }


def are_statistics(data: str) -> bool:
    """True if the first file that `data` stands for was written by `partialpool statistics`."""
    if not data.lower().endswith(".parquet"):
        return False
    return holds_statistics(expand(data)[0])


@contextmanager
def source(
    data: str, formula: str | None, family: str | None = None
) -> Iterator[tuple[Any, str, str | None]]:
    """The data, formula and family; standard input is kept in a temporary file while it is read."""
    known = {d.name: d for d in datasets.catalogue}
    if formula is not None and "~" in data and "~" not in formula and not os.path.exists(data):
        raise ArgumentError(f'the data come first, and then the formula: {formula} "{data}"')
    if data in known and not os.path.exists(data):
        _refuse_options(data, "a bundled data set")
        dataset = known[data]
        its_own = formula is None or formula == dataset.formula
        its_family = dataset.family if its_own else None
        rows = folding(dataset.load(), merged_labels())
        yield rows, formula or dataset.formula, family or its_family
        return
    if formula is None:
        raise ArgumentError(f'a formula is needed for "{data}", {_such_as(data, list(known))}')
    if data != "-":
        yield folding(as_told(data, formula, family), merged_labels()), formula, family
        return
    content = sys.stdin.buffer.read()
    if not content:
        raise DataError("standard input is empty; a header and rows are needed")
    ending = next((e for start, e in STARTS.items() if content.startswith(start)), ".csv")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "standard-input" + ending)
        with open(path, "wb") as file:
            file.write(content)
        yield folding(as_told(path, formula, family), merged_labels()), formula, family


STARTS = {b"PAR1": ".parquet", b"\x1f\x8b": ".csv.gz", b"PK\x03\x04": ".xlsx"}
"""The first bytes of files that are no plain text, and their endings."""


def _such_as(data: str, known: list[str]) -> str:
    """A formula for a file without one: of its columns, as the app would choose them."""
    from partialpool.app.file_formula import formula_of
    from partialpool.app.file_roles import guessed
    from partialpool.app.your_file import MOST_COLUMNS
    from partialpool.rows.preview import preview

    try:
        columns = preview(data, **_file_options()).columns[:MOST_COLUMNS]
        choices = guessed(columns)[1]
        suggested = formula_of(choices, choices["outcomeKind"])
    except PartialPoolError:
        return (
            f'such as "score ~ 1 + (1 | school)"; {did_you_mean(data, known)}'
            f"only the bundled data sets have one of their own ({', '.join(known)})"
        )
    names = ", ".join(formatting.printable(c.name) for c in columns[:20])
    more = ", ..." if len(columns) > 20 else ""
    return f"such as '{formatting.printable(suggested)}' (its columns are {names}{more})"


def _file_options() -> dict[str, Any]:
    """What the options of this command say of how a file is read."""
    return {k: v for k, v in _reading().items() if k != LABELS}


def as_told(path: str, formula: str | None = None, family: str | None = None) -> Any:
    """A file as the options of this command say that it is read; the path where they say nothing.

    See `cli.reading`. The columns of the formula find the header and the sheet.
    """
    how = _file_options()
    if not how:
        return path
    if DATABASE.search(path):
        _refuse_options(path, "a table of a database")
    if not os.path.exists(path) and glob.has_magic(path):
        _refuse_options(path, "more than one file")
    names = set() if formula is None else columns_of(read_roles(parse(formula), family))
    return read_naming(names, path, **how)


def _refuse_options(data: str, what: str) -> None:
    """Raise an ArgumentError for options of how a file is read, where there is no such file."""
    for name in _file_options():
        raise ArgumentError(f'"{data}" is {what}; --{name} is for one CSV file or workbook')


def table_of(data: str) -> Any:
    """Every column of a file, as the options say that it is read, or of a bundled data set."""
    known = {d.name: d for d in datasets.catalogue}
    if data in known and not os.path.exists(data):
        _refuse_options(data, "a bundled data set")
        return known[data].load()
    return as_told(data)


def merged_labels() -> str | None:
    """What the option says of labels that differ only in spaces or capitals."""
    return _reading().get(LABELS)


def _reading() -> dict[str, Any]:
    options: dict[str, Any] = click.get_current_context().meta.get(READING, {})
    return options


@contextmanager
def waiting(work: str = "fitting") -> Iterator[Callable[[float], None] | None]:
    """One line on standard error, on a terminal only, while work takes more than two seconds.

    Yields what is to be called with the fraction of a file that has been read.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(work, total=None)
    start = threading.Timer(SOON, bar.start)
    start.start()

    def update(done: float) -> None:
        if done < 1.0:
            bar.update(task, description="reading", total=1.0, completed=done)
        else:
            bar.update(task, description=work, total=None)

    try:
        yield update
    finally:
        start.cancel()
        start.join()
        bar.stop()


def wide_console(width: int) -> Any:
    """The terminal; where output goes elsewhere, at least this many columns."""
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal:
        return console
    return Console(highlight=False, width=max(console.width, width))


def print_table(console: Any, header: list[str], rows: list[list[str]], *, texts: int = 1) -> None:
    """Print a table: the first columns are text, which folds, the others numbers, never cut off.

    Where the terminal is too narrow for all numbers of a row, its lines wrap.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for name, width in zip(header[:texts], widths, strict=False):
        widest = min(width, 40)
        table.add_column(Text(name), overflow="fold", min_width=min(widest, 9), max_width=widest)
    for name, width in zip(header[texts:], widths[texts:], strict=True):
        style = "bold" if name == "estimate" else None
        # as Text: rich would take the brackets of tau[school] for a style
        table.add_column(Text(name), justify="right", no_wrap=True, min_width=width, style=style)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    least = sum(min(w, 9) for w in widths[:texts]) + sum(widths[texts:]) + 3 * len(widths)
    full = sum(min(w, 40) for w in widths[:texts]) + sum(widths[texts:]) + 3 * len(widths)
    wanted = least if console.is_terminal else full
    wide = console if wanted <= console.width else Console(highlight=False, width=wanted)
    wide.print(table)


def print_csv(table: Table) -> None:
    """Print a table as CSV."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table)
    columns = ([_as_text(v) for v in column.tolist()] for column in table.values())
    writer.writerows(zip(*columns, strict=True))


def _as_text(value: Any) -> Any:
    """Truth values as the files of ``--out`` have them."""
    return str(value).lower() if isinstance(value, bool) else value


def written(table: Table, out: str | None, rows: str) -> None:
    """Write a table to the file of ``--out``, if any, and say so on standard error."""
    if out:
        write_table(table, out)
        click.echo(f"wrote {table.n_rows:,} {rows} to {out}", err=True)


class Outputs(Protocol):
    """Where a table goes, of every command that makes one."""

    @property
    def out(self) -> str | None: ...
    @property
    def as_csv(self) -> bool: ...
    @property
    def as_json(self) -> bool: ...


def check_outputs(options: Outputs) -> None:
    """Raise an ArgumentError if two things would be printed to standard output."""
    if options.as_json and options.as_csv:
        raise ArgumentError("--json and --csv both print to standard output; give one")


def hand_out(table: Table, options: Outputs, rows: str, name: str, formula: str) -> bool:
    """Write a table to a file, or print it as JSON or CSV, as asked.

    Parameters
    ----------
    table : Table
    options : Outputs
    rows : str
        What rows are called, such as "groups".
    name : str
        What the table is called in JSON.
    formula : str

    Returns
    -------
    bool
        Whether it was printed.
    """
    written(table, options.out, rows)
    if options.as_json:
        result = {"formula": formula, name: formatting.plain_rows(table)}
        click.echo(json.dumps(result, ensure_ascii=False, indent=2, allow_nan=False))
    elif options.as_csv:
        print_csv(table)
    return options.as_json or options.as_csv


def chosen_groups(text: str | None) -> list[str] | None:
    """The labels of ``--groups``, separated by commas as in a line of CSV; None if not given."""
    if text is None:
        return None
    labels = [label.strip() for label in next(csv.reader([text], skipinitialspace=True), [])]
    return [label for label in labels if label]


def checked_above(text: str | None) -> Above | None:
    """What ``--above`` asks for: the average, or a value.

    Raises
    ------
    ArgumentError
        If it is neither.
    """
    if text is None or text == "average":
        return text  # type: ignore[return-value]
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(f'--above takes a number or the word average; got "{text}"') from None
