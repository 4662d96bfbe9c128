"""Populations that are not normal, groups that differ in noise and rows that vary more.

Held against data/populations.json (sums over a dense mesh) and data/varying_rows.json (NUTS).
Differences are in quarters of a 95% width, about one sd.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp

DATA = Path(__file__).parent / "data"
STORED = json.loads((DATA / "populations.json").read_text())
VARYING = json.loads((DATA / "varying_rows.json").read_text())
MODELS = [name for name in STORED if name != "own sigma"]
NUMBERS = ("mean", "sd", "lower", "median", "upper")
EXACT = 0.02
"""Of everything: what is told is at most 0.021 (sparse, contaminated); most differ by 0.002."""
POPULATIONS = {
    "student": lambda how: pp.Student(df=how["df"]),
    "contaminated": lambda how: pp.Contaminated(share=how["share"], ratio=how["ratio"]),
    "point_normal": lambda how: pp.PointNormal(mean=how["mean"]),
}


def fitted(entry):
    data, prior = entry["data"], entry["prior"]["tau"]
    population = POPULATIONS[entry["population"]["name"]](entry["population"])
    how = {"population": population, "prior": f"tau ~ {prior}" if "(" in prior else None}
    if data["family"] == "known errors":
        return pp.fit_groups(mean=data["y"], se=data["se"], **how)
    if data["family"] == "measurements":
        n = np.array(data["n"])
        sd = np.sqrt(np.array(data["within"]) / (n - 1))
        return pp.fit_groups(n=n, mean=data["mean"], sd=sd, **how)
    rows = {"y": data["y"], "group": np.arange(len(data["y"])) + 1}
    size = "trials" if data["family"] == "binomial" else "exposure"
    rows["size"] = data[size]
    return pp.fit(f"y | {size}(size) ~ 1 + (1 | group)", rows, family=data["family"], **how)


def off(distribution, want):
    """Differences of mean, sd and quantiles from the stored ones; moments that exist only."""
    found = [distribution.mean, distribution.sd, *distribution.quantile([0.025, 0.5, 0.975])]
    width = (want["upper"] - want["lower"]) / 4
    pairs = zip(NUMBERS, found, strict=True)
    return [abs(float(x) - want[k]) / width for k, x in pairs if want[k] is not None]


@pytest.fixture(scope="module", params=MODELS)
def case(request):
    return STORED[request.param], fitted(STORED[request.param])


def test_parameters(case):
    entry, fit = case
    for name, want in entry["parameters"].items():
        called = name if name in ("Intercept", "sigma") else f"{name}[group]"
        assert max(off(fit.posterior[called], want)) < EXACT, name


def test_groups(case):
    entry, fit = case
    counts = entry["data"]["family"] in ("binomial", "poisson")
    table = fit.groups(scale="link") if counts else fit.groups()
    want = {name: np.array(entry["groups"][name]) for name in NUMBERS}
    width = (want["upper"] - want["lower"]) / 4
    of = {"estimate": "mean", "sd": "sd", "lower": "lower", "upper": "upper"}
    for column, name in of.items():
        difference = np.abs(np.array(table[column], dtype=float) - want[name]) / width
        assert difference.max() < EXACT, column
    if "p_outlying" in entry:
        found = np.array(table["p_outlying"], dtype=float)
        assert found == pytest.approx(np.array(entry["p_outlying"]), abs=6e-3)


def test_new_group(case):
    entry, fit = case
    counts = entry["data"]["family"] in ("binomial", "poisson")
    new = fit.posterior.new_group(**({"scale": "link"} if counts else {}))
    want = entry["new group"]
    found = new.quantile([0.025, 0.5, 0.975])
    width = (want["upper"] - want["lower"]) / 4
    assert found == pytest.approx([want[k] for k in NUMBERS[2:]], abs=0.03 * width)


def test_groups_that_differ_in_noise():
    entry = STORED["own sigma"]
    data = entry["data"]
    n = np.array(data["n"])
    g = np.repeat(np.arange(20), n)
    # rows with exactly these means and sums of squares
    z = np.concatenate([np.linspace(-1, 1, k) if k > 1 else np.zeros(1) for k in n])
    scale = np.sqrt(np.array(data["within"]) / np.maximum(np.bincount(g, z**2), 1e-300))
    y = np.array(data["mean"])[g] + scale[g] * z
    fit = pp.fit("y ~ 1 + (1 | g); sigma ~ 1 + (1 | g)", {"y": y, "g": g})
    called = {"tau": "tau[g]", "omega": "sd_log_sigma[g]"}
    for name, want in entry["parameters"].items():
        assert max(off(fit.posterior[called.get(name, name)], want)) < 0.03, name
    table = fit.groups()
    for part, columns in (
        ("groups", {"estimate": "mean", "sd": "sd", "lower": "lower", "upper": "upper"}),
        ("sigmas", {"sigma": "median"}),
    ):
        want = {name: np.array(entry[part][name]) for name in NUMBERS}
        for column, name in columns.items():
            difference = np.abs(np.array(table[column], dtype=float) - want[name])
            assert (difference / (want["upper"] - want["lower"]) * 4).max() < 0.03, column


@pytest.mark.parametrize("family", VARYING)
def test_rows_that_vary_more(family):
    entry = VARYING[family]
    size = "exposure" if family == "negative_binomial" else "trials"
    fit = pp.fit(f"y | {size}({size}) ~ x + (1 | g)", entry["data"], family=family)
    called = {"tau": "tau[g]"}
    for name, want in entry["parameters"].items():
        mean, sd, *ends = off(fit.posterior[called.get(name, name)], want)
        assert max(mean, sd) < 0.05, name
        assert max(ends) < 0.1, name
