"""Regressions: point estimates and full posteriors, in CPU time, beside two other packages.

    OPENBLAS_NUM_THREADS=1 python benchmarks/regression.py [InstEval.csv] [--large]

CPU time of one process and one thread, so that a busy machine changes less. Data are bundled or
made here; InstEval (73,421 ratings of 1,128 lecturers by 2,972 students, from the R package lme4)
is read from a file if one is given. With --large only: a million rows of 50,000 groups crossed
with 5,000, and the most memory used.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import partialpool as pp
import timing
from partialpool.classical.mixed import mixed_model
from partialpool.formula import parse, read_roles
from partialpool.models import Priors
from partialpool.posterior import mixed_posterior
from partialpool.rows import read_mixed


def many_groups(groups: int = 100_000, rows: int = 1_000_000) -> pd.DataFrame:
    """Intercepts with sd 0.5 and slopes with sd 0.3 in every group; residual sd 1."""
    rng = np.random.default_rng(1)
    g = np.concatenate([np.arange(groups), rng.integers(0, groups, rows - groups)])
    x = rng.normal(size=rows)
    effects = rng.normal(size=(2, groups)) * [[0.5], [0.3]]
    y = 1 + effects[0][g] + (0.5 + effects[1][g]) * x + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def crossed_groups(first: int = 50_000, second: int = 5_000, rows: int = 1_000_000) -> pd.DataFrame:
    """Intercepts with sd 0.7 and 0.4 in the groups of two crossed factors; residual sd 1."""
    rng = np.random.default_rng(1)
    a = np.concatenate([np.arange(first), rng.integers(0, first, rows - first)])
    b = np.concatenate([np.arange(second), rng.integers(0, second, rows - second)])
    x = rng.normal(size=rows)
    between = 0.7 * rng.normal(size=first)[a] + 0.4 * rng.normal(size=second)[b]
    return pd.DataFrame(
        {"y": 1 + 0.5 * x + between + rng.normal(size=rows), "x": x, "a": a, "b": b}
    )


def large() -> None:
    """What only fits if nothing grows with rows times groups."""
    formula, data = "y ~ x + (1 | a) + (1 | b)", crossed_groups()
    print(f"\n1,000,000 rows, crossed 50,000 x 5,000; {memory()} with the rows in memory")
    for method in ("reml", "posterior"):
        begin = time.process_time()
        fit = pp.fit(formula, data, method=method)  # type: ignore[arg-type]
        taken = time.process_time() - begin
        fit.groups()
        whole = time.process_time() - begin
        print(
            f"  {method}: {timing.shown(taken)}, with the table of groups {timing.shown(whole)}, "
            f"{memory()}; error {fit.posterior.error:.1e}, {fit.posterior.status.name.lower()}"
        )


def memory() -> str:
    """The most memory used so far."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"


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
    reading = read_mixed(read_roles(parse(formula)), data)
    found: list[timing.Case] = [
        ("posterior, all groups, from statistics", lambda: everything(reading.statistics)),
        ("REML, from statistics", lambda: mixed_model(reading.statistics)),
        ("statistics, from the table", lambda: read_mixed(read_roles(parse(formula)), data)),
    ]
    if peers:
        frame = pd.DataFrame(data)
        found += [(f"{n}, point estimate", peer(n, formula, frame)) for n in ("glmm", "mixedlm-rs")]
    return found


if __name__ == "__main__":
    print(timing.machine())
    if "--large" in sys.argv:
        large()
        sys.exit()
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
