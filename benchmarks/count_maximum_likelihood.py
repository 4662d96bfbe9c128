"""Maximum likelihood of counts by Laplace's approximation beside `glmm`, in CPU time.

    OPENBLAS_NUM_THREADS=1 python benchmarks/count_maximum_likelihood.py [--rounds 9]

Table to coefficients with standard errors and log likelihood. Herds of cattle (cbpp, bundled);
1,934 women in 60 districts (Contraception of the R package mlmRev) and answers of 316 persons to
24 items (VerbAgg of the R package lme4), both from the tests' data; 100,000 rows with ten
predictors in 1,000 groups, and a million rows in 10,000 groups, drawn here.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import partialpool as pp
import timing

DATA = Path(__file__).parents[1] / "tests" / "reference" / "data"


def table(name: str) -> pd.DataFrame:
    """One of the tests' files, everything as text."""
    with (DATA / f"{name}.csv").open() as file:
        rows = [row for row in csv.reader(file) if not row[0].startswith("#")]
    return pd.DataFrame(rows[1:], columns=rows[0])


def women() -> pd.DataFrame:
    """Whether each woman uses contraception."""
    found = table("contraception_women").astype({"use": int, "age": float})
    return found.assign(age2=found["age"] ** 2, livch="n" + found["livch"])


def answers() -> pd.DataFrame:
    """Whether each person would react so to each item."""
    persons, items = table("verbal_aggression"), table("verbal_aggression_items")
    given = persons["answers"].str.removeprefix("a").map(list)
    persons = persons.assign(y=given).explode("y").astype({"y": int, "anger": float})
    every = pd.concat([items] * len(given), ignore_index=True)
    return pd.concat([persons.reset_index(drop=True), every], axis=1)


def drawn(rows: int, groups: int, predictors: int, levels: int | None = None) -> pd.DataFrame:
    """Events in groups (sd 0.8), with normal predictors or ones of a few levels."""
    rng = np.random.default_rng(7)
    g = rng.integers(0, groups, rows)
    shape = (rows, predictors)
    x = rng.normal(size=shape) if levels is None else rng.integers(0, levels, shape).astype(float)
    eta = -0.5 + x @ np.linspace(-0.5, 0.5, predictors) + rng.normal(0, 0.8, groups)[g]
    found = pd.DataFrame(x, columns=[f"x{i}" for i in range(predictors)])
    y = (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(int)
    return found.assign(g=pd.Series(g).astype(str), y=y)


def own(formula: str, data: pd.DataFrame) -> None:
    """Fit and read out."""
    pp.fit(formula, data, family="binomial", method="ml").parameters()


def peer(formula: str, data: pd.DataFrame) -> Callable[[], object] | None:
    """The same by `glmm`, if it is installed; trials are its weights."""
    try:
        import glmm
    except ImportError:
        return None
    weights = None
    if "trials" in formula:
        data = data.assign(y=data["incidence"] / data["size"], period=data["period"].astype(str))
        data["herd"] = data["herd"].astype(str)
        weights = data["size"].astype(float)
        formula = "y ~ period + (1 | herd)"
    return lambda: glmm.fit(data, formula, family="binomial", weights=weights)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    print(timing.machine())
    ten = " + ".join(f"x{i}" for i in range(10))
    cases = [
        ("cbpp, 15 herds", "incidence | trials(size) ~ C(period) + (1 | herd)",
         pd.DataFrame(pp.datasets.cbpp()), rounds),
        ("Contraception, (1 | district)",
         "use ~ age + age2 + urban + livch + (1 | district)", women(), rounds),
        ("Contraception, (urban | district)",
         "use ~ age + age2 + urban + livch + (urban | district)", women(), rounds),
        ("VerbAgg, 316 persons x 24 items",
         "y ~ anger + gender + btype + situ + mode + (1 | id) + (1 | item)", answers(), rounds),
        ("100,000 rows, ten predictors, 1,000 groups", f"y ~ {ten} + (1 | g)",
         drawn(100_000, 1_000, 10), 3),
        ("1,000,000 rows, 10,000 groups", "y ~ x0 + (1 | g)",
         drawn(1_000_000, 10_000, 1, levels=5), 3),
    ]  # fmt: skip
    for title, formula, data, times in cases:
        both = [
            ("glmm", peer(formula, data)),
            ("partialpool", lambda f=formula, d=data: own(f, d)),
        ]
        timing.compare_cpu(title, both, times)
