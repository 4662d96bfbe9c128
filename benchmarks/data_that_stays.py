"""Rows that stay in DuckDB and in Spark: the fit against the bare group-by of the same engine.

Each contender runs in a process of its own, in turns with the bare group-by, so that both meet
the same load; one run of each to warm up is not counted. The ratio is the median of those of
neighbouring runs, of wall time and of CPU time (the second hardly depends on what else the machine
does). Peak memory is of that process, for Spark with its JVM.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np

import timing
from parquet_groups import MAKE

ONE_WAY = (
    "y ~ 1 + (1 | g)",
    "SELECT g, COUNT(*) AS n, SUM(y) AS s, SUM(y * y) AS q FROM {source} GROUP BY g",
)
REGRESSION = (
    "y ~ x + (x | g)",
    "SELECT g, COUNT(*) AS n, SUM(x) AS a, SUM(y) AS b, SUM(x * x) AS c, SUM(x * y) AS d, "
    "SUM(y * y) AS e FROM {source} GROUP BY g",
)
CROSSED = (
    "y ~ 1 + (1 | g) + (1 | h)",
    "SELECT g, h, COUNT(*) AS n, SUM(y) AS s, SUM(y * y) AS q FROM {source} GROUP BY g, h",
)
WITH_COLUMNS = """
COPY (
    SELECT *, HASH(y) % 1000 / 100.0 AS x, HASH(y * 7 + 1) % 50 AS h FROM '{path}'
) TO '{target}' (FORMAT parquet)
"""
START = {
    "DuckDB": """
        import duckdb
        data, jvm = path, None
        bare = lambda: duckdb.connect().sql(BARE.format(source=f"'{path}'")).fetchnumpy()
    """,
    "Spark": """
        import os
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        from pyspark.sql import SparkSession
        builder = SparkSession.builder.master(f"local[{os.cpu_count()}]")
        for key, value in {"driver.host": "127.0.0.1", "driver.memory": "4g", "ui.enabled": "false",
                           "log.level": "OFF", "ui.showConsoleProgress": "false",
                           "sql.shuffle.partitions": str(os.cpu_count())}.items():
            builder = builder.config(f"spark.{key}", value)
        session = builder.getOrCreate()
        data, jvm = session.read.parquet(path), session.sparkContext._gateway.proc.pid
        bare = lambda: session.sql(BARE.format(source=f"parquet.`{path}`")).toArrow()
    """,
}
CONTENDERS = {
    "bare GROUP BY": "run = bare",
    "statistics": "run = lambda: pp.statistics(FORMULA, data)",
    "fit: mean and sd of every group": """
        def run():
            theta = pp.fit(FORMULA, data)._engine.theta
            theta.mean, theta.sd
    """,
    "fit: table with intervals": "run = lambda: pp.fit(FORMULA, data).groups()",
}
BODY = """
import os, resource, sys, time
import scipy.special, partialpool as pp
path, repeats, FORMULA, BARE = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
{start}
{contender}
bare()
run()

def spent():
    # seconds of CPU of this process, and of the JVM
    used = time.process_time()
    if jvm:
        fields = open(f"/proc/{{jvm}}/stat").read().rpartition(")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used
for _ in range(repeats):
    for action in bare, run:
        begin, cpu = time.perf_counter(), spent()
        action()
        print("\\nfound", time.perf_counter() - begin)
        print("\\nfound", spent() - cpu)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if jvm:
    lines = open(f"/proc/{{jvm}}/status").read().splitlines()
    peak += next(int(x.split()[1]) for x in lines if x.startswith("VmHWM"))
print("\\nfound", peak / 2**10)
"""


def run(
    engine: str, contender: str, path: str, repeats: int, model: tuple[str, str] = ONE_WAY
) -> tuple[float, float, float, float]:
    """Median seconds, median ratios to the bare group-by (wall and CPU), and peak MiB."""
    parts = {"start": START[engine], "contender": CONTENDERS[contender]}
    script = BODY.format(**{k: textwrap.dedent(v) for k, v in parts.items()})
    arguments = [path, str(repeats), *model]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    lines = [x.split() for x in done.stdout.splitlines() if x.startswith("found ")]
    *seconds, memory = (float(value) for _, value in lines)  # engines print progress, too
    wall, cpu = (
        statistics.median(own / bare for bare, own in zip(part[0::2], part[1::2], strict=True))
        for part in (seconds[0::2], seconds[1::2])
    )
    return statistics.median(seconds[2::4]), wall, cpu, memory


def make(folder: str, rows: int, groups: int) -> str:
    """A Parquet file of so many rows in so many groups."""
    import duckdb

    path = str(Path(folder) / f"{rows}-{groups}.parquet")
    if not os.path.exists(path):
        duckdb.connect().execute(MAKE.format(rows=rows, groups=groups, path=path))
    return path


def against_the_bare(engine: str, path: str, repeats: int) -> None:
    """Print what each contender costs beside the bare group-by."""
    for name in CONTENDERS:
        show(engine, name, run(engine, name, path, repeats))


def show(engine: str, name: str, found: tuple[float, float, float, float]) -> None:
    """Print one line: seconds, ratios of wall time and of CPU time, peak memory."""
    seconds, wall, cpu, memory = found
    print(
        f"{engine:<7} {name:<32} {timing.shown(seconds):>9}  {wall:5.2f} x  CPU {cpu:5.2f} x  "
        f"{memory:6.0f} MiB",
        flush=True,
    )


def with_predictors(engine: str, path: str, repeats: int) -> None:
    """Print what sums of regressions and crossed factors cost beside their bare group-by."""
    target = path.replace(".parquet", "-x.parquet")
    if not os.path.exists(target):
        import duckdb

        duckdb.connect().execute(WITH_COLUMNS.format(path=path, target=target))
    for model in (REGRESSION, CROSSED):
        show(engine, model[0], run(engine, "statistics", target, repeats, model))


def slopes(engine: str, folder: str, rows: list[int], groups: list[int], repeats: int) -> None:
    """Print seconds and memory over sizes, and what a row and a group cost."""
    sizes, costs = [], []
    print(f"\n{engine}, fit: table with intervals; seconds and MiB by rows and groups")
    print(f"{'rows':>12}" + "".join(f"{g:>18,} groups" for g in groups))
    for r in rows:
        cells = []
        for g in groups:
            name, path = "fit: table with intervals", make(folder, r, g)
            seconds, _, _, peak = run(engine, name, path, repeats)
            sizes.append((1.0, r, g))
            costs.append((seconds, peak))
            cells.append(f"{seconds:10.2f} s {peak:8.0f} MiB")
        print(f"{r:>12,}" + "   ".join(cells), flush=True)
    fitted, *_ = np.linalg.lstsq(np.array(sizes), np.array(costs), rcond=None)
    print(f"a million rows: {1e6 * fitted[1, 0]:.3f} s, {1e6 * fitted[1, 1]:.1f} MiB")
    print(f"a million groups: {1e6 * fitted[2, 0]:.3f} s, {1e6 * fitted[2, 1]:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--groups", type=int, default=1_000_000)
    parser.add_argument("--large", action="store_true", help="also 100 million rows, in DuckDB")
    parser.add_argument("--engines", nargs="*", default=list(START), choices=list(START))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-slopes", action="store_true")
    parser.add_argument("--predictors", action="store_true", help="also regressions")
    parser.add_argument("--folder", help="where files are kept for the next run")
    options = parser.parse_args()
    print(timing.machine())
    with tempfile.TemporaryDirectory() as own:
        folder = options.folder or own
        print(f"{options.rows:,} rows in {options.groups:,} groups, one Parquet file", flush=True)
        path = make(folder, options.rows, options.groups)
        for engine in options.engines:
            against_the_bare(engine, path, options.repeats)
            if options.predictors:
                with_predictors(engine, path, options.repeats)
        if options.large:
            print(f"100,000,000 rows in {options.groups:,} groups")
            path = make(folder, 100_000_000, options.groups)
            against_the_bare("DuckDB", path, options.repeats)
        if not options.no_slopes:
            rows = [options.rows // 10, options.rows // 3, options.rows]
            groups = [options.groups // 100, options.groups // 10, options.groups]
            for engine in options.engines:
                slopes(engine, folder, rows, groups, options.repeats)


if __name__ == "__main__":
    main()
