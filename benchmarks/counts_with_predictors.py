"""Posteriors of counts with predictors, slopes and several factors: times, and true errors.

    OPENBLAS_NUM_THREADS=1 python benchmarks/counts_with_predictors.py [NAME ...]

The models are those of tests/reference, whose posteriors are stored there from long runs. A row of
the table gives the CPU time from table to posterior with every parameter and every group, its
ratio to `glmm`'s point estimate where that takes the model, the errors told (of means and sds, and
of interval ends, in posterior sds), and the largest true ones beyond what the long runs themselves
may be off. Two more models have 10,000 and 100,000 rows in 1,000 groups.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import partialpool as pp
import timing

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "reference")]

from reference_cases import COUNTS  # noqa: E402
from test_counts_with_predictors import STORED, gaps  # noqa: E402

ROUNDS = 3


def drawn(rows: int) -> dict[str, Any]:
    """Events with a predictor in 1,000 groups with sd 0.8."""
    rng = np.random.default_rng(7)
    g, x = rng.integers(0, 1000, rows), rng.normal(size=rows)
    eta = -0.5 + 0.5 * x + rng.normal(0, 0.8, 1000)[g]
    return {"y": (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(int), "x": x, "g": g}


def seconds(run: Callable[[], object]) -> float:
    """Median CPU time."""
    times = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
        if sum(times) > 20:
            break
    return float(np.median(times))


def peer(formula: str, rows: dict[str, Any], family: str) -> Callable[[], object] | None:
    """A point estimate by glmm, or None where it is not installed or refuses the model."""
    try:
        import glmm
    except ImportError:
        return None
    outcome, model = formula.split("~")
    data, weights = pd.DataFrame(rows), None
    if "trials" in outcome:
        y, n = outcome.split("|")[0].strip(), outcome.split("trials(")[1].split(")")[0]
        data["y"], weights, outcome = data[y] / data[n], data[n].astype(float), "y "
    for column in data:
        if f"C({column})" in model or f"| {column})" in model:
            data[column] = data[column].astype(str)
            model = model.replace(f"C({column})", column)

    def run() -> object:
        return glmm.fit(data, f"{outcome}~{model}", family=family, weights=weights)

    try:
        run()
    except Exception:  # another package may not take this model
        return None
    return run


def row(name: str, formula: str, rows: dict[str, Any], family: str | None, prior: Any) -> None:
    """Time a model, hold it against its stored posterior and print a line of the table."""
    fits: list[pp.Fit] = []

    def everything() -> None:
        fit = pp.fit(formula, rows, family=family, prior=prior)
        fit.parameters()
        fit.groups()
        fits.append(fit)

    own = seconds(everything)
    other = peer(formula, rows, family or "binomial")
    ratio = f"{own / seconds(other):.1f}" if other else ""
    fit = fits[-1]
    moments, ends = fit._engine.errors
    true_moments, true_ends = "", ""
    if name in STORED:
        off = gaps(name, fit)
        true_moments = f"{max(x for moment, x in off if moment):.3f}"
        true_ends = f"{max(x for moment, x in off if not moment):.3f}"
    cells = [name, timing.shown(own), ratio, f"{moments:.3f}", true_moments, f"{ends:.3f}"]
    print("| " + " | ".join([*cells, true_ends]) + " |", flush=True)


if __name__ == "__main__":
    print(timing.machine())
    print("| model | CPU time | x glmm | told: means, sds | true | told: ends | true |")
    print("|---|---|---|---|---|---|---|")
    wanted = sys.argv[1:] or [*COUNTS, "10,000 rows", "100,000 rows"]
    for name in wanted:
        if name in COUNTS:
            case = COUNTS[name]()
            row(name, case.formula, case.rows, case.family, case.prior or None)
        else:
            size = int(name.split()[0].replace(",", ""))
            row(name, "y ~ x + (1 | g)", drawn(size), "binomial", None)
