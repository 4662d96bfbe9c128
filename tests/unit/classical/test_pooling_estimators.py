"""No, complete and fixed-effects pooling, mean squares, and intervals given tau: by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from partialpool import classical

ROWS = [np.array(v, dtype=float) for v in ([3, 5, 4], [9, 7], [2, 6, 5, 7, 4], [11, 8, 9, 10])]
GROUPS = {
    "mean": np.array([v.mean() for v in ROWS]),
    "n": np.array([len(v) for v in ROWS]),
    "ss": np.array([((v - v.mean()) ** 2).sum() for v in ROWS]),
}
ALL = np.concatenate(ROWS)
KNOWN = {
    "mean": np.array([28, 8, -3, 7, -1, 1, 18, 12.0]),
    "se": np.array([15, 10, 16, 11, 9, 11, 10, 18.0]),
}


def test_each_group_by_itself_has_students_interval():
    sd = np.sqrt(GROUPS["ss"] / (GROUPS["n"] - 1))
    found = classical.no_pooling(mean=GROUPS["mean"], n=GROUPS["n"], sd=sd, level=0.9)
    for j, rows in enumerate(ROWS):
        exact = stats.t.interval(0.9, len(rows) - 1, rows.mean(), stats.sem(rows))
        np.testing.assert_allclose([found.lower[j], found.upper[j]], exact, rtol=1e-9)


def test_complete_pooling_is_one_sample():
    found = classical.complete_pooling(**GROUPS)
    exact = stats.t.interval(0.95, 13, ALL.mean(), stats.sem(ALL))
    assert (found.estimate, found.se) == pytest.approx((ALL.mean(), stats.sem(ALL)))
    assert (found.lower, found.upper) == pytest.approx(exact, rel=1e-9)


def test_cr1_is_the_sandwich_with_its_small_sample_factor():
    found = classical.cluster_robust(**GROUPS)
    meat = sum((rows - ALL.mean()).sum() ** 2 for rows in ROWS)
    assert found.cr1_se == pytest.approx(math.sqrt(4 / 3 * meat) / 14, rel=1e-12)
    cr2 = sum((v - ALL.mean()).sum() ** 2 / (1 - len(v) / 14) for v in ROWS)
    assert found.cr2_se == pytest.approx(math.sqrt(cr2) / 14, rel=1e-12)
    wide = stats.t(found.df).ppf(0.975) * found.cr2_se
    ends = (ALL.mean() - wide, ALL.mean() + wide)
    assert (found.lower, found.upper) == pytest.approx(ends, rel=1e-8)


def test_fixed_effects_are_the_analysis_of_variance():
    found = classical.fixed_effects(**GROUPS)
    f, p = stats.f_oneway(*ROWS)
    assert (found.f, found.p) == pytest.approx((f, p), rel=1e-9)
    assert found.sigma == pytest.approx(math.sqrt(GROUPS["ss"].sum() / 10), rel=1e-12)
    wide = stats.t(10).ppf(0.975) * found.sigma / np.sqrt(GROUPS["n"])
    np.testing.assert_allclose(found.groups.upper, GROUPS["mean"] + wide, rtol=1e-9)


def test_mean_squares_of_unequal_groups():
    """n0 = (14 - (9 + 4 + 25 + 16) / 14) / 3."""
    found = classical.anova(**GROUPS)
    within = GROUPS["ss"].sum() / 10
    between = GROUPS["n"] @ (GROUPS["mean"] - ALL.mean()) ** 2 / 3
    tau2 = (between - within) / ((14 - 54 / 14) / 3)
    assert (found.tau, found.sigma) == pytest.approx((math.sqrt(tau2), math.sqrt(within)))
    w = 1 / (within / GROUPS["n"] + tau2)
    assert found.mu == pytest.approx(w @ GROUPS["mean"] / w.sum(), rel=1e-12)
    assert found.mu_se == pytest.approx(w.sum() ** -0.5, rel=1e-12)


@pytest.mark.parametrize("interval", ["naive", "mu", "prasad-rao", "morris"])
def test_errors_given_tau_are_those_of_their_formulas(interval):
    tau, tau2_se, y, v = 8.0, 50.0, KNOWN["mean"], KNOWN["se"] ** 2
    mu = (y / (v + 64)).sum() / (1 / (v + 64)).sum()
    of_mu = 1 / (1 / (v + 64)).sum()
    found = classical.empirical_bayes(
        **KNOWN, tau=tau, tau2_se=tau2_se, interval=interval, level=0.9
    )
    for j in range(8):
        b = v[j] / (v[j] + 64)
        square = v[j] * 64 / (v[j] + 64)
        if interval in ("mu", "prasad-rao"):
            square += b**2 * of_mu
        if interval == "prasad-rao":
            square += 2 * v[j] ** 2 / (v[j] + 64) ** 3 * 50**2
        if interval == "morris":
            b *= 5 / 7
            square = v[j] * (1 - 7 / 8 * b) + 2 / 5 * b**2 * (y[j] - mu) ** 2
        middle, wide = (1 - b) * y[j] + b * mu, 1.6448536269514722 * math.sqrt(square)
        ends = (middle, middle - wide, middle + wide)
        assert (found.estimate[j], found.lower[j], found.upper[j]) == pytest.approx(ends, rel=1e-9)


def test_the_q_profile_interval_ends_at_quantiles_of_chi_square():
    y = 3 * KNOWN["mean"]
    found = classical.heterogeneity(mean=y, se=KNOWN["se"], tau=5.0, level=0.9)

    def q(tau2):
        w = 1 / (KNOWN["se"] ** 2 + tau2)
        return (w * (y - w @ y / w.sum()) ** 2).sum()

    assert found.q == pytest.approx(q(0.0), rel=1e-12)
    assert found.p == pytest.approx(stats.chi2(7).sf(q(0.0)), rel=1e-9)
    assert q(found.tau_lower**2) == pytest.approx(stats.chi2(7).ppf(0.95), rel=1e-8)
    assert q(found.tau_upper**2) == pytest.approx(stats.chi2(7).ppf(0.05), rel=1e-8)
    w = 1 / KNOWN["se"] ** 2
    typical = 7 * w.sum() / (w.sum() ** 2 - (w**2).sum())
    assert found.i2 == pytest.approx(25 / (25 + typical), rel=1e-12)
    assert found.h2 == pytest.approx((25 + typical) / typical, rel=1e-12)


@pytest.mark.parametrize(("toward", "used"), [(2.0, 0), (None, 1), ("a line", 2)])
def test_james_stein_spends_a_dimension_a_coefficient(toward, used):
    y, x = KNOWN["mean"] / 5, np.arange(8.0)
    target = {0: np.full(8, 2.0), 1: np.full(8, y.mean()), 2: np.polyval(np.polyfit(x, y, 1), x)}
    given = {"predictors": x} if used == 2 else {"toward": toward}
    found = classical.james_stein(mean=y, se=1.3, **given)
    gap = y - target[used]
    kept = 1 - (8 - used - 2) * 1.69 / (gap @ gap)
    assert 0 < kept < 1
    assert found.kept == pytest.approx(kept, rel=1e-11)
    np.testing.assert_allclose(found.estimate, target[used] + kept * gap, rtol=1e-10)


def test_the_method_of_moments_takes_the_mean_sampling_variance_off():
    y, n, sigma = np.array([3.0, 9, 1, 6]), np.array([2, 5, 3, 8]), 2.0
    found = classical.method_of_moments(mean=y, n=n, sigma=sigma)
    v = sigma**2 / n
    tau2 = ((y - 4.75) ** 2).sum() / 3 - v.mean()
    assert (found.tau, found.grand_mean) == pytest.approx((math.sqrt(tau2), 4.75), rel=1e-12)
    b = v / (v + tau2)
    np.testing.assert_allclose(found.shrinkage, b, rtol=1e-12)
    np.testing.assert_allclose(found.estimate, (1 - b) * y + b * 4.75, rtol=1e-12)
