"""Worlds a second: closed-form estimators and full posteriors of 12 groups."""

from __future__ import annotations

import statistics
import time

import timing
from partialpool.simulate import World, risks

CLOSED_FORM = ("no_pooling", "complete_pooling", "moments", "james_stein", "reml")


def rate(estimators: tuple[str, ...], replicates: int) -> float:
    """Median number of worlds a second over five runs, noise included."""
    seconds = []
    for seed in range(5):
        begin = time.perf_counter()
        risks(World.of(12, 15, 5.0), estimators=estimators, replicates=replicates, seed=seed)
        seconds.append(time.perf_counter() - begin)
    return replicates / statistics.median(seconds)


if __name__ == "__main__":
    print(timing.machine())
    print(f"five closed-form estimators  {rate(CLOSED_FORM, 20_000):9,.0f} worlds a second")
    print(f"full posterior, intervals    {rate(('posterior',), 2_000):9,.0f} worlds a second")
