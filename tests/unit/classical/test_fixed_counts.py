"""Fixed effects of counts: an intercept for each group, by maximum likelihood."""

from __future__ import annotations

import numpy as np
import pytest

import partialpool as pp

PRIOR = ["beta ~ normal(0, 2)", "Intercept ~ normal(0, 3)", "tau ~ half_normal(1)"]


def rows(family):
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(12), 5)
    x, n = rng.normal(size=60), rng.integers(3, 9, 60)
    eta = -0.5 + 0.6 * x + rng.normal(0, 0.8, 12)[g]
    y = rng.binomial(n, 1 / (1 + np.exp(-eta))) if family == "binomial" else rng.poisson(n * 0.5)
    return {"y": y, "n": n, "x": x, "g": g}


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_the_score_is_zero_and_the_error_is_the_curvatures(family):
    """At the estimate no change of beta and of the intercepts raises the likelihood."""
    data = rows(family)
    size = "trials" if family == "binomial" else "exposure"
    found = pp.fit(f"y | {size}(n) ~ x + (1 | g)", data).compare().coefficients
    beta, se = found["fixed"][1], found["fixed_se"][1]
    y, n, x = (np.asarray(data[k], dtype=float) for k in ("y", "n", "x"))

    def profile(b):
        """Highest log likelihood over the intercepts, one group at a time."""
        total = 0.0
        for g in range(12):
            at = data["g"] == g
            alpha = 0.0
            for _ in range(50):
                eta = alpha + b * x[at]
                mean = 1 / (1 + np.exp(-eta)) if family == "binomial" else np.exp(eta)
                slope = mean * (1 - mean) if family == "binomial" else mean
                alpha += (y[at] - n[at] * mean).sum() / (n[at] * slope).sum()
            eta = alpha + b * x[at]
            a = np.logaddexp(0, eta) if family == "binomial" else np.exp(eta)
            total += (y[at] * eta - n[at] * a).sum()
        return total

    h = 1e-3
    f = [profile(beta + k * h) for k in (-1, 0, 1)]
    assert abs(f[2] - f[0]) / (2 * h) < 1e-4
    assert se == pytest.approx(((2 * f[1] - f[0] - f[2]) / h**2) ** -0.5, rel=1e-4)
    assert np.isnan(found["fixed"][0])


def test_groups_of_one_kind_only_change_nothing():
    data = rows("binomial")
    more = {k: np.concatenate([v, v[:3]]) for k, v in data.items()}
    more["g"][-3:] = 99
    more["y"][-3:] = more["n"][-3:]
    a, b = (pp.fit("y | trials(n) ~ x + (1 | g)", d).compare() for d in (data, more))
    np.testing.assert_allclose(a.coefficients["fixed"], b.coefficients["fixed"], rtol=1e-8)
    assert "too far from 0" in b.text


def test_predictors_that_separate_have_no_estimate():
    g, x = np.repeat(np.arange(4), 4), np.tile([0, 1, 2, 3], 4)
    data = {"y": (x > 1) * 1, "x": x, "g": g, "u": g * 1.0}
    found = pp.fit("y ~ x + u + (1 | g)", data, family="binomial", prior=PRIOR).compare()
    assert np.isnan(found.coefficients["fixed"]).all()
    assert np.isnan(found.coefficients["complete"][1])
    assert np.isfinite(found.coefficients["hierarchical"]).all()
    assert 'cannot estimate "u"' in found.text
    assert "no finite estimate" in found.text


def test_every_intercept_and_predictor_costs_a_degree_of_freedom():
    text = pp.fit("y | trials(n) ~ x + (1 | g)", rows("binomial")).compare().text
    assert "leaves 47 of 60 degrees of freedom" in " ".join(text.split())  # 60 - 12 - 1
