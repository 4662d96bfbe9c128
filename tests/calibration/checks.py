"""P-values of every check, where the model is right and where it is not.

    python tests/calibration/checks.py run [REPLICATES] [WORLD ...]      into checks.json
    python tests/calibration/checks.py show

A world draws data from its own seed, fits them, and checks the fit with its rows. Stored is of each
check how many p-values there were and how many of them were at most .01, .05, .1, .25, .5 and .75;
of wrong worlds in how many replicates the checks that should see it did, at the level at which
words say so. A run takes minutes, so that its counts are stored; a test asks that they are what
they should be and that the first replicates come out the same today.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import notices
import numpy as np

import partialpool as pp
from partialpool.words.checks import LEVEL

STORE = Path(__file__).parent / "checks.json"
RIGHT, WRONG, FIRST = 200, 30, 3
AT_MOST = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)
J = notices.J


def measurements(rng, kind):
    """Groups with a predictor that differs within and between them, and one way of being wrong."""
    g, b, _ = notices.groups(rng)
    x = rng.normal(size=J)[g] + rng.normal(size=len(g))
    noise, slope = rng.normal(size=len(g)), 0.5 * x
    if kind == "curve":
        slope = slope + 0.25 * x**2
    if kind == "between":
        mean = np.bincount(g, x) / np.bincount(g)
        slope = slope + 1.5 * mean[g]
    if kind == "column":
        slope = slope + 0.5 * (z := rng.normal(size=len(g)))
    if kind == "tails":
        noise = rng.standard_t(3, len(g))
    if kind == "skewed":
        noise = rng.exponential(size=len(g)) - 1.0
    if kind == "noise":
        noise = noise * np.exp(0.7 * rng.normal(size=J))[g]
    y = b[g] + slope + noise
    if kind == "level":
        y = np.exp(1.0 + 0.7 * b[g] + 0.5 * noise)
    data = {"y": y, "g": g, "x": x}
    if kind == "column":
        data["z"] = z
    return "y ~ 1 + (1 | g)" if kind in ("noise", "level") else "y ~ x + (1 | g)", data, None


def counts(rng, kind):
    """The same of counts."""
    g, b, _ = notices.groups(rng)
    x = rng.normal(size=J)[g] + rng.normal(size=len(g))
    eta = 0.5 + 0.5 * b[g] + 0.3 * x
    if kind == "curve":
        eta = eta + 0.25 * x**2
    if kind == "between":
        mean = np.bincount(g, x) / np.bincount(g)
        eta = eta + mean[g]
    return "y ~ x + (1 | g)", {"y": rng.poisson(np.exp(eta)), "g": g, "x": x}, "poisson"


RIGHT_WORLDS = {
    name: notices.RIGHT_WORLDS[name]
    for name in (
        "measurements", "known errors", "counts", "trials", "measurements, predictor",
        "measurements, slopes", "counts, predictor", "trials, predictor",
    )
}  # fmt: skip
"""Those of the notices: what is right there is right here."""
WRONG_WORLDS = {
    **{
        name: (notices.WRONG_WORLDS[name][0], notices.WRONG_WORLDS[name][1], wanted)
        for name, wanted in {
            "group far": {"farthest group"},
            "group far, predictor": {"farthest group"},
            "group far, known errors": {"farthest group"},
            "group far, counts": {"farthest group"},
            "group far, counts with predictor": {"farthest group"},
            "row far": {"farthest row"},
            "row far, predictor": {"farthest row"},
            "row far, slopes": {"farthest row"},
            "row far, crossed": {"farthest row"},
            "sizes": {"value by size"},
            "negative binomial": {"dispersion of rows"},
            "negative binomial, predictor": {"dispersion of rows"},
            "zeros": {"zeros among rows", "dispersion of rows"},
            "zeros, predictor": {"zeros among rows", "dispersion of rows"},
        }.items()
    },
    "curve": (measurements, {"kind": "curve"}, {"curve"}),
    "between": (measurements, {"kind": "between"}, {"slope of group means"}),
    "column left out": (measurements, {"kind": "column"}, {"column left out"}),
    "tails of noise": (measurements, {"kind": "tails"}, {"tails of rows"}),
    "skewed noise": (measurements, {"kind": "skewed"}, {"skewness of rows"}),
    "noise by group": (measurements, {"kind": "noise"}, {"noise by group"}),
    "noise by value": (measurements, {"kind": "level"}, {"noise by value"}),
    "curve, counts": (counts, {"kind": "curve"}, {"curve"}),
    "between, counts": (counts, {"kind": "between"}, {"slope of group means"}),
}
"""What is drawn, and the checks of which one is wanted."""
WORLDS = (*RIGHT_WORLDS, *WRONG_WORLDS)


def p_values(world, replicate):
    """Of one replicate: each check, what it is of, and its p-value."""
    rng = np.random.default_rng([replicate, WORLDS.index(world), 16])
    if world in RIGHT_WORLDS:
        formula, data, family = RIGHT_WORLDS[world](rng)
    else:
        draw, how, _ = WRONG_WORLDS[world]
        formula, data, family = draw(rng, **how)
    table = pp.fit(formula, data, family=family).check(data).as_table()
    return [[row["check"], row["of"], row["p"]] for row in table.rows()]


def stored():
    return json.loads(STORE.read_text()) if STORE.exists() else {}


def run(world, size=None):
    size = size or (RIGHT if world in RIGHT_WORLDS else WRONG)
    each = [p_values(world, r) for r in range(size)]
    found = {"replicates": size, "first": each[:FIRST], "p_values": {}}
    for name in dict.fromkeys(check for rows in each for check, _, _ in rows):
        p = np.array([p for rows in each for check, _, p in rows if check == name])
        found["p_values"][name] = [len(p), *(int((p <= a).sum()) for a in AT_MOST)]
    if world in WRONG_WORLDS:
        wanted = WRONG_WORLDS[world][2]
        found["wanted"] = sum(
            any(check in wanted and p <= LEVEL for check, _, p in rows) for rows in each
        )
    STORE.write_text(json.dumps({**stored(), world: found}, indent=1) + "\n")


def show():
    print(f"{'':42} p-values, and the share of them at most {AT_MOST}")
    for world, found in stored().items():
        print(f"{world} ({found['replicates']})", found.get("wanted", ""))
        for check, (size, *counted) in found["p_values"].items():
            shares = "  ".join(f"{c / size:.3f}" for c in counted)
            print(f"    {check:38} {size:5}  {shares}")


if __name__ == "__main__":
    if sys.argv[1] == "run":
        names, size = sys.argv[2:], None
        if names and names[0].isdecimal():
            size, names = int(names[0]), names[1:]
        for name in names or WORLDS:
            run(name, size)
            print(name, stored()[name].get("wanted", ""), flush=True)
    else:
        show()
