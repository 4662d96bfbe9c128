"""The classical estimators against metafor, lme4 and published figures (see truth/README.md)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp
from partialpool import classical

HERE = Path(__file__).parent
META = [
    entry  # metafor solves PM to 1e-4 only; the same estimator is there as EB
    for entry in json.loads((HERE / "truth" / "meta_analysis.json").read_text())["fits"]
    if entry["method"] != "PM"
]
LMM = json.loads((HERE / "truth" / "lmm_one_way.json").read_text())
SIMULATOR = json.loads((HERE / "truth" / "simulator_cases.json").read_text())["cases"]
METHODS = {
    "REML": classical.reml,
    "ML": classical.ml,
    "DL": classical.dersimonian_laird,
    "HE": classical.hedges,
    "HS": classical.hunter_schmidt,
    "SJ": classical.sidik_jonkman,
    "EB": classical.paule_mandel,
}


def estimates(label):
    """Estimates, standard errors and predictors of the meta-analyses."""
    if label == "eight_schools":
        table = pp.datasets.eight_schools()
        return {"mean": table["effect"], "se": table["se"]}
    with open(HERE / "data" / "bcg.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    a, b, c, d = (np.array([float(r[k]) for r in rows]) for k in ("tpos", "tneg", "cpos", "cneg"))
    variance = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    data = {"mean": np.log(a / (a + b)) - np.log(c / (c + d)), "se": np.sqrt(variance)}
    names = label.removeprefix("bcg_RR").split("_")[1:]
    if names:
        data["predictors"] = np.array([[float(r[k]) for k in names] for r in rows])
    return data


@pytest.mark.parametrize("entry", META, ids=lambda e: f"{e['label']}-{e['method']}")
def test_meta_analysis(entry):
    data = estimates(entry["label"])
    got = METHODS[entry["method"]](**data)
    np.testing.assert_allclose(got.tau**2, entry["tau2"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(got.coefficients, np.atleast_1d(entry["beta"]), rtol=1e-6)
    np.testing.assert_allclose(got.coefficients_se, np.atleast_1d(entry["se"]), rtol=1e-6)
    np.testing.assert_allclose(got.tau2_se, entry["se.tau2"], rtol=1e-6)
    if entry["method"] in ("ML", "REML"):
        np.testing.assert_allclose(got.log_likelihood, entry["logLik"], atol=1e-6)
    h = classical.heterogeneity(**data, tau=got.tau)
    measured = [h.q, h.p, 100 * h.i2, h.h2]
    expected = [entry[k] for k in ("QE", "QEp", "I2", "H2")]
    np.testing.assert_allclose(measured, expected, rtol=1e-6, atol=1e-9)
    ends = np.array([h.tau_lower, h.tau_upper]) ** 2
    if entry["label"] != "eight_schools":
        # metafor solves for the ends to 1e-4 only
        np.testing.assert_allclose(ends, entry["tau2_Qprofile_ci"][1:], atol=1e-4)
    if "predictors" in data:
        return
    shrunk = classical.empirical_bayes(**data, tau=got.tau, interval="mu")
    np.testing.assert_allclose(shrunk.estimate, entry["blup"]["pred"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(shrunk.se, entry["blup"]["se"], rtol=1e-5)


def test_eight_schools_between_spread():
    """All but Sidik-Jonkman say 0; the boundary-avoiding mode is known."""
    data = estimates("eight_schools")
    zero = {"REML", "ML", "DL", "HE", "HS", "EB"}
    assert {m for m in METHODS if METHODS[m](**data).tau == 0} == zero
    assert f"{classical.sidik_jonkman(**data).tau ** 2:.2f}" == "38.61"
    assert f"{classical.boundary_avoiding(**data).tau:.4f}" == "7.2923"


@pytest.mark.parametrize("case", SIMULATOR, ids=lambda c: c["name"])
def test_classic_simulator(case):
    got = classical.method_of_moments(
        mean=case["y_bar"], n=case["n_per"], sigma=case["sigma"], floor=0.01
    )
    rtol = 1e-11 if "above_floor" in case["name"] else 1e-12
    np.testing.assert_allclose(got.tau**2, case["tau_hat_sq"], rtol=rtol)
    np.testing.assert_allclose(got.grand_mean, case["grand_mean"], rtol=rtol)
    np.testing.assert_allclose(1 - got.shrinkage, case["w"], rtol=1e-11)
    np.testing.assert_allclose(got.estimate, case["partial_pool"], rtol=rtol)
    assert got.floored == case["floored"]


def row_summaries(dataset):
    """Group means, rows and within-group sums of squares."""
    if dataset == "Hsb82":
        table = np.genfromtxt(HERE / "data" / "hsb82_by_school.csv", delimiter=",", names=True)
        return {"mean": table["mean"], "n": table["n"], "ss": table["ss"]}
    formula, data = {
        "Dyestuff": ("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff()),
        "Rail": ("travel ~ 1 + (1 | Rail)", HERE / "data" / "rail.csv"),
        "Exam": ("normexam ~ 1 + (1 | school)", HERE / "data" / "exam.csv"),
    }[dataset]
    s = pp.fit(formula, data).statistics
    return {"mean": s.raw, "n": s.n, "ss": s.ss}


@pytest.mark.parametrize("entry", LMM, ids=lambda e: f"{e['dataset']}-{e['REML']}")
def test_lme4(entry):
    data = row_summaries(entry["dataset"])
    got = classical.maximum_likelihood(**data, restricted=entry["REML"])
    np.testing.assert_allclose(got.log_likelihood, entry["logLik"], atol=1e-6)
    np.testing.assert_allclose(got.tau / got.sigma, entry["theta"][0], rtol=1e-7)
    np.testing.assert_allclose(got.sigma, entry["sigma"], rtol=1e-8)
    expected = [entry["fixef"][0], entry["se"][0]]
    np.testing.assert_allclose([got.mu, got.mu_se], expected, rtol=1e-6, atol=1e-9)


def test_anova_equals_reml_for_balanced_data():
    data = row_summaries("Dyestuff")
    a, b = classical.anova(**data), classical.maximum_likelihood(**data)
    np.testing.assert_allclose([a.tau, a.sigma, a.mu], [b.tau, b.sigma, b.mu], rtol=1e-8)


def test_baseball_of_efron_and_morris():
    table = pp.datasets.baseball()
    rate = table["hits"] / table["at_bats"]
    assert f"{rate.mean():.5f}" == "0.26543"
    fit = classical.james_stein(mean=table["arcsine"], se=1.0)
    assert f"{fit.kept:.5f}" == "0.20897"
    back = 0.5 * (np.sin(fit.estimate / np.sqrt(45)) + 1)
    assert f"{back[0]:.4f}" == "0.2901"  # Clemente
    truth = np.sqrt(45) * np.arcsin(2 * table["remaining_average"] - 1)
    raw, shrunk = ((e - truth) @ (e - truth) for e in (table["arcsine"], fit.estimate))
    # published 17.61 and 5.015, from averages with more digits than the bundled three
    np.testing.assert_allclose([raw, shrunk], [17.61, 5.015], atol=0.05)
    assert f"{raw / shrunk:.2f}" == "3.51"
