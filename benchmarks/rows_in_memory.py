"""One million rows in 10,000 groups with text labels, from Polars and pandas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl

import partialpool as pp
import timing

FORMULA = "y ~ 1 + (1 | g)"


def columns() -> dict[str, np.ndarray]:
    """Rows of groups with sd 3 between them and 10 within."""
    rng = np.random.default_rng(0)
    labels = np.array([f"school-{i:05d}" for i in range(10_000)], dtype=object)
    group = rng.integers(0, 10_000, 1_000_000)
    y = rng.normal(50, 3, 10_000)[group] + rng.normal(0, 10, 1_000_000)
    return {"g": labels[group], "y": y}


def peer(name: str, frame: pd.DataFrame) -> Callable[[], object] | None:
    """A point estimate by another package."""
    try:
        if name == "glmm":
            import glmm

            return lambda: glmm.fit(frame, FORMULA)
        import mixedlm_rs

        return lambda: mixedlm_rs.mixedlm("y ~ 1", frame, groups=frame["g"]).fit()
    except ImportError:
        return None


if __name__ == "__main__":
    print(timing.machine())
    data = columns()
    polars, pandas = pl.DataFrame(data), pd.DataFrame(data)
    cases: list[timing.Case] = [
        ("partialpool, Polars, all groups", lambda: pp.fit(FORMULA, polars).groups()),
        ("partialpool, pandas, all groups", lambda: pp.fit(FORMULA, pandas).groups()),
        ("Polars group_by mean, var", lambda: polars.group_by("g").agg(
            pl.len(), pl.col("y").mean().alias("m"), pl.col("y").var().alias("v"))),
        ("pandas groupby mean, var", lambda: pandas.groupby("g")["y"].agg(["size", "mean", "var"])),
        ("glmm, point estimate", peer("glmm", pandas)),
        ("mixedlm-rs, point estimate", peer("mixedlm-rs", pandas)),
    ]  # fmt: skip
    timing.compare(cases, base="partialpool, Polars, all groups", rounds=5)
