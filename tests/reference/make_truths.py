"""Makes truth/mixed_small.json and truth/counts_with_predictors.json.

    python tests/reference/make_truths.py linear NAME...      (NumPy and SciPy)
    python tests/reference/make_truths.py counts NAME...      (the same)
    python tests/reference/make_truths.py nuts NAME...        (numpyro; prints, and stores nothing)

Linear mixed models: a lattice over the relative sds and correlations, once more with finer steps
(the difference is the error); six hyperparameters by importance sampling. Counts: adaptive
quadrature of every group inside long importance sampling; of several factors the effects of the
smaller ones are sampled too, and effects of rows are integrated within. NUTS is an independent
check of both. Each entry holds mean, sd, 2.5, 50 and 97.5% and the standard error of each.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from reference_cases import COUNTS, LINEAR  # noqa: E402

from brute_force import truths  # noqa: E402
from brute_force.cases import group_weights, parents, tau_name  # noqa: E402
from brute_force.sampling import NAMES, summary  # noqa: E402

GROUPED = {  # nodes an effect, points
    "cbpp": (15, 2**17),
    "seeds": (15, 2**17),
    "bacteria": (25, 2**15),
    "bacteria_slopes": (9, 2**13),
    "fifteen_groups": (15, 2**15),
    "empty_year": (15, 2**16),
    "toenail": (35, 2**13),
    "contraception_slopes": (7, 2**13),
    "cbpp_row_effect": (11, 2**13),
    "epil_row_effect": (9, 2**13),
    "poll_3_factors": (9, 2**16),
    "poll_5_factors": (9, 2**16),
    "verbal_aggression": (7, 2**13),
    **{f"beta_blockers_{n}": (9, 2**15) for n in (22, 6, 9, 15, 16)},
}


def rounded(x):
    def one(v):
        return v if v is None else float(f"{v:.8g}")

    return {k: rounded(v) if isinstance(v, dict) else one(v) for k, v in x.items()}


def entry(case, seconds, made, parameters, groups, new):
    out = {
        "formula": case.formula,
        "prior": case.prior,
        "made by": made,
        "seconds": round(seconds, 1),
        "parameters": {k: rounded(v) for k, v in parameters.items()},
        "groups": [
            {"factor": f, "group": g, "term": t, **rounded(v)} for (f, g, t), v in groups.items()
        ],
    }
    if new:
        out["new"] = {k: rounded(v) for k, v in new.items()}
    return out


def linear(name):
    case = LINEAR[name]()
    made, parameters, groups, new = truths.linear(case)
    truths.without_moments(case, parameters, new)
    return case, made, parameters, groups, new


def nuts(name, samples=10_000):
    from brute_force.nuts import batches, draws

    case = COUNTS[name]()
    d = case.design
    X = np.column_stack(list(d.X.values()))
    terms = [(g, np.column_stack(list(c.values())), f in d.centred) for f, g, c in d.terms]
    scale = case.sd_scale
    drawn, divergent = draws(
        d.y,
        X,
        terms,
        trials=d.trials,
        log_sd_priors=[lambda x: -0.5 * (x / scale) ** 2] * len(terms) if scale else None,
        beta_mean=np.zeros(X.shape[1]),
        beta_sd=case.beta_sds(),
        samples=samples,
    )

    def numbers_of(x):
        parts = batches(x)
        return summary(parts, np.ones_like(parts))

    beta = drawn["beta"]
    parameters, groups = {n: numbers_of(beta[..., i]) for i, n in enumerate(d.X)}, {}
    for t, (factor, levels, columns) in enumerate(d.terms):
        (column,) = columns  # intercepts only
        parameters[tau_name(factor, column)] = numbers_of(np.exp(drawn[f"log_tau{t}"][..., 0]))
        weights = group_weights(d, factor, levels, column)
        for g, text in list(enumerate(case.group_labels(factor)))[: truths.MOST_GROUPS]:
            value = drawn[f"b{t}"][:, :, g, 0] + beta @ weights[g]
            for s, of in parents(d, t):
                value = value + drawn[f"b{s}"][:, :, of[g], 0]
            groups[factor, text, column] = numbers_of(value)
    made = f"NUTS (numpyro 0.22), {samples * 4} draws, {divergent} divergent; error: 40 batches"
    return case, made, parameters, groups, {}


def main(kind, names):
    files = {"linear": "mixed_small", "counts": "counts_with_predictors", "nuts": ""}
    path = HERE / "truth" / files[kind]
    path = path.with_suffix(".json")
    for name in names:
        began = time.process_time()
        if kind == "linear":
            case, *numbers = linear(name)
        elif kind == "counts":
            case = COUNTS[name]()
            numbers = truths.grouped(case, *GROUPED[name])
        else:
            case, *numbers = nuts(name)
        made = entry(case, time.process_time() - began, *numbers)
        if kind != "nuts":
            stored = json.loads(path.read_text()) if path.exists() else {}
            stored[name] = made
            path.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
        print(name, made["made by"], made["seconds"], "s", flush=True)
        for key, value in made["parameters"].items():
            width = (value["upper"] - value["lower"]) / 4
            worst = {k: round(e / width, 3) for k, e in value["error"].items()}
            print("  ", key, [value[k] for k in NAMES], worst, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
