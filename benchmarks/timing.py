"""Run alternatives in turn, several times, and print medians and ratios."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

Case = tuple[str, Callable[[], object] | None]


def machine() -> str:
    """The machine and the load it is under, in one line."""
    load = os.getloadavg()[0]
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}"


def compare(cases: list[Case], *, base: str, rounds: int, calls: int = 1) -> dict[str, float]:
    """Time each case `rounds` times in turn; print medians, and ratios to the case `base`.

    A case whose function is None could not be run here and is listed as not installed.
    """
    times: dict[str, list[float]] = {name: [] for name, run in cases if run is not None}
    for _ in range(rounds):
        for name, run in cases:
            if run is None:
                continue
            begin = time.perf_counter()
            for _ in range(calls):
                run()
            times[name].append((time.perf_counter() - begin) / calls)
    medians = {name: statistics.median(values) for name, values in times.items()}
    width = max(len(name) for name, _ in cases)
    for name, run in cases:
        if run is None:
            print(f"{name:<{width}}  not installed")
            continue
        print(
            f"{name:<{width}}  {shown(medians[name]):>10}  {medians[name] / medians[base]:9.2f} x"
        )
    return medians


def compare_cpu(title: str, cases: list[Case], rounds: int) -> None:
    """Median CPU time of each case, run in turn, and its ratio to the first."""
    print(f"\n{title}")
    times: dict[str, list[float]] = {name: [] for name, run in cases if run is not None}
    for _ in range(rounds):
        for name, run in cases:
            if run is None or name not in times:
                continue
            begin = time.process_time()
            try:
                run()
            except Exception as error:  # another package may not take this model
                print(f"  {name}: {type(error).__name__}")
                del times[name]
                continue
            times[name].append(time.process_time() - begin)
    base = statistics.median(times[cases[0][0]])
    for name, run in cases:
        if run is None:
            print(f"  {name:<40} not installed")
        elif name in times:
            middle = statistics.median(times[name])
            print(f"  {name:<40} {shown(middle):>10} {middle / base:8.2f} x")


def shown(seconds: float) -> str:
    """Seconds in a readable unit."""
    return f"{seconds * 1e3:.2f} ms" if seconds < 1 else f"{seconds:.2f} s"
