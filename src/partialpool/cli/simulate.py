"""`partialpool simulate`: one world with its truth, and the risks over many."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import click
import numpy as np

from partialpool import display
from partialpool.cli.common import print_table, wide_console
from partialpool.data import Table
from partialpool.errors import ArgumentError
from partialpool.simulate import World, draw, risks

ESTIMATORS = ("no_pooling", "complete_pooling", "moments", "reml", "posterior")


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What was asked for; see the command's help."""

    groups: int
    n: int
    sizes: str | None
    tau: float
    sigma: float
    mu: float
    population: str
    replicates: int
    seed: int
    sigma_unknown: bool
    as_json: bool
    debug: bool


def run(options: SimulateOptions) -> None:
    """Simulate and print."""
    world = _world(options)
    known = not options.sigma_unknown
    one = draw(world, seed=options.seed, sigma_known=known, estimators=ESTIMATORS).table()
    expected = risks(
        world,
        estimators=ESTIMATORS,
        replicates=options.replicates,
        seed=options.seed,
        sigma_known=known,
    )
    if options.as_json:
        tables = {"world": display.plain_rows(one), "risks": display.plain_rows(expected.table)}
        click.echo(json.dumps(tables, indent=2, allow_nan=False))
        return
    _print(world, options, one, expected.table)


def _world(options: SimulateOptions) -> World:
    sizes = _sizes(options.sizes) if options.sizes else [options.n] * options.groups
    world = World(tuple(sizes), options.tau, options.sigma, options.mu)
    return replace(world, population=options.population)  # type: ignore[arg-type]


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f'--sizes takes whole numbers separated by commas, such as 5,5,40, not "{text}"'
        ) from None


def _print(world: World, options: SimulateOptions, one: Table, expected: Table) -> None:
    from rich.text import Text

    console = wide_console(110)
    title = (
        f"{len(world.n)} groups, tau {world.tau:g}, sigma {world.sigma:g}, mu {world.mu:g}, "
        f"{world.population} population, seed {options.seed}"
    )
    console.print(Text(title, style="bold"))
    spread = float(np.hypot(world.tau, world.sigma)) / 10
    print_table(console, list(one), display.estimate_cells(one, spread))
    console.print(Text(f"Expected over {options.replicates:,} such worlds", style="bold"))
    columns = ("estimator", "mse", "mse_error", "best", "beats_no", "beats_complete", "coverage",
               "coverage_error", "width")  # fmt: skip
    shown = Table({k: expected[k] for k in columns})
    print_table(console, list(shown), display.score_cells(shown))
    console.print(
        Text(
            "mse: mean squared error of the groups' estimates; best: share of worlds in which it "
            "is lowest of no, complete and this one; coverage and width: of 95% intervals.",
            style="dim",
        )
    )
