"""Simulation-based calibration of populations that are not normal.

    python tests/calibration/population_calibration.py run [REPLICATES] [SETTING ...]
    python tests/calibration/population_calibration.py show

Everything is drawn from its prior, data from it, and where the truth falls in its posterior is
stored in population_calibration.json: uniform between 0 and 1 if posterior and prior are of one
model (Cook, Gelman and Rubin 2006, doi:10.1198/106186006X136976). A run takes minutes, so that a
test asks whether the stored places are uniform and whether the first come out the same today.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import numpy as np
from scipy import stats

import partialpool as pp

STORE = Path(__file__).parent / "population_calibration.json"
REPLICATES, FIRST, J = 200, 3, 8
FACTOR = "g"
PRIOR = ["mu ~ normal(0, 2)", "tau ~ half_normal(1)"]
SETTINGS = {
    "student": (pp.Student(), "known errors"),
    "student, df learned": (pp.Student(df="learned"), "known errors"),
    "contaminated": (pp.Contaminated(), "known errors"),
    "contaminated, share and ratio known": (pp.Contaminated(share=0.2, ratio=5.0), "known errors"),
    "point_normal": (pp.PointNormal(), "known errors"),
    "point_normal about its mean": (pp.PointNormal(mean=None), "known errors"),
    "student, rows": (pp.Student(), "rows"),
    "contaminated, rows": (pp.Contaminated(), "rows"),
    "student, binomial": (pp.Student(), "binomial"),
    "contaminated, poisson": (pp.Contaminated(), "poisson"),
    "point_normal, poisson": (pp.PointNormal(), "poisson"),
}


def population(rng, kind):
    """Hyperparameters from their priors, by the names of parameters, and J groups."""
    values = {"Intercept": rng.normal(0, 2), f"tau[{FACTOR}]": abs(rng.normal(0, 1))}
    z = rng.normal(size=J) * values[f"tau[{FACTOR}]"]
    if isinstance(kind, pp.Student):
        df = kind.df
        if df == "learned":
            df = 0.0
            while df < 0.5:
                df = values[f"df[{FACTOR}]"] = rng.gamma(2, 10)
        return values, values["Intercept"] + z / np.sqrt(rng.gamma(df / 2, 2 / df, J))
    if isinstance(kind, pp.Contaminated):
        share, ratio = kind.share, kind.ratio
        if share is None:
            share = values[f"share[{FACTOR}]"] = rng.beta(1, 4)
        if ratio is None:
            ratio = 0.0
            while ratio < 1:
                ratio = values[f"ratio[{FACTOR}]"] = np.exp(rng.normal(np.log(5), 0.5))
        return values, values["Intercept"] + z * np.where(rng.random(J) < share, ratio, 1.0)
    share = values[f"share[{FACTOR}]"] = rng.random()
    mean = values["Intercept"] if kind.mean is None else values.pop("Intercept") * 0 + kind.mean
    return values, np.where(rng.random(J) < share, mean + z, mean)


def fitted(rng, theta, values, family, kind):
    names = np.arange(J)
    prior = PRIOR if "Intercept" in values else PRIOR[1:]
    if family == "known errors":
        se = np.linspace(0.3, 1.5, J)
        y = rng.normal(theta, se)
        how = {"factor": FACTOR, "names": names, "population": kind, "prior": prior}
        return pp.fit_groups(mean=y, se=se, **how)
    if family == "rows":
        values["sigma"] = sigma = abs(rng.normal(0, 1))
        g = np.repeat(names, np.arange(J) + 2)
        data = {"y": rng.normal(theta[g], sigma), "g": g}
        prior = [*prior, "sigma ~ half_normal(1)"]
        return pp.fit("y ~ 1 + (1 | g)", data, population=kind, prior=prior)
    n = 2 + 3 * names
    if family == "binomial":
        y = rng.binomial(n, 1 / (1 + np.exp(-theta)))
        formula = "y | trials(n) ~ 1 + (1 | g)"
    else:
        y = rng.poisson(n * np.exp(np.minimum(theta, 12.0)))
        formula = "y | exposure(n) ~ 1 + (1 | g)"
    return pp.fit(
        formula, {"y": y, "n": n, "g": names}, family=family, population=kind, prior=prior
    )


def place(distribution, truth, rng):
    """Where the truth falls; anywhere within an atom."""
    near = 1e-9 * max(1.0, abs(truth))
    below, up_to = (float(distribution.cdf(truth + d)) for d in (-near, near))
    return below + rng.random() * (up_to - below)


def places(setting, replicate):
    """Places of parameters, of the first and last group and of a new one."""
    rng = np.random.default_rng([replicate, zlib.crc32(setting.encode())])
    kind, family = SETTINGS[setting]
    values, theta = population(rng, kind)
    post = fitted(rng, theta, values, family, kind).posterior
    out = {name: place(post[name], value, rng) for name, value in values.items()}
    for name, j in (("first group", 0), ("last group", J - 1)):
        of = post.group(j, scale="link") if family in ("binomial", "poisson") else post.group(j)
        out[name] = place(of, theta[j], rng)
    return out


def p_value(found):
    """Of a uniform distribution, by Kolmogorov and Smirnov."""
    return float(stats.kstest(found, "uniform").pvalue)


def stored():
    return json.loads(STORE.read_text()) if STORE.exists() else {}


def run(setting, size=None):
    each = [places(setting, r) for r in range(size or REPLICATES)]
    record = {name: [round(row[name], 4) for row in each] for name in each[0]}
    STORE.write_text(json.dumps({**stored(), setting: record}) + "\n")


def show(names):
    for setting in names:
        record = stored()[setting]
        text = "  ".join(f"{name} {p_value(found):.3f}" for name, found in record.items())
        print(f"{setting:36} {len(record['first group']):4}  {text}", flush=True)


if __name__ == "__main__":
    names, size = sys.argv[2:], None
    if names and names[0].isdecimal():
        size, names = int(names[0]), names[1:]
    for name in names or SETTINGS:
        if sys.argv[1] == "run":
            run(name, size)
        show([name])
