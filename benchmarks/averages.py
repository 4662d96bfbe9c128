"""Averages over cells: a poll by state, a million cells, joint draws; no peer is run.

    OPENBLAS_NUM_THREADS=1 python benchmarks/averages.py

rstanarm and bambi would fit the same poll by MCMC and average draws by hand; they are not installed
here and no time of theirs is printed.
"""

from __future__ import annotations

import time

import duckdb
import numpy as np
import pandas as pd

import partialpool as pp
import timing

FORMULA = "yes ~ female + age + education + ethnicity + region + (1 | state)"
VARYING = (
    "yes ~ female + (1 | state) + (1 | age) + (1 | education) + (1 | ethnicity) + (1 | region)"
)


def timed(what, run):
    """Run once, and print wall and CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{what:<58} {timing.shown(wall):>10}, CPU {timing.shown(cpu):>10}")
    return found


def main():
    print(timing.machine())
    poll = pp.simulate.poll(seed=1)
    how = {"family": "binomial"}
    fit = timed("poll of 10,000, 51 states: fit", lambda: pp.fit(FORMULA, poll.answers, **how))
    states = timed(
        "  12,240 cells by state",
        lambda: fit.average(poll.cells, by="state", weights="n", unseen="new_group"),
    )
    error_of_means(states)
    place = np.random.default_rng(0).integers(0, poll.cells.n_rows, 1_000_000)
    cells = pd.DataFrame({k: v[place] for k, v in poll.cells.items()})
    for name, rows in (("pandas", cells), ("DuckDB", duckdb.from_df(cells))):
        timed(
            f"  1,000,000 cells ({name}) by state",
            lambda rows=rows: fit.average(rows, by="state", weights="n", unseen="new_group"),
        )
    some = cells[place < 10_000]
    timed(
        f"  fit.predict of {len(some):,} rows, 10,000 that differ",
        lambda: fit.predict(some, unseen="new_group"),
    )
    rng = np.random.default_rng(1)
    timed(
        "  1,000 joint draws of 12,240 rows",
        lambda: fit.predict(poll.cells, unseen="new_group", draws=1000, rng=rng),
    )
    prior = "tau ~ half_normal(1)"
    several = timed(
        "the same poll, five factors varying: fit",
        lambda: pp.fit(VARYING, poll.answers, prior=prior, **how),
    )
    timed(
        "  12,240 cells by state",
        lambda: several.average(poll.cells, by="state", weights="n", unseen="new_group"),
    )
    radon = pp.datasets.radon()
    lines = pp.fit("log_radon ~ floor + log(uranium) + (floor | county)", radon)
    houses = pd.DataFrame(radon).loc[rng.integers(0, 919, 1_000_000)]
    timed("radon: fit.predict of 1,000,000 rows", lambda: lines.predict(houses))
    timed("radon: 1,000,000 cells by county", lambda: lines.average(houses, by="county"))


def error_of_means(states):
    """Largest difference of means from those of 100,000 joint draws, in sds."""
    drawn = np.concatenate(
        [states.draws(10_000, np.random.default_rng(seed)) for seed in range(10)]
    )
    gap = np.abs(states["estimate"] - drawn.mean(axis=0)) / states["sd"]
    ends = np.abs(states.interval() - np.quantile(drawn, [0.025, 0.975], axis=0)) / states["sd"]
    print(
        f"  from 100,000 joint draws: means differ by {gap.max():.4f} sds at most (root mean "
        f"square {np.sqrt((gap**2).mean()):.4f}), ends by {ends.max():.3f} "
        f"({np.sqrt((ends**2).mean()):.3f})"
    )


if __name__ == "__main__":
    main()
