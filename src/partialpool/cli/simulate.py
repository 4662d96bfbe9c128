"""`partialpool simulate`: one world with its truth, and the risks over many."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click
import numpy as np

from partialpool._table import Table
from partialpool.cli.common import print_table, waiting, wide_console
from partialpool.errors import ArgumentError
from partialpool.simulate import CountWorld, World, count_draw, count_risks, draw, risks
from partialpool.words import formatting

ESTIMATORS = ("no_pooling", "complete_pooling", "moments", "reml", "posterior")


DEFAULTS = {"gaussian": (5.0, 70.0, 1000), "counts": (0.5, -1.0, 200)}
"""Of tau, mu and the number of replicates."""


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What was asked for; see the command's help."""

    groups: int
    n: int
    sizes: str | None
    imbalance: float
    family: str
    tau: float | None
    sigma: float | None
    mu: float | None
    population: str | None
    replicates: int | None
    seed: int
    sigma_known: bool
    as_json: bool
    debug: bool

    @property
    def counts(self) -> bool:
        """Whether the world is one of counts."""
        return self.family != "gaussian"

    @property
    def settings(self) -> tuple[float, float, int]:
        """Tau, mu and replicates, as asked for or the defaults."""
        tau, mu, replicates = DEFAULTS["counts" if self.counts else "gaussian"]
        return (
            tau if self.tau is None else self.tau,
            mu if self.mu is None else self.mu,
            replicates if self.replicates is None else self.replicates,
        )


def run(options: SimulateOptions) -> None:
    """Simulate and print."""
    with waiting("simulating"):
        title, one, expected, words = (_counts if options.counts else _measurements)(options)
    if options.as_json:
        tables = {"world": formatting.plain_rows(one), "risks": formatting.plain_rows(expected)}
        click.echo(json.dumps(tables, indent=2, allow_nan=False))
        return
    _print(title, one, expected, words)


def _measurements(options: SimulateOptions) -> tuple[str, Table, Table, list[str]]:
    """Title, one world, the risks, and the words before these."""
    tau, mu, replicates = options.settings
    sizes = _sizes(options.sizes) if options.sizes else options.n
    world = World.of(
        len(sizes) if isinstance(sizes, list) else options.groups,
        sizes,
        tau,
        imbalance=options.imbalance,
        sigma=10.0 if options.sigma is None else options.sigma,
        mu=mu,
        population=options.population or "normal",
    )
    known = options.sigma_known
    one = draw(world, seed=options.seed, sigma_known=known, estimators=ESTIMATORS).table()
    expected = risks(
        world,
        estimators=ESTIMATORS,
        replicates=replicates,
        seed=options.seed,
        sigma_known=known,
    )
    title = (
        f"{len(world.n)} groups, tau {world.tau:g}, sigma {world.sigma:g}, mu {world.mu:g}, "
        f"{world.population} population, seed {options.seed}"
    )
    return title, one, expected.table, [f"Expected over {replicates:,} such worlds"]


def _counts(options: SimulateOptions) -> tuple[str, Table, Table, list[str]]:
    """As `_measurements`, of counts."""
    of_measurements: dict[str, object] = {"--sigma": options.sigma}
    of_measurements["--sigma-unknown"] = None if options.sigma_known else True
    of_measurements["--imbalance"] = options.imbalance or None
    for name, value in of_measurements.items():
        if value is not None:
            raise ArgumentError(f"{name} is for measurements; counts of {options.family} have none")
    tau, mu, replicates = options.settings
    sizes = _sizes(options.sizes) if options.sizes else [options.n] * options.groups
    kinds = options.family, options.population or "normal"
    world = CountWorld(tuple(map(float, sizes)), tau, mu, *kinds)  # type: ignore[arg-type]
    one = count_draw(world, seed=options.seed).table()
    expected = count_risks(world, replicates=replicates, seed=options.seed)
    title = (
        f"{len(world.size)} groups, {world.family}, {world.population} population, "
        f"tau {tau:g}, mu {mu:g}, seed {options.seed}"
    )
    words = [f"Expected over {expected.replicates:,} such worlds"]
    if expected.left_out:
        words.append(
            f"({expected.left_out:,} more left out: flat priors leave them no proper posterior)"
        )
    return title, one, expected.table, words


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ArgumentError(
            f'--sizes takes whole numbers separated by commas, such as 5,5,40, not "{text}"'
        ) from None


def _print(title: str, one: Table, expected: Table, words: list[str]) -> None:
    from rich.text import Text

    console = wide_console(110)
    console.print(Text(title, style="bold"))
    spread = float(np.std(one["truth"])) / 10 or 0.01
    print_table(console, list(one), formatting.estimate_cells(one, spread))
    for line in words:
        console.print(Text(line, style="bold"))
    columns = ("estimator", "mse", "mse_error", "best", "beats_no", "beats_complete", "coverage",
               "coverage_error", "width")  # fmt: skip
    shown = Table({k: expected[k] for k in columns})
    print_table(console, list(shown), formatting.score_cells(shown))
    console.print(
        Text(
            "mse: mean squared error of the groups' estimates; best: share of worlds in which it "
            "is lowest of no, complete and this one; coverage and width: of 95% intervals.",
            style="dim",
        )
    )
