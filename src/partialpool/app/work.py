"""What runs in other processes: plain functions of plain values."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import numpy as np

from partialpool import datasets
from partialpool.app import simulator
from partialpool.app.results import Result, chart, result
from partialpool.app.state import Simulation
from partialpool.charts.save import to_png, to_svg
from partialpool.data import CountStatistics, GroupStatistics, Table
from partialpool.data.files import write_table
from partialpool.data.preview import Column, preview
from partialpool.errors import DataError
from partialpool.fitting import fit
from partialpool.report import page
from partialpool.simulate import Risks
from partialpool.words import formatting

LONGEST_NAME = 60
"""Characters of a file's name that are shown, its ending included."""


def averages(state: Simulation, replicates: int) -> simulator.Expected:
    """What takes longer than a frame in the simulator."""
    return simulator.expected(state, replicates)


def more_averages(
    state: Simulation, replicates: int, *, progress: Callable[[float], None]
) -> Risks:
    """The risks over many worlds; ends when nobody waits for them any more."""
    progress(0.0)
    return simulator.averaged(state, replicates)


@lru_cache(maxsize=16)
def classic(name: str) -> Result:
    """Fit a bundled data set."""
    found = next(d for d in datasets.catalogue if d.name == name)
    table = found.load()
    fitted = fit(found.formula, table, family=found.family)
    truth = None
    if found.truth is not None:
        assert isinstance(fitted.statistics, GroupStatistics | CountStatistics)
        at = {label: i for i, label in enumerate(table[fitted.statistics.factor].tolist())}
        order = [at[label] for label in fitted.statistics.labels.tolist()]
        truth = np.asarray(found.truth(table))[order]
    return result(fitted, f"pp.datasets.{name}()", truth=truth, family=found.family)


def columns(path: str, name: str, *, progress: Callable[[float], None]) -> tuple[Column, ...]:
    """Look into an uploaded file."""
    progress(0.0)
    with _named(path, name) as local:
        return preview(local)


def fit_file(
    path: str,
    name: str,
    formula: str,
    priors: Sequence[str],
    family: str | None = None,
    *,
    progress: Callable[[float], None],
) -> Result:
    """Fit an uploaded file and draw the result."""
    with _named(path, name) as local:
        fitted = fit(formula, local, prior=list(priors), family=family, progress=progress)
    progress(1.0)
    return result(fitted, repr(name), priors=tuple(priors), family=family)


@contextmanager
def _named(path: str, name: str) -> Iterator[str]:
    """A file under its own name, so that sentences about it name what the user knows."""
    own = "".join(c for c in os.path.basename(name) if c.isprintable())[-LONGEST_NAME:]
    if not own.strip("."):
        raise DataError("the file needs a name with an ending, such as scores.csv")
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(path, os.path.join(folder, own))
        os.chdir(folder)
        try:
            yield own
        finally:
            os.chdir(before)


def download(found: Result, kind: str, place: str, tau: float | None) -> bytes:
    """The results as a file: csv, parquet, json, html, or the chart of a place as svg or png."""
    fitted = found.fit
    if kind in ("csv", "parquet"):
        return _as_file(fitted.group_table(), kind)
    if kind == "json":
        return json.dumps(fitted.to_dict(), ensure_ascii=False, indent=2).encode()
    if kind == "html":
        return page(fitted.report_contents()).encode()
    drawn = chart(found, place, tau)
    return to_png(drawn) if kind == "png" else to_svg(drawn).encode()


def download_world(
    state: Simulation, kind: str, place: str = "", last: simulator.Expected | None = None
) -> bytes:
    """A draw as a file: csv, parquet, json, html, or the chart of a place as svg or png."""
    drawn = simulator.drawn(state)
    table = drawn.table()
    if kind in ("csv", "parquet"):
        return _as_file(table, kind)
    if kind == "json":
        rows = {
            "groups": formatting.plain_rows(table),
            "errors": drawn.errors,
            "query": state.query,
        }
        return json.dumps(rows, indent=2).encode()
    if kind == "html":
        return simulator.snapshot(state, drawn, last).encode()
    picture = simulator.chart(state, drawn, place, last)
    return to_png(picture) if kind == "png" else to_svg(picture).encode()


def _as_file(table: Table, kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"groups.{kind}")
        write_table(table, path)
        with open(path, "rb") as file:
            return file.read()
