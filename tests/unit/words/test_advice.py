"""The recommendation follows the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import partialpool as pp
from partialpool import classical


def fit_of(tau, groups=15, n=10, seed=0):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), n)
    y = tau * rng.normal(size=groups)[group] + rng.normal(size=len(group))
    return pp.fit("y ~ 1 + (1 | g)", {"y": y, "g": group})


@pytest.mark.parametrize(
    ("tau", "words"),
    [
        (0.0, "nearly alike"),
        (0.25, "most of the way together"),
        (1.0, "worth having"),
        (20.0, "stands nearly by itself"),
    ],
)
def test_words_follow_the_spread(tau, words):
    fit = fit_of(tau, groups=200 if tau < 0.3 else 15, seed=1)
    advice = fit.advise()
    assert words in advice.text
    assert words in " ".join(repr(fit).split())


def test_numbers_of_dyestuff():
    advice = pp.fit("yield ~ 1 + (1 | batch)", pp.datasets.dyestuff()).advise()
    np.testing.assert_allclose(advice.design_effect, 1 + 4 * advice.icc)
    np.testing.assert_allclose(advice.effective_rows, 30 / advice.design_effect)
    # REML log likelihood with and without tau, by lme4 and by hand
    y = pp.datasets.dyestuff()["yield"].astype(float)
    null = -0.5 * (29 * (1 + np.log(2 * np.pi * y.var(ddof=1))) + np.log(30))
    np.testing.assert_allclose(advice.likelihood_ratio, 2 * (-159.827138421129 - null), atol=1e-6)
    np.testing.assert_allclose(advice.p, 0.5 * stats.chi2.sf(advice.likelihood_ratio, 1))
    np.testing.assert_allclose(advice.pooled_se, y.std(ddof=1) / np.sqrt(30))
    assert "1.7 times too small" in advice.text


def test_eight_schools_have_no_evidence_either_way():
    schools = pp.fit("effect | se(se) ~ 1 + (1 | school)", pp.datasets.eight_schools())
    advice = schools.advise()
    assert (advice.likelihood_ratio, advice.p) == (0.0, 1.0)
    assert np.isnan(advice.design_effect)
    assert "weighs both" in advice.text
    assert "P(a typical group is pooled > 90%)       0.38" in repr(advice)


def test_the_null_distribution_is_half_a_point_mass():
    """Without differences, about half the statistics are 0 and 5% of p-values are below 0.05."""
    rng = np.random.default_rng(5)
    p = []
    for _ in range(1000):
        mean, ss = rng.normal(0, 1 / np.sqrt(5), 20), rng.chisquare(4, 20)
        p.append(classical.likelihood_ratio(mean=mean, n=np.full(20, 5), ss=ss).p)
    p = np.array(p)
    assert 0.45 < (p == 1.0).mean() < 0.65
    assert 0.025 < (p < 0.05).mean() < 0.075


def test_cluster_robust_errors_against_a_dense_computation():
    """CR2 and its degrees of freedom from the definition with matrices."""
    rng = np.random.default_rng(2)
    sizes = np.array([2, 5, 3, 7])
    group = np.repeat(np.arange(4), sizes)
    y = rng.normal(size=17) + rng.normal(size=4)[group]
    ones = np.ones((17, 1))
    hat = ones @ ones.T / 17
    residual = y - y.mean()
    meat, columns = 0.0, []
    for j in range(4):
        at = group == j
        block = np.eye(at.sum()) - hat[np.ix_(at, at)]
        value, vector = np.linalg.eigh(block)
        adjust = vector @ np.diag(value**-0.5) @ vector.T
        meat += (ones[at].T @ adjust @ residual[at]).item() ** 2
        columns.append((np.eye(17) - hat)[:, at] @ adjust @ ones[at] / 17)
    g = np.hstack(columns)
    eigen = np.linalg.eigvalsh(g.T @ g)
    mean = np.array([y[group == j].mean() for j in range(4)])
    ss = np.array([((y[group == j] - mean[j]) ** 2).sum() for j in range(4)])
    got = classical.cluster_robust(mean=mean, n=sizes, ss=ss)
    np.testing.assert_allclose(got.cr2_se, np.sqrt(meat) / 17)
    np.testing.assert_allclose(got.df, eigen.sum() ** 2 / (eigen**2).sum())
