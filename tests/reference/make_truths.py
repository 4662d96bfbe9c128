"""Makes truth/mixed_small.json and truth/counts_with_predictors.json.

    python tests/reference/make_truths.py linear NAME...      (NumPy and SciPy)
    python tests/reference/make_truths.py counts NAME...      (and, of several factors, numpyro)

Linear mixed models: a lattice over the relative sds and correlations, once more with finer steps
(the difference is the error); six hyperparameters by importance sampling. Counts with one factor:
adaptive quadrature of every group inside long importance sampling. Counts with several factors:
NUTS. Each entry holds mean, sd, 2.5, 50 and 97.5% and the standard error of each.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from brute_force.coordinates import flat, half_normal, size  # noqa: E402
from brute_force.grouped_counts import GroupedCounts  # noqa: E402
from brute_force.linear_mixed import LinearMixed, LinearTruth, lattice  # noqa: E402
from brute_force.sampling import (  # noqa: E402
    NAMES,
    curvature,
    effective_share,
    importance_sample,
    mode,
    normalised,
    summary,
)
from reference_cases import COUNTS, LINEAR, labels  # noqa: E402

MOST_GROUPS = 24


def tau_name(factor, column):
    return f"tau[{factor}]" if column == "Intercept" else f"tau[{factor}, {column}]"


def group_weights(design, factor, levels, column):
    """Coefficients' weights in the population value of a term's groups, (groups, p)."""
    names, groups = list(design.X), levels.max() + 1
    weights = np.zeros((groups, len(names)))
    for k, (name, x) in enumerate(design.X.items()):
        value = np.array([x[levels == g][0] for g in range(groups)])
        constant = (x == value[levels]).all()
        if (column == "Intercept" and constant) or (column != "Intercept" and name == column):
            weights[:, k] = value if column == "Intercept" else 1.0
    return weights


def group_labels(case, factor):
    return np.unique(labels(*(case.rows[f] for f in factor.split(":")))).tolist()


def parents(design, t):
    """Other terms of intercepts whose factor is constant within each group of term t."""
    factor, levels, _ = design.terms[t]
    out = []
    for s, (other, among, columns) in enumerate(design.terms):
        within = set(other.split(":")) < set(factor.split(":"))
        if s != t and within and "Intercept" in columns:
            out.append((s, np.array([among[levels == g][0] for g in range(levels.max() + 1)])))
    return out


def rounded(x):
    def one(v):
        return v if v is None else float(f"{v:.8g}")

    return {k: rounded(v) if isinstance(v, dict) else one(v) for k, v in x.items()}


def with_error(fine, coarse):
    error = {k: abs(fine[k] - coarse[k]) for k in NAMES}
    return {**fine, "error": error}


def without_moments(case, parameters, new):
    """Flat sds: tau's density falls like tau^-(J - 1), so 3 groups have no mean and 4 no sd."""
    J = min(len(group_labels(case, factor)) for factor, _, _ in case.design.terms)
    gone = {3: ("mean", "sd"), 4: ("sd",)}.get(J, ())
    for name, numbers in [*parameters.items(), *new.items()]:
        if name != "sigma" and not name.startswith("rho"):
            numbers.update(dict.fromkeys(gone))


# ---------------------------------------------------------------- linear


def linear_model(case):
    d = case.design
    X = np.column_stack(list(d.X.values()))
    terms = [(g, np.column_stack(list(c.values()))) for _, g, c in d.terms]
    return LinearMixed(d.y, X, terms)


def linear_combinations(case, model):
    """Rows of (b, beta): coefficients, then group values, with what they are."""
    d, p = case.design, len(case.design.X)
    width = model.W.shape[1]
    starts = np.cumsum([0] + [n * q for n, q in zip(model.levels, model.columns, strict=True)])
    rows, names = list(np.eye(width)[width - p :]), list(d.X)
    for t, (factor, levels, columns) in enumerate(d.terms):
        text = group_labels(case, factor)
        for c, column in enumerate(columns):
            weights = group_weights(d, factor, levels, column)
            for g in range(min(MOST_GROUPS, model.levels[t])):
                row = np.zeros(width)
                row[width - p :] = weights[g]
                row[starts[t] + g * model.columns[t] + c] = 1.0
                for s, of in parents(d, t) if column == "Intercept" else []:
                    row[starts[s] + of[g] * model.columns[s]] = 1.0
                rows.append(row)
                names.append((factor, text[g], column))
    return np.array(rows), names


def linear_numbers(case, model, u, w):
    d, truth = case.design, LinearTruth(model, u, w)
    C, names = linear_combinations(case, model)
    found = truth.combinations(C)
    p = len(d.X)
    parameters = dict(zip(names[:p], found[:p], strict=True))
    sds = [tau_name(f, c) for f, _, columns in d.terms for c in columns]
    parameters |= truth.hyperparameters(sds)
    for t, (factor, _, columns) in enumerate(d.terms):
        text = list(columns)
        for j in range(len(text)):
            for i in range(j + 1, len(text)):
                name = f"rho[{factor}, {text[j]}, {text[i]}]"
                parameters[name] = truth.correlation(t, i, j)
    groups = dict(zip(names[p:], found[p:], strict=True))
    new = {}
    for t, (factor, _, columns) in enumerate(d.terms):
        if t == 0 and len(d.terms) == 1:
            z = np.array([1.0] + [0.0] * (len(columns) - 1))
            row = np.zeros(model.W.shape[1])
            row[len(row) - p] = 1.0
            new[f"new {factor}, predictors at zero"] = truth.new_group(row, t, z)
    return parameters, groups, new


def starting_point(model):
    return np.concatenate([np.zeros(size(q)) for q in model.columns])


def linear(name):
    case = LINEAR[name]()
    model = linear_model(case)
    d, began = model.dimension, time.process_time()
    top = mode(model.log_density, starting_point(model))
    sd = 1 / np.sqrt(np.maximum(np.diag(-curvature(model.log_density, top)), 1e-2))
    if d <= 3:
        drop, factors = ((26.0, (0.6, 0.4)), (17.0, (1.0, 0.75)))[d == 3]
        runs = []
        for factor in factors:
            u, w = lattice(model.log_density, top, np.minimum(factor * sd, 0.5), drop)
            runs.append(linear_numbers(case, model, u, w))
        made = f"lattice of {len(w)} points; error: difference from one of wider steps"
    else:
        halves, chunk = [], 4096
        for seed in (1, 2):
            u, log_w = importance_sample(
                model.log_density, top, 2**17, seed=seed, scrambles=8, pilot=8192, chunk=chunk
            )
            share = effective_share(log_w)
            halves.append((u.reshape(-1, d), log_w.ravel()))
        runs = []
        for u, log_w in halves:
            runs.append(linear_numbers(case, model, u, normalised(log_w)))
        made = f"importance sampling, 2^17 points, effective share {share:.2f}; error: the gap"
        made += " between two independent runs"
    parts = [
        {k: with_error(v, runs[0][i][k]) for k, v in runs[1][i].items()} for i in range(3)
    ]
    without_moments(case, parts[0], parts[2])
    return entry(case, made, began, *parts)


def entry(case, made, began, parameters, groups, new=None):
    out = {
        "formula": case.formula,
        "prior": case.prior,
        "made by": made,
        "seconds": round(time.process_time() - began, 1),
        "parameters": {k: rounded(v) for k, v in parameters.items()},
        "groups": [
            {"factor": f, "group": g, "term": t, **rounded(v)} for (f, g, t), v in groups.items()
        ],
    }
    if new:
        out["new"] = {k: rounded(v) for k, v in new.items()}
    return out


# ---------------------------------------------------------------- counts


def priors(case):
    d = case.design
    k = sum(len(c) for _, _, c in d.terms)
    sds = [half_normal(case.sd_scale) if case.sd_scale else flat] * k
    beta = [case.intercept_sd if n == "Intercept" else case.beta_sd for n in d.X]
    beta = [np.inf if b is None else b for b in beta]
    return sds, None if np.isinf(beta).all() else np.array(beta)


GROUPED = {  # nodes an effect, points
    "cbpp": (15, 2**17),
    "seeds": (15, 2**17),
    "bacteria": (25, 2**17),
    "bacteria_slopes": (11, 2**15),
    "fifteen_groups": (15, 2**17),
    "empty_year": (15, 2**17),
    "toenail": (31, 2**14),
    "contraception_slopes": (7, 2**14),
    **{f"beta_blockers_{n}": (9, 2**16) for n in (22, 6, 9, 15, 16)},
}


def grouped(name):
    case, began = COUNTS[name](), time.process_time()
    d = case.design
    nodes, points = GROUPED[name]
    (factor, levels, columns), sds = d.terms[0], priors(case)
    order = np.argsort(levels, kind="stable")
    studies = name.startswith("beta_blockers")
    fixed = ["t"] if studies else list(d.X)
    Z = np.column_stack([np.ones(len(d.y)), d.X["t"]] if studies else list(columns.values()))
    model = GroupedCounts(
        d.y[order],
        np.column_stack([d.X[n] for n in fixed])[order],
        levels[order],
        Z[order],
        trials=None if d.trials is None else d.trials[order],
        sd_priors=sds[0],
        beta_sd=sds[1],
        flat_columns=int(studies),
        nodes=nodes,
        matched=[fixed.index(c) if c in fixed else None for c in columns],
    )
    start = model.start()
    if studies:  # rates of each trial, to begin with
        events, total = model.sums(model.y), model.sums(model.trials)
        model.centre[:, 0] = np.log((events + 0.5) / (total - events + 0.5))
    top = mode(model.log_density, start)
    model.recentre(top)
    u, log_w = importance_sample(
        model.log_density, top, points, chunk=model.chunk(), folded=model.folded
    )
    w = normalised(log_w.ravel()).reshape(log_w.shape)
    random = list(columns)
    parameters = {
        tau_name(factor, c): summary(x, w) for c, x in zip(random, model.sds(u), strict=True)
    }
    if len(random) == 2:
        rho = np.tanh(u[..., 2])
        parameters[f"rho[{factor}, {random[0]}, {random[1]}]"] = summary(rho, w)
    beta = model.beta(u.reshape(-1, u.shape[-1]))[0].reshape(*u.shape[:2], -1)
    parameters |= {n: summary(beta[..., i], w) for i, n in enumerate(fixed)}
    groups, text = {}, group_labels(case, factor)
    many = 4096 if len(d.y) < 1000 else 1024
    if studies:
        for row, g in zip(two_runs(model, u, log_w, 0, many, None), text, strict=True):
            parameters[f"C(st)[{g}]"] = row
    for c, column in enumerate(random):
        weights = np.array([[1.0]] * model.groups)
        if not studies:
            weights = group_weights(d, factor, levels, column)
        rows = two_runs(model, u, log_w, c + int(studies), many, weights)
        for row, g in list(zip(rows, text, strict=True))[:MOST_GROUPS]:
            groups[factor, g, column] = row
    made = f"importance sampling, {points} points, effective share "
    made += f"{effective_share(log_w):.2f}, {nodes} Gauss-Hermite nodes an effect of a group"
    return entry(case, made, began, parameters, groups)


def two_runs(model, u, log_w, column, points, weights):
    """Numbers of groups from all scrambles; error from either half of them."""
    half = len(u) // 2
    parts = [
        model.effects(u[i], log_w[i], column, points=points, seed=s, shift=weights)
        for s, i in enumerate((slice(None, half), slice(half, None)))
    ]
    mean, error = (parts[0] + parts[1]) / 2, np.abs(parts[0] - parts[1]) / 2
    return [
        dict(zip(NAMES, m, strict=True)) | {"error": dict(zip(NAMES, e, strict=True))}
        for m, e in zip(mean, error, strict=True)
    ]


def nuts(name, samples=10_000):
    from brute_force.nuts import batches, draws

    case, began = COUNTS[name](), time.process_time()
    d, (sds, beta_sd) = case.design, priors(COUNTS[name]())
    X = np.column_stack(list(d.X.values()))
    terms = [
        (g, np.column_stack(list(c.values())), f in d.centred) for f, g, c in d.terms
    ]
    drawn, divergent = draws(
        d.y,
        X,
        terms,
        trials=d.trials,
        log_sd_priors=[_jax_half_normal(case.sd_scale)] * len(sds) if case.sd_scale else None,
        beta_mean=np.zeros(X.shape[1]),
        beta_sd=beta_sd,
        samples=samples,
    )

    def numbers_of(x):
        parts = batches(x)
        return summary(parts, np.ones_like(parts))

    beta = drawn["beta"]
    parameters, groups = {n: numbers_of(beta[..., i]) for i, n in enumerate(d.X)}, {}
    for t, (factor, levels, columns) in enumerate(d.terms):
        for i, column in enumerate(columns):
            tau = np.exp(drawn[f"log_tau{t}"][..., i])
            parameters[tau_name(factor, column)] = numbers_of(tau)
            weights = group_weights(d, factor, levels, column)
            for g, text in list(enumerate(group_labels(case, factor)))[:MOST_GROUPS]:
                value = drawn[f"b{t}"][:, :, g, i] + beta @ weights[g]
                for s, of in parents(d, t):
                    value = value + drawn[f"b{s}"][:, :, of[g], 0]
                groups[factor, text, column] = numbers_of(value)
        if len(columns) == 2:
            first, second = columns
            parameters[f"rho[{factor}, {first}, {second}]"] = numbers_of(drawn[f"rho{t}"])
    made = f"NUTS (numpyro 0.22), {samples * 4} draws, {divergent} divergent; error: 40 batches"
    return entry(case, made, began, parameters, groups)


def _jax_half_normal(scale):
    return lambda x: -0.5 * (x / scale) ** 2


def main(kind, names):
    path = HERE / "truth" / {"linear": "mixed_small", "counts": "counts_with_predictors"}[kind]
    path = path.with_suffix(".json")
    for name in names:
        if kind == "linear":
            made = linear(name)
        else:
            made = grouped(name) if name in GROUPED else nuts(name)
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
