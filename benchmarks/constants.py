"""What moves when a tuning constant does: the largest change of any printed number, in sds.

    python benchmarks/constants.py [NAME ...]

Each constant is set to each of the values beside it; a set of small fits, of the models that use
it, is made again, and every mean, sd and interval end of parameters and groups is compared with
what the constant as it stands gives, in posterior sds (standard errors of maximum likelihood).
The comments beside the constants quote this table.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import partialpool as pp

D = pp.datasets


def few_rates() -> dict[str, list[float]]:
    """Counts of few groups, some without an event, whose tails are long."""
    return {"g": ["a", "b", "c", "d"], "y": [0, 1, 3, 2], "n": [5.0, 8, 20, 2]}


def near_separation() -> dict[str, np.ndarray]:
    """Binary rows of which a predictor tells most."""
    rng = np.random.default_rng(4)
    x, g = rng.normal(size=120), np.arange(120) // 10
    p = 1 / (1 + np.exp(-4 * x - rng.normal(size=12)[g]))
    return {"y": rng.binomial(1, p), "x": x, "g": g}


FITS: dict[str, list[Callable[[], pp.Fit | pp.Table]]] = {
    "one way": [
        lambda: pp.fit("effect | se(se) ~ 1 + (1 | school)", D.eight_schools()),
        lambda: pp.fit("yield ~ 1 + (1 | batch)", D.dyestuff()),
        lambda: pp.fit("yield ~ 1 + (1 | batch)", D.dyestuff(), prior=["tau ~ half_cauchy(50)"]),
        lambda: pp.fit_groups(mean=[0.1, 0.3, 2.5, 9.0], se=[0.1, 1.0, 0.2, 3.0]),
        lambda: pp.fit_groups(mean=[1.0, 2, 4], n=[2, 2, 3], sd=[1.0, 0.1, 2.0]),
    ],
    "counts": [
        lambda: pp.fit("hits | trials(at_bats) ~ 1 + (1 | player)", D.batting()),
        lambda: pp.fit("y | exposure(n) ~ 1 + (1 | g)", few_rates()),
        lambda: pp.fit("y | exposure(n) ~ 1 + (1 | g)", few_rates(), population="gamma",
                       prior=["mu ~ normal(0, 3)"]),
        lambda: pp.fit("deaths | trials(operations) ~ 1 + (1 | hospital)", D.surgical_deaths(),
                       population="beta"),
    ],
    "mixed": [
        lambda: pp.fit("reaction ~ days + (days | subject)", D.sleepstudy()),
        lambda: pp.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", D.penicillin()),
    ],
    "populations": [
        lambda: pp.fit("effect | se(se) ~ 1 + (1 | school)", D.eight_schools(),
                       population="student"),
        lambda: pp.fit("effect | se(se) ~ 1 + (1 | school)", D.eight_schools(),
                       population="contaminated"),
    ],
    "ml": [
        lambda: pp.fit("reaction ~ days + (days | subject)", D.sleepstudy(), method="ml"),
        lambda: pp.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", D.penicillin(), method="reml"),
        lambda: pp.fit("yield ~ 1 + (1 | batch)", D.dyestuff(), method="reml"),
    ],
    "ml of counts": [
        lambda: pp.fit("germinated | trials(seeds) ~ variety * extract + (1 | plate)", D.seeds(),
                       method="ml"),
        lambda: pp.fit("incidence | trials(size) ~ C(period) + (1 | herd)", D.cbpp(), method="ml"),
        lambda: pp.fit("y ~ x + (1 | g)", near_separation(), family="binomial", method="ml"),
    ],
    "profiles": [
        lambda: pp.fit("reaction ~ days + (days | subject)", D.sleepstudy(),
                       method="ml").profile_table(),
        lambda: pp.fit("yield ~ 1 + (1 | batch)", D.dyestuff(), method="reml").profile_table(),
    ],
    "fixed effects of counts": [
        lambda: pp.fit("incidence | trials(size) ~ C(period) + (1 | herd)",
                       D.cbpp()).compare().coefficients,
        lambda: pp.fit("y ~ x + (1 | g)", near_separation(),
                       family="binomial").compare().coefficients,
    ],
    "counts with predictors": [
        lambda: pp.fit("germinated | trials(seeds) ~ extract + (1 | plate)", D.seeds()),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Moved:
    """A constant, other values of it, and the fits that use it."""

    module: str
    name: str
    values: tuple[object, ...]
    fits: str


CONSTANTS = [
    Moved("integrate.trapezoid", "SEARCH_REACH", (20.0, 30.0, 60.0), "one way"),
    Moved("integrate.trapezoid", "BULK_REACH", (3.5, 4.5, 7.0), "one way"),
    Moved("integrate.trapezoid", "SCAN_POINTS", ({1: 41, 2: 9}, {1: 161, 2: 33}), "one way"),
    Moved("integrate.trapezoid", "FIRST_STEP", ({1: 0.5, 2: 1.0}, {1: 0.03, 2: 0.06}), "one way"),
    Moved("integrate.nested", "LINE_REACH", (4.0, 6.0, 10.0), "counts"),
    Moved("integrate.nested", "MOST_LINES", (100, 500, 8000), "counts"),
    Moved("integrate.nested", "MOST_NODES", (50, 200, 2800), "counts"),
    Moved("integrate.nested", "MOST_ATTEMPTS", (2, 5, 15), "counts"),
    Moved("integrate.maximise", "MOST_STEPS", (2, 4, 8, 15), "mixed"),
    Moved("integrate.maximise", "MOST_STEPS", (2, 4, 8, 15), "ml"),
    Moved("integrate.quasi_newton", "MOST_STEPS", (5, 10, 20, 50), "ml of counts"),
    Moved("integrate.quasi_newton", "MOST_TURNS", (1, 2, 4), "ml of counts"),
    Moved("kernels.joint_counts", "NEWTON_STEPS", (5, 10, 20, 40), "counts with predictors"),
    Moved("kernels.own_levels", "MOST_STEPS", (3, 6, 12, 25), "counts with predictors"),
    Moved("classical.fixed_counts", "MOST_STEPS", (3, 6, 12, 25), "fixed effects of counts"),
    Moved("classical.profile", "MOST_PROFILES", (3, 6, 12, 25), "profiles"),
    Moved("classical.profile", "CLIMB_DIFFERENCE", (0.005, 0.08), "profiles"),
    Moved("data.working_responses", "MOST_STEPS", (2, 4, 8, 15), "ml of counts"),
    Moved("integrate.trapezoid", "NEGLIGIBLE_DEPTH", (20.0, 60.0), "one way"),
    Moved("integrate.trapezoid", "COARSER_IF_SQUARED", (1.0, 3.0), "counts"),
    Moved("integrate.nested", "ROUGH_STEP", (0.5, 2.0), "counts"),
    Moved("integrate.nested", "IGNORED_DEPTH", (30.0, 100.0), "counts"),
    Moved("integrate.lattice", "EVEN_WIDTHS", (1.5, 4.0), "mixed"),
    Moved("integrate.maximise", "LONGEST_STEP", (0.5, 4.0), "mixed"),
    Moved("integrate.maximise", "CLOSEST_DIFFERENCE", (2e-3, 2e-5), "ml"),
    Moved("integrate.newton", "STEPS_OF_ONE_HESSIAN", (1, 6), "counts with predictors"),
    Moved("kernels.counts", "NEARLY_NORMAL_FROM", (10.0, 1e9), "counts"),
    Moved("kernels.counts", "TRAPEZOID_STEP", (0.7, 1.1, 1.4), "counts"),
    Moved("kernels.counts", "SPECTRUM_INFORMATION", (0.0, 3.0, 12.0), "counts"),
    Moved("kernels.counts", "NORMAL_REACH", (6.0, 12.0), "counts"),
    Moved("kernels.mesh", "STEP_GROWTH", (0.03, 0.15), "counts"),
    Moved("kernels.mesh", "MOST_EVEN_STEPS", (100, 1000), "counts"),
    Moved("kernels.batched_linalg", "ZERO_PIVOT", (1e-13, 1e-9), "mixed"),
    Moved("kernels.normal_mixtures", "CENTER_STEPS", (2, 4, 16), "populations"),
    Moved("models.populations", "OUTERMOST_TAIL", (1e-4, 1e-8), "populations"),
    Moved("posterior.node_mixture", "GATHERED_FROM", (10**9,), "populations"),
    Moved("posterior.pairs", "NEGLIGIBLE_LINE", (1e-8, 1e-14), "counts"),
    Moved("posterior.pairs", "NEGLIGIBLE_IN_DENSITY", (1e-9, 1e-16), "counts"),
    Moved("posterior.pairs", "NEGLIGIBLE_NODE", (1e-14, 1e-30), "counts"),
    Moved("posterior.pairs", "FINER_STEPS", (1.3, 3.0), "counts"),
    Moved("posterior.components", "NEGLIGIBLE", (1e-10, 1e-20), "one way"),
    Moved("classical.mixed", "SEARCH_RISE", (1e-7, 1e-12), "ml"),
    Moved("classical.mixed", "SMALL_START", (0.1, 1.0), "ml"),
    Moved("classical.satterthwaite", "DIFFERENCE", (0.001, 0.016), "ml"),
    Moved("integrate.lattice", "WIDEST_AXIS", (1.5, 2.0, 6.0), "mixed"),
]


def numbers(fit: pp.Fit | pp.Table) -> tuple[np.ndarray, np.ndarray]:
    """Every number that is printed, and the sd by which its change is judged.

    Of a table without sds a quarter of its interval, or the number itself.
    """
    if not isinstance(fit, pp.Fit):
        columns = [v for v in fit.values() if v.dtype.kind == "f"]
        scale = np.abs(fit["estimate"]) if "estimate" in fit else np.abs(columns[0])
        if "upper" in fit:
            quarter = (fit["upper"] - fit["lower"]) / 4
            scale = np.where(np.isfinite(quarter), quarter, scale)
        return np.concatenate(columns), np.tile(scale, len(columns))
    values, scales = [], []
    for table in (fit.parameter_table(), fit.group_table()):
        means = table["mean"] if "mean" in table else table["estimate"]
        sd = np.where(np.isfinite(table["sd"]) & (table["sd"] > 0), table["sd"], np.nan)
        for column in (means, table["sd"], table["lower"], table["upper"]):
            values.append(column)
            scales.append(sd)
    return np.concatenate(values), np.concatenate(scales)


def change(before: list[tuple[np.ndarray, np.ndarray]], fits: list[Callable[[], pp.Fit]]) -> str:
    """The largest change, or how the fits failed."""
    largest = 0.0
    try:
        for (was, scale), make in zip(before, fits, strict=True):
            now, _ = numbers(make())
            with np.errstate(invalid="ignore"):
                moved = np.abs(now - was) / scale
            largest = max(largest, float(np.nanmax(moved)))
    except (pp.PartialPoolError, ArithmeticError, AssertionError, IndexError) as error:
        return f"{type(error).__name__}: {str(error)[:60]}"
    return f"{largest:.1e} sd"


def main(wanted: list[str]) -> None:
    """Print the table."""
    for moved in CONSTANTS:
        if wanted and moved.name not in wanted:
            continue
        module = importlib.import_module(f"partialpool.{moved.module}")
        own = getattr(module, moved.name)
        fits = FITS[moved.fits]
        began = time.process_time()
        before = [numbers(make()) for make in fits]
        took = time.process_time() - began
        print(f"{moved.module}.{moved.name} = {own}: {took:.2f} s of {moved.fits}", flush=True)
        for value in moved.values:
            setattr(module, moved.name, value)
            began = time.process_time()
            try:
                what = change(before, fits)
            finally:
                setattr(module, moved.name, own)
            print(f"  {value}: {what}, {time.process_time() - began:.2f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
