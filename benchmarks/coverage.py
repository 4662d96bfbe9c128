"""Coverage of nominal 95% intervals for theta_j: plug-in REML against the full posterior.

Prints the table of docs/coverage.md; `--write` writes that file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import special

from partialpool.simulate.estimators import Observed, full_posterior, reml_ratio

SETTINGS = {
    "8 schools' standard errors, tau 5": (np.array([15, 10, 16, 11, 9, 11, 10, 18.0]), 5.0),
    "12 groups of 15, sigma 10, tau 1": (np.full(12, 10 / np.sqrt(15)), 1.0),
    "12 groups of 5, sigma 10, tau 5": (np.full(12, 10 / np.sqrt(5)), 5.0),
    "12 groups of 15, sigma 10, tau 5": (np.full(12, 10 / np.sqrt(15)), 5.0),
}
TEXT = """# Coverage near tau = 0

How often nominal 95% intervals hold the true group parameter, over {replicates:,} simulated data
sets each, standard errors known, flat priors; Monte Carlo errors are below {error:.3f}. The plug-in
interval is the best linear unbiased prediction at the REML estimate of tau, plus and minus 1.96
conditional standard deviations; where that estimate is 0 its width is 0. Printed by
`python benchmarks/coverage.py --write`.

| setting | share of tau estimated as 0 | plug-in REML | full posterior |
|---|---|---|---|
{rows}
"""


def covered(theta: np.ndarray, center: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Share of groups covered in each data set."""
    return (np.abs(theta - center) <= half).mean(axis=1)


def measure(se: np.ndarray, tau: float, replicates: int) -> tuple[float, float, float, float]:
    """Share of zeros, coverage of both intervals, and the larger Monte Carlo error."""
    rng = np.random.default_rng(2026)
    theta = rng.normal(0.0, tau, (replicates, len(se)))
    seen = Observed(rng.normal(theta, se), 1.0 / se**2, np.zeros(replicates), 1.0, 0.95)
    lam = reml_ratio(seen)[:, None]  # tau^2, as sigma is 1
    w = seen.n / (1.0 + seen.n * lam)
    mu = ((w * seen.mean).sum(axis=1) / w.sum(axis=1))[:, None]
    b = 1.0 / (1.0 + seen.n * lam)
    half = special.ndtri(0.975) * np.sqrt(lam * b)
    plug_in = covered(theta, seen.mean + b * (mu - seen.mean), half)
    post = full_posterior(seen)
    exact = ((post.lower <= theta) & (theta <= post.upper)).mean(axis=1)
    error = max(v.std(ddof=1) for v in (plug_in, exact)) / np.sqrt(replicates)
    return float((lam == 0).mean()), float(plug_in.mean()), float(exact.mean()), float(error)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=20_000)
    parser.add_argument("--write", action="store_true", help="write docs/coverage.md")
    options = parser.parse_args()
    found = {k: measure(se, tau, options.replicates) for k, (se, tau) in SETTINGS.items()}
    rows = [f"| {k} | {z:.2f} | {p:.3f} | {e:.3f} |" for k, (z, p, e, _) in found.items()]
    worst = np.ceil(1000 * max(v[3] for v in found.values())) / 1000
    text = TEXT.format(replicates=options.replicates, error=worst, rows="\n".join(rows))
    print(text)
    if options.write:
        target = Path(__file__).parents[1] / "docs" / "coverage.md"
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
