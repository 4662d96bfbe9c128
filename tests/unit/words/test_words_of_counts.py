"""What is said of counts: rows that vary too much, and errors of the overall proportion or rate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import partialpool as pp

PROPORTION, RATE = "y | trials(n) ~ 1 + (1 | g)", "y | exposure(n) ~ 1 + (1 | g)"


def uneven_rows(proportion):
    rng = np.random.default_rng(4)
    size = rng.integers(20, 40, 200)
    p = rng.beta(2, 3, 200)
    y = rng.binomial(size, p) if proportion else rng.poisson(size * p)
    return {"g": np.arange(200) % 8, "y": y, "n": size}


def said(formula, data):
    notices = pp.fit(formula, data, prior="tau ~ half_normal(1)").notices
    return next((n.text for n in notices if n.code == "rows_vary"), None)


@pytest.mark.parametrize("formula", [PROPORTION, RATE], ids=["proportions", "rates"])
def test_rows_that_vary_are_measured_by_pearsons_statistic(formula):
    data = uneven_rows(formula is PROPORTION)
    chi2 = 0.0
    for j in range(8):
        y, n = data["y"][data["g"] == j], data["n"][data["g"] == j]
        m = y.sum() / n.sum()
        chi2 += ((y - n * m) ** 2 / (n * m * (1 - m if formula is PROPORTION else 1))).sum()
    assert f"variance is {chi2 / 192:.1f} times as large" in said(formula, data)


@pytest.mark.parametrize(("excess", "told"), [(0.95, False), (1.05, True)])
def test_rows_vary_from_the_upper_percent_of_chi_square_on(excess, told):
    """20 groups of two rows of 10,000 trials have 20 degrees of freedom."""
    ratio = 1 + excess * (stats.chi2.ppf(0.99, 20) / 20 - 1)
    apart = np.rint(np.sqrt(ratio * 2500 / 2))  # from 5,000 each, with variance 2,500
    y = np.repeat([5000 - apart, 5000 + apart], 20)
    data = {"g": np.tile(np.arange(20), 2), "y": y, "n": np.full(40, 10_000)}
    assert (said(PROPORTION, data) is not None) == told


def test_a_column_of_trials_may_have_any_name():
    data = uneven_rows(True)
    data["trials"] = data.pop("n")
    assert said("y | trials(trials) ~ 1 + (1 | g)", data) == said(
        PROPORTION, {**data, "n": data["trials"]}
    )


def test_single_trials_cannot_vary_too_much():
    """Two a group: Pearson's statistic would be twice its degrees of freedom, whatever they are."""
    y = np.random.default_rng(4).binomial(1, 0.5, 80)
    assert said(PROPORTION, {"g": np.repeat(np.arange(40), 2), "y": y, "n": np.ones(80)}) is None


@pytest.mark.parametrize("formula", [PROPORTION, RATE], ids=["proportion", "rate"])
def test_errors_of_the_overall_value_are_cluster_robust(formula):
    y, n = np.array([1.0, 4, 10, 3, 7]), np.array([4.0, 12, 50, 9, 8])
    advice = pp.fit(formula, {"g": list("abcde"), "y": y, "n": n}).advise()
    m = 25 / 83
    naive = math.sqrt(m * (1 - m) / 83) if formula is PROPORTION else math.sqrt(m / 83)
    robust = math.sqrt(5 / 4 * sum((y - m * n) ** 2)) / 83
    assert advice.pooled_se == pytest.approx(naive, rel=1e-12)
    assert advice.robust_se == pytest.approx(robust, rel=1e-12)
    assert advice.design_effect == pytest.approx(robust**2 / naive**2, rel=1e-12)
    assert advice.effective_rows == pytest.approx(83 * naive**2 / robust**2, rel=1e-12)


def test_typical_pooling_is_read_from_i2():
    data = {"g": list("abcde"), "y": [1, 4, 10, 3, 7], "n": [4, 12, 50, 9, 8]}
    fit = pp.fit(PROPORTION, data)
    advice, share = fit.advise(), fit._engine.icc
    assert advice.nearly_complete == pytest.approx(float(share.cdf(0.1)), rel=1e-12)
    assert advice.nearly_none == pytest.approx(1 - float(share.cdf(0.9)), rel=1e-12)
    assert (advice.icc_lower, advice.icc_upper) == pytest.approx(share.quantile([0.025, 0.975]))
