"""Regressions: point estimates and full posteriors, in CPU time, beside two other packages.

    OPENBLAS_NUM_THREADS=1 python benchmarks/regression.py [InstEval.csv]

CPU time of one process and one thread, so that a busy machine changes less. Data are made here,
shaped like well-known ones; InstEval (73,421 ratings of 1,128 lecturers by 2,972 students, from
the R package lme4) is read from a file if one is given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import partialpool as pp
import timing
from partialpool.classical.mixed import mixed_model
from partialpool.data import read_mixed
from partialpool.formula import mixed, parse
from partialpool.models import Priors
from partialpool.posterior import mixed_posterior


def many_groups(groups: int = 100_000, rows: int = 1_000_000) -> pd.DataFrame:
    """Intercepts with sd 0.5 and slopes with sd 0.3 in every group; residual sd 1."""
    rng = np.random.default_rng(1)
    g = np.concatenate([np.arange(groups), rng.integers(0, groups, rows - groups)])
    x = rng.normal(size=rows)
    effects = rng.normal(size=(2, groups)) * [[0.5], [0.3]]
    y = 1 + effects[0][g] + (0.5 + effects[1][g]) * x + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def everything(statistics_: object) -> None:
    """Mean and sd of every parameter and of every group's coefficients."""
    post = mixed_posterior(statistics_, Priors())  # type: ignore[arg-type]
    for found in post.named().values():
        _ = found.mean, found.sd
    for block in range(len(post.statistics.blocks)):
        whole = post.group(block)
        _ = whole.mean, whole.sd


def peer(name: str, formula: str, frame: pd.DataFrame) -> Callable[[], object] | None:
    """A point estimate by another package."""
    try:
        if name == "glmm":
            import glmm

            return lambda: glmm.fit(frame, formula)
        import mixedlm_rs

        group = formula.split("|")[1].strip(" )")
        fixed, varying = formula.split(" + (")[0], formula.split("(")[1].split("|")[0].strip()
        return lambda: mixedlm_rs.mixedlm(
            fixed, frame, groups=frame[group], re_formula=f"~ {varying}"
        ).fit()
    except ImportError:
        return None


def jobs(formula: str, data: object, *, peers: bool = True) -> list[timing.Case]:
    """The whole way from the table, the engine alone, and the others."""
    reading = read_mixed(mixed(parse(formula)), data)
    found: list[timing.Case] = [
        ("posterior, all groups, from statistics", lambda: everything(reading.statistics)),
        ("REML, from statistics", lambda: mixed_model(reading.statistics)),
        ("statistics, from the table", lambda: read_mixed(mixed(parse(formula)), data)),
    ]
    if peers:
        frame = pd.DataFrame(data)
        found += [(f"{n}, point estimate", peer(n, formula, frame)) for n in ("glmm", "mixedlm-rs")]
    return found


if __name__ == "__main__":
    print(timing.machine())
    sleep = pp.datasets.sleepstudy()
    timing.compare_cpu("sleep: 18 subjects", jobs("reaction ~ days + (days | subject)", sleep), 9)
    school = pp.datasets.high_school()
    formula = "math ~ relative_ses + (relative_ses | school)"
    timing.compare_cpu("160 schools, 7,185 pupils", jobs(formula, school), 5)
    crossed = pp.datasets.penicillin()
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    timing.compare_cpu("penicillin: crossed 24 x 6", jobs(formula, crossed, peers=False), 5)
    timing.compare_cpu("1,000,000 rows, 100,000 groups", jobs("y ~ x + (x | g)", many_groups()), 1)
    if len(sys.argv) > 1 and Path(sys.argv[1]).exists():
        formula = "y ~ service + (1 | s) + (1 | d) + (1 | dept)"
        timing.compare_cpu(
            "InstEval: 2,972 x 1,128 x 14", jobs(formula, pd.read_csv(sys.argv[1])), 1
        )
