"""Proportions: full posteriors beside point estimates of `glmm`, in CPU time."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import pandas as pd

import partialpool as pp
import timing

FORMULA = "y | trials(n) ~ 1 + (1 | g)"


def world(groups: int) -> dict[str, np.ndarray]:
    """Groups of 1 to 59 trials whose log-odds have sd 0.5."""
    rng = np.random.default_rng(1)
    n = rng.integers(1, 60, groups)
    p = 1 / (1 + np.exp(-rng.normal(-1, 0.5, groups)))
    return {"g": np.arange(groups), "y": rng.binomial(n, p), "n": n}


def peer(data: dict[str, np.ndarray]) -> Callable[[], object] | None:
    """A point estimate of the same model by another package."""
    try:
        import glmm
    except ImportError:
        return None
    frame = pd.DataFrame({"g": data["g"].astype(str), "y": data["y"] / data["n"]})
    weights = data["n"].astype(float)
    return lambda: glmm.fit(frame, "y ~ 1 + (1 | g)", family="binomial", weights=weights)


def table(
    data: dict[str, np.ndarray], population: str, formula: str = FORMULA
) -> Callable[[], object]:
    """The table of all groups: mean, sd and 95% interval of each."""
    return lambda: pp.fit(formula, data, population=population).groups()


def run(groups: int, rounds: int) -> None:
    """One size, side by side."""
    data = world(groups)
    cases: list[timing.Case] = [
        ("normal population, all groups", table(data, "normal")),
        ("beta population, all groups", table(data, "beta")),
        ("glmm, point estimate", peer(data)),
    ]
    timing.compare_cpu(f"{groups:,} groups", cases, rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", action="store_true", help="also a million groups")
    arguments = parser.parse_args()
    print(timing.machine())
    bundled: list[timing.Case] = [
        (d.name, table(dict(d.load()), "normal", d.formula))
        for d in pp.datasets.catalogue
        if d.name in ("batting", "surgical_deaths", "contraception", "mailing")
    ]
    timing.compare_cpu("bundled, table of all groups", bundled, 5)
    run(10_000, 3)
    if arguments.large:
        run(1_000_000, 1)
