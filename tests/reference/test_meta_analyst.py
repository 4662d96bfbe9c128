"""Effect sizes, heterogeneity and pooled effects as metafor gives them."""

import json
from pathlib import Path

import numpy as np
import pytest

import partialpool as pp
from partialpool import classical
from partialpool.words.meta_analysis import meta_analysis

METAFOR = json.loads((Path(__file__).parent / "truth" / "meta_analyst.json").read_text())
ESTIMATORS = {
    "REML": "reml",
    "DL": "dersimonian_laird",
    "PM": "paule_mandel",
}


def named(case):
    return "-".join([case["data"], case["measure"], *map(str, dict(case["options"]).values())])


@pytest.mark.parametrize("case", METAFOR["sizes"], ids=named)
def test_effect_sizes_are_those_of_escalc(case):
    found = pp.effect_size(case["measure"], **case["columns"], **dict(case["options"]))
    expected = np.array(case["effect"], dtype=float)
    variance = np.array(case["variance"], dtype=float)
    np.testing.assert_allclose(found["effect"], expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["se"] ** 2, variance, rtol=1e-10)


def studies_of(case):
    bcg = pp.datasets.bcg()
    if case["data"].startswith("bcg"):
        latitude = bcg["latitude"] if "ablat" in case["data"] else None
        return {"mean": bcg["log_rr"], "se": bcg["log_rr_se"], "predictors": latitude}
    (smd,) = (s for s in METAFOR["sizes"] if s["measure"] == "SMD" and s["options"]["correct"])
    return {"mean": smd["effect"], "se": np.sqrt(smd["variance"])}


@pytest.mark.parametrize("case", METAFOR["models"], ids=lambda c: f"{c['data']}-{c['method']}")
def test_heterogeneity_and_pooled_effects_are_those_of_rma(case):
    data, tau = studies_of(case), case["tau2"] ** 0.5
    estimated = getattr(classical, ESTIMATORS[case["method"]])(**data).tau
    assert estimated**2 == pytest.approx(case["tau2"], rel=2e-4)  # to which metafor iterates
    h = classical.heterogeneity(**data, tau=tau)
    got = [h.q, h.p, h.i2, h.i2_lower, h.i2_upper, h.tau_lower, h.tau_upper]
    expected = [*(case[k] for k in ("q", "p", "i2")), *case["i2_interval"], *case["tau_interval"]]
    np.testing.assert_allclose(got, expected, rtol=1e-10)
    pooled = classical.pooled_effects(**data, tau=tau)
    for name in ("estimate", "se", "lower", "upper"):
        np.testing.assert_allclose(getattr(pooled, name), case[name], rtol=1e-10)
    for name in ("hartung_se", "hartung_lower", "hartung_upper"):
        np.testing.assert_allclose(getattr(pooled, name), case[name], rtol=1e-10)
    interval = [pooled.prediction_lower, pooled.prediction_upper]
    if case["prediction"] is None:
        assert np.isnan(interval).all()
    else:
        np.testing.assert_allclose(interval, case["prediction"][0], rtol=1e-10)


def test_compare_tells_them_of_fits():
    bcg = pp.datasets.bcg()
    for formula, data in (
        ("log_rr | se(log_rr_se) ~ 1 + (1 | trial)", "bcg"),
        ("log_rr | se(log_rr_se) ~ latitude + (1 | trial)", "bcg ~ ablat"),
    ):
        (case,) = (m for m in METAFOR["models"] if (m["data"], m["method"]) == (data, "REML"))
        told = pp.fit(formula, bcg).compare().meta_analysis
        (row,) = told.heterogeneity.rows()
        assert row["q"] == pytest.approx(case["q"], rel=1e-10)
        assert row["df"] == 13 - len(np.atleast_1d(case["estimate"]))
        assert row["i2_upper"] == pytest.approx(case["i2_interval"][1], rel=1e-3)
        np.testing.assert_allclose(told.pooled["hartung_upper"], case["hartung_upper"], rtol=1e-4)
        assert told.pooled["estimator"].tolist() == ["reml"] * len(told.pooled["name"])


def test_a_classical_estimator_asked_for_pools_too():
    bcg = pp.datasets.bcg()
    fit = pp.fit("log_rr | se(log_rr_se) ~ 1 + (1 | trial)", bcg)
    pooled = fit.compare("dersimonian_laird", "paule_mandel").meta_analysis.pooled
    (case,) = (m for m in METAFOR["models"] if (m["data"], m["method"]) == ("bcg", "DL"))
    assert pooled["estimator"].tolist() == ["reml", "dersimonian_laird", "paule_mandel"]
    assert pooled["upper"][1] == pytest.approx(case["upper"], rel=1e-10)


def test_rows_are_no_meta_analysis():
    fit = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff())
    assert fit.compare().meta_analysis is None
    assert meta_analysis(fit.statistics) is None


# correlated sampling errors -----------------------------------------------------------------------

GUM = METAFOR["gum"]
GUM_ROWS = {
    "trial": GUM["trial"],
    "y": GUM["effect"],
    "pd": [float(outcome == "PD") for outcome in GUM["outcome"]],
    "s": np.sqrt(GUM["variance"]).tolist(),
}
GUM_FORMULA = "y | se(se) ~ 0 + one + pd + (0 + one | trial) + (1 | row)"


def turned(covariance):
    if covariance == "rho":
        how = {"se": "s", "rho": 0.6}
    else:
        pairs = range(0, len(GUM["effect"]), 2)
        how = {
            "covariance": [np.array([GUM["v1"][i : i + 2], GUM["v2"][i : i + 2]]) for i in pairs]
        }
    return pp.independent_rows(GUM_ROWS, effect="y", by="trial", columns=["pd"], **how)


@pytest.mark.parametrize("case", METAFOR["correlated"], ids=lambda c: c["method"] + c["covariance"])
def test_correlated_errors_are_fitted_as_by_rma_mv(case):
    fit = pp.fit(GUM_FORMULA, turned(case["covariance"]), method=case["method"].lower())
    table = fit.parameters()
    np.testing.assert_allclose(table["mean"][:2], case["estimate"], rtol=1e-5)
    np.testing.assert_allclose(table["sd"][:2], case["se"], rtol=1e-5)
    np.testing.assert_allclose(table["mean"][2:] ** 2, case["sigma2"], rtol=1e-4)
    constant = 0.0
    if case["method"] == "REML":  # metafor adds half the log determinant of X'X, lme4 does not
        x = np.column_stack([np.ones(10), GUM_ROWS["pd"]])
        constant = 0.5 * np.linalg.slogdet(x.T @ x)[1]
    assert fit.to_dict()["log_likelihood"] + constant == pytest.approx(
        case["log_likelihood"], abs=1e-8
    )
