"""Random models and their posteriors by brute force: is the error that a fit tells true?

    python tests/calibration/random_models.py make [SEED ...]    references, into the .json.gz
    python tests/calibration/random_models.py judge [SEED ...]   told against true errors, a table

Eleven kinds: measurements and counts, 1 to 6 hyperparameters, 3 to 50 groups, flat and proper
priors. References are made by tests/brute_force, which shares nothing with the engines. A printed
number is within what is told if it lies no further from the reference than
``fit.posterior.error`` times the sd of its quantity, plus two standard errors of the reference
and 1e-4 sds, below which the references cannot judge.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))

from brute_force import truths  # noqa: E402
from brute_force.cases import Case, Design, level  # noqa: E402

STORE = HERE / "random_models.json.gz"
MODELS = 220
MOST_GROUPS = 6
"""Stored of each term."""

NUMBERS = ("mean", "sd", "lower", "median", "upper")
OF_GROUPS = {"mean": "estimate", "sd": "sd", "lower": "lower", "upper": "upper"}


def groups_between(rng, low, high):
    return int(np.exp(rng.uniform(np.log(low), np.log(high + 0.999))))


def rows_of(rng, groups, low=2, high=6):
    """Unequal groups, every group at least `low` rows."""
    return np.repeat(np.arange(groups), rng.integers(low, high + 1, groups))


def effects(rng, g, columns, scale):
    """Sum of correlated effects of groups, each sd between 0.3 and 1 times the scale."""
    q, groups = len(columns), g.max() + 1
    sds = rng.uniform(0.3, 1.0, q) * scale
    mixed = rng.normal(0, 1, (q, q)) * 0.4 + np.eye(q)
    b = rng.normal(0, 1, (groups, q)) @ (mixed / np.linalg.norm(mixed, axis=0)) * sds
    return (b[g] * np.column_stack(columns)).sum(axis=1)


def proper(scale):
    return {
        "prior": [f"tau ~ half_normal({scale})", f"beta ~ normal(0, {2 * scale})"],
        "sd_scale": scale,
        "beta_sd": 2 * scale,
    }


def predictors(rng, g, p):
    """Intercept and predictors that vary within groups."""
    X = {"Intercept": np.ones(len(g))}
    return X | {f"x{k}": rng.normal(0, 1, len(g)).round(3) for k in range(1, p)}


def right_side(X, terms):
    names = [n for n in X if n != "Intercept"] or ["1"]
    return " + ".join([*names, *terms])


def linear(rng, g, X, terms, priors, others=()):
    """terms: (text, factor, levels, columns)."""
    unit = 10.0 ** rng.integers(-1, 2)
    eta = sum(X.values()) * rng.normal(0, 1) + 3
    for _, _, levels, columns in terms:
        eta = eta + effects(rng, levels, list(columns.values()), rng.choice([0.5, 1.5]))
    y = (unit * (eta + rng.normal(0, 1, len(g)))).round(4)
    rows = {"y": y, **{n: x for n, x in X.items() if n != "Intercept"}, **dict(others)}
    if priors:
        priors = proper(unit)
    design = Design(y, X, [(f, level(levels), columns) for _, f, levels, columns in terms])
    formula = f"y ~ {right_side(X, [t for t, *_ in terms])}"
    return Case(formula, rows, design, None, **(priors or {}))


def counts(rng, g, X, terms, priors, others=()):
    family = rng.choice(["binomial", "poisson"])
    eta = sum(x * rng.normal(0, 0.4) for x in X.values()) - 0.3
    for _, _, levels, columns in terms:
        eta = eta + effects(rng, levels, list(columns.values()), rng.choice([0.5, 1.2]))
    rows = {n: x for n, x in X.items() if n != "Intercept"} | dict(others)
    right = right_side(X, [t for t, *_ in terms])
    design_terms = [(f, level(levels), columns) for _, f, levels, columns in terms]
    if family == "binomial":
        n = rng.integers(*[(1, 4), (3, 12)][rng.integers(2)], len(g))
        y = rng.binomial(n, 1 / (1 + np.exp(-eta)))
        rows |= {"y": y, "n": n}
        design = Design(y * 1.0, X, design_terms, trials=n * 1.0)
        formula = f"y | trials(n) ~ {right}"
    else:
        y = rng.poisson(np.exp(np.minimum(eta, 5)))
        rows["y"] = y
        design = Design(y * 1.0, X, design_terms)
        formula = f"y ~ {right}"
    priors = proper(1.0) if priors else {}
    return Case(formula, rows, design, str(family), **priors)


def one_factor(rng, make, priors, low, high, p):
    g = rows_of(rng, groups_between(rng, low, high))
    X = predictors(rng, g, p)
    terms = [("(1 | g)", "g", g, {"Intercept": X["Intercept"]})]
    return make(rng, g, X, terms, priors, {"g": g})


def slopes(rng, make, priors, low, high, q=2, second=0):
    """Correlated effects of q columns; perhaps a second, crossed factor."""
    g = rows_of(rng, groups_between(rng, low, high), q + 1, q + 4)
    X = predictors(rng, g, q)
    names = " + ".join(f"x{k}" for k in range(1, q))
    terms = [(f"({names} | g)", "g", g, X)]
    others = {"g": g}
    if second:
        others["h"] = h = np.r_[np.arange(second), rng.integers(0, second, len(g) - second)]
        terms.append(("(1 | h)", "h", h, {"Intercept": X["Intercept"]}))
    return make(rng, g, X, terms, priors, others)


def factors(rng, make, priors, low, high, sizes, p=2):
    """Intercepts of a large factor and of small ones that cross it."""
    g = rows_of(rng, groups_between(rng, low, high), 3, 6)
    X = predictors(rng, g, p)
    others, ones = {"g": g}, {"Intercept": X["Intercept"]}
    terms = [("(1 | g)", "g", g, ones)]
    for name, size in zip("hk", sizes, strict=False):
        others[name] = np.r_[np.arange(size), rng.integers(0, size, len(g) - size)]
        terms.append((f"(1 | {name})", name, others[name], ones))
    return make(rng, g, X, terms, priors, others)


KINDS = {
    "linear, one factor, flat": lambda rng: one_factor(rng, linear, False, 3, 50, 2),
    "linear, one factor, proper": lambda rng: one_factor(rng, linear, True, 3, 50, 3),
    "linear, two factors, flat": lambda rng: factors(
        rng, linear, False, 8, 30, [int(rng.integers(4, 7))]
    ),
    "linear, two factors, proper": lambda rng: factors(
        rng, linear, True, 6, 20, [int(rng.integers(3, 7))]
    ),
    "linear, slopes, flat": lambda rng: slopes(rng, linear, False, 3, 12),
    "linear, slopes and a factor, proper": lambda rng: slopes(rng, linear, True, 3, 20, 2, 4),
    "linear, three correlated effects, flat": lambda rng: slopes(rng, linear, False, 8, 12, 3),
    "counts, one factor": lambda rng: one_factor(
        rng, counts, bool(rng.integers(2)), 5, 50, int(rng.integers(2, 5))
    ),
    "counts, slopes": lambda rng: slopes(rng, counts, bool(rng.integers(2)), 7, 30),
    "counts, two factors": lambda rng: factors(
        rng,
        counts,
        bool(rng.integers(2)),
        8,
        30,
        [int(rng.integers(5, 8))],
        int(rng.integers(2, 4)),
    ),
    "counts, three factors, proper": lambda rng: factors(rng, counts, True, 6, 20, [3, 4], 2),
}


TURNS = (
    *(0, 7, 1, 2, 0, 7, 1, 3, 0, 9, 1, 4, 0, 7, 1, 10, 0, 2, 3, 5),
    *(0, 7, 1, 2, 0, 7, 1, 3, 0, 9, 1, 4, 0, 7, 10, 6, 9, 2, 3, 8),
)
"""Kinds of forty seeds in a row: those whose references are cheap come more often."""


def kind_of(seed):
    return list(KINDS)[TURNS[seed % len(TURNS)]]


def random_model(seed):
    kind = kind_of(seed)
    return kind, KINDS[kind](np.random.default_rng([20261129, seed]))


def reference(kind, case):
    """Made by what, parameters, groups."""
    if kind.startswith("linear"):
        made, parameters, groups, new = truths.linear(case, MOST_GROUPS, 2**13)
        truths.without_moments(case, parameters, new)
        return made, parameters, groups
    slope = "slopes" in kind
    made, parameters, groups, _ = truths.grouped(
        case, 7 if slope else 15, 2**13 if slope else 2**14, MOST_GROUPS, 2048
    )
    return made, parameters, groups


def stored():
    return json.loads(gzip.decompress(STORE.read_bytes())) if STORE.exists() else {}


def short(numbers):
    """Numbers to 8 digits and their errors to 2, in a list."""
    values = [None if numbers[k] is None else float(f"{numbers[k]:.8g}") for k in NUMBERS]
    return [values, [float(f"{numbers['error'][k]:.2g}") for k in NUMBERS]]


def make(seeds):
    for seed in seeds:
        if str(seed) in stored():
            continue
        began = time.process_time()
        kind, case = random_model(seed)
        made, parameters, groups = reference(kind, case)
        entry = {
            "rows": len(case.design.y),
            "total": float(case.design.y.sum().round(3)),
            "made by": made,
            "parameters": {k: short(v) for k, v in parameters.items()},
            "groups": {"|".join(k): short(v) for k, v in groups.items()},
        }
        everything = stored()
        everything[str(seed)] = entry
        text = json.dumps(everything, sort_keys=True, separators=(",", ":"))
        STORE.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        print(seed, kind, case.formula, made, f"{time.process_time() - began:.1f} s", flush=True)


def printed(fit):
    """Rows of the two tables, by name and by factor|group|term."""
    table = fit.parameters()
    out = {
        n: {k: float(table[k][i]) for k in NUMBERS} for i, n in enumerate(map(str, table["name"]))
    }
    counts_scale = {} if "sigma" in out else {"scale": "link"}
    table = fit.groups(**counts_scale)
    keys = zip(*(map(str, table[k]) for k in ("factor", "group", "term")), strict=True)
    groups = {
        "|".join(key): {k: float(table[v][i]) for k, v in OF_GROUPS.items()}
        for i, key in enumerate(keys)
    }
    return out, groups


def true_errors(tables, entry):
    """Distance of every printed number to the reference, and the reference's share, in sds."""
    errors, slack = [], []
    for table, kind in zip(tables, ("parameters", "groups"), strict=True):
        for name, (values, error) in entry[kind].items():
            reference = dict(zip(NUMBERS, values, strict=True))
            own = dict(zip(NUMBERS, error, strict=True))
            unit = reference["sd"] or (reference["upper"] - reference["lower"]) / 4
            without = entry["parameters"]["Intercept"][0][1] is None  # estimates are medians
            for number in NUMBERS:
                if number not in table[name] or reference[number] is None:
                    continue
                if kind == "groups" and without and number in ("mean", "sd"):
                    continue
                errors.append(abs(table[name][number] - reference[number]) / unit)
                slack.append(2 * own[number] / unit + 1e-4)
    return np.array(errors), np.array(slack)


def judged(seed, entry):
    """Kind, status, told error, true errors and slack; errors empty if the fit refuses."""
    import partialpool as pp

    kind, case = random_model(seed)
    assert entry["rows"] == len(case.design.y), "other random numbers: make the references anew"
    assert abs(entry["total"] - case.design.y.sum()) < 1e-2
    fit = pp.fit(case.formula, case.rows, family=case.family, prior=case.prior or None)
    post = fit._engine
    errors, slack = true_errors(printed(fit), entry)
    return kind, str(post.status), float(post.error), errors, slack


def judge(seeds):
    """A table by kind: models, printed numbers, share within, told and true (95th percentile)."""
    everything, found, refused = stored(), {}, {}
    for seed in seeds:
        began = time.process_time()
        kind = kind_of(seed)
        try:
            _, status, told, errors, slack = judged(seed, everything[str(seed)])
        except Exception as error:  # what cannot be fitted is counted, not hidden
            refused.setdefault(kind, []).append(f"{seed}: {error!r}"[:160])
            continue
        seconds = time.process_time() - began
        within = errors <= told + slack
        found.setdefault(kind, []).append((told, errors.max(), within, seconds, status, seed))
    lines = ["| kind | models | numbers | within | told | true | CPU s a model | not reached |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    shares = []
    for kind, each in found.items():
        within = np.concatenate([w for _, _, w, *_ in each])
        shares += [w.mean() for _, _, w, *_ in each]
        told, true = (np.quantile([e[i] for e in each], 0.9) for i in (0, 1))
        missed = sum("not" in e[4].lower() for e in each)
        seconds = np.mean([e[3] for e in each])
        lines.append(
            f"| {kind} | {len(each)} | {len(within)} | {within.mean():.3f} | {told:.1e} "
            f"| {true:.1e} | {seconds:.2f} | {missed} |"
        )
    share, error = np.mean(shares), np.std(shares) / np.sqrt(len(shares))
    lines.append(f"\nWithin what is told: {share:.3f} +- {error:.3f} of {len(shares)} models")
    for kind, why in refused.items():
        lines.append(f"refused, {kind}: {len(why)}; {why[0]}")
    worst = sorted((e[1] - e[0], k, e[5], e[0], e[1]) for k, v in found.items() for e in v)[-8:]
    for gap, kind, seed, told, true in worst[::-1]:
        lines.append(f"seed {seed}, {kind}: told {told:.2g}, true {true:.2g} ({gap:.2g} more)")
    print("\n".join(lines))
    return share, error


if __name__ == "__main__":
    what, *chosen = sys.argv[1:]
    {"make": make, "judge": judge}[what]([int(s) for s in chosen] or range(MODELS))
