"""Simulation-based calibration of regressions of every harder kind, 300 replicates each.

    python tests/calibration/simulated_truths.py run [KIND ...]      into simulated_truths.json
    python tests/calibration/simulated_truths.py show

Truths drawn from the prior, data from them: the posterior distribution function at a truth is
uniform (Talts et al., 2018, https://arxiv.org/abs/1804.06788). A run takes minutes a kind, so its
values are stored and a test asks that they are uniform and that some replicates come out the same
today. Run it again whenever an engine changes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy import special, stats

import partialpool as pp

STORE = Path(__file__).parent / "simulated_truths.json"
REPLICATES = 300


def values(fit, named, effects):
    """Posterior distribution functions at the truths, by name and by (factor, group, term)."""
    post = fit._engine
    distributions = post.named()
    out = {name: float(distributions[name].cdf(truth)) for name, truth in named.items()}
    places = {b.factor: t for t, b in enumerate(post.statistics.blocks)}
    for name, (factor, place, truth) in effects.items():
        out[name] = float(post.effect(places[factor]).cdf(truth)[place])
    return out


def binomial(rng, n, eta):
    return rng.binomial(n, special.expit(eta))


def five_coefficients(rng):
    g = np.repeat(np.arange(12), 5)
    X = rng.normal(0, 1, (60, 4)).round(3)
    mu, beta, tau = rng.normal(0, 1), rng.normal(0, 0.7, 4), abs(rng.normal())
    b = rng.normal(0, tau, 12)
    n = rng.integers(1, 5, 60)
    rows = {"y": binomial(rng, n, mu + X @ beta + b[g]), "n": n, "g": g}
    rows |= {f"x{k}": X[:, k] for k in range(4)}
    prior = ["Intercept ~ normal(0, 1)", "beta ~ normal(0, 0.7)", "tau ~ half_normal(1)"]
    fit = pp.fit("y | trials(n) ~ x0 + x1 + x2 + x3 + (1 | g)", rows, prior=prior)
    named = {"Intercept": mu, "x0": beta[0], "x3": beta[3], "tau[g]": tau}
    return values(fit, named, {"first effect": ("g", 0, b[0])})


def sparse_strata(rng):
    """An intercept of each study, rare events, effects of treatment that vary."""
    J = 10
    st, t = np.repeat(np.arange(J), 2), np.tile([0, 1], J)
    own, effect, tau = rng.normal(-2, 1, J), rng.normal(0, 0.5), abs(rng.normal(0, 0.5))
    b, n = rng.normal(0, tau, J), rng.integers(10, 30, 2 * J)
    r = binomial(rng, n, own[st] + (effect + b[st]) * t)
    prior = [f"C(st)[{j}] ~ normal(-2, 1)" for j in range(J)]
    prior += ["t ~ normal(0, 0.5)", "tau ~ half_normal(0.5)"]
    rows = {"r": r, "n": n, "st": st, "t": t}
    fit = pp.fit("r | trials(n) ~ 0 + C(st) + t + (0 + t | st)", rows, prior=prior)
    named = {"C(st)[0]": own[0], "C(st)[9]": own[9], "t": effect, "tau[st, t]": tau}
    return values(fit, named, {"last effect": ("st", J - 1, b[-1])})


def two_factors(rng):
    """Single trials of every pair of 14 groups and 5, with a predictor."""
    g, h = (v.ravel() for v in np.meshgrid(np.arange(14), np.arange(5), indexing="ij"))
    x = rng.normal(0, 1, 70).round(3)
    mu, beta, tau = rng.normal(0, 1), rng.normal(0, 0.7), np.abs(rng.normal(0, 1, 2))
    b, c = rng.normal(0, tau[0], 14), rng.normal(0, tau[1], 5)
    y = binomial(rng, 1, mu + beta * x + b[g] + c[h])
    prior = ["Intercept ~ normal(0, 1)", "beta ~ normal(0, 0.7)", "tau ~ half_normal(1)"]
    rows = {"y": y, "x": x, "g": g, "h": h}
    fit = pp.fit("y ~ x + (1 | g) + (1 | h)", rows, family="binomial", prior=prior)
    named = {"Intercept": mu, "x": beta, "tau[g]": tau[0], "tau[h]": tau[1]}
    return values(fit, named, {"first of g": ("g", 0, b[0]), "last of h": ("h", 4, c[4])})


def measured(rng, groups, rows, second):
    """Correlated intercepts and slopes, perhaps a second factor, sigma unknown."""
    g = np.repeat(np.arange(groups), rows)
    x, (mu, beta) = rng.normal(0, 1, len(g)).round(3), rng.normal(0, 1, 2)
    tau, rho = np.abs(rng.normal(0, 1, 2)), rng.uniform(-1, 1)
    covariance = np.outer(tau, tau) * np.array([[1, rho], [rho, 1]])
    b = rng.multivariate_normal([0, 0], covariance, groups)
    sigma = np.exp(rng.normal(0, 0.3))
    eta = mu + b[g, 0] + (beta + b[g, 1]) * x
    data, formula = {"x": x, "g": g}, "y ~ x + (x | g)"
    named = {"Intercept": mu, "x": beta, "tau[g]": tau[0], "tau[g, x]": tau[1], "sigma": sigma}
    named["rho[g, Intercept, x]"] = rho
    effects = {"first intercept": ("g", 0, b[0, 0]), "first slope": ("g", 1, b[0, 1])}
    if second:
        data["h"] = h = rng.permutation(np.arange(len(g)) % second)
        between = abs(rng.normal())
        c = rng.normal(0, between, second)
        eta, formula = eta + c[h], formula + " + (1 | h)"
        named["tau[h]"], effects["first of h"] = between, ("h", 0, c[0])
    data["y"] = eta + rng.normal(0, sigma, len(g))
    prior = ["Intercept ~ normal(0, 1)", "beta ~ normal(0, 1)", "tau ~ half_normal(1)"]
    fit = pp.fit(formula, data, prior=[*prior, "sigma ~ lognormal(0, 0.3)"])
    return values(fit, named, effects)


KINDS = {
    "counts, five coefficients": five_coefficients,
    "counts, sparse strata": sparse_strata,
    "counts, two factors": two_factors,
    "measurements, slopes of 4 groups": lambda rng: measured(rng, 4, 5, 0),
    "measurements, five hyperparameters": lambda rng: measured(rng, 8, 5, 5),
}


def replicate(kind, i):
    """Replicate i of a kind, whatever was run before it."""
    return KINDS[kind](np.random.default_rng([20261129, list(KINDS).index(kind), i]))


def smallest_p(uniform):
    """The smaller of a Kolmogorov-Smirnov and a chi-square test of uniformity."""
    counts = np.histogram(uniform, bins=10, range=(0, 1))[0]
    return min(stats.kstest(uniform, "uniform").pvalue, stats.chisquare(counts).pvalue)


def stored():
    return json.loads(STORE.read_text()) if STORE.exists() else {}


def run(kinds):
    for kind in kinds:
        began = time.process_time()
        rows = [replicate(kind, i) for i in range(REPLICATES)]
        everything = stored()
        everything[kind] = {k: [round(row[k], 4) for row in rows] for k in rows[0]}
        STORE.write_text(json.dumps(everything, sort_keys=True, separators=(",", ":")) + "\n")
        print(f"{kind}: {time.process_time() - began:.0f} s CPU", flush=True)


def show(kinds):
    for kind in kinds:
        for name, uniform in stored().get(kind, {}).items():
            print(f"{kind:40} {name:24} {len(uniform)} p = {smallest_p(uniform):.3f}")


if __name__ == "__main__":
    what, *chosen = sys.argv[1:]
    {"run": run, "show": show}[what](chosen or list(KINDS))
