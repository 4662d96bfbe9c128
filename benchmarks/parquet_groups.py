"""Twenty million rows in a million groups of a Parquet file, against the bare GROUP BY.

Each contender runs in a process of its own, in turn; peak memory is of that process.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap

import timing

MAKE = """
COPY (
    SELECT g, 50 + 3 * u + 10 * SQRT(-2 * LN(a)) * COS(6.283185307179586 * b) AS y
    FROM (
        SELECT g, a, b, SQRT(-2 * LN(c)) * COS(6.283185307179586 * d) AS u
        FROM (
            SELECT g,
                (HASH(i * 3 + 5) % 1000003 + 1) / 1000004.0 AS a,
                (HASH(i * 5 + 9) % 1000003) / 1000003.0 AS b,
                (HASH(g * 7 + 1) % 1000003 + 1) / 1000004.0 AS c,
                (HASH(g * 11 + 3) % 1000003) / 1000003.0 AS d
            FROM (
                SELECT i, CAST(HASH(i) % {groups} AS BIGINT) AS g FROM RANGE({rows}) AS t(i)
            )
        )
    )
) TO '{path}' (FORMAT parquet)
"""

CONTENDERS = {
    "bare GROUP BY (count, sum, sum of squares)": """
        import duckdb
        con = duckdb.connect()
        begin = time.perf_counter()
        con.sql(f"SELECT g, COUNT(*), SUM(y), SUM(y * y) FROM '{path}' GROUP BY g").fetchnumpy()
    """,
    "partialpool: mean and sd of every group": """
        import duckdb, scipy.special, partialpool as pp
        pp.fit
        begin = time.perf_counter()
        theta = pp.fit("y ~ 1 + (1 | g)", path)._engine.theta
        theta.mean, theta.sd
    """,
    "partialpool: table of all groups, with intervals": """
        import duckdb, scipy.special, partialpool as pp
        pp.fit
        begin = time.perf_counter()
        pp.fit("y ~ 1 + (1 | g)", path).groups()
    """,
    "glmm, point estimate": """
        import glmm, pandas as pd
        begin = time.perf_counter()
        glmm.fit(pd.read_parquet(path), "y ~ 1 + (1 | g)")
    """,
    "mixedlm-rs, point estimate": """
        import mixedlm_rs, pandas as pd
        begin = time.perf_counter()
        frame = pd.read_parquet(path)
        mixedlm_rs.mixedlm("y ~ 1", frame, groups=frame["g"]).fit()
    """,
}
PROLOGUE = "import resource, sys, time\npath = sys.argv[1]\n"
EPILOGUE = """
seconds = time.perf_counter() - begin
print(seconds, time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
"""


def run(code: str, path: str) -> tuple[float, float, float] | None:
    """Wall seconds, CPU seconds of the process, and peak memory in MiB; None if it failed."""
    script = PROLOGUE + textwrap.dedent(code) + EPILOGUE
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, path], capture_output=True, text=True
    )
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1][:160])
        return None
    wall, cpu, memory = map(float, done.stdout.split()[-3:])
    return wall, cpu, memory


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--groups", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", action="store_true", help="also run the peers, once each")
    options = parser.parse_args()
    print(timing.machine())
    with tempfile.TemporaryDirectory() as folder:
        import duckdb

        path = os.path.join(folder, "rows.parquet")
        duckdb.connect().execute(MAKE.format(rows=options.rows, groups=options.groups, path=path))
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in CONTENDERS}
        for turn in range(options.rounds):
            for name, code in CONTENDERS.items():
                if "estimate" in name and (turn > 0 or not options.peers):
                    continue
                if (result := run(code, path)) is not None:
                    found[name].append(result)
    base = statistics.median(r[0] for r in found[next(iter(CONTENDERS))])
    width = max(map(len, CONTENDERS))
    print(f"{options.rows:,} rows in {options.groups:,} groups")
    print(f"{'':<{width}}  {'wall':>9}  {'ratio':>7}  {'CPU':>8}  {'peak':>9}")
    for name, results in found.items():
        if results:
            wall, cpu, memory = (statistics.median(r[i] for r in results) for i in range(3))
            print(
                f"{name:<{width}}  {timing.shown(wall):>9}  {wall / base:5.2f} x"
                f"  {cpu:6.2f} s  {memory:5.0f} MiB"
            )


if __name__ == "__main__":
    main()
