"""Every printed number of a case, with its own error, by the methods of this package."""

from __future__ import annotations

import numpy as np

from brute_force.cases import group_weights, parents, tau_name
from brute_force.grouped_counts import GroupedCounts
from brute_force.linear_mixed import LinearMixed, LinearTruth, lattice
from brute_force.sampling import (
    NAMES,
    curvature,
    effective_share,
    importance_sample,
    in_chunks,
    mode,
    normalised,
    summary,
)

MOST_GROUPS = 24


def with_error(fine, coarse, share=1.0):
    return {**fine, "error": {k: share * abs(fine[k] - coarse[k]) for k in NAMES}}


# ---------------------------------------------------------------- linear


def linear_model(case, scale=None):
    d = case.design
    X = np.column_stack(list(d.X.values()))
    terms = [(g, np.column_stack(list(c.values()))) for _, g, c in d.terms]
    sd_priors = case.sd_priors() if case.sd_scale else None
    return LinearMixed(d.y, X, terms, sd_priors=sd_priors, beta_sd=case.beta_sds(), scale=scale)


def linear_combinations(case, model, most):
    """Rows of (b, beta): coefficients, then group values, with what they are."""
    d, p = case.design, len(case.design.X)
    width = model.W.shape[1]
    starts = np.cumsum([0] + [n * q for n, q in zip(model.levels, model.columns, strict=True)])
    rows, names = list(np.eye(width)[width - p :]), list(d.X)
    for t, (factor, levels, columns) in enumerate(d.terms):
        text = case.group_labels(factor)
        for c, column in enumerate(columns):
            weights = group_weights(d, factor, levels, column)
            for g in range(min(most, model.levels[t])):
                row = np.zeros(width)
                row[width - p :] = weights[g]
                row[starts[t] + g * model.columns[t] + c] = 1.0
                for s, of in parents(d, t) if column == "Intercept" else []:
                    row[starts[s] + of[g] * model.columns[s]] = 1.0
                rows.append(row)
                names.append((factor, text[g], column))
    return np.array(rows), names


def linear_numbers(case, model, u, w, most):
    """Parameters, groups and the new group at zero predictors, from weighted points."""
    d, truth = case.design, LinearTruth(model, u, w)
    C, names = linear_combinations(case, model, most)
    numbers = truth.combinations(C)
    p = len(d.X)
    parameters = dict(zip(names[:p], numbers[:p], strict=True))
    parameters |= truth.hyperparameters([tau_name(f, c) for f, _, cs in d.terms for c in cs])
    for t, (factor, _, columns) in enumerate(d.terms):
        text = list(columns)
        for j in range(len(text)):
            for i in range(j + 1, len(text)):
                name = f"rho[{factor}, {text[j]}, {text[i]}]"
                parameters[name] = truth.correlation(t, i, j)
    groups = dict(zip(names[p:], numbers[p:], strict=True))
    new = {}
    factor, _, columns = d.terms[0]
    if len(d.terms) == 1 and "Intercept" in columns:
        row = np.zeros(model.W.shape[1])
        row[len(row) - p + list(d.X).index("Intercept")] = 1.0
        z = [c == "Intercept" for c in columns]
        new[f"new {factor}, predictors at zero"] = truth.new_group(row, 0, z)
    return parameters, groups, new


def linear(case, most=MOST_GROUPS, points=2**17):
    """Up to three numbers of phi by two lattices, more by two runs of importance sampling."""
    model = linear_model(case)
    d = model.dimension
    if d <= 3:
        top = mode(model.log_density, model.start())
        sd = 1 / np.sqrt(np.maximum(np.diag(-curvature(model.log_density, top)), 1e-2))
        drop, factors = ((28.0, (0.6, 0.4)), (17.0, (1.3, 1.0)))[d == 3]
        if min(model.levels) <= 8:  # heavy tails of flat sds count in their sds
            drop = 28.0
        runs = []
        for factor in factors:
            u, w = lattice(model.log_density, top, np.minimum(factor * sd, 0.6), drop)
            runs.append(linear_numbers(case, model, u, w, most))
        made = f"lattice of {len(w)} points; error: difference from one of wider steps"
        parts = [{k: with_error(v, runs[0][i][k]) for k, v in runs[1][i].items()} for i in range(3)]
        return made, *parts
    model = linear_model(case, scale=1.0 if case.sd_scale is None else case.sd_scale)
    runs = []
    for seed in (1, 2):
        u, log_w = importance_sample(
            model.log_density,
            model.start(),
            points,
            seed=seed,
            scrambles=8,
            pilot=4096 if d > 4 else 2048,
            chunk=2048,
            folded=model.folded,
        )
        w = normalised(log_w.ravel())
        runs.append(linear_numbers(case, model, u.reshape(-1, d), w, most))
    made = f"importance sampling, 2 x {points} points, effective share "
    made += f"{effective_share(log_w):.2f}; error: half the gap between both runs"
    parts = [{k: average(v, runs[0][i][k]) for k, v in runs[1][i].items()} for i in range(3)]
    return made, *parts


def average(a, b):
    out = {k: (a[k] + b[k]) / 2 for k in NAMES}
    return {**out, "error": {k: abs(a[k] - b[k]) / 2 for k in NAMES}}


def without_moments(case, parameters, new):
    """Flat sds: tau's density falls like tau^-(J - 1), so 3 groups have no mean and 4 no sd."""
    if case.sd_scale:
        return
    J = min(len(case.group_labels(factor)) for factor, _, _ in case.design.terms)
    gone = {3: ("mean", "sd"), 4: ("sd",)}.get(J, ())
    for name, numbers in [*parameters.items(), *new.items()]:
        if name != "sigma" and not name.startswith("rho"):
            numbers.update(dict.fromkeys(gone))


# ---------------------------------------------------------------- counts


def grouped(case, nodes, points, most=MOST_GROUPS, group_points=None, scrambles=16, main=0):
    """Counts by quadrature of the main term's groups inside importance sampling."""
    d = case.design
    factor, levels, columns = d.terms[main]
    alone = [t for t, (_, g, _) in enumerate(d.terms) if g.max() + 1 == len(d.y)]
    row_terms = [t for t in alone if t != main][:1]
    others = [t for t in range(len(d.terms)) if t != main and t not in row_terms]
    order = np.argsort(levels, kind="stable")
    studies = "Intercept" not in columns  # an intercept of each group with a flat prior
    fixed = list(columns) if studies else list(d.X)
    Z = np.column_stack([*([np.ones(len(d.y))] if studies else []), *columns.values()])
    model = GroupedCounts(
        d.y[order],
        np.column_stack([d.X[n] for n in fixed])[order],
        levels[order],
        Z[order],
        trials=None if d.trials is None else d.trials[order],
        extra=[d.terms[t][1][order] for t in others],
        sd_priors=case.sd_priors(),
        beta_sd=None if studies else case.beta_sds(),
        flat_columns=int(studies),
        nodes=nodes,
        row_effect=bool(row_terms),
    )
    start = model.start()
    free = model.dimension
    if free > 20:  # the sds alone; the rest is standardised given them, and zero is its mode
        free = sum(model.sizes[:2])
        for _ in range(2):
            rest = np.zeros(model.dimension - free)
            sds = mode(model.with_zeros, start[:free])
            model.recentre(np.r_[sds, rest])
            start[:free] = sds
        top = start
    else:
        top = model.recentre(mode(model.log_density, start))
    u, log_w = importance_sample(
        model.log_density,
        top,
        points,
        scrambles=scrambles,
        chunk=model.chunk(),
        folded=model.folded,
        free=free,
    )
    w = normalised(log_w.ravel()).reshape(log_w.shape)
    names = [tau_name(factor, c) for c in columns]
    names += [tau_name(d.terms[t][0], "Intercept") for t in others + row_terms]
    parameters = {n: summary(x, w) for n, x in zip(names, model.sds(u), strict=True)}
    if len(columns) == 2:
        first, second = columns
        parameters[f"rho[{factor}, {first}, {second}]"] = summary(np.tanh(u[..., 2]), w)
    flat_points, chunk = u.reshape(-1, u.shape[-1]), model.chunk()
    beta = in_chunks(model.beta, flat_points, chunk).reshape(*u.shape[:2], -1)
    parameters |= {n: summary(beta[..., i], w) for i, n in enumerate(fixed)}
    groups, text = {}, case.group_labels(factor)
    many = group_points or (4096 if len(d.y) < 1800 else 1024)
    if studies:
        for row, g in zip(two_runs(model, u, log_w, 0, many, None), text, strict=True):
            parameters[f"C({factor})[{g}]"] = row
    for c, column in enumerate(columns):
        weights = np.zeros((model.groups, model.U.shape[1]))
        weights[:, : len(fixed)] = 1.0 if studies else group_weights(d, factor, levels, column)
        for t, of in parents(d, main) if column == "Intercept" else []:
            starts = len(fixed) + np.cumsum([0, *model.extra_levels])
            weights[np.arange(model.groups), starts[others.index(t)] + of] = 1.0
        rows = two_runs(model, u, log_w, c + int(studies), many, weights)
        for row, g in list(zip(rows, text, strict=True))[:most]:
            groups[factor, g, column] = row
    pieces = [
        model.extra_effects(x) for x in np.split(flat_points, range(chunk, len(flat_points), chunk))
    ]
    extra = [np.concatenate(x) for x in zip(*pieces, strict=True)]
    for t, b in zip(others, extra, strict=True):
        other, among, _ = d.terms[t]
        weights = group_weights(d, other, among, "Intercept")
        for g, label in enumerate(case.group_labels(other)):
            value = b[:, g].reshape(w.shape) + beta @ weights[g]
            for outer, of in parents(d, t):
                value = value + extra[others.index(outer)][:, of[g]].reshape(w.shape)
            groups[other, label, "Intercept"] = summary(value, w)
    for (
        t
    ) in row_terms:  # a row's group: all predictors are constant in it, and it lies in the other
        text = case.group_labels(d.terms[t][0])[:most]
        which = np.array([np.flatnonzero(d.terms[t][1][order] == g)[0] for g in range(len(text))])
        half = len(u) // 2
        runs = [model.whole_rows(u[i], log_w[i], which) for i in (slice(half), slice(half, None))]
        for g, label in enumerate(text):
            pair = [dict(zip(NAMES, r[g], strict=True)) for r in runs]
            groups[d.terms[t][0], label, "Intercept"] = average(*pair)
    made = f"importance sampling, {points} points, effective share "
    made += f"{effective_share(log_w):.2f}, {nodes} Gauss-Hermite nodes an effect of a group"
    return made, parameters, groups, {}


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
