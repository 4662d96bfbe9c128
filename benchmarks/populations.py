"""Populations that are not normal: coverage and squared error beside the normal one and the oracle.

    OPENBLAS_NUM_THREADS=1 python benchmarks/populations.py [--quick] [--groups 8 50]

Worlds draw J groups from a population whose bulk has scale 1 and give each an estimate with a known
standard error. Of nominal 95% intervals: how many hold the truth, of all groups and of those that
are far from the bulk; and the mean squared error of the estimates in units of that under a normal
population. The oracle knows the population and its parameters.
docs/populations.md shows a part of the table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

import partialpool as pp

METHODS = ("normal", "student(learned)", "contaminated", "point_normal", "oracle")
REPLICATES = {8: 24, 50: 16, 200: 12}
OTHERS = 0.1
"""Share of groups that are not of the bulk."""


@dataclass(frozen=True)
class World:
    """A population as a mixture of normals, and what is far from its bulk."""

    shares: np.ndarray
    means: np.ndarray
    sds: np.ndarray
    errors: tuple[float, float]
    far: Callable[[np.ndarray, np.ndarray], np.ndarray]
    middle: float | None = 0.0

    def draw(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, ...]:
        """Group parameters, estimates, standard errors, and which groups are far."""
        part = rng.choice(len(self.shares), size, p=self.shares)
        theta = rng.normal(self.means[part], self.sds[part])
        se = rng.uniform(*self.errors, size)
        return theta, rng.normal(theta, se), se, self.far(theta, part)


def two(other: tuple[float, float], bulk: float = 1.0, errors: tuple[float, float] = (0.3, 1.5)):
    """A bulk N(0, bulk^2), and a tenth of the groups from another normal population."""
    shares = np.array([1.0 - OTHERS, OTHERS])
    means, sds = np.array([0.0, other[0]]), np.array([bulk, other[1]])
    return World(shares, means, sds, errors, lambda theta, part: (part == 1) & (np.abs(theta) > 3))


def student(df: float) -> World:
    """A t with so many degrees of freedom as 400 normals, each of the same share."""
    precision = stats.gamma(df / 2, scale=2 / df).ppf((np.arange(400) + 0.5) / 400)
    sds, shares = 1.0 / np.sqrt(precision), np.full(400, 1 / 400)
    return World(shares, np.zeros(400), sds, (0.3, 1.5), lambda theta, _: np.abs(theta) > 3)


WORLDS = {
    "normal": World(
        np.ones(1), np.zeros(1), np.ones(1), (0.3, 1.5), lambda theta, _: np.abs(theta) > 2
    ),
    "contaminated: a tenth of 5 times the sd": two((0.0, 5.0)),
    "cluster: a tenth at +6": two((6.0, 1.0)),
    "sparse: nine tenths at 0, a tenth of sd 5": two((0.0, 5.0), bulk=0.0),
    "Student t, 4 df": student(4.0),
    "hidden cluster: tau 0.5, se 1 to 2, a tenth at +4": two((4.0, 0.5), 0.5, (1.0, 2.0)),
}


def oracle(world: World, y: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Mean, lower and upper end of each group under the true population, (3, J)."""
    v = np.square(se)[:, None] + world.sds**2
    log_w = np.log(world.shares) - 0.5 * (np.log(v) + (y[:, None] - world.means) ** 2 / v)
    w = np.exp(log_w - special.logsumexp(log_w, axis=1, keepdims=True))
    pull = world.sds**2 / v
    mean = world.means + pull * (y[:, None] - world.means)
    sd = np.sqrt(pull) * se[:, None] + 1e-9  # an atom, nearly
    ends = []
    for p in (0.025, 0.975):
        low, high = (mean - 9 * sd).min(axis=1), (mean + 9 * sd).max(axis=1)
        for _ in range(50):
            middle = 0.5 * (low + high)
            above = (w * special.ndtr((middle[:, None] - mean) / sd)).sum(axis=1) > p
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        # to the outside of an atom, which then is inside the interval
        ends.append(low if p < 0.5 else high)
    return np.array([(w * mean).sum(axis=1), *ends])


def answers(method: str, world: World, y: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Estimate, lower and upper end of each group, (3, J)."""
    if method == "oracle":
        return oracle(world, y, se)
    population = None if method == "normal" else method
    table = pp.fit_groups(mean=y, se=se, population=population).groups()
    return np.array([table[name] for name in ("estimate", "lower", "upper")], dtype=float)


def scores(world: World, method: str, size: int, replicate: int) -> list[float]:
    """Covered groups, covered far groups, far groups, squared error, and seconds."""
    theta, y, se, far = world.draw(np.random.default_rng([replicate, size, 18]), size)
    begin = time.process_time()
    center, lower, upper = answers(method, world, y, se)
    seconds = time.process_time() - begin
    hit = (lower <= theta) & (theta <= upper)
    return [hit.sum(), hit[far].sum(), far.sum(), ((center - theta) ** 2).sum(), seconds]


def ratio(top: np.ndarray, bottom: np.ndarray) -> tuple[float, float]:
    """Ratio of two sums over replicates and its standard error."""
    value = top.sum() / bottom.sum()
    error = np.sqrt(np.sum((top - value * bottom) ** 2)) / bottom.sum()
    return float(value), float(error)


def line(scored: dict[str, np.ndarray], method: str, size: int) -> str:
    """Coverage of all, of the far, and squared error, each with its standard error."""
    of = scored[method].T
    everyone = ratio(of[0], np.full(len(of[0]), float(size)))
    far = f"{'':13}" if not of[2].sum() else "{:.3f} ({:.3f})".format(*ratio(of[1], of[2]))
    mse = (
        "1"
        if method == "normal"
        else "{:.3f} ({:.3f})".format(*ratio(of[3], scored["normal"].T[3]))
    )
    return "{:.3f} ({:.3f}) | ".format(*everyone) + f"{far} | {mse} | {np.median(of[4]):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, nargs="+", default=list(REPLICATES))
    parser.add_argument("--replicates", type=int, help="of each world; by default 24, 16, 12")
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), help="first words of names")
    parser.add_argument("--quick", action="store_true", help="two replicates of 8 groups")
    options = parser.parse_args()
    sizes = [8] if options.quick else options.groups
    header = [
        "| population | groups | fitted as | 95%, all | 95%, far | squared error | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(header), flush=True)
    for name, world in WORLDS.items():
        if not any(name.startswith(word) for word in options.worlds):
            continue
        for size in sizes:
            times = 2 if options.quick else options.replicates or REPLICATES.get(size, 40)
            scored: dict[str, np.ndarray] = {}
            for method in METHODS:
                each = [scores(world, method, size, r) for r in range(times)]
                scored[method] = np.array(each, dtype=float)
                print(f"| {name} | {size} | {method} | {line(scored, method, size)} |", flush=True)


if __name__ == "__main__":
    main()
