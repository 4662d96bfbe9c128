"""Counts with predictors: full posteriors and ML beside point estimates of `glmm`, in CPU time.

    OPENBLAS_NUM_THREADS=1 python benchmarks/counts_with_predictors.py

Herds of cattle (cbpp, bundled); 1,934 women in 60 districts (Contraception of the R package
mlmRev, from the tests' data); and answers of 316 persons to 24 items, drawn here in the shape of
VerbAgg of the R package lme4.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import partialpool as pp
import timing

WOMEN = Path(__file__).parents[1] / "tests" / "reference" / "data" / "contraception_women.csv"


def women() -> pd.DataFrame:
    """Whether each woman uses contraception, her age (about the mean), children and district."""
    with WOMEN.open() as file:
        rows = [row for row in csv.reader(file) if not row[0].startswith("#")]
    found = pd.DataFrame(rows[1:], columns=rows[0]).astype({"use": int, "age": float})
    return found.assign(age2=found["age"] ** 2)


def answers() -> pd.DataFrame:
    """316 persons (sd 1.2) answer each of 24 items (sd 0.8); a predictor of persons."""
    rng = np.random.default_rng(1)
    person, item = (v.ravel() for v in np.meshgrid(np.arange(316), np.arange(24), indexing="ij"))
    x = rng.normal(size=316)
    eta = 0.3 + rng.normal(0, 1.2, 316)[person] + rng.normal(0, 0.8, 24)[item] + 0.5 * x[person]
    y = (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(int)
    return pd.DataFrame({"y": y, "x": x[person], "person": person, "item": item})


def everything(formula: str, data: pd.DataFrame) -> None:
    """Table to posterior: every parameter, every group."""
    found = pp.fit(formula, data, family="binomial")
    found.parameters()
    found.groups()


def peer(formula: str, data: pd.DataFrame) -> Callable[[], object] | None:
    """A point estimate by another package."""
    try:
        import glmm
    except ImportError:
        return None
    outcome, model = formula.split("~")
    frame, weights = data.copy(), None
    if "trials" in outcome:
        y, n = outcome.split("|")[0].strip(), outcome.split("trials(")[1].split(")")[0]
        frame["y"], weights, outcome = frame[y] / frame[n], frame[n].astype(float), "y "
    for column in [c for c in frame if f"C({c})" in model or f"| {c})" in model]:
        frame[column] = frame[column].astype(str)
        model = model.replace(f"C({column})", column)
    return lambda: glmm.fit(frame, f"{outcome}~{model}", family="binomial", weights=weights)


def cases(formula: str, data: pd.DataFrame) -> list[timing.Case]:
    """The full posterior, and two point estimates."""
    return [
        ("full posterior, all groups", lambda: everything(formula, data)),
        ("ML by Laplace", lambda: pp.fit(formula, data, family="binomial", method="ml")),
        ("glmm, point estimate", peer(formula, data)),
    ]


if __name__ == "__main__":
    print(timing.machine())
    herds = pd.DataFrame(pp.datasets.cbpp())
    formula = "incidence | trials(size) ~ C(period) + (1 | herd)"
    timing.compare_cpu("cbpp, 15 herds", cases(formula, herds), 7)
    seeds = pd.DataFrame(pp.datasets.seeds())
    formula = "germinated | trials(seeds) ~ variety * extract + (1 | plate)"
    timing.compare_cpu("seeds, 21 plates", cases(formula, seeds), 7)
    for term in ("(1 | district)", "(urban | district)"):
        formula = f"use ~ age + age2 + urban + C(livch) + {term}"
        timing.compare_cpu(f"Contraception, {term}", cases(formula, women()), 3)
    formula = "y ~ x + (1 | person) + (1 | item)"
    timing.compare_cpu("answers, 316 persons x 24 items", cases(formula, answers()), 3)
