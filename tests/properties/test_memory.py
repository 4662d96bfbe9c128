"""Memory follows the groups and not the rows: a fit where the rows themselves do not fit."""

import os
import subprocess
import sys

import duckdb
import pytest

ROWS = 24_000_000
SCRIPT = """
import resource, sys
import duckdb, scipy.special, partialpool as pp
small = {"g": [1, 1, 2, 2, 3, 3], "y": [1.0, 2, 4, 6, 9, 7], "x": [1.0, 2, 4, 1, 3, 1]}
pp.fit("y ~ 1 + (1 | g)", small).groups()
pp.fit("y ~ x + (1 | g)", small, method="reml").groups()
connection = duckdb.connect()
connection.execute("SELECT 1").fetchall()
lines = open("/proc/self/status").read().splitlines()
used = next(int(x.split()[1]) for x in lines if x.startswith("VmSize")) * 1024
limit = used + 200 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    exec(sys.argv[1])
except (MemoryError, duckdb.OutOfMemoryException):
    print("out of memory")
"""
FITS = {
    "one factor": "pp.fit('y ~ 1 + (1 | g)', sys.argv[2])",
    "a regression": "pp.fit('y ~ x + (x | g)', sys.argv[2], method='reml')",
    "crossed factors": "pp.fit('y ~ poly(x, 2) + (1 | g) + (1 | h)', sys.argv[2], method='reml')",
    "counts": "pp.fit('z ~ h + (1 | g)', sys.argv[2], family='poisson', method='ml')",
}
LOAD = "print(len(connection.read_parquet(sys.argv[2]).fetchnumpy()['y']))"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Rows of which each column takes 183 MiB as numbers, in 500 groups."""
    path = str(tmp_path_factory.mktemp("rows") / "rows.parquet")
    duckdb.execute(
        "COPY (SELECT i % 500 AS g, (i * 7919 % 1009)::DOUBLE AS y, i * 31 % 97 AS x, "
        f"i // 500 % 3 AS h, (i * 7919 % 1009 = 0)::INT AS z FROM range({ROWS}) t(i)) "
        f"TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 100000)"
    )
    return path


def run(statement, path):
    command = [sys.executable, "-c", SCRIPT, statement, path]
    one_arena = {**os.environ, "MALLOC_ARENA_MAX": "1"}  # else each thread reserves 64 MiB
    done = subprocess.run(command, capture_output=True, text=True, env=one_arena)
    return done.stdout.strip() or done.stderr[-500:]


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@on_linux
def test_one_column_of_the_rows_is_more_than_the_limit(path):
    assert run(LOAD, path) == "out of memory"


@on_linux
@pytest.mark.parametrize("model", FITS)
def test_a_fit_under_a_limit_that_the_rows_do_not_fit(model, path):
    assert run(f"print({FITS[model]}.statistics.n_rows)", path) == str(ROWS)
