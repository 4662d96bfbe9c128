"""What a sigma of each group buys, beside one for all: coverage, error and rank statistics.

    python tests/calibration/unequal_noise.py run [WORLDS]    into unequal_noise.json
    python tests/calibration/unequal_noise.py show

A world has 30 groups of 4 to 20 rows, tau = 1, and sigma_j = 2 exp(sd_log_sigma z_j). In the worlds
called "prior" mu, tau, sigma and sd_log_sigma are drawn from proper priors, and the share of draws
below each truth is stored: uniform where the posterior is right (simulation-based calibration).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import partialpool as pp

STORE = Path(__file__).parent / "unequal_noise.json"
FORMULA = "mean | summary(n, sd) ~ 1 + (1 | g)"
NOISE = "; sigma ~ 1 + (1 | g)"
GROUPS, OMEGAS = 30, (0.0, 0.5)
PRIORS = {
    "mu": "normal(0, 2)",
    "tau": "half_normal(1)",
    "sigma": "lognormal(0.7, 0.5)",
    "sd_log_sigma": "half_normal(0.7)",
}
NAMES = ("Intercept", "tau[g]", "sigma", "sd_log_sigma[g]")
DRAWS = 1000


def groups(rng, mu, tau, sigma, omega, size=GROUPS, least=4, most=20):
    """n, mean and sd of the rows of groups, and what is true of each."""
    n = rng.integers(least, most + 1, size)
    theta, noise = (
        mu + tau * rng.standard_normal(size),
        sigma * np.exp(omega * rng.standard_normal(size)),
    )
    mean = theta + noise / np.sqrt(n) * rng.standard_normal(size)
    sd = noise * np.sqrt(rng.chisquare(np.maximum(n - 1, 1)) / np.maximum(n - 1, 1))
    return {"g": np.arange(size), "n": n, "mean": mean, "sd": sd}, theta, noise


def world(omega, seed):
    """Coverage of all groups and of the noisiest fifth, and squared error: each group's, one sigma.

    Then coverage of sigma_j.
    """
    data, theta, noise = groups(np.random.default_rng([seed, int(10 * omega)]), 0, 1, 2, omega)
    noisy = noise >= np.sort(noise)[-GROUPS // 5]
    if omega == 0:
        noisy = data["sd"] >= np.sort(data["sd"])[-GROUPS // 5]
    out = []
    for formula in (FORMULA + NOISE, FORMULA):
        table = pp.fit(formula, data).group_table()
        covered = (table["lower"] <= theta) & (theta <= table["upper"])
        out += [covered.mean(), covered[noisy].mean(), ((table["estimate"] - theta) ** 2).mean()]
        if NOISE in formula:
            own = (table["sigma_lower"] <= noise) & (noise <= table["sigma_upper"])
    return [round(float(v), 5) for v in (*out, own.mean())]


def ranks(seed, size=12):
    """Shares of draws below the truth: parameters, the first group's theta and its sigma."""
    rng = np.random.default_rng([seed, 99])
    sigma = np.exp(0.7 + 0.5 * rng.standard_normal())
    truth = [2.0 * rng.standard_normal(), abs(rng.standard_normal()), sigma,
             0.7 * abs(rng.standard_normal())]  # fmt: skip
    data, theta, noise = groups(rng, *truth, size=size, least=1, most=9)
    data["n"][1] = max(data["n"][1], 2)
    fit = pp.fit(FORMULA + NOISE, data, prior=PRIORS)
    drawn = fit.posterior.draws(DRAWS, rng).drawn
    values = [drawn.mu, drawn.tau, drawn.sigma, drawn.sd_log_sigma, drawn.theta[:, 0],
              drawn.noise[:, 0]]  # fmt: skip
    return [
        round(float((v < t).mean()), 3)
        for v, t in zip(values, [*truth, theta[0], noise[0]], strict=True)
    ]


def stored():
    """What was run."""
    empty = {**{f"omega {omega}": [] for omega in OMEGAS}, "prior": []}
    return json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else empty


def run(worlds):
    """Continue to so many worlds of each kind."""
    rows = stored()
    for seed in range(worlds):
        for omega in OMEGAS:
            if len(rows[f"omega {omega}"]) <= seed:
                rows[f"omega {omega}"].append(world(omega, seed))
        if len(rows["prior"]) <= seed:
            rows["prior"].append(ranks(seed))
        STORE.write_text(json.dumps(rows) + "\n", encoding="utf-8")


def show():
    """Print what was stored."""
    for name, rows in stored().items():
        each = np.array(rows)
        if name == "prior":
            print(name, len(each), "mean rank", each.mean(axis=0), "sd", each.std(axis=0))
            continue
        mean = each.mean(axis=0)
        print(
            f"{name}, {len(each)} worlds: a sigma of each group covers {mean[0]:.3f}, the noisiest "
            f"fifth {mean[1]:.3f}; one sigma {mean[3]:.3f} and {mean[4]:.3f}; squared error over "
            f"that of one sigma {mean[2] / mean[5]:.3f}; sigma_j covered {mean[6]:.3f}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(int(sys.argv[2]) if len(sys.argv) > 2 else 200)
    show()
