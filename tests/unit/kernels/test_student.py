"""Student's t and quantiles of mixtures against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats
from scipy.optimize import brentq

from partialpool.kernels import student


@pytest.mark.parametrize("df", [20.0, 33.5, 100.0, 5e3])
def test_the_expansion_of_students_t_is_exact_to_1e_11(df):
    x = np.linspace(-12.0, 12.0, 1001)
    tail = 0.5 * special.betainc(0.5 * df, 0.5, df / (df + x * x))
    exact = np.where(x < 0, tail, 1.0 - tail)
    np.testing.assert_allclose(student.cdf(x, df), exact, rtol=0, atol=1.1e-11)


def mixtures(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Locations and scales of 20 mixtures of 40 components, and their weights."""
    rng = np.random.default_rng(3)
    weight = np.maximum(rng.dirichlet(np.full(40, 0.3)), 1e-12)
    weight /= weight.sum()
    loc, scale = rng.normal(size=(40, 20)), np.exp(0.2 * rng.normal(size=(40, 20)))
    if kind == "two peaks":
        loc += np.where(rng.random(loc.shape) < 0.5, 8.0, -8.0)
    if kind == "a few far wider":  # what sds without moments do
        scale[:3] *= [[1e3], [1e8], [1e14]]
        weight[:3] *= 1e-3
        weight /= weight.sum()
    if kind == "all of different width":
        scale = np.exp(8.0 * rng.normal(size=loc.shape))
    if kind == "some almost points":
        loc[:5], scale[:5] = 0.0, 1e-40
    return loc, scale, weight


@pytest.mark.parametrize("df", [math.inf, 1.0, 3.0, 25.0])
@pytest.mark.parametrize(
    "kind",
    [
        "nearly normal",
        "two peaks",
        "a few far wider",
        "all of different width",
        "some almost points",
    ],
)
def test_quantiles_of_mixtures_equal_those_by_bisection(kind, df):
    loc, scale, weight = mixtures(kind)
    for p in (1e-6, 0.025, 0.3, 0.5, 0.975):
        found = student.mixture_quantile(p, loc, scale, weight, df)
        for j, x in enumerate(found):

            def excess(at: float, j: int = j, p: float = p) -> float:
                z = (at - loc[:, j]) / scale[:, j]
                below = special.ndtr(z) if math.isinf(df) else special.stdtr(df, z)
                return float(weight @ below) - p

            far = np.abs(loc[:, j]).max() + 1e9 * scale[:, j].max()
            exact = brentq(excess, -far, far, xtol=1e-13, rtol=1e-13, maxiter=5000)
            close = abs(x - exact) < 1e-7 * (abs(exact) + np.median(scale[:, j]))
            assert close or abs(excess(x)) < 1e-7  # in the gap between two peaks


def test_weights_and_probabilities_may_differ_by_mixture():
    loc, scale, _ = mixtures("nearly normal")
    weight = np.random.default_rng(4).dirichlet(np.ones(40), size=20).T
    p = np.linspace(0.01, 0.99, 20)
    found = student.mixture_quantile(p, loc, scale, weight, 7.0)
    below = (weight * special.stdtr(7.0, (found - loc) / scale)).sum(axis=0)
    np.testing.assert_allclose(below, p, atol=1e-9)


def test_one_mixture_at_many_probabilities():
    loc, scale, weight = mixtures("nearly normal")
    p = np.linspace(0.001, 0.999, 33)
    found = student.mixture_quantile(p, loc[:, :1], scale[:, :1], weight, math.inf)
    below = weight @ special.ndtr((found - loc[:, :1]) / scale[:, :1])
    np.testing.assert_allclose(below, p, atol=1e-9)


def test_a_nearly_normal_mixture_takes_three_evaluations(monkeypatch):
    loc, scale, weight = mixtures("nearly normal")
    seen = []
    plain = student.cdf
    monkeypatch.setattr(student, "cdf", lambda x, df: seen.append(x.size) or plain(x, df))
    student.mixture_quantile(0.975, loc, scale, weight, math.inf)
    assert sum(seen) <= 3 * loc.size


@pytest.mark.parametrize("df", [1.0, 2.5, 19.0, 21.0, 5e3, 2e5, 3e6, math.inf])
def test_densities_and_quantiles_are_scipys(df):
    x = np.linspace(-9.0, 9.0, 61)
    t = stats.norm if math.isinf(df) else stats.t(df)
    np.testing.assert_allclose(student.pdf(x, df), t.pdf(x), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(student.cdf(x, df), t.cdf(x), rtol=0, atol=2e-11)
    p = np.array([1e-4, 0.2, 0.5, 0.975])
    np.testing.assert_allclose(student.quantile(p, df), t.ppf(p), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("df", [1.0, 7.0, 9e5, 1.1e6])
def test_the_constant_of_the_density(df):
    assert student.log_constant(df) == pytest.approx(stats.t(df).logpdf(0.0), rel=1e-9)
    assert student.log_constant(1.0) == pytest.approx(-math.log(math.pi), rel=1e-14)


@pytest.mark.parametrize("df", [math.inf, 4.5])
def test_mixtures_are_weighted_sums(df):
    loc, scale, weight = mixtures("nearly normal")
    t = stats.norm if math.isinf(df) else stats.t(df)
    x = np.linspace(-2.0, 2.0, loc.shape[1])
    below = sum(w * t.cdf((x - m) / s) for w, m, s in zip(weight, loc, scale, strict=True))
    dense = sum(w * t.pdf((x - m) / s) / s for w, m, s in zip(weight, loc, scale, strict=True))
    np.testing.assert_allclose(student.mixture_cdf(x, loc, scale, weight, df), below, rtol=1e-9)
    np.testing.assert_allclose(student.mixture_pdf(x, loc, scale, weight, df), dense, rtol=1e-9)


@pytest.mark.parametrize("df", [math.inf, 60.0])
@pytest.mark.parametrize("p", [0.025, 0.3, 0.9])
def test_the_expansion_is_cornish_and_fishers(df, p):
    """From the first four moments of the mixture, summed component by component."""
    loc, scale = np.array([[0.0], [0.2], [0.5]]), np.array([[1.0], [1.1], [0.9]])
    weight = np.array([0.5, 0.3, 0.2])
    variance = scale**2 * (1.0 if math.isinf(df) else df / (df - 2))
    kurtosis = 3.0 if math.isinf(df) else 3.0 + 6 / (df - 4)
    mean = weight @ loc
    d = loc - mean
    m2 = weight @ (variance + d**2)
    m3 = weight @ (3 * d * variance + d**3)
    m4 = weight @ (kurtosis * variance**2 + 6 * d**2 * variance + d**4)
    g, k, z = m3 / m2**1.5, m4 / m2**2 - 3, special.ndtri(p)
    offset = z + g * (z**2 - 1) / 6 + k * (z**3 - 3 * z) / 24 - g**2 * (2 * z**3 - 5 * z) / 36
    found = student.mixture_expansion(p, loc, scale, weight, df)
    np.testing.assert_allclose(found, mean + np.sqrt(m2) * offset, rtol=1e-12)
    exact = student.mixture_quantile(p, loc, scale, weight, df)
    np.testing.assert_allclose(found, exact, atol=2e-3)


def test_quantiles_of_mixtures_with_weights_of_their_own_and_very_uneven_widths():
    rng = np.random.default_rng(4)
    loc = rng.normal(size=(6, 9))
    scale = 10.0 ** rng.uniform(-3, 3, (6, 9))
    weight = rng.dirichlet(np.ones(6), 9).T
    found = student.mixture_quantile(0.9, loc, scale, weight, math.inf)
    for i in range(9):
        p = student.mixture_cdf(
            found[i], loc[:, i : i + 1], scale[:, i : i + 1], weight[:, i], math.inf
        )
        np.testing.assert_allclose(p, 0.9, atol=1e-8)
