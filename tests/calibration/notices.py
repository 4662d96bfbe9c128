"""How often each notice of what does not fit appears, where the model is right and where it is not.

    python tests/calibration/notices.py run [REPLICATES] [WORLD ...]      into notices.json
    python tests/calibration/notices.py show

A world draws data from its own seed and is fitted; stored is in how many replicates each notice
appeared. A run of 1,000 replicates takes minutes a world, so that its counts are stored; a test
asks that they are what they should be and that the first replicates come out the same today.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

import partialpool as pp

STORE = Path(__file__).parent / "notices.json"
RIGHT, WRONG = 1000, 200
CODES = (
    "outlying_groups", "population_not_normal", "outlying_rows", "sizes_and_values", "zero_or_one",
    "labels_may_start_anew", "overdispersion", "excess_zeros", "rows_vary", "noise_by_group",
)  # fmt: skip
J = 30


def groups(rng, n=10):
    """Groups of n rows, or of unequal numbers about that, and the normal effect of each."""
    size = np.full(J, n) if rng.random() < 0.5 else rng.integers(2, 2 * n, J)
    return np.repeat(np.arange(J), size), rng.normal(size=J), size


def measurements(rng, kind="right", formula="y ~ 1 + (1 | g)"):
    g, b, size = groups(rng)
    if kind == "sizes":
        size = rng.integers(2, 2 * 10, J)
        g, b = np.repeat(np.arange(J), size), b + 1.5 * (np.log2(size) - np.log2(size).mean())
    if kind == "group":  # 6 sds of what the others predict of the mean of its rows
        b[0] = 6.0 * np.sqrt(1.0 + 1.0 / size[0])
    noise, x = rng.normal(size=len(g)), rng.normal(size=len(g))
    if kind == "row":
        noise[3] = 6.0
    if kind == "noise":
        noise = noise * np.exp(0.6 * rng.normal(size=J))[g]
    slope = 0.5 * rng.normal(size=J)[g] if "(x" in formula else 0.0
    return formula, {"y": b[g] + (0.5 + slope) * x * ("x" in formula) + noise, "g": g, "x": x}, None


def crossed(rng, kind="right"):
    if kind == "anew":
        tracts = rng.integers(2, 7, J)
        county = np.repeat(np.arange(J), 4 * tracts)
        tract = np.concatenate([np.repeat(np.arange(k) + 1, 4) for k in tracts])
        own = np.cumsum(tracts)[county] - tract
    else:
        county, tract = np.repeat(np.arange(J), 24), np.tile(np.repeat(np.arange(6) + 1, 4), J)
        keep = rng.random(len(county)) < rng.choice([0.9, 1.0])
        county, tract = county[keep], tract[keep]
        own = tract
    y = rng.normal(size=J)[county] + rng.normal(size=own.max() + 1)[own]
    y = y + rng.normal(size=len(y))
    if kind == "row":
        y[3] += 6.0
    return "y ~ 1 + (1 | county) + (1 | tract)", {"y": y, "county": county, "tract": tract}, None


def counts(rng, kind="right", formula="y ~ x + (1 | g)"):
    g, b, _ = groups(rng)
    if kind == "group":
        b[0] = 12.0  # 6 sds of groups
    x = rng.normal(size=len(g))
    slope = 0.3 + 0.2 * rng.normal(size=J)[g] * ("(x" in formula)
    mean = np.exp(0.5 + 0.5 * b[g] + slope * x * ("x" in formula))
    if kind == "negative binomial":
        mean = mean * rng.gamma(0.5, 2.0, len(g))
    y = rng.poisson(mean)
    if kind == "zeros":
        y = np.where(rng.random(len(y)) < np.exp(-mean), 0, y)
    return formula, {"y": y, "g": g, "x": x}, "poisson"


def trials(rng, kind="right", formula="y | trials(n) ~ x + (1 | g)"):
    g, b, _ = groups(rng)
    x, n = rng.normal(size=len(g)), rng.integers(1, 9, len(g))
    p = 1.0 / (1.0 + np.exp(-(-0.5 + 0.5 * b[g] + 0.3 * x * ("x" in formula))))
    if kind == "beta-binomial":  # of intraclass correlation 1/3
        p = rng.beta(2.0 * p, 2.0 * (1.0 - p))
    return formula, {"y": rng.binomial(n, p), "n": n, "g": g, "x": x}, None


def single_trials(rng):
    g, b, _ = groups(rng)
    x = rng.normal(size=len(g))
    p = 1.0 / (1.0 + np.exp(-(-0.5 + 0.5 * b[g] + 0.3 * x)))
    return "y ~ x + (1 | g)", {"y": rng.binomial(1, p), "g": g, "x": x}, "binomial"


def exposed(rng, formula="y | exposure(e) ~ 1 + (1 | g)"):
    """Rates of rows whose exposures differ a hundredfold."""
    g, b, _ = groups(rng)
    e, x = np.exp(rng.uniform(0.0, 4.6, len(g))), rng.normal(size=len(g))
    mean = e * np.exp(-2.0 + 0.5 * b[g] + 0.3 * x * ("~ x" in formula))
    return formula, {"y": rng.poisson(mean), "e": e, "g": g, "x": x}, None


def few_rows(rng, formula="y ~ x + (1 | g)"):
    """Groups of three rows, and few events."""
    g, x = np.repeat(np.arange(J), 3), rng.normal(size=3 * J)
    mean = np.exp(-0.5 + 0.5 * rng.normal(size=J)[g] + 0.3 * x * ("x" in formula))
    return formula, {"y": rng.poisson(mean), "g": g, "x": x}, "poisson"


def crossed_counts(rng):
    formula, data, _ = crossed(rng)
    shared = rng.normal(size=J)[data["county"]] + rng.normal(size=7)[data["tract"]]
    mean = np.exp(0.5 + 0.4 * shared)
    return formula, {**data, "y": rng.poisson(mean)}, "poisson"


def rare(rng):
    """Rates so low that most groups have no event."""
    size = rng.integers(10, 500, J)
    y = rng.poisson(size * np.exp(-5.5 + 0.5 * rng.normal(size=J)))
    return "y | exposure(e) ~ 1 + (1 | g)", {"y": y, "e": size, "g": np.arange(J)}, None


def known_errors(rng, kind="right"):
    se = rng.uniform(0.3, 1.5, J)
    theta = rng.normal(size=J)
    if kind == "group":
        theta[0] = 6.0 * np.hypot(1.0, se[0])
    return (
        "y | se(se) ~ 1 + (1 | g)",
        {"y": rng.normal(theta, se), "se": se, "g": np.arange(J)},
        None,
    )


ONE_WAY = {"formula": "y ~ 1 + (1 | g)"}
SLOPES = {"formula": "y ~ x + (x | g)"}
TRIALS = {"formula": "y | trials(n) ~ 1 + (1 | g)"}
PREDICTOR = {"formula": "y ~ x + (1 | g)"}
RIGHT_WORLDS = {
    "measurements": measurements,
    "measurements, predictor": lambda rng: measurements(rng, **PREDICTOR),
    "measurements, slopes": lambda rng: measurements(rng, **SLOPES),
    "known errors": known_errors,
    "crossed": crossed,
    "counts": lambda rng: counts(rng, **ONE_WAY),
    "counts, predictor": counts,
    "counts, slopes": lambda rng: counts(rng, **SLOPES),
    "counts, crossed": crossed_counts,
    "counts, few rows": lambda rng: few_rows(rng, **ONE_WAY),
    "counts, few rows and predictor": few_rows,
    "counts, exposure": exposed,
    "counts, exposure and predictor": lambda rng: exposed(rng, "y | exposure(e) ~ x + (1 | g)"),
    "trials": lambda rng: trials(rng, **TRIALS),
    "trials, predictor": trials,
    "single trials, predictor": single_trials,
    "rare events": rare,
}
WRONG_WORLDS = {
    "group far": (measurements, {"kind": "group"}, {"outlying_groups"}),
    "group far, predictor": (measurements, {"kind": "group", **PREDICTOR}, {"outlying_groups"}),
    "group far, known errors": (known_errors, {"kind": "group"}, {"outlying_groups"}),
    "group far, counts": (counts, {"kind": "group", **ONE_WAY}, {"outlying_groups"}),
    "group far, counts with predictor": (counts, {"kind": "group"}, {"outlying_groups"}),
    "row far": (measurements, {"kind": "row"}, {"outlying_rows"}),
    "row far, predictor": (measurements, {"kind": "row", **PREDICTOR}, {"outlying_rows"}),
    "row far, slopes": (measurements, {"kind": "row", **SLOPES}, {"outlying_rows"}),
    "row far, crossed": (crossed, {"kind": "row"}, {"outlying_rows"}),
    "noise": (measurements, {"kind": "noise"}, {"noise_by_group"}),
    "sizes": (measurements, {"kind": "sizes"}, {"sizes_and_values"}),
    "labels anew": (crossed, {"kind": "anew"}, {"labels_may_start_anew"}),
    "negative binomial": (counts, {"kind": "negative binomial", **ONE_WAY}, {"rows_vary"}),
    "negative binomial, predictor": (counts, {"kind": "negative binomial"}, {"overdispersion"}),
    "zeros": (counts, {"kind": "zeros", **ONE_WAY}, {"excess_zeros", "rows_vary"}),
    "zeros, predictor": (counts, {"kind": "zeros"}, {"excess_zeros", "overdispersion"}),
    "beta-binomial": (trials, {"kind": "beta-binomial", **TRIALS}, {"rows_vary"}),
    "beta-binomial, predictor": (trials, {"kind": "beta-binomial"}, {"overdispersion"}),
}
"""What is drawn, and the notices of which at least one is wanted."""
WORLDS = (*RIGHT_WORLDS, *WRONG_WORLDS)


def told(world, replicate):
    """The codes of the notices of one replicate."""
    rng = np.random.default_rng([replicate, zlib.crc32(world.encode())])
    if world in RIGHT_WORLDS:
        formula, data, family = RIGHT_WORLDS[world](rng)
    else:
        draw, how, _ = WRONG_WORLDS[world]
        formula, data, family = draw(rng, **how)
    return {n.code for n in pp.fit(formula, data, family=family).notices} & set(CODES)


def stored():
    return json.loads(STORE.read_text()) if STORE.exists() else {}


def run(world, size=None):
    size = size or (RIGHT if world in RIGHT_WORLDS else WRONG)
    each = [sorted(told(world, r)) for r in range(size)]
    found = {
        "replicates": size,
        "first": each[:10],
        "counts": Counter(code for codes in each for code in codes),
    }
    if world in WRONG_WORLDS:
        found["wanted"] = sum(bool(WRONG_WORLDS[world][2] & set(codes)) for codes in each)
    STORE.write_text(json.dumps({**stored(), world: found}, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "run":
        names, size = sys.argv[2:], None
        if names and names[0].isdecimal():
            size, names = int(names[0]), names[1:]
        for name in names or WORLDS:
            run(name, size)
            print(name, stored()[name]["counts"], stored()[name].get("wanted"), flush=True)
    else:
        for name, found in stored().items():
            print(name, found["replicates"], found["counts"], found.get("wanted", ""))
