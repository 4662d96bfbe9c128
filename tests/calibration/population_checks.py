"""How often the check of the groups rejects a population that is normal, and one that is not.

    python tests/calibration/population_checks.py run [REPLICATES] [WORLD ...]
    python tests/calibration/population_checks.py show

Groups have estimates with known standard errors uniform between 0.3 and 1.5, or rows with unknown
sigma. `tau` is the sd between groups in units of the median standard error in right worlds. A
contaminated population has a tenth of its groups of 5 times the sd, a cluster a tenth at +6 sds
(one of 8, three of 30). Stored in population_checks.json:
rejections, of all and by each of the three statistics, and worlds with a group named that is like
the others.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import numpy as np

import partialpool as pp
from partialpool.posterior.group_check import LEVEL, LEVEL_OF_MANY, MANY_GROUPS

STORE = Path(__file__).parent / "population_checks.json"
FIRST = 5
PARTS = ("rejected", "largest", "heavy tails", "skewed", "named wrongly")


def errors(rng, size):
    return rng.uniform(0.3, 1.5, size)


def theta_of(rng, size, kind, tau):
    """Group parameters, and which are not like the others."""
    theta = tau * rng.normal(size=size)
    other = np.arange(size) < (0 if kind == "normal" else max(1, size // 10))
    if kind == "contaminated":
        theta = np.where(other, 5.0 * theta, theta)
    if kind == "cluster":
        theta = np.where(other, theta + 6.0, theta)
    if kind == "sparse":
        theta = np.where(other, 5.0 * theta, 0.0)
    if kind == "t4":
        theta = rng.standard_t(4, size)
        other = np.abs(theta) > 3
    return theta, other


def fitted(rng, size, kind, tau, rows):
    theta, other = theta_of(rng, size, kind, tau)
    if not rows:
        se = errors(rng, size)
        return pp.fit_groups(mean=rng.normal(theta, se), se=se), other
    n = rng.integers(3, 15, size)  # sigma such that the median standard error is 0.9
    sigma = 0.9 * np.sqrt(8.0)
    mean = rng.normal(theta, sigma / np.sqrt(n))
    sd = sigma * np.sqrt(rng.chisquare(n - 1) / (n - 1))
    return pp.fit_groups(n=n, mean=mean, sd=sd), other


RIGHT = {
    f"{size} groups{', rows' * rows}, tau {tau:g} standard errors": (
        size,
        "normal",
        0.9 * tau,
        rows,
    )
    for size in (8, 30)
    for rows in (False, True)
    for tau in (0.0, 0.3, 1.0, 3.0)
} | {
    f"1,000 groups, tau {tau:g} standard errors": (1000, "normal", 0.9 * tau, False)
    for tau in (0.0, 0.3, 1.0, 3.0)
}
WRONG = {
    f"{size:,} groups, {kind}": (size, kind, 1.0, False)
    for size in (8, 30, 1000)
    for kind in ("contaminated", "cluster", "sparse", "t4")
}
WORLDS = RIGHT | WRONG


def replicates(size):
    return 200 if size == 1000 else 400


def outcome(world, replicate):
    """Whether each part of PARTS holds in one replicate."""
    rng = np.random.default_rng([replicate, zlib.crc32(world.encode())])
    fit, other = fitted(rng, *WORLDS[world])
    (check,) = fit.posterior._engine.group_checks()
    moments = (1.0, 1.0) if check.shape is None else (check.shape.heavy_tails, check.shape.skewed)
    p = np.array([check.p, *moments])
    wrongly = (check.outlying & ~other).any()
    level = LEVEL if len(check.z) <= MANY_GROUPS else LEVEL_OF_MANY
    return [int(x) for x in (check.rejected, *(p <= level), wrongly)]


def stored():
    return json.loads(STORE.read_text()) if STORE.exists() else {}


def run(world, size=None):
    size = size or replicates(WORLDS[world][0])
    each = [outcome(world, r) for r in range(size)]
    counts = dict(zip(PARTS, np.sum(each, axis=0).tolist(), strict=True))
    record = {"replicates": size, **counts, "first": each[:FIRST]}
    STORE.write_text(json.dumps({**stored(), world: record}, indent=1) + "\n")


def show():
    for world, record in stored().items():
        shares = "  ".join(f"{p} {record[p] / record['replicates']:.3f}" for p in PARTS)
        print(f"{world:45} {record['replicates']:5}  {shares}")


if __name__ == "__main__":
    if sys.argv[1] == "run":
        names, size = sys.argv[2:], None
        if names and names[0].isdecimal():
            size, names = int(names[0]), names[1:]
        for name in names or WORLDS:
            run(name, size)
    show()
